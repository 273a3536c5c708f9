/* SPDX-License-Identifier: MIT
 * Closing what may hang, on threads of their own. NNG 1.5.2 and 1.12 do when a connection ends on this side in the
 * middle of a frame (docs/design.md): the loop must not stand still with it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Part of what those who close go on using; that is freed by unused. */
struct skep__closers {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    unsigned under_way;
    bool released;
    void (*unused)(struct skep__closers *closers);
};

void skep__closers_init(struct skep__closers *closers, void (*unused)(struct skep__closers *closers));

/* Runs close(what) on a thread whose signals are blocked; in place if there can be none. */
void skep__closers_start(struct skep__closers *closers, void (*close)(void *what), void *what);

/* Waits until all have ended, but no longer than so. */
void skep__closers_wait(struct skep__closers *closers, unsigned timeout_ms);

/* The owner lets go: unused is called now, or by the last thread that ends; never, if one hangs. */
void skep__closers_release(struct skep__closers *closers);
