/* SPDX-License-Identifier: MIT
 * Lists of payloads or keys that outlive what they borrow. */
#ifndef SKEP_TESTS_LIST_COPY_H
#define SKEP_TESTS_LIST_COPY_H

#include <string.h>

#include "command.h"

/* Bytes of the items from one on. */
static inline size_t list_bytes(const struct skep_list *list, uint32_t from) {
    size_t sum = 0;
    for (uint32_t i = from; i < list->count; i++) sum += skep__list_at(list, i).size_bytes;
    return sum;
}

/* Has the list borrow copies of these items, which are written to the room; items has a place for each of the list. */
static inline void list_copy(struct skep_list *list, struct skep_bytes *items, char **room, uint32_t from) {
    for (uint32_t i = from; i < list->count; i++) {
        struct skep_bytes item = skep__list_at(list, i);
        if (item.size_bytes > 0) memcpy(*room, item.data, item.size_bytes);
        items[i] = (struct skep_bytes){*room, item.size_bytes};
        *room += item.size_bytes;
    }
    *list = (struct skep_list){.count = list->count, .borrowed = items};
}

#endif
