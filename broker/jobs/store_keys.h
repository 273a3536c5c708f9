/* SPDX-License-Identifier: MIT
 * Keys of jobs. A second job with the key of one that waits or runs is not taken, nor for some time after that one's
 * end; who wants its outcome may wait for that of the first. */
#ifndef SKEP_JOBS_STORE_KEYS_H
#define SKEP_JOBS_STORE_KEYS_H

#include "jobs/store_shelf.h"

/* A key is held while its job waits or runs, and remembered for some time when that is done or dead. A dead letter has
 * its key also after that, for the case that it is revived. */
struct skep__key {
    UT_hash_handle hh;                      /* in shelf.keys, unless it has been forgotten */
    TAILQ_ENTRY(skep__key) entry, of_shelf; /* in keys.ended and shelf.ended_keys while it is remembered */
    LIST_HEAD(, skep__waiter) waiters;
    struct skep__memory_shelf *shelf;
    struct skep__job *job; /* NULL: it is done */
    uint64_t forget_ms;    /* remembered: until then; 0: held */
    uint64_t id;           /* of the job */
    const char *cause;     /* static text: why it is a dead letter; NULL: it is not */
    size_t size_bytes;
    bool settled;   /* the outcome is known: it can no longer be waited for */
    bool forgotten; /* a dead letter's, which keeps no copies out */
    char key[];
};

/* Those of a store */
struct skep__keys {
    struct skep__ended_keys ended; /* the first to be forgotten comes first: all are remembered for equally long */
    size_t bytes;                  /* of all keys and those who wait; they are part of their shelves' bytes too */
    size_t ended_bytes;            /* of those whose jobs are not there any more: so much can be forgotten */
};

/* The key of a submission if it is held or remembered, else NULL. */
struct skep__key *skep__keys_find(const struct skep__memory_shelf *shelf, const struct skep__submission *submission);

/* The job holds the key of its submission from here on. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__keys_add(struct skep__keys *keys, struct skep__job *job,
                                 const struct skep__submission *submission);

/* The submitter of a duplicate waits for the outcome of the job that has its key, if that is not settled. Errors:
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__keys_wait(struct skep__keys *keys, struct skep__key *key,
                                  const struct skep__submission *submission);

/* As next_waiter of the store's kind. */
const struct skep__waiter *skep__keys_next_waiter(const struct skep__job *job, const struct skep__waiter *waiter);

/* Memory of a key of so many bytes, and of one who waits. */
size_t skep__key_cost(size_t size_bytes);
size_t skep__waiter_cost(void);

/* The job is done (cause NULL) or dead: its key, if it has one, is remembered until then, and how the job ended. */
void skep__keys_end(struct skep__keys *keys, const struct skep__job *job, const char *cause, uint64_t forget_ms);

/* A key of a job that has ended, of an earlier start, is remembered; cause as of a key. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__keys_remember(struct skep__keys *keys, struct skep__memory_shelf *shelf,
                                      const struct skep_bytes *bytes, uint64_t id, const char *cause,
                                      uint64_t forget_ms);

/* The job is ready again: it holds its key, if it has one and no other job has taken it meanwhile, and there is memory.
 */
void skep__keys_revive(struct skep__keys *keys, struct skep__job *job);

/* The job is freed. */
void skep__keys_leave(struct skep__keys *keys, const struct skep__job *job);

/* Forgets the remembered key that comes first, of a shelf or (NULL) of all, if its time has come; its shelf, or NULL
 * when there is none. */
struct skep__memory_shelf *skep__keys_forget(struct skep__keys *keys, const struct skep__memory_shelf *shelf,
                                             uint64_t now_ms);

#endif
