/* SPDX-License-Identifier: MIT
 * Messages in a row, from one thread to another. */
#include <stdlib.h>
#include <string.h>

#include "nats_link/private.h"

static bool grow(struct skep__nats_items *items, size_t count) {
    size_t capacity = items->capacity > 0 ? items->capacity : 64;
    while (capacity < count) capacity *= 2;
    if (capacity == items->capacity) return true;
    struct skep__nats_item *grown = realloc(items->items, capacity * sizeof *grown);
    if (grown == NULL) return false;
    items->items = grown;
    items->capacity = capacity;
    return true;
}

bool skep__nats_items_add(struct skep__nats_items *items, const struct skep__nats_subscription *by, natsMsg *message) {
    if (!grow(items, items->count + 1)) return false;
    items->items[items->count++] = (struct skep__nats_item){by, message};
    return true;
}

bool skep__nats_items_move(struct skep__nats_items *to, struct skep__nats_items *from) {
    if (to->count == 0) {
        const struct skep__nats_items kept = *to;
        *to = *from;
        *from = kept;
        return true;
    }
    if (from->count == 0) return true;
    if (!grow(to, to->count + from->count)) return false;
    memcpy(to->items + to->count, from->items, from->count * sizeof *from->items);
    to->count += from->count;
    from->count = 0;
    return true;
}

void skep__nats_items_free(struct skep__nats_items *items) {
    for (size_t i = 0; i < items->count; i++) natsMsg_Destroy(items->items[i].message);
    free(items->items);
    *items = (struct skep__nats_items){0};
}
