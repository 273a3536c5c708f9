/* SPDX-License-Identifier: MIT
 * Where a relay of bare NNG listens, for its client and its worker: as Skep's broker does. */
#ifndef BENCH_RELAY_URLS_H
#define BENCH_RELAY_URLS_H

#include <stdio.h>

struct bench_urls {
    char intake[256], inbox[256], outbox[256], returns[256];
};

static inline void bench_urls_in(struct bench_urls *urls, const char *folder) {
    snprintf(urls->intake, sizeof urls->intake, "ipc://%s/intake", folder);
    snprintf(urls->inbox, sizeof urls->inbox, "ipc://%s/inbox", folder);
    snprintf(urls->outbox, sizeof urls->outbox, "ipc://%s/outbox", folder);
    snprintf(urls->returns, sizeof urls->returns, "ipc://%s/returns", folder);
}

#endif
