/* SPDX-License-Identifier: MIT
 * What was printed leaves at once. */
#include "command/common/flush.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

static void on_signal(int signal) {
    (void)signal;
    _exit(0);
}

void output_begin(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

/* Lines may have been lost before, while the disk was full, and there may be room again. */
static int error_of_flush(void) {
    if (fflush(stdout) != 0) return errno;
    return ferror(stdout) ? EIO : 0;
}

bool output_is_deaf(void) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

/* A terminal that hung up without a signal says no more than an error of any file, when it is written to. main would
 * complain of what is left about a reader that has gone. */
int flush_output(bool *deaf) {
    int error = error_of_flush();
    if (error == 0 || (error != EPIPE && !output_is_deaf())) return error;
    *deaf = true;
    __fpurge(stdout);
    clearerr(stdout);
    return 0;
}
