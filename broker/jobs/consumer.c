/* SPDX-License-Identifier: MIT
 * A worker's places at queues: which jobs it can take, and how many it may have. */
#include <stdlib.h>

#include "jobs/private.h"
#include "page_claims.h"

enum {
    QUICK_MS = 20,           /* a worker that answers within this may have more */
    SLOW_MS = 200,           /* one that takes longer may have less */
    LITTLE_BYTES = 16 * 1024 /* of jobs that a worker may have when memory has run out */
};

/* --- places --- */

static bool is_open(const struct skep__holder *holder) {
    return holder->ready && !holder->stalled && !holder->inbox_full;
}

struct skep__job *skep__consumer_in_the_way(struct skep__holder *holder) {
    uint64_t number = skep__deliveries_in_the_way(&holder->deliveries);
    return number != 0 ? skep__deliveries_find(&holder->deliveries, number)->job : NULL;
}

/* Whether there is a number for another delivery: a claim is used again when what it was for has begun, or was sent
 * ahead of time and makes room for a job of another queue that can begin. */
static bool has_number(const struct skep__consumer *consumer) {
    const struct skep__job *job = skep__consumer_in_the_way(consumer->holder);
    if (job == NULL || skep__is_begun(consumer->holder, job->delivery)) return true;
    return skep__claims_are_kept(consumer->holder->page) && job->consumer != consumer &&
           job->consumer->held > job->consumer->concurrency && consumer->held < consumer->concurrency;
}

/* Without the reserve a worker gets what it can begin at once, if that is little, and one job in any case: it is by
 * jobs that are done that memory comes back. */
static bool has_memory(const struct skep__consumer *consumer) {
    const struct skep__holder *holder = consumer->holder;
    bool little = holder->deliveries.jobs < consumer->concurrency && holder->held_bytes < LITTLE_BYTES;
    return skep__jobs_have_memory(holder->jobs) || holder->deliveries.jobs == 0 || little;
}

bool skep__consumer_can_take(const struct skep__consumer *consumer) {
    const struct skep__holder *holder = consumer->holder;
    return is_open(holder) && has_memory(consumer) && consumer->held < consumer->window &&
           (holder->held_bytes < holder->settings->job_credit_bytes || holder->held_bytes == 0) && has_number(consumer);
}

/* As far as the broker knows: a handler of another queue's job may be what its only job waits for. */
static bool is_ahead(const struct skep__consumer *consumer) {
    return consumer->held > 0 && consumer->holder->deliveries.jobs > consumer->concurrency;
}

static enum skep__capacity capacity_of(const struct skep__consumer *consumer) {
    if (!skep__consumer_can_take(consumer)) return SKEP__FULL;
    if (consumer->held >= consumer->concurrency || consumer->ahead) return SKEP__BUSY;
    return consumer->holder->lagging ? SKEP__LAGGING : SKEP__IDLE;
}

static void leave_turns(struct skep__consumer *consumer) {
    if (consumer->capacity == SKEP__FULL) return;
    TAILQ_REMOVE(&consumer->queue->takers[consumer->capacity], consumer, turn);
    consumer->queue->taker_count--;
}

static void enter_turns(struct skep__consumer *consumer) {
    if (consumer->capacity == SKEP__FULL) return;
    TAILQ_INSERT_TAIL(&consumer->queue->takers[consumer->capacity], consumer, turn);
    consumer->queue->taker_count++;
}

static void update(struct skep__consumer *consumer) {
    bool ahead = is_ahead(consumer);
    consumer->queue->ahead_count += (size_t)ahead - (size_t)consumer->ahead;
    consumer->ahead = ahead;
    enum skep__capacity capacity = capacity_of(consumer);
    if (consumer->held >= consumer->window) consumer->starved = true;
    if (capacity == consumer->capacity) return;
    leave_turns(consumer);
    consumer->capacity = capacity;
    enter_turns(consumer);
}

void skep__consumers_update(struct skep__holder *holder) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &holder->consumers, of_holder) update(consumer);
}

static struct skep__consumer *find(const struct skep__holder *holder, const struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &holder->consumers, of_holder) if (consumer->queue == queue) return consumer;
    return NULL;
}

static struct skep__consumer *add(struct skep__holder *holder, struct skep__queue *queue) {
    struct skep__consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) return NULL;
    consumer->holder = holder;
    consumer->queue = queue;
    consumer->capacity = SKEP__FULL;
    LIST_INSERT_HEAD(&holder->consumers, consumer, of_holder);
    LIST_INSERT_HEAD(&queue->consumers, consumer, of_queue);
    queue->consumer_count++;
    return consumer;
}

/* From a worker that keeps no claims nothing can be taken back: it is sent nothing ahead. */
static unsigned widest(const struct skep__consumer *consumer) {
    unsigned credit = consumer->queue->options.job_credit;
    if (credit == 0) credit = consumer->holder->settings->job_credit;
    if (!skep__claims_are_kept(consumer->holder->page)) credit = 0;
    return credit > consumer->concurrency ? credit : consumer->concurrency;
}

int skep__consumer_set(struct skep__holder *holder, struct skep__queue *queue, unsigned concurrency) {
    struct skep__consumer *consumer = find(holder, queue);
    if (consumer == NULL) consumer = add(holder, queue);
    if (consumer == NULL) return SKEP_ENOMEM;
    queue->handled = true;
    consumer->concurrency = concurrency > 0 ? concurrency : 1;
    consumer->window = consumer->concurrency + 1; /* one waits while the others are worked on */
    if (consumer->window > widest(consumer)) consumer->window = widest(consumer);
    update(consumer);
    return SKEP_OK;
}

void skep__consumers_reset(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        unsigned most = widest(consumer);
        if (consumer->window > most) consumer->window = most;
        skep__consumers_update(consumer->holder);
    }
}

void skep__consumers_rouse(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) if (is_open(consumer->holder)) return;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        consumer->holder->stalled = false;
        skep__consumers_update(consumer->holder);
    }
}

void skep__consumers_free(struct skep__holder *holder) {
    struct skep__consumer *next;
    for (struct skep__consumer *consumer = LIST_FIRST(&holder->consumers); consumer != NULL; consumer = next) {
        next = LIST_NEXT(consumer, of_holder);
        leave_turns(consumer);
        consumer->queue->ahead_count -= consumer->ahead;
        consumer->queue->consumer_count--;
        LIST_REMOVE(consumer, of_holder);
        LIST_REMOVE(consumer, of_queue);
        free(consumer);
    }
}

void skep__consumer_to_tail(struct skep__consumer *consumer) {
    leave_turns(consumer);
    enter_turns(consumer);
}

/* --- credit --- */

void skep__consumer_let_go(struct skep__job *job) {
    job->consumer->held--;
    job->consumer->holder->held_bytes -= job->size_bytes;
}

void skep__consumer_undo(struct skep__job *job) {
    skep__consumer_let_go(job);
    job->queue->redelivered -= job->attempt > 1;
    job->attempt--;
}

bool skep__take_back(struct skep__job *job) {
    struct skep__holder *holder = job->consumer->holder;
    if (skep__deliveries_is_straggler(&holder->deliveries, job->delivery)) return false;
    if (!skep__claim_take(holder->page, job->delivery)) return false;
    skep__deliveries_settle(&holder->deliveries, job->delivery);
    skep__consumer_undo(job);
    job->queue->taken_back++;
    return true;
}

/* On a machine with more workers than processors all wait for their turn: who is no slower than others is quick, too.
 */
static bool is_quick(const struct skep__queue *queue, uint64_t took_ms) {
    return took_ms <= QUICK_MS || (took_ms <= SLOW_MS / 2 && took_ms <= queue->typical_ms);
}

/* A window grows once for all that were given in it: the first of them are quick however many wait behind. */
void skep__consumer_judge(const struct skep__job *job) {
    struct skep__consumer *consumer = job->consumer;
    uint64_t took_ms = skep__clock_ms(consumer->holder->jobs->clock) - job->at_ms;
    struct skep__queue *queue = consumer->queue;
    unsigned most = widest(consumer);
    if (is_quick(queue, took_ms) && consumer->starved && job->delivery >= consumer->grown_at) {
        consumer->window = consumer->window < most / 2 ? consumer->window * 2 : most;
        consumer->grown_at = consumer->holder->deliveries.next;
        consumer->starved = false;
    } else if (took_ms > SLOW_MS) {
        consumer->window = consumer->window / 2 > consumer->concurrency ? consumer->window / 2 : consumer->concurrency;
    }
    queue->typical_ms = (7 * queue->typical_ms + took_ms + 7) / 8;
}

/* Slower jobs count at once, quicker ones by and by: a lot that is too large makes jobs wait beside an idle worker, one
 * that is too small only costs. */
int skep__jobs_timed(struct skep__queue *queue, struct skep__holder *holder, const struct skep_histogram *times) {
    struct skep__consumer *consumer = holder != NULL && times->total > 0 ? find(holder, queue) : NULL;
    uint64_t most_ns = skep__histogram_quantile_ns(times, 0.9);
    if (consumer != NULL)
        consumer->job_ns = most_ns > consumer->job_ns ? most_ns : (3 * consumer->job_ns + most_ns) / 4;
    return skep__histogram_add(&queue->times, times);
}
