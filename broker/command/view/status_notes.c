/* SPDX-License-Identifier: MIT
 * What skep status says in words: warnings, and what a worker that leaves waits for. */
#include "command/view/view.h"

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

void status_write_warnings(FILE *file, const json_t *status, bool colours) {
    warn_of_groups(file, status, colours);
    warn_of_too_few(file, status, colours);
    warn_of_silent_workers(file, status, colours);
    warn_of_listeners(file, status, colours);
    warn_of_reload(file, status, colours);
}

/* --- workers --- */

/* The deadline is of no interest when the broker does not know of one. */
void status_write_wait(const void *worker, char cell[CELL_BYTES]) {
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

void status_write_p50(const void *worker, char cell[CELL_BYTES]) {
    write_p50(handled_times(worker), cell);
}

void status_write_p99(const void *worker, char cell[CELL_BYTES]) {
    write_p99(handled_times(worker), cell);
}

void status_write_kind(const void *worker, char cell[CELL_BYTES]) {
    const char *kind = handled_mostly(json_object_get(worker, "times"));
    snprintf(cell, CELL_BYTES, "%s", kind != NULL ? kind : "");
}
