/* SPDX-License-Identifier: MIT
 * Giving: what is ready is split evenly among the workers that can take it, so that two jobs go to two workers and ten
 * thousand travel in frames. */
#include "common/text.h"
#include "jobs/private.h"

enum {
    LOT_NS = 500000, /* of work that a worker is sent together: some 20 times what a message costs all who touch it */
    MAX_LOT = 1024,  /* jobs */
    MAX_RUN_BYTES = SKEP_FULL_FRAME
};

/* Jobs that travel in one command: their ids and deliveries are consecutive */
struct run {
    struct skep__consumer *consumer;
    struct skep__job *first, *last;
    uint32_t count;
    size_t size_bytes;
    struct skep_bytes *items;
};

struct moment { /* by both clocks */
    uint64_t clock_ms, pace_ms;
};

static const struct skep__store_kind *store(const struct skep__jobs *jobs) {
    return jobs->store->kind;
}

/* There was no memory for the command: the jobs are ready again, as if they had not been given. */
static void take_back(struct run *run) {
    struct skep__holder *holder = run->consumer->holder;
    for (uint64_t n = run->last->delivery; n >= run->first->delivery; n--) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        skep__consumer_undo(job);
        store(holder->jobs)->release(holder->jobs->store, job);
    }
    skep__deliveries_undo(&holder->deliveries, run->first->delivery);
}

static int send_run(const struct run *run) {
    struct skep__holder *holder = run->consumer->holder;
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    *j = (struct skep_command_jobs){.queue = skep__text(run->consumer->queue->name),
                                    .delivery = run->first->delivery,
                                    .id = run->first->id,
                                    .lease_ms = skep__lease_ms(holder->jobs, run->first),
                                    .jobs = {.count = run->count, .borrowed = run->items}};
    if (run->first->attempt > 1) {
        SKEP_SET(jobs, j, attempt, run->first->attempt);
        SKEP_SET(jobs, j, redelivered, true);
    }
    int status = skep__outlet_add(holder->inbox, &command);
    if (status != SKEP_OK) return status;
    skep__trace_command(holder->jobs->trace, SKEP__TRACE_LEDGER, ">", holder->id, &command);
    if (holder->jobs->events->sent != NULL) holder->jobs->events->sent(holder->jobs->context, holder->worker, &command);
    return SKEP_OK;
}

static int end_run(struct run *run) {
    if (run->count == 0) return SKEP_OK;
    int status = send_run(run);
    if (status != SKEP_OK) take_back(run);
    else (void)skep__jobs_allow(run->consumer->holder->jobs, run->size_bytes);
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
static int make_room(struct skep__holder *holder) {
    struct skep__job *job = skep__consumer_in_the_way(holder);
    if (job != NULL && skep__take_back(job)) {
        store(holder->jobs)->release(holder->jobs->store, job);
        skep__balance_in(holder->jobs, SKEP__WAIT_MS);
    } else if (job != NULL) {
        skep__note_begun(holder, job, skep__clock_ms(holder->jobs->clock));
    }
    return skep__deliveries_reserve(&holder->deliveries);
}

static int add_to_run(struct run *run, struct skep__job *job) {
    int status = run->count > 0 && !fits(run, job) ? end_run(run) : SKEP_OK;
    if (status == SKEP_OK && !skep__outlet_has_room(run->consumer->holder->inbox)) status = SKEP_EAGAIN;
    if (status == SKEP_OK) status = make_room(run->consumer->holder);
    if (status != SKEP_OK) return status;
    if (run->count == 0) run->first = job;
    run->items[run->count++] = (struct skep_bytes){job->data, job->size_bytes};
    run->size_bytes += job->size_bytes;
    run->last = job;
    return SKEP_OK;
}

/* reserved, by this worker */
static void reserve(struct skep__consumer *consumer, struct skep__job *job, const struct moment *now) {
    struct skep__holder *holder = consumer->holder;
    store(holder->jobs)->reserve(holder->jobs->store, job, now->clock_ms);
    skep__deliveries_add(&holder->deliveries, job, now->pace_ms);
    job->consumer = consumer;
    job->timed = false;
    job->attempt++;
    job->queue->redelivered += job->attempt > 1;
    consumer->held++;
    holder->held_bytes += job->size_bytes;
    skep__lease_watch(holder, job, now->clock_ms);
}

/* Gives at most n jobs. Errors: SKEP_EAGAIN (its inbox is full), SKEP_ENOMEM. */
static int give(struct skep__consumer *consumer, uint64_t n, const struct moment *now) {
    struct skep__jobs *jobs = consumer->holder->jobs;
    struct run run = {.consumer = consumer, .items = jobs->run_items};
    struct skep__job *job;
    int status = SKEP_OK;
    while (n-- > 0 && skep__consumer_can_take(consumer) && (job = store(jobs)->first(consumer->queue->shelf)) != NULL) {
        status = add_to_run(&run, job);
        if (status != SKEP_OK) break;
        reserve(consumer, job, now);
    }
    int ended = end_run(&run);
    return status == SKEP_OK ? ended : status;
}

/* The same, and with the reserve if it has to be. */
static int give_surely(struct skep__consumer *consumer, uint64_t n, const struct moment *now) {
    int status = give(consumer, n, now);
    bool again = status == SKEP_ENOMEM && skep__jobs_lack_memory(consumer->holder->jobs);
    return again ? give(consumer, 1, now) : status;
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

/* Without memory the jobs stay until there is some: hive/hive.c. */
void skep__jobs_dispatch_queue(struct skep__jobs *jobs, struct skep__queue *queue) {
    const struct moment now = {skep__clock_ms(jobs->clock), skep__clock_ms(jobs->pace)};
    uint64_t left;
    int status = SKEP_OK;
    size_t turns = 0; /* of this round that are left */
    if (queue->shelf->ready_count > 0 && queue->taker_count == 0 && !queue->paused) skep__consumers_rouse(queue);
    while ((left = allowed(queue)) > 0 && queue->taker_count > 0 && (status == SKEP_OK || status == SKEP_EAGAIN)) {
        struct skep__consumer *consumer = next_taker(queue);
        if (turns == 0 || turns > queue->taker_count) turns = queue->taker_count;
        uint64_t share = share_of(consumer, turns);
        status = give_surely(consumer, share < left ? share : left, &now);
        turns--;
        skep__consumer_to_tail(consumer);
        consumer->holder->inbox_full = status == SKEP_EAGAIN;
        skep__consumers_update(consumer->holder);
    }
    if (queue->taker_count > 0 && !queue->paused && store(jobs)->wanted != NULL)
        store(jobs)->wanted(jobs->store, queue->shelf);
    skep__balance_watch(jobs, queue);
    skep__due_watch(jobs);
}

void skep__jobs_dispatch_to(struct skep__holder *holder) {
    struct skep__consumer *consumer;
    skep__consumers_update(holder);
    LIST_FOREACH(consumer, &holder->consumers, of_holder) skep__jobs_dispatch_queue(holder->jobs, consumer->queue);
}

void skep__jobs_dispatch(struct skep__jobs *jobs) {
    for (struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;)
        if (q->shelf->ready_count > 0) skep__jobs_dispatch_queue(jobs, q);
}
