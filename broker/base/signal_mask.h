/* SPDX-License-Identifier: MIT
 * Signals that are blocked or unblocked in a thread for a while. */
#pragma once

#include <signal.h>

/* Zero-initialised: nothing is changed. */
struct skep__signal_mask {
    sigset_t changed; /* signals that were blocked or unblocked */
    sigset_t blocked; /* those of them that were blocked before their first change */
};

/* Blocks or unblocks signals in this thread. how: SIG_BLOCK or SIG_UNBLOCK */
void skep__signal_mask_change(struct skep__signal_mask *mask, int how, const sigset_t *signals);

/* All that were changed are as before; the others stay as they are. In the thread that has changed them. */
void skep__signal_mask_restore(struct skep__signal_mask *mask);
