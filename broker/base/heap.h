/* SPDX-License-Identifier: MIT
 * A binary heap of things that carry their own node: the first of an order is at hand, any of them can be taken out. */
#pragma once

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Part of what is in the heap */
struct skep__heap_node {
    size_t index; /* in nodes, from 1; 0: not in a heap */
};

struct skep__heap {
    struct skep__heap_node **nodes; /* [0] is not used */
    size_t size, capacity;
    bool (*before)(const struct skep__heap_node *a, const struct skep__heap_node *b);
};

/* Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__heap_add(struct skep__heap *heap, struct skep__heap_node *node);
void skep__heap_remove(struct skep__heap *heap, struct skep__heap_node *node);

/* Restores the order after what a node is ordered by has changed. */
void skep__heap_update(struct skep__heap *heap, struct skep__heap_node *node);

/* The first; NULL if there is none. */
struct skep__heap_node *skep__heap_first(const struct skep__heap *heap);

/* Frees what the heap took; the nodes are not its own. */
void skep__heap_free(struct skep__heap *heap);
