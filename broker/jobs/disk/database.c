/* SPDX-License-Identifier: MIT
 * Rows of the tables of jobs, written and read. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "jobs/disk/sqlite.h"

static const char *const texts[] = {
#define STATEMENT(id, sql) sql,
#include "jobs/disk/statements.def"
#undef STATEMENT
};

/* --- what is wrong --- */

const char *skep__database_why(const struct skep__database *d) {
    return d->why;
}

int skep__database_status(struct skep__database *d, int code) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return SKEP_OK;
    int error = sqlite3_system_errno(d->sqlite);
    snprintf(d->why, sizeof d->why, "%s", sqlite3_errmsg(d->sqlite));
    switch (code & 0xff) {
    case SQLITE_FULL: return SKEP_ENOSPC;
    case SQLITE_NOMEM: return SKEP_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SKEP_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SKEP_EDIR;
    default: break;
    }
    if (error == ENOSPC || error == EDQUOT) return SKEP_ENOSPC;
    if (error != 0) snprintf(d->why, sizeof d->why, "%s: %s", sqlite3_errstr(code), strerror(error));
    return SKEP_ESYS;
}

/* --- statements --- */

static int prepare(struct skep__database *d, enum skep__statement s, sqlite3_stmt **statement) {
    if (d->statements[s] == NULL) {
        int code = sqlite3_prepare_v3(d->sqlite, texts[s], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[s], NULL);
        if (code != SQLITE_OK) return skep__database_status(d, code);
    }
    *statement = d->statements[s];
    return SKEP_OK;
}

static int bind_bytes(sqlite3_stmt *statement, int at, const struct skep_bytes *bytes, bool text) {
    const char *data = bytes->size_bytes > 0 ? bytes->data : "";
    if (text) return sqlite3_bind_text64(statement, at, data, bytes->size_bytes, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, at, data, bytes->size_bytes, SQLITE_STATIC);
}

/* By a letter for each parameter: i, a uint64_t; b and t, const struct skep_bytes *, a blob or text; borrowed until the
 * statement has run. */
static int bind_all(struct skep__database *d, enum skep__statement s, sqlite3_stmt **out, const char *types,
                    va_list values) {
    int status = prepare(d, s, out), code = SQLITE_OK;
    for (int at = 1; status == SKEP_OK && code == SQLITE_OK && types[at - 1] != '\0'; at++) {
        char type = types[at - 1];
        if (type == 'i') code = sqlite3_bind_int64(*out, at, (sqlite3_int64)va_arg(values, uint64_t));
        else code = bind_bytes(*out, at, va_arg(values, const struct skep_bytes *), type == 't');
    }
    return status != SKEP_OK ? status : skep__database_status(d, code);
}

static int run(struct skep__database *d, enum skep__statement s, const char *types, ...) {
    sqlite3_stmt *statement;
    va_list values;
    va_start(values, types);
    int status = bind_all(d, s, &statement, types, values);
    va_end(values);
    if (status != SKEP_OK) return status;
    status = skep__database_status(d, sqlite3_step(statement));
    sqlite3_reset(statement);
    return status;
}

static uint64_t number_at(sqlite3_stmt *statement, int column) {
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static struct skep_bytes bytes_at(sqlite3_stmt *statement, int column) {
    const char *data = sqlite3_column_blob(statement, column);
    return (struct skep_bytes){data, (size_t)sqlite3_column_bytes(statement, column)};
}

/* Rows that are read one by one */
struct reading {
    struct skep__database *database;
    sqlite3_stmt *statement; /* NULL: it could not begin */
    int status;
};

static struct reading read_rows(struct skep__database *d, enum skep__statement s, const char *types, ...) {
    struct reading reading = {.database = d};
    va_list values;
    va_start(values, types);
    reading.status = bind_all(d, s, &reading.statement, types, values);
    va_end(values);
    return reading;
}

static bool next_row(struct reading *reading) {
    if (reading->status != SKEP_OK) return false;
    int code = sqlite3_step(reading->statement);
    if (code != SQLITE_ROW) reading->status = skep__database_status(reading->database, code);
    return code == SQLITE_ROW;
}

static int end_reading(struct reading *reading) {
    if (reading->statement != NULL) sqlite3_reset(reading->statement);
    return reading->status;
}

/* --- transactions --- */

int skep__database_begin(struct skep__database *d) {
    return run(d, SKEP__S_BEGIN, "");
}

int skep__database_commit(struct skep__database *d) {
    return run(d, SKEP__S_COMMIT, "");
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
    struct reading reading = read_rows(d, SKEP__S_GET, "t", &text);
    *value = 0;
    if (next_row(&reading)) *value = number_at(reading.statement, 0);
    return end_reading(&reading);
}

int skep__database_set(struct skep__database *d, const char *name, uint64_t value) {
    const struct skep_bytes text = text_of(name);
    return run(d, SKEP__S_SET, "ti", &text, value);
}

int skep__database_add_queue(struct skep__database *d, uint32_t id, const char *name) {
    const struct skep_bytes text = text_of(name);
    return run(d, SKEP__S_ADD_QUEUE, "it", (uint64_t)id, &text);
}

int skep__database_queues(struct skep__database *d, skep__queue_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_QUEUES, "");
    while (next_row(&reading))
        reading.status = row(context, (uint32_t)number_at(reading.statement, 0),
                             (const char *)sqlite3_column_text(reading.statement, 1));
    return end_reading(&reading);
}

/* --- frames --- */

/* Of what cannot be seen to be wrong by itself. */
static uint64_t crc_of(const struct skep__frame_row *row) {
    uint64_t head[] = {row->first,   row->n,        row->accepted, row->due,
                       row->expires, row->lease_ms, row->attempts, row->crashes};
    uLong crc = crc32(0, (const Bytef *)head, sizeof head);
    crc = crc32_z(crc, (const Bytef *)row->jobs.data, row->jobs.size_bytes);
    return crc32_z(crc, (const Bytef *)row->keys.data, row->keys.size_bytes);
}

int skep__database_add_frame(struct skep__database *d, const struct skep__frame_row *row) {
    return run(d, SKEP__S_ADD_FRAME, "iiiiiiiiiibbi", row->first, (uint64_t)row->queue, (uint64_t)row->n,
               (uint64_t)row->class, row->accepted, row->due, row->expires, (uint64_t)row->lease_ms,
               (uint64_t)row->attempts, row->crashes, &row->jobs, &row->keys, crc_of(row));
}

static struct skep__frame_row frame_at(sqlite3_stmt *s, uint32_t queue) {
    return (struct skep__frame_row){.first = number_at(s, 0),
                                    .n = (uint32_t)number_at(s, 1),
                                    .queue = queue,
                                    .class = (unsigned)number_at(s, 2),
                                    .accepted = number_at(s, 3),
                                    .due = number_at(s, 4),
                                    .expires = number_at(s, 5),
                                    .lease_ms = (uint32_t)number_at(s, 6),
                                    .attempts = (uint16_t)number_at(s, 7),
                                    .crashes = number_at(s, 8),
                                    .jobs = bytes_at(s, 9),
                                    .keys = bytes_at(s, 10),
                                    .ended = bytes_at(s, 12)};
}

/* Errors: SKEP_EDIR. */
static int check_frame(const struct reading *reading, const struct skep__frame_row *row) {
    struct skep__database *d = reading->database;
    if (crc_of(row) == number_at(reading->statement, 11)) return SKEP_OK;
    snprintf(d->why, sizeof d->why, "the row of job %llu is damaged", (unsigned long long)row->first);
    return SKEP_EDIR;
}

int skep__database_frames(struct skep__database *d, uint32_t queue, unsigned class, uint64_t from, uint64_t before,
                          skep__frame_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_FRAMES, "iiii", (uint64_t)queue, (uint64_t) class, from,
                                       before < INT64_MAX ? before : INT64_MAX);
    while (next_row(&reading)) {
        const struct skep__frame_row frame = frame_at(reading.statement, queue);
        reading.status = check_frame(&reading, &frame);
        if (reading.status == SKEP_OK) reading.status = row(context, &frame);
    }
    return end_reading(&reading);
}

int skep__database_frame_of(struct skep__database *d, uint64_t id, skep__frame_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_FRAME_OF, "i", id);
    while (next_row(&reading)) {
        const struct skep__frame_row frame = frame_at(reading.statement, (uint32_t)number_at(reading.statement, 13));
        if (id - frame.first >= frame.n) continue;
        reading.status = check_frame(&reading, &frame);
        if (reading.status == SKEP_OK) reading.status = row(context, &frame);
    }
    return end_reading(&reading);
}

int skep__database_classes(struct skep__database *d, uint32_t queue, skep__class_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_CLASSES, "i", (uint64_t)queue);
    while (next_row(&reading)) reading.status = row(context, (unsigned)number_at(reading.statement, 0));
    return end_reading(&reading);
}

int skep__database_mark(struct skep__database *d, uint64_t first, const struct skep_bytes *ended) {
    return run(d, SKEP__S_MARK, "ib", first, ended);
}

int skep__database_drop_frame(struct skep__database *d, uint64_t first) {
    int status = run(d, SKEP__S_DROP_FRAME, "i", first);
    return status == SKEP_OK ? run(d, SKEP__S_DROP_MARK, "i", first) : status;
}

int skep__database_stored(struct skep__database *d, uint32_t queue, skep__stored_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_STORED, "i", (uint64_t)queue);
    while (next_row(&reading))
        reading.status = row(context, (unsigned)number_at(reading.statement, 0), number_at(reading.statement, 1),
                             number_at(reading.statement, 2));
    return end_reading(&reading);
}

int skep__database_set_stored(struct skep__database *d, uint32_t queue, unsigned class, uint64_t n, uint64_t first) {
    return run(d, SKEP__S_SET_STORED, "iiii", (uint64_t)queue, (uint64_t) class, n, first);
}

/* --- single jobs --- */

int skep__database_put_job(struct skep__database *d, const struct skep__job_row *row) {
    return run(d, SKEP__S_PUT_JOB, "iiiiiiiiiittiiiii", row->id, row->crashes, (uint64_t)row->dead,
               (uint64_t)row->attempt, (uint64_t)row->failures, (uint64_t)row->deaths, (uint64_t)row->interruptions,
               row->due, row->since, row->died, &row->cause, &row->reason, (uint64_t)row->worker, (uint64_t)row->pid,
               (uint64_t)row->code, (uint64_t)row->signal, row->uptime_ms);
}

int skep__database_drop_job(struct skep__database *d, uint64_t id) {
    return run(d, SKEP__S_DROP_JOB, "i", id);
}

static struct skep__job_row job_at(sqlite3_stmt *s) {
    return (struct skep__job_row){.id = number_at(s, 0),
                                  .crashes = number_at(s, 1),
                                  .dead = number_at(s, 2) != 0,
                                  .attempt = (uint32_t)number_at(s, 3),
                                  .failures = (uint32_t)number_at(s, 4),
                                  .deaths = (uint16_t)number_at(s, 5),
                                  .interruptions = (uint16_t)number_at(s, 6),
                                  .due = number_at(s, 7),
                                  .since = number_at(s, 8),
                                  .died = number_at(s, 9),
                                  .cause = bytes_at(s, 10),
                                  .reason = bytes_at(s, 11),
                                  .worker = (uint32_t)number_at(s, 12),
                                  .pid = (int64_t)number_at(s, 13),
                                  .code = (int64_t)number_at(s, 14),
                                  .signal = (int64_t)number_at(s, 15),
                                  .uptime_ms = number_at(s, 16)};
}

int skep__database_jobs(struct skep__database *d, uint64_t first, uint64_t n, skep__job_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_JOBS, "ii", first, first + n);
    while (next_row(&reading)) {
        const struct skep__job_row job = job_at(reading.statement);
        reading.status = row(context, &job);
    }
    return end_reading(&reading);
}

/* --- keys and results --- */

int skep__database_put_key(struct skep__database *d, const struct skep__key_row *row) {
    return run(d, SKEP__S_PUT_KEY, "ibiti", (uint64_t)row->queue, &row->key, row->id, &row->cause, row->until);
}

int skep__database_drop_key(struct skep__database *d, uint32_t queue, const struct skep_bytes *key) {
    return run(d, SKEP__S_DROP_KEY, "ib", (uint64_t)queue, key);
}

int skep__database_keys(struct skep__database *d, uint32_t queue, skep__key_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_KEYS, "i", (uint64_t)queue);
    while (next_row(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__key_row key = {.queue = queue,
                                          .key = bytes_at(s, 0),
                                          .id = number_at(s, 1),
                                          .cause = bytes_at(s, 2),
                                          .until = number_at(s, 3)};
        reading.status = row(context, &key);
    }
    return end_reading(&reading);
}

int skep__database_put_result(struct skep__database *d, const struct skep__result_row *row) {
    return run(d, SKEP__S_PUT_RESULT, "ititbi", row->id, &row->queue, (uint64_t)row->attempt, &row->cause, &row->result,
               row->ended);
}

int skep__database_put_ended(struct skep__database *d, const struct skep__ended_row *row) {
    return run(d, SKEP__S_PUT_ENDED, "iiti", row->first, (uint64_t)row->n, &row->queue, row->ended);
}

int skep__database_result(struct skep__database *d, uint64_t id, skep__result_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_RESULT, "i", id);
    while (next_row(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__result_row result = {.id = id,
                                                .queue = bytes_at(s, 0),
                                                .attempt = (uint32_t)number_at(s, 1),
                                                .cause = bytes_at(s, 2),
                                                .result = bytes_at(s, 3),
                                                .ended = number_at(s, 4)};
        reading.status = row(context, &result);
    }
    return end_reading(&reading);
}

int skep__database_ended(struct skep__database *d, uint64_t id, skep__ended_row_cb row, void *context) {
    struct reading reading = read_rows(d, SKEP__S_ENDED_OF, "i", id);
    while (next_row(&reading)) {
        sqlite3_stmt *s = reading.statement;
        const struct skep__ended_row ended = {.first = number_at(s, 0),
                                              .n = (uint32_t)number_at(s, 1),
                                              .queue = bytes_at(s, 2),
                                              .ended = number_at(s, 3)};
        if (id - ended.first < ended.n) reading.status = row(context, &ended);
    }
    return end_reading(&reading);
}

int skep__database_tidy(struct skep__database *d) {
    return run(d, SKEP__S_TIDY_QUEUES, "");
}

int skep__database_forget(struct skep__database *d, uint64_t keys_until, uint64_t results_until) {
    int status = run(d, SKEP__S_FORGET_KEYS, "i", keys_until);
    if (status == SKEP_OK) status = run(d, SKEP__S_FORGET_RESULTS, "i", results_until);
    return status == SKEP_OK ? run(d, SKEP__S_FORGET_ENDED, "i", results_until) : status;
}
