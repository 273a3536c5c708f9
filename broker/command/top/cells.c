/* SPDX-License-Identifier: MIT
 * What skep top shows of a worker, a listener, a queue, by the rows of cells.def. */
#include <inttypes.h>
#include <string.h>

#include "command/common/print.h"
#include "command/common/times.h"
#include "command/common/utf8.h"
#include "command/top/frame.h"

void top_number(double number, char cell[TOP_CELL_BYTES]) {
    if (number < 0) snprintf(cell, TOP_CELL_BYTES, "-");
    else if (number > 0 && number < 9.95) snprintf(cell, TOP_CELL_BYTES, "%.1f", number);
    else if (number < 9999.5) snprintf(cell, TOP_CELL_BYTES, "%.0f", number);
    else if (number < 999.95e3) snprintf(cell, TOP_CELL_BYTES, "%.1fk", number / 1e3);
    else if (number < 999.95e6) snprintf(cell, TOP_CELL_BYTES, "%.1fM", number / 1e6);
    else snprintf(cell, TOP_CELL_BYTES, "%.1fG", number / 1e9);
}

static void whole(uint64_t number, char cell[TOP_CELL_BYTES]) {
    snprintf(cell, TOP_CELL_BYTES, "%" PRIu64, number);
}

static void count(uint64_t number, char cell[TOP_CELL_BYTES]) {
    if (number < 10) whole(number, cell);
    else top_number((double)number, cell);
}

static void text(const char *from, char cell[TOP_CELL_BYTES]) {
    snprintf(cell, TOP_CELL_BYTES, "%.*s", TOP_CELL_BYTES - 1, from);
    cell[utf8_whole(cell, strlen(cell))] = '\0';
}

/* Without the space between number and unit: columns are narrow. */
static void duration(bool is_known, uint64_t duration_ns, char cell[TOP_CELL_BYTES]) {
    char words[DURATION_BYTES];
    duration_text(duration_ns, words);
    char *space = strchr(words, ' ');
    if (space != NULL) memmove(space, space + 1, strlen(space));
    snprintf(cell, TOP_CELL_BYTES, "%s", is_known ? words : "-");
}

static void p50(struct top_quantiles times, char cell[TOP_CELL_BYTES]) {
    duration(times.total > 0, times.p50_ns, cell);
}

static void p99(struct top_quantiles times, char cell[TOP_CELL_BYTES]) {
    duration(times.total > 0, times.p99_ns, cell);
}

static void age(uint64_t age_ms, char cell[TOP_CELL_BYTES]) {
    uint64_t s = age_ms / 1000;
    if (s < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "s", s);
    else if (s / 60 < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "m", s / 60);
    else if (s / 3600 < 100) snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "h", s / 3600);
    else snprintf(cell, TOP_CELL_BYTES, "%" PRIu64 "d", s / 86400);
}

static void processor(double percent, char cell[TOP_CELL_BYTES]) {
    snprintf(cell, TOP_CELL_BYTES, percent < 0 ? "-" : "%.0f", percent);
}

static void memory(uint64_t size_bytes, char cell[TOP_CELL_BYTES]) {
    double megabytes = (double)size_bytes / 1e6;
    if (megabytes < 999.95) snprintf(cell, TOP_CELL_BYTES, "%.1fM", megabytes);
    else snprintf(cell, TOP_CELL_BYTES, "%.1fG", megabytes / 1e3);
}

/* What a worker that drains waits for, and when it gets a signal if it still waits then */
static void waits(const struct skep_command_workerStatus *status, char cell[TOP_CELL_BYTES]) {
    if (strcmp(status->state.data, "draining") != 0) return;
    size_t used = add_counted(cell, TOP_CELL_BYTES, 0, status->connections + status->untaken, "conn");
    used = add_counted(cell, TOP_CELL_BYTES, used, status->jobs, "job");
    if (used == 0) used = (size_t)snprintf(cell, TOP_CELL_BYTES, "its end");
    if (!SKEP_HAS(workerStatus, status, drain_ms) || used >= TOP_CELL_BYTES) return;
    snprintf(cell + used, TOP_CELL_BYTES - used, ", %" PRIu64 "s", (status->drain_ms + 999) / 1000);
}

static const char *state_of(const struct top_listener *listener) {
    if (listener->status.resting) return "paused";
    return listener->status.paused ? "waiting" : "accepting";
}

static void queue_state(const struct skep_command_queueStatus *status, char cell[TOP_CELL_BYTES]) {
    if (status->paused) text("paused", cell);
    else if (status->workers == 0 && status->ready > 0) text("unhandled", cell);
}

/* --- a function for each row --- */

#define CELL(kind, id, write)                                                 \
    static void kind##_##id(const void *row, char *cell) {                    \
        const struct top_model *model = ((const struct top_row *)row)->model; \
        const struct top_##kind *kind = ((const struct top_row *)row)->item;  \
        (void)model;                                                          \
        write;                                                                \
    }
#define WORKER(id, title, how, write) CELL(worker, id, write)
#define LISTENER(id, title, how, write) CELL(listener, id, write)
#define QUEUE(id, title, how, write) CELL(queue, id, write)
#include "command/top/cells.def"

/* --- tables --- */

/* How columns are shown: all are left out if they are empty. */
#define NUMBER(rank) (COLUMN_OPTIONAL | COLUMN_RANK(rank))
#define TEXT(rank) (COLUMN_LEFT | NUMBER(rank))

static enum top_style worker_style(const void *item) {
    const char *state = ((const struct top_worker *)item)->status.state.data;
    if (strcmp(state, "ready") == 0) return TOP_PLAIN;
    return strcmp(state, "draining") == 0 ? TOP_WARN : TOP_GOOD;
}

static const struct column worker_columns[] = {
#define WORKER(id, title, how, write) {title, NULL, worker_##id, how},
#include "command/top/cells.def"
    {0},
};

const struct top_table top_worker_table = {worker_columns, worker_style};

static enum top_style listener_style(const void *item) {
    const struct top_listener *listener = item;
    return listener->status.resting || listener->status.paused ? TOP_WARN : TOP_PLAIN;
}

static const struct column listener_columns[] = {
#define LISTENER(id, title, how, write) {title, NULL, listener_##id, how},
#include "command/top/cells.def"
    {0},
};

const struct top_table top_listener_table = {listener_columns, listener_style};

static enum top_style queue_style(const void *item) {
    const struct top_queue *queue = item;
    if (queue->status.dead > 0) return TOP_BAD;
    return queue->status.paused || (queue->status.workers == 0 && queue->status.ready > 0) ? TOP_WARN : TOP_PLAIN;
}

static const struct column queue_columns[] = {
#define QUEUE(id, title, how, write) {title, NULL, queue_##id, how},
#include "command/top/cells.def"
    {0},
};

const struct top_table top_queue_table = {queue_columns, queue_style};
