/* SPDX-License-Identifier: MIT
 * Keys of jobs that were put lately. */
#include "store_keys.h"

#include <stdlib.h>
#include <string.h>

uint64_t skep__keys_find(const struct skep__queue *queue, const struct skep__submission *submission) {
    const struct skep__key *found;
    HASH_FIND(hh, queue->keys, submission->key, submission->key_bytes, found);
    return found != NULL ? found->id : 0;
}

int skep__keys_add(struct skep__keys *keys, struct skep__queue *queue, const struct skep__submission *submission,
                   uint64_t id, uint64_t forget_ms) {
    struct skep__key *key = malloc(sizeof *key + submission->key_bytes);
    if (key == NULL) return SKEP_ENOMEM;
    key->queue = queue;
    key->forget_ms = forget_ms;
    key->id = id;
    key->size_bytes = submission->key_bytes;
    memcpy(key->key, submission->key, submission->key_bytes);
    HASH_ADD_KEYPTR(hh, queue->keys, key->key, key->size_bytes, key);
    TAILQ_INSERT_TAIL(keys, key, entry);
    return SKEP_OK;
}

size_t skep__key_cost(size_t size_bytes) {
    return sizeof(struct skep__key) + size_bytes;
}

size_t skep__keys_forget(struct skep__keys *keys, uint64_t now_ms) {
    size_t freed_bytes = 0;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that TAILQ_REMOVE moves the head on
    for (struct skep__key *key; (key = TAILQ_FIRST(keys)) != NULL && key->forget_ms <= now_ms;) {
        TAILQ_REMOVE(keys, key, entry);
        HASH_DEL(key->queue->keys, key);
        freed_bytes += skep__key_cost(key->size_bytes);
        free(key);
    }
    return freed_bytes;
}
