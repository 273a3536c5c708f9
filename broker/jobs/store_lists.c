/* SPDX-License-Identifier: MIT
 * The lists and heaps in which memory has a job, by its state. */
#include "jobs/store_memory.h"

/* --- heaps --- */

void skep__memory_leave_heap(struct skep__heap *heap, struct skep__heap_node *node) {
    if (node->index != 0) skep__heap_remove(heap, node);
}

/* --- states: entering and leaving --- */

static void enter_delayed(struct skep__job *job) {
    job->state = SKEP__JOB_DELAYED;
    TAILQ_INSERT_TAIL(&skep__memory_shelf_of(job)->delayed, job, entry);
    job->queue->shelf->delayed_count++;
}

void skep__memory_enter(struct skep__job *job) {
    if (job->delay_node.index != 0) enter_delayed(job);
    else skep__memory_shelf_add_ready(job, false);
}

void skep__memory_enter_pending(struct skep__memory *memory, struct skep__job *job) {
    job->state = SKEP__JOB_PENDING;
    TAILQ_INSERT_TAIL(&memory->pending, job, entry);
    job->queue->shelf->pending_count++;
}

static void leave_delayed(struct skep__memory *memory, struct skep__job *job) {
    skep__memory_leave_heap(&memory->delays, &job->delay_node);
    TAILQ_REMOVE(&skep__memory_shelf_of(job)->delayed, job, entry);
    job->queue->shelf->delayed_count--;
}

static void leave_reserved(struct skep__memory *memory, struct skep__job *job) {
    TAILQ_REMOVE(&memory->reserved, job, entry);
    job->queue->shelf->reserved_count--;
    job->consumer = NULL;
}

void skep__memory_leave(struct skep__memory *memory, struct skep__job *job) {
    switch ((enum skep__job_state)job->state) {
    case SKEP__JOB_READY: skep__memory_shelf_remove_ready(job); break;
    case SKEP__JOB_RESERVED: leave_reserved(memory, job); break;
    case SKEP__JOB_DELAYED: leave_delayed(memory, job); break;
    case SKEP__JOB_DEAD:
        TAILQ_REMOVE(&skep__memory_shelf_of(job)->dead, job, entry);
        job->queue->shelf->dead_count--;
        break;
    case SKEP__JOB_PENDING:
        skep__memory_leave_heap(&memory->delays, &job->delay_node);
        TAILQ_REMOVE(&memory->pending, job, entry);
        job->queue->shelf->pending_count--;
        break;
    }
}

void skep__memory_shelf_note(struct skep__memory *memory, struct skep__memory_shelf *shelf) {
    bool empty = skep__memory_shelf_is_empty(shelf);
    if (empty == shelf->shelf.empty) return;
    shelf->shelf.empty = empty;
    memory->store.events->emptied(memory->store.context, &shelf->shelf);
}
