/* SPDX-License-Identifier: MIT
 * What becomes of jobs: answered by workers, buried, put back. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/text.h"
#include "jobs/private.h"

static const struct skep__store_kind *store(const struct skep__jobs *jobs) {
    return jobs->store->kind;
}

static uint64_t now_ms(const struct skep__jobs *jobs) {
    return skep__clock_ms(jobs->clock);
}

/* --- dead letters --- */

static struct skep__death *new_death(const char *cause, const struct skep_bytes *reason,
                                     const struct skep__exit_record *record) {
    struct skep__death *death = malloc(sizeof *death + reason->size_bytes + 1);
    if (death == NULL) return NULL;
    *death = (struct skep__death){.cause = cause,
                                  .exit = {.code = -1, .signal = -1},
                                  .wall_ms = skep__wall_ms(),
                                  .size_bytes = reason->size_bytes};
    if (record != NULL) death->exit = *record;
    skep__copy_text(death->reason, reason->size_bytes + 1, reason);
    return death;
}

enum { DEAD_EVENTS_MS = 1000 /* between two events about dead letters: there may be thousands at once */ };

static void say_dead(struct skep__alarm *alarm) {
    struct skep__jobs *jobs = SKEP_CONTAINER(alarm, struct skep__jobs, dead_alarm);
    char text[sizeof jobs->dead_text];
    if (jobs->dead_unsaid == 0) return;
    jobs->dead_unsaid = 0;
    memcpy(text, jobs->dead_text, sizeof text);
    /* Without memory for it the next one is said at once. */
    (void)!skep__alarm_set(jobs->pace, alarm, DEAD_EVENTS_MS, say_dead);
    jobs->host->dead(jobs->context, text);
}

static void announce(struct skep__jobs *jobs, const struct skep__job *job, const char *cause,
                     const struct skep_bytes *reason) {
    char *text = jobs->dead_text;
    size_t size = sizeof jobs->dead_text;
    jobs->dead_unsaid++;
    int n = snprintf(text, size, "job %" PRIu64 " of %s: %s", job->id, job->queue->name, cause);
    if (jobs->dead_unsaid > 1)
        n += snprintf(text + n, size - (size_t)n, " (and %" PRIu64 " more since the last report)",
                      jobs->dead_unsaid - 1);
    if (reason->size_bytes > 0) snprintf(text + n, size - (size_t)n, ": %.*s", (int)reason->size_bytes, reason->data);
    if (!skep__alarm_is_set(&jobs->dead_alarm)) say_dead(&jobs->dead_alarm);
}

void skep__ledger_bury(struct skep__jobs *jobs, struct skep__job *job, const char *cause,
                       const struct skep_bytes *reason, const struct skep__exit_record *record) {
    store(jobs)->bury(jobs->store, job, cause, new_death(cause, reason, record), reason, now_ms(jobs));
}

static void died(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    struct skep__jobs *jobs = context;
    if (job->wants_outcome) jobs->events->died(jobs->context, job, cause, reason);
    job->wants_outcome = false;
    announce(jobs, job, cause, reason);
}

void skep__ledger_say_dead(struct skep__jobs *jobs) {
    say_dead(&jobs->dead_alarm);
}

typedef void (*act_cb)(struct skep__jobs *jobs, struct skep__job *job);

/* Does something to each dead letter of a queue. */
static uint64_t each_dead(struct skep__jobs *jobs, struct skep__queue *queue, act_cb act) {
    uint64_t count = 0, left = queue->shelf->dead_count;
    struct skep__job *job = store(jobs)->next(jobs->store, queue->shelf, SKEP__JOB_DEAD, NULL), *next;
    for (; job != NULL && left > 0; job = next, left--) {
        next = store(jobs)->next(jobs->store, queue->shelf, SKEP__JOB_DEAD, job);
        act(jobs, job);
        count++;
    }
    return count;
}

static uint64_t one_dead(struct skep__jobs *jobs, const struct skep__queue *queue, uint64_t id, act_cb act) {
    struct skep__job *job = skep__jobs_find(jobs, id);
    if (job == NULL || job->state != SKEP__JOB_DEAD || (queue != NULL && job->queue != queue)) return 0;
    act(jobs, job);
    return 1;
}

/* To those that are meant. */
static uint64_t each_meant(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t id, act_cb act) {
    uint64_t count = 0;
    if (id != 0) return one_dead(jobs, queue, id, act);
    if (queue != NULL) return each_dead(jobs, queue, act);
    while ((queue = skep__queues_next(jobs->queues, queue)) != NULL) count += each_dead(jobs, queue, act);
    return count;
}

static void revive(struct skep__jobs *jobs, struct skep__job *job) {
    store(jobs)->revive(jobs->store, job, now_ms(jobs));
}

static void drop(struct skep__jobs *jobs, struct skep__job *job) {
    store(jobs)->drop(jobs->store, job);
}

uint64_t skep__jobs_revive(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t id) {
    uint64_t count = each_meant(jobs, queue, id, revive);
    skep__jobs_dispatch(jobs);
    return count;
}

uint64_t skep__jobs_drop(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t id) {
    return each_meant(jobs, queue, id, drop);
}

/* --- answers --- */

/* The job of a delivery that the worker still has. An answer to any other is refused: it was taken back when its lease
 * ended, or has been answered, or was never given to it. */
static struct skep__job *answered(struct skep__holder *holder, uint64_t number) {
    struct skep__delivery *delivery = skep__deliveries_find(&holder->deliveries, number);
    if (delivery == NULL) {
        holder->jobs->stray_answers++;
        return NULL;
    }
    struct skep__job *job = delivery->job;
    if (job == NULL) {
        delivery->queue->refused++;
        holder->jobs->stray_answers++;
    }
    skep__deliveries_settle(&holder->deliveries, number);
    holder->stalled = false;
    holder->silent_since_ms = 0;
    skep__lag_end(holder);
    return job;
}

static void drop_result(struct skep__jobs *jobs, const struct skep__job *job) {
    struct skep__waiter waiter;
    jobs->host->lack(jobs->context, "out of memory for a result; it is dropped");
    while (skep__jobs_next_awaiting(jobs, job->id, &waiter))
        jobs->events->recalled(jobs->context, &waiter, &(struct skep__job_end){.status = SKEP_ENOMEM});
}

static void done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    struct skep__jobs *jobs = context;
    if (result == NULL) drop_result(jobs, job);
    if (job->wants_outcome && result != NULL) jobs->events->finished(jobs->context, job, result);
    else job->queue->unclaimed++;
}

/* The number behind the last one of an answer to n deliveries. */
static uint64_t end_of(uint64_t number, uint64_t n) {
    return n < UINT64_MAX - number ? number + n : UINT64_MAX;
}

/* The first number from this one on that is not answered; 0: there is none. */
static uint64_t first_from(struct skep__holder *holder, uint64_t number) {
    bool is_there = skep__deliveries_find(&holder->deliveries, number) != NULL;
    return is_there ? number : skep__deliveries_after(&holder->deliveries, number);
}

static void complete(struct skep__holder *holder, uint64_t number, const struct skep_list *results, uint32_t index,
                     struct skep__consumer **judged) {
    struct skep__job *job = answered(holder, number);
    if (job == NULL) return;
    struct skep__consumer *consumer = job->consumer;
    struct skep_bytes result = results->count > 0 ? skep__list_at(results, index) : (struct skep_bytes){0};
    skep__consumer_let_go(job);
    if (consumer != *judged) skep__consumer_judge(job);
    *judged = consumer;
    holder->done++;
    store(holder->jobs)->ack(holder->jobs->store, job, &result, now_ms(holder->jobs));
}

int skep__jobs_completed(struct skep__holder *holder, const struct skep_command_completed *c, const char **why) {
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    struct skep__consumer *judged = NULL; /* by the first job, which it had for longest */
    *why = "the number of results is not n";
    if (SKEP_HAS(completed, c, results) && c->results.count != n) return SKEP_EPROTO;
    uint64_t number = first_from(holder, c->delivery), end = end_of(c->delivery, n), strays = n;
    while (number != 0 && number < end) {
        uint64_t next = skep__deliveries_after(&holder->deliveries, number);
        complete(holder, number, &c->results, (uint32_t)(number - c->delivery), &judged);
        number = next;
        strays--;
    }
    holder->jobs->stray_answers += strays;
    return SKEP_OK;
}

/* Twice as long after each failure. */
static uint64_t backoff_ms(const struct skep__job *job) {
    const skep_queue_options *options = &job->queue->options;
    uint64_t delay_ms = options->backoff_ms;
    for (unsigned i = 1; i < job->failures && delay_ms < options->backoff_max_ms; i++) delay_ms *= 2;
    return delay_ms < options->backoff_max_ms ? delay_ms : options->backoff_max_ms;
}

void skep__ledger_try_later(struct skep__jobs *jobs, struct skep__job *job) {
    uint64_t now = now_ms(jobs);
    store(jobs)->retry(jobs->store, job, now, now + backoff_ms(job));
}

void skep__ledger_put_off(struct skep__jobs *jobs, struct skep__job *job, uint64_t delay_ms,
                          const struct skep_bytes *reason, const struct skep__exit_record *record) {
    uint64_t now = now_ms(jobs);
    job->failures++;
    if (delay_ms == 0) delay_ms = backoff_ms(job);
    if (job->failures >= job->attempts) {
        skep__ledger_bury(jobs, job, "attempts", reason, record);
        return;
    }
    if (jobs->events->failed != NULL) jobs->events->failed(jobs->context, job, reason);
    store(jobs)->retry(jobs->store, job, now, now + delay_ms);
}

struct skep__exit_record skep__ledger_held_by(const struct skep__holder *holder) {
    return (struct skep__exit_record){.worker = holder->id, .pid = holder->pid, .code = -1, .signal = -1};
}

void skep__jobs_retried(struct skep__holder *holder, const struct skep_command_retry *retry) {
    struct skep__job *job = answered(holder, retry->delivery);
    struct skep__exit_record record = skep__ledger_held_by(holder);
    if (job == NULL) return;
    skep__consumer_let_go(job);
    skep__ledger_put_off(holder->jobs, job, retry->delay_ms, &retry->reason, &record);
}

void skep__jobs_failed(struct skep__holder *holder, const struct skep_command_fail *fail) {
    struct skep__job *job = answered(holder, fail->delivery);
    struct skep__exit_record record = skep__ledger_held_by(holder);
    if (job == NULL) return;
    skep__consumer_let_go(job);
    skep__ledger_bury(holder->jobs, job, "refused", &fail->reason, &record);
}

/* The last first, since each goes before the others. What was taken back meanwhile is no stray. */
void skep__jobs_released(struct skep__holder *holder, const struct skep_command_released *r) {
    uint64_t number = end_of(r->delivery, SKEP_HAS(released, r, n) ? r->n : 1);
    uint64_t known = r->delivery > holder->deliveries.next ? r->delivery : holder->deliveries.next;
    if (number > known) holder->jobs->stray_answers += number - known;
    while ((number = skep__deliveries_before(&holder->deliveries, number)) != 0 && number >= r->delivery) {
        struct skep__job *job = answered(holder, number);
        if (job == NULL) continue;
        skep__consumer_undo(job);
        store(holder->jobs)->release(holder->jobs->store, job);
    }
}

void skep__jobs_extended(struct skep__holder *holder, const struct skep_command_extend *extend) {
    struct skep__delivery *delivery = skep__deliveries_find(&holder->deliveries, extend->delivery);
    if (delivery == NULL || delivery->job == NULL) {
        if (delivery != NULL) delivery->queue->refused++;
        holder->jobs->stray_answers++;
        return;
    }
    delivery->job->at_ms = now_ms(holder->jobs);
}

/* --- time --- */

/* What a worker has begun does not expire any more; what it was only sent does. */
static void bury_expired(struct skep__jobs *jobs, uint64_t now) {
    static const struct skep_bytes none = {0};
    struct skep__job *job;
    while ((job = store(jobs)->expired(jobs->store, now)) != NULL) {
        struct skep__holder *holder = job->state == SKEP__JOB_RESERVED ? job->consumer->holder : NULL;
        if (holder == NULL || skep__take_back(job)) skep__ledger_bury(jobs, job, "expired", &none, NULL);
        else store(jobs)->begun(jobs->store, job);
        if (holder != NULL) skep__jobs_dispatch_to(holder);
    }
}

/* All of them before any is given out: those of a higher priority come first. */
static void ripen(struct skep__jobs *jobs, uint64_t now) {
    struct skep__queue *queue;
    bool any = false;
    while ((queue = store(jobs)->ripen(jobs->store, now)) != NULL) any = true;
    if (!any) return;
    while ((queue = skep__queues_next(jobs->queues, queue)) != NULL) skep__jobs_dispatch_queue(jobs, queue);
}

void skep__look_at_due(struct skep__alarm *alarm) {
    struct skep__jobs *jobs = SKEP_CONTAINER(alarm, struct skep__jobs, due_alarm);
    uint64_t now = now_ms(jobs);
    bury_expired(jobs, now);
    ripen(jobs, now);
    jobs->events->settled(jobs->context);
    skep__due_watch(jobs);
}

/* --- what the store tells --- */

static void emptied(void *context, struct skep__shelf *shelf) {
    struct skep__jobs *jobs = context;
    skep__queues_note(jobs->queues, shelf->queue);
}

static void cancelled(void *context, struct skep__job *job) {
    static const struct skep_bytes none = {0};
    struct skep__jobs *jobs = context;
    if (job->wants_outcome) jobs->events->died(jobs->context, job, skep__cancelled, &none);
    job->wants_outcome = false;
}

static void shown(void *context, struct skep__job *job) {
    skep__awaited_note(context, job);
}

static void settled(void *context) {
    struct skep__jobs *jobs = context;
    skep__ledger_say_keys(jobs);
    skep__inquiries_resume(jobs);
    skep__jobs_dispatch(jobs);
    jobs->events->settled(jobs->context);
    skep__jobs_check_lost(jobs);
}

enum { TROUBLE_MS = 1000 /* between two reports of it */ };

static void trouble(void *context, int status, const char *why) {
    struct skep__jobs *jobs = context;
    uint64_t pace_ms = skep__clock_ms(jobs->pace);
    if (jobs->trouble_said_ms != 0 && jobs->trouble_status == status && pace_ms - jobs->trouble_said_ms < TROUBLE_MS)
        return;
    jobs->trouble_status = status;
    jobs->trouble_said_ms = pace_ms;
    if (status == SKEP_EDIR)
        skep__jobs_say(jobs, NULL, "jobs on the disk cannot be read: %s; stop the broker, then see skep help jobs",
                       why);
    else skep__jobs_say(jobs, NULL, "jobs cannot be stored: %s: %s; it is tried again", skep_strerror(status), why);
}

static void mended(void *context, const char *how) {
    struct skep__jobs *jobs = context;
    jobs->trouble_said_ms = 0;
    skep__jobs_say(jobs, NULL, "jobs are stored again: %s", how);
}

const struct skep__store_events skep__ledger_store_events = {.emptied = emptied,
                                                             .done = done,
                                                             .died = died,
                                                             .cancelled = cancelled,
                                                             .shown = shown,
                                                             .settled = settled,
                                                             .trouble = trouble,
                                                             .mended = mended};
