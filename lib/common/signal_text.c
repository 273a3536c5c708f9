/* SPDX-License-Identifier: MIT */
#include "common/signal_text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void skep__signal_text(int signal, char text[SKEP__SIGNAL_BYTES]) {
    const char *name = sigabbrev_np(signal);
    if (name != NULL) snprintf(text, SKEP__SIGNAL_BYTES, "SIG%s", name);
    else snprintf(text, SKEP__SIGNAL_BYTES, "SIG%d", signal);
}

void skep__received_text(const struct signalfd_siginfo *info, char text[SKEP__RECEIVED_BYTES]) {
    bool was_sent = info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE || info->ssi_code == SI_TKILL;
    skep__signal_text((int)info->ssi_signo, text);
    size_t used = strlen(text);
    if (was_sent && info->ssi_pid != 0)
        snprintf(text + used, SKEP__RECEIVED_BYTES - used, " from pid %" PRIu32, info->ssi_pid);
}
