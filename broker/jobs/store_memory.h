/* SPDX-License-Identifier: MIT
 * The store in memory, for one that keeps its jobs here, too. A job of which a change is not complete is put aside: it
 * is pending, counts towards the limits, and is neither shown nor due. The functions of the kind take a job from there
 * as from the state that they say. */
#ifndef SKEP_JOBS_STORE_MEMORY_H
#define SKEP_JOBS_STORE_MEMORY_H

#include "jobs/store_ids.h"
#include "jobs/store_keys.h"

/* The state */
struct skep__memory {
    struct skep__store store; /* first member */
    LIST_HEAD(, skep__memory_shelf) shelves;
    struct skep__job_list reserved; /* in the order of delivery */
    struct skep__job_list pending;  /* of another store, which keeps its jobs here */
    struct skep__heap delays, expiries;
    struct skep__keys keys;
    struct skep__ids ids; /* all jobs, pending ones too */
    size_t bytes;
    uint64_t next_id;
};

static inline struct skep__memory *skep__memory_of(struct skep__store *store) {
    return (struct skep__memory *)store;
}

/* Puts one job, which is pending; returns its status and fills in the answer, as put of the kind. *job is set if it was
 * taken. */
SKEP_MUST_USE int skep__memory_take(struct skep__store *store, struct skep__shelf *shelf,
                                    const struct skep__submission *submission, uint64_t now_ms,
                                    struct skep__answer *answer, struct skep__job **job);

/* The same for a job that was accepted before, under its id; no limit applies. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__memory_restore(struct skep__store *store, struct skep__shelf *shelf,
                                       const struct skep__submission *submission, uint64_t id, uint64_t now_ms,
                                       struct skep__job **job);

/* A job of an earlier start had this key, and has ended; cause is static text, NULL: it was done. Errors: SKEP_ENOMEM.
 */
SKEP_MUST_USE int skep__memory_remember(struct skep__store *store, struct skep__shelf *shelf,
                                        const struct skep_bytes *key, uint64_t id, const char *cause,
                                        uint64_t forget_ms);

/* Any state -> pending */
void skep__memory_hide(struct skep__store *store, struct skep__job *job);

/* A new one, pending -> ready, or delayed until due_ms if it has a delay. expires_ms: 0: never. */
void skep__memory_show(struct skep__store *store, struct skep__job *job, uint64_t due_ms, uint64_t expires_ms);

/* pending: forgets it, and that its key was ever there. */
void skep__memory_forget(struct skep__store *store, struct skep__job *job);

/* The id of the job that was accepted last. */
uint64_t skep__memory_last_id(const struct skep__store *store);
void skep__memory_set_last_id(struct skep__store *store, uint64_t id);

/* --- store_lists.c --- */

/* The job is in a list from here on: that of its state, or of those that are pending; and in none any more. */
void skep__memory_enter(struct skep__job *job);
void skep__memory_enter_pending(struct skep__memory *memory, struct skep__job *job);
void skep__memory_leave(struct skep__memory *memory, struct skep__job *job);

/* It is in no heap any more. */
void skep__memory_leave_heap(struct skep__heap *heap, struct skep__heap_node *node);

/* Something has come into the shelf, or has left it. */
void skep__memory_shelf_note(struct skep__memory *memory, struct skep__memory_shelf *shelf);

/* --- store_put.c --- */

/* As put of the kind. */
void skep__memory_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                      uint64_t now_ms, struct skep__put *put);

#endif
