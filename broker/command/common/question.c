/* SPDX-License-Identifier: MIT
 * One question to a broker whose answer is a list. */
#include "command/common/contact.h"

#include "command/common/fields.h"
#include "command/common/members.h"
#include "command/common/print.h"
#include "command/common/table.h"

struct gathering {
    enum skep_command_id kind;
    json_t *list;
    bool failed; /* no memory */
};

/* Of a payload that is longer than what is shown, the last character may be cut in two. */
static json_t *job_json(struct skep_command job) {
    struct skep_bytes *data = &job.jobStatus.data;
    *data = whole_characters(*data, job.jobStatus.size > data->size_bytes);
    return members_of(&job);
}

static void gather(const struct skep_command *command, void *context) {
    struct gathering *gathering = context;
    if (command->id != gathering->kind) return;
    json_t *object = command->id == SKEP_COMMAND_jobStatus ? job_json(*command) : members_of(command);
    if (json_array_append_new(gathering->list, object) != 0) gathering->failed = true;
}

int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind, json_t **list) {
    struct gathering gathering = {.kind = kind, .list = json_array()};
    int status =
        gathering.list == NULL ? SKEP_ENOMEM : contact_ask(contact, question, ANSWER_TIMEOUT_MS, gather, &gathering);
    if (status == SKEP_OK && gathering.failed) status = SKEP_ENOMEM;
    if (status == SKEP_OK) *list = gathering.list;
    else json_decref(gathering.list);
    return status == SKEP_OK ? 0 : contact_fail(contact, status);
}

void show_list(const struct options *options, const char *key, json_t *list, const char *none,
               const struct column *columns, void (*below)(const json_t *row)) {
    if (options->json) print_json(json_pack("{s:O}", key, list));
    else if (json_array_size(list) == 0) puts(none);
    else table_print(list, columns, below);
}
