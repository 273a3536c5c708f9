/* SPDX-License-Identifier: MIT
 * The state of the store on disk, and what its files share. The loop's thread owns all of it but the database while a
 * writing is under way; of a writing that thread changes nothing then, nor of the jobs and rows that it has. */
#ifndef SKEP_JOBS_DISK_PRIVATE_H
#define SKEP_JOBS_DISK_PRIVATE_H

#include "jobs/disk/database.h"
#include "jobs/disk/disk.h"
#include "jobs/store_keys.h"
#include "jobs/store_memory.h"

enum {
    SKEP__SHOWN_JOBS = 64 * 1024,           /* ready jobs of a shelf from which on more stay on the disk */
    SKEP__SHOWN_BYTES = 64 * 1024 * 1024,   /* the same */
    SKEP__FILL_JOBS = SKEP__SHOWN_JOBS / 4, /* that are read together */
    SKEP__FILL_BYTES = SKEP__SHOWN_BYTES / 4
};

/* What is written of a job that is pending */
enum skep__change { SKEP__ACK, SKEP__RETRY, SKEP__RECOVER, SKEP__BURY, SKEP__CANCEL, SKEP__REVIVE, SKEP__DROP };

/* A row of frames whose jobs are in memory */
struct skep__row {
    LIST_ENTRY(skep__row) of_disk;
    TAILQ_ENTRY(skep__row) entry; /* in writing.rows while it is dirty */
    const struct skep__disk_shelf *shelf;
    bool dirty;
    uint64_t first;
    uint32_t n, left; /* jobs, and those that have not ended */
    uint32_t results; /* those that have ended, and how is written for each */
    uint8_t ended[];  /* a bit for each */
};
TAILQ_HEAD(skep__rows, skep__row);

/* Jobs of a class that are not in memory: how many; the first of their rows is this one, or after it */
struct skep__stored {
    uint64_t n, first;
};

/* What a disk has of a queue besides */
struct skep__disk_shelf {
    LIST_ENTRY(skep__disk_shelf) entry;
    struct skep__shelf *shelf;
    uint32_t id; /* of the queue; 0: none of its jobs was ever put on the disk */
    bool known;  /* the disk has its name */
    bool filling;
    bool damaged;                                 /* no more of its rows is read */
    struct skep__stored stored[SKEP__PRIORITIES]; /* what will be, when all that has gathered is written */
};

/* A batch that is being put */
struct skep__disk_put {
    TAILQ_ENTRY(skep__disk_put) entry;
    struct skep__put *put;
    struct skep__disk_shelf *shelf;
    struct skep__row *row;   /* NULL: none of its jobs was taken */
    struct skep__job **jobs; /* that were taken, row->n */
    bool stays;              /* they are shown when they are written; else they are on the disk only */
    uint64_t due_ms, expires_ms;
    struct skep__frame_row frame;
    struct skep_frame data, keys; /* what frame borrows */
    struct skep__stored stored;   /* of its class, with this */
    struct skep__answer *answers;
    uint32_t answer_count;
};
TAILQ_HEAD(skep__disk_puts, skep__disk_put);

/* A count of a job that lives on, as it was */
struct skep__note {
    STAILQ_ENTRY(skep__note) entry;
    struct skep__job_row row;
};
STAILQ_HEAD(skep__notes, skep__note);

/* What is known of single jobs of a row; NULL: none is */
struct skep__job_rows {
    struct skep__job_row *rows;
    size_t count;
};

/* A row of frames, copied */
struct skep__copy {
    STAILQ_ENTRY(skep__copy) entry;
    struct skep__frame_row frame;
    char data[];
};

/* Rows that are read, to be shown */
struct skep__fill {
    STAILQ_ENTRY(skep__fill) entry;
    struct skep__disk_shelf *shelf;
    unsigned class;
    struct skep__stored stored; /* before; first moves on as rows are read */
    uint64_t jobs;              /* read */
    size_t bytes;
    bool damaged; /* the row behind those that were read is */
    STAILQ_HEAD(, skep__copy) copies;
};
STAILQ_HEAD(skep__fills, skep__fill);

/* A question about a job that is not in memory */
struct skep__disk_recall {
    STAILQ_ENTRY(skep__disk_recall) entry;
    struct skep__recall *recall;
    int status;
    struct skep__record record;
    char queue_name[SKEP_MAX_NAME + 1];
    char *copy; /* of its payload or result */

    /* the row of frames that it is in */
    uint32_t queue, n;
    unsigned class;
    uint64_t first;
    uint8_t ended[(SKEP_MAX_LIST + 7) / 8];
    struct skep__stored stored; /* of its class */
};
STAILQ_HEAD(skep__recalls, skep__disk_recall);

/* What is written by one commit, in this order */
struct skep__writing {
    struct skep__disk_puts puts;
    struct skep__job *first, *last; /* of which a change is written, by job.next */
    struct skep__rows rows;         /* that have changed by those */
    struct skep__notes notes;
    struct skep__fills fills;
    struct skep__recalls recalls;
    uint64_t clock_ms, wall_ms, last_id; /* when it began */
    bool forgets;                        /* what is old */
};

struct skep__disk {
    struct skep__store store; /* first member */
    struct skep__store *memory;
    struct skep__database *database;
    struct skep__clock *clock;
    struct skep__flusher *flusher;
    struct skep__flush flush;
    uv_work_t work;
    uv_loop_t *loop;
    uv_sem_t written; /* posted by the thread */
    uv_timer_t again; /* after a failure */
    unsigned results_ms;
    LIST_HEAD(, skep__disk_shelf) shelves;
    LIST_HEAD(, skep__row) rows;
    struct skep__stored_queue *queues; /* of earlier starts */
    size_t queue_count;
    uint32_t last_queue; /* id */
    uint64_t crashes;    /* brokers before this one that had no time to write what they knew */
    uint64_t identity;   /* of the tables */
    uint64_t forgot_ms;  /* when what is old was last forgotten, by the clock */

    struct skep__writing gathered, writing;
    bool under_way; /* the thread has the writing and the database */
    bool queued;    /* libuv has the work */
    bool failing;
    bool silent, freed; /* nobody is told of outcomes */
    unsigned open;      /* what of it libuv still has */
    int status;         /* of the writing that is under way, when it has been done */
};

static inline struct skep__disk *skep__disk_of(struct skep__store *store) {
    return (struct skep__disk *)store;
}

/* Whether no more need be shown of a shelf. */
static inline bool skep__disk_shows_enough(const struct skep__shelf *shelf) {
    return shelf->ready_count >= SKEP__SHOWN_JOBS || shelf->bytes >= SKEP__SHOWN_BYTES;
}

/* --- core.c --- */

/* One for n jobs of a shelf; NULL: no memory. */
struct skep__row *skep__disk_row_new(struct skep__disk *disk, const struct skep__disk_shelf *shelf, uint32_t n);

/* NULL is allowed. */
void skep__disk_row_free(struct skep__row *row);

/* A queue of an earlier start */
struct skep__stored_queue {
    uint32_t id;
    char name[SKEP_MAX_NAME + 1];
};

/* Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__disk_add_queue(struct skep__disk *disk, uint32_t id, const char *name);

/* The queue of a name; 0: the disk does not know it. */
uint32_t skep__disk_queue_id(const struct skep__disk *disk, const char *name);

/* As name of the store's kind. */
const char *skep__disk_name(struct skep__store *store, size_t index);

/* What has gathered is written at the end of the loop's turn, or after what is being written. */
void skep__disk_write_soon(struct skep__disk *disk);

void skep__writing_init(struct skep__writing *writing);

/* libuv has let go of one thing: the last frees the store. */
void skep__disk_let_go(struct skep__disk *disk);

/* --- put.c --- */

void skep__disk_put(struct skep__disk *disk, struct skep__disk_shelf *shelf, const struct skep__batch *batch,
                    uint64_t now_ms, struct skep__put *put);

/* It has been written, or (status) has failed: shows its jobs, or forgets them; answers, and frees it. */
void skep__disk_put_end(struct skep__disk *disk, struct skep__disk_put *put, int status);

/* --- change.c --- */

/* The cause of a job that is done, but there was no memory for its result. */
extern const char skep__disk_lost[];

/* A job that has a row leaves its state, and is pending until the change is written. */
void skep__disk_change(struct skep__disk *disk, struct skep__job *job, enum skep__change change);

/* Before a writing begins: marks in their rows which jobs have ended. */
void skep__disk_changes_begin(struct skep__writing *writing);

/* They have been written. */
void skep__disk_changes_end(struct skep__disk *disk, struct skep__writing *writing);

/* What is to be known of a job that lives on is written, too, by and by. */
void skep__disk_note(struct skep__disk *disk, struct skep__job *job);

struct skep__job_row skep__disk_job_row(const struct skep__disk *disk, const struct skep__job *job);

/* --- fill.c --- */

/* Reads rows of a shelf, if it shows little. */
void skep__disk_fill(struct skep__disk *disk, struct skep__disk_shelf *shelf);

/* On the thread: reads. Errors: those of the database. */
SKEP_MUST_USE int skep__disk_fill_read(struct skep__database *database, struct skep__fill *fill);

/* They have been read, or (status) have not. */
void skep__disk_fill_end(struct skep__disk *disk, struct skep__fill *fill, int status);

/* --- restore.c --- */

/* As restore of the store's kind. */
SKEP_MUST_USE int skep__disk_restore(struct skep__store *store, struct skep__shelf *shelf, uint64_t now_ms);

/* Reads the names of queues, and how often a broker crashed. Errors: those of the database. */
SKEP_MUST_USE int skep__disk_read_queues(struct skep__disk *disk);

/* --- show.c --- */

/* The static text of a cause of death; NULL: there is none. */
const char *skep__disk_cause(const struct skep_bytes *cause);

/* Shows the jobs of a row that have not ended. jobs: NULL: they were on the disk only, so that none was ever begun.
 * Errors: SKEP_ENOMEM, SKEP_EDIR (it is damaged); none is shown then. */
SKEP_MUST_USE int skep__disk_show(struct skep__disk *disk, struct skep__disk_shelf *shelf,
                                  const struct skep__frame_row *frame, const struct skep__job_rows *jobs);

/* Takes the first off what is packed: bins of MessagePack, one behind the other. False: there is none. */
bool skep__disk_next_bin(struct skep_bytes *packed, struct skep_bytes *bin);

/* Whether a job of a row has ended; how many have not. */
bool skep__disk_has_ended(const struct skep__frame_row *frame, uint32_t i);
uint32_t skep__disk_left(const struct skep__frame_row *frame);

/* --- recall.c --- */

/* As recall of the store's kind. */
void skep__disk_recall(struct skep__store *store, struct skep__recall *recall);

/* On the thread: ends jobs that are stored, where that was asked, as part of a transaction. Errors: those of the
 * database. */
SKEP_MUST_USE int skep__disk_recalls_cancel(struct skep__disk *disk, const struct skep__writing *writing);

/* On the thread, behind the transaction: reads what else was asked, and notes whether that has failed. status: of the
 * transaction. */
void skep__disk_recalls_read(struct skep__disk *disk, const struct skep__writing *writing, int status);

/* On the loop: answers. */
void skep__disk_recalls_end(struct skep__disk *disk, struct skep__recalls *recalls);

/* --- write.c --- */

/* Writes what has gathered, after what is being written; the flush is the disk's. */
void skep__disk_write(struct skep__flush *flush);

/* Waits for what is under way, and writes the rest. */
void skep__disk_write_all(struct skep__disk *disk);

#endif
