/* SPDX-License-Identifier: MIT
 * skep status: asks a broker how everything is. */
#include "status.h"

#include <stdio.h>

#include "contact.h"
#include "say.h"
#include "subcommands.h"

static void on_answer(const struct skep_command *command, void *context) {
    status_add(context, command);
}

/* 15 digits show what was given; 17, the default, would show 0.1 as 0.10000000000000001. */
static void print(const json_t *status, const struct options *options, const char *dir) {
    if (!options->json) {
        status_print_text(status, dir);
        return;
    }
    json_dumpf(status, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    putchar('\n');
}

int command_status(const struct options *options) {
    struct contact contact;
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    json_t *report = json_object();
    struct skep_command question = {.id = SKEP_COMMAND_status};
    int status = report != NULL ? contact_ask(&contact, &question, ANSWER_TIMEOUT_MS, on_answer, report) : SKEP_ENOMEM;
    if (status == SKEP_OK && json_object_get(report, "pid") == NULL) status = SKEP_EPROTO;
    if (status == SKEP_OK) print(report, options, contact.instance.dir);
    else code = contact_fail(&contact, status);
    json_decref(report);
    contact_close(&contact);
    return code;
}
