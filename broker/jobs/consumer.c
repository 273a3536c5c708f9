/* SPDX-License-Identifier: MIT
 * Which worker gets a job, and how many it may have. What is ready is split evenly among the workers that can take it,
 * so that two jobs go to two workers and ten thousand travel in frames. */
#include <stdlib.h>

#include "base/clock.h"
#include "common/text.h"
#include "jobs/deliveries.h"
#include "jobs/ledger.h"
#include "journal/journal.h"
#include "page_claims.h"

enum {
    QUICK_MS = 20, /* a worker that answers within this may have more */
    SLOW_MS = 200, /* one that takes longer may have less */
    LOT_NS =
        500000, /* of work that a worker is sent together: some twenty times what a message costs all who touch it */
    MAX_LOT = 1024, /* jobs */
    MAX_RUN_BYTES = SKEP_FULL_FRAME,
    LITTLE_BYTES = 16 * 1024 /* of jobs that a worker may have when memory has run out */
};

/* Jobs that travel in one command: their ids and deliveries are consecutive */
struct run {
    struct skep__consumer *consumer;
    struct skep__job *first, *last;
    uint32_t count;
    size_t size_bytes;
    struct skep_bytes *items;
};

static const struct skep__store_kind *store(const skep_cluster *cluster) {
    return cluster->store->kind;
}

/* --- places --- */

static bool is_open(const skep_child *child) {
    return child->state == SKEP__CHILD_READY && child->link >= 0 && !child->stalled && !child->inbox_full;
}

/* The job whose claim the next delivery needs; NULL: none. */
static struct skep__job *job_in_the_way(skep_child *child) {
    uint64_t number = skep__deliveries_in_the_way(&child->deliveries);
    return number != 0 ? skep__deliveries_find(&child->deliveries, number)->job : NULL;
}

/* Whether there is a number for another delivery: a claim is used again when what it was for has begun, or was sent
 * ahead of time and makes room for a job of another queue that can begin. */
static bool has_number(const struct skep__consumer *consumer) {
    const struct skep__job *job = job_in_the_way(consumer->child);
    if (job == NULL || skep__is_begun(consumer->child, job->delivery)) return true;
    return skep__claims_are_kept(consumer->child->page) && job->holder != consumer &&
           job->holder->held > job->holder->concurrency && consumer->held < consumer->concurrency;
}

/* Without the reserve a worker gets what it can begin at once, if that is little, and one job in any case: it is by
 * jobs that are done that memory comes back. */
static bool has_memory(const struct skep__consumer *consumer) {
    const skep_child *child = consumer->child;
    bool little = child->deliveries.jobs < consumer->concurrency && child->held_bytes < LITTLE_BYTES;
    return child->cluster->memory.block != NULL || child->deliveries.jobs == 0 || little;
}

static bool can_take(const struct skep__consumer *consumer) {
    const skep_child *child = consumer->child;
    return is_open(child) && has_memory(consumer) && consumer->held < consumer->window &&
           (child->held_bytes < child->terms->settings->job_credit_bytes || child->held_bytes == 0) &&
           has_number(consumer);
}

/* As far as the broker knows: a handler of another queue's job may be what its only job waits for. */
static bool is_ahead(const struct skep__consumer *consumer) {
    return consumer->held > 0 && consumer->child->deliveries.jobs > consumer->concurrency;
}

static enum skep__capacity capacity_of(const struct skep__consumer *consumer) {
    if (!can_take(consumer)) return SKEP__FULL;
    if (consumer->held >= consumer->concurrency || consumer->ahead) return SKEP__BUSY;
    return consumer->child->lagging ? SKEP__LAGGING : SKEP__IDLE;
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

void skep__consumers_update(skep_child *child) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) update(consumer);
}

static struct skep__consumer *find(const skep_child *child, const struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) if (consumer->queue == queue) return consumer;
    return NULL;
}

static struct skep__consumer *add(skep_child *child, struct skep__queue *queue) {
    struct skep__consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) return NULL;
    consumer->child = child;
    consumer->queue = queue;
    consumer->capacity = SKEP__FULL;
    LIST_INSERT_HEAD(&child->consumers, consumer, of_child);
    LIST_INSERT_HEAD(&queue->consumers, consumer, of_queue);
    queue->consumer_count++;
    return consumer;
}

/* From a worker that keeps no claims nothing can be taken back: it is sent nothing ahead. */
static unsigned widest(const struct skep__consumer *consumer) {
    unsigned credit = consumer->queue->options.job_credit;
    if (credit == 0) credit = consumer->child->terms->settings->job_credit;
    if (!skep__claims_are_kept(consumer->child->page)) credit = 0;
    return credit > consumer->concurrency ? credit : consumer->concurrency;
}

int skep__consumer_add(skep_child *child, const struct skep_command_handle *handle) {
    skep_cluster *cluster = child->cluster;
    struct skep__queue *queue = skep__queues_get(cluster->queues, handle->queue.data, handle->queue.size_bytes);
    if (queue == NULL) return cluster->queues->failure;
    struct skep__consumer *consumer = find(child, queue);
    if (consumer == NULL) consumer = add(child, queue);
    if (consumer == NULL) return SKEP_ENOMEM;
    queue->handled = true;
    unsigned concurrency = SKEP_HAS(handle, handle, concurrency) ? (unsigned)handle->concurrency : 1;
    consumer->concurrency = concurrency > 0 ? concurrency : 1;
    consumer->window = consumer->concurrency + 1; /* one waits while the others are worked on */
    if (consumer->window > widest(consumer)) consumer->window = widest(consumer);
    update(consumer);
    skep__dispatch_jobs(cluster, queue);
    return SKEP_OK;
}

void skep__consumers_free(skep_child *child) {
    struct skep__consumer *next;
    for (struct skep__consumer *consumer = LIST_FIRST(&child->consumers); consumer != NULL; consumer = next) {
        next = LIST_NEXT(consumer, of_child);
        leave_turns(consumer);
        consumer->queue->ahead_count -= consumer->ahead;
        consumer->queue->consumer_count--;
        LIST_REMOVE(consumer, of_child);
        LIST_REMOVE(consumer, of_queue);
        free(consumer);
    }
}

/* --- credit --- */

void skep__consumer_let_go(struct skep__job *job) {
    job->holder->held--;
    job->holder->child->held_bytes -= job->size_bytes;
}

void skep__consumer_undo(struct skep__job *job) {
    skep__consumer_let_go(job);
    job->queue->redelivered -= job->attempt > 1;
    job->attempt--;
}

/* On a machine with more workers than processors all wait for their turn: who is no slower than others is quick, too.
 */
static bool is_quick(const struct skep__queue *queue, uint64_t took_ms) {
    return took_ms <= QUICK_MS || (took_ms <= SLOW_MS / 2 && took_ms <= queue->typical_ms);
}

/* A window grows once for all that were given in it: the first of them are quick however many wait behind. */
void skep__consumer_judge(const struct skep__job *job) {
    struct skep__consumer *consumer = job->holder;
    uint64_t took_ms = skep__clock_ms(consumer->child->cluster->clock) - job->at_ms;
    struct skep__queue *queue = consumer->queue;
    unsigned most = widest(consumer);
    if (is_quick(queue, took_ms) && consumer->starved && job->delivery >= consumer->grown_at) {
        consumer->window = consumer->window < most / 2 ? consumer->window * 2 : most;
        consumer->grown_at = consumer->child->deliveries.next;
        consumer->starved = false;
    } else if (took_ms > SLOW_MS) {
        consumer->window = consumer->window / 2 > consumer->concurrency ? consumer->window / 2 : consumer->concurrency;
    }
    queue->typical_ms = (7 * queue->typical_ms + took_ms + 7) / 8;
}

/* Slower jobs count at once, quicker ones by and by: a lot that is too large makes jobs wait beside an idle worker, one
 * that is too small only costs. */
void skep__consumer_timed(skep_child *child, const struct skep__queue *queue, const struct skep_histogram *times) {
    struct skep__consumer *consumer = find(child, queue);
    uint64_t most_ns = skep__histogram_quantile_ns(times, 0.9);
    if (consumer == NULL) return;
    consumer->job_ns = most_ns > consumer->job_ns ? most_ns : (3 * consumer->job_ns + most_ns) / 4;
}

/* --- giving --- */

/* There was no memory for the command: the jobs are ready again, as if they had not been given. */
static void take_back(struct run *run) {
    skep_child *child = run->consumer->child;
    for (uint64_t n = run->last->delivery; n >= run->first->delivery; n--) {
        struct skep__job *job = skep__deliveries_find(&child->deliveries, n)->job;
        skep__consumer_undo(job);
        store(child->cluster)->recover(child->cluster->store, job);
    }
    skep__deliveries_undo(&child->deliveries, run->first->delivery);
}

static int send_run(const struct run *run) {
    skep_child *child = run->consumer->child;
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    *j = (struct skep_command_jobs){.queue = skep__text(run->consumer->queue->name),
                                    .delivery = run->first->delivery,
                                    .id = run->first->id,
                                    .lease_ms = skep__ledger_lease_ms(child->cluster, run->first),
                                    .jobs = {.count = run->count, .borrowed = run->items}};
    if (run->first->attempt > 1) {
        SKEP_SET(jobs, j, attempt, run->first->attempt);
        SKEP_SET(jobs, j, redelivered, true);
    }
    int status = skep__outlet_add(child->inbox, &command);
    if (status == SKEP_OK) skep__trace_command(child->cluster->trace, SKEP__TRACE_LEDGER, ">", child->id, &command);
    return status;
}

static int end_run(struct run *run) {
    if (run->count == 0) return SKEP_OK;
    int status = send_run(run);
    if (status != SKEP_OK) take_back(run);
    else skep__memory_note(run->consumer->child->cluster, run->size_bytes);
    run->count = 0;
    run->size_bytes = 0;
    return status;
}

static bool fits(const struct run *run, const struct skep__job *job) {
    return job->id == run->last->id + 1 && job->attempt + 1 == run->first->attempt &&
           job->lease_ms == run->first->lease_ms && run->count < SKEP_MAX_LIST &&
           run->size_bytes + job->size_bytes < MAX_RUN_BYTES;
}

/* What is in the way and has not begun is ready again. */
static int make_room(skep_child *child) {
    struct skep__job *job = job_in_the_way(child);
    if (job != NULL && skep__take_back(job)) {
        store(child->cluster)->recover(child->cluster->store, job);
        skep__balance_later(child->cluster);
    } else if (job != NULL) {
        skep__ledger_note_begun(child, job, skep__clock_ms(child->cluster->clock));
    }
    return skep__deliveries_reserve(&child->deliveries);
}

static int add_to_run(struct run *run, struct skep__job *job) {
    int status = run->count > 0 && !fits(run, job) ? end_run(run) : SKEP_OK;
    if (status == SKEP_OK && !skep__outlet_has_room(run->consumer->child->inbox)) status = SKEP_EAGAIN;
    if (status == SKEP_OK) status = make_room(run->consumer->child);
    if (status != SKEP_OK) return status;
    if (run->count == 0) run->first = job;
    run->items[run->count++] = (struct skep_bytes){job->data, job->size_bytes};
    run->size_bytes += job->size_bytes;
    run->last = job;
    return SKEP_OK;
}

/* reserved, by this worker */
static void reserve(struct skep__consumer *consumer, struct skep__job *job, uint64_t now_ms) {
    skep_child *child = consumer->child;
    store(child->cluster)->reserve(child->cluster->store, job, now_ms);
    skep__deliveries_add(&child->deliveries, job);
    job->holder = consumer;
    job->attempt++;
    job->queue->redelivered += job->attempt > 1;
    consumer->held++;
    child->held_bytes += job->size_bytes;
    skep__ledger_watch_lease(child, job, now_ms);
}

/* Gives at most n jobs. Errors: SKEP_EAGAIN (its inbox is full), SKEP_ENOMEM. */
static int give(struct skep__consumer *consumer, uint64_t n, uint64_t now_ms) {
    skep_cluster *cluster = consumer->child->cluster;
    struct run run = {.consumer = consumer, .items = cluster->run_items};
    struct skep__job *job;
    int status = SKEP_OK;
    while (n-- > 0 && can_take(consumer) && (job = store(cluster)->first(consumer->queue->shelf)) != NULL) {
        status = add_to_run(&run, job);
        if (status != SKEP_OK) break;
        reserve(consumer, job, now_ms);
    }
    int ended = end_run(&run);
    return status == SKEP_OK ? ended : status;
}

/* The same, and with the reserve if it has to be. */
static int give_surely(struct skep__consumer *consumer, uint64_t n, uint64_t now_ms) {
    int status = give(consumer, n, now_ms);
    bool again = status == SKEP_ENOMEM && skep__memory_lacks(consumer->child->cluster);
    return again ? give(consumer, 1, now_ms) : status;
}

/* Its turn is over. */
static void to_tail(struct skep__consumer *consumer) {
    leave_turns(consumer);
    enter_turns(consumer);
}

/* If every worker of the queue has let a lease end, they get jobs all the same: these must end somewhere. */
static void rouse(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) if (is_open(consumer->child)) return;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        consumer->child->stalled = false;
        skep__consumers_update(consumer->child);
    }
}

/* An even part of what is ready; or more, in turn, as long as that is soon done: messages cost more than small jobs.
 * One whose jobs take longer gets what it can begin: the next may begin another at once, too. */
static uint64_t share_of(const struct skep__consumer *consumer, size_t turns) {
    uint64_t even = (consumer->queue->shelf->ready_count + turns - 1) / turns;
    if (consumer->job_ns > LOT_NS && consumer->held < consumer->concurrency) {
        uint64_t begins = consumer->concurrency - consumer->held;
        return even < begins ? even : begins;
    }
    uint64_t lot = consumer->job_ns > 0 ? LOT_NS / consumer->job_ns : 0;
    if (lot > MAX_LOT) lot = MAX_LOT;
    return even > lot ? even : lot;
}

/* Whose turn it is: of those that can begin a job at once, else of those that it can be sent ahead to. */
static struct skep__consumer *next_taker(const struct skep__queue *queue) {
    struct skep__consumer *taker = NULL;
    for (unsigned i = 0; i < SKEP__CAPACITIES && taker == NULL; i++) taker = TAILQ_FIRST(&queue->takers[i]);
    return taker;
}

/* How many jobs may be given: no more than the queue may have under way, over all workers. */
static uint64_t allowed(const struct skep__queue *queue) {
    uint64_t most = queue->options.concurrency;
    if (queue->paused) return 0;
    if (most == 0 || queue->shelf->ready_count + queue->shelf->reserved_count <= most) return queue->shelf->ready_count;
    return most > queue->shelf->reserved_count ? most - queue->shelf->reserved_count : 0;
}

/* Without memory the jobs stay until there is some: hive/shortage.c. */
void skep__dispatch_jobs(skep_cluster *cluster, struct skep__queue *queue) {
    uint64_t now_ms = skep__clock_ms(cluster->clock), left;
    int status = SKEP_OK;
    size_t turns = 0; /* of this round that are left */
    if (queue->shelf->ready_count > 0 && queue->taker_count == 0 && !queue->paused) rouse(queue);
    while ((left = allowed(queue)) > 0 && queue->taker_count > 0 && (status == SKEP_OK || status == SKEP_EAGAIN)) {
        struct skep__consumer *consumer = next_taker(queue);
        if (turns == 0 || turns > queue->taker_count) turns = queue->taker_count;
        uint64_t share = share_of(consumer, turns);
        status = give_surely(consumer, share < left ? share : left, now_ms);
        turns--;
        to_tail(consumer);
        consumer->child->inbox_full = status == SKEP_EAGAIN;
        skep__consumers_update(consumer->child);
    }
    skep__balance_watch(cluster, queue);
    skep__ledger_watch(cluster);
}

void skep__consumers_reset(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        unsigned most = widest(consumer);
        if (consumer->window > most) consumer->window = most;
        skep__consumers_update(consumer->child);
    }
}

void skep__dispatch_child(skep_child *child) {
    struct skep__consumer *consumer;
    skep__consumers_update(child);
    LIST_FOREACH(consumer, &child->consumers, of_child) skep__dispatch_jobs(child->cluster, consumer->queue);
}
