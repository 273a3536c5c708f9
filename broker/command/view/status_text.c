/* SPDX-License-Identifier: MIT
 * skep status as text: problems first, then aligned tables. */
#include <stdint.h>

#include "command/view/view.h"

enum { USUAL_TOTALS = 4 /* accepted, requests, connections, restarts */ };

/* --- warnings --- */

SKEP_PRINTF(3, 4) static void warn(FILE *file, bool colours, const char *format, ...) {
    char text[CELL_BYTES * 2];
    FORMAT(text, sizeof text, format);
    make_printable(text);
    fprintf(file, "%s%s%s\n", paint_begin(colours, PAINT_BAD), text, paint_end(colours, PAINT_BAD));
}

/* of: the broker, or one of several groups, whose name is given. */
static void warn_of_breaker(FILE *file, const json_t *of, const char *name, bool colours) {
    const json_t *breaker = json_object_get(of, "breaker_s");
    if (json_is_real(breaker))
        warn(file, colours,
             "BREAKER OPEN: %s%stoo many workers failed; trying one in %.0f s; skep exits shows why, skep resume%s%s "
             "starts them now",
             name, name[0] != '\0' ? ": " : "", json_real_value(breaker), name[0] != '\0' ? " " : "", name);
}

static void warn_of_listeners(FILE *file, const json_t *status, bool colours) {
    size_t i;
    json_t *listener;
    json_array_foreach(json_object_get(status, "listeners"), i, listener) {
        const char *name = json_string_value(json_object_get(listener, "name"));
        if (name == NULL) name = json_string_value(json_object_get(listener, "url"));
        if (json_is_true(json_object_get(listener, "resting")))
            warn(file, colours, "PAUSED: %s accepts nothing; skep resume %s resumes it", name, name);
    }
}

static void warn_of_reload(FILE *file, const json_t *status, bool colours) {
    const json_t *reload = json_object_get(status, "reload");
    if (json_is_object(reload))
        warn(file, colours, "RELOAD: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " workers are new",
             number_of(reload, "step"), number_of(reload, "steps"));
}

static json_int_t count_ready(const json_t *status) {
    json_int_t ready = 0;
    size_t i;
    json_t *worker;
    json_array_foreach(json_object_get(status, "workers"), i, worker) {
        const char *state = json_string_value(json_object_get(worker, "state"));
        ready += state != NULL && strcmp(state, "ready") == 0;
    }
    return ready;
}

/* While it stops, fewer is as it should be. */
static void warn_of_too_few(FILE *file, const json_t *status, bool colours) {
    const char *state = json_string_value(json_object_get(status, "state"));
    json_int_t ready = count_ready(status), wanted = number_of(status, "wanted");
    if (ready >= wanted || (state != NULL && strcmp(state, "running") != 0)) return;
    warn(file, colours, "TOO FEW: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " workers are ready", ready,
         wanted);
}

/* On purpose, and easily forgotten */
static void warn_of_none(FILE *file, const json_t *of, const char *name, bool colours) {
    const json_t *wanted = json_object_get(of, "wanted");
    const char *colon = name[0] != '\0' ? ": " : "", *blank = name[0] != '\0' ? " " : "";
    if (json_is_integer(wanted) && json_integer_value(wanted) == 0)
        warn(file, colours, "NO WORKERS: %s%sthe number wanted is 0; skep scale%s%s 1 starts one", name, colon, blank,
             name);
}

static void warn_of_group(FILE *file, const json_t *of, const char *name, const json_t *status, bool colours) {
    const char *state = json_string_value(json_object_get(status, "state"));
    warn_of_breaker(file, of, name, colours);
    if (state != NULL && strcmp(state, "running") == 0) warn_of_none(file, of, name, colours);
}

static void warn_of_groups(FILE *file, const json_t *status, bool colours) {
    const json_t *groups = json_object_get(status, "groups"), *group;
    size_t i;
    if (json_array_size(groups) < 2) warn_of_group(file, status, "", status, colours);
    else json_array_foreach(groups, i, group) {
            const char *name = json_string_value(json_object_get(group, "name"));
            warn_of_group(file, group, name != NULL ? name : "", status, colours);
        }
}

static void warn_of_silent_workers(FILE *file, const json_t *status, bool colours) {
    size_t i;
    json_t *worker;
    json_array_foreach(json_object_get(status, "workers"), i, worker) {
        const json_t *silent = json_object_get(worker, "silent_s");
        if (json_is_real(silent))
            warn(file, colours,
                 "SILENT: worker %" JSON_INTEGER_FORMAT
                 " has answered nothing since the lease of a job ended %.0f s ago",
                 number_of(worker, "id"), json_real_value(silent));
    }
}

static void write_warnings(FILE *file, const json_t *status, bool colours) {
    warn_of_groups(file, status, colours);
    warn_of_too_few(file, status, colours);
    warn_of_silent_workers(file, status, colours);
    warn_of_listeners(file, status, colours);
    warn_of_reload(file, status, colours);
}

/* --- cells --- */

/* The deadline is of no interest when the broker does not know of one. */
static void write_wait(const void *worker, char cell[CELL_BYTES]) {
    const char *state = json_string_value(json_object_get(worker, "state"));
    const json_t *left = json_object_get(worker, "drain_s");
    uint64_t connections = (uint64_t)number_of(worker, "connections") + (uint64_t)number_of(worker, "untaken");
    if (state == NULL || strcmp(state, "draining") != 0) return;
    size_t used = add_counted(cell, CELL_BYTES, 0, connections, "connection");
    used = add_counted(cell, CELL_BYTES, used, (uint64_t)number_of(worker, "jobs"), "job");
    if (used == 0) used = (size_t)snprintf(cell, CELL_BYTES, "its end");
    if (left != NULL) snprintf(cell + used, CELL_BYTES - used, ", %.0f s left", json_number_value(left));
}

/* What it handled most often; of a request and its connection the request says more. */
static const char *handled_mostly(const json_t *times) {
    static const char *const kinds[] = {"request", "job", "connection"};
    const char *found = NULL;
    json_int_t most = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        json_int_t count = number_of(json_object_get(times, kinds[i]), "count");
        if (count <= most) continue;
        most = count;
        found = kinds[i];
    }
    return found;
}

static const json_t *handled_times(const void *worker) {
    const json_t *times = json_object_get(worker, "times");
    const char *kind = handled_mostly(times);
    return kind != NULL ? json_object_get(times, kind) : NULL;
}

static void write_worker_p50(const void *worker, char cell[CELL_BYTES]) {
    write_p50(handled_times(worker), cell);
}

static void write_worker_p99(const void *worker, char cell[CELL_BYTES]) {
    write_p99(handled_times(worker), cell);
}

static void write_kind(const void *worker, char cell[CELL_BYTES]) {
    const char *kind = handled_mostly(json_object_get(worker, "times"));
    snprintf(cell, CELL_BYTES, "%s", kind != NULL ? kind : "");
}

/* Tenths as long as they matter. */
static void write_processor(const void *value, char cell[CELL_BYTES]) {
    double seconds = json_number_value(value);
    if (value == NULL || seconds >= 60) write_age(value, cell);
    else snprintf(cell, CELL_BYTES, "%.1fs", seconds);
}

static void write_listener_state(const void *listener, char cell[CELL_BYTES]) {
    bool rests = json_is_true(json_object_get(listener, "resting"));
    bool waits = json_is_true(json_object_get(listener, "paused"));
    snprintf(cell, CELL_BYTES, "%s", rests ? "paused" : waits ? "waiting" : "accepting");
}

static void write_group_state(const void *group, char cell[CELL_BYTES]) {
    bool broken = !json_is_null(json_object_get(group, "breaker_s"));
    bool reloads = !json_is_null(json_object_get(group, "reload"));
    snprintf(cell, CELL_BYTES, "%s", broken ? "broken" : reloads ? "reloading" : "running");
}

/* --- columns --- */

static const struct column group_columns[] = {
#define GROUP(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

static const struct column listener_columns[] = {
#define LISTENER(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

static const struct column worker_columns[] = {
#define WORKER(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

/* --- all of it --- */

/* A table stands apart from what is above it. */
static void write_table(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room) {
    if (json_array_size(rows) == 0) return;
    putc('\n', file);
    table_write(file, rows, columns, colours, room);
}

static void write_broker(FILE *file, const json_t *status, const char *dir) {
    char name[CELL_BYTES], state[CELL_BYTES], age[CELL_BYTES], policy[CELL_BYTES], version[CELL_BYTES];
    write_text(json_object_get(status, "name"), name);
    write_text(json_object_get(status, "state"), state);
    write_age(json_object_get(status, "uptime_s"), age);
    write_text(json_object_get(status, "policy"), policy);
    write_text(json_object_get(status, "version"), version);
    bool runs = strcmp(state, "running") == 0; /* the age is not that of a stop */
    fprintf(file, "%s in %s, pid %" JSON_INTEGER_FORMAT ", %s%s %s%s, policy %s, version %s\n", name, dir,
            json_integer_value(json_object_get(status, "pid")), state, runs ? " for" : ", started", age,
            runs ? "" : " ago", policy, version);
}

/* Totals whose names in JSON are no words that stand behind a number */
static const struct {
    const char *key, *words;
} wordings[] = {
    {"redispatched", "redispatched connections"},
    {"stray_answers", "stray answers"},
    {"bad_frames", "bad frames"},
    {"cut", "cut connections"},
    {"unknown", "unknown commands or fields"},
};

static const char *words_of(const char *key) {
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++)
        if (strcmp(key, wordings[i].key) == 0) return wordings[i].words;
    return key;
}

/* Words without the s at the end of some of them */
static void make_singular(char *words) {
    char *to = words;
    for (const char *from = words; *from != '\0'; from++)
        if (*from != 's' || (from[1] != '\0' && from[1] != ' ')) *to++ = *from;
    *to = '\0';
}

/* Those beyond the first few are of interest only if there are any. */
static void write_counts(FILE *file, const char *title, json_t *counts, size_t always) {
    const char *key, *separator = "";
    json_t *count;
    size_t i = 0;
    bool are_ours = always != SIZE_MAX; /* those of a program are not ours to change */
    if (json_object_size(counts) == 0) return;
    fprintf(file, "%s", title);
    json_object_foreach(counts, key, count) {
        char name[CELL_BYTES], digits[32];
        if (i++ >= always && json_integer_value(count) == 0) continue;
        snprintf(name, sizeof name, "%s", are_ours ? words_of(key) : key);
        if (are_ours && json_integer_value(count) == 1) make_singular(name);
        make_printable(name);
        grouped((uint64_t)json_integer_value(count), digits);
        fprintf(file, "%s %s %s", separator, digits, name);
        separator = ",";
    }
    putc('\n', file);
}

/* Over all workers, those that have ended too: no average of theirs. */
static void write_times(FILE *file, const char *kind, const json_t *times) {
    char name[CELL_BYTES], p50[CELL_BYTES], p99[CELL_BYTES], max[CELL_BYTES], digits[32];
    json_int_t count = json_integer_value(json_object_get(times, "count"));
    if (count == 0) return;
    snprintf(name, sizeof name, "%s", kind);
    make_printable(name);
    grouped((uint64_t)count, digits);
    write_duration(json_object_get(times, "p50_ms"), p50);
    write_duration(json_object_get(times, "p99_ms"), p99);
    write_duration(json_object_get(times, "max_ms"), max);
    fprintf(file, "handled: %s %s%s, p50 %s, p99 %s, longest %s\n", digits, name, count == 1 ? "" : "s", p50, p99, max);
}

static void write_totals(FILE *file, const json_t *status) {
    const char *kind;
    json_t *times;
    write_counts(file, "total:", json_object_get(status, "totals"), USUAL_TOTALS);
    write_counts(file, "counters:", json_object_get(status, "counters"), SIZE_MAX);
    json_object_foreach(json_object_get(status, "times"), kind, times) write_times(file, kind, times);
}

void status_write_text(FILE *file, const json_t *status, const char *dir, bool colours, unsigned room) {
    write_broker(file, status, dir);
    write_warnings(file, status, colours);
    write_totals(file, status);
    const json_t *groups = json_object_get(status, "groups");
    if (json_array_size(groups) > 1) write_table(file, groups, group_columns, colours, room);
    write_table(file, json_object_get(status, "listeners"), listener_columns, colours, room);
    write_table(file, json_object_get(status, "workers"), worker_columns, colours, room);
}
