/* SPDX-License-Identifier: MIT
 * A running broker, as status, events and stop see it. */
#include "command/common/contact.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/common/fields.h"
#include "command/common/members.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "command/common/table.h"

enum {
    TRIES = 3,
    END_MS = 5000, /* for a broker that does not answer any more to leave its directory */
    LOOK_EVERY_MS = 10
};

/* --- the brokers that run beside each other --- */

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* What belongs to others cannot be read, and is not found. */
static bool is_running(const char *folder, const char *name) {
    struct skep__instance instance;
    char dir[SKEP_MAX_DIR + 1];
    int length = snprintf(dir, sizeof dir, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof dir && skep__instance_find(dir, &instance) == SKEP_OK;
}

void neighbours_each(const char *dir, void (*found)(const char *name, void *context), void *context) {
    char folder[SKEP_MAX_DIR + 1];
    struct dirent **entries;
    snprintf(folder, sizeof folder, "%s", dir);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return;
    *slash = '\0';
    int count = scandir(folder[0] != '\0' ? folder : "/", &entries, is_visible, alphasort);
    if (count < 0) return;
    for (int i = 0; i < count; i++) {
        if (is_running(folder, entries[i]->d_name)) found(entries[i]->d_name, context);
        free(entries[i]);
    }
    free(entries);
}

/* --- finding one --- */

/* Names of brokers, as many as a line holds. */
struct names {
    char text[512];
    size_t used;
};

static void add_name(const char *name, void *context) {
    struct names *names = context;
    size_t room = sizeof names->text - names->used;
    int length = snprintf(names->text + names->used, room, "%s%s", names->used > 0 ? ", " : "", name);
    if (length > 0 && (size_t)length < room) names->used += (size_t)length;
    else names->text[names->used] = '\0';
}

/* Who named no directory may have meant another broker, or be surprised by the environment. */
static int no_broker(const char *dir, const struct options *options) {
    const char *variable = getenv(SKEP_ENV_DIR);
    struct names names = {.used = 0};
    if (options->dir != NULL) return fail(SKEP_ENOBROKER, "no broker in %s", dir);
    if (variable != NULL && variable[0] != '\0') return fail(SKEP_ENOBROKER, "no broker in %s (" SKEP_ENV_DIR ")", dir);
    neighbours_each(dir, add_name, &names);
    if (names.used == 0) return fail(SKEP_ENOBROKER, "no broker in %s", dir);
    return fail(SKEP_ENOBROKER, "no broker in %s; running: %s (--name)", dir, names.text);
}

int contact_find(struct skep__instance *instance, const struct options *options) {
    char dir[SKEP_MAX_DIR + 1], reason[SKEP_MAX_REASON + 1];
    const char *why = NULL;
    int status = skep__instance_dir(options->dir, options->name, dir, &why);
    const char *asked = options->dir != NULL ? options->dir : options->name;
    if (status != SKEP_OK) return fail(status, "%s: %s", asked, why != NULL ? why : skep_strerror(status));
    status = skep__instance_find_or_say(dir, instance, reason);
    if (status == SKEP_ENOBROKER) return no_broker(dir, options);
    if (status == SKEP_EDIR) return fail(status, "%s: %s: %s", dir, skep_strerror(status), reason);
    if (status != SKEP_OK) return fail(status, "%s: %s", dir, reason);
    return 0;
}

/* --- asking it --- */

/* A broker that runs with NNG's sockets opens its control socket again when that had gone deaf: who was waiting there
 * asks once more. */
static bool may_try_again(const struct contact *contact, int status, unsigned tries) {
    return status == SKEP_ECLOSED && tries < TRIES && contact_is_there(contact);
}

static int dial(struct contact *contact) {
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&contact->instance, SKEP_FILE_CONTROL, url, sizeof url);
    unsigned tries = 1;
    int status = skep__asker_new(&contact->asker, url);
    for (; may_try_again(contact, status, tries); tries++) status = skep__asker_new(&contact->asker, url);
    return status;
}

int contact_open(struct contact *contact, const struct options *options) {
    *contact = (struct contact){0};
    int code = contact_find(&contact->instance, options);
    if (code != 0) return code;
    int status = dial(contact);
    return status == SKEP_OK ? 0 : contact_fail(contact, status);
}

void contact_close(struct contact *contact) {
    skep__asker_free(&contact->asker);
}

int contact_run(const struct options *options, int (*run)(struct contact *contact, const struct options *options)) {
    struct contact contact;
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    code = run(&contact, options);
    contact_close(&contact);
    return code;
}

/* A question that could not be repeated leaves nothing open: the next one dials. */
static int ask_once(struct contact *contact, const struct skep_command *command, unsigned timeout_ms, answer_cb *answer,
                    void *context) {
    int status = contact->asker == NULL ? dial(contact) : SKEP_OK;
    if (status == SKEP_OK) return skep__ask(contact->asker, command, timeout_ms, answer, context, contact->why);
    snprintf(contact->why, sizeof contact->why, "%s", skep_strerror(status));
    return status;
}

/* Such a command may have been carried out, though its answer was lost, and asking again would do it twice. */
static bool adds_up(enum skep_command_id id) {
    return id == SKEP_COMMAND_scale || id == SKEP_COMMAND_reload || id == SKEP_COMMAND_restartWorker ||
           id == SKEP_COMMAND_drainWorker || id == SKEP_COMMAND_signalWorker || id == SKEP_COMMAND_cancelJob;
}

int contact_ask(struct contact *contact, const struct skep_command *command, unsigned timeout_ms, answer_cb *answer,
                void *context) {
    contact->why[0] = '\0';
    int status = ask_once(contact, command, timeout_ms, answer, context);
    if (status == SKEP_ECLOSED && adds_up(command->id)) {
        skep__asker_free(&contact->asker);
        if (!contact_is_there(contact)) return status;
        snprintf(contact->why, sizeof contact->why, "the answer was lost; the request may have been executed");
        return status;
    }
    for (unsigned tries = 1; contact->asker != NULL && may_try_again(contact, status, tries); tries++) {
        skep__asker_free(&contact->asker);
        status = ask_once(contact, command, timeout_ms, answer, context);
    }
    return status;
}

bool contact_is_there(const struct contact *contact) {
    struct skep__instance now;
    if (skep__instance_find(contact->instance.dir, &now) != SKEP_OK) return false;
    return now.pid == contact->instance.pid && now.generation == contact->instance.generation;
}

static bool is_gone_within(const struct contact *contact, unsigned timeout_ms) {
    for (unsigned waited_ms = 0; contact_is_there(contact); waited_ms += LOOK_EVERY_MS) {
        if (waited_ms >= timeout_ms) return false;
        poll(NULL, 0, LOOK_EVERY_MS);
    }
    return true;
}

bool contact_has_stopped(const struct contact *contact) {
    struct skep__instance other;
    char url[SKEP_MAX_URL + 1];
    if (!is_gone_within(contact, END_MS)) return false;
    skep__instance_url(&contact->instance, SKEP_FILE_CONTROL, url, sizeof url);
    bool is_clean = access(url + strlen("ipc://"), F_OK) != 0;
    return is_clean && skep__instance_find(contact->instance.dir, &other) == SKEP_ENOBROKER;
}

int contact_fail(const struct contact *contact, int status) {
    const char *why = contact->why[0] != '\0' ? contact->why : skep_strerror(status);
    if (status == SKEP_ENOQUEUE && contact->queue != NULL)
        return fail(status, "%s: %s: %s", contact->command, contact->queue, why);
    return fail(status, "broker pid %d in %s: %s", (int)contact->instance.pid, contact->instance.dir, why);
}

void ignore_answer(const struct skep_command *command, void *context) {
    (void)command, (void)context;
}

/* --- one question whose answer is a list --- */

struct gathering {
    enum skep_command_id kind;
    json_t *list;
    bool failed; /* no memory */
};

/* Of a payload that is longer than what is shown, the last character may be cut in two. */
static json_t *job_json(struct skep_command job) {
    struct skep_bytes *data = &job.jobStatus.data;
    *data = whole_characters(*data, job.jobStatus.size > data->size_bytes);
    return members_of(&job);
}

static void gather(const struct skep_command *command, void *context) {
    struct gathering *gathering = context;
    if (command->id != gathering->kind) return;
    json_t *object = command->id == SKEP_COMMAND_jobStatus ? job_json(*command) : members_of(command);
    if (json_array_append_new(gathering->list, object) != 0) gathering->failed = true;
}

int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind, json_t **list) {
    struct gathering gathering = {.kind = kind, .list = json_array()};
    int status =
        gathering.list == NULL ? SKEP_ENOMEM : contact_ask(contact, question, ANSWER_TIMEOUT_MS, gather, &gathering);
    if (status == SKEP_OK && gathering.failed) status = SKEP_ENOMEM;
    if (status == SKEP_OK) *list = gathering.list;
    else json_decref(gathering.list);
    return status == SKEP_OK ? 0 : contact_fail(contact, status);
}

void show_list(const struct options *options, const char *key, json_t *list, const char *none,
               const struct column *columns, void (*below)(const json_t *row)) {
    if (options->json) print_json(json_pack("{s:O}", key, list));
    else if (json_array_size(list) == 0) puts(none);
    else table_print(list, columns, below);
}
