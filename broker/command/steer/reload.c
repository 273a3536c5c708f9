/* SPDX-License-Identifier: MIT
 * skep reload and skep restart: replace workers, and show how far it is. */
#include <errno.h>

#include "command/steer/steer.h"

static void show_step(struct steering *steering, const struct skep_command_event *event) {
    if (event->reason.size_bytes > 0)
        ticker_step(&steering->ticker, "%.*s (%" PRIu64 " of %" PRIu64 ")", (int)event->reason.size_bytes,
                    event->reason.data, event->step, event->steps);
    else
        ticker_step(&steering->ticker, "worker %" PRIu64 " is ready (%" PRIu64 " of %" PRIu64 ")", event->worker,
                    event->step, event->steps);
}

static void show_done(struct steering *steering, const struct skep_command_event *event) {
    if (steering->worker != 0) steer_done(steering, "worker %" PRIu32 " is replaced", steering->worker);
    else steer_done(steering, "%" PRIu64 " worker%s replaced", event->steps, event->steps == 1 ? "" : "s");
}

/* What the worker wrote says more often than not why. */
static void show_aborted(struct steering *steering, const struct skep_command_event *event) {
    char more[64] = "";
    if (event->worker != 0) snprintf(more, sizeof more, "; skep logs %" PRIu64 " shows what it wrote", event->worker);
    steer_failed(steering, SKEP_EABORTED, "aborted: %.*s; the old workers continue%s", (int)event->reason.size_bytes,
                 event->reason.data, more);
}

static void show_pending(struct steering *steering, const struct skep_command_event *event) {
    steering->is_pending = true;
    ticker_step(&steering->ticker, "a reload is under way (%" PRIu64 " of %" PRIu64 "); this one follows", event->step,
                event->steps);
}

/* Without numbers: what comes before its beginning is the end of an earlier one. What is replaced was pending: it is
 * another one if this one has begun, or is not yet pending. */
static bool seems_own(const struct steering *steering, const struct skep_command_event *event) {
    if (skep__text_is(event->phase, "pending")) return !steering->has_begun;
    if (skep__text_is(event->phase, "replaced")) return !steering->has_begun && steering->is_pending;
    return steering->has_begun || skep__text_is(event->phase, "begun");
}

static bool is_own(const struct steering *steering, const struct skep_command_event *event) {
    if (steering->request == 0 || !SKEP_HAS(event, event, request)) return seems_own(steering, event);
    uint64_t count = SKEP_HAS(event, event, requests) ? event->requests : 1;
    return steering->request >= event->request && steering->request - event->request < count;
}

static void heard(struct steering *steering, const struct skep_command_event *event) {
    if (!skep__text_is(event->event, "reload") || !is_own(steering, event)) return;
    if (skep__text_is(event->phase, "pending")) show_pending(steering, event);
    else if (skep__text_is(event->phase, "replaced"))
        steer_failed(steering, SKEP_ESTATE, "replaced %.*s", (int)event->reason.size_bytes, event->reason.data);
    else if (skep__text_is(event->phase, "begun")) steering->has_begun = true;
    else if (skep__text_is(event->phase, "step")) show_step(steering, event);
    else if (skep__text_is(event->phase, "done")) show_done(steering, event);
    else if (skep__text_is(event->phase, "aborted")) show_aborted(steering, event);
}

static void take_request(const struct skep_command *command, void *context) {
    struct steering *steering = context;
    if (command->id == SKEP_COMMAND_done && SKEP_HAS(done, &command->done, request))
        steering->request = command->done.request;
    if (command->id == SKEP_COMMAND_done && SKEP_HAS(done, &command->done, group))
        skep__copy_text(steering->group, sizeof steering->group, &command->done.group);
}

/* Its end may be among the news that are lost. */
static void looked(struct steering *steering) {
    if (steering->outlook.is_reloading || steering->follower.at.lost == 0) return;
    steer_failed(steering, SKEP_ESTATE, "it has ended, but its result was lost; see skep status");
}

/* Empty if none were given: the new workers then have no arguments. */
static struct skep_list list_of(const char *const *args, struct skep_bytes *items) {
    struct skep_list list = {.borrowed = items};
    for (; args[list.count] != NULL && list.count < SKEP_MAX_LIST; list.count++)
        items[list.count] = skep__text(args[list.count]);
    return list;
}

static const char *check_args(const char *const *args) {
    for (size_t i = 0; args[i] != NULL; i++) {
        if (i == SKEP_MAX_LIST) return "too many arguments";
        if (strlen(args[i]) > SKEP_MAX_PATH) return "an argument is longer than 4095 bytes";
    }
    return NULL;
}

/* User and directory of the new workers */
static int set_surroundings(const struct options *options, struct skep_command_reload *reload,
                            char path[SKEP_MAX_PATH + 1], struct skep_bytes items[MAX_ENV]) {
    if (options->settings.cwd != NULL) {
        const char *cwd = absolute_path(options->settings.cwd, path);
        if (cwd == NULL) return fail(SKEP_ESYS, "reload: %s: %s", options->settings.cwd, strerror(errno));
        SKEP_SET(reload, reload, cwd, skep__text(cwd));
    }
    if (options->env_count > 0) SKEP_SET(reload, reload, env, list_of(options->env, items));
    if (options->settings.set_ids) {
        SKEP_SET(reload, reload, uid, options->settings.uid);
        SKEP_SET(reload, reload, gid, options->settings.gid);
    }
    if (options->settings.set_umask) SKEP_SET(reload, reload, umask, options->settings.umask);
    return 0;
}

/* group: NULL: there is but one. */
static int reload(const struct options *options, const char *group) {
    struct steering steering = {.command = "reload", .heard = heard, .looked = looked};
    struct skep_command question = {.id = SKEP_COMMAND_reload};
    struct skep_bytes items[SKEP_MAX_LIST], variables[MAX_ENV];
    const char *const *args = (const char *const *)options->args;
    char path[SKEP_MAX_PATH + 1], cwd[SKEP_MAX_PATH + 1];
    const char *why = args != NULL ? check_args(args) : NULL;
    if (why != NULL) return fail(SKEP_EINVAL, "reload: %s", why);
    if (options->program_to != NULL) {
        const char *program = options->program_to; /* the broker may have another working directory */
        if (strchr(program, '/') != NULL) program = absolute_path(program, path);
        if (program == NULL) return fail(SKEP_ESYS, "reload: %s: %s", options->program_to, strerror(errno));
        SKEP_SET(reload, &question.reload, program, skep__text(program));
    }
    if (args != NULL) SKEP_SET(reload, &question.reload, args, list_of(args, items));
    if (options->at_once != 0) SKEP_SET(reload, &question.reload, atOnce, options->at_once);
    int code = set_surroundings(options, &question.reload, cwd, variables);
    if (code == 0 && group != NULL) code = steer_set_group(&steering, group);
    if (group != NULL) SKEP_SET(reload, &question.reload, group, skep__text(steering.group));
    return code == 0 ? steer_and_follow(&steering, options, &question, take_request) : code;
}

/* --- all groups --- */

enum { MOST_GROUPS = 1000 };

struct groups {
    unsigned count;
    char names[MOST_GROUPS][65]; /* of those that have workers, or wait for some */
};

static void note_group(const struct skep_command *command, void *context) {
    struct groups *groups = context;
    const struct skep_command_groupStatus *group = &command->groupStatus;
    if (command->id != SKEP_COMMAND_groupStatus || group->wanted == 0 || groups->count == MOST_GROUPS) return;
    skep__copy_text(groups->names[groups->count], sizeof groups->names[0], &group->name);
    groups->count++;
}

static int find_groups(const struct options *options, struct groups *groups) {
    struct contact contact;
    struct skep_command question = {.id = SKEP_COMMAND_status};
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    int status = contact_ask(&contact, &question, ANSWER_TIMEOUT_MS, note_group, groups);
    if (status != SKEP_OK) code = steer_refused(&contact, "reload", status);
    contact_close(&contact);
    return code;
}

static bool changes_something(const struct options *options) {
    return options->program_to != NULL || options->args != NULL || options->settings.cwd != NULL ||
           options->env_count > 0 || options->settings.set_ids || options->settings.set_umask;
}

/* One after the other; what is to change is one group's, and the broker asks for its name. */
static int reload_all(const struct options *options) {
    static struct groups groups;
    if (changes_something(options)) return reload(options, NULL);
    int code = find_groups(options, &groups);
    if (code == 0 && groups.count < 2) return reload(options, groups.count == 1 ? groups.names[0] : NULL);
    for (unsigned i = 0; i < groups.count && code == 0; i++) {
        printf("group %s\n", groups.names[i]);
        code = reload(options, groups.names[i]);
    }
    return code;
}

int command_reload(const struct options *options) {
    const char *group = options->operands[0];
    return group != NULL ? reload(options, group) : reload_all(options);
}

int command_restart(const struct options *options) {
    struct steering steering = {.command = "restart", .heard = heard, .looked = looked};
    if (!is_number(options->operands[0])) return reload(options, options->operands[0]);
    int code = parse_worker("restart", options->operands[0], &steering.worker);
    if (code != 0) return code;
    struct skep_command question = {.id = SKEP_COMMAND_restartWorker, .restartWorker = {.worker = steering.worker}};
    return steer_and_follow(&steering, options, &question, take_request);
}
