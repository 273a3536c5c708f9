/* SPDX-License-Identifier: MIT
 * Taking back: a job that one worker was sent ahead and has not begun goes to another one that could begin it now. No
 * message is needed, so that it works while a handler blocks the worker's loop. */
#include <stdlib.h>

#include "base/clock.h"
#include "common/container.h"
#include "jobs/deliveries.h"
#include "jobs/ledger.h"
#include "journal/event.h"
#include "page_claims.h"

enum {
    WAIT_MS = 2, /* that a job which was sent ahead has its chance: shorter waits are the rule when many are quick */
    LAG_MS = 20  /* in which a worker begins what it need not let wait, and in which a handler is to return */
};

/* Jobs that are taken back together, from one worker or several. They become ready in the order of acceptance. */
struct haul {
    struct skep__job **jobs;
    size_t count, room;
    uint64_t by_ms; /* of what was delivered by then */
    bool later;     /* something not begun is left, since it was delivered later */
};

/* The claim of a straggler is another delivery's by now. */
bool skep__is_begun(const skep_child *child, uint64_t delivery) {
    return skep__deliveries_is_straggler(&child->deliveries, delivery) || skep__claim_is_begun(child->page, delivery);
}

bool skep__take_back(struct skep__job *job) {
    skep_child *child = job->holder->child;
    if (skep__deliveries_is_straggler(&child->deliveries, job->delivery)) return false;
    if (!skep__claim_take(child->page, job->delivery)) return false;
    skep__deliveries_settle(&child->deliveries, job->delivery);
    skep__consumer_undo(job);
    job->queue->taken_back++;
    return true;
}

/* The latest first: they would wait for longest. Those of one queue are begun in their order. */
static void haul_from(struct haul *haul, const struct skep__consumer *consumer, size_t most) {
    struct skep__deliveries *deliveries = &consumer->child->deliveries;
    for (uint64_t n = skep__deliveries_before(deliveries, UINT64_MAX), before; n != 0 && most > 0; n = before) {
        struct skep__job *job = skep__deliveries_find(deliveries, n)->job;
        before = skep__deliveries_before(deliveries, n);
        if (job == NULL || job->holder != consumer) continue;
        if (job->at_ms > haul->by_ms) {
            haul->later = haul->later || !skep__is_begun(consumer->child, n);
            continue;
        }
        if (!skep__take_back(job)) return;
        haul->jobs[haul->count++] = job;
        most--;
    }
}

static int compare_ids(const void *a, const void *b) {
    uint64_t first = (*(struct skep__job *const *)a)->id, second = (*(struct skep__job *const *)b)->id;
    return (first > second) - (first < second);
}

/* The last first, since each goes before the others. */
static void make_ready(skep_cluster *cluster, struct haul *haul) {
    if (haul->count > 1) qsort(haul->jobs, haul->count, sizeof(struct skep__job *), compare_ids);
    for (size_t i = haul->count; i-- > 0;) cluster->store->kind->recover(cluster->store, haul->jobs[i]);
    free(haul->jobs);
}

static bool open_haul(struct haul *haul, size_t room) {
    haul->room = room;
    haul->jobs = malloc((room > 0 ? room : 1) * sizeof(struct skep__job *));
    return haul->jobs != NULL;
}

void skep__take_back_all(skep_child *child) {
    const struct skep__consumer *consumer;
    size_t held = 0;
    struct haul haul = {.by_ms = UINT64_MAX};
    LIST_FOREACH(consumer, &child->consumers, of_child) held += consumer->held;
    if (!open_haul(&haul, held)) return; /* they wait for its end, or for an idle worker */
    LIST_FOREACH(consumer, &child->consumers, of_child) haul_from(&haul, consumer, held);
    make_ready(child->cluster, &haul);
    skep__consumers_update(child);
}

/* --- balance --- */

/* For how long the queue need not be looked at: 0, if nobody has to. Jobs that were sent ahead wait at once, and others
 * if their worker does not get to them. */
static uint64_t patience_ms(const struct skep__queue *queue) {
    if (queue->paused || TAILQ_EMPTY(&queue->takers[SKEP__IDLE])) return 0;
    if (queue->ahead_count > 0) return WAIT_MS;
    return queue->reserved_count > 0 && queue->consumer_count > 1 ? LAG_MS : 0;
}

/* Whether it would begin another job at once: no handler keeps it from that, or if nobody knows, no job. */
static bool is_free(const struct skep__consumer *consumer, uint64_t now_ms) {
    const skep_child *child = consumer->child;
    if (!skep__claims_are_kept(child->page)) return child->deliveries.jobs < consumer->concurrency;
    uint64_t running = __atomic_load_n(&child->page->running, __ATOMIC_ACQUIRE);
    return running == 0 || skep__claim_age_ms(child->page, running, now_ms) < LAG_MS;
}

/* How many jobs may be given to idle workers that would begin them at once. */
static size_t room_of_idle(const struct skep__queue *queue) {
    const struct skep__consumer *consumer;
    uint64_t now_ms = uv_hrtime() / 1000000;
    size_t room = 0;
    TAILQ_FOREACH(consumer, &queue->takers[SKEP__IDLE], turn)
    if (is_free(consumer, now_ms)) room += consumer->window - consumer->held;
    return room < queue->reserved_count ? room : queue->reserved_count;
}

/* An equal part from each that has some. It gets no more ahead before it has shown again that it is quick. */
static void haul_evenly(struct haul *haul, struct skep__queue *queue) {
    struct skep__consumer *consumer;
    size_t victims = queue->ahead_count;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        size_t before = haul->count;
        if (!consumer->ahead || haul->count == haul->room) continue;
        haul_from(haul, consumer, (haul->room - haul->count + victims - 1) / victims);
        if (victims > 1) victims--;
        if (haul->count == before) continue;
        consumer->window = consumer->held > consumer->concurrency ? consumer->held : consumer->concurrency;
        skep__consumers_update(consumer->child);
    }
}

/* From those that could have begun them, and have not. */
static void haul_late(struct haul *haul, const struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        size_t before = haul->count;
        if (consumer->ahead || consumer->held == 0 || haul->count == haul->room) continue;
        haul_from(haul, consumer, haul->room - haul->count);
        if (haul->count == before) continue;
        consumer->child->lagging = true;
        skep__consumers_update(consumer->child);
    }
}

static void balance(struct skep__alarm *alarm);

static void look_in(skep_cluster *cluster, uint64_t ms) {
    struct skep__alarm *alarm = &cluster->balance_alarm;
    if (skep__alarm_is_set(alarm) && alarm->due_ms <= skep__clock_ms(cluster->clock) + ms) return;
    int status = skep__alarm_set(cluster->clock, alarm, ms, balance);
    if (status != SKEP_OK) skep__emit_error(cluster, NULL, "waiting jobs: %s", skep_strerror(status));
}

void skep__balance_later(skep_cluster *cluster) {
    look_in(cluster, WAIT_MS);
}

static uint64_t before(uint64_t now_ms, uint64_t ms) {
    return now_ms > ms ? now_ms - ms : 0;
}

static void balance_queue(skep_cluster *cluster, struct skep__queue *queue) {
    uint64_t now_ms = skep__clock_ms(cluster->clock);
    struct haul haul = {.by_ms = before(now_ms, WAIT_MS)};
    if (!open_haul(&haul, room_of_idle(queue))) return;
    haul_evenly(&haul, queue);
    haul.by_ms = before(now_ms, LAG_MS);
    haul_late(&haul, queue);
    bool taken = haul.count > 0;
    make_ready(cluster, &haul);
    if (taken) skep__dispatch_jobs(cluster, queue);
    else if (haul.later) skep__balance_watch(cluster, queue);
}

static void balance(struct skep__alarm *alarm) {
    skep_cluster *cluster = SKEP_CONTAINER(alarm, skep_cluster, balance_alarm);
    struct skep__store *store = cluster->store;
    for (struct skep__queue *q = NULL; (q = store->kind->next_queue(store, q)) != NULL;) {
        if (q->ready_count > 0) skep__dispatch_jobs(cluster, q);
        if (patience_ms(q) > 0) balance_queue(cluster, q);
    }
}

void skep__balance_watch(skep_cluster *cluster, const struct skep__queue *queue) {
    uint64_t ms = patience_ms(queue);
    if (ms > 0) look_in(cluster, ms);
}
