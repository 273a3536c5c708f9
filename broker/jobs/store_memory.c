/* SPDX-License-Identifier: MIT
 * Jobs in memory: lists and heaps. Each step is O(1), or O(log n) for a job that has a delay or a time to live. */
#include <stdlib.h>

#include "jobs/store_job.h"
#include "jobs/store_keys.h"
#include "jobs/store_shelf.h"

struct memory {
    struct skep__store store; /* first member */
    LIST_HEAD(, skep__memory_shelf) shelves;
    struct skep__job_list reserved; /* in the order of delivery */
    struct skep__heap delays, expiries;
    struct skep__keys keys;
    size_t bytes;
    uint64_t next_id;
};

static struct memory *memory_of(struct skep__store *store) {
    return (struct memory *)store;
}

/* --- heaps --- */

static void leave_heap(struct skep__heap *heap, struct skep__heap_node *node) {
    if (node->index != 0) skep__heap_remove(heap, node);
}

/* --- states: entering and leaving --- */

static int enter_delayed(struct memory *memory, struct skep__job *job, uint64_t due_ms) {
    job->at_ms = due_ms;
    int status = skep__heap_add(&memory->delays, &job->delay_node);
    if (status != SKEP_OK) return status;
    job->state = SKEP__JOB_DELAYED;
    TAILQ_INSERT_TAIL(&skep__memory_shelf_of(job)->delayed, job, entry);
    job->queue->shelf->delayed_count++;
    return SKEP_OK;
}

static void leave_delayed(struct memory *memory, struct skep__job *job) {
    leave_heap(&memory->delays, &job->delay_node);
    TAILQ_REMOVE(&skep__memory_shelf_of(job)->delayed, job, entry);
    job->queue->shelf->delayed_count--;
}

static void leave_reserved(struct memory *memory, struct skep__job *job) {
    TAILQ_REMOVE(&memory->reserved, job, entry);
    job->queue->shelf->reserved_count--;
    job->consumer = NULL;
}

static void leave(struct memory *memory, struct skep__job *job) {
    switch ((enum skep__job_state)job->state) {
    case SKEP__JOB_READY: skep__memory_shelf_remove_ready(job); break;
    case SKEP__JOB_RESERVED: leave_reserved(memory, job); break;
    case SKEP__JOB_DELAYED: leave_delayed(memory, job); break;
    case SKEP__JOB_DEAD:
        TAILQ_REMOVE(&skep__memory_shelf_of(job)->dead, job, entry);
        job->queue->shelf->dead_count--;
        break;
    case SKEP__JOB_PENDING: break; /* here each change is complete at once */
    }
}

/* Something has come into the shelf, or has left it. */
static void note(struct memory *memory, struct skep__memory_shelf *shelf) {
    bool empty = skep__memory_shelf_is_empty(shelf);
    if (empty == shelf->shelf.empty) return;
    shelf->shelf.empty = empty;
    memory->store.events->emptied(memory->store.context, &shelf->shelf);
}

/* The job is in no list any more. */
static void forget(struct memory *memory, struct skep__job *job) {
    size_t cost = skep__job_cost(job->size_bytes);
    leave_heap(&memory->expiries, &job->expiry_node);
    job->queue->shelf->bytes -= cost;
    memory->bytes -= cost;
    skep__keys_leave(&memory->keys, job);
    note(memory, skep__memory_shelf_of(job));
    free(job->death);
    free(job);
}

/* --- shelves --- */

static struct skep__shelf *memory_open(struct skep__store *store, struct skep__queue *queue) {
    struct skep__memory_shelf *shelf = skep__memory_shelf_new(queue);
    if (shelf == NULL) return NULL;
    LIST_INSERT_HEAD(&memory_of(store)->shelves, shelf, entry);
    return &shelf->shelf;
}

static void memory_close(struct skep__store *store, struct skep__shelf *shelf) {
    (void)store;
    LIST_REMOVE(skep__memory_shelf(shelf), entry);
    free(skep__memory_shelf(shelf));
}

/* --- putting --- */

static uint64_t count_jobs(const struct skep__shelf *shelf) {
    return shelf->ready_count + shelf->reserved_count + shelf->delayed_count + shelf->dead_count;
}

static size_t bytes_of(const struct memory *memory) {
    return memory->bytes + memory->keys.bytes;
}

/* Of a shelf (NULL: of all), the one that comes first. */
static void forget_early(struct memory *memory, const struct skep__memory_shelf *shelf) {
    note(memory, skep__keys_forget(&memory->keys, shelf, UINT64_MAX));
    memory->store.forgotten_early++;
}

/* A job is worth more than a key that keeps copies of an ended one out. None is forgotten in vain. */
static bool make_room(struct memory *memory, const struct skep__memory_shelf *shelf, size_t cost) {
    const struct skep__store_limits *limits = &memory->store.limits;
    bool can = shelf->shelf.bytes - shelf->ended_bytes + cost <= limits->queue_bytes &&
               bytes_of(memory) - memory->keys.ended_bytes + cost <= limits->bytes;
    if (!can) return false;
    while (shelf->shelf.bytes + cost > limits->queue_bytes) forget_early(memory, shelf);
    while (bytes_of(memory) + cost > limits->bytes) forget_early(memory, NULL);
    return true;
}

static size_t cost_of(const struct skep__submission *s) {
    size_t of_waiter = s->wants_outcome ? skep__waiter_cost() : 0;
    return skep__job_cost(s->size_bytes) + (s->key != NULL ? skep__key_cost(s->key_bytes) + of_waiter : 0);
}

/* Into the heaps and the list; what fails leaves nothing behind. */
static int enter(struct memory *memory, struct skep__job *job, const struct skep__submission *s, uint64_t now_ms) {
    int status = job->expires_ms != 0 ? skep__heap_add(&memory->expiries, &job->expiry_node) : SKEP_OK;
    if (status != SKEP_OK) return status;
    if (s->delay_ms != 0) status = enter_delayed(memory, job, now_ms + s->delay_ms);
    else skep__memory_shelf_add_ready(job, false);
    if (status != SKEP_OK) leave_heap(&memory->expiries, &job->expiry_node);
    return status;
}

static int take_key(struct memory *memory, struct skep__job *job, const struct skep__submission *s) {
    int status = s->key != NULL ? skep__keys_add(&memory->keys, job, s) : SKEP_OK;
    if (status != SKEP_OK || s->key == NULL || !s->wants_outcome) return status;
    return skep__keys_wait(&memory->keys, job->key, s);
}

static int take(struct memory *memory, struct skep__shelf *shelf, const struct skep__submission *s, uint64_t now_ms,
                uint64_t *id) {
    struct skep__job *job = skep__job_new(shelf->queue, s, now_ms);
    if (job == NULL) return SKEP_ENOMEM;
    job->id = memory->next_id + 1;
    int status = take_key(memory, job, s);
    if (status == SKEP_OK) status = enter(memory, job, s, now_ms);
    if (status != SKEP_OK) {
        skep__keys_leave(&memory->keys, job);
        free(job);
        return status;
    }
    *id = memory->next_id = job->id;
    shelf->bytes += skep__job_cost(s->size_bytes);
    memory->bytes += skep__job_cost(s->size_bytes);
    shelf->submitted++;
    note(memory, skep__memory_shelf(shelf));
    return SKEP_OK;
}

static bool is_allowed(const struct skep__store *store, size_t size_bytes) {
    return store->limits.reserve == NULL || skep__reserve_allows(store->limits.reserve, size_bytes);
}

/* Who wants the outcome of a duplicate waits for that of the first or, if that has ended, hears how. */
static int wait_for_first(struct memory *memory, struct skep__key *key, const struct skep__submission *s,
                          struct skep__answer *answer) {
    if (key->settled) {
        answer->ended = key->cause != NULL ? key->cause : "done";
        return SKEP_EDUPLICATE;
    }
    if (!make_room(memory, key->shelf, skep__waiter_cost())) return SKEP_EFULL;
    if (!is_allowed(&memory->store, skep__waiter_cost())) return SKEP_ENOMEM;
    int status = skep__keys_wait(&memory->keys, key, s);
    if (status != SKEP_OK) return status;
    key->job->wants_outcome = answer->waits = true;
    return SKEP_EDUPLICATE;
}

static int put_one(struct memory *memory, struct skep__shelf *shelf, const struct skep__submission *s, uint64_t now_ms,
                   struct skep__answer *answer) {
    struct skep__key *first = s->key != NULL ? skep__keys_find(skep__memory_shelf(shelf), s) : NULL;
    if (first != NULL) {
        shelf->duplicates++;
        answer->id = first->id;
        return s->wants_outcome ? wait_for_first(memory, first, s, answer) : SKEP_EDUPLICATE;
    }
    const size_t cost = cost_of(s);
    if (count_jobs(shelf) >= memory->store.limits.queue_jobs || !make_room(memory, skep__memory_shelf(shelf), cost)) {
        shelf->declined++;
        return SKEP_EFULL;
    }
    int status = is_allowed(&memory->store, cost) ? take(memory, shelf, s, now_ms, &answer->id) : SKEP_ENOMEM;
    shelf->declined += status != SKEP_OK;
    return status;
}

static void memory_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                       uint64_t now_ms, struct skep__put *put) {
    struct skep__submission submission = batch->common;
    struct skep__answer stored = {.status = SKEP_OK};
    for (uint32_t i = batch->first; i < batch->jobs.count; i++) {
        struct skep__answer answer = {.n = 1};
        skep__batch_get(batch, i, &submission);
        answer.status = put_one(memory_of(store), shelf, &submission, now_ms, &answer);
        if (answer.status == SKEP_OK && stored.n++ == 0) stored.id = answer.id;
        if (answer.status == SKEP_OK) continue;
        if (stored.n > 0) put->answered(put, &stored);
        stored.n = 0;
        put->answered(put, &answer);
    }
    if (stored.n > 0) put->answered(put, &stored);
}

/* --- from state to state --- */

static struct skep__job *memory_first(struct skep__shelf *shelf) {
    return skep__memory_shelf_first(skep__memory_shelf(shelf), 0);
}

static void memory_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    skep__memory_shelf_remove_ready(job);
    job->state = SKEP__JOB_RESERVED;
    job->at_ms = now_ms;
    TAILQ_INSERT_TAIL(&memory->reserved, job, entry);
    job->queue->shelf->reserved_count++;
}

static void memory_begun(struct skep__store *store, struct skep__job *job) {
    leave_heap(&memory_of(store)->expiries, &job->expiry_node);
}

static void memory_drop(struct skep__store *store, struct skep__job *job) {
    leave(memory_of(store), job);
    forget(memory_of(store), job);
}

static void memory_ack(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result,
                       uint64_t now_ms) {
    if (job->wants_outcome || result->size_bytes > 0) store->events->done(store->context, job, result);
    job->queue->shelf->done++;
    skep__keys_end(&memory_of(store)->keys, job, NULL, now_ms + store->limits.dedup_ms);
    memory_drop(store, job);
}

static void memory_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    struct memory *memory = memory_of(store);
    leave_reserved(memory, job);
    memory_begun(store, job);
    if (due_ms <= now_ms || enter_delayed(memory, job, due_ms) != SKEP_OK) skep__memory_shelf_add_ready(job, false);
}

static void memory_recover(struct skep__store *store, struct skep__job *job) {
    leave_reserved(memory_of(store), job);
    if (job->attempt > 0) memory_begun(store, job);
    skep__memory_shelf_add_ready(job, true);
}

static void memory_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                        const struct skep_bytes *reason, uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    skep__keys_end(&memory->keys, job, cause, now_ms + store->limits.dedup_ms);
    leave(memory, job);
    leave_heap(&memory->expiries, &job->expiry_node);
    job->state = SKEP__JOB_DEAD;
    job->death = death;
    TAILQ_INSERT_TAIL(&skep__memory_shelf_of(job)->dead, job, entry);
    job->queue->shelf->dead_count++;
    store->events->died(store->context, job, cause, reason);
}

static void memory_revive(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    leave(memory_of(store), job);
    skep__keys_revive(&memory_of(store)->keys, job);
    free(job->death);
    job->death = NULL;
    job->accepted_ms = now_ms;
    job->expires_ms = 0;
    job->attempt = job->failures = 0;
    job->deaths = job->interruptions = 0;
    skep__memory_shelf_add_ready(job, false);
}

/* --- time --- */

static struct skep__queue *memory_ripen(struct skep__store *store, uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    for (struct skep__memory_shelf *shelf; (shelf = skep__keys_forget(&memory->keys, NULL, now_ms)) != NULL;)
        note(memory, shelf);
    const struct skep__heap_node *node = skep__heap_first(&memory->delays);
    if (node == NULL || skep__job_of_delay(node)->at_ms > now_ms) return NULL;
    struct skep__job *job = skep__job_of_delay(node);
    leave_delayed(memory, job);
    skep__memory_shelf_add_ready(job, false);
    return job->queue;
}

static struct skep__job *memory_expired(struct skep__store *store, uint64_t now_ms) {
    const struct skep__heap_node *node = skep__heap_first(&memory_of(store)->expiries);
    return node != NULL && skep__job_of_expiry(node)->expires_ms <= now_ms ? skep__job_of_expiry(node) : NULL;
}

static uint64_t memory_next_ms(struct skep__store *store) {
    struct memory *memory = memory_of(store);
    const struct skep__heap_node *delay = skep__heap_first(&memory->delays);
    const struct skep__heap_node *expiry = skep__heap_first(&memory->expiries);
    const struct skep__key *key = TAILQ_FIRST(&memory->keys.ended);
    uint64_t next = delay != NULL ? skep__job_of_delay(delay)->at_ms : UINT64_MAX;
    if (expiry != NULL && skep__job_of_expiry(expiry)->expires_ms < next)
        next = skep__job_of_expiry(expiry)->expires_ms;
    if (key != NULL && key->forget_ms < next) next = key->forget_ms;
    return next;
}

/* --- looking --- */

static struct skep__job *next_reserved(struct memory *memory, const struct skep__queue *queue,
                                       const struct skep__job *job) {
    struct skep__job *next = job != NULL ? TAILQ_NEXT(job, entry) : TAILQ_FIRST(&memory->reserved);
    while (next != NULL && next->queue != queue) next = TAILQ_NEXT(next, entry);
    return next;
}

static struct skep__job *memory_next(struct skep__store *store, struct skep__shelf *of, enum skep__job_state state,
                                     const struct skep__job *job) {
    const struct skep__memory_shelf *shelf = skep__memory_shelf(of);
    if (state == SKEP__JOB_RESERVED) return next_reserved(memory_of(store), of->queue, job);
    struct skep__job *next = job != NULL ? TAILQ_NEXT(job, entry) : NULL;
    if (state == SKEP__JOB_READY && next == NULL)
        return skep__memory_shelf_first(shelf, job != NULL ? job->priority + 1u : 0);
    if (job != NULL) return next;
    return TAILQ_FIRST(state == SKEP__JOB_DEAD ? &shelf->dead : &shelf->delayed);
}

/* --- life --- */

static void free_shelf(struct memory *memory, struct skep__shelf *shelf) {
    for (enum skep__job_state state = SKEP__JOB_READY; state <= SKEP__JOB_DEAD; state++)
        for (struct skep__job *job; (job = memory_next(&memory->store, shelf, state, NULL)) != NULL;)
            memory_drop(&memory->store, job);
    memory_close(&memory->store, shelf);
}

static void memory_free(struct skep__store **out) {
    if (*out == NULL) return;
    struct memory *memory = memory_of(*out);
    while (skep__keys_forget(&memory->keys, NULL, UINT64_MAX) != NULL) continue;
    while (!TAILQ_EMPTY(&memory->reserved)) memory_drop(*out, TAILQ_FIRST(&memory->reserved)); // NOLINT(*-unix.Malloc)
    while (!LIST_EMPTY(&memory->shelves)) free_shelf(memory, &LIST_FIRST(&memory->shelves)->shelf);
    skep__heap_free(&memory->delays);
    skep__heap_free(&memory->expiries);
    free(memory);
    *out = NULL;
}

int skep__store_memory_new(struct skep__store **out, const struct skep__store_limits *limits,
                           const struct skep__store_events *events, void *context) {
    static const struct skep__store_kind kind = {
        .at_once = true,
        .shelf_bytes = sizeof(struct skep__memory_shelf),
        .open = memory_open,
        .close = memory_close,
        .put = memory_put,
        .next_waiter = skep__keys_next_waiter,
        .first = memory_first,
        .reserve = memory_reserve,
        .begun = memory_begun,
        .ack = memory_ack,
        .retry = memory_retry,
        .recover = memory_recover,
        .bury = memory_bury,
        .revive = memory_revive,
        .drop = memory_drop,
        .ripen = memory_ripen,
        .expired = memory_expired,
        .next_ms = memory_next_ms,
        .oldest_ms = skep__memory_shelf_oldest_ms,
        .next = memory_next,
        .free = memory_free,
    };
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return SKEP_ENOMEM;
    memory->store = (struct skep__store){.kind = &kind, .limits = *limits, .events = events, .context = context};
    memory->delays.before = skep__job_is_due_before;
    memory->expiries.before = skep__job_expires_before;
    TAILQ_INIT(&memory->reserved);
    TAILQ_INIT(&memory->keys.ended);
    LIST_INIT(&memory->shelves);
    *out = &memory->store;
    return SKEP_OK;
}
