/* SPDX-License-Identifier: MIT
 * A second process for the peers in C, which ends with the first whatever happens. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* As fork(); the child dies with its parent. Ends the program if there is no process to be had. */
static inline pid_t bench_fork(void) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    return 0;
}

static inline void bench_end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#endif
