/* SPDX-License-Identifier: MIT
 * Rows of the tables of jobs, written and read. */
#include <string.h>

#include "jobs/disk/sqlite.h"

const char *skep__database_why(const struct skep__database *d) {
    return d->why;
}

/* --- transactions --- */

int skep__database_begin(struct skep__database *d) {
    return skep__sql_run(d, SKEP__S_BEGIN, "");
}

int skep__database_commit(struct skep__database *d) {
    return skep__sql_run(d, SKEP__S_COMMIT, "");
}

/* What failed may have rolled back already. */
void skep__database_roll_back(struct skep__database *d) {
    if (!sqlite3_get_autocommit(d->sqlite)) sqlite3_exec(d->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

/* --- numbers and queues --- */

static struct skep_bytes text_of(const char *text) {
    return (struct skep_bytes){text, strlen(text)};
}

int skep__database_get(struct skep__database *d, const char *name, uint64_t *value) {
    const struct skep_bytes text = text_of(name);
    struct skep__reading reading = skep__sql_read(d, SKEP__S_GET, "t", &text);
    *value = 0;
    if (skep__sql_next(&reading)) *value = skep__sql_number(reading.statement, 1);
    return skep__sql_end(&reading);
}

int skep__database_set(struct skep__database *d, const char *name, uint64_t value) {
    const struct skep_bytes text = text_of(name);
    return skep__sql_run(d, SKEP__S_SET, "tic", &text, value);
}

int skep__database_add_queue(struct skep__database *d, uint32_t id, const char *name) {
    const struct skep_bytes text = text_of(name);
    return skep__sql_run(d, SKEP__S_ADD_QUEUE, "itc", (uint64_t)id, &text);
}

int skep__database_queues(struct skep__database *d, skep__queue_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_QUEUES, "");
    while (skep__sql_next(&reading))
        reading.status = row(context, (uint32_t)skep__sql_number(reading.statement, 0),
                             (const char *)sqlite3_column_text(reading.statement, 1));
    return skep__sql_end(&reading);
}

/* --- frames --- */

enum { MARK = 13 /* the column where a row of marks begins */ };

int skep__database_add_frame(struct skep__database *d, const struct skep__frame_row *row) {
    return skep__sql_run(d, SKEP__S_ADD_FRAME, "iiiiiiiiiibbc", row->first, (uint64_t)row->queue, (uint64_t)row->n,
                         (uint64_t)row->class, row->accepted, row->due, row->expires, (uint64_t)row->lease_ms,
                         (uint64_t)row->attempts, row->crashes, &row->jobs, &row->keys);
}

static struct skep__frame_row frame_at(sqlite3_stmt *s) {
    return (struct skep__frame_row){.first = skep__sql_number(s, 0),
                                    .queue = (uint32_t)skep__sql_number(s, 1),
                                    .n = (uint32_t)skep__sql_number(s, 2),
                                    .class = (unsigned)skep__sql_number(s, 3),
                                    .accepted = skep__sql_number(s, 4),
                                    .due = skep__sql_number(s, 5),
                                    .expires = skep__sql_number(s, 6),
                                    .lease_ms = (uint32_t)skep__sql_number(s, 7),
                                    .attempts = (uint16_t)skep__sql_number(s, 8),
                                    .crashes = skep__sql_number(s, 9),
                                    .jobs = skep__sql_bytes(s, 10),
                                    .keys = skep__sql_bytes(s, 11),
                                    .ended = skep__sql_bytes(s, MARK + 1)};
}

/* A row with its row of marks, if it has one. */
static void take_frame(struct skep__reading *reading, skep__frame_row_cb row, void *context) {
    sqlite3_stmt *s = reading->statement;
    const struct skep__frame_row frame = frame_at(s);
    if (sqlite3_column_type(s, MARK) != SQLITE_NULL && !skep__sql_is_sound(s, MARK, 2)) skep__sql_damaged(reading);
    else reading->status = row(context, &frame);
}

int skep__database_frames(struct skep__database *d, uint32_t queue, unsigned class, uint64_t from, uint64_t before,
                          skep__frame_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_FRAMES, "iiii", (uint64_t)queue, (uint64_t) class, from,
                                                  before < INT64_MAX ? before : INT64_MAX);
    while (skep__sql_next(&reading)) take_frame(&reading, row, context);
    return skep__sql_end(&reading);
}

int skep__database_all_frames(struct skep__database *d, skep__frame_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_ALL_FRAMES, "");
    while (skep__sql_next(&reading)) take_frame(&reading, row, context);
    return skep__sql_end(&reading);
}

int skep__database_frame_of(struct skep__database *d, uint64_t id, skep__frame_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_FRAME_OF, "i", id);
    while (skep__sql_next(&reading)) {
        const struct skep__frame_row frame = frame_at(reading.statement);
        if (id - frame.first < frame.n) take_frame(&reading, row, context);
    }
    return skep__sql_end(&reading);
}

int skep__database_classes(struct skep__database *d, uint32_t queue, skep__class_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_CLASSES, "i", (uint64_t)queue);
    while (skep__sql_next(&reading)) reading.status = row(context, (unsigned)skep__sql_number(reading.statement, 0));
    return skep__sql_end(&reading);
}

int skep__database_mark(struct skep__database *d, uint64_t first, const struct skep_bytes *ended) {
    return skep__sql_run(d, SKEP__S_MARK, "ibc", first, ended);
}

int skep__database_drop_frame(struct skep__database *d, uint64_t first) {
    int status = skep__sql_run(d, SKEP__S_DROP_FRAME, "i", first);
    return status == SKEP_OK ? skep__sql_run(d, SKEP__S_DROP_MARK, "i", first) : status;
}

int skep__database_stored(struct skep__database *d, uint32_t queue, skep__stored_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_STORED, "i", (uint64_t)queue);
    while (skep__sql_next(&reading))
        reading.status = row(context, (unsigned)skep__sql_number(reading.statement, 1),
                             skep__sql_number(reading.statement, 2), skep__sql_number(reading.statement, 3));
    return skep__sql_end(&reading);
}

int skep__database_set_stored(struct skep__database *d, uint32_t queue, unsigned class, uint64_t n, uint64_t first) {
    return skep__sql_run(d, SKEP__S_SET_STORED, "iiiic", (uint64_t)queue, (uint64_t) class, n, first);
}

/* --- single jobs --- */

int skep__database_put_job(struct skep__database *d, const struct skep__job_row *row) {
    return skep__sql_run(d, SKEP__S_PUT_JOB, "iiiiiiiiiittiiiiic", row->id, row->crashes, (uint64_t)row->dead,
                         (uint64_t)row->attempt, (uint64_t)row->failures, (uint64_t)row->deaths,
                         (uint64_t)row->interruptions, row->due, row->since, row->died, &row->cause, &row->reason,
                         (uint64_t)row->worker, (uint64_t)row->pid, (uint64_t)row->code, (uint64_t)row->signal,
                         row->uptime_ms);
}

int skep__database_drop_job(struct skep__database *d, uint64_t id) {
    return skep__sql_run(d, SKEP__S_DROP_JOB, "i", id);
}

struct skep__job_row skep__job_at(sqlite3_stmt *s) {
    return (struct skep__job_row){.id = skep__sql_number(s, 0),
                                  .crashes = skep__sql_number(s, 1),
                                  .dead = skep__sql_number(s, 2) != 0,
                                  .attempt = (uint32_t)skep__sql_number(s, 3),
                                  .failures = (uint32_t)skep__sql_number(s, 4),
                                  .deaths = (uint16_t)skep__sql_number(s, 5),
                                  .interruptions = (uint16_t)skep__sql_number(s, 6),
                                  .due = skep__sql_number(s, 7),
                                  .since = skep__sql_number(s, 8),
                                  .died = skep__sql_number(s, 9),
                                  .cause = skep__sql_bytes(s, 10),
                                  .reason = skep__sql_bytes(s, 11),
                                  .worker = (uint32_t)skep__sql_number(s, 12),
                                  .pid = (int64_t)skep__sql_number(s, 13),
                                  .code = (int64_t)skep__sql_number(s, 14),
                                  .signal = (int64_t)skep__sql_number(s, 15),
                                  .uptime_ms = skep__sql_number(s, 16)};
}

int skep__database_jobs(struct skep__database *d, uint64_t first, uint64_t n, skep__job_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_JOBS, "ii", first, first + n);
    while (skep__sql_next(&reading)) {
        const struct skep__job_row job = skep__job_at(reading.statement);
        reading.status = row(context, &job);
    }
    return skep__sql_end(&reading);
}

/* --- keys and results --- */

int skep__database_put_key(struct skep__database *d, const struct skep__key_row *row) {
    return skep__sql_run(d, SKEP__S_PUT_KEY, "ibitic", (uint64_t)row->queue, &row->key, row->id, &row->cause,
                         row->until);
}

int skep__database_drop_key(struct skep__database *d, uint32_t queue, const struct skep_bytes *key) {
    return skep__sql_run(d, SKEP__S_DROP_KEY, "ib", (uint64_t)queue, key);
}

int skep__database_keys(struct skep__database *d, uint32_t queue, skep__key_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_KEYS, "i", (uint64_t)queue);
    while (skep__sql_next(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__key_row key = {.queue = queue,
                                          .key = skep__sql_bytes(s, 1),
                                          .id = skep__sql_number(s, 2),
                                          .cause = skep__sql_bytes(s, 3),
                                          .until = skep__sql_number(s, 4)};
        reading.status = row(context, &key);
    }
    return skep__sql_end(&reading);
}

int skep__database_put_result(struct skep__database *d, const struct skep__result_row *row) {
    return skep__sql_run(d, SKEP__S_PUT_RESULT, "ititbic", row->id, &row->queue, (uint64_t)row->attempt, &row->cause,
                         &row->result, row->ended);
}

int skep__database_put_ended(struct skep__database *d, const struct skep__ended_row *row) {
    return skep__sql_run(d, SKEP__S_PUT_ENDED, "iitic", row->first, (uint64_t)row->n, &row->queue, row->ended);
}

int skep__database_result(struct skep__database *d, uint64_t id, skep__result_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_RESULT, "i", id);
    while (skep__sql_next(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__result_row result = {.id = id,
                                                .queue = skep__sql_bytes(s, 1),
                                                .attempt = (uint32_t)skep__sql_number(s, 2),
                                                .cause = skep__sql_bytes(s, 3),
                                                .result = skep__sql_bytes(s, 4),
                                                .ended = skep__sql_number(s, 5)};
        reading.status = row(context, &result);
    }
    return skep__sql_end(&reading);
}

int skep__database_ended(struct skep__database *d, uint64_t id, skep__ended_row_cb row, void *context) {
    struct skep__reading reading = skep__sql_read(d, SKEP__S_ENDED_OF, "i", id);
    while (skep__sql_next(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__ended_row ended = {.first = skep__sql_number(s, 0),
                                              .n = (uint32_t)skep__sql_number(s, 1),
                                              .queue = skep__sql_bytes(s, 2),
                                              .ended = skep__sql_number(s, 3)};
        if (id - ended.first < ended.n) reading.status = row(context, &ended);
    }
    return skep__sql_end(&reading);
}

int skep__database_tidy(struct skep__database *d) {
    return skep__sql_run(d, SKEP__S_TIDY_QUEUES, "");
}

int skep__database_forget(struct skep__database *d, uint64_t keys_until, uint64_t results_until) {
    int status = skep__sql_run(d, SKEP__S_FORGET_KEYS, "i", keys_until);
    if (status == SKEP_OK) status = skep__sql_run(d, SKEP__S_FORGET_RESULTS, "i", results_until);
    return status == SKEP_OK ? skep__sql_run(d, SKEP__S_FORGET_ENDED, "i", results_until) : status;
}
