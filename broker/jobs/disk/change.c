/* SPDX-License-Identifier: MIT
 * Changes of jobs that are on the disk. A job waits for its change in a list of its own links, so that none fails for
 * want of memory. */
#include <stdlib.h>
#include <string.h>

#include "jobs/disk/private.h"

/* --- rows --- */

static void end_in_row(struct skep__writing *writing, const struct skep__job *job) {
    struct skep__row *row = job->row;
    const uint64_t at = job->id - row->first;
    const uint8_t bit = (uint8_t)(1u << at % 8);
    if (!row->dirty) TAILQ_INSERT_TAIL(&writing->rows, row, entry);
    row->dirty = true;
    if (row->ended[at / 8] & bit) return; /* it was tried before, and could not be written */
    row->ended[at / 8] |= bit;
    row->left--;
    row->results += job->change != SKEP__ACK || job->death != NULL;
}

static void rows_end(struct skep__writing *writing) {
    for (struct skep__row *row; (row = TAILQ_FIRST(&writing->rows)) != NULL;) {
        TAILQ_REMOVE(&writing->rows, row, entry);
        row->dirty = false;
        if (row->left == 0) skep__disk_row_free(row);
    }
}

/* --- changes --- */

void skep__disk_change(struct skep__disk *disk, struct skep__job *job, enum skep__change change) {
    struct skep__writing *gathered = &disk->gathered;
    skep__memory_hide(disk->memory, job);
    job->change = (uint8_t)change;
    job->next = NULL;
    if (gathered->last != NULL) gathered->last->next = job;
    else gathered->first = job;
    gathered->last = job;
    skep__disk_write_soon(disk);
}

static bool ends(const struct skep__job *job) {
    return job->change == SKEP__ACK || job->change == SKEP__CANCEL || job->change == SKEP__DROP;
}

void skep__disk_changes_begin(struct skep__writing *writing) {
    for (const struct skep__job *job = writing->first; job != NULL; job = job->next)
        if (ends(job)) end_in_row(writing, job);
}

const char skep__disk_lost[] = "lost";

static void acknowledged(struct skep__disk *disk, struct skep__job *job, uint64_t now_ms) {
    const struct skep__death *told = job->death;
    if (job->cause == skep__disk_lost && job->wants_outcome) {
        disk->store.events->done(disk->store.context, job, NULL);
        job->wants_outcome = false;
    }
    const struct skep_bytes result =
        told != NULL ? (struct skep_bytes){told->reason, told->size_bytes} : (struct skep_bytes){0};
    disk->memory->kind->ack(disk->memory, job, &result, now_ms);
}

static void buried(struct skep__disk *disk, struct skep__job *job, uint64_t now_ms) {
    struct skep__death *death = job->death;
    const char *cause = job->cause;
    const struct skep_bytes reason =
        death != NULL ? (struct skep_bytes){death->reason, death->size_bytes} : (struct skep_bytes){0};
    job->consumer = NULL;
    job->noted = true;
    disk->memory->kind->bury(disk->memory, job, cause, death, &reason, now_ms);
}

static void retried(struct skep__disk *disk, struct skep__job *job, uint64_t now_ms) {
    job->noted = true;
    disk->memory->kind->retry(disk->memory, job, now_ms, job->at_ms);
}

static void recovered(struct skep__disk *disk, struct skep__job *job) {
    job->noted = true;
    disk->memory->kind->recover(disk->memory, job);
}

static void complete(struct skep__disk *disk, struct skep__job *job, uint64_t now_ms) {
    struct skep__shelf *shelf = job->queue->shelf;
    const bool lives = job->change == SKEP__REVIVE, dies = job->change == SKEP__BURY;
    const bool goes = job->change == SKEP__ACK || job->change == SKEP__CANCEL;
    shelf->kept_count += (uint64_t)lives - (dies || goes);
    shelf->kept_dead_count += (uint64_t)dies - (lives || job->change == SKEP__DROP);
    switch ((enum skep__change)job->change) {
    case SKEP__ACK: acknowledged(disk, job, now_ms); break;
    case SKEP__BURY: buried(disk, job, now_ms); break;
    case SKEP__RETRY: retried(disk, job, now_ms); break;
    case SKEP__RECOVER: recovered(disk, job); break;
    case SKEP__CANCEL: disk->memory->kind->cancel(disk->memory, job, now_ms); break;
    case SKEP__DROP: disk->memory->kind->drop(disk->memory, job); break;
    case SKEP__REVIVE:
        job->noted = false;
        disk->memory->kind->revive(disk->memory, job, now_ms);
        break;
    }
}

void skep__disk_changes_end(struct skep__disk *disk, struct skep__writing *writing) {
    uint64_t now_ms = skep__clock_ms(disk->clock);
    for (struct skep__job *job = writing->first, *next; job != NULL; job = next) {
        next = job->next;
        complete(disk, job, now_ms);
    }
    writing->first = writing->last = NULL;
    rows_end(writing);
}

/* --- notes --- */

struct skep__job_row skep__disk_job_row(const struct skep__disk *disk, const struct skep__job *job) {
    return (struct skep__job_row){.id = job->id,
                                  .crashes = disk->crashes,
                                  .attempt = job->attempt,
                                  .failures = job->failures,
                                  .deaths = job->deaths,
                                  .interruptions = job->interruptions,
                                  .code = -1,
                                  .signal = -1};
}

void skep__disk_note(struct skep__disk *disk, struct skep__job *job) {
    struct skep__note *note = malloc(sizeof *note);
    if (note == NULL) return;
    note->row = skep__disk_job_row(disk, job);
    job->noted = true;
    STAILQ_INSERT_TAIL(&disk->gathered.notes, note, entry);
    skep__disk_write_soon(disk);
}
