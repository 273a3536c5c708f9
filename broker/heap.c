/* SPDX-License-Identifier: MIT
 * A binary heap of seats. */
#include "heap.h"

#include <stdlib.h>

static uint64_t key(const struct skep__listener *listener, const struct skep__seat *seat) {
    if (listener->cluster->settings.policy != SKEP_POLICY_LEAST_CONNECTIONS) return seat->turns;
    return seat->child->live + seat->child->untaken_count;
}

static bool better(const struct skep__listener *listener, const struct skep__seat *a, const struct skep__seat *b) {
    uint64_t key_a = key(listener, a), key_b = key(listener, b);
    return key_a != key_b ? key_a < key_b : a->picked < b->picked;
}

static void put(struct skep__listener *listener, size_t index, struct skep__seat *seat) {
    listener->heap[index] = seat;
    seat->heap_index = index;
}

static void sift_up(struct skep__listener *listener, struct skep__seat *seat) {
    size_t i = seat->heap_index;
    for (; i > 1 && better(listener, seat, listener->heap[i / 2]); i /= 2) put(listener, i, listener->heap[i / 2]);
    put(listener, i, seat);
}

static void sift_down(struct skep__listener *listener, struct skep__seat *seat) {
    size_t i = seat->heap_index;
    for (size_t child; (child = 2 * i) <= listener->heap_size; i = child) {
        if (child < listener->heap_size && better(listener, listener->heap[child + 1], listener->heap[child])) child++;
        if (!better(listener, listener->heap[child], seat)) break;
        put(listener, i, listener->heap[child]);
    }
    put(listener, i, seat);
}

void skep__heap_update(struct skep__listener *listener, struct skep__seat *seat) {
    sift_up(listener, seat);
    sift_down(listener, seat);
}

static int reserve(struct skep__listener *listener) {
    if (listener->heap_size + 1 < listener->heap_capacity) return SKEP_OK;
    size_t capacity = listener->heap_capacity > 0 ? listener->heap_capacity * 2 : 16;
    struct skep__seat **heap = realloc(listener->heap, capacity * sizeof(struct skep__seat *));
    if (heap == NULL) return SKEP_ENOMEM;
    listener->heap = heap;
    listener->heap_capacity = capacity;
    return SKEP_OK;
}

int skep__heap_add(struct skep__listener *listener, struct skep__seat *seat) {
    int status = reserve(listener);
    if (status != SKEP_OK) return status;
    put(listener, ++listener->heap_size, seat);
    sift_up(listener, seat);
    return SKEP_OK;
}

void skep__heap_remove(struct skep__listener *listener, struct skep__seat *seat) {
    struct skep__seat *last = listener->heap[listener->heap_size--];
    if (last != seat) {
        put(listener, seat->heap_index, last);
        skep__heap_update(listener, last);
    }
    seat->heap_index = 0;
}

struct skep__seat *skep__heap_best(const struct skep__listener *listener) {
    return listener->heap_size > 0 ? listener->heap[1] : NULL;
}
