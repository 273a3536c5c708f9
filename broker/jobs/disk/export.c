/* SPDX-License-Identifier: MIT
 * Copies of all jobs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/disk/private.h"
#include "jobs/disk/sqlite.h"
#include "jobs/disk/upkeep.h"

struct name {
    uint32_t id;
    char name[SKEP_MAX_NAME + 1];
};

struct exporting {
    struct skep__database *database;
    struct name *queues;
    size_t count;
    uint64_t crashes; /* by now, the last broker's among them */
    skep__kept_job_cb copy;
    void *context;
};

static int take_queue(void *context, uint32_t id, const char *name) {
    struct exporting *e = context;
    struct name *queues = realloc(e->queues, (e->count + 1) * sizeof *queues);
    if (queues == NULL) return SKEP_ENOMEM;
    e->queues = queues;
    queues[e->count].id = id;
    snprintf(queues[e->count++].name, sizeof queues->name, "%s", name);
    return SKEP_OK;
}

static struct skep_bytes name_of(const struct exporting *e, uint32_t id) {
    for (size_t i = 0; i < e->count; i++)
        if (e->queues[i].id == id) return (struct skep_bytes){e->queues[i].name, strlen(e->queues[i].name)};
    return (struct skep_bytes){0};
}

/* Each crash since may have begun what is ready. */
static void add_unknown_attempts(const struct exporting *e, struct skep__job_row *row) {
    if (!row->dead && row->due <= skep__wall_ms()) row->attempt += (uint32_t)(e->crashes - row->crashes);
}

static int copy_job(struct exporting *e, const struct skep__frame_row *frame, const struct skep__job_row *row,
                    const struct skep_bytes *data, const struct skep_bytes *key) {
    struct skep__kept_job job = {.queue = name_of(e, frame->queue),
                                 .data = *data,
                                 .key = *key,
                                 .priority = (uint8_t)(frame->class % SKEP__CLASS_KEPT),
                                 .accepted = frame->accepted,
                                 .expires = frame->expires,
                                 .lease_ms = frame->lease_ms,
                                 .attempts = frame->attempts,
                                 .row = *row};
    add_unknown_attempts(e, &job.row);
    return e->copy(e->context, &job);
}

/* What is known of single jobs is read in step with them. */
static int copy_frame(void *context, const struct skep__frame_row *frame) {
    struct exporting *e = context;
    struct skep_bytes jobs = frame->jobs, keys = frame->keys, data = {0}, key = {0};
    struct skep__reading reading =
        skep__sql_read(e->database, SKEP__S_JOBS, "ii", frame->first, frame->first + frame->n);
    bool known = skep__sql_next(&reading);
    for (uint32_t i = 0; i < frame->n && reading.status == SKEP_OK; i++) {
        struct skep__job_row row = {.id = frame->first + i,
                                    .crashes = frame->crashes,
                                    .due = frame->due,
                                    .since = frame->due > 0 ? frame->accepted : 0,
                                    .code = -1,
                                    .signal = -1};
        const bool is_known = known && skep__sql_number(reading.statement, 0) == row.id;
        if (is_known) row = skep__job_at(reading.statement);
        if (!skep__disk_next_bin(&jobs, &data) || (keys.size_bytes > 0 && !skep__disk_next_bin(&keys, &key)))
            reading.status = SKEP_EDIR;
        else if (!skep__disk_has_ended(frame, i)) reading.status = copy_job(e, frame, &row, &data, &key);
        if (is_known && reading.status == SKEP_OK) known = skep__sql_next(&reading);
    }
    return skep__sql_end(&reading);
}

int skep__jobs_export(const char *dir, skep__kept_job_cb copy, void *context, char why[SKEP_MAX_REASON + 1]) {
    struct exporting e = {.copy = copy, .context = context};
    int status = skep__database_look(&e.database, dir, why);
    if (status != SKEP_OK) return status;
    status = skep__database_queues(e.database, take_queue, &e);
    if (status == SKEP_OK) status = skep__database_get(e.database, "crashes", &e.crashes);
    if (status == SKEP_OK) status = skep__database_all_frames(e.database, copy_frame, &e);
    if (status != SKEP_OK)
        snprintf(why, SKEP_MAX_REASON + 1, "%.400s/%s: %s", dir, SKEP__JOBS_FILE, skep__database_why(e.database));
    free(e.queues);
    skep__database_close(&e.database);
    return status;
}
