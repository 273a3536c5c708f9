/* SPDX-License-Identifier: MIT
 * What the subcommands that change a running hive have in common: they ask, then follow the news until it is done. */
#ifndef SKEP_COMMAND_STEER_STEER_H
#define SKEP_COMMAND_STEER_STEER_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/contact.h"
#include "command/common/follow.h"
#include "command/common/say.h"
#include "command/common/values.h"
#include "command/subcommands.h"
#include "common/text.h"

/* --- ticker.c: how far something is: on a terminal one line on stdout that is written again and again, else a line for
 * each step --- */

struct ticker {
    bool is_terminal;
    bool is_shown; /* a line stands there that is to be written over */
};

void ticker_begin(struct ticker *ticker);

/* A step that was made. */
SKEP_PRINTF(2, 3) void ticker_step(struct ticker *ticker, const char *format, ...);

/* What is waited for; shown on terminals only. */
SKEP_PRINTF(2, 3) void ticker_wait(struct ticker *ticker, const char *format, ...);

/* A line that stays, whatever follows. */
SKEP_PRINTF(2, 3) void ticker_line(struct ticker *ticker, const char *format, ...);

/* Leaves the line empty, for something else to be written there. */
void ticker_erase(struct ticker *ticker);

/* --- steer.c --- */

/* How the hive was when it was looked at last; of one worker more, if the steering is about one. */
struct outlook {
    uint64_t news_seq; /* number of the latest item of news then */
    bool is_told;      /* the broker says how many workers it wants */
    uint64_t wanted;
    unsigned ready, leaving; /* workers */
    bool is_reloading;
    bool is_broken; /* the breaker is open */
    bool is_there;  /* the worker is */
    bool drains;
    uint64_t connections, jobs, drain_ms; /* that it has; until it gets a signal */
};

struct steering {
    const char *command; /* the subcommand */
    uint32_t worker;     /* the one that it is about; 0: none */
    char group[65];      /* the one that it is about; "": there is but one, or it is not known yet */
    struct contact contact;
    struct follower follower;
    struct outlook outlook;
    struct ticker ticker;
    uint64_t looked_ms; /* when, by the monotonic clock */
    bool is_stale;      /* something has happened since */
    bool is_over;
    int code; /* exit status */

    /* Both may end it. heard: an event came; looked: the outlook is new */
    void (*heard)(struct steering *steering, const struct skep_command_event *event);
    void (*looked)(struct steering *steering);
    uint64_t target;  /* scale: workers wanted */
    bool is_growing;  /* scale: there were fewer */
    uint64_t request; /* reload: its number; 0: an older broker gives none, and the next two tell what is its own */
    bool is_pending;  /* reload: it waits for the end of another one */
    bool has_begun;   /* reload: its own first event came */
};

/* Asks, and if that went well follows the news until it is over; with options->no_wait it returns when the broker has
 * answered. answer and what it is given, the steering, see the answer. */
int steer_and_follow(struct steering *steering, const struct options *options, const struct skep_command *question,
                     answer_cb *answer);

/* Ends it: with a line on stdout, or with a failure, which is said after the name of the subcommand. */
SKEP_PRINTF(2, 3) void steer_done(struct steering *steering, const char *format, ...);
SKEP_PRINTF(3, 4) void steer_failed(struct steering *steering, int status, const char *format, ...);

/* Whether something is of the group that the steering is about; of is NULL if there is but one. */
bool steer_is_about(const struct steering *steering, const struct skep_bytes *of);

/* Says on stderr what happened to a worker, in the words of the log. */
void steer_tell(struct steering *steering, const struct skep_command_event *event);

/* The failure of a question: in the broker's words if it refused, else where it is and what became of it. Returns the
 * exit status. */
int steer_refused(const struct contact *contact, const char *command, int status);

/* The operand GROUP. Returns 0, or says that it cannot be one and returns the exit status. */
int steer_set_group(struct steering *steering, const char *operand);

/* The operand WORKER as an id. Returns 0, or says that it is none and returns the exit status. */
int parse_worker(const char *command, const char *operand, uint32_t *worker);

#endif
