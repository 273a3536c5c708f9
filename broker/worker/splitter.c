/* SPDX-License-Identifier: MIT
 * Lines out of a stream of bytes: however long one is, no more than SKEP_MAX_LINE of it is kept. */
#include "worker/splitter.h"

#include <string.h>

static void keep(struct skep__splitter *splitter, const char *data, size_t size_bytes) {
    size_t room = sizeof splitter->data - splitter->used;
    size_t kept = size_bytes < room ? size_bytes : room;
    memcpy(splitter->data + splitter->used, data, kept);
    splitter->used += kept;
    splitter->cut_bytes += size_bytes - kept;
}

static void end(struct skep__splitter *splitter, skep__line_cb *line, void *context) {
    size_t used = splitter->used;
    uint64_t cut_bytes = splitter->cut_bytes;
    splitter->used = 0;
    splitter->cut_bytes = 0;
    line(context, splitter->data, used, cut_bytes);
}

size_t skep__split(struct skep__splitter *splitter, const char *data, size_t size_bytes, skep__line_cb *line,
                   void *context) {
    size_t lines = 0;
    for (const char *feed; size_bytes > 0 && (feed = memchr(data, '\n', size_bytes)) != NULL; lines++) {
        size_t length = (size_t)(feed - data);
        keep(splitter, data, length);
        end(splitter, line, context);
        data += length + 1;
        size_bytes -= length + 1;
    }
    if (size_bytes > 0) keep(splitter, data, size_bytes);
    return lines;
}

bool skep__split_has_rest(const struct skep__splitter *splitter) {
    return splitter->used > 0;
}

void skep__split_end(struct skep__splitter *splitter, skep__line_cb *line, void *context) {
    if (skep__split_has_rest(splitter)) end(splitter, line, context);
}
