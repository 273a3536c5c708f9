/* SPDX-License-Identifier: MIT
 * Credit between two processes of a peer: the one that does jobs grants what it has acknowledged, the one that submits
 * them sleeps when it has used it up. */
#ifndef BENCH_CREDIT_H
#define BENCH_CREDIT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bench_credit {
    int fd; /* made before the fork */
    uint64_t left;
};

static inline void bench_credit_open(struct bench_credit *credit, uint64_t jobs) {
    credit->fd = eventfd(0, EFD_CLOEXEC);
    credit->left = jobs;
    if (credit->fd >= 0) return;
    perror("eventfd");
    exit(1);
}

static inline void bench_credit_grant(const struct bench_credit *credit, uint64_t jobs) {
    if (jobs > 0 && write(credit->fd, &jobs, sizeof jobs) != sizeof jobs) exit(1);
}

static inline void bench_credit_use(struct bench_credit *credit, uint64_t jobs) {
    while (credit->left < jobs) {
        uint64_t granted;
        if (read(credit->fd, &granted, sizeof granted) != sizeof granted) exit(1);
        credit->left += granted;
    }
    credit->left -= jobs;
}

#endif
