/* SPDX-License-Identifier: MIT
 * Rows become jobs again. */
#include <stdlib.h>
#include <string.h>

#include "jobs/disk/private.h"

/* --- what is packed: bins of MessagePack, one behind the other --- */

static uint32_t read_size(const unsigned char *at, size_t n) {
    uint32_t size = 0;
    for (size_t i = 0; i < n; i++) size = size << 8 | at[i];
    return size;
}

bool skep__disk_next_bin(struct skep_bytes *packed, struct skep_bytes *bin) {
    const unsigned char *at = (const unsigned char *)packed->data;
    if (packed->size_bytes < 2 || at[0] < 0xc4 || at[0] > 0xc6) return false;
    size_t of_size = (size_t)1 << (at[0] - 0xc4);
    if (packed->size_bytes < 1 + of_size) return false;
    size_t size = read_size(at + 1, of_size), all = 1 + of_size + size;
    if (packed->size_bytes < all) return false;
    *bin = (struct skep_bytes){packed->data + 1 + of_size, size};
    *packed = (struct skep_bytes){packed->data + all, packed->size_bytes - all};
    return true;
}

/* --- times --- */

/* When it was by the clock, which may not have been made by then: differences are right all the same. */
static uint64_t clock_of_past(uint64_t now_ms, uint64_t wall_ms, uint64_t then) {
    return wall_ms > then ? now_ms - (wall_ms - then) : now_ms;
}

/* A time to come. However the wall clock jumps, none waits for longer than it was to from the beginning. */
static uint64_t clock_of(uint64_t now_ms, uint64_t wall_ms, uint64_t then, uint64_t said) {
    uint64_t left = then > wall_ms ? then - wall_ms : 0, most = then > said ? then - said : 0;
    return now_ms + (left < most ? left : most);
}

/* --- jobs --- */

/* Rows that are shown */
struct showing {
    struct skep__disk *disk;
    struct skep__disk_shelf *shelf;
    const struct skep__frame_row *frame;
    struct skep__row *row;
    uint64_t now_ms, wall_ms;
    bool fresh; /* they were in memory at the last start, and are not counted yet */
};

bool skep__disk_has_ended(const struct skep__frame_row *frame, uint32_t i) {
    return i / 8 < frame->ended.size_bytes && ((unsigned char)frame->ended.data[i / 8] >> i % 8 & 1) != 0;
}

uint32_t skep__disk_left(const struct skep__frame_row *frame) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < frame->n; i++) left += !skep__disk_has_ended(frame, i);
    return left;
}

static struct skep__row *row_of(struct skep__disk *disk, const struct skep__disk_shelf *shelf,
                                const struct skep__frame_row *frame) {
    struct skep__row *row = skep__disk_row_new(disk, shelf, frame->n);
    if (row == NULL) return NULL;
    row->first = frame->first;
    for (uint32_t i = 0; i < frame->n; i++) {
        if (!skep__disk_has_ended(frame, i)) continue;
        row->ended[i / 8] |= (uint8_t)(1u << i % 8);
        row->left--;
    }
    return row;
}

const char *skep__disk_cause(const struct skep_bytes *cause) {
    static const char *const causes[] = {"attempts", "deaths", "interrupted", "expired", "refused", skep__cancelled};
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (strlen(causes[i]) == cause->size_bytes && memcmp(causes[i], cause->data, cause->size_bytes) == 0)
            return causes[i];
    return cause->size_bytes > 0 ? "unknown" : NULL;
}

static struct skep__death *death_of(const struct skep__job_row *row) {
    struct skep__death *death = malloc(sizeof *death + row->reason.size_bytes + 1);
    if (death == NULL) return NULL;
    *death = (struct skep__death){.cause = skep__disk_cause(&row->cause),
                                  .exit = {.worker = row->worker,
                                           .pid = (pid_t)row->pid,
                                           .code = (int)row->code,
                                           .signal = (int)row->signal,
                                           .uptime_ms = row->uptime_ms},
                                  .wall_ms = row->died,
                                  .size_bytes = row->reason.size_bytes};
    if (row->reason.size_bytes > 0) memcpy(death->reason, row->reason.data, row->reason.size_bytes);
    death->reason[row->reason.size_bytes] = '\0';
    return death;
}

static void show_dead(const struct showing *s, struct skep__job *job, const struct skep__job_row *known) {
    const struct skep_bytes none = {0};
    struct skep__death *death = death_of(known);
    s->disk->memory->kind->bury(s->disk->memory, job, skep__disk_cause(&known->cause), death, &none, s->now_ms);
}

/* Each broker that crashed may have given it to a worker. What is ready later was given to nobody since. */
static uint32_t unknown_attempts(const struct showing *s, const struct skep__job_row *known, uint64_t ready_ms) {
    if (!s->fresh || ready_ms > s->now_ms) return 0;
    return (uint32_t)(s->disk->crashes - (known != NULL ? known->crashes : s->frame->crashes));
}

static void show(const struct showing *s, struct skep__job *job, const struct skep__job_row *known) {
    const struct skep__frame_row *f = s->frame;
    uint64_t due_ms = f->due != 0 ? clock_of(s->now_ms, s->wall_ms, f->due, f->accepted) : 0;
    uint64_t expires_ms = f->expires != 0 ? clock_of(s->now_ms, s->wall_ms, f->expires, f->accepted) : 0;
    job->row = s->row;
    job->accepted_ms = clock_of_past(s->now_ms, s->wall_ms, f->accepted);
    job->wants_outcome = f->class >= SKEP__CLASS_WANTED; /* by nobody who is here, but its result is kept */
    if (known != NULL) {
        job->attempt = known->attempt;
        job->failures = known->failures;
        job->deaths = known->deaths;
        job->interruptions = known->interruptions;
        job->noted = true;
    }
    const bool dead = known != NULL && known->dead;
    if (s->fresh) s->shelf->shelf->kept_count += !dead;
    if (s->fresh) s->shelf->shelf->kept_dead_count += dead;
    if (dead) {
        show_dead(s, job, known);
    } else if (known != NULL) {
        uint64_t ready_ms = clock_of(s->now_ms, s->wall_ms, known->due, known->since);
        job->attempt += unknown_attempts(s, known, ready_ms);
        s->disk->memory->kind->retry(s->disk->memory, job, s->now_ms, ready_ms);
    } else {
        job->attempt = unknown_attempts(s, NULL, due_ms);
        skep__memory_show(s->disk->memory, job, due_ms, expires_ms);
    }
    if (s->disk->store.events->shown != NULL) s->disk->store.events->shown(s->disk->store.context, job);
}

static const struct skep__job_row *known_of(const struct skep__job_rows *jobs, size_t *at, uint64_t id) {
    if (jobs == NULL) return NULL;
    while (*at < jobs->count && jobs->rows[*at].id < id) ++*at;
    return *at < jobs->count && jobs->rows[*at].id == id ? &jobs->rows[*at] : NULL;
}

/* Jobs that have not ended, in the order of the row; those that cannot be restored are left out. */
static int restore(const struct showing *s, struct skep__job **jobs, uint32_t *count) {
    const struct skep__frame_row *f = s->frame;
    struct skep_bytes data = f->jobs, keys = f->keys, item = {0}, key = {0};
    struct skep__submission submission = {.lease_ms = f->lease_ms,
                                          .attempts = f->attempts,
                                          .priority = (uint8_t)(f->class % SKEP__CLASS_KEPT),
                                          .delay_ms = f->due != 0,
                                          .ttl_ms = f->expires != 0};
    int status = SKEP_OK;
    for (uint32_t i = 0; i < f->n && status == SKEP_OK; i++) {
        if (!skep__disk_next_bin(&data, &item) || (f->keys.size_bytes > 0 && !skep__disk_next_bin(&keys, &key)))
            return SKEP_EDIR;
        if (skep__disk_has_ended(f, i)) continue;
        submission.data = item.data;
        submission.size_bytes = item.size_bytes;
        submission.key = key.size_bytes > 0 ? key.data : NULL;
        submission.key_bytes = key.size_bytes;
        status =
            skep__memory_restore(s->disk->memory, s->shelf->shelf, &submission, f->first + i, s->now_ms, &jobs[*count]);
        *count += status == SKEP_OK;
    }
    return status;
}

/* All of them or none. */
static int show_all(const struct showing *s, const struct skep__job_rows *known) {
    uint32_t count = 0;
    size_t at = 0;
    struct skep__job **jobs = malloc((s->row->left + 1) * sizeof(struct skep__job *));
    if (jobs == NULL) return SKEP_ENOMEM;
    int status = restore(s, jobs, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (status == SKEP_OK) show(s, jobs[i], known_of(known, &at, jobs[i]->id));
        else skep__memory_forget(s->disk->memory, jobs[i]);
    }
    free(jobs);
    return status;
}

int skep__disk_show(struct skep__disk *disk, struct skep__disk_shelf *shelf, const struct skep__frame_row *frame,
                    const struct skep__job_rows *jobs) {
    struct showing showing = {.disk = disk,
                              .shelf = shelf,
                              .frame = frame,
                              .row = row_of(disk, shelf, frame),
                              .now_ms = skep__clock_ms(disk->clock),
                              .wall_ms = skep__wall_ms(),
                              .fresh = jobs != NULL};
    if (showing.row == NULL) return SKEP_ENOMEM;
    disk->silent = true;
    int status = show_all(&showing, jobs);
    disk->silent = false;
    if (status != SKEP_OK) skep__disk_row_free(showing.row);
    return status;
}
