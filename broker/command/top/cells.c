/* SPDX-License-Identifier: MIT
 * What skep top shows of a worker, a listener, a queue: a function for each column. */
#include <inttypes.h>
#include <string.h>

#include "command/common/print.h"
#include "command/common/times.h"
#include "command/common/utf8.h"
#include "command/top/table.h"

void top_number(double number, char cell[TOP_CELL_BYTES]) {
    if (number < 0) snprintf(cell, TOP_CELL_BYTES, "-");
    else if (number > 0 && number < 9.95) snprintf(cell, TOP_CELL_BYTES, "%.1f", number);
    else if (number < 9999.5) snprintf(cell, TOP_CELL_BYTES, "%.0f", number);
    else if (number < 999.95e3) snprintf(cell, TOP_CELL_BYTES, "%.1fk", number / 1e3);
    else if (number < 999.95e6) snprintf(cell, TOP_CELL_BYTES, "%.1fM", number / 1e6);
    else snprintf(cell, TOP_CELL_BYTES, "%.1fG", number / 1e9);
}

static void count(uint64_t number, char cell[TOP_CELL_BYTES]) {
    if (number < 10) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64, number);
    else top_number((double)number, cell);
}

static void text(const char *from, char cell[TOP_CELL_BYTES]) {
    snprintf(cell, TOP_CELL_BYTES, "%.*s", TOP_CELL_BYTES - 1, from);
    cell[utf8_whole(cell, strlen(cell))] = '\0';
}

/* Without the space between number and unit: columns are narrow. */
static void duration(const struct top_quantiles *quantiles, uint64_t duration_ns, char cell[TOP_CELL_BYTES]) {
    char words[DURATION_BYTES];
    duration_text(duration_ns, words);
    char *space = strchr(words, ' ');
    if (space != NULL) memmove(space, space + 1, strlen(space));
    snprintf(cell, TOP_CELL_BYTES, "%s", quantiles->total > 0 ? words : "-");
}

static void age(uint64_t age_ms, char cell[TOP_CELL_BYTES]) {
    uint64_t s = age_ms / 1000;
    if (s < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "s", s);
    else if (s / 60 < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "m", s / 60);
    else if (s / 3600 < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "h", s / 3600);
    else snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "d", s / 86400);
}

/* How columns are shown: all are left out if they are empty. */
#define NUMBER(rank) (COLUMN_OPTIONAL | COLUMN_RANK(rank))
#define TEXT(rank) (COLUMN_LEFT | NUMBER(rank))

static const void *item_of(const void *row) {
    return ((const struct top_row *)row)->item;
}

static const struct top_model *model_of(const void *row) {
    return ((const struct top_row *)row)->model;
}

/* Fields that are shown as they are */
#define TEXT_COLUMN(kind, field)                                                  \
    static void kind##_##field(const void *row, char *cell) {                     \
        text(((const struct top_##kind *)item_of(row))->status.field.data, cell); \
    }
#define COUNT_COLUMN(kind, field)                                             \
    static void kind##_##field(const void *row, char *cell) {                 \
        count(((const struct top_##kind *)item_of(row))->status.field, cell); \
    }

/* --- workers --- */

static void worker_id(const void *row, char *cell) {
    const struct top_worker *worker = item_of(row);
    snprintf(cell, TOP_CELL_BYTES, "%" PRIu64, worker->status.worker);
}

static void worker_pid(const void *row, char *cell) {
    const struct top_worker *worker = item_of(row);
    snprintf(cell, TOP_CELL_BYTES, "%" PRIu64, worker->status.pid);
}

TEXT_COLUMN(worker, group)

TEXT_COLUMN(worker, name)

TEXT_COLUMN(worker, state)

/* What a worker that drains waits for, and when it gets a signal if it still waits then */
static void worker_waits(const void *row, char *cell) {
    const struct top_worker *worker = item_of(row);
    if (strcmp(worker->status.state.data, "draining") != 0) return;
    size_t used = add_counted(cell, TOP_CELL_BYTES, 0, worker->status.connections + worker->status.untaken, "conn");
    used = add_counted(cell, TOP_CELL_BYTES, used, worker->status.jobs, "job");
    if (used == 0) used = (size_t)snprintf(cell, TOP_CELL_BYTES, "its end");
    if (!SKEP_HAS(workerStatus, &worker->status, drain_ms) || used >= TOP_CELL_BYTES) return;
    snprintf(cell + used, TOP_CELL_BYTES - used, ", %" PRIu64 "s", (worker->status.drain_ms + 999) / 1000);
}

static void worker_cpu(const void *row, char *cell) {
    double percent = ((const struct top_worker *)item_of(row))->cpu_percent;
    snprintf(cell, TOP_CELL_BYTES, percent < 0 ? "-" : "%.0f", percent);
}

static void worker_rss(const void *row, char *cell) {
    double megabytes = (double)((const struct top_worker *)item_of(row))->status.rss_bytes / 1e6;
    if (megabytes < 999.95) snprintf(cell, TOP_CELL_BYTES, "%.1fM", megabytes);
    else snprintf(cell, TOP_CELL_BYTES, "%.1fG", megabytes / 1e3);
}

COUNT_COLUMN(worker, connections)

static void worker_accepted(const void *row, char *cell) {
    top_number(top_worker_rate(model_of(row), item_of(row), TOP_ACCEPTED_RATE), cell);
}

static void worker_requests(const void *row, char *cell) {
    top_number(top_worker_rate(model_of(row), item_of(row), TOP_REQUESTS_RATE), cell);
}

static void worker_jobs(const void *row, char *cell) {
    top_number(top_worker_rate(model_of(row), item_of(row), TOP_JOBS_RATE), cell);
}

static void worker_p50(const void *row, char *cell) {
    struct top_quantiles times = top_worker_times(model_of(row), item_of(row));
    duration(&times, times.p50_ns, cell);
}

static void worker_p99(const void *row, char *cell) {
    struct top_quantiles times = top_worker_times(model_of(row), item_of(row));
    duration(&times, times.p99_ns, cell);
}

COUNT_COLUMN(worker, restarts)

static void worker_age(const void *row, char *cell) {
    age(((const struct top_worker *)item_of(row))->status.uptime_ms, cell);
}

static enum top_style worker_style(const void *item) {
    const char *state = ((const struct top_worker *)item)->status.state.data;
    if (strcmp(state, "ready") == 0) return TOP_PLAIN;
    return strcmp(state, "draining") == 0 ? TOP_WARN : TOP_GOOD;
}

static const struct column worker_columns[] = {
    {"GROUP", NULL, worker_group, TEXT(2)},
    {"ID", NULL, worker_id, NUMBER(0)},
    {"PID", NULL, worker_pid, NUMBER(6)},
    {"STATE", NULL, worker_state, TEXT(1)},
    {"WAITS FOR", NULL, worker_waits, TEXT(2)},
    {"CPU%", NULL, worker_cpu, NUMBER(5)},
    {"RSS", NULL, worker_rss, NUMBER(7)},
    {"CONNS", NULL, worker_connections, NUMBER(8)},
    {"CONN/S", NULL, worker_accepted, NUMBER(11)},
    {"REQ/S", NULL, worker_requests, NUMBER(4)},
    {"JOBS/S", NULL, worker_jobs, NUMBER(9)},
    {"P50", NULL, worker_p50, NUMBER(12)},
    {"P99", NULL, worker_p99, NUMBER(3)},
    {"RESTARTS", NULL, worker_restarts, NUMBER(13)},
    {"AGE", NULL, worker_age, NUMBER(10)},
    {"NAME", NULL, worker_name, TEXT(14)},
    {0},
};

const struct top_table top_worker_table = {worker_columns, worker_style};

/* --- listeners --- */

TEXT_COLUMN(listener, url)

TEXT_COLUMN(listener, name)

static const char *state_of(const struct top_listener *listener) {
    if (listener->status.resting) return "paused";
    return listener->status.paused ? "waiting" : "accepting";
}

static void listener_state(const void *row, char *cell) {
    text(state_of(item_of(row)), cell);
}

static void listener_rate(const void *row, char *cell) {
    top_number(top_listener_rate(model_of(row), item_of(row)), cell);
}

COUNT_COLUMN(listener, accepted)
COUNT_COLUMN(listener, queued)

static enum top_style listener_style(const void *item) {
    const struct top_listener *listener = item;
    return listener->status.resting || listener->status.paused ? TOP_WARN : TOP_PLAIN;
}

static const struct column listener_columns[] = {
    {"LISTENER", NULL, listener_url, TEXT(0)},
    {"NAME", NULL, listener_name, TEXT(5)},
    {"STATE", NULL, listener_state, TEXT(1)},
    {"CONN/S", NULL, listener_rate, NUMBER(2)},
    {"ACCEPTED", NULL, listener_accepted, NUMBER(4)},
    {"QUEUED", NULL, listener_queued, NUMBER(3)},
    {0},
};

const struct top_table top_listener_table = {listener_columns, listener_style};

/* --- queues --- */

TEXT_COLUMN(queue, name)

static void queue_state(const void *row, char *cell) {
    const struct top_queue *queue = item_of(row);
    if (queue->status.paused) text("paused", cell);
    else if (queue->status.workers == 0 && queue->status.ready > 0) text("unhandled", cell);
}

COUNT_COLUMN(queue, ready)
COUNT_COLUMN(queue, reserved)
COUNT_COLUMN(queue, delayed)
COUNT_COLUMN(queue, dead)

static void queue_rate(const void *row, char *cell) {
    top_number(top_queue_rate(model_of(row), item_of(row)), cell);
}

static void queue_p50(const void *row, char *cell) {
    struct top_quantiles times = top_queue_times(model_of(row), item_of(row));
    duration(&times, times.p50_ns, cell);
}

static void queue_p99(const void *row, char *cell) {
    struct top_quantiles times = top_queue_times(model_of(row), item_of(row));
    duration(&times, times.p99_ns, cell);
}

static enum top_style queue_style(const void *item) {
    const struct top_queue *queue = item;
    if (queue->status.dead > 0) return TOP_BAD;
    return queue->status.paused || (queue->status.workers == 0 && queue->status.ready > 0) ? TOP_WARN : TOP_PLAIN;
}

static const struct column queue_columns[] = {
    {"QUEUE", NULL, queue_name, TEXT(0)},        {"STATE", NULL, queue_state, TEXT(1)},
    {"READY", NULL, queue_ready, NUMBER(2)},     {"RESERVED", NULL, queue_reserved, NUMBER(6)},
    {"DELAYED", NULL, queue_delayed, NUMBER(7)}, {"DEAD", NULL, queue_dead, NUMBER(4)},
    {"DONE/S", NULL, queue_rate, NUMBER(3)},     {"P50", NULL, queue_p50, NUMBER(8)},
    {"P99", NULL, queue_p99, NUMBER(5)},         {0},
};

const struct top_table top_queue_table = {queue_columns, queue_style};
