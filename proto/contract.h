/* SPDX-License-Identifier: MIT
 * The contract between broker and worker that is not a command: descriptors, environment, socket names, limits. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SKEP_PROTOCOL = 1, /* grows when a worker of the version before could not work any more */

    SKEP_LINK_FD = 3, /* descriptor of the link in a new worker */
    SKEP_PAGE_FD = 4, /* descriptor of its page */

    SKEP_MAX_NAME = 64,               /* bytes of a name of a worker, message, counter, listener */
    SKEP_MAX_URL = 256,               /* bytes of a URL */
    SKEP_MAX_REASON = 512,            /* bytes of an explanation */
    SKEP_MAX_PAYLOAD = 1024 * 1024,   /* bytes of a user's data in one message */
    SKEP_MAX_FRAME = 4 * 1024 * 1024, /* bytes of a frame that is received at all */
    SKEP_FULL_FRAME = 120 * 1024,     /* bytes at which a growing frame is closed and the next begun */
    SKEP_MAX_DEPTH = 8,               /* nesting of MessagePack */
    SKEP_MAX_COUNTERS = 64,           /* counters in one worker, requests among them */
    SKEP_MAX_LIST = 2048,             /* items of a list */
    SKEP_MAX_PEEK = 500,              /* jobs in one answer about jobs */
    SKEP_MAX_SNIPPET = 4096,          /* bytes of a payload in such an answer */
    SKEP_MAX_LISTENERS = 128,         /* at which one worker listens at a time */
    SKEP_MAX_QUEUES = 1024,           /* queues of a broker */
    SKEP_MAX_CLIENTS = 4096,          /* clients that have joined one broker */
    SKEP_MAX_OWN_CLIENTS = 1024,      /* of them, those of one process */
    SKEP_MAX_WORKERS = 1000,          /* workers that a broker may be told to have */
    SKEP_MAX_PATH = 4095,             /* bytes of a program's path, or of one of its arguments */
    SKEP_MAX_LINE = 4096,             /* bytes of a worker's line of output that are kept */
    SKEP_MAX_TIMES = 32 * 1024,       /* bytes of a packed histogram */
    SKEP_LEAST_LEASE_MS = 100,
    SKEP_MAX_SIGNAL = 64, /* the greatest number of a signal */
    SKEP_CLAIMS = 4096,   /* claims on a page, a power of two: no two of so many deliveries in a row share one */

    SKEP_MAX_LINK = 64 * 1024, /* bytes of one message on the link */
    SKEP_MAX_BATCH = 253,      /* descriptors in one message: the kernel's SCM_MAX_FD */

    SKEP_MAX_DIR = 76 /* bytes of the instance's directory, so that each socket's path fits sun_path */
};

/* Environment of a new worker. Each is removed by the library before main(). */
#define SKEP_ENV_WORKER_ID "SKEP_WORKER_ID"
#define SKEP_ENV_GENERATION "SKEP_GENERATION"

/* Stays in the environment of a worker and of what it starts: "BROKER'S PID.GENERATION.WORKER". By it the broker knows
 * what a worker has left behind. */
#define SKEP_ENV_MARK "SKEP_HIVE"

/* Environment that people set */
#define SKEP_ENV_DIR "SKEP_DIR"
#define SKEP_ENV_POLICY "SKEP_POLICY"
#define SKEP_ENV_TRACE "SKEP_TRACE"
#define SKEP_ENV_TRANSPORT "SKEP_TRANSPORT"

/* A counter on the page. Its name is written once, before counter_count includes it. */
struct skep_page_counter {
    uint64_t count; /* all that the worker has ever added to it */
    char name[72];  /* 1 to SKEP_MAX_NAME bytes and a zero byte */
};

/* A page of memory that a worker and the broker share. The worker writes, with plain stores, and both write claims, by
 * comparing and swapping; the broker reads it when the worker has died, or to see what it does. A worker that does not
 * know of it leaves it alone: all zero but magic. One may keep only what stands in the first 4096 bytes, or only the
 * fields before requests: sums that are less than what the worker has reported by commands have no effect. */
struct skep_page {
    uint64_t magic;         /* SKEP_PAGE_MAGIC, from the broker */
    uint64_t beats;         /* grows while the worker's loop runs, every welcome.beat_ms */
    uint64_t begun;         /* number of the latest delivery that was begun: later ones have not been */
    uint64_t running;       /* number of the delivery whose handler runs right now; 0: none */
    uint64_t writes;        /* 1: the worker keeps begun and running, and the counts unless they are 0; 2: it keeps
                               claims instead of begun */
    uint64_t requests;      /* all that it has ever counted, whether or not it was reported */
    uint64_t counter_count; /* how many of counters have a name */
    struct skep_page_counter counters[SKEP_MAX_COUNTERS];
    char unused[8192 - 56 - 80 * SKEP_MAX_COUNTERS];
    uint64_t claims[SKEP_CLAIMS]; /* by delivery: see page_claims.h */
};

enum { SKEP_PAGE_BYTES = 8192 + 8 * SKEP_CLAIMS };
static_assert(sizeof(struct skep_page) == SKEP_PAGE_BYTES, "the page is its struct");
static_assert(offsetof(struct skep_page, requests) == 40 && offsetof(struct skep_page, counters) == 56 &&
                  sizeof(struct skep_page_counter) == 80 && offsetof(struct skep_page, claims) == 8192,
              "docs/protocol.md says where things stand");
static_assert(SKEP_MAX_NAME < sizeof(((struct skep_page_counter *)0)->name), "a name and its zero byte have room");
#define SKEP_PAGE_MAGIC UINT64_C(0x31656761702d6b73) /* "sk-page1" */

/* Files in the instance's directory. LOCK is held by the broker and contains "PID GENERATION NAME\n" */
#define SKEP_FILE_LOCK "lock"
#define SKEP_FILE_CONTROL "control" /* control.GENERATION */
#define SKEP_FILE_NEWS "news"       /* news.GENERATION */
#define SKEP_FILE_OUTBOX "outbox"   /* outbox.GENERATION */
#define SKEP_FILE_INBOX "inbox"     /* inbox.GENERATION.WORKER */
#define SKEP_FILE_INTAKE "intake"   /* intake.GENERATION */
#define SKEP_FILE_RETURNS "returns" /* returns.GENERATION.CLIENT */

/* The value that goes with a SIGTERM of the broker's own (sigqueue(3)), after the drain timeout, say: it ends the
 * worker. A SIGTERM without it asks the worker to leave. */
#define SKEP_TERM_NOW 0x736b6570
