/* SPDX-License-Identifier: MIT
 * Jobs come into memory: within the limits, and one for each key; of another store's, too, which puts them aside. */
#include <stdlib.h>

#include "jobs/store_job.h"
#include "jobs/store_memory.h"

static uint64_t count_jobs(const struct skep__shelf *shelf) {
    return shelf->ready_count + shelf->reserved_count + shelf->delayed_count + shelf->dead_count + shelf->stored_count +
           shelf->pending_count;
}

static size_t bytes_of(const struct skep__memory *memory) {
    return memory->bytes + memory->keys.bytes;
}

/* Of a shelf (NULL: of all), the one that comes first. */
static void forget_early(struct skep__memory *memory, const struct skep__memory_shelf *shelf) {
    skep__memory_shelf_note(memory, skep__keys_forget(&memory->keys, shelf, UINT64_MAX));
    memory->store.forgotten_early++;
}

/* A job is worth more than a key that keeps copies of an ended one out. None is forgotten in vain. */
static bool make_room(struct skep__memory *memory, const struct skep__memory_shelf *shelf, size_t cost) {
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

/* What fails leaves nothing behind. */
static int enter_heaps(struct skep__memory *memory, struct skep__job *job) {
    int status = job->expires_ms != 0 ? skep__heap_add(&memory->expiries, &job->expiry_node) : SKEP_OK;
    if (status == SKEP_OK && job->at_ms != 0) status = skep__heap_add(&memory->delays, &job->delay_node);
    if (status != SKEP_OK) skep__memory_leave_heap(&memory->expiries, &job->expiry_node);
    return status;
}

static int take_key(struct skep__memory *memory, struct skep__job *job, const struct skep__submission *s) {
    int status = s->key != NULL ? skep__keys_add(&memory->keys, job, s) : SKEP_OK;
    if (status != SKEP_OK || s->key == NULL || !s->wants_outcome) return status;
    return skep__keys_wait(&memory->keys, job->key, s);
}

/* In no list yet. */
static int make(struct skep__memory *memory, struct skep__shelf *shelf, const struct skep__submission *s, uint64_t id,
                uint64_t now_ms, struct skep__job **out) {
    struct skep__job *job = skep__job_new(shelf->queue, s, now_ms);
    if (job == NULL) return SKEP_ENOMEM;
    job->id = id;
    int status = take_key(memory, job, s);
    if (status == SKEP_OK) status = enter_heaps(memory, job);
    if (status != SKEP_OK) {
        skep__keys_leave(&memory->keys, job);
        free(job);
        return status;
    }
    shelf->bytes += skep__job_cost(s->size_bytes);
    memory->bytes += skep__job_cost(s->size_bytes);
    skep__ids_add(&memory->ids, job);
    *out = job;
    return SKEP_OK;
}

static int take(struct skep__memory *memory, struct skep__shelf *shelf, const struct skep__submission *s,
                uint64_t now_ms, struct skep__job **job) {
    int status = make(memory, shelf, s, memory->next_id + 1, now_ms, job);
    if (status != SKEP_OK) return status;
    memory->next_id++;
    shelf->submitted++;
    return SKEP_OK;
}

static bool is_allowed(const struct skep__store *store, size_t size_bytes) {
    return store->limits.reserve == NULL || skep__reserve_allows(store->limits.reserve, size_bytes);
}

/* Who wants the outcome of a duplicate waits for that of the first or, if that has ended, hears how. */
static int wait_for_first(struct skep__memory *memory, struct skep__key *key, const struct skep__submission *s,
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

/* *job is the one that was taken; it is in no list yet. */
static int put_one(struct skep__memory *memory, struct skep__shelf *shelf, const struct skep__submission *s,
                   uint64_t now_ms, struct skep__answer *answer, struct skep__job **job) {
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
    int status = is_allowed(&memory->store, cost) ? take(memory, shelf, s, now_ms, job) : SKEP_ENOMEM;
    if (status == SKEP_OK) answer->id = (*job)->id;
    else shelf->declined++;
    return status;
}

void skep__memory_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                      uint64_t now_ms, struct skep__put *put) {
    struct skep__submission submission = batch->common;
    struct skep__answer stored = {.status = SKEP_OK};
    for (uint32_t i = batch->first; i < batch->jobs.count; i++) {
        struct skep__answer answer = {.n = 1};
        struct skep__job *job = NULL;
        skep__batch_get(batch, i, &submission);
        answer.status = put_one(skep__memory_of(store), shelf, &submission, now_ms, &answer, &job);
        if (job != NULL) skep__memory_enter(job);
        if (job != NULL) skep__memory_shelf_note(skep__memory_of(store), skep__memory_shelf(shelf));
        if (answer.status == SKEP_OK && stored.n++ == 0) stored.id = answer.id;
        if (answer.status == SKEP_OK) continue;
        if (stored.n > 0) put->answered(put, &stored);
        stored.n = 0;
        put->answered(put, &answer);
    }
    if (stored.n > 0) put->answered(put, &stored);
}

/* --- for a store that keeps its jobs here --- */

void skep__memory_set_last_id(struct skep__store *store, uint64_t id) {
    skep__memory_of(store)->next_id = id;
}

uint64_t skep__memory_last_id(const struct skep__store *store) {
    return ((const struct skep__memory *)store)->next_id;
}

/* It is in the heaps already, since there might be no memory for that later; nothing is due of it before it is shown.
 */
static void put_aside(struct skep__memory *memory, struct skep__job *job) {
    if (job->delay_node.index != 0) {
        job->at_ms = UINT64_MAX;
        skep__heap_update(&memory->delays, &job->delay_node);
    }
    if (job->expiry_node.index != 0) {
        job->expires_ms = UINT64_MAX;
        skep__heap_update(&memory->expiries, &job->expiry_node);
    }
    skep__memory_enter_pending(memory, job);
}

int skep__memory_take(struct skep__store *store, struct skep__shelf *shelf, const struct skep__submission *s,
                      uint64_t now_ms, struct skep__answer *answer, struct skep__job **out) {
    struct skep__memory *memory = skep__memory_of(store);
    struct skep__job *job = NULL;
    int status = put_one(memory, shelf, s, now_ms, answer, &job);
    if (job == NULL) return status;
    put_aside(memory, job);
    skep__memory_shelf_note(memory, skep__memory_shelf(shelf));
    *out = job;
    return status;
}

int skep__memory_restore(struct skep__store *store, struct skep__shelf *shelf, const struct skep__submission *s,
                         uint64_t id, uint64_t now_ms, struct skep__job **job) {
    int status = make(skep__memory_of(store), shelf, s, id, now_ms, job);
    if (status != SKEP_OK) return status;
    put_aside(skep__memory_of(store), *job);
    skep__memory_shelf_note(skep__memory_of(store), skep__memory_shelf(shelf));
    return SKEP_OK;
}

int skep__memory_remember(struct skep__store *store, struct skep__shelf *shelf, const struct skep_bytes *key,
                          uint64_t id, const char *cause, uint64_t forget_ms) {
    int status =
        skep__keys_remember(&skep__memory_of(store)->keys, skep__memory_shelf(shelf), key, id, cause, forget_ms);
    if (status == SKEP_OK) skep__memory_shelf_note(skep__memory_of(store), skep__memory_shelf(shelf));
    return status;
}

void skep__memory_hide(struct skep__store *store, struct skep__job *job) {
    skep__memory_leave(skep__memory_of(store), job);
    skep__memory_leave_heap(&skep__memory_of(store)->expiries, &job->expiry_node);
    skep__memory_enter_pending(skep__memory_of(store), job);
}

void skep__memory_show(struct skep__store *store, struct skep__job *job, uint64_t due_ms, uint64_t expires_ms) {
    struct skep__memory *memory = skep__memory_of(store);
    job->at_ms = due_ms;
    job->expires_ms = expires_ms;
    if (job->delay_node.index != 0) skep__heap_update(&memory->delays, &job->delay_node);
    if (job->expiry_node.index != 0) skep__heap_update(&memory->expiries, &job->expiry_node);
    TAILQ_REMOVE(&memory->pending, job, entry);
    job->queue->shelf->pending_count--;
    skep__memory_enter(job);
}

void skep__memory_forget(struct skep__store *store, struct skep__job *job) {
    store->kind->drop(store, job);
}
