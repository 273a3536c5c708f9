/* SPDX-License-Identifier: MIT
 * Keys of jobs: held, remembered, forgotten. */
#include "jobs/store_keys.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/store_job.h"

size_t skep__key_cost(size_t size_bytes) {
    return sizeof(struct skep__key) + size_bytes + SKEP__MALLOC_BYTES;
}

size_t skep__waiter_cost(void) {
    return sizeof(struct skep__waiter) + SKEP__MALLOC_BYTES;
}

static void take_memory(struct skep__keys *keys, struct skep__memory_shelf *shelf, size_t cost) {
    keys->bytes += cost;
    shelf->shelf.bytes += cost;
}

static void give_memory(struct skep__keys *keys, struct skep__memory_shelf *shelf, size_t cost) {
    keys->bytes -= cost;
    shelf->shelf.bytes -= cost;
}

struct skep__key *skep__keys_find(const struct skep__memory_shelf *shelf, const struct skep__submission *submission) {
    struct skep__key *found;
    HASH_FIND(hh, shelf->keys, submission->key, submission->key_bytes, found);
    return found;
}

/* False: there is no memory. */
static bool show(struct skep__key *key) {
    HASH_ADD_KEYPTR(hh, key->shelf->keys, key->key, key->size_bytes, key);
    return SKEP_IS_ADDED(key, hh);
}

static struct skep__key *add(struct skep__keys *keys, struct skep__memory_shelf *shelf, const char *bytes, size_t size,
                             uint64_t id) {
    struct skep__key *key = malloc(sizeof *key + size);
    if (key == NULL) return NULL;
    *key = (struct skep__key){.shelf = shelf, .id = id, .size_bytes = size};
    memcpy(key->key, bytes, size);
    LIST_INIT(&key->waiters);
    if (!show(key)) {
        free(key);
        return NULL;
    }
    take_memory(keys, shelf, skep__key_cost(size));
    return key;
}

int skep__keys_add(struct skep__keys *keys, struct skep__job *job, const struct skep__submission *s) {
    struct skep__key *key = add(keys, skep__memory_shelf_of(job), s->key, s->key_bytes, job->id);
    if (key == NULL) return SKEP_ENOMEM;
    key->job = job;
    job->key = key;
    return SKEP_OK;
}

int skep__keys_remember(struct skep__keys *keys, struct skep__memory_shelf *shelf, const struct skep_bytes *bytes,
                        uint64_t id, const char *cause, uint64_t forget_ms) {
    struct skep__key *key = add(keys, shelf, bytes->data, bytes->size_bytes, id);
    if (key == NULL) return SKEP_ENOMEM;
    key->settled = true;
    key->cause = cause;
    key->forget_ms = forget_ms;
    TAILQ_INSERT_TAIL(&keys->ended, key, entry);
    TAILQ_INSERT_TAIL(&shelf->ended_keys, key, of_shelf);
    keys->ended_bytes += skep__key_cost(key->size_bytes);
    shelf->ended_bytes += skep__key_cost(key->size_bytes);
    return SKEP_OK;
}

/* At the head: an outcome that is being told reaches only those who waited before. */
int skep__keys_wait(struct skep__keys *keys, struct skep__key *key, const struct skep__submission *submission) {
    struct skep__waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL) return SKEP_ENOMEM;
    *waiter = (struct skep__waiter){.client = submission->client, .number = submission->number};
    LIST_INSERT_HEAD(&key->waiters, waiter, entry);
    take_memory(keys, key->shelf, skep__waiter_cost());
    return SKEP_OK;
}

const struct skep__waiter *skep__keys_next_waiter(const struct skep__job *job, const struct skep__waiter *waiter) {
    if (waiter != NULL) return LIST_NEXT(waiter, entry);
    if (job->key == NULL) return NULL;
    job->key->settled = true;
    return LIST_FIRST(&job->key->waiters);
}

static void free_waiters(struct skep__keys *keys, struct skep__key *key) {
    for (struct skep__waiter *waiter; (waiter = LIST_FIRST(&key->waiters)) != NULL;) {
        LIST_REMOVE(waiter, entry);
        free(waiter);
        give_memory(keys, key->shelf, skep__waiter_cost());
    }
}

static void free_key(struct skep__keys *keys, struct skep__key *key) {
    free_waiters(keys, key);
    give_memory(keys, key->shelf, skep__key_cost(key->size_bytes));
    free(key);
}

void skep__keys_end(struct skep__keys *keys, const struct skep__job *job, const char *cause, uint64_t forget_ms) {
    struct skep__key *key = job->key;
    if (key == NULL) return;
    key->settled = true;
    key->cause = cause;
    key->forget_ms = forget_ms;
    TAILQ_INSERT_TAIL(&keys->ended, key, entry);
    TAILQ_INSERT_TAIL(&key->shelf->ended_keys, key, of_shelf);
}

static void leave_ended(struct skep__keys *keys, struct skep__key *key) {
    TAILQ_REMOVE(&keys->ended, key, entry);
    TAILQ_REMOVE(&key->shelf->ended_keys, key, of_shelf);
}

void skep__keys_revive(struct skep__keys *keys, struct skep__job *job) {
    struct skep__key *key = job->key;
    if (key == NULL) return;
    const struct skep__submission same = {.key = key->key, .key_bytes = key->size_bytes};
    if (key->forgotten && (skep__keys_find(key->shelf, &same) != NULL || !show(key))) {
        free_key(keys, key);
        job->key = NULL;
        return;
    }
    if (!key->forgotten) leave_ended(keys, key);
    free_waiters(keys, key);
    key->forgotten = key->settled = false;
    key->cause = NULL;
    key->forget_ms = 0;
}

void skep__keys_leave(struct skep__keys *keys, const struct skep__job *job) {
    struct skep__key *key = job->key;
    if (key == NULL) return;
    key->job = NULL;
    free_waiters(keys, key);
    if (key->forget_ms != 0 && !key->forgotten) { /* it is remembered */
        keys->ended_bytes += skep__key_cost(key->size_bytes);
        key->shelf->ended_bytes += skep__key_cost(key->size_bytes);
        return;
    }
    if (!key->forgotten) HASH_DEL(key->shelf->keys, key);
    free_key(keys, key);
}

static void free_ended(struct skep__keys *keys, struct skep__key *key) {
    keys->ended_bytes -= skep__key_cost(key->size_bytes);
    key->shelf->ended_bytes -= skep__key_cost(key->size_bytes);
    free_key(keys, key);
}

struct skep__memory_shelf *skep__keys_forget(struct skep__keys *keys, const struct skep__memory_shelf *of,
                                             uint64_t now_ms) {
    struct skep__key *key = TAILQ_FIRST(of != NULL ? &of->ended_keys : &keys->ended);
    if (key == NULL || key->forget_ms > now_ms) return NULL;
    struct skep__memory_shelf *shelf = key->shelf;
    leave_ended(keys, key);
    HASH_DEL(shelf->keys, key);
    key->forgotten = true;
    if (key->job == NULL) free_ended(keys, key);
    return shelf;
}
