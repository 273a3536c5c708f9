/* SPDX-License-Identifier: MIT
 * The tables of jobs in a file of SQLite's, of a directory. It knows rows and nothing of queues in memory. Not
 * to be used by two threads at a time. All times are of the wall clock, in milliseconds since 1970.
 *
 * Jobs that were submitted together and follow each other by id are one row of frames. A row of marks says which of
 * them have ended; when all have, both rows go. What is to be known of a single job besides is in jobs. Rows of a class
 * from the one named in stored on are not in the broker's memory. */
#ifndef SKEP_JOBS_DISK_DATABASE_H
#define SKEP_JOBS_DISK_DATABASE_H

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "contract.h"

enum {
    SKEP__NAME_BYTES = 64,    /* room for a slash and the name of a file */
    SKEP__FORMAT = 1,         /* of the tables */
    SKEP__CLASS_KEPT = 256,   /* added to the priority of jobs that are always in memory too */
    SKEP__CLASS_WANTED = 512, /* added to that of those whose outcome was wanted, besides */
    SKEP__CLASSES = 2 * SKEP__CLASS_WANTED
};

#define SKEP__JOBS_FILE "jobs.db"
#define SKEP__REPAIRED_FILE "jobs.db.repaired" /* by a repair that has not ended */

struct skep__database;

/* Jobs that were submitted together */
struct skep__frame_row {
    uint64_t first; /* id of the first; the others' follow */
    uint32_t n, queue;
    unsigned class;                  /* the priority, or more: SKEP__CLASS_KEPT */
    uint64_t accepted, due, expires; /* 0: at once; never */
    uint64_t crashes;                /* of brokers before */
    uint32_t lease_ms;
    uint16_t attempts;
    struct skep_bytes jobs, keys; /* one MessagePack bin each, in a row; keys: none at all, or some of them empty */
    struct skep_bytes ended;      /* a bit each, the lowest first; read only */
};

/* What is to be known of one job */
struct skep__job_row {
    uint64_t id;
    uint64_t crashes; /* of brokers before it was written */
    bool dead;
    uint32_t attempt, failures;
    uint16_t deaths, interruptions;
    uint64_t due, since; /* not dead: ready then, as it was said at that time; 0: at once */
    uint64_t died;       /* dead: when */
    struct skep_bytes cause, reason;
    uint32_t worker;
    int64_t pid, code, signal;
    uint64_t uptime_ms;
};

/* A key that is remembered */
struct skep__key_row {
    uint32_t queue;
    struct skep_bytes key;
    uint64_t id;
    struct skep_bytes cause; /* empty: it is done */
    uint64_t until;
};

/* How a job ended */
struct skep__result_row {
    uint64_t id;
    struct skep_bytes queue; /* name */
    uint32_t attempt;
    struct skep_bytes cause; /* empty: it is done */
    struct skep_bytes result;
    uint64_t ended;
};

/* Jobs of a row of frames that has gone: how those ended of which there is no result */
struct skep__ended_row {
    uint64_t first;
    uint32_t n;
    struct skep_bytes queue; /* name */
    uint64_t ended;          /* the last of them */
};

/* Opens or makes the file, in a directory that is there and private, and keeps it locked. Errors, with one line in why:
 * SKEP_EBUSY (somebody else has it open), SKEP_EVERSION (a newer format), SKEP_EDIR (it is not Skep's, or cannot be
 * read), SKEP_ENOSPC, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__database_open(struct skep__database **database, const char *dir, const char *name,
                                      char why[SKEP_MAX_REASON + 1]);

/* The same for jobs.db, which must be there, to look at it: what is in its log stays there. Errors, too:
 * SKEP_ENOTFOUND. */
SKEP_MUST_USE int skep__database_look(struct skep__database **database, const char *dir, char why[SKEP_MAX_REASON + 1]);

/* Sets *database to NULL. NULL is allowed. */
void skep__database_close(struct skep__database **database);

/* What was wrong when a function failed; until the next call. */
const char *skep__database_why(const struct skep__database *database);

/* Errors of all that follow: SKEP_ENOSPC, SKEP_ENOMEM, SKEP_ESYS (the medium failed), SKEP_EDIR (it is damaged). */

/* What is written between these is there as a whole or not at all; committed, it outlasts the machine's power. */
SKEP_MUST_USE int skep__database_begin(struct skep__database *database);
SKEP_MUST_USE int skep__database_commit(struct skep__database *database);
void skep__database_roll_back(struct skep__database *database);

/* A number by name: last, crashes. 0: it was not set. */
SKEP_MUST_USE int skep__database_get(struct skep__database *database, const char *name, uint64_t *value);
SKEP_MUST_USE int skep__database_set(struct skep__database *database, const char *name, uint64_t value);

SKEP_MUST_USE int skep__database_add_queue(struct skep__database *database, uint32_t id, const char *name);
SKEP_MUST_USE int skep__database_add_frame(struct skep__database *database, const struct skep__frame_row *row);
SKEP_MUST_USE int skep__database_mark(struct skep__database *database, uint64_t first, const struct skep_bytes *ended);
SKEP_MUST_USE int skep__database_drop_frame(struct skep__database *database, uint64_t first);
SKEP_MUST_USE int skep__database_put_job(struct skep__database *database, const struct skep__job_row *row);
SKEP_MUST_USE int skep__database_drop_job(struct skep__database *database, uint64_t id);
SKEP_MUST_USE int skep__database_put_key(struct skep__database *database, const struct skep__key_row *row);
SKEP_MUST_USE int skep__database_drop_key(struct skep__database *database, uint32_t queue,
                                          const struct skep_bytes *key);
SKEP_MUST_USE int skep__database_put_result(struct skep__database *database, const struct skep__result_row *row);
SKEP_MUST_USE int skep__database_put_ended(struct skep__database *database, const struct skep__ended_row *row);

/* n jobs of a class are not in memory; the first of their rows, or one before it, is this one. */
SKEP_MUST_USE int skep__database_set_stored(struct skep__database *database, uint32_t queue, unsigned class, uint64_t n,
                                            uint64_t first);

/* Forgets keys and results whose time has come. */
SKEP_MUST_USE int skep__database_forget(struct skep__database *database, uint64_t keys_until, uint64_t results_until);

/* Each calls back for each row; what it is given is borrowed. What the callback returns ends the reading, unless it is
 * SKEP_OK, and is returned. */
typedef int (*skep__queue_row_cb)(void *context, uint32_t id, const char *name);
typedef int (*skep__stored_row_cb)(void *context, unsigned class, uint64_t n, uint64_t first);
typedef int (*skep__frame_row_cb)(void *context, const struct skep__frame_row *row);
typedef int (*skep__job_row_cb)(void *context, const struct skep__job_row *row);
typedef int (*skep__key_row_cb)(void *context, const struct skep__key_row *row);
SKEP_MUST_USE int skep__database_queues(struct skep__database *database, skep__queue_row_cb row, void *context);
SKEP_MUST_USE int skep__database_stored(struct skep__database *database, uint32_t queue, skep__stored_row_cb row,
                                        void *context);
SKEP_MUST_USE int skep__database_keys(struct skep__database *database, uint32_t queue, skep__key_row_cb row,
                                      void *context);

/* Rows of a queue's class, in the order of ids: from this one on, and before that one. */
SKEP_MUST_USE int skep__database_frames(struct skep__database *database, uint32_t queue, unsigned class, uint64_t from,
                                        uint64_t before, skep__frame_row_cb row, void *context);

/* All rows, in the order of ids. */
SKEP_MUST_USE int skep__database_all_frames(struct skep__database *database, skep__frame_row_cb row, void *context);

/* The classes of which a queue has rows. */
typedef int (*skep__class_cb)(void *context, unsigned class);
SKEP_MUST_USE int skep__database_classes(struct skep__database *database, uint32_t queue, skep__class_cb row,
                                         void *context);

/* What is known of single jobs among n ids. */
SKEP_MUST_USE int skep__database_jobs(struct skep__database *database, uint64_t first, uint64_t n, skep__job_row_cb row,
                                      void *context);

/* Forgets the names of queues of which there is nothing else. */
SKEP_MUST_USE int skep__database_tidy(struct skep__database *database);

/* What there is of one job: the row of frames that it is in, how it ended, or the row that was one of frames. None of
 * them need be there; then nothing is called back. */
typedef int (*skep__result_row_cb)(void *context, const struct skep__result_row *row);
typedef int (*skep__ended_row_cb)(void *context, const struct skep__ended_row *row);
SKEP_MUST_USE int skep__database_frame_of(struct skep__database *database, uint64_t id, skep__frame_row_cb row,
                                          void *context);
SKEP_MUST_USE int skep__database_result(struct skep__database *database, uint64_t id, skep__result_row_cb row,
                                        void *context);
SKEP_MUST_USE int skep__database_ended(struct skep__database *database, uint64_t id, skep__ended_row_cb row,
                                       void *context);

#endif
