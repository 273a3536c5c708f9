/* SPDX-License-Identifier: MIT
 * skep logs: what workers wrote, a line a line, and on request what they write from then on.
 *
 * Following is asking again, from the number of the latest line on: nothing is lost between two questions as long as
 * the broker keeps it, and what was lost is counted. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "contact.h"
#include "notice.h"
#include "print.h"
#include "say.h"
#include "subcommands.h"
#include "utf8.h"
#include "values.h"

enum { ASK_EVERY_MS = 100, GOING_TRIES = 50 /* looks, as often, at whether a broker that does not answer goes */ };

struct reading {
    struct contact contact;
    const struct options *options;
    uint32_t worker;   /* 0: all */
    uint64_t left;     /* lines to be printed, if it is not to follow */
    uint64_t until_ms; /* the same, to those that were written by then */
    uint64_t seq;
    bool begun; /* seq is known */
    bool stuck; /* the broker says that there is more, and gives nothing */
    bool more;
    bool deaf; /* nobody reads the output any more */
    int error; /* errno of writing */
};

/* --- lines --- */

static const char *stream_of(const struct skep_command_logLine *line) {
    return line->stream == 2 ? "stderr" : "stdout";
}

/* Of a line that was cut, the last character may have been cut in two. */
static struct skep_bytes text_of(const struct skep_command_logLine *line) {
    struct skep_bytes text = line->line;
    if (line->cut > 0) text.size_bytes = utf8_whole(text.data, text.size_bytes);
    return utf8_is_text(text.data, text.size_bytes) ? text : line->line;
}

static void print_for_programs(const struct skep_command_logLine *line) {
    char time[32];
    struct skep_bytes text = text_of(line);
    uint64_t cut = line->cut + line->line.size_bytes - text.size_bytes;
    time_text(line->time, time);
    json_t *object = json_pack("{s:I, s:s, s:{s:I, s:I}, s:s}", "seq", (json_int_t)line->seq, "time", time, "worker",
                               "id", (json_int_t)line->worker, "pid", (json_int_t)line->pid, "stream", stream_of(line));
    if (object == NULL) return;
    set_data(object, "line", text);
    if (cut > 0) json_object_set_new(object, "cut", json_integer((json_int_t)cut));
    print_json(object);
    json_decref(object);
}

static void print_for_people(const struct skep_command_logLine *line) {
    char time[32];
    time_text(line->time, time);
    printf("%s worker %" PRIu64 " pid %" PRIu64 " %s: ", time, line->worker, line->pid, stream_of(line));
    print_bytes(line->line);
    if (line->cut > 0) printf(" [%" PRIu64 " bytes cut]", line->cut);
    putchar('\n');
}

/* Without --follow the end is where the log was at the first answer: a worker that writes on must not keep it going. */
static void take_line(struct reading *reading, const struct skep_command_logLine *line) {
    bool is_over = !reading->options->follow && (reading->left == 0 || line->time > reading->until_ms);
    if (is_over) reading->left = 0;
    if (is_over || ferror(stdout)) return;
    reading->left--;
    if (reading->options->json) print_for_programs(line);
    else print_for_people(line);
}

static void take_end(struct reading *reading, const struct skep_command_logEnd *end) {
    if (reading->begun && end->lost > 0) say("logs: %" PRIu64 " lines of all workers are lost", end->lost);
    reading->stuck = reading->begun && end->more && end->seq <= reading->seq;
    if (!reading->begun) reading->until_ms = wall_clock_ms();
    reading->seq = end->seq;
    reading->more = end->more;
    reading->begun = true;
}

static void on_answer(const struct skep_command *command, void *context) {
    if (command->id == SKEP_COMMAND_logLine) take_line(context, &command->logLine);
    if (command->id == SKEP_COMMAND_logEnd) take_end(context, &command->logEnd);
}

/* What could not be written to a reader that left is no error, now or when the program ends. */
static void flush(struct reading *reading) {
    if (fflush(stdout) == 0) return;
    if (errno != EPIPE) {
        reading->error = errno;
        return;
    }
    reading->deaf = true;
    __fpurge(stdout);
    clearerr(stdout);
}

/* --- asking --- */

/* At first all that is kept, or the latest n. */
static int ask(struct reading *reading) {
    struct skep_command question = {.id = SKEP_COMMAND_logs};
    struct skep_command_logs *logs = &question.logs;
    *logs = (struct skep_command_logs){0};
    if (reading->worker != 0) SKEP_SET(logs, logs, worker, reading->worker);
    if (!reading->begun && reading->options->count != 0) SKEP_SET(logs, logs, n, reading->options->count);
    else SKEP_SET(logs, logs, since, reading->seq);
    int status = contact_ask(&reading->contact, &question, ANSWER_TIMEOUT_MS, on_answer, reading);
    if (status == SKEP_OK && (!reading->begun || reading->stuck)) status = SKEP_EPROTO;
    flush(reading);
    return status;
}

static bool is_over(const struct reading *reading) {
    if (reading->deaf || reading->error != 0) return true;
    return !reading->options->follow && reading->begun && (reading->left == 0 || !reading->more);
}

/* A reader that left is noticed when there is nothing to write, too. */
static void rest(struct reading *reading) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    if (poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0) reading->deaf = true;
    poll(NULL, 0, ASK_EVERY_MS);
}

/* While it is followed, a broker that does not answer in time hangs, and will go on. */
static int read_all(struct reading *reading) {
    while (!is_over(reading)) {
        int status = ask(reading);
        bool hangs = status == SKEP_ETIMEDOUT && reading->begun && reading->options->follow;
        if (status != SKEP_OK && !hangs) return status;
        if (reading->options->follow && !reading->more && !is_over(reading)) rest(reading);
    }
    return SKEP_OK;
}

/* --- the end --- */

/* A broker that stops removes its sockets; one that was killed leaves them behind. */
static bool has_stopped(const struct reading *reading) {
    const struct contact *contact = &reading->contact;
    char url[SKEP_MAX_URL + 1];
    for (int i = 0; contact_is_there(contact); i++) {
        if (i == GOING_TRIES) return false;
        poll(NULL, 0, ASK_EVERY_MS);
    }
    skep__instance_url(&contact->instance, SKEP_FILE_CONTROL, url, sizeof url);
    return access(url + strlen("ipc://"), F_OK) != 0;
}

static int how_it_ended(const struct reading *reading, int status) {
    if (reading->error != 0) return fail(SKEP_ESYS, "logs: stdout: %s", strerror(reading->error));
    if (status == SKEP_OK) return 0;
    if (status == SKEP_ENOWORKER)
        return fail(status, "logs: %s: %s", reading->options->operands[0], skep_strerror(status));
    if (status == SKEP_ECLOSED && reading->options->follow && reading->begun && has_stopped(reading)) return 0;
    return contact_fail(&reading->contact, status);
}

/* What was printed has left by the end of each answer. */
static void on_signal(int signal) {
    (void)signal;
    _exit(0);
}

int command_logs(const struct options *options) {
    struct reading reading = {.options = options, .until_ms = UINT64_MAX};
    const char *worker = options->operands[0];
    if (worker != NULL && !parse_unsigned(worker, 1, INT32_MAX, &reading.worker))
        return fail(SKEP_EINVAL, "logs: %s: expected a worker's id; skep status shows them", worker);
    reading.left = options->count != 0 ? options->count : UINT64_MAX;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    int code = contact_open(&reading.contact, options);
    if (code != 0) return code;
    code = how_it_ended(&reading, read_all(&reading));
    contact_close(&reading.contact);
    return code;
}
