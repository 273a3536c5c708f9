/* SPDX-License-Identifier: MIT
 * Jobs as lines of JSON, written and read. Times are milliseconds since 1970; what is 0 is left out. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "command/jobs/jobs.h"
#include "jobs/jobs.h"

enum {
    MIDDLE = 128 /* the priority that is 0 for people */,
    USUAL_ATTEMPTS = 5 /* as settings.def has it */,
    LINE_ROOM = 200
};

/* A number of a job */
struct number {
    const char *name;
    size_t offset, size_bytes;
    int64_t none, least, most; /* none: left out */
};

#define NUMBER(name, field, none, least, most) \
    { name, offsetof(struct skep__kept_job, field), sizeof(((struct skep__kept_job *)NULL)->field), none, least, most }
static const struct number numbers[] = {
    NUMBER("id", row.id, 0, 1, INT64_MAX),
    NUMBER("accepted_ms", accepted, 0, 1, INT64_MAX),
    NUMBER("expires_ms", expires, 0, 1, INT64_MAX),
    NUMBER("lease_ms", lease_ms, 0, SKEP_LEAST_LEASE_MS, UINT32_MAX),
    NUMBER("attempts", attempts, 0, 1, UINT16_MAX),
    NUMBER("attempt", row.attempt, 0, 1, UINT32_MAX),
    NUMBER("failures", row.failures, 0, 1, UINT32_MAX),
    NUMBER("deaths", row.deaths, 0, 1, UINT16_MAX),
    NUMBER("interruptions", row.interruptions, 0, 1, UINT16_MAX),
    NUMBER("due_ms", row.due, 0, 1, INT64_MAX),
    NUMBER("since_ms", row.since, 0, 1, INT64_MAX),
    NUMBER("died_ms", row.died, 0, 1, INT64_MAX),
    NUMBER("worker", row.worker, 0, 1, UINT32_MAX),
    NUMBER("pid", row.pid, 0, 1, INT32_MAX),
    NUMBER("code", row.code, -1, 0, UINT8_MAX),
    NUMBER("signal", row.signal, -1, 0, 64),
    NUMBER("uptime_ms", row.uptime_ms, 0, 1, INT64_MAX),
};

static const struct bytes {
    const char *name;
    size_t offset, most;
} texts[] = {
    {"queue", offsetof(struct skep__kept_job, queue), SKEP_MAX_NAME},
    {"key", offsetof(struct skep__kept_job, key), SKEP_MAX_NAME},
    {"data", offsetof(struct skep__kept_job, data), SKEP_MAX_PAYLOAD},
    {"cause", offsetof(struct skep__kept_job, row.cause), SKEP_MAX_NAME},
    {"reason", offsetof(struct skep__kept_job, row.reason), SKEP_MAX_REASON},
};

enum { NUMBERS = sizeof numbers / sizeof *numbers, TEXTS = sizeof texts / sizeof *texts };

/* The machine has the low byte first. */
static int64_t number_in(const struct number *number, const struct skep__kept_job *job) {
    int64_t value = 0;
    memcpy(&value, (const char *)job + number->offset, number->size_bytes);
    return value;
}

static void set_number(const struct number *number, struct skep__kept_job *job, int64_t value) {
    memcpy((char *)job + number->offset, &value, number->size_bytes);
}

/* --- export --- */

static const char *state_of(const struct skep__kept_job *job) {
    if (job->row.dead) return "dead";
    return job->row.due > 0 ? "delayed" : "ready";
}

static int print_job(void *context, const struct skep__kept_job *job) {
    (void)context;
    json_t *line = json_pack("{s:s, s:i}", "state", state_of(job), "priority", job->priority - MIDDLE);
    if (line == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < NUMBERS; i++) {
        const int64_t value = number_in(&numbers[i], job);
        if (value != numbers[i].none) json_object_set_new(line, numbers[i].name, json_integer(value));
    }
    for (size_t i = 0; i < TEXTS; i++) {
        struct skep_bytes bytes;
        memcpy(&bytes, (const char *)job + texts[i].offset, sizeof bytes);
        if (bytes.size_bytes > 0 || strcmp(texts[i].name, "data") == 0) set_data(line, texts[i].name, bytes);
    }
    print_json(line);
    return ferror(stdout) ? SKEP_ESYS : SKEP_OK;
}

int jobs_export(const char *dir, const struct options *options) {
    char why[SKEP_MAX_REASON + 1];
    (void)options;
    int status = skep__jobs_export(dir, print_job, NULL, why);
    if (ferror(stdout)) return 0; /* the caller says why */
    return status == SKEP_OK ? 0 : jobs_fail(status, why);
}

/* --- import --- */

/* A line that is read */
struct line {
    struct skep__import *import;
    uint64_t number;
    struct skep__kept_job job;
    char *copies[TEXTS]; /* of bytes that were in hexadecimal */
    char why[LINE_ROOM];
};

static bool refuse(struct line *line, const char *key, const char *what) {
    snprintf(line->why, sizeof line->why, "%.60s: %s", key, what);
    return false;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Returns false if it is not hexadecimal. */
static bool take_hex(struct line *line, size_t text, struct skep_bytes *bytes) {
    char *copy = malloc(bytes->size_bytes / 2 + 1);
    line->copies[text] = copy;
    if (copy == NULL || bytes->size_bytes % 2 != 0) return false;
    for (size_t i = 0; i < bytes->size_bytes; i += 2) {
        int high = digit_of(bytes->data[i]), low = digit_of(bytes->data[i + 1]);
        if (high < 0 || low < 0) return false;
        copy[i / 2] = (char)(high << 4 | low);
    }
    *bytes = (struct skep_bytes){copy, bytes->size_bytes / 2};
    return true;
}

static bool take_text(struct line *line, size_t text, const char *key, const json_t *value, bool is_hex) {
    struct skep_bytes bytes = {json_string_value(value), json_string_length(value)};
    if (!json_is_string(value)) return refuse(line, key, "expected a string");
    if (is_hex && !take_hex(line, text, &bytes)) return refuse(line, key, "expected pairs of hexadecimal digits");
    if (bytes.size_bytes > texts[text].most) return refuse(line, key, "it is too long");
    memcpy((char *)&line->job + texts[text].offset, &bytes, sizeof bytes);
    return true;
}

static bool take_number(struct line *line, const struct number *number, const json_t *value) {
    const json_int_t n = json_integer_value(value);
    char what[80];
    if (json_is_integer(value) && n >= number->least && n <= number->most) {
        set_number(number, &line->job, n);
        return true;
    }
    snprintf(what, sizeof what, "expected a number from %" PRId64 " to %" PRId64, number->least, number->most);
    return refuse(line, number->name, what);
}

static bool take_priority(struct line *line, const json_t *value) {
    const json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < -MIDDLE || n >= MIDDLE)
        return refuse(line, "priority", "expected a number from -128 to 127");
    line->job.priority = (uint8_t)(n + MIDDLE);
    return true;
}

static bool take_state(struct line *line, const json_t *value) {
    const char *state = json_is_string(value) ? json_string_value(value) : "";
    line->job.row.dead = strcmp(state, "dead") == 0;
    if (line->job.row.dead || strcmp(state, "ready") == 0 || strcmp(state, "delayed") == 0) return true;
    return refuse(line, "state", "expected ready, delayed or dead");
}

static bool take_member(struct line *line, const char *key, const json_t *value) {
    if (strcmp(key, "priority") == 0) return take_priority(line, value);
    if (strcmp(key, "state") == 0) return take_state(line, value);
    for (size_t i = 0; i < NUMBERS; i++)
        if (strcmp(key, numbers[i].name) == 0) return take_number(line, &numbers[i], value);
    for (size_t i = 0; i < TEXTS; i++) {
        const size_t length = strlen(texts[i].name);
        if (strncmp(key, texts[i].name, length) != 0) continue;
        if (key[length] == '\0' || strcmp(key + length, "_hex") == 0)
            return take_text(line, i, key, value, key[length] != '\0');
    }
    return refuse(line, key, "unknown member");
}

static bool take_members(struct line *line, json_t *object) {
    const char *key;
    json_t *value;
    line->job = (struct skep__kept_job){.priority = MIDDLE, .row = {.code = -1, .signal = -1}};
    json_object_foreach(object, key, value) if (!take_member(line, key, value)) return false;
    if (line->job.queue.size_bytes == 0) return refuse(line, "queue", "it is missing");
    if (line->job.attempts == 0) line->job.attempts = USUAL_ATTEMPTS;
    if (line->job.accepted == 0) line->job.accepted = skep__wall_ms();
    if (line->job.row.dead && line->job.row.cause.size_bytes == 0) return refuse(line, "cause", "it is missing");
    return true;
}

static int import_line(struct line *line, const char *text, size_t size_bytes) {
    json_error_t error;
    json_t *object = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    int status = SKEP_EINVAL;
    if (object == NULL) snprintf(line->why, sizeof line->why, "column %d: %s", error.column, error.text);
    else if (!json_is_object(object)) snprintf(line->why, sizeof line->why, "expected an object");
    else if (take_members(line, object)) status = skep__import_add(line->import, &line->job);
    if (status != SKEP_OK && line->why[0] == '\0')
        snprintf(line->why, sizeof line->why, "%s", skep__import_why(line->import));
    json_decref(object);
    for (size_t i = 0; i < TEXTS; i++) {
        free(line->copies[i]);
        line->copies[i] = NULL;
    }
    return status;
}

/* All lines of stdin; none is imported if one is wrong. */
static int import_all(struct line *line) {
    char *text = NULL;
    size_t room = 0;
    int status = SKEP_OK;
    for (ssize_t n; status == SKEP_OK && (n = getline(&text, &room, stdin)) != -1;) {
        line->number++;
        if (strspn(text, " \t\r\n") < (size_t)n) status = import_line(line, text, (size_t)n);
    }
    free(text);
    if (status != SKEP_OK) {
        say("jobs: line %" PRIu64 ": %s; nothing was imported", line->number, line->why);
        return status == SKEP_EINVAL || status == SKEP_ETOOBIG ? EX_DATAERR : skep_exit_status(status);
    }
    if (ferror(stdin)) {
        say("jobs: stdin: %s; nothing was imported", strerror(errno));
        return EX_NOINPUT;
    }
    status = skep__import_commit(line->import);
    return status == SKEP_OK ? 0 : fail(status, "jobs: %s; nothing was imported", skep__import_why(line->import));
}

int jobs_import(const char *dir, const struct options *options) {
    struct line line = {0};
    char why[SKEP_MAX_REASON + 1] = "";
    (void)options;
    int status = skep__import_new(&line.import, dir, why);
    if (status != SKEP_OK) return jobs_fail(status, why[0] != '\0' ? why : skep_strerror(status));
    int code = import_all(&line);
    skep__import_free(&line.import);
    if (code == 0) say("jobs: %" PRIu64 " lines imported", line.number);
    return code;
}
