/* SPDX-License-Identifier: MIT
 * A binary heap of nodes. */
#include "base/heap.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 16 };

static void put(struct skep__heap *heap, size_t index, struct skep__heap_node *node) {
    heap->nodes[index] = node;
    node->index = index;
}

static void sift_up(struct skep__heap *heap, struct skep__heap_node *node) {
    size_t i = node->index;
    for (; i > 1 && heap->before(node, heap->nodes[i / 2]); i /= 2) put(heap, i, heap->nodes[i / 2]);
    put(heap, i, node);
}

static void sift_down(struct skep__heap *heap, struct skep__heap_node *node) {
    size_t i = node->index;
    for (size_t child; (child = 2 * i) <= heap->size; i = child) {
        if (child < heap->size && heap->before(heap->nodes[child + 1], heap->nodes[child])) child++;
        if (!heap->before(heap->nodes[child], node)) break;
        put(heap, i, heap->nodes[child]);
    }
    put(heap, i, node);
}

void skep__heap_update(struct skep__heap *heap, struct skep__heap_node *node) {
    sift_up(heap, node);
    sift_down(heap, node);
}

static int reserve(struct skep__heap *heap) {
    if (heap->size + 1 < heap->capacity) return SKEP_OK;
    size_t capacity = heap->capacity > 0 ? heap->capacity * 2 : FIRST_CAPACITY;
    struct skep__heap_node **nodes = realloc(heap->nodes, capacity * sizeof(struct skep__heap_node *));
    if (nodes == NULL) return SKEP_ENOMEM;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return SKEP_OK;
}

int skep__heap_add(struct skep__heap *heap, struct skep__heap_node *node) {
    int status = reserve(heap);
    if (status != SKEP_OK) return status;
    put(heap, ++heap->size, node);
    sift_up(heap, node);
    return SKEP_OK;
}

void skep__heap_remove(struct skep__heap *heap, struct skep__heap_node *node) {
    struct skep__heap_node *last = heap->nodes[heap->size--];
    if (last != node) {
        put(heap, node->index, last);
        skep__heap_update(heap, last);
    }
    node->index = 0;
}

struct skep__heap_node *skep__heap_first(const struct skep__heap *heap) {
    return heap->size > 0 ? heap->nodes[1] : NULL;
}

void skep__heap_free(struct skep__heap *heap) {
    free(heap->nodes);
    heap->nodes = NULL;
    heap->size = heap->capacity = 0;
}
