/* SPDX-License-Identifier: MIT
 * skep peek: jobs of a queue, without touching them. */
#include <stdio.h>

#include "command/common/question.h"
#include "command/common/say.h"
#include "command/common/values.h"
#include "command/subcommands.h"
#include "command/view/jobs_text.h"
#include "common/text.h"

static int show(struct contact *contact, const struct options *options) {
    const char *queue = options->operands[0];
    struct skep_command question = {.id = SKEP_COMMAND_peek};
    json_t *jobs = NULL;
    contact->command = "peek";
    contact->queue = queue;
    question.peek = (struct skep_command_peek){.queue = skep__text(queue)};
    if (options->count > 0) SKEP_SET(peek, &question.peek, n, options->count);
    int code = ask_list(contact, &question, SKEP_COMMAND_jobStatus, &jobs);
    if (code == 0 && options->json) print_list("jobs", jobs);
    else if (code == 0 && json_array_size(jobs) == 0) puts("no jobs");
    else if (code == 0) jobs_print(jobs);
    json_decref(jobs);
    return code;
}

int command_peek(const struct options *options) {
    const char *why = check_label(options->operands[0]);
    if (why != NULL) return fail(SKEP_EINVAL, "peek: %s: %s", options->operands[0], why);
    return contact_run(options, show);
}
