/* SPDX-License-Identifier: MIT
 * Taking back: a job that one worker was sent ahead and has not begun goes to another one that could begin it now. No
 * message is needed, so that it works while a handler blocks the worker's loop. */
#include <stdlib.h>

#include "common/container.h"
#include "jobs/private.h"
#include "page_claims.h"

enum {
    LAGGING_MS = 100,     /* in which one that did not begin in time is given nothing that an idle one can take */
    LAGGING_MAX_MS = 1600 /* if it is so again and again */
};

/* Jobs that are taken back together, from one worker or several. They become ready in the order of acceptance. */
struct haul {
    struct skep__job **jobs;
    size_t count, room;
    uint64_t by_ms; /* of what was sent by then, by the pace */
};

/* The latest first: they would wait for longest. Those of one queue are begun in their order. */
static void haul_from(struct haul *haul, const struct skep__consumer *consumer, size_t most) {
    struct skep__deliveries *deliveries = &consumer->holder->deliveries;
    for (uint64_t n = skep__deliveries_before(deliveries, UINT64_MAX), before; n != 0 && most > 0; n = before) {
        const struct skep__delivery *delivery = skep__deliveries_find(deliveries, n);
        struct skep__job *job = delivery->job;
        before = skep__deliveries_before(deliveries, n);
        if (job == NULL || job->consumer != consumer || delivery->sent_ms > haul->by_ms) continue;
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
static void make_ready(struct skep__jobs *jobs, struct haul *haul) {
    if (haul->count > 1) qsort(haul->jobs, haul->count, sizeof(struct skep__job *), compare_ids);
    for (size_t i = haul->count; i-- > 0;) jobs->store->kind->release(jobs->store, haul->jobs[i]);
    free(haul->jobs);
}

static bool open_haul(struct haul *haul, size_t room) {
    haul->room = room;
    haul->jobs = malloc((room > 0 ? room : 1) * sizeof(struct skep__job *));
    return haul->jobs != NULL;
}

void skep__take_back_all(struct skep__holder *holder) {
    const struct skep__consumer *consumer;
    size_t held = 0;
    struct haul haul = {.by_ms = UINT64_MAX};
    LIST_FOREACH(consumer, &holder->consumers, of_holder) held += consumer->held;
    if (!open_haul(&haul, held)) return; /* they wait for its end, or for an idle worker */
    LIST_FOREACH(consumer, &holder->consumers, of_holder) haul_from(&haul, consumer, held);
    make_ready(holder->jobs, &haul);
    skep__consumers_update(holder);
}

/* --- balance --- */

/* What a worker has of a queue: those that it has not begun are the latest. */
struct waiting {
    size_t count, old; /* not begun; of these sent by a time */
    uint64_t begun;    /* the latest delivery that was begun; 0: none */
};

static struct waiting look_at(const struct skep__consumer *consumer, uint64_t by_ms) {
    struct skep__deliveries *deliveries = &consumer->holder->deliveries;
    struct waiting waiting = {0};
    if (consumer->held == 0) return waiting;
    for (uint64_t n = skep__deliveries_before(deliveries, UINT64_MAX); n != 0 && waiting.begun == 0;
         n = skep__deliveries_before(deliveries, n)) {
        const struct skep__delivery *delivery = skep__deliveries_find(deliveries, n);
        if (delivery->job == NULL || delivery->job->consumer != consumer) continue;
        bool begun = skep__is_begun(consumer->holder, n);
        if (begun) waiting.begun = n;
        waiting.count += !begun;
        waiting.old += !begun && delivery->sent_ms <= by_ms;
    }
    return waiting;
}

static bool is_running_for(const struct skep__holder *holder, uint64_t delivery, uint64_t ms) {
    return skep__claim_age_ms(holder->page, delivery, uv_hrtime() / 1000000) >= ms;
}

/* Whether its loop has jobs to begin before any other: some wait, and not for a job that is kept. */
static bool has_backlog(const struct skep__consumer *consumer, uint64_t by_ms) {
    const struct skep__consumer *c;
    LIST_FOREACH(c, &consumer->holder->consumers, of_holder) {
        struct waiting waiting = look_at(c, by_ms);
        bool for_a_kept_one =
            c != consumer && waiting.begun != 0 && is_running_for(consumer->holder, waiting.begun, SKEP__LAG_MS);
        if (waiting.old > 0 && !for_a_kept_one) return true;
    }
    return false;
}

/* Whether it would begin another job at once: no handler keeps it from that, and no backlog; or if nobody knows, no
 * job. A queue's jobs would move back and forth without end between workers that are all busy with another one's. */
static bool is_free(const struct skep__consumer *consumer, uint64_t by_ms) {
    const struct skep__holder *holder = consumer->holder;
    if (!skep__claims_are_kept(holder->page)) return holder->deliveries.jobs < consumer->concurrency;
    uint64_t running = __atomic_load_n(&holder->page->running, __ATOMIC_ACQUIRE);
    return (running == 0 || !is_running_for(holder, running, SKEP__LAG_MS)) && !has_backlog(consumer, by_ms);
}

/* Idle workers that would begin more jobs at once, and how many these may have. */
struct openings {
    size_t workers, room;
};

static struct openings find_openings(const struct skep__queue *queue, uint64_t by_ms) {
    const struct skep__consumer *consumer;
    struct openings openings = {0};
    TAILQ_FOREACH(consumer, &queue->takers[SKEP__IDLE], turn) {
        if (!is_free(consumer, by_ms)) continue;
        openings.workers++;
        openings.room += consumer->window - consumer->held;
    }
    if (openings.room > queue->shelf->reserved_count) openings.room = queue->shelf->reserved_count;
    return openings;
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
        skep__consumers_update(consumer->holder);
    }
}

static void lag_passed(struct skep__alarm *alarm) {
    struct skep__holder *holder = SKEP_CONTAINER(alarm, struct skep__holder, lag_alarm);
    holder->lagging = false;
    skep__jobs_dispatch_to(holder);
}

/* Without memory it is as idle as others. */
static void lag_begin(struct skep__holder *holder) {
    if (holder->lagging) return;
    holder->lag_ms = holder->lag_ms == 0 ? LAGGING_MS : holder->lag_ms * 2;
    if (holder->lag_ms > LAGGING_MAX_MS) holder->lag_ms = LAGGING_MAX_MS;
    holder->lagging = skep__alarm_set(holder->jobs->pace, &holder->lag_alarm, holder->lag_ms, lag_passed) == SKEP_OK;
}

void skep__lag_end(struct skep__holder *holder) {
    if (holder->lagging) skep__alarm_stop(&holder->lag_alarm);
    holder->lagging = false;
    holder->lag_ms = 0;
}

/* From those that could have begun them, and have not: as much as leaves each worker the same. All of them may be
 * blocked by one handler after another; what is taken would only go to and fro. */
static void haul_late(struct haul *haul, const struct skep__queue *queue, size_t free_workers) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        size_t before = haul->count, room = haul->room - haul->count;
        if (consumer->ahead || room == 0) continue;
        size_t waiting = look_at(consumer, haul->by_ms).old;
        size_t part = (waiting * free_workers + free_workers) / (free_workers + 1);
        haul_from(haul, consumer, part < room ? part : room);
        if (haul->count == before) continue;
        lag_begin(consumer->holder);
        skep__consumers_update(consumer->holder);
    }
}

static uint64_t before(uint64_t now_ms, uint64_t ms) {
    return now_ms > ms ? now_ms - ms : 0;
}

static bool something_waits(const struct skep__queue *queue) {
    const struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue)
    if (look_at(consumer, 0).count > 0) return true;
    return false;
}

/* A handler that returns and keeps its job sends nothing, so as long as something waits this is looked at again. */
static void balance_queue(struct skep__jobs *jobs, struct skep__queue *queue) {
    uint64_t now_ms = skep__clock_ms(jobs->pace);
    struct haul haul = {.by_ms = before(now_ms, SKEP__WAIT_MS)};
    struct openings openings = find_openings(queue, haul.by_ms);
    if (openings.room > 0 && open_haul(&haul, openings.room)) {
        haul_evenly(&haul, queue);
        haul.by_ms = before(now_ms, SKEP__LAG_MS);
        haul_late(&haul, queue, openings.workers);
        make_ready(jobs, &haul);
    }
    if (haul.count > 0) skep__jobs_dispatch_queue(jobs, queue);
    else if (something_waits(queue))
        skep__balance_in(jobs, openings.room > 0 ? skep__balance_patience_ms(queue) : SKEP__LAG_MS);
}

void skep__balance(struct skep__alarm *alarm) {
    struct skep__jobs *jobs = SKEP_CONTAINER(alarm, struct skep__jobs, balance_alarm);
    for (struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;) {
        if (q->shelf->ready_count > 0) skep__jobs_dispatch_queue(jobs, q);
        if (skep__balance_patience_ms(q) > 0) balance_queue(jobs, q);
    }
}
