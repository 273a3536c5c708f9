/* SPDX-License-Identifier: MIT
 * skep logs: what workers wrote, a line a line, and on request what they write from then on.
 *
 * Following is asking again, from the number of the latest line on: nothing is lost between two questions as long as
 * the broker keeps it, and what was lost is counted. */
#include <poll.h>

#include "base/clock.h"
#include "command/common/members.h"
#include "command/common/values.h"
#include "command/view/view.h"

enum { ASK_EVERY_MS = 100 };

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
    bool deaf; /* the reader of the output has ended */
    int error; /* errno of writing */
};

/* --- lines --- */

/* Of a line that was cut, the last character may have been cut in two. */
static void print_for_programs(const struct skep_command_logLine *line) {
    struct skep_command shown = {.id = SKEP_COMMAND_logLine, .logLine = *line};
    shown.logLine.line = whole_characters(line->line, line->cut > 0);
    uint64_t cut = line->cut + line->line.size_bytes - shown.logLine.line.size_bytes;
    if (cut > 0) SKEP_SET(logLine, &shown.logLine, cut, cut);
    print_json(members_of(&shown));
}

static void print_for_people(const struct skep_command_logLine *line) {
    char time[TIME_BYTES];
    time_text(line->time, time);
    bool grouped = SKEP_HAS(logLine, line, group);
    printf("%s %.*s%sworker %" PRIu64 " pid %" PRIu64 " %s: ", time, grouped ? (int)line->group.size_bytes : 0,
           grouped ? line->group.data : "", grouped ? " " : "", line->worker, line->pid,
           line->stream == 2 ? "stderr" : "stdout");
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
    if (!reading->begun) reading->until_ms = skep__wall_ms();
    reading->seq = end->seq;
    reading->more = end->more;
    reading->begun = true;
}

static void on_answer(const struct skep_command *command, void *context) {
    if (command->id == SKEP_COMMAND_logLine) take_line(context, &command->logLine);
    if (command->id == SKEP_COMMAND_logEnd) take_end(context, &command->logEnd);
}

/* --- asking --- */

/* At first all that is kept, or the latest n. */
static int ask(struct reading *reading) {
    struct skep_command question = {.id = SKEP_COMMAND_logs};
    struct skep_command_logs *logs = &question.logs;
    if (reading->worker != 0) SKEP_SET(logs, logs, worker, reading->worker);
    if (!reading->begun && reading->options->count != 0) SKEP_SET(logs, logs, n, reading->options->count);
    else SKEP_SET(logs, logs, since, reading->seq);
    int status = contact_ask(&reading->contact, &question, ANSWER_TIMEOUT_MS, on_answer, reading);
    if (status == SKEP_OK && (!reading->begun || reading->stuck)) status = SKEP_EPROTO;
    if (reading->error == 0) reading->error = flush_output(&reading->deaf);
    return status;
}

static bool is_over(const struct reading *reading) {
    if (reading->deaf || reading->error != 0) return true;
    return !reading->options->follow && reading->begun && (reading->left == 0 || !reading->more);
}

/* While it is followed, a broker that does not answer in time hangs, and will go on. */
static int read_all(struct reading *reading) {
    while (!is_over(reading)) {
        int status = ask(reading);
        bool hangs = status == SKEP_ETIMEDOUT && reading->begun && reading->options->follow;
        if (status != SKEP_OK && !hangs) return status;
        if (!reading->options->follow || reading->more || is_over(reading)) continue;
        if (output_is_deaf()) reading->deaf = true;
        poll(NULL, 0, ASK_EVERY_MS);
    }
    return SKEP_OK;
}

/* --- the end --- */

static int how_it_ended(const struct reading *reading, int status) {
    if (reading->error != 0)
        return fail(skep_status_of_errno(reading->error), "logs: stdout: %s", strerror(reading->error));
    if (status == SKEP_OK) return 0;
    if (status == SKEP_ENOWORKER) return fail(status, "logs: no worker %s", reading->options->operands[0]);
    if (status == SKEP_ECLOSED && reading->options->follow && reading->begun && contact_has_stopped(&reading->contact))
        return 0;
    return contact_fail(&reading->contact, status);
}

int command_logs(const struct options *options) {
    struct reading reading = {.options = options, .until_ms = UINT64_MAX};
    const char *worker = options->operands[0];
    if (worker != NULL && !parse_unsigned(worker, 1, INT32_MAX, &reading.worker))
        return fail(SKEP_EINVAL, "logs: %s: expected a worker's id, as shown by skep status", worker);
    reading.left = options->count != 0 ? options->count : UINT64_MAX;
    output_begin();
    int code = contact_open(&reading.contact, options);
    if (code != 0) return code;
    code = how_it_ended(&reading, read_all(&reading));
    contact_close(&reading.contact);
    return code;
}
