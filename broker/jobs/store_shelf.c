/* SPDX-License-Identifier: MIT
 * What memory has of a queue: a list for each priority, and a bit for each that is not empty. */
#include "jobs/store_shelf.h"

#include <stdlib.h>

struct skep__memory_shelf *skep__memory_shelf_new(struct skep__queue *queue) {
    struct skep__memory_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) return NULL;
    shelf->shelf = (struct skep__shelf){.queue = queue, .empty = true};
    for (unsigned i = 0; i < SKEP__PRIORITIES; i++) TAILQ_INIT(&shelf->ready[i]);
    TAILQ_INIT(&shelf->delayed);
    TAILQ_INIT(&shelf->dead);
    TAILQ_INIT(&shelf->ended_keys);
    return shelf;
}

void skep__memory_shelf_add_ready(struct skep__job *job, bool first) {
    struct skep__memory_shelf *shelf = skep__memory_shelf_of(job);
    job->state = SKEP__JOB_READY;
    if (first) TAILQ_INSERT_HEAD(&shelf->ready[job->priority], job, entry);
    else TAILQ_INSERT_TAIL(&shelf->ready[job->priority], job, entry);
    shelf->busy[job->priority / 64] |= UINT64_C(1) << job->priority % 64;
    shelf->shelf.ready_count++;
}

void skep__memory_shelf_remove_ready(struct skep__job *job) {
    struct skep__memory_shelf *shelf = skep__memory_shelf_of(job);
    struct skep__job_list *jobs = &shelf->ready[job->priority];
    TAILQ_REMOVE(jobs, job, entry);
    if (TAILQ_EMPTY(jobs)) shelf->busy[job->priority / 64] &= ~(UINT64_C(1) << job->priority % 64);
    shelf->shelf.ready_count--;
}

struct skep__job *skep__memory_shelf_first(const struct skep__memory_shelf *shelf, unsigned priority) {
    for (; priority < SKEP__PRIORITIES; priority = (priority / 64 + 1) * 64) {
        uint64_t busy = shelf->busy[priority / 64] >> priority % 64;
        if (busy != 0) return TAILQ_FIRST(&shelf->ready[priority + (unsigned)__builtin_ctzll(busy)]);
    }
    return NULL;
}

uint64_t skep__memory_shelf_oldest_ms(const struct skep__shelf *of, uint64_t now_ms) {
    const struct skep__memory_shelf *shelf = (const struct skep__memory_shelf *)of;
    uint64_t oldest_ms = now_ms;
    for (unsigned i = 0; i < SKEP__PRIORITIES; i++) {
        const struct skep__job *job = TAILQ_FIRST(&shelf->ready[i]);
        if (job != NULL && job->accepted_ms < oldest_ms) oldest_ms = job->accepted_ms;
    }
    return oldest_ms;
}

bool skep__memory_shelf_is_empty(const struct skep__memory_shelf *shelf) {
    const struct skep__shelf *s = &shelf->shelf;
    return s->ready_count + s->reserved_count + s->delayed_count + s->dead_count + s->stored_count + s->pending_count ==
               0 &&
           shelf->keys == NULL;
}
