/* SPDX-License-Identifier: MIT
 * Queues by name, and when they are forgotten. */
#include "jobs/queues.h"

#include <stdlib.h>
#include <string.h>

int skep__queues_new(struct skep__queues **out, struct skep__store *store) {
    struct skep__queues *queues = malloc(sizeof *queues);
    if (queues == NULL) return SKEP_ENOMEM;
    *queues = (struct skep__queues){.store = store};
    TAILQ_INIT(&queues->empty);
    *out = queues;
    return SKEP_OK;
}

struct skep__queue *skep__queues_find(struct skep__queues *queues, const char *name, size_t size_bytes) {
    struct skep__queue *queue;
    HASH_FIND(hh, queues->by_name, name, size_bytes, queue);
    if (queue != NULL) queue->unused_ms = 0;
    return queue;
}

struct skep__queue *skep__queues_next(const struct skep__queues *queues, const struct skep__queue *queue) {
    return queue != NULL ? queue->hh.next : queues->by_name;
}

static bool is_used(const struct skep__queue *queue) {
    return queue->consumer_count > 0 || queue->paused || queue->has_settings;
}

void skep__queues_note(struct skep__queues *queues, struct skep__queue *queue) {
    bool empty = queue->shelf->empty;
    if (empty == queue->empty) return;
    if (empty) TAILQ_INSERT_TAIL(&queues->empty, queue, entry);
    else TAILQ_REMOVE(&queues->empty, queue, entry);
    queue->empty = empty;
    queue->unused_ms = 0;
}

static void free_queue(struct skep__queues *queues, struct skep__queue *queue) {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it does not see that the table holds this queue
    HASH_DEL(queues->by_name, queue);
    skep__histogram_free(&queue->times);
    free(queue);
}

/* It is empty. */
static void forget(struct skep__queues *queues, struct skep__queue *queue) {
    TAILQ_REMOVE(&queues->empty, queue, entry);
    queues->store->kind->close(queues->store, queue->shelf);
    free_queue(queues, queue);
}

/* Those in use go to the tail, so that they are not checked repeatedly. */
static bool make_room(struct skep__queues *queues) {
    struct skep__queue *queue;
    if (HASH_COUNT(queues->by_name) < SKEP_MAX_QUEUES) return true;
    const struct skep__queue *last = TAILQ_LAST(&queues->empty, skep__queue_list);
    while ((queue = TAILQ_FIRST(&queues->empty)) != NULL) {
        if (!is_used(queue)) {
            forget(queues, queue);
            return true;
        }
        TAILQ_REMOVE(&queues->empty, queue, entry);
        TAILQ_INSERT_TAIL(&queues->empty, queue, entry);
        if (queue == last) return false;
    }
    return false;
}

/* With a shelf of its own. */
static struct skep__queue *new_queue(struct skep__queues *queues, const char *name, size_t size_bytes) {
    struct skep__queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) return NULL;
    memcpy(queue->name, name, size_bytes);
    for (unsigned i = 0; i < SKEP__CAPACITIES; i++) TAILQ_INIT(&queue->takers[i]);
    LIST_INIT(&queue->consumers);
    queue->shelf = queues->store->kind->open(queues->store, queue);
    if (queue->shelf != NULL && queues->durable) queue->shelf->durable = true;
    if (queue->shelf != NULL) return queue;
    free(queue);
    return NULL;
}

static int make(struct skep__queues *queues, const char *name, size_t size_bytes, struct skep__queue **out) {
    if (size_bytes == 0 || size_bytes > SKEP_MAX_NAME) return SKEP_EINVAL;
    if (!make_room(queues)) return SKEP_EQUEUES;
    struct skep__queue *queue = new_queue(queues, name, size_bytes);
    if (queue == NULL) return SKEP_ENOMEM;
    HASH_ADD_KEYPTR(hh, queues->by_name, queue->name, size_bytes, queue);
    if (!SKEP_IS_ADDED(queue, hh)) {
        queues->store->kind->close(queues->store, queue->shelf);
        free(queue);
        return SKEP_ENOMEM;
    }
    skep__queues_note(queues, queue);
    *out = queue;
    return SKEP_OK;
}

struct skep__queue *skep__queues_get(struct skep__queues *queues, const char *name, size_t size_bytes) {
    struct skep__queue *queue = skep__queues_find(queues, name, size_bytes);
    if (queue == NULL) queues->failure = make(queues, name, size_bytes, &queue);
    return queue;
}

void skep__queues_tidy(struct skep__queues *queues, uint64_t now_ms) {
    struct skep__queue *next;
    for (struct skep__queue *queue = TAILQ_FIRST(&queues->empty); queue != NULL; queue = next) {
        next = TAILQ_NEXT(queue, entry);
        if (is_used(queue)) queue->unused_ms = 0;
        else if (queue->unused_ms == 0) queue->unused_ms = now_ms + 1; /* 0 stands for used */
        else if (now_ms + 1 - queue->unused_ms >= SKEP__QUEUE_KEPT_MS) forget(queues, queue);
    }
}

void skep__queues_free(struct skep__queues **queues) {
    if (*queues == NULL) return;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that the table no longer holds the one before
    while ((*queues)->by_name != NULL) free_queue(*queues, (*queues)->by_name);
    free(*queues);
    *queues = NULL;
}
