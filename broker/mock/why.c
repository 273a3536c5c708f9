/* SPDX-License-Identifier: MIT
 * What a mock broker tells about expectations that were not met, and about workers that are not there. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/private.h"

enum { QUOTED_BYTES = 200 };

/* --- history --- */

void skep__mock_note(skep_mock *mock, const char *format, ...) {
    struct skep__mock_line *line =
        mock->history_count < mock->options.history_lines ? malloc(sizeof *line) : STAILQ_FIRST(&mock->history);
    if (line == NULL) return;
    if (line == STAILQ_FIRST(&mock->history)) STAILQ_REMOVE_HEAD(&mock->history, entry);
    else mock->history_count++;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->text, sizeof line->text, format, arguments);
    va_end(arguments);
    STAILQ_INSERT_TAIL(&mock->history, line, entry);
}

void skep__mock_note_command(skep_mock *mock, const char *way, uint32_t worker, const struct skep_command *command) {
    char text[SKEP__MOCK_LINE_BYTES];
    skep__command_print(command, text, sizeof text);
    skep__mock_note(mock, "%s worker %u: %.200s", way, worker, text);
}

void skep__mock_forget_history(skep_mock *mock) {
    for (struct skep__mock_line *line; (line = STAILQ_FIRST(&mock->history)) != NULL;) {
        STAILQ_REMOVE_HEAD(&mock->history, entry);
        free(line);
    }
}

/* --- why --- */

static void append(skep_mock *mock, const char *format, va_list arguments) {
    size_t used = strlen(mock->why);
    vsnprintf(mock->why + used, sizeof mock->why - used, format, arguments);
}

void skep__mock_explain(skep_mock *mock, const char *format, ...) {
    va_list arguments;
    mock->why[0] = '\0';
    va_start(arguments, format);
    append(mock, format, arguments);
    va_end(arguments);
}

void skep__mock_explain_more(skep_mock *mock, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(mock, format, arguments);
    va_end(arguments);
}

int skep__mock_failed(skep_mock *mock, int status) {
    const struct skep__mock_line *line;
    skep__mock_explain_more(
        mock, "\nlatest commands (< from workers, > to them), clock at %" PRIu64 " ms:", skep_mock_now(mock));
    if (STAILQ_EMPTY(&mock->history)) skep__mock_explain_more(mock, " none");
    STAILQ_FOREACH(line, &mock->history, entry) skep__mock_explain_more(mock, "\n  %s", line->text);
    return status;
}

const char *skep_mock_why(const skep_mock *mock) {
    return mock->why;
}

/* --- things in words --- */

SKEP_PRINTF(2, 3) static void put(char text[SKEP__MOCK_SUBJECT_BYTES], const char *format, ...) {
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, SKEP__MOCK_SUBJECT_BYTES - used, format, arguments);
    va_end(arguments);
}

/* "with the reason "…"": nothing if any will do, or if there is none */
static void put_bytes(char text[SKEP__MOCK_SUBJECT_BYTES], const char *before, struct skep_bytes bytes) {
    char quoted[QUOTED_BYTES];
    if (bytes.data == NULL) return;
    put(text, "%s%s", before, skep__mock_quote(bytes, quoted, sizeof quoted));
    if (bytes.size_bytes > 16) put(text, " (%zu bytes)", bytes.size_bytes);
}

static void put_value(char text[SKEP__MOCK_SUBJECT_BYTES], const struct skep__mock_event *event) {
    if (event->value < 0) return;
    if (event->what == SKEP__MOCK_RETRIED) put(text, " after %" PRId64 " ms", event->value);
    if (event->what == SKEP__MOCK_REPLY) put(text, " with the status %s", skep_status_name((int)event->value));
}

const char *skep__mock_describe(const struct skep__mock_event *event, char text[SKEP__MOCK_SUBJECT_BYTES]) {
    static const char *const jobs[] = {
        [SKEP__MOCK_DONE] = "done",           [SKEP__MOCK_RETRIED] = "to be tried again",
        [SKEP__MOCK_FAILED] = "failed",       [SKEP__MOCK_EXTENDED] = "extended",
        [SKEP__MOCK_RELEASED] = "given back", [SKEP__MOCK_REFUSED] = "answered too late",
    };
    static const char *const others[] = {
        [SKEP__MOCK_MESSAGE] = "a message",
        [SKEP__MOCK_REQUEST] = "a request",
        [SKEP__MOCK_REPLY] = "the reply to request",
        [SKEP__MOCK_BAD_FRAME] = "what is no frame",
    };
    bool of_job = event->what <= SKEP__MOCK_REFUSED;
    if (of_job) snprintf(text, SKEP__MOCK_SUBJECT_BYTES, "job %" PRIu64 " %s", event->number, jobs[event->what]);
    else if (event->what == SKEP__MOCK_REPLY)
        snprintf(text, SKEP__MOCK_SUBJECT_BYTES, "%s %" PRIu64, others[event->what], event->number);
    else snprintf(text, SKEP__MOCK_SUBJECT_BYTES, "%s", others[event->what]);
    put_value(text, event);
    put_bytes(text, of_job ? ", the reason " : " ", event->text);
    put_bytes(text, of_job ? ", the result " : ", the data ", event->data);
    if (event->worker != 0) put(text, ", by worker %u", event->worker);
    return text;
}

const char *skep__mock_describe_worker(const struct skep__mock_worker *worker, char text[SKEP__MOCK_SUBJECT_BYTES]) {
    const struct skep__mock_place *place;
    const struct skep__mock_listener *listener;
    const struct skep__mock_counter *counter;
    snprintf(text, SKEP__MOCK_SUBJECT_BYTES, "worker %u %s", worker->id, worker->ready ? "is ready" : "is not ready");
    if (worker->said_ready && !worker->ready)
        put(text, ": it has not connected its %s", worker->has_outbox ? "inbox" : "outbox");
    if (worker->draining) put(text, ", drains");
    LIST_FOREACH(place, &worker->places, entry)
    put(text, ", handles \"%s\" (%u at a time)", place->queue, place->concurrency);
    LIST_FOREACH(listener, &worker->listeners, entry) put(text, ", listens on %s", listener->url);
    LIST_FOREACH(counter, &worker->counters, entry)
    put(text, ", has counted %s: %" PRIu64, counter->name, counter->count);
    if (worker->last_connection > 0)
        put(text, ", was handed %" PRIu64 " connections, took %" PRIu64 ", finished %" PRIu64, worker->last_connection,
            worker->taken, worker->finished);
    if (worker->left) put(text, ", has left");
    if (worker->exited && worker->signal >= 0)
        put(text, ", was ended by signal %d (%s)", worker->signal, strsignal(worker->signal));
    if (worker->exited && worker->code >= 0) put(text, ", exited with status %d", worker->code);
    return text;
}

void skep__mock_explain_workers(skep_mock *mock, uint32_t worker) {
    const struct skep__mock_worker *w;
    char text[SKEP__MOCK_SUBJECT_BYTES];
    TAILQ_FOREACH(w, &mock->workers, entry)
    if (worker == 0 || w->id == worker) skep__mock_explain_more(mock, "\n%s", skep__mock_describe_worker(w, text));
}

struct skep__mock_worker *skep__mock_present(skep_mock *mock, uint32_t worker) {
    struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (!w->left && (worker == 0 || w->id == worker)) return w;
    skep__mock_explain(mock, worker == 0 ? "there is no worker" : "there is no worker %u, or it has left", worker);
    skep__mock_failed(mock, SKEP_ENOWORKER);
    return NULL;
}
