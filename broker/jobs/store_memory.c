/* SPDX-License-Identifier: MIT
 * Jobs in memory: lists and heaps. Each step is O(1), or O(log n) for a job that has a delay or a time to live. */
#include <stdlib.h>

#include "jobs/store_job.h"
#include "jobs/store_keys.h"
#include "jobs/store_memory.h"
#include "jobs/store_shelf.h"

/* The job is in no list any more. */
static void forget(struct skep__memory *memory, struct skep__job *job) {
    size_t cost = skep__job_cost(job->size_bytes);
    skep__memory_leave_heap(&memory->expiries, &job->expiry_node);
    job->queue->shelf->bytes -= cost;
    memory->bytes -= cost;
    skep__ids_remove(&memory->ids, job);
    skep__keys_leave(&memory->keys, job);
    skep__memory_shelf_note(memory, skep__memory_shelf_of(job));
    free(job->death);
    free(job);
}

/* --- shelves --- */

static struct skep__shelf *memory_open(struct skep__store *store, struct skep__queue *queue) {
    struct skep__memory_shelf *shelf = skep__memory_shelf_new(queue);
    if (shelf == NULL) return NULL;
    LIST_INSERT_HEAD(&skep__memory_of(store)->shelves, shelf, entry);
    return &shelf->shelf;
}

static void memory_close(struct skep__store *store, struct skep__shelf *shelf) {
    (void)store;
    LIST_REMOVE(skep__memory_shelf(shelf), entry);
    free(skep__memory_shelf(shelf));
}

/* --- from state to state --- */

static struct skep__job *memory_first(struct skep__shelf *shelf) {
    return skep__memory_shelf_first(skep__memory_shelf(shelf), 0);
}

static void memory_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    struct skep__memory *memory = skep__memory_of(store);
    skep__memory_shelf_remove_ready(job);
    job->state = SKEP__JOB_RESERVED;
    job->at_ms = now_ms;
    TAILQ_INSERT_TAIL(&memory->reserved, job, entry);
    job->queue->shelf->reserved_count++;
}

static void memory_begun(struct skep__store *store, struct skep__job *job) {
    skep__memory_leave_heap(&skep__memory_of(store)->expiries, &job->expiry_node);
}

static void memory_drop(struct skep__store *store, struct skep__job *job) {
    skep__memory_leave(skep__memory_of(store), job);
    forget(skep__memory_of(store), job);
}

static void memory_ack(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result,
                       uint64_t now_ms) {
    if (job->wants_outcome || result->size_bytes > 0) store->events->done(store->context, job, result);
    job->queue->shelf->done++;
    skep__keys_end(&skep__memory_of(store)->keys, job, NULL, now_ms + store->limits.dedup_ms);
    memory_drop(store, job);
}

static void memory_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    struct skep__memory *memory = skep__memory_of(store);
    skep__memory_leave(memory, job);
    memory_begun(store, job);
    job->at_ms = due_ms;
    if (due_ms > now_ms) (void)!skep__heap_add(&memory->delays, &job->delay_node); /* without memory it is ready */
    skep__memory_enter(job);
}

static void memory_recover(struct skep__store *store, struct skep__job *job) {
    skep__memory_leave(skep__memory_of(store), job);
    if (job->attempt > 0) memory_begun(store, job);
    skep__memory_shelf_add_ready(job, true);
}

static void memory_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                        const struct skep_bytes *reason, uint64_t now_ms) {
    struct skep__memory *memory = skep__memory_of(store);
    skep__keys_end(&memory->keys, job, cause, now_ms + store->limits.dedup_ms);
    skep__memory_leave(memory, job);
    skep__memory_leave_heap(&memory->expiries, &job->expiry_node);
    job->state = SKEP__JOB_DEAD;
    job->death = death;
    TAILQ_INSERT_TAIL(&skep__memory_shelf_of(job)->dead, job, entry);
    job->queue->shelf->dead_count++;
    store->events->died(store->context, job, cause, reason);
}

/* Who waits for a duplicate hears of it, too: as for a dead letter, before the key has ended. */
static void memory_cancel(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    struct skep__memory *memory = skep__memory_of(store);
    store->events->cancelled(store->context, job);
    skep__keys_end(&memory->keys, job, skep__cancelled, now_ms + store->limits.dedup_ms);
    memory_drop(store, job);
}

static void memory_revive(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    skep__memory_leave(skep__memory_of(store), job);
    skep__keys_revive(&skep__memory_of(store)->keys, job);
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
    struct skep__memory *memory = skep__memory_of(store);
    for (struct skep__memory_shelf *shelf; (shelf = skep__keys_forget(&memory->keys, NULL, now_ms)) != NULL;)
        skep__memory_shelf_note(memory, shelf);
    const struct skep__heap_node *node = skep__heap_first(&memory->delays);
    if (node == NULL || skep__job_of_delay(node)->at_ms > now_ms) return NULL;
    struct skep__job *job = skep__job_of_delay(node);
    skep__memory_leave(memory, job);
    skep__memory_shelf_add_ready(job, false);
    return job->queue;
}

static struct skep__job *memory_expired(struct skep__store *store, uint64_t now_ms) {
    const struct skep__heap_node *node = skep__heap_first(&skep__memory_of(store)->expiries);
    return node != NULL && skep__job_of_expiry(node)->expires_ms <= now_ms ? skep__job_of_expiry(node) : NULL;
}

static uint64_t memory_next_ms(struct skep__store *store) {
    struct skep__memory *memory = skep__memory_of(store);
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

static struct skep__job *next_reserved(struct skep__memory *memory, const struct skep__queue *queue,
                                       const struct skep__job *job) {
    struct skep__job *next = job != NULL ? TAILQ_NEXT(job, entry) : TAILQ_FIRST(&memory->reserved);
    while (next != NULL && next->queue != queue) next = TAILQ_NEXT(next, entry);
    return next;
}

static struct skep__job *memory_next(struct skep__store *store, struct skep__shelf *of, enum skep__job_state state,
                                     const struct skep__job *job) {
    const struct skep__memory_shelf *shelf = skep__memory_shelf(of);
    if (state == SKEP__JOB_RESERVED) return next_reserved(skep__memory_of(store), of->queue, job);
    struct skep__job *next = job != NULL ? TAILQ_NEXT(job, entry) : NULL;
    if (state == SKEP__JOB_READY && next == NULL)
        return skep__memory_shelf_first(shelf, job != NULL ? job->priority + 1u : 0);
    if (job != NULL) return next;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that what was freed is in no list any more
    return TAILQ_FIRST(state == SKEP__JOB_DEAD ? &shelf->dead : &shelf->delayed);
}

static struct skep__job *memory_find(struct skep__store *store, uint64_t id) {
    return skep__ids_find(&skep__memory_of(store)->ids, id);
}

/* --- life --- */

static void free_shelf(struct skep__memory *memory, struct skep__shelf *shelf) {
    for (enum skep__job_state state = SKEP__JOB_READY; state <= SKEP__JOB_DEAD; state++)
        for (struct skep__job *job; (job = memory_next(&memory->store, shelf, state, NULL)) != NULL;)
            memory_drop(&memory->store, job);
    memory_close(&memory->store, shelf);
}

static void memory_free(struct skep__store **out) {
    if (*out == NULL) return;
    struct skep__memory *memory = skep__memory_of(*out);
    while (skep__keys_forget(&memory->keys, NULL, UINT64_MAX) != NULL) continue;
    while (!TAILQ_EMPTY(&memory->reserved)) memory_drop(*out, TAILQ_FIRST(&memory->reserved)); // NOLINT(*-unix.Malloc)
    while (!TAILQ_EMPTY(&memory->pending)) memory_drop(*out, TAILQ_FIRST(&memory->pending));   // NOLINT(*-unix.Malloc)
    while (!LIST_EMPTY(&memory->shelves)) free_shelf(memory, &LIST_FIRST(&memory->shelves)->shelf);
    skep__heap_free(&memory->delays);
    skep__heap_free(&memory->expiries);
    skep__ids_free(&memory->ids);
    free(memory);
    *out = NULL;
}

int skep__store_memory_new(struct skep__store **out, const struct skep__store_limits *limits,
                           const struct skep__store_events *events, void *context) {
    static const struct skep__store_kind kind = {
        .shelf_bytes = sizeof(struct skep__memory_shelf),
        .open = memory_open,
        .close = memory_close,
        .put = skep__memory_put,
        .next_waiter = skep__keys_next_waiter,
        .first = memory_first,
        .reserve = memory_reserve,
        .begun = memory_begun,
        .ack = memory_ack,
        .retry = memory_retry,
        .release = memory_recover,
        .recover = memory_recover,
        .bury = memory_bury,
        .cancel = memory_cancel,
        .revive = memory_revive,
        .drop = memory_drop,
        .ripen = memory_ripen,
        .expired = memory_expired,
        .next_ms = memory_next_ms,
        .oldest_ms = skep__memory_shelf_oldest_ms,
        .next = memory_next,
        .find = memory_find,
        .free = memory_free,
    };
    struct skep__memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL || skep__ids_init(&memory->ids) != SKEP_OK) {
        free(memory);
        return SKEP_ENOMEM;
    }
    memory->store = (struct skep__store){.kind = &kind, .limits = *limits, .events = events, .context = context};
    memory->delays.before = skep__job_is_due_before;
    memory->expiries.before = skep__job_expires_before;
    TAILQ_INIT(&memory->reserved);
    TAILQ_INIT(&memory->pending);
    TAILQ_INIT(&memory->keys.ended);
    LIST_INIT(&memory->shelves);
    *out = &memory->store;
    return SKEP_OK;
}
