/* SPDX-License-Identifier: MIT
 * skep dead: lists dead letters, puts them back into their queues, or forgets them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/question.h"
#include "command/common/say.h"
#include "command/common/values.h"
#include "command/subcommands.h"
#include "command/view/jobs_text.h"
#include "common/text.h"

enum { PAGE = 100, USUAL_COUNT = 100 };

/* Which dead letters are meant: those of a queue, one, or all. */
struct which {
    const char *queue; /* NULL: of all */
    uint64_t id;       /* 0: not only one */
};

/* --- list --- */

static int ask_page(struct contact *contact, const char *queue, uint64_t after, unsigned count, json_t **page) {
    struct skep_command question = {.id = SKEP_COMMAND_deadLetters};
    struct skep_command_deadLetters *q = &question.deadLetters;
    *q = (struct skep_command_deadLetters){0};
    if (queue != NULL) SKEP_SET(deadLetters, q, queue, skep__text(queue));
    if (after != 0) SKEP_SET(deadLetters, q, after, after);
    SKEP_SET(deadLetters, q, n, count);
    return ask_list(contact, &question, SKEP_COMMAND_jobStatus, page);
}

static uint64_t last_id(const json_t *page) {
    const json_t *last = json_array_get(page, json_array_size(page) - 1);
    return (uint64_t)json_integer_value(json_object_get(last, "id"));
}

/* A page may be shorter than what was asked for, so only an empty one is the end. */
static int ask_all(struct contact *contact, const char *queue, unsigned count, json_t *letters) {
    uint64_t after = 0;
    while (json_array_size(letters) < count) {
        size_t left = count - json_array_size(letters);
        json_t *page = NULL;
        int code = ask_page(contact, queue, after, left < PAGE ? (unsigned)left : PAGE, &page);
        if (code != 0) return code;
        bool is_end = json_array_size(page) == 0;
        bool goes_on = !is_end && json_array_size(page) <= left && last_id(page) != after;
        if (goes_on) after = last_id(page);
        int failed = json_array_extend(letters, page);
        json_decref(page);
        if (failed != 0) return contact_fail(contact, SKEP_ENOMEM);
        if (is_end) return 0;
        if (!goes_on) return contact_fail(contact, SKEP_EPROTO);
    }
    return 0;
}

static void print_letters(json_t *letters, const struct options *options) {
    if (options->json) print_list("dead", letters);
    else if (json_array_size(letters) == 0) puts("no dead letters");
    else dead_print(letters);
}

static int list(struct contact *contact, const struct options *options, const struct which *which) {
    json_t *letters = json_array();
    unsigned count = options->count != 0 ? options->count : USUAL_COUNT;
    int code = ask_all(contact, which->queue, count, letters);
    if (code == 0) print_letters(letters, options);
    json_decref(letters);
    return code;
}

/* --- retry and drop --- */

struct change {
    bool is_there;
    uint64_t n;
};

static void take_changed(const struct skep_command *command, void *context) {
    struct change *change = context;
    if (command->id != SKEP_COMMAND_changed) return;
    *change = (struct change){.is_there = true, .n = command->changed.n};
}

static void print_change(uint64_t n, const char *what, bool json) {
    if (json) printf("{\"changed\":%" PRIu64 "}\n", n);
    else printf("%" PRIu64 " dead letter%s %s\n", n, n == 1 ? "" : "s", what);
}

static int change(struct contact *contact, const struct options *options, const struct which *which,
                  const struct skep_command *request, const char *what) {
    struct change change = {0};
    int status = contact_ask(contact, request, ANSWER_TIMEOUT_MS, take_changed, &change);
    if (status == SKEP_OK && !change.is_there) status = SKEP_EPROTO;
    if (status == SKEP_OK && which->id != 0 && change.n == 0) status = SKEP_ENOJOB;
    if (status == SKEP_ENOJOB && which->id != 0)
        return fail(status, "dead %s: %" PRIu64 ": no such dead letter", options->operands[0], which->id);
    if (status != SKEP_OK) return contact_fail(contact, status);
    print_change(change.n, what, options->json);
    return 0;
}

static int retry(struct contact *contact, const struct options *options, const struct which *which) {
    struct skep_command request = {.id = SKEP_COMMAND_reviveDead};
    request.reviveDead.has = 0;
    if (which->queue != NULL) SKEP_SET(reviveDead, &request.reviveDead, queue, skep__text(which->queue));
    if (which->id != 0) SKEP_SET(reviveDead, &request.reviveDead, id, which->id);
    return change(contact, options, which, &request, "put back");
}

static int drop(struct contact *contact, const struct options *options, const struct which *which) {
    struct skep_command request = {.id = SKEP_COMMAND_dropDead};
    request.dropDead.has = 0;
    if (which->queue != NULL) SKEP_SET(dropDead, &request.dropDead, queue, skep__text(which->queue));
    if (which->id != 0) SKEP_SET(dropDead, &request.dropDead, id, which->id);
    return change(contact, options, which, &request, "dropped");
}

/* --- arguments --- */

static const struct verb {
    const char *name, *command;
    int (*run)(struct contact *contact, const struct options *options, const struct which *which);
    bool changes; /* it must be told which, and a number is an id */
} verbs[] = {
    {"list", "dead list", list, false}, {"retry", "dead retry", retry, true}, {"drop", "dead drop", drop, true}};

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

/* What is wrong with the arguments, or NULL. */
static const char *check_usage(const struct options *options, const struct verb *verb) {
    int ways = (options->operands[1] != NULL) + (options->queue != NULL) + options->all;
    if (!verb->changes && options->all) return "--all is only for retry and drop";
    if (verb->changes && options->count != 0) return "--count is only for list";
    if (ways > 1) return "give only one of QUEUE, ID, --queue and --all";
    if (verb->changes && ways == 0) return "QUEUE, ID, --queue QUEUE or --all is missing";
    return NULL;
}

static const char *find_which(const struct options *options, const struct verb *verb, struct which *which) {
    const char *operand = options->operands[1];
    *which = (struct which){.queue = options->queue};
    if (operand == NULL) return NULL;
    if (verb->changes && is_number(operand))
        return parse_number(operand, 1, UINT64_MAX, &which->id) ? NULL : "not a job id";
    which->queue = operand;
    return check_label(operand);
}

int command_dead(const struct options *options) {
    struct contact contact;
    struct which which;
    const char *name = options->operands[0];
    const struct verb *verb = find_verb(name);
    if (verb == NULL) return fail(SKEP_EINVAL, "dead: %s: expected list, retry or drop; see skep help dead", name);
    const char *why = check_usage(options, verb);
    if (why != NULL) return fail(SKEP_EINVAL, "dead %s: %s; see skep help dead", name, why);
    why = find_which(options, verb, &which);
    if (why != NULL) return fail(SKEP_EINVAL, "dead %s: %s: %s", name, options->operands[1], why);
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    contact.command = verb->command;
    contact.queue = which.queue;
    code = verb->run(&contact, options, &which);
    contact_close(&contact);
    return code;
}
