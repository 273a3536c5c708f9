/* SPDX-License-Identifier: MIT
 * skep complete: what the shells' completions ask, a word a line. It is not in the help. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/contact.h"
#include "command/common/say.h"
#include "command/subcommands.h"
#include "common/text.h"

enum { PATIENCE_MS = 500 /* a user waits for the completion */ };

/* Names are chosen by workers and clients, and shells may read more into them than a name. */
static void print_name(struct skep_bytes name) {
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/@+,";
    for (size_t i = 0; i < name.size_bytes; i++)
        if (name.data[i] == '\0' || strchr(harmless, name.data[i]) == NULL) return;
    if (name.size_bytes > 0 && name.data[0] != '-') printf("%.*s\n", (int)name.size_bytes, name.data);
}

/* Of what kind it is is said by the question's row. */
static void on_answer(const struct skep_command *command, void *context) {
    const enum skep_command_id *kind = context;
    if (command->id != *kind) return;
    switch (command->id) {
    case SKEP_COMMAND_workerStatus: printf("%" PRIu64 "\n", command->workerStatus.worker); break;
    case SKEP_COMMAND_listenerStatus: print_name(command->listenerStatus.name); break;
    case SKEP_COMMAND_queueStatus: print_name(command->queueStatus.name); break;
    default: print_name(command->groupStatus.name); break;
    }
}

static void on_instance(const char *name, void *context) {
    (void)context;
    print_name(skep__text(name));
}

static const struct {
    const char *what;
    enum skep_command_id question, kind;
} rows[] = {
#define ASKED(name, question, kind) {name, SKEP_COMMAND_##question, SKEP_COMMAND_##kind},
#include "command/manual/sources.def"
};

static int ask_for(struct contact *contact, const struct options *options) {
    const char *what = options->operands[0];
    int status = SKEP_EINVAL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skep_command question = {.id = rows[i].question};
        enum skep_command_id kind = rows[i].kind;
        if (strcmp(rows[i].what, what) != 0) continue;
        status = contact_ask(contact, &question, PATIENCE_MS, on_answer, &kind);
        if (status != SKEP_OK) return contact_fail(contact, status);
    }
    return status == SKEP_OK ? 0 : fail(status, "complete: %s: unknown kind", what);
}

int command_complete(const struct options *options) {
    char dir[SKEP_MAX_DIR + 1];
    if (strcmp(options->operands[0], "instances") != 0) return contact_run(options, ask_for);
    int status = skep__instance_default_dir("default", dir);
    if (status == SKEP_OK) neighbours_each(dir, on_instance, NULL);
    return skep_exit_status(status);
}
