/* SPDX-License-Identifier: MIT */
#include "jobs/disk/holdings.h"

#include "jobs/disk/private.h"

int skep__query_number(struct skep__database *d, const char *sql, uint64_t *number) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) return skep__database_status(d, code);
    code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? skep__sql_number(statement, 0) : 0;
    int status = skep__database_status(d, code);
    sqlite3_finalize(statement);
    return status;
}

static int count_left(void *context, const struct skep__frame_row *frame) {
    uint64_t *n = context;
    *n += skep__disk_left(frame);
    return SKEP_OK;
}

int skep__count_stored(struct skep__database *d, uint32_t queue, unsigned class, uint64_t first, uint64_t *n) {
    *n = 0;
    return skep__database_frames(d, queue, class, first, INT64_MAX, count_left, n);
}

/* Those of all rows, dead ones among them. */
static int count_jobs(struct skep__database *d, uint64_t *n) {
    sqlite3_stmt *statement;
    static const char sql[] = "SELECT n, ended FROM frames LEFT JOIN marks ON marks.first = frames.first";
    int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) return skep__database_status(d, code);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct skep__frame_row frame = {.n = (uint32_t)skep__sql_number(statement, 0),
                                              .ended = skep__sql_bytes(statement, 1)};
        *n += skep__disk_left(&frame);
    }
    int status = skep__database_status(d, code);
    sqlite3_finalize(statement);
    return status;
}

int skep__holdings_count(struct skep__database *d, struct skep__holdings *has) {
    *has = (struct skep__holdings){0};
    int status = skep__query_number(d, "SELECT count(*) FROM queues", &has->queues);
    if (status == SKEP_OK) status = skep__query_number(d, "SELECT count(*) FROM jobs WHERE dead", &has->dead);
    if (status == SKEP_OK) status = skep__query_number(d, "SELECT count(*) FROM keys", &has->keys);
    if (status == SKEP_OK) status = skep__query_number(d, "SELECT count(*) FROM results", &has->results);
    if (status == SKEP_OK) status = count_jobs(d, &has->jobs);
    has->jobs -= has->dead < has->jobs ? has->dead : has->jobs;
    return status;
}
