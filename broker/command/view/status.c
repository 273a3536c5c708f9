/* SPDX-License-Identifier: MIT
 * skep status: asks a broker how everything is, once or again and again. */
#include "command/view/view.h"

#include <poll.h>
#include <stdlib.h>

enum { USUAL_EVERY_MS = 1000 };

static void on_answer(const struct skep_command *command, void *context) {
    status_add(context, command);
}

static int ask(struct contact *contact, json_t **report) {
    struct status answer = {.json = json_object()};
    struct skep_command question = {.id = SKEP_COMMAND_status};
    SKEP_SET(status, &question.status, times, true);
    int status =
        answer.json != NULL ? contact_ask(contact, &question, ANSWER_TIMEOUT_MS, on_answer, &answer) : SKEP_ENOMEM;
    if (status == SKEP_OK && json_object_get(answer.json, "pid") == NULL) status = SKEP_EPROTO;
    if (status == SKEP_OK) *report = answer.json;
    else json_decref(answer.json);
    return status;
}

static void write_report(FILE *file, json_t *report, const struct options *options, const char *dir) {
    if (options->json) write_json(file, report);
    else status_write_text(file, report, dir, paint_wanted(), window_size().ws_col);
}

static int show_once(struct contact *contact, const struct options *options) {
    json_t *report = NULL;
    int status = ask(contact, &report);
    if (status != SKEP_OK) return contact_fail(contact, status);
    write_report(stdout, report, options, contact->instance.dir);
    json_decref(report);
    return 0;
}

/* --- watching --- */

static int end_of_watch(const struct contact *contact, int status) {
    if (status != SKEP_ECLOSED || !contact_has_stopped(contact)) return contact_fail(contact, status);
    say("status: broker pid %d in %s has stopped", (int)contact->instance.pid, contact->instance.dir);
    return 0;
}

static int show_frame(json_t *report, const struct options *options, const char *dir, bool *deaf) {
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *file = open_memstream(&text, &size_bytes);
    if (file == NULL) return fail(SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    write_report(file, report, options, dir);
    int code = fclose(file) == 0 ? watch_show(text, size_bytes, deaf)
                                 : fail(SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    free(text);
    return code;
}

static int watch(struct contact *contact, const struct options *options) {
    unsigned every_ms = options->every_ms != 0 ? options->every_ms : USUAL_EVERY_MS;
    bool deaf = false;
    for (;;) {
        json_t *report = NULL;
        int status = ask(contact, &report);
        if (status != SKEP_OK) return end_of_watch(contact, status);
        int code = show_frame(report, options, contact->instance.dir, &deaf);
        json_decref(report);
        if (code != 0 || deaf) return code;
        poll(NULL, 0, (int)every_ms);
    }
}

int command_status(const struct options *options) {
    if (options->every_ms != 0 && !options->watch)
        return fail(SKEP_EINVAL, "status: --every needs --watch; see skep help status");
    if (options->watch) watch_begin();
    return contact_run(options, options->watch ? watch : show_once);
}
