/* SPDX-License-Identifier: MIT
 * What skep top shows of a worker, a listener, a queue: a function for each column. */
#include <inttypes.h>
#include <string.h>

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

/* Fields that are shown as they are */
#define TEXT_COLUMN(kind, field)                                                              \
    static void kind##_##field(const struct top_model *model, const void *item, char *cell) { \
        (void)model;                                                                          \
        text(((const struct top_##kind *)item)->field, cell);                                 \
    }
#define COUNT_COLUMN(kind, field)                                                             \
    static void kind##_##field(const struct top_model *model, const void *item, char *cell) { \
        (void)model;                                                                          \
        count(((const struct top_##kind *)item)->field, cell);                                \
    }

/* --- workers --- */

static void worker_id(const struct top_model *model, const void *item, char *cell) {
    const struct top_worker *worker = item;
    (void)model;
    snprintf(cell, TOP_CELL_BYTES, "%" PRIu32, worker->id);
}

static void worker_pid(const struct top_model *model, const void *item, char *cell) {
    const struct top_worker *worker = item;
    (void)model;
    snprintf(cell, TOP_CELL_BYTES, "%d", worker->pid);
}

TEXT_COLUMN(worker, name)

TEXT_COLUMN(worker, state)

static size_t add_wait(char *cell, size_t used, uint64_t number, const char *what) {
    if (number == 0) return used;
    const char *separator = used > 0 ? ", " : "", *plural = number == 1 ? "" : "s";
    return used +
           (size_t)snprintf(cell + used, TOP_CELL_BYTES - used, "%s%" PRIu64 " %s%s", separator, number, what, plural);
}

/* What a worker that drains waits for, and when it gets a signal if it still waits then */
static void worker_waits(const struct top_model *model, const void *item, char *cell) {
    const struct top_worker *worker = item;
    (void)model;
    if (strcmp(worker->state, "draining") != 0) return;
    size_t used = add_wait(cell, 0, worker->connections + worker->untaken, "conn");
    used = add_wait(cell, used, worker->jobs, "job");
    if (used == 0) used = (size_t)snprintf(cell, TOP_CELL_BYTES, "its end");
    if (!worker->has_drain || used >= TOP_CELL_BYTES) return;
    snprintf(cell + used, TOP_CELL_BYTES - used, ", %" PRIu64 "s", (worker->drain_ms + 999) / 1000);
}

static void worker_cpu(const struct top_model *model, const void *item, char *cell) {
    double percent = ((const struct top_worker *)item)->cpu_percent;
    (void)model;
    snprintf(cell, TOP_CELL_BYTES, percent < 0 ? "-" : "%.0f", percent);
}

static void worker_rss(const struct top_model *model, const void *item, char *cell) {
    double megabytes = (double)((const struct top_worker *)item)->rss_bytes / 1e6;
    (void)model;
    if (megabytes < 999.95) snprintf(cell, TOP_CELL_BYTES, "%.1fM", megabytes);
    else snprintf(cell, TOP_CELL_BYTES, "%.1fG", megabytes / 1e3);
}

COUNT_COLUMN(worker, connections)

static void worker_accepted(const struct top_model *model, const void *item, char *cell) {
    top_number(top_worker_rate(model, item, TOP_ACCEPTED_RATE), cell);
}

static void worker_requests(const struct top_model *model, const void *item, char *cell) {
    top_number(top_worker_rate(model, item, TOP_REQUESTS_RATE), cell);
}

static void worker_jobs(const struct top_model *model, const void *item, char *cell) {
    top_number(top_worker_rate(model, item, TOP_JOBS_RATE), cell);
}

static void worker_p50(const struct top_model *model, const void *item, char *cell) {
    struct top_quantiles times = top_worker_times(model, item);
    duration(&times, times.p50_ns, cell);
}

static void worker_p99(const struct top_model *model, const void *item, char *cell) {
    struct top_quantiles times = top_worker_times(model, item);
    duration(&times, times.p99_ns, cell);
}

COUNT_COLUMN(worker, restarts)

static void worker_age(const struct top_model *model, const void *item, char *cell) {
    (void)model;
    age(((const struct top_worker *)item)->uptime_ms, cell);
}

static enum top_style worker_style(const struct top_model *model, const void *item) {
    const char *state = ((const struct top_worker *)item)->state;
    (void)model;
    if (strcmp(state, "ready") == 0) return TOP_PLAIN;
    return strcmp(state, "draining") == 0 ? TOP_WARN : TOP_GOOD;
}

static const struct top_column worker_columns[] = {
    {"ID", worker_id, 0, false},
    {"PID", worker_pid, 6, false},
    {"STATE", worker_state, 1, true},
    {"WAITS FOR", worker_waits, 2, true},
    {"CPU%", worker_cpu, 5, false},
    {"RSS", worker_rss, 7, false},
    {"CONNS", worker_connections, 8, false},
    {"CONN/S", worker_accepted, 11, false},
    {"REQ/S", worker_requests, 4, false},
    {"JOBS/S", worker_jobs, 9, false},
    {"P50", worker_p50, 12, false},
    {"P99", worker_p99, 3, false},
    {"RESTARTS", worker_restarts, 13, false},
    {"AGE", worker_age, 10, false},
    {"NAME", worker_name, 14, true},
    {0},
};

const struct top_table top_worker_table = {worker_columns, worker_style};

/* --- listeners --- */

TEXT_COLUMN(listener, url)

TEXT_COLUMN(listener, name)

static const char *state_of(const struct top_listener *listener) {
    if (listener->resting) return "paused";
    return listener->paused ? "waiting" : "accepting";
}

static void listener_state(const struct top_model *model, const void *item, char *cell) {
    (void)model;
    text(state_of(item), cell);
}

static void listener_rate(const struct top_model *model, const void *item, char *cell) {
    top_number(top_listener_rate(model, item), cell);
}

COUNT_COLUMN(listener, accepted)
COUNT_COLUMN(listener, queued)

static enum top_style listener_style(const struct top_model *model, const void *item) {
    const struct top_listener *listener = item;
    (void)model;
    return listener->resting || listener->paused ? TOP_WARN : TOP_PLAIN;
}

static const struct top_column listener_columns[] = {
    {"LISTENER", listener_url, 0, true},
    {"NAME", listener_name, 5, true},
    {"STATE", listener_state, 1, true},
    {"CONN/S", listener_rate, 2, false},
    {"ACCEPTED", listener_accepted, 4, false},
    {"QUEUED", listener_queued, 3, false},
    {0},
};

const struct top_table top_listener_table = {listener_columns, listener_style};

/* --- queues --- */

TEXT_COLUMN(queue, name)

static void queue_state(const struct top_model *model, const void *item, char *cell) {
    const struct top_queue *queue = item;
    (void)model;
    if (queue->paused) text("paused", cell);
    else if (queue->workers == 0 && queue->ready > 0) text("unhandled", cell);
}

COUNT_COLUMN(queue, ready)
COUNT_COLUMN(queue, reserved)
COUNT_COLUMN(queue, delayed)
COUNT_COLUMN(queue, dead)

static void queue_rate(const struct top_model *model, const void *item, char *cell) {
    top_number(top_queue_rate(model, item), cell);
}

static void queue_p50(const struct top_model *model, const void *item, char *cell) {
    struct top_quantiles times = top_queue_times(model, item);
    duration(&times, times.p50_ns, cell);
}

static void queue_p99(const struct top_model *model, const void *item, char *cell) {
    struct top_quantiles times = top_queue_times(model, item);
    duration(&times, times.p99_ns, cell);
}

static enum top_style queue_style(const struct top_model *model, const void *item) {
    const struct top_queue *queue = item;
    (void)model;
    if (queue->dead > 0) return TOP_BAD;
    return queue->paused || (queue->workers == 0 && queue->ready > 0) ? TOP_WARN : TOP_PLAIN;
}

static const struct top_column queue_columns[] = {
    {"QUEUE", queue_name, 0, true},       {"STATE", queue_state, 1, true},
    {"READY", queue_ready, 2, false},     {"RESERVED", queue_reserved, 6, false},
    {"DELAYED", queue_delayed, 7, false}, {"DEAD", queue_dead, 4, false},
    {"DONE/S", queue_rate, 3, false},     {"P50", queue_p50, 8, false},
    {"P99", queue_p99, 5, false},         {0},
};

const struct top_table top_queue_table = {queue_columns, queue_style};
