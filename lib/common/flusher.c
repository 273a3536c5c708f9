/* SPDX-License-Identifier: MIT
 * A check handle flushes after the loop has polled; an idle handle, active while something is marked, keeps the loop
 * from waiting in between. */
#include "common/flusher.h"

#include <stdlib.h>

struct skep__flusher {
    uv_check_t check;
    uv_idle_t idle;
    TAILQ_HEAD(, skep__flush) marked;
    size_t marked_count;
    int open_handles;
};

static void no_wait(uv_idle_t *idle) {
    (void)idle;
}

static void unmark(struct skep__flusher *flusher, struct skep__flush *flush) {
    TAILQ_REMOVE(&flusher->marked, flush, entry);
    flusher->marked_count--;
    flush->marked = false;
}

/* One flush may free another, so they are taken one at a time. */
static void flush_marked(uv_check_t *check) {
    struct skep__flusher *flusher = check->data;
    for (size_t n = flusher->marked_count; n > 0 && flusher->marked_count > 0; n--) {
        struct skep__flush *flush = TAILQ_FIRST(&flusher->marked);
        unmark(flusher, flush);
        flush->flush(flush);
    }
    if (flusher->marked_count == 0) uv_idle_stop(&flusher->idle);
}

int skep__flusher_new(struct skep__flusher **out, uv_loop_t *loop) {
    struct skep__flusher *flusher = calloc(1, sizeof *flusher);
    if (flusher == NULL) return SKEP_ENOMEM;
    TAILQ_INIT(&flusher->marked);
    flusher->check.data = flusher->idle.data = flusher;
    flusher->open_handles = 2;
    uv_check_init(loop, &flusher->check);
    uv_idle_init(loop, &flusher->idle);
    uv_check_start(&flusher->check, flush_marked);
    uv_unref((uv_handle_t *)&flusher->check);
    *out = flusher;
    return SKEP_OK;
}

static void closed(uv_handle_t *handle) {
    struct skep__flusher *flusher = handle->data;
    if (--flusher->open_handles == 0) free(flusher);
}

void skep__flusher_free(struct skep__flusher **flusher) {
    if (*flusher == NULL) return;
    (*flusher)->marked_count = 0; /* nothing is flushed any more; what was marked may be freed already */
    uv_close((uv_handle_t *)&(*flusher)->check, closed);
    uv_close((uv_handle_t *)&(*flusher)->idle, closed);
    *flusher = NULL;
}

void skep__flusher_mark(struct skep__flusher *flusher, struct skep__flush *flush) {
    if (flush->marked) return;
    flush->marked = true;
    TAILQ_INSERT_TAIL(&flusher->marked, flush, entry);
    if (flusher->marked_count++ == 0) uv_idle_start(&flusher->idle, no_wait);
}

void skep__flusher_unmark(struct skep__flusher *flusher, struct skep__flush *flush) {
    if (flush->marked) unmark(flusher, flush);
}
