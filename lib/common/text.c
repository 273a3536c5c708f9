/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <string.h>

struct skep_bytes skep__text(const char *text) {
    return (struct skep_bytes){text, text != NULL ? strlen(text) : 0};
}

bool skep__text_is(struct skep_bytes bytes, const char *text) {
    const size_t size_bytes = strlen(text);
    return bytes.size_bytes == size_bytes && (size_bytes == 0 || memcmp(bytes.data, text, size_bytes) == 0);
}

void skep__copy_text(char *to, size_t capacity_bytes, const struct skep_bytes *from) {
    const size_t size_bytes = from->size_bytes < capacity_bytes ? from->size_bytes : capacity_bytes - 1;
    if (size_bytes > 0) memcpy(to, from->data, size_bytes);
    to[size_bytes] = '\0';
}
