/* SPDX-License-Identifier: MIT
 * Signals in words. */
#pragma once

#include <sys/signalfd.h>

enum { SKEP__SIGNAL_BYTES = 16, SKEP__RECEIVED_BYTES = 48 };

/* Name such as SIGKILL, or SIG40. */
void skep__signal_text(int signal, char text[SKEP__SIGNAL_BYTES]);

/* Name and sender, such as "SIGTERM from pid 47": who sent it is said if it was a process, and one that can be seen
 * from here; the kernel sends those of a terminal. */
void skep__received_text(const struct signalfd_siginfo *info, char text[SKEP__RECEIVED_BYTES]);
