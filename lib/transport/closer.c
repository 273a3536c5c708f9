/* SPDX-License-Identifier: MIT
 * A thread for each closing: one that hangs must not hold the others up. */
#include "transport/closer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { STACK_BYTES = 256 * 1024 };

struct closing {
    struct skep__closers *closers;
    void (*close)(void *what);
    void *what;
};

void skep__closers_init(struct skep__closers *closers, void (*unused)(struct skep__closers *closers)) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    *closers = (struct skep__closers){.unused = unused};
    pthread_mutex_init(&closers->mutex, NULL);
    pthread_cond_init(&closers->ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void dismiss(struct skep__closers *closers) {
    pthread_cond_destroy(&closers->ended);
    pthread_mutex_destroy(&closers->mutex);
    closers->unused(closers);
}

static void end_one(struct skep__closers *closers) {
    pthread_mutex_lock(&closers->mutex);
    closers->under_way--;
    bool last = closers->released && closers->under_way == 0;
    pthread_cond_broadcast(&closers->ended);
    pthread_mutex_unlock(&closers->mutex);
    if (last) dismiss(closers);
}

static void *run(void *argument) {
    struct closing closing = *(struct closing *)argument;
    free(argument);
    closing.close(closing.what);
    end_one(closing.closers);
    return NULL;
}

static bool start_thread(struct closing *closing) {
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, run, closing);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

void skep__closers_start(struct skep__closers *closers, void (*close)(void *what), void *what) {
    struct closing *closing = malloc(sizeof *closing);
    pthread_mutex_lock(&closers->mutex);
    closers->under_way++;
    pthread_mutex_unlock(&closers->mutex);
    if (closing != NULL) *closing = (struct closing){.closers = closers, .close = close, .what = what};
    if (closing != NULL && start_thread(closing)) return;
    free(closing);
    close(what);
    end_one(closers);
}

void skep__closers_wait(struct skep__closers *closers, unsigned timeout_ms) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000 + (end.tv_nsec / 1000000 + timeout_ms % 1000) / 1000;
    end.tv_nsec = (end.tv_nsec + (long)(timeout_ms % 1000) * 1000000) % 1000000000;
    pthread_mutex_lock(&closers->mutex);
    while (closers->under_way > 0 && pthread_cond_timedwait(&closers->ended, &closers->mutex, &end) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&closers->mutex);
}

void skep__closers_release(struct skep__closers *closers) {
    pthread_mutex_lock(&closers->mutex);
    closers->released = true;
    bool last = closers->under_way == 0;
    pthread_mutex_unlock(&closers->mutex);
    if (last) dismiss(closers);
}
