/* SPDX-License-Identifier: MIT
 * What happens to workers: the table of states.def and its actions. */
#include <assert.h>
#include <signal.h>

#include "hive/private.h"

typedef void (*action)(skep_child *child);

static void set_deadline(skep_child *child, unsigned timeout_ms);

static void emit(skep_child *child, enum skep_event_kind kind) {
    skep_event event = skep__event(kind, child);
    skep__emit(child->cluster, &event);
}

/* --- actions --- */

static void tell_drain(skep_child *child) {
    struct skep_command command = {.id = SKEP_COMMAND_drain, .drain = {0}};
    SKEP_SET(drain, &command.drain, timeout_ms, child->terms->settings->drain_timeout_ms);
    skep__tell(child, &command);
}

static void welcome(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    char inbox[SKEP_MAX_URL + 1], outbox[SKEP_MAX_URL + 1], news[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_OUTBOX, outbox, sizeof outbox);
    skep__instance_url(&cluster->instance, SKEP_FILE_NEWS, news, sizeof news);
    skep__inbox_url(child, inbox, sizeof inbox);
    struct skep_command command = {.id = SKEP_COMMAND_welcome,
                                   .welcome = {.protocol = SKEP_PROTOCOL,
                                               .worker = child->id,
                                               .generation = cluster->instance.generation,
                                               .inbox = skep__text(inbox),
                                               .outbox = skep__text(outbox),
                                               .news = skep__text(news),
                                               .newsSeq = skep__news_latest(cluster)}};
    unsigned beat_ms = skep__watchdog_start(child);
    if (beat_ms != 0) SKEP_SET(welcome, &command.welcome, beat_ms, beat_ms);
    skep__tell(child, &command);
}

static void greet(skep_child *child) {
    welcome(child);
    emit(child, SKEP_EVENT_ONLINE);
}

static void greet_and_dismiss(skep_child *child) {
    greet(child);
    if (child->link >= 0) tell_drain(child);
}

static void admit(skep_child *child) {
    child->ready_ms = skep__clock_ms(child->cluster->clock);
    skep__alarm_stop(&child->progress->deadline);
    skep__connections_worker_ready(child);
    skep__jobs_worker_ready(child->holder);
    skep__group_prune(skep_child_group(child));
    emit(child, SKEP_EVENT_READY);
    skep__groups_worker_ready(child);
}

/* A worker that has not said hello would not understand the command, which therefore follows the welcome. */
static void announce_drain(skep_child *child) {
    set_deadline(child, child->terms->settings->drain_timeout_ms);
    skep_event event = skep__event(SKEP_EVENT_DRAIN, child);
    skep__emit_later(child->cluster, &event); /* a call of the user's may be the cause */
}

static void begin_drain(skep_child *child) {
    skep__connections_worker_leaving(child);
    skep__jobs_worker_leaving(child->holder);
    tell_drain(child);
    announce_drain(child);
}

static const char *exit_reason(const skep_child *child) {
    if (child->reason != NULL) return child->reason;
    if (child->voluntary) return "voluntary";
    return child->exit_code == 0 ? "exited" : "crashed";
}

static void lose_link_draining(skep_child *child) {
    bool known = child->exited || child->voluntary || child->reason != NULL;
    skep__child_close_link(child);
    skep_event event = skep__event(SKEP_EVENT_DISCONNECT, child);
    event.reason = known ? exit_reason(child) : "lost";
    skep__emit(child->cluster, &event);
}

static void lose_link(skep_child *child) {
    set_deadline(child, child->terms->settings->drain_timeout_ms);
    lose_link_draining(child);
}

static void give_up(skep_child *child) {
    char why[SKEP_MAX_REASON + 1];
    skep__admission_missing(child, why);
    skep__emit_error(child->cluster, child, "not ready after %u ms%s%s", child->terms->settings->ready_timeout_ms,
                     why[0] != '\0' ? ": " : "", why);
    skep__child_kill(child, "not-ready");
}

/* The deadline of a drain: SIGTERM, which ends a worker of libskep that a plain one only asks to leave; once more:
 * SIGKILL. */
static void press(skep_child *child) {
    if (child->progress->escalation == 0) {
        child->progress->escalation = 1;
        child->reason = "drain-timeout";
        skep__emit_error(child->cluster, child, "did not exit within the drain timeout (%.3g s); sending SIGTERM",
                         child->terms->settings->drain_timeout_ms / 1000.0);
        skep__child_signal(child, SIGTERM, SKEP_TERM_NOW);
        set_deadline(child, child->terms->settings->drain_timeout_ms);
    } else {
        skep__child_kill(child, "drain-timeout");
    }
}

static void keep_record(skep_child *child, const skep_event *event) {
    struct skep_command_workerStatus work = {.worker = child->id};
    skep__connections_worker_status(child, &work);
    skep__messages_worker_status(child, &work);
    skep__jobs_worker_status(child->holder, &work);
    skep_exit_facts facts = {.id = child->id,
                             .slot = child->place,
                             .pid = child->pid,
                             .group = child->terms->name,
                             .code = event->code,
                             .signal = event->signal,
                             .reason = event->reason,
                             .uptime_ms = event->uptime_ms,
                             .delay_ms = event->delay_ms,
                             .voluntary = child->voluntary,
                             .ready = child->ready_ms != 0,
                             .accepted = work.accepted,
                             .requests = work.requests,
                             .messages = work.messages,
                             .jobs_done = work.jobsDone,
                             .connections = work.connections};
    static_assert(sizeof facts.name == sizeof child->name, "a name fits");
    memcpy(facts.name, child->name, sizeof child->name);
    skep__exits_keep(child, &facts, skep__jobs_had(child->holder));
}

static void worker_gone(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    const skep_group *group = skep_child_group(child);
    skep__messages_worker_ended(child); /* before the exit event */
    if (child->link >= 0) lose_link_draining(child);
    skep_event event = skep__event(SKEP_EVENT_EXIT, child);
    event.code = child->exit_code;
    event.signal = child->exit_signal;
    event.reason = exit_reason(child);
    event.uptime_ms = uv_now(cluster->loop) - child->spawned_ms;
    const struct skep__vacancy vacancy = skep__groups_worker_ended(child);
    event.delay_ms = vacancy.delay_ms;
    keep_record(child, &event);
    skep__emit_due(cluster);
    skep__child_unlist(child); /* before its exit event, as in Node */
    skep__emit(cluster, &event);
    skep__groups_exit_told(child, &vacancy); /* first: releasing takes milliseconds */
    skep__child_release(child);
    skep__group_prune(group);
    skep__jobs_check_lost(cluster->jobs);
}

/* --- the table --- */

struct transition {
    const char *name; /* of the action; NULL: no row */
    action act;
    enum skep__child_state next;
};

static const struct transition transitions[SKEP__CHILD_STATES][SKEP__SIGNALS] = {
#define TRANSITION(state, signal, action_, next_) \
    [SKEP__CHILD_##state][SKEP__SIGNAL_##signal] = {.name = #action_, .act = action_, .next = SKEP__CHILD_##next_},
#include "worker/states.def"
};

static const char *const signal_names[] = {
#define SIGNAL(id, name) name,
#include "worker/states.def"
};

void skep__life(skep_child *child, enum skep__child_signal signal) {
    const struct transition *t = &transitions[child->state][signal];
    skep__trace(child->cluster->trace, SKEP__TRACE_SPAWN, "worker %u pid %d: %s, %s: %s", child->id, (int)child->pid,
                skep__state_name(child->state), signal_names[signal], t->name != NULL ? t->name : "ignored");
    if (t->name == NULL) return;
    child->state = t->next;
    t->act(child);
}

void skep__child_leave(skep_child *child) {
    child->voluntary = true;
    skep__groups_worker_leaving(child);
    skep__life(child, SKEP__SIGNAL_LEAVE);
}

/* One that was never ready is replaced after its end, as any that fails to start. */
void skep__child_stand_down(skep_child *child) {
    if (child->ready_ms == 0) {
        skep__life(child, SKEP__SIGNAL_LEAVE);
        return;
    }
    child->stood_down = !child->voluntary;
    if (!skep__groups_worker_stands_down(child)) {
        skep__child_leave(child);
        return;
    }
    child->voluntary = true;
    skep__life(child, SKEP__SIGNAL_LEAVE);
    skep__groups_refill(child);
}

static void deadline_passed(struct skep__alarm *alarm) {
    skep__life(SKEP_CONTAINER(alarm, struct skep__progress, deadline)->child, SKEP__SIGNAL_DEADLINE);
}

static void set_deadline(skep_child *child, unsigned timeout_ms) {
    if (skep__alarm_set(child->cluster->clock, &child->progress->deadline, timeout_ms, deadline_passed) != SKEP_OK)
        skep__emit_error(child->cluster, child, "out of memory: it has no deadline");
}

void skep__watch_ready(skep_child *child) {
    set_deadline(child, child->terms->settings->ready_timeout_ms);
}

void skep__watch_channels(skep_child *child, bool connected) {
    if (connected) skep__alarm_stop(&child->progress->deadline);
    else if (!skep__alarm_is_set(&child->progress->deadline)) skep__watch_ready(child);
}
