/* SPDX-License-Identifier: MIT
 * Jobs in memory: lists and heaps. Each step is O(1), or O(log n) for a job that has a delay or a time to live. */
#include <stdlib.h>

#include "jobs/store_job.h"
#include "jobs/store_keys.h"
#include "jobs/store_queues.h"

struct memory {
    struct skep__store store; /* first member */
    struct skep__queues queues;
    struct skep__jobs reserved; /* in the order of delivery */
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

static void enter_ready(struct skep__job *job, bool first) {
    struct skep__queue *queue = job->queue;
    job->state = SKEP__JOB_READY;
    if (first) TAILQ_INSERT_HEAD(&queue->ready[job->priority], job, entry);
    else TAILQ_INSERT_TAIL(&queue->ready[job->priority], job, entry);
    queue->busy[job->priority / 64] |= UINT64_C(1) << job->priority % 64;
    queue->ready_count++;
}

static void leave_ready(struct skep__job *job) {
    struct skep__queue *queue = job->queue;
    struct skep__jobs *jobs = &queue->ready[job->priority];
    TAILQ_REMOVE(jobs, job, entry);
    if (TAILQ_EMPTY(jobs)) queue->busy[job->priority / 64] &= ~(UINT64_C(1) << job->priority % 64);
    queue->ready_count--;
}

static int enter_delayed(struct memory *memory, struct skep__job *job, uint64_t due_ms) {
    job->at_ms = due_ms;
    int status = skep__heap_add(&memory->delays, &job->delay_node);
    if (status != SKEP_OK) return status;
    job->state = SKEP__JOB_DELAYED;
    TAILQ_INSERT_TAIL(&job->queue->delayed, job, entry);
    job->queue->delayed_count++;
    return SKEP_OK;
}

static void leave_delayed(struct memory *memory, struct skep__job *job) {
    leave_heap(&memory->delays, &job->delay_node);
    TAILQ_REMOVE(&job->queue->delayed, job, entry);
    job->queue->delayed_count--;
}

static void leave_reserved(struct memory *memory, struct skep__job *job) {
    TAILQ_REMOVE(&memory->reserved, job, entry);
    job->queue->reserved_count--;
    job->holder = NULL;
}

static void leave(struct memory *memory, struct skep__job *job) {
    switch ((enum skep__job_state)job->state) {
    case SKEP__JOB_READY: leave_ready(job); break;
    case SKEP__JOB_RESERVED: leave_reserved(memory, job); break;
    case SKEP__JOB_DELAYED: leave_delayed(memory, job); break;
    case SKEP__JOB_DEAD:
        TAILQ_REMOVE(&job->queue->dead, job, entry);
        job->queue->dead_count--;
        break;
    }
}

/* The job is in no list any more. */
static void forget(struct memory *memory, struct skep__job *job) {
    size_t cost = skep__job_cost(job->size_bytes);
    leave_heap(&memory->expiries, &job->expiry_node);
    job->queue->bytes -= cost;
    memory->bytes -= cost;
    skep__keys_leave(&memory->keys, job);
    skep__queues_note(&memory->queues, job->queue);
    free(job->death);
    free(job);
}

/* --- queues --- */

static struct skep__queue *memory_queue(struct skep__store *store, const char *name, size_t size_bytes, bool make) {
    struct skep__queues *queues = &memory_of(store)->queues;
    struct skep__queue *queue = skep__queues_find(queues, name, size_bytes);
    if (queue != NULL || !make) return queue;
    store->failure = skep__queues_make(queues, name, size_bytes, &queue);
    return queue;
}

static struct skep__queue *memory_next_queue(struct skep__store *store, const struct skep__queue *queue) {
    return queue != NULL ? queue->hh.next : memory_of(store)->queues.by_name;
}

static void memory_tidy(struct skep__store *store, uint64_t now_ms) {
    skep__queues_tidy(&memory_of(store)->queues, now_ms);
}

/* --- putting --- */

static uint64_t count_jobs(const struct skep__queue *queue) {
    return queue->ready_count + queue->reserved_count + queue->delayed_count + queue->dead_count;
}

static size_t bytes_of(const struct memory *memory) {
    return memory->bytes + memory->keys.bytes;
}

/* Of a queue (NULL: of all), the one that comes first. */
static void forget_early(struct memory *memory, const struct skep__queue *queue) {
    skep__queues_note(&memory->queues, skep__keys_forget(&memory->keys, queue, UINT64_MAX));
    memory->store.forgotten_early++;
}

/* A job is worth more than a key that keeps copies of an ended one out. None is forgotten in vain. */
static bool make_room(struct memory *memory, struct skep__queue *queue, size_t cost) {
    const struct skep__store_limits *limits = &memory->store.limits;
    bool can = queue->bytes - queue->ended_bytes + cost <= limits->queue_bytes &&
               bytes_of(memory) - memory->keys.ended_bytes + cost <= limits->bytes;
    if (!can) return false;
    while (queue->bytes + cost > limits->queue_bytes) forget_early(memory, queue);
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
    else enter_ready(job, false);
    if (status != SKEP_OK) leave_heap(&memory->expiries, &job->expiry_node);
    return status;
}

static int take_key(struct memory *memory, struct skep__job *job, const struct skep__submission *s) {
    int status = s->key != NULL ? skep__keys_add(&memory->keys, job, s) : SKEP_OK;
    if (status != SKEP_OK || s->key == NULL || !s->wants_outcome) return status;
    return skep__keys_wait(&memory->keys, job->key, s);
}

static int put(struct memory *memory, struct skep__queue *queue, const struct skep__submission *s, uint64_t now_ms,
               uint64_t *id) {
    struct skep__job *job = skep__job_new(queue, s, now_ms);
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
    queue->bytes += skep__job_cost(s->size_bytes);
    memory->bytes += skep__job_cost(s->size_bytes);
    queue->submitted++;
    skep__queues_note(&memory->queues, queue);
    return SKEP_OK;
}

static bool is_allowed(const struct skep__store *store, size_t size_bytes) {
    return store->limits.reserve == NULL || skep__reserve_allows(store->limits.reserve, size_bytes);
}

static int memory_put(struct skep__store *store, struct skep__queue *queue, const struct skep__submission *s,
                      uint64_t now_ms, uint64_t *id) {
    struct memory *memory = memory_of(store);
    const struct skep__key *first = s->key != NULL ? skep__keys_find(queue, s) : NULL;
    if (first != NULL) {
        queue->duplicates++;
        *id = first->id;
        return SKEP_EDUPLICATE;
    }
    const size_t cost = cost_of(s);
    if (count_jobs(queue) >= store->limits.queue_jobs || !make_room(memory, queue, cost)) {
        queue->declined++;
        return SKEP_EFULL;
    }
    int status = is_allowed(store, cost) ? put(memory, queue, s, now_ms, id) : SKEP_ENOMEM;
    queue->declined += status != SKEP_OK;
    return status;
}

static int memory_wait(struct skep__store *store, struct skep__queue *queue, const struct skep__submission *s,
                       const char **cause) {
    struct memory *memory = memory_of(store);
    struct skep__key *key = skep__keys_find(queue, s);
    if (key == NULL) return SKEP_ENOJOB;
    if (key->settled) {
        *cause = key->cause;
        return key->cause != NULL ? SKEP_EDEAD : SKEP_ENOJOB;
    }
    if (!make_room(memory, queue, skep__waiter_cost())) return SKEP_EFULL;
    if (!is_allowed(store, skep__waiter_cost())) return SKEP_ENOMEM;
    int status = skep__keys_wait(&memory->keys, key, s);
    if (status == SKEP_OK) key->job->wants_outcome = true;
    return status;
}

/* --- from state to state --- */

/* The first job of this priority or, if it has none, of those after it. */
static struct skep__job *first_from(struct skep__queue *queue, unsigned priority) {
    for (; priority < SKEP__PRIORITIES; priority = (priority / 64 + 1) * 64) {
        uint64_t busy = queue->busy[priority / 64] >> priority % 64;
        if (busy != 0) return TAILQ_FIRST(&queue->ready[priority + (unsigned)__builtin_ctzll(busy)]);
    }
    return NULL;
}

static struct skep__job *memory_first(struct skep__queue *queue) {
    return first_from(queue, 0);
}

static void memory_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    leave_ready(job);
    job->state = SKEP__JOB_RESERVED;
    job->at_ms = now_ms;
    TAILQ_INSERT_TAIL(&memory->reserved, job, entry);
    job->queue->reserved_count++;
}

static void memory_begun(struct skep__store *store, struct skep__job *job) {
    leave_heap(&memory_of(store)->expiries, &job->expiry_node);
}

static void memory_drop(struct skep__store *store, struct skep__job *job) {
    leave(memory_of(store), job);
    forget(memory_of(store), job);
}

static void memory_ack(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    job->queue->done++;
    skep__keys_end(&memory_of(store)->keys, job, NULL, now_ms + store->limits.dedup_ms);
    memory_drop(store, job);
}

static void memory_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    struct memory *memory = memory_of(store);
    leave_reserved(memory, job);
    memory_begun(store, job);
    if (due_ms <= now_ms || enter_delayed(memory, job, due_ms) != SKEP_OK) enter_ready(job, false);
}

static void memory_recover(struct skep__store *store, struct skep__job *job) {
    leave_reserved(memory_of(store), job);
    if (job->attempt > 0) memory_begun(store, job);
    enter_ready(job, true);
}

static void memory_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                        uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    skep__keys_end(&memory->keys, job, cause, now_ms + store->limits.dedup_ms);
    leave(memory, job);
    leave_heap(&memory->expiries, &job->expiry_node);
    job->state = SKEP__JOB_DEAD;
    job->death = death;
    TAILQ_INSERT_TAIL(&job->queue->dead, job, entry);
    job->queue->dead_count++;
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
    enter_ready(job, false);
}

/* --- time --- */

static struct skep__queue *memory_ripen(struct skep__store *store, uint64_t now_ms) {
    struct memory *memory = memory_of(store);
    for (struct skep__queue *queue; (queue = skep__keys_forget(&memory->keys, NULL, now_ms)) != NULL;)
        skep__queues_note(&memory->queues, queue);
    const struct skep__heap_node *node = skep__heap_first(&memory->delays);
    if (node == NULL || skep__job_of_delay(node)->at_ms > now_ms) return NULL;
    struct skep__job *job = skep__job_of_delay(node);
    leave_delayed(memory, job);
    enter_ready(job, false);
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

static struct skep__job *memory_next(struct skep__store *store, struct skep__queue *queue, enum skep__job_state state,
                                     const struct skep__job *job) {
    if (state == SKEP__JOB_RESERVED) return next_reserved(memory_of(store), queue, job);
    struct skep__job *next = job != NULL ? TAILQ_NEXT(job, entry) : NULL;
    if (state == SKEP__JOB_READY) return next != NULL ? next : first_from(queue, job != NULL ? job->priority + 1u : 0);
    if (job != NULL) return next;
    return TAILQ_FIRST(state == SKEP__JOB_DEAD ? &queue->dead : &queue->delayed);
}

/* --- life --- */

static void free_queue(struct memory *memory, struct skep__queue *queue) {
    for (enum skep__job_state state = SKEP__JOB_READY; state <= SKEP__JOB_DEAD; state++)
        for (struct skep__job *job; (job = memory_next(&memory->store, queue, state, NULL)) != NULL;)
            memory_drop(&memory->store, job);
    skep__queues_remove(&memory->queues, queue);
}

static void memory_free(struct skep__store **out) {
    if (*out == NULL) return;
    struct memory *memory = memory_of(*out);
    while (skep__keys_forget(&memory->keys, NULL, UINT64_MAX) != NULL) continue;
    while (!TAILQ_EMPTY(&memory->reserved)) memory_drop(*out, TAILQ_FIRST(&memory->reserved)); // NOLINT(*-unix.Malloc)
    while (memory->queues.by_name != NULL) free_queue(memory, memory->queues.by_name);
    skep__heap_free(&memory->delays);
    skep__heap_free(&memory->expiries);
    free(memory);
    *out = NULL;
}

int skep__store_memory_new(struct skep__store **out, const struct skep__store_limits *limits) {
    static const struct skep__store_kind kind = {
        .queue = memory_queue,
        .next_queue = memory_next_queue,
        .put = memory_put,
        .wait = memory_wait,
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
        .tidy = memory_tidy,
        .next = memory_next,
        .free = memory_free,
    };
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return SKEP_ENOMEM;
    memory->store = (struct skep__store){.kind = &kind, .limits = *limits};
    memory->delays.before = skep__job_is_due_before;
    memory->expiries.before = skep__job_expires_before;
    TAILQ_INIT(&memory->reserved);
    TAILQ_INIT(&memory->keys.ended);
    TAILQ_INIT(&memory->queues.empty);
    *out = &memory->store;
    return SKEP_OK;
}
