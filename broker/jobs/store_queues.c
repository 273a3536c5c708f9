/* SPDX-License-Identifier: MIT
 * Queues by name, and when they are forgotten. Workers, the pause and the settings of a queue are not the store's
 * concern: they are looked at when one is to be forgotten. */
#include "jobs/store_queues.h"

#include <stdlib.h>
#include <string.h>

struct skep__queue *skep__queues_find(struct skep__queues *queues, const char *name, size_t size_bytes) {
    struct skep__queue *queue;
    HASH_FIND(hh, queues->by_name, name, size_bytes, queue);
    if (queue != NULL) queue->unused_ms = 0;
    return queue;
}

static bool is_used(const struct skep__queue *queue) {
    return queue->consumer_count > 0 || queue->paused || queue->has_settings;
}

static bool is_empty(const struct skep__queue *queue) {
    return queue->ready_count + queue->reserved_count + queue->delayed_count + queue->dead_count == 0 &&
           queue->keys == NULL;
}

void skep__queues_note(struct skep__queues *queues, struct skep__queue *queue) {
    bool empty = is_empty(queue);
    if (empty == queue->empty) return;
    if (empty) TAILQ_INSERT_TAIL(&queues->empty, queue, entry);
    else TAILQ_REMOVE(&queues->empty, queue, entry);
    queue->empty = empty;
    queue->unused_ms = 0;
}

void skep__queues_remove(struct skep__queues *queues, struct skep__queue *queue) {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it does not see that the table holds this queue
    HASH_DEL(queues->by_name, queue);
    if (queue->empty) TAILQ_REMOVE(&queues->empty, queue, entry);
    skep__histogram_free(&queue->times);
    free(queue);
}

/* Those in use go to the tail, so that they are not checked repeatedly. */
static bool make_room(struct skep__queues *queues) {
    struct skep__queue *queue;
    if (HASH_COUNT(queues->by_name) < SKEP_MAX_QUEUES) return true;
    const struct skep__queue *last = TAILQ_LAST(&queues->empty, skep__queue_list);
    while ((queue = TAILQ_FIRST(&queues->empty)) != NULL) {
        if (!is_used(queue)) {
            skep__queues_remove(queues, queue);
            return true;
        }
        TAILQ_REMOVE(&queues->empty, queue, entry);
        TAILQ_INSERT_TAIL(&queues->empty, queue, entry);
        if (queue == last) return false;
    }
    return false;
}

int skep__queues_make(struct skep__queues *queues, const char *name, size_t size_bytes, struct skep__queue **out) {
    if (size_bytes == 0 || size_bytes > SKEP_MAX_NAME) return SKEP_EINVAL;
    if (!make_room(queues)) return SKEP_EQUEUES;
    struct skep__queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) return SKEP_ENOMEM;
    memcpy(queue->name, name, size_bytes);
    for (unsigned i = 0; i < SKEP__PRIORITIES; i++) TAILQ_INIT(&queue->ready[i]);
    TAILQ_INIT(&queue->delayed);
    TAILQ_INIT(&queue->dead);
    TAILQ_INIT(&queue->ended_keys);
    for (unsigned i = 0; i < SKEP__CAPACITIES; i++) TAILQ_INIT(&queue->takers[i]);
    LIST_INIT(&queue->consumers);
    HASH_ADD_KEYPTR(hh, queues->by_name, queue->name, size_bytes, queue);
    if (!SKEP_IS_ADDED(queue, hh)) {
        free(queue);
        return SKEP_ENOMEM;
    }
    skep__queues_note(queues, queue);
    *out = queue;
    return SKEP_OK;
}

void skep__queues_tidy(struct skep__queues *queues, uint64_t now_ms) {
    struct skep__queue *next;
    for (struct skep__queue *queue = TAILQ_FIRST(&queues->empty); queue != NULL; queue = next) {
        next = TAILQ_NEXT(queue, entry);
        if (is_used(queue)) queue->unused_ms = 0;
        else if (queue->unused_ms == 0) queue->unused_ms = now_ms + 1; /* 0 stands for used */
        else if (now_ms + 1 - queue->unused_ms >= SKEP__QUEUE_KEPT_MS) skep__queues_remove(queues, queue);
    }
}
