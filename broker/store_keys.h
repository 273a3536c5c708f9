/* SPDX-License-Identifier: MIT
 * Keys of jobs that were put lately: a second job with one of them is not taken. */
#ifndef SKEP_STORE_KEYS_H
#define SKEP_STORE_KEYS_H

#include "store.h"

struct skep__key {
    UT_hash_handle hh; /* in queue.keys */
    TAILQ_ENTRY(skep__key) entry;
    struct skep__queue *queue;
    uint64_t forget_ms;
    uint64_t id; /* of the job that had it first */
    size_t size_bytes;
    char key[];
};

/* All keys of a store, the oldest first: all are remembered for equally long. */
TAILQ_HEAD(skep__keys, skep__key);

/* The id of the job that had the key; 0: none had. */
uint64_t skep__keys_find(const struct skep__queue *queue, const struct skep__submission *submission);

/* Remembers a key. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__keys_add(struct skep__keys *keys, struct skep__queue *queue,
                                 const struct skep__submission *submission, uint64_t id, uint64_t forget_ms);

/* Memory of one key of so many bytes. */
size_t skep__key_cost(size_t size_bytes);

/* Forgets the keys whose time has come; returns the memory that they had. */
size_t skep__keys_forget(struct skep__keys *keys, uint64_t now_ms);

#endif
