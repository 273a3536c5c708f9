/* SPDX-License-Identifier: MIT
 * Rolling reload and the restart of one worker. What is to be done next is found by looking at the places, at the end
 * of the loop's turn: nothing is started, and no event told, inside a call of the user's. An event's callback may stop
 * the cluster, which ends the reload: after each event one looks whether it is still there. */
#include <inttypes.h>

#include "group/private.h"

/* Requests in a row that one reload does, by their numbers */
struct requests {
    uint64_t first;
    uint32_t count;
};

struct skep__reload {
    skep_group *group;
    struct requests requests;
    struct skep__program program;  /* of the successors; owned */
    bool changes_program;          /* exec or args */
    bool changes_settings;         /* these, or the workers' user or directory */
    bool begun;                    /* and said so */
    unsigned at_once;              /* successors that are not ready yet, at most */
    const struct skep__slot *only; /* the place to be renewed; NULL: all */
    struct skep__flush flush;
    struct requests next_requests; /* that came meanwhile: one reload follows; none: no other follows */
    struct skep__program next;     /* its; owned; NULL: as it is then */
    unsigned next_at_once;         /* 0: the default */
};

uint64_t skep_group_reload_request(const skep_group *group) {
    return group->reload_requests;
}

/* --- places --- */

static bool awaits_successor(const struct skep__reload *reload, const struct skep__slot *slot) {
    bool is_concerned = reload->only == NULL || reload->only == slot;
    return is_concerned && !slot->renewed && slot->successor == NULL && slot->wanted;
}

static unsigned count_successors(const skep_group *group) {
    unsigned count = 0;
    for (size_t i = 0; i < group->slot_count; i++) count += group->slots[i]->successor != NULL;
    return count;
}

static struct skep__slot *next_place(const struct skep__reload *reload) {
    const skep_group *group = reload->group;
    for (size_t i = 0; i < group->slot_count; i++)
        if (awaits_successor(reload, group->slots[i])) return group->slots[i];
    return NULL;
}

struct skep__steps skep__reload_progress(const skep_group *group) {
    const struct skep__reload *reload = group->reload;
    struct skep__steps steps = {0};
    for (size_t i = 0; reload != NULL && i < group->slot_count; i++) {
        const struct skep__slot *slot = group->slots[i];
        steps.done += slot->renewed;
        steps.all += slot->renewed || slot->successor != NULL || awaits_successor(reload, slot);
    }
    return steps;
}

int skep__reload_refuse(skep_group *group) {
    const struct skep__steps steps = skep__reload_progress(group);
    return skep__broker_fail(group->cluster, SKEP_EUNDERWAY,
                             "a reload is under way: %" PRIu32 " of %" PRIu32 " workers", steps.done, steps.all);
}

/* One that has begun to accept from a socket of its own may have connections: it finishes them. */
static void withdraw(struct skep__slot *slot) {
    skep_child *child = slot->successor;
    if (child == NULL) return;
    slot->successor = NULL;
    child->reason = "reload";
    child->voluntary = true;
    if (skep__has_listeners(child)) {
        skep_child_disconnect(child);
        return;
    }
    skep__child_discard(child, "reload"); /* it must not become ready any more */
}

/* --- events --- */

static skep_event event_of(const skep_group *group, skep_child *child, const struct requests *requests,
                           const char *phase, struct skep__steps steps, const char *reason) {
    skep_event event = skep__event(SKEP_EVENT_RELOAD, child);
    event.group = group->terms.name;
    event.request = requests->first;
    event.requests = requests->count;
    event.phase = phase;
    event.step = steps.done;
    event.steps = steps.all;
    event.reason = reason;
    return event;
}

/* The reload must not be touched after this, unless it is still under way. */
static void emit_begun(struct skep__reload *reload) {
    char reason[SKEP_MAX_REASON + 1];
    const struct skep__steps steps = skep__reload_progress(reload->group);
    snprintf(reason, sizeof reason, "replacing %" PRIu32 " worker%s%s%s", steps.all, steps.all == 1 ? "" : "s",
             reload->changes_program ? " by " : "", reload->changes_program ? reload->program.exec : "");
    reload->begun = true;
    skep_event event = event_of(reload->group, NULL, &reload->requests, "begun", steps, reason);
    skep__emit(reload->group->cluster, &event);
}

/* The same. */
static void emit_step(const struct skep__reload *reload, skep_child *child, uint32_t old) {
    char reason[SKEP_MAX_REASON + 1];
    const struct skep__steps steps = skep__reload_progress(reload->group);
    if (old != 0) snprintf(reason, sizeof reason, "worker %" PRIu32 " replaces worker %" PRIu32, child->id, old);
    else snprintf(reason, sizeof reason, "worker %" PRIu32 " fills an empty place", child->id);
    skep_event event = event_of(reload->group, child, &reload->requests, "step", steps, reason);
    skep__emit(reload->group->cluster, &event);
}

/* --- ending --- */

static void go_on_soon(skep_group *group) {
    if (group->reload != NULL) skep__flusher_mark(group->cluster->flusher, &group->reload->flush);
}

static void free_reload(struct skep__reload *reload) {
    skep__program_free(&reload->program);
    skep__program_free(&reload->next);
    free(reload);
}

/* Takes the reload off the cluster; every place is as if there had been none. */
static struct skep__reload *detach(skep_group *group) {
    struct skep__reload *reload = group->reload;
    group->reload = NULL;
    skep__flusher_unmark(group->cluster->flusher, &reload->flush);
    for (size_t i = 0; i < group->slot_count; i++) {
        struct skep__slot *slot = group->slots[i];
        withdraw(slot);
        slot->renewed = false;
        skep__slot_unhold(slot);
    }
    return reload;
}

void skep__reload_cancel(skep_group *group) {
    if (group->reload != NULL) free_reload(detach(group));
}

static void go_on(struct skep__flush *flush);

static struct skep__reload *allocate(skep_group *group, const skep_reload_options *options, struct requests requests) {
    struct skep__reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL) return NULL;
    reload->group = group;
    reload->requests = requests;
    reload->flush.flush = go_on;
    reload->at_once = options->at_once != 0 ? options->at_once : 1;
    reload->changes_program = options->exec != NULL || options->args != NULL;
    reload->changes_settings = reload->changes_program || options->cwd != NULL || options->env != NULL ||
                               options->set_ids || options->set_umask;
    struct skep__program now = skep__program_of(group->terms.settings);
    if (skep__program_changed(&reload->program, &now, options) == SKEP_OK) return reload;
    free(reload);
    return NULL;
}

/* The next one is under way before callbacks are told of the end: what they ask for comes after it. What is wanted may
 * have changed since it was asked for: that it comes to nothing is then told as of any other. */
static void end(struct skep__reload *ended, skep_event event) {
    skep_group *group = ended->group;
    bool follows = ended->next_requests.count > 0;
    skep_reload_options wishes = skep__program_wishes(&ended->next);
    wishes.at_once = ended->next_at_once;
    struct skep__reload *next = follows ? allocate(group, &wishes, ended->next_requests) : NULL;
    skep_event lost =
        event_of(group, NULL, &ended->next_requests, "aborted", (struct skep__steps){0}, skep_strerror(SKEP_ENOMEM));
    group->reload = next;
    go_on_soon(group);
    free_reload(ended);
    skep__emit(group->cluster, &event);
    if (follows && next == NULL) skep__emit(group->cluster, &lost);
}

static void abort_reload(skep_group *group, skep_child *failed, const char *reason) {
    const struct skep__steps steps = skep__reload_progress(group);
    struct skep__reload *ended = detach(group);
    end(ended, event_of(group, failed, &ended->requests, "aborted", steps, reason));
}

/* A program that has not been tried is not adopted; else later replacements run what the new workers run. */
static void finish(struct skep__reload *reload) {
    skep_group *group = reload->group;
    bool whole = reload->only == NULL;
    char reason[SKEP_MAX_REASON + 1];
    const struct skep__steps steps = skep__reload_progress(group);
    if (steps.done == 0) {
        abort_reload(group, NULL, "no worker is left to replace");
        return;
    }
    snprintf(reason, sizeof reason, "%" PRIu32 " worker%s replaced", steps.done, steps.done == 1 ? "" : "s");
    if (reload->changes_settings) skep__program_adopt(&reload->program, group->terms.settings);
    detach(group);
    if (whole) skep__refill_resume(group, "all workers were replaced");
    end(reload, event_of(group, NULL, &reload->requests, "done", steps, reason));
}

static void describe_end(const skep_child *child, char *text, size_t room) {
    char how[SKEP__HOW_SIZE];
    skep__exit_text(child, how);
    if (child->reason != NULL && strcmp(child->reason, "not-ready") == 0)
        snprintf(text, room, "worker %" PRIu32 " was not ready after %u ms", child->id,
                 child->terms->settings->ready_timeout_ms);
    else
        snprintf(text, room, "worker %" PRIu32 " %s %s it was ready", child->id, how,
                 child->ready_ms != 0 ? "after" : "before");
}

/* --- going on --- */

/* Returns whether there is still a reload. */
static bool renew(struct skep__reload *reload, struct skep__slot *slot) {
    skep_group *group = reload->group;
    char reason[SKEP_MAX_REASON + 1];
    skep__slot_hold(slot);
    if (skep__slot_start_successor(slot, &reload->program) == SKEP_OK) return true;
    snprintf(reason, sizeof reason, "%.*s", SKEP_MAX_REASON, group->cluster->why);
    abort_reload(group, NULL, reason);
    return false;
}

static void go_on(struct skep__flush *flush) {
    struct skep__reload *reload = SKEP_CONTAINER(flush, struct skep__reload, flush);
    skep_group *group = reload->group;
    struct skep__slot *slot;
    if (!reload->begun) emit_begun(reload);
    if (group->reload != reload) return;
    while (count_successors(group) < reload->at_once && (slot = next_place(reload)) != NULL)
        if (!renew(reload, slot)) return;
    if (count_successors(group) == 0) finish(reload);
}

/* From here on the new worker has the place; the old one leaves, and connections have somewhere to go. */
static void promote(skep_child *child) {
    struct skep__slot *slot = child->slot;
    skep_child *old = slot->child;
    slot->child = child;
    slot->successor = NULL;
    slot->wanted = slot->used = true; /* its old worker may have gone for good, and been its first */
    slot->renewed = true;
    slot->failures = 0;
    uint32_t old_id = old != NULL ? old->id : 0;
    if (old != NULL) skep_child_disconnect(old);
    if (slot->group->reload != NULL) emit_step(slot->group->reload, child, old_id);
}

void skep__reload_child_ready(skep_child *child) {
    struct skep__slot *slot = child->slot;
    if (slot->successor != child || child->voluntary) return; /* a callback of its event has asked it to leave */
    promote(child);
    go_on_soon(slot->group);
}

void skep__reload_place_given_up(struct skep__slot *slot) {
    withdraw(slot);
    go_on_soon(slot->group);
}

bool skep__reload_child_ends(const skep_child *child) {
    struct skep__slot *slot = child->slot;
    if (slot->group->reload == NULL) return false;
    if (slot->successor == child) return true;
    if (slot->child != child) return false;
    bool fails = slot->renewed && !child->voluntary;
    if (fails) slot->renewed = false;
    return fails;
}

void skep__reload_child_ended(skep_child *child, bool fails_reload) {
    char reason[SKEP_MAX_REASON + 1];
    skep_group *group = skep__group_of(child);
    describe_end(child, reason, sizeof reason);
    if (fails_reload && group->reload != NULL) abort_reload(group, child, reason);
    else go_on_soon(group);
}

/* --- beginning --- */

static int check(skep_group *group, const skep_reload_options *options) {
    if (group->cluster->stopping) return skep__broker_fail(group->cluster, SKEP_ESTATE, "the cluster is stopping");
    if (options->exec != NULL && (options->exec[0] == '\0' || strlen(options->exec) > SKEP_MAX_PATH))
        return skep__broker_fail(group->cluster, SKEP_EINVAL, "a program's path has 1 to %d bytes", SKEP_MAX_PATH);
    if (!skep__env_is_valid(options->env))
        return skep__broker_fail(group->cluster, SKEP_EINVAL, "env: expected NAME=VALUE");
    return SKEP_OK;
}

static int no_memory(skep_group *group) {
    return skep__broker_fail(group->cluster, SKEP_ENOMEM, "reload: %s", skep_strerror(SKEP_ENOMEM));
}

static int begin(skep_group *group, const skep_reload_options *options, const struct skep__slot *only) {
    int status = check(group, options);
    if (status != SKEP_OK) return status;
    struct skep__reload *reload = allocate(group, options, (struct requests){group->reload_requests + 1, 1});
    if (reload == NULL) return no_memory(group);
    reload->only = only;
    if (next_place(reload) == NULL) {
        free_reload(reload);
        return skep__broker_fail(group->cluster, SKEP_ESTATE, "no worker is wanted");
    }
    group->reload_requests++;
    group->reload = reload;
    go_on_soon(group);
    return SKEP_OK;
}

/* --- the next one --- */

static void emit_waiting(skep_group *group, const struct requests *requests, const char *phase, const char *reason) {
    skep_event event = event_of(group, NULL, requests, phase, skep__reload_progress(group), reason);
    skep__emit_later(group->cluster, &event);
}

/* Several become one: what a later one says counts, and what it leaves open is as an earlier one said. Earlier ones of
 * which something was asked that is different now are replaced. */
static int note_next(skep_group *group, const skep_reload_options *options) {
    struct skep__reload *reload = group->reload;
    struct skep__program next;
    char reason[SKEP_MAX_REASON + 1];
    if (skep__program_changed(&next, &reload->next, options) != SKEP_OK) return no_memory(group);
    struct requests request = {++group->reload_requests, 1};
    bool replaces = !skep__program_keeps(&next, &reload->next);
    /* Clients that asked for the earlier ones wait for a program that will not run. */
    snprintf(reason, sizeof reason, "by a later reload%s%.*s", next.exec != NULL ? " to " : "", SKEP_MAX_REASON - 32,
             next.exec != NULL ? next.exec : "");
    if (replaces) emit_waiting(group, &reload->next_requests, "replaced", reason);
    skep__program_free(&reload->next);
    reload->next = next;
    if (options->at_once != 0) reload->next_at_once = options->at_once;
    if (replaces || reload->next_requests.count == 0) reload->next_requests = request;
    else reload->next_requests.count++;
    emit_waiting(group, &request, "pending", "it begins when the current one has ended");
    return SKEP_OK;
}

int skep_group_reload(skep_group *group, const skep_reload_options *options) {
    static const skep_reload_options nothing = {0};
    if (options == NULL) options = &nothing;
    if (group->reload == NULL) return begin(group, options, NULL);
    int status = check(group, options);
    return status == SKEP_OK ? note_next(group, options) : status;
}

int skep_child_restart(skep_child *child) {
    static const skep_reload_options nothing = {0};
    skep_group *group = skep__group_of(child);
    if (group->reload != NULL) return skep__reload_refuse(group);
    if (child->voluntary || child->slot->child != child)
        return skep__broker_fail(group->cluster, SKEP_ESTATE, "worker %" PRIu32 " is leaving", child->id);
    return begin(group, &nothing, child->slot);
}
