/* SPDX-License-Identifier: MIT
 * skep peek: jobs of a queue, without touching them. skep dead: lists dead letters, puts them back into their queues,
 * or forgets them. */
#include "command/common/utf8.h"
#include "command/common/values.h"
#include "command/view/view.h"

enum {
    SHOWN_BYTES = 60, /* of a payload, a reason */
    PAGE = 100,       /* dead letters in an answer */
    USUAL_COUNT = 100
};

/* --- tables --- */

static void shorten(char cell[CELL_BYTES]) {
    static const char dots[] = "...";
    make_printable(cell);
    if (strlen(cell) > SHOWN_BYTES) memcpy(cell + utf8_whole(cell, SHOWN_BYTES), dots, sizeof dots);
}

/* A zero byte does not end it. */
static void write_data(const void *job, char cell[CELL_BYTES]) {
    const json_t *text = json_object_get(job, "data"), *value = text != NULL ? text : json_object_get(job, "data_hex");
    size_t size = json_string_length(value), shown = size < SHOWN_BYTES + 1 ? size : SHOWN_BYTES + 1;
    if (shown > 0) memcpy(cell, json_string_value(value), shown);
    for (size_t i = 0; i < shown; i++)
        if (cell[i] == '\0') cell[i] = '?';
    cell[shown] = '\0';
    shorten(cell);
}

static void write_short(const void *value, char cell[CELL_BYTES]) {
    write_text(value, cell);
    shorten(cell);
}

/* The last worker that had it, and how that ended. */
static void write_last(const void *job, char cell[CELL_BYTES]) {
    const char *signal = json_string_value(json_object_get(job, "signal"));
    const json_t *pid = json_object_get(job, "pid"), *code = json_object_get(job, "code");
    if (json_object_get(job, "worker") == NULL) return;
    size_t used = (size_t)snprintf(cell, CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(job, "worker"));
    if (pid != NULL)
        used += (size_t)snprintf(cell + used, CELL_BYTES - used, " pid %" JSON_INTEGER_FORMAT, json_integer_value(pid));
    if (signal != NULL) snprintf(cell + used, CELL_BYTES - used, " %s", signal);
    else if (code != NULL)
        snprintf(cell + used, CELL_BYTES - used, " status %" JSON_INTEGER_FORMAT, json_integer_value(code));
}

static const struct column job_columns[] = {
#define JOB(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

static const struct column dead_columns[] = {
#define DEAD(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

/* --- peek --- */

static int peek(struct contact *contact, const struct options *options) {
    const char *queue = options->operands[0];
    struct skep_command question = {.id = SKEP_COMMAND_peek, .peek = {.queue = skep__text(queue)}};
    json_t *jobs = NULL;
    contact->command = "peek";
    contact->queue = queue;
    if (options->count > 0) SKEP_SET(peek, &question.peek, n, options->count);
    int code = ask_list(contact, &question, SKEP_COMMAND_jobStatus, &jobs);
    if (code == 0) show_list(options, "jobs", jobs, "no jobs", job_columns, NULL);
    json_decref(jobs);
    return code;
}

int command_peek(const struct options *options) {
    const char *why = check_label(options->operands[0]);
    if (why != NULL) return fail(SKEP_EINVAL, "peek: %s: %s", options->operands[0], why);
    return contact_run(options, peek);
}

/* --- which dead letters --- */

/* Which dead letters are meant: those of a queue, one, or all. */
struct which {
    const char *queue; /* NULL: of all */
    uint64_t id;       /* 0: not only one */
};

/* --- dead list --- */

static int ask_page(struct contact *contact, const char *queue, uint64_t after, unsigned count, json_t **page) {
    struct skep_command question = {.id = SKEP_COMMAND_deadLetters};
    struct skep_command_deadLetters *q = &question.deadLetters;
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

static int list(struct contact *contact, const struct options *options, const struct which *which) {
    json_t *letters = json_array();
    unsigned count = options->count != 0 ? options->count : USUAL_COUNT;
    int code = ask_all(contact, which->queue, count, letters);
    if (code == 0) show_list(options, "dead", letters, "no dead letters", dead_columns, NULL);
    json_decref(letters);
    return code;
}

/* --- dead retry and dead drop --- */

struct change {
    bool is_there;
    uint64_t n;
};

static void take_changed(const struct skep_command *command, void *context) {
    struct change *change = context;
    if (command->id != SKEP_COMMAND_changed) return;
    *change = (struct change){.is_there = true, .n = command->changed.n};
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
    if (options->json) printf("{\"changed\":%" PRIu64 "}\n", change.n);
    else printf("%" PRIu64 " dead letter%s %s\n", change.n, change.n == 1 ? "" : "s", what);
    return 0;
}

static int retry(struct contact *contact, const struct options *options, const struct which *which) {
    struct skep_command request = {.id = SKEP_COMMAND_reviveDead};
    if (which->queue != NULL) SKEP_SET(reviveDead, &request.reviveDead, queue, skep__text(which->queue));
    if (which->id != 0) SKEP_SET(reviveDead, &request.reviveDead, id, which->id);
    return change(contact, options, which, &request, "put back");
}

static int drop(struct contact *contact, const struct options *options, const struct which *which) {
    struct skep_command request = {.id = SKEP_COMMAND_dropDead};
    if (which->queue != NULL) SKEP_SET(dropDead, &request.dropDead, queue, skep__text(which->queue));
    if (which->id != 0) SKEP_SET(dropDead, &request.dropDead, id, which->id);
    return change(contact, options, which, &request, "dropped");
}

/* --- dead: arguments --- */

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
