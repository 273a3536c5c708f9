/* SPDX-License-Identifier: MIT
 * What becomes of jobs: answered by workers, buried, put back. */
#include "jobs/ledger.h"
#include "common/container.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "jobs/deliveries.h"
#include "jobs/events.h"
#include "journal/journal.h"

static const struct skep__store_kind *store(const skep_cluster *cluster) {
    return cluster->store->kind;
}

static uint64_t now_ms(const skep_cluster *cluster) {
    return skep__clock_ms(cluster->clock);
}

/* --- dead letters --- */

static struct skep__death *new_death(const char *cause, const struct skep_bytes *reason,
                                     const struct skep__exit_record *record) {
    struct skep__death *death = malloc(sizeof *death + reason->size_bytes + 1);
    if (death == NULL) return NULL;
    *death = (struct skep__death){.cause = cause, .exit = {.code = -1, .signal = -1}, .wall_ms = skep__wall_ms()};
    if (record != NULL) death->exit = *record;
    skep__copy_text(death->reason, reason->size_bytes + 1, reason);
    return death;
}

enum { DEAD_EVENTS_MS = 1000 /* between two events about dead letters: there may be thousands at once */ };

static void say_dead(struct skep__alarm *alarm) {
    skep_cluster *cluster = SKEP_CONTAINER(alarm, skep_cluster, dead_alarm);
    char text[sizeof cluster->dead_text];
    if (cluster->dead_unsaid == 0) return;
    cluster->dead_unsaid = 0;
    memcpy(text, cluster->dead_text, sizeof text);
    /* Without memory for it the next one is said at once. */
    (void)!skep__alarm_set(cluster->clock, alarm, DEAD_EVENTS_MS, say_dead);
    skep__emit_dead(cluster, text);
}

static void announce(skep_cluster *cluster, const struct skep__job *job, const char *cause,
                     const struct skep_bytes *reason) {
    char *text = cluster->dead_text;
    size_t size = sizeof cluster->dead_text;
    cluster->dead_unsaid++;
    int n = snprintf(text, size, "job %" PRIu64 " of %s: %s", job->id, job->queue->name, cause);
    if (cluster->dead_unsaid > 1)
        n += snprintf(text + n, size - (size_t)n, " (and %" PRIu64 " more since the last report)",
                      cluster->dead_unsaid - 1);
    if (reason->size_bytes > 0) snprintf(text + n, size - (size_t)n, ": %.*s", (int)reason->size_bytes, reason->data);
    if (!skep__alarm_is_set(&cluster->dead_alarm)) say_dead(&cluster->dead_alarm);
}

void skep__ledger_bury(skep_cluster *cluster, struct skep__job *job, const char *cause, const struct skep_bytes *reason,
                       const struct skep__exit_record *record) {
    store(cluster)->bury(cluster->store, job, cause, new_death(cause, reason, record), reason, now_ms(cluster));
}

static void died(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    skep_cluster *cluster = context;
    if (job->wants_outcome) cluster->job_events->died(cluster, job, cause, reason);
    job->wants_outcome = false;
    announce(cluster, job, cause, reason);
}

void skep__ledger_say_dead(skep_cluster *cluster) {
    say_dead(&cluster->dead_alarm);
}

/* Does something to each dead letter that is meant. */
static uint64_t each_dead(skep_cluster *cluster, struct skep__queue *queue, uint64_t id,
                          void (*act)(skep_cluster *cluster, struct skep__job *job)) {
    uint64_t count = 0, left = queue->shelf->dead_count;
    struct skep__job *job = store(cluster)->next(cluster->store, queue->shelf, SKEP__JOB_DEAD, NULL), *next;
    for (; job != NULL && left > 0; job = next, left--) {
        next = store(cluster)->next(cluster->store, queue->shelf, SKEP__JOB_DEAD, job);
        if (id != 0 && job->id != id) continue;
        act(cluster, job);
        count++;
    }
    return count;
}

static uint64_t each_dead_of(skep_cluster *cluster, struct skep__queue *queue, uint64_t id,
                             void (*act)(skep_cluster *cluster, struct skep__job *job)) {
    uint64_t count = 0;
    if (queue != NULL) return each_dead(cluster, queue, id, act);
    while ((queue = skep__queues_next(cluster->queues, queue)) != NULL) count += each_dead(cluster, queue, id, act);
    return count;
}

static void revive(skep_cluster *cluster, struct skep__job *job) {
    store(cluster)->revive(cluster->store, job, now_ms(cluster));
}

static void drop(skep_cluster *cluster, struct skep__job *job) {
    store(cluster)->drop(cluster->store, job);
}

uint64_t skep__ledger_revive(skep_cluster *cluster, struct skep__queue *queue, uint64_t id) {
    uint64_t count = each_dead_of(cluster, queue, id, revive);
    skep__ledger_dispatch(cluster);
    return count;
}

uint64_t skep__ledger_drop(skep_cluster *cluster, struct skep__queue *queue, uint64_t id) {
    return each_dead_of(cluster, queue, id, drop);
}

/* --- answers --- */

/* The job of a delivery that the worker still has. An answer to any other is refused: it was taken back when its lease
 * ended, or has been answered, or was never given to it. */
static struct skep__job *answered(skep_child *child, uint64_t number) {
    struct skep__delivery *delivery = skep__deliveries_find(&child->deliveries, number);
    if (delivery == NULL) {
        child->cluster->stray_answers++;
        return NULL;
    }
    struct skep__job *job = delivery->job;
    if (job == NULL) {
        delivery->queue->refused++;
        child->cluster->stray_answers++;
    }
    skep__deliveries_settle(&child->deliveries, number);
    child->stalled = false;
    child->silent_since_ms = 0;
    skep__lag_end(child);
    return job;
}

static void done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    skep_cluster *cluster = context;
    if (result == NULL) skep__lack_say(cluster, SKEP__LACK_MEMORY, "out of memory for a result; it is dropped");
    if (job->wants_outcome && result != NULL) cluster->job_events->finished(cluster, job, result);
    else job->queue->unclaimed++;
}

/* The number behind the last one of an answer to n deliveries. */
static uint64_t end_of(uint64_t number, uint64_t n) {
    return n < UINT64_MAX - number ? number + n : UINT64_MAX;
}

/* The first number from this one on that is not answered; 0: there is none. */
static uint64_t first_from(skep_child *child, uint64_t number) {
    bool is_there = skep__deliveries_find(&child->deliveries, number) != NULL;
    return is_there ? number : skep__deliveries_after(&child->deliveries, number);
}

static void complete(skep_child *child, uint64_t number, const struct skep_list *results, uint32_t index,
                     struct skep__consumer **judged) {
    struct skep__job *job = answered(child, number);
    if (job == NULL) return;
    struct skep__consumer *consumer = job->holder;
    struct skep_bytes result = results->count > 0 ? skep__list_at(results, index) : (struct skep_bytes){0};
    skep__consumer_let_go(job);
    if (consumer != *judged) skep__consumer_judge(job);
    *judged = consumer;
    child->jobs_done++;
    store(child->cluster)->ack(child->cluster->store, job, &result, now_ms(child->cluster));
}

int skep__ledger_completed(skep_child *child, const struct skep_command_completed *c, const char **why) {
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    struct skep__consumer *judged = NULL; /* by the first job, which it had for longest */
    *why = "the number of results is not n";
    if (SKEP_HAS(completed, c, results) && c->results.count != n) return SKEP_EPROTO;
    uint64_t number = first_from(child, c->delivery), end = end_of(c->delivery, n), strays = n;
    while (number != 0 && number < end) {
        uint64_t next = skep__deliveries_after(&child->deliveries, number);
        complete(child, number, &c->results, (uint32_t)(number - c->delivery), &judged);
        number = next;
        strays--;
    }
    child->cluster->stray_answers += strays;
    return SKEP_OK;
}

/* Twice as long after each failure. */
static uint64_t backoff_ms(const struct skep__job *job) {
    const skep_queue_options *options = &job->queue->options;
    uint64_t delay_ms = options->backoff_ms;
    for (unsigned i = 1; i < job->failures && delay_ms < options->backoff_max_ms; i++) delay_ms *= 2;
    return delay_ms < options->backoff_max_ms ? delay_ms : options->backoff_max_ms;
}

void skep__ledger_try_later(skep_cluster *cluster, struct skep__job *job) {
    uint64_t now = now_ms(cluster);
    store(cluster)->retry(cluster->store, job, now, now + backoff_ms(job));
}

void skep__ledger_put_off(skep_cluster *cluster, struct skep__job *job, uint64_t delay_ms,
                          const struct skep_bytes *reason, const struct skep__exit_record *record) {
    uint64_t now = now_ms(cluster);
    job->failures++;
    if (delay_ms == 0) delay_ms = backoff_ms(job);
    if (job->failures >= job->attempts) skep__ledger_bury(cluster, job, "attempts", reason, record);
    else store(cluster)->retry(cluster->store, job, now, now + delay_ms);
}

struct skep__exit_record skep__ledger_held_by(const skep_child *child) {
    return (struct skep__exit_record){.worker = child->id, .pid = child->pid, .code = -1, .signal = -1};
}

void skep__ledger_retry(skep_child *child, const struct skep_command_retry *retry) {
    struct skep__job *job = answered(child, retry->delivery);
    struct skep__exit_record record = skep__ledger_held_by(child);
    if (job == NULL) return;
    skep__consumer_let_go(job);
    skep__ledger_put_off(child->cluster, job, retry->delay_ms, &retry->reason, &record);
}

void skep__ledger_fail(skep_child *child, const struct skep_command_fail *fail) {
    struct skep__job *job = answered(child, fail->delivery);
    struct skep__exit_record record = skep__ledger_held_by(child);
    if (job == NULL) return;
    skep__consumer_let_go(job);
    skep__ledger_bury(child->cluster, job, "refused", &fail->reason, &record);
}

/* The last first, since each goes before the others. What was taken back meanwhile is no stray. */
void skep__ledger_released(skep_child *child, const struct skep_command_released *r) {
    uint64_t number = end_of(r->delivery, SKEP_HAS(released, r, n) ? r->n : 1);
    uint64_t known = r->delivery > child->deliveries.next ? r->delivery : child->deliveries.next;
    if (number > known) child->cluster->stray_answers += number - known;
    while ((number = skep__deliveries_before(&child->deliveries, number)) != 0 && number >= r->delivery) {
        struct skep__job *job = answered(child, number);
        if (job == NULL) continue;
        skep__consumer_undo(job);
        store(child->cluster)->recover(child->cluster->store, job);
    }
}

void skep__ledger_extend(skep_child *child, const struct skep_command_extend *extend) {
    struct skep__delivery *delivery = skep__deliveries_find(&child->deliveries, extend->delivery);
    if (delivery == NULL || delivery->job == NULL) {
        if (delivery != NULL) delivery->queue->refused++;
        child->cluster->stray_answers++;
        return;
    }
    delivery->job->at_ms = now_ms(child->cluster);
}

/* --- time --- */

/* What a worker has begun does not expire any more; what it was only sent does. */
static void bury_expired(skep_cluster *cluster, uint64_t now) {
    static const struct skep_bytes none = {0};
    struct skep__job *job;
    while ((job = store(cluster)->expired(cluster->store, now)) != NULL) {
        skep_child *child = job->state == SKEP__JOB_RESERVED ? job->holder->child : NULL;
        if (child == NULL || skep__take_back(job)) skep__ledger_bury(cluster, job, "expired", &none, NULL);
        else store(cluster)->begun(cluster->store, job);
        if (child != NULL) skep__dispatch_child(child);
    }
}

/* All of them before any is given out: those of a higher priority come first. */
static void ripen(skep_cluster *cluster, uint64_t now) {
    struct skep__queue *queue;
    bool any = false;
    while ((queue = store(cluster)->ripen(cluster->store, now)) != NULL) any = true;
    if (!any) return;
    while ((queue = skep__queues_next(cluster->queues, queue)) != NULL) skep__dispatch_jobs(cluster, queue);
}

static void look(struct skep__alarm *alarm) {
    skep_cluster *cluster = SKEP_CONTAINER(alarm, skep_cluster, ledger_alarm);
    uint64_t now = now_ms(cluster);
    bury_expired(cluster, now);
    ripen(cluster, now);
    cluster->job_events->settled(cluster);
    skep__ledger_watch(cluster);
}

void skep__ledger_watch(skep_cluster *cluster) {
    uint64_t next = store(cluster)->next_ms(cluster->store), now = now_ms(cluster);
    if (next == UINT64_MAX || (skep__alarm_is_set(&cluster->ledger_alarm) && cluster->ledger_alarm.due_ms <= next))
        return;
    int status = skep__alarm_set(cluster->clock, &cluster->ledger_alarm, next > now ? next - now : 0, look);
    if (status != SKEP_OK) skep__emit_error(cluster, NULL, "delays: %s", skep_strerror(status));
}

/* --- what the store tells --- */

static void emptied(void *context, struct skep__shelf *shelf) {
    skep_cluster *cluster = context;
    skep__queues_note(cluster->queues, shelf->queue);
}

static void settled(void *context) {
    skep_cluster *cluster = context;
    skep__ledger_say_keys(cluster);
    skep__ledger_dispatch(cluster);
    cluster->job_events->settled(cluster);
    skep__ledger_check_lost(cluster);
}

static void trouble(void *context, int status) {
    skep_cluster *cluster = context;
    if (skep__may_say(cluster, &cluster->store_said_ms))
        skep__emit_error(cluster, NULL, "jobs cannot be stored: %s; it is tried again", skep_strerror(status));
}

const struct skep__store_events skep__ledger_store_events = {
    .emptied = emptied, .done = done, .died = died, .settled = settled, .trouble = trouble};
