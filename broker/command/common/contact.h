/* SPDX-License-Identifier: MIT
 * A running broker: found by its directory, asked over its control socket. */
#ifndef SKEP_COMMAND_COMMON_CONTACT_H
#define SKEP_COMMAND_COMMON_CONTACT_H

#include <command.h>
#include <common/instance.h>
#include <jansson.h>
#include <transport/ask.h>

#include "command/options.h"

struct column;

struct contact {
    struct skep__instance instance;
    skep__asker *asker;
    char why[SKEP_MAX_REASON + 1]; /* of the latest failure */
    const char *command, *queue;   /* which queue is asked about, and by what; NULL: none */
};

/* Called for each command of an answer; what it points to is borrowed until it returns. */
typedef void answer_cb(const struct skep_command *command, void *context);

/* Calls back for each running broker whose directory is beside dir, which need not be there, by the alphabet. */
void neighbours_each(const char *dir, void (*found)(const char *name, void *context), void *context);

/* Finds the broker. Returns 0; or says what is wrong and returns the exit status. */
int contact_find(struct skep__instance *instance, const struct options *options);

/* Finds the broker and connects. Returns 0; or says what is wrong and returns the exit status, with nothing open. */
int contact_open(struct contact *contact, const struct options *options);
void contact_close(struct contact *contact);

/* Opens, runs and closes; returns the exit status. */
int contact_run(const struct options *options, int (*run)(struct contact *contact, const struct options *options));

/* How long a person is ready to wait */
enum { ANSWER_TIMEOUT_MS = 5000 };

/* Asks and waits for the answer; what went wrong is in why. Asks again if the connection ends, but not for what would
 * be done twice then. */
SKEP_MUST_USE int contact_ask(struct contact *contact, const struct skep_command *command, unsigned timeout_ms,
                              answer_cb *answer, void *context);

/* True while the broker that was found owns its directory. */
bool contact_is_there(const struct contact *contact);

/* Whether the broker, which does not answer any more, has ended by itself: then it has taken its sockets with it; one
 * that was killed has left them. False if another one is there already: it removes what would tell. Waits for it to
 * leave its directory, 5 s at most. */
bool contact_has_stopped(const struct contact *contact);

/* Says that asking failed with this status; returns the exit status. */
int contact_fail(const struct contact *contact, int status);

/* An answer of which nothing is expected but that it came. */
void ignore_answer(const struct skep_command *command, void *context);

/* --- one question whose answer is a list --- */

/* Asks and gathers each command of the kind as an object in a new array. Returns 0; or says what is wrong and returns
 * the exit status. */
int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind, json_t **list);

/* Prints an object whose only member is the list, or for people what table_print does; none: what is said if there are
 * none. */
void show_list(const struct options *options, const char *key, json_t *list, const char *none,
               const struct column *columns, void (*below)(const json_t *row));

#endif
