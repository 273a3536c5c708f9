/* SPDX-License-Identifier: MIT
 * Lines out of a stream of bytes. */
#pragma once

#include <stdbool.h>

#include "contract.h"

/* The beginning of a line whose end has not come. Zero-initialised is none. */
struct skep__splitter {
    char data[SKEP_MAX_LINE];
    size_t used;
    uint64_t cut_bytes; /* what came after SKEP_MAX_LINE of it */
};

/* A line without its line feed, borrowed until it returns. */
typedef void skep__line_cb(void *context, const char *data, size_t size_bytes, uint64_t cut_bytes);

/* Calls back for each line that these bytes end; keeps the rest. Returns how many there were. */
size_t skep__split(struct skep__splitter *splitter, const char *data, size_t size_bytes, skep__line_cb *line,
                   void *context);

/* Whether a line has begun. */
bool skep__split_has_rest(const struct skep__splitter *splitter);

/* Calls back for a line that has begun, if there is one, as if it had ended. */
void skep__split_end(struct skep__splitter *splitter, skep__line_cb *line, void *context);
