/* SPDX-License-Identifier: MIT
 * What the disk has from earlier starts. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/text.h"
#include "jobs/disk/private.h"

/* --- queues --- */

static int take_queue(void *disk, uint32_t id, const char *name) {
    return skep__disk_add_queue(disk, id, name);
}

/* Clients know by it whether the ids of a broker before are the same jobs here. */
static int identify(struct skep__disk *disk) {
    int status = skep__database_get(disk->database, "identity", &disk->identity);
    if (status != SKEP_OK || disk->identity != 0) return status;
    if (getrandom(&disk->identity, sizeof disk->identity, 0) != sizeof disk->identity) return SKEP_ESYS;
    disk->identity |= 1; /* 0 is none */
    disk->identity &= INT64_MAX;
    return skep__database_set(disk->database, "identity", disk->identity);
}

/* A start counts as a crash until its broker has written what it knows. */
static int begin(struct skep__disk *disk) {
    uint64_t last = 0;
    int status = skep__database_begin(disk->database);
    if (status == SKEP_OK) status = skep__database_get(disk->database, "crashes", &disk->crashes);
    if (status == SKEP_OK) status = skep__database_get(disk->database, "last", &last);
    if (status == SKEP_OK) status = identify(disk);
    if (status == SKEP_OK) status = skep__database_set(disk->database, "crashes", disk->crashes + 1);
    if (status == SKEP_OK) status = skep__database_tidy(disk->database);
    if (status == SKEP_OK) status = skep__database_commit(disk->database);
    skep__memory_set_last_id(disk->memory, last);
    return status;
}

int skep__disk_read_queues(struct skep__disk *disk) {
    int status = begin(disk);
    return status == SKEP_OK ? skep__database_queues(disk->database, take_queue, disk) : status;
}

/* --- a queue --- */

/* A shelf that is being restored */
struct restoring {
    struct skep__disk *disk;
    struct skep__disk_shelf *shelf;
    unsigned classes[SKEP__CLASSES];
    unsigned class_count;
    struct skep__job_rows jobs; /* of a row of frames */
    size_t room;
    uint64_t now_ms, wall_ms;
};

static int take_stored(void *context, unsigned class, uint64_t n, uint64_t first) {
    struct restoring *r = context;
    if (class >= SKEP__PRIORITIES) return SKEP_EDIR;
    r->shelf->stored[class] = (struct skep__stored){.n = n, .first = first};
    r->shelf->shelf->stored_count += n;
    r->shelf->shelf->kept_count += n;
    return SKEP_OK;
}

static int take_class(void *context, unsigned class) {
    struct restoring *r = context;
    if (class >= SKEP__CLASSES || r->class_count == SKEP__CLASSES) return SKEP_EDIR;
    r->classes[r->class_count++] = class;
    return SKEP_OK;
}

static int copy_text(struct skep_bytes *text) {
    char *copy = malloc(text->size_bytes + 1);
    if (copy == NULL) return SKEP_ENOMEM;
    if (text->size_bytes > 0) memcpy(copy, text->data, text->size_bytes);
    text->data = copy;
    return SKEP_OK;
}

static void clear_jobs(struct skep__job_rows *jobs) {
    for (size_t i = 0; i < jobs->count; i++) free((char *)jobs->rows[i].reason.data);
    jobs->count = 0;
}

static int take_job(void *context, const struct skep__job_row *row) {
    struct restoring *r = context;
    if (r->jobs.count == r->room) {
        size_t room = r->room > 0 ? r->room * 2 : 16;
        struct skep__job_row *rows = realloc(r->jobs.rows, room * sizeof *rows);
        if (rows == NULL) return SKEP_ENOMEM;
        r->jobs.rows = rows;
        r->room = room;
    }
    struct skep__job_row *taken = &r->jobs.rows[r->jobs.count];
    *taken = *row;
    if (row->dead) taken->cause = skep__text(skep__disk_cause(&row->cause));
    int status = copy_text(&taken->reason);
    r->jobs.count += status == SKEP_OK;
    return status;
}

static int take_frame(void *context, const struct skep__frame_row *frame) {
    struct restoring *r = context;
    int status = skep__database_jobs(r->disk->database, frame->first, frame->n, take_job, r);
    if (status == SKEP_OK) status = skep__disk_show(r->disk, r->shelf, frame, &r->jobs);
    clear_jobs(&r->jobs);
    return status;
}

static int take_key(void *context, const struct skep__key_row *row) {
    const struct restoring *r = context;
    uint64_t left_ms = row->until > r->wall_ms ? row->until - r->wall_ms : 0;
    if (left_ms > r->disk->store.limits.dedup_ms) left_ms = r->disk->store.limits.dedup_ms;
    return skep__memory_remember(r->disk->memory, r->shelf->shelf, &row->key, row->id, skep__disk_cause(&row->cause),
                                 r->now_ms + left_ms);
}

static int restore(struct restoring *r) {
    struct skep__database *database = r->disk->database;
    const uint32_t queue = r->shelf->id;
    int status = skep__database_stored(database, queue, take_stored, r);
    if (status == SKEP_OK) status = skep__database_keys(database, queue, take_key, r);
    if (status == SKEP_OK) status = skep__database_classes(database, queue, take_class, r);
    for (unsigned i = 0; i < r->class_count && status == SKEP_OK; i++) {
        unsigned class = r->classes[i];
        bool some_stored = class < SKEP__PRIORITIES && r->shelf->stored[class].n > 0;
        uint64_t before = some_stored ? r->shelf->stored[class].first : INT64_MAX;
        status = skep__database_frames(database, queue, class, 0, before, take_frame, r);
    }
    return status;
}

int skep__disk_restore(struct skep__store *store, struct skep__shelf *shelf, uint64_t now_ms) {
    struct skep__disk *disk = skep__disk_of(store);
    struct restoring r = {.disk = disk, .shelf = shelf->disk, .now_ms = now_ms, .wall_ms = skep__wall_ms()};
    if (shelf->disk->id == 0) return SKEP_OK;
    int status = restore(&r);
    free(r.jobs.rows);
    skep__disk_fill(disk, shelf->disk);
    return status;
}
