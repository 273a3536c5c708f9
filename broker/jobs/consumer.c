/* SPDX-License-Identifier: MIT
 * Which worker gets a job, and how many it may have. What is ready is split evenly among the workers that can take it,
 * so that two jobs go to two workers and ten thousand travel in frames. */
#include <stdlib.h>

#include "common/text.h"
#include "jobs/private.h"
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

struct moment { /* by both clocks */
    uint64_t clock_ms, pace_ms;
};

static const struct skep__store_kind *store(const struct skep__jobs *jobs) {
    return jobs->store->kind;
}

/* --- places --- */

static bool is_open(const struct skep__holder *holder) {
    return holder->ready && !holder->stalled && !holder->inbox_full;
}

/* The job whose claim the next delivery needs; NULL: none. */
static struct skep__job *job_in_the_way(struct skep__holder *holder) {
    uint64_t number = skep__deliveries_in_the_way(&holder->deliveries);
    return number != 0 ? skep__deliveries_find(&holder->deliveries, number)->job : NULL;
}

/* Whether there is a number for another delivery: a claim is used again when what it was for has begun, or was sent
 * ahead of time and makes room for a job of another queue that can begin. */
static bool has_number(const struct skep__consumer *consumer) {
    const struct skep__job *job = job_in_the_way(consumer->holder);
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

static bool can_take(const struct skep__consumer *consumer) {
    const struct skep__holder *holder = consumer->holder;
    return is_open(holder) && has_memory(consumer) && consumer->held < consumer->window &&
           (holder->held_bytes < holder->settings->job_credit_bytes || holder->held_bytes == 0) && has_number(consumer);
}

/* As far as the broker knows: a handler of another queue's job may be what its only job waits for. */
static bool is_ahead(const struct skep__consumer *consumer) {
    return consumer->held > 0 && consumer->holder->deliveries.jobs > consumer->concurrency;
}

static enum skep__capacity capacity_of(const struct skep__consumer *consumer) {
    if (!can_take(consumer)) return SKEP__FULL;
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

int skep__jobs_handle(struct skep__holder *holder, const struct skep_command_handle *handle) {
    struct skep__jobs *jobs = holder->jobs;
    struct skep__queue *queue = skep__queues_get(jobs->queues, handle->queue.data, handle->queue.size_bytes);
    if (queue == NULL) return jobs->queues->failure;
    struct skep__consumer *consumer = find(holder, queue);
    if (consumer == NULL) consumer = add(holder, queue);
    if (consumer == NULL) return SKEP_ENOMEM;
    queue->handled = true;
    unsigned concurrency = SKEP_HAS(handle, handle, concurrency) ? (unsigned)handle->concurrency : 1;
    consumer->concurrency = concurrency > 0 ? concurrency : 1;
    consumer->window = consumer->concurrency + 1; /* one waits while the others are worked on */
    if (consumer->window > widest(consumer)) consumer->window = widest(consumer);
    update(consumer);
    skep__jobs_dispatch_queue(jobs, queue);
    return SKEP_OK;
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

/* --- giving --- */

/* There was no memory for the command: the jobs are ready again, as if they had not been given. */
static void take_back(struct run *run) {
    struct skep__holder *holder = run->consumer->holder;
    for (uint64_t n = run->last->delivery; n >= run->first->delivery; n--) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        skep__consumer_undo(job);
        store(holder->jobs)->recover(holder->jobs->store, job);
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
                                    .lease_ms = skep__ledger_lease_ms(holder->jobs, run->first),
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
    struct skep__job *job = job_in_the_way(holder);
    if (job != NULL && skep__take_back(job)) {
        store(holder->jobs)->recover(holder->jobs->store, job);
        skep__balance_later(holder->jobs);
    } else if (job != NULL) {
        skep__ledger_note_begun(holder, job, skep__clock_ms(holder->jobs->clock));
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
    skep__ledger_watch_lease(holder, job, now->clock_ms);
}

/* Gives at most n jobs. Errors: SKEP_EAGAIN (its inbox is full), SKEP_ENOMEM. */
static int give(struct skep__consumer *consumer, uint64_t n, const struct moment *now) {
    struct skep__jobs *jobs = consumer->holder->jobs;
    struct run run = {.consumer = consumer, .items = jobs->run_items};
    struct skep__job *job;
    int status = SKEP_OK;
    while (n-- > 0 && can_take(consumer) && (job = store(jobs)->first(consumer->queue->shelf)) != NULL) {
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

/* Its turn is over. */
static void to_tail(struct skep__consumer *consumer) {
    leave_turns(consumer);
    enter_turns(consumer);
}

/* If every worker of the queue has let a lease end, they get jobs all the same: these must end somewhere. */
static void rouse(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) if (is_open(consumer->holder)) return;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        consumer->holder->stalled = false;
        skep__consumers_update(consumer->holder);
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

/* Without memory the jobs stay until there is some: hive/hive.c. */
void skep__jobs_dispatch_queue(struct skep__jobs *jobs, struct skep__queue *queue) {
    const struct moment now = {skep__clock_ms(jobs->clock), skep__clock_ms(jobs->pace)};
    uint64_t left;
    int status = SKEP_OK;
    size_t turns = 0; /* of this round that are left */
    if (queue->shelf->ready_count > 0 && queue->taker_count == 0 && !queue->paused) rouse(queue);
    while ((left = allowed(queue)) > 0 && queue->taker_count > 0 && (status == SKEP_OK || status == SKEP_EAGAIN)) {
        struct skep__consumer *consumer = next_taker(queue);
        if (turns == 0 || turns > queue->taker_count) turns = queue->taker_count;
        uint64_t share = share_of(consumer, turns);
        status = give_surely(consumer, share < left ? share : left, &now);
        turns--;
        to_tail(consumer);
        consumer->holder->inbox_full = status == SKEP_EAGAIN;
        skep__consumers_update(consumer->holder);
    }
    skep__balance_watch(jobs, queue);
    skep__ledger_watch(jobs);
}

void skep__consumers_reset(struct skep__queue *queue) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        unsigned most = widest(consumer);
        if (consumer->window > most) consumer->window = most;
        skep__consumers_update(consumer->holder);
    }
}

void skep__jobs_dispatch_to(struct skep__holder *holder) {
    struct skep__consumer *consumer;
    skep__consumers_update(holder);
    LIST_FOREACH(consumer, &holder->consumers, of_holder) skep__jobs_dispatch_queue(holder->jobs, consumer->queue);
}
