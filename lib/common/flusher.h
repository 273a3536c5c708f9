/* SPDX-License-Identifier: MIT
 * Does things once at the end of the loop's iteration: that is what gathers commands into frames. */
#pragma once

#include <skep/status.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

/* Part of whatever is to be flushed. Zero-initialise, set flush. */
struct skep__flush {
    TAILQ_ENTRY(skep__flush) entry;
    void (*flush)(struct skep__flush *self);
    bool marked;
};

struct skep__flusher;

/* Does not keep the loop alive, unless something is marked. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__flusher_new(struct skep__flusher **flusher, uv_loop_t *loop);

/* Nothing is flushed any more; frees it when its handles have closed, on a later turn of the loop; sets *flusher to
 * NULL. */
void skep__flusher_free(struct skep__flusher **flusher);

/* flush is called once, at the end of this iteration of the loop, or of the next if it is marked while flushing. */
void skep__flusher_mark(struct skep__flusher *flusher, struct skep__flush *flush);

/* Takes the mark back: to be called before what holds flush is freed, unless the flusher is freed before that. */
void skep__flusher_unmark(struct skep__flusher *flusher, struct skep__flush *flush);
