/* SPDX-License-Identifier: MIT
 * Copies of jobs become rows, as if they had been put. */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "jobs/disk/private.h"
#include "jobs/disk/upkeep.h"

enum { MOST_JOBS = 1000, MOST_BYTES = 1024 * 1024 /* of a row */ };

struct skep__import {
    struct skep__database *database;
    uint64_t last_before, last, crashes;
    char queue[SKEP_MAX_NAME + 1]; /* that of the frame */
    struct skep__frame_row frame;
    struct skep_frame data, keys;
};

/* --- queues --- */

struct finding {
    const char *name;
    uint32_t id, last;
};

static int take_queue(void *context, uint32_t id, const char *name) {
    struct finding *f = context;
    if (id > f->last) f->last = id;
    if (f->name != NULL && strcmp(name, f->name) == 0) f->id = id;
    return SKEP_OK;
}

static int find_queue(const struct skep__import *import, const char *name, uint32_t *id) {
    struct finding f = {.name = name};
    int status = skep__database_queues(import->database, take_queue, &f);
    if (status != SKEP_OK) return status;
    *id = f.id != 0 ? f.id : f.last + 1;
    return f.id != 0 ? SKEP_OK : skep__database_add_queue(import->database, *id, name);
}

/* --- rows --- */

static int flush(struct skep__import *import) {
    struct skep__frame_row *frame = &import->frame;
    if (frame->n == 0) return SKEP_OK;
    frame->jobs = (struct skep_bytes){import->data.data, import->data.size_bytes};
    frame->keys = (struct skep_bytes){import->keys.data, import->keys.size_bytes};
    int status = skep__database_add_frame(import->database, frame);
    import->data.size_bytes = import->keys.size_bytes = 0;
    frame->n = 0;
    return status;
}

static bool is_known(const struct skep__job_row *row) {
    return row->dead || row->attempt > 0 || row->failures > 0 || row->deaths > 0 || row->interruptions > 0 ||
           row->due > 0;
}

static unsigned class_of(const struct skep__kept_job *job) {
    bool kept = job->key.size_bytes > 0 || job->expires > 0 || is_known(&job->row);
    return job->priority + (kept ? (unsigned)SKEP__CLASS_KEPT : 0);
}

static bool is_name(const struct skep__import *import, const struct skep_bytes *name) {
    return strlen(import->queue) == name->size_bytes && memcmp(import->queue, name->data, name->size_bytes) == 0;
}

/* Whether a job can be in the row that is being made. */
static bool fits(const struct skep__import *import, const struct skep__kept_job *job, uint64_t id) {
    const struct skep__frame_row *f = &import->frame;
    return f->n > 0 && f->n < MOST_JOBS && import->data.size_bytes + job->data.size_bytes <= MOST_BYTES &&
           id == f->first + f->n && is_name(import, &job->queue) && f->class == class_of(job) &&
           f->accepted == job->accepted && f->expires == job->expires && f->lease_ms == job->lease_ms &&
           f->attempts == job->attempts && (import->keys.size_bytes > 0) == (job->key.size_bytes > 0);
}

static int begin_frame(struct skep__import *import, const struct skep__kept_job *job, uint64_t id) {
    uint32_t queue = 0;
    int status = flush(import);
    skep__copy_text(import->queue, sizeof import->queue, &job->queue);
    if (status == SKEP_OK) status = find_queue(import, import->queue, &queue);
    import->frame = (struct skep__frame_row){.first = id,
                                             .queue = queue,
                                             .class = class_of(job),
                                             .accepted = job->accepted,
                                             .expires = job->expires,
                                             .crashes = import->crashes,
                                             .lease_ms = job->lease_ms,
                                             .attempts = job->attempts};
    return status;
}

static int check(const struct skep__kept_job *job) {
    if (job->queue.size_bytes == 0 || job->queue.size_bytes > SKEP_MAX_NAME) return SKEP_EINVAL;
    return job->data.size_bytes <= SKEP_MAX_PAYLOAD && job->key.size_bytes <= SKEP_MAX_NAME ? SKEP_OK : SKEP_ETOOBIG;
}

int skep__import_add(struct skep__import *import, const struct skep__kept_job *job) {
    const uint64_t id = job->row.id > import->last ? job->row.id : import->last + 1;
    struct skep__job_row row = job->row;
    int status = check(job);
    if (status == SKEP_OK && !fits(import, job, id)) status = begin_frame(import, job, id);
    if (status == SKEP_OK) status = skep__list_add(&import->data, job->data.data, job->data.size_bytes);
    if (status == SKEP_OK && job->key.size_bytes > 0)
        status = skep__list_add(&import->keys, job->key.data, job->key.size_bytes);
    if (status != SKEP_OK) return status;
    import->frame.n++;
    import->last = row.id = id;
    row.crashes = import->crashes;
    return is_known(&row) ? skep__database_put_job(import->database, &row) : SKEP_OK;
}

/* --- what a start shows --- */

/* Rows of a queue, the most urgent ones first: so many are read into memory at a start. What was there before stays on
 * the side where it was, since workers may have begun what was in memory. */
struct sorting {
    struct skep__import *import;
    uint32_t queue;
    uint64_t shown;
    struct skep__stored before[SKEP__PRIORITIES], after; /* those of a class that are on the disk only */
    unsigned class;
};

static int take_stored(void *context, unsigned class, uint64_t n, uint64_t first) {
    struct sorting *s = context;
    if (class < SKEP__PRIORITIES) s->before[class] = (struct skep__stored){.n = n, .first = first};
    return SKEP_OK;
}

static int sort_row(void *context, const struct skep__frame_row *frame) {
    struct sorting *s = context;
    const struct skep__stored *before = &s->before[s->class];
    const uint64_t left = skep__disk_left(frame);
    const bool was_stored = before->n > 0 && frame->first >= before->first;
    const bool was_shown = frame->first <= s->import->last_before && !was_stored;
    if (s->after.n == 0 && !was_stored && (was_shown || s->shown < SKEP__SHOWN_JOBS)) {
        s->shown += left;
        return SKEP_OK;
    }
    if (s->after.n == 0) s->after.first = frame->first;
    s->after.n += left;
    return SKEP_OK;
}

static int sort_queue(void *context, uint32_t queue, const char *name) {
    struct skep__import *import = context;
    struct sorting *s = calloc(1, sizeof *s);
    (void)name;
    if (s == NULL) return SKEP_ENOMEM;
    *s = (struct sorting){.import = import, .queue = queue};
    int status = skep__database_stored(import->database, queue, take_stored, s);
    for (s->class = 0; s->class < SKEP__PRIORITIES && status == SKEP_OK; s->class ++) {
        s->after = (struct skep__stored){0};
        status = skep__database_frames(import->database, queue, s->class, 0, INT64_MAX, sort_row, s);
        if (status == SKEP_OK && (s->after.n > 0 || s->before[s->class].n > 0))
            status = skep__database_set_stored(import->database, queue, s->class, s->after.n, s->after.first);
    }
    free(s);
    return status;
}

int skep__import_commit(struct skep__import *import) {
    int status = flush(import);
    if (status == SKEP_OK) status = skep__database_queues(import->database, sort_queue, import);
    if (status == SKEP_OK) status = skep__database_set(import->database, "last", import->last);
    return status == SKEP_OK ? skep__database_commit(import->database) : status;
}

/* --- life --- */

const char *skep__import_why(const struct skep__import *import) {
    return skep__database_why(import->database);
}

void skep__import_free(struct skep__import **out) {
    struct skep__import *import = *out;
    if (import == NULL) return;
    if (import->database != NULL) skep__database_roll_back(import->database);
    skep__database_close(&import->database);
    skep__frame_free(&import->data);
    skep__frame_free(&import->keys);
    free(import);
    *out = NULL;
}

int skep__import_new(struct skep__import **out, const char *dir, char why[SKEP_MAX_REASON + 1]) {
    struct skep__import *import = calloc(1, sizeof *import);
    if (import == NULL) return SKEP_ENOMEM;
    int status = skep__database_open(&import->database, dir, SKEP__JOBS_FILE, why);
    if (status == SKEP_OK) status = skep__database_begin(import->database);
    if (status == SKEP_OK) status = skep__database_get(import->database, "last", &import->last);
    if (status == SKEP_OK) status = skep__database_get(import->database, "crashes", &import->crashes);
    import->last_before = import->last;
    if (status == SKEP_OK) *out = import;
    else skep__import_free(&import);
    return status;
}
