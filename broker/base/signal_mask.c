/* SPDX-License-Identifier: MIT */
#include "base/signal_mask.h"

#include <stdbool.h>
#include <string.h>

/* Some numbers are no signals of the program's. */
static bool has(const sigset_t *signals, int signal) {
    return sigismember(signals, signal) == 1;
}

void skep__signal_mask_change(struct skep__signal_mask *mask, int how, const sigset_t *signals) {
    sigset_t before;
    pthread_sigmask(how, signals, &before);
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (!has(signals, signal) || has(&mask->changed, signal)) continue;
        sigaddset(&mask->changed, signal);
        if (has(&before, signal)) sigaddset(&mask->blocked, signal);
    }
}

void skep__signal_mask_restore(struct skep__signal_mask *mask) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (!has(&mask->changed, signal)) continue;
        if (has(&mask->blocked, signal)) sigaddset(&now, signal);
        else sigdelset(&now, signal);
    }
    pthread_sigmask(SIG_SETMASK, &now, NULL);
    memset(mask, 0, sizeof *mask);
}
