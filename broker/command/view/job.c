/* SPDX-License-Identifier: MIT
 * skep job: how one job is, or the wait for its result. skep cancel: jobs that are not to be done. */
#include <skep/client.h>

#include "command/common/members.h"
#include "command/common/utf8.h"
#include "command/common/values.h"
#include "command/submit/submission.h"
#include "command/view/view.h"

enum {
    SHOWN_BYTES = 60, /* of a text */
    TURN_MS = 200     /* between two looks for a broker */
};

static bool parse_id(const char *text, uint64_t *id) {
    return parse_number(text, 1, UINT64_MAX, id);
}

/* What the broker says about the job is the whole line. */
static int refuse(const struct contact *contact, int status) {
    if (status == SKEP_ENOJOB || status == SKEP_EBEGUN || status == SKEP_EENDED || status == SKEP_EAGAIN)
        return fail(status, "%s: %s", contact->command, contact->why);
    return contact_fail(contact, status);
}

/* --- how it is --- */

static void take_job(const struct skep_command *command, void *context) {
    json_t **job = context;
    const bool is_one = command->id == SKEP_COMMAND_jobStatus || command->id == SKEP_COMMAND_jobEnded;
    struct skep_command copy = *command;
    if (!is_one || *job != NULL) return;
    if (command->id == SKEP_COMMAND_jobStatus) {
        struct skep_bytes *data = &copy.jobStatus.data;
        *data = whole_characters(*data, copy.jobStatus.size > data->size_bytes);
    }
    *job = members_of(&copy);
}

static void print_text(const char *key, const json_t *value) {
    char text[SKEP_MAX_REASON + 1];
    size_t size = json_string_length(value);
    bool is_cut = size > SHOWN_BYTES;
    if (is_cut) size = utf8_whole(json_string_value(value), SHOWN_BYTES);
    memcpy(text, json_string_value(value), size);
    text[size] = '\0';
    make_printable(text);
    printf("%-13s %s%s\n", key, text, is_cut ? "..." : "");
}

static void print_job(const json_t *job) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)job, key, value) {
        if (json_is_string(value)) print_text(key, value);
        else if (json_is_integer(value)) printf("%-13s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
        else if (json_is_real(value)) printf("%-13s %.3f\n", key, json_real_value(value));
    }
}

static int show(struct contact *contact, const struct options *options) {
    struct skep_command question = {.id = SKEP_COMMAND_job};
    json_t *job = NULL;
    contact->command = "job";
    if (!parse_id(options->operands[0], &question.job.id)) return contact_fail(contact, SKEP_EINVAL);
    int status = contact_ask(contact, &question, ANSWER_TIMEOUT_MS, take_job, &job);
    if (status == SKEP_OK && job == NULL) status = SKEP_EPROTO;
    if (status != SKEP_OK) return refuse(contact, status);
    if (!options->json) print_job(job);
    if (options->json) print_json(job);
    else json_decref(job);
    return 0;
}

/* --- its result --- */

/* One who waits for it */
struct waiting {
    struct submission submission; /* for what is printed */
    uint64_t id;
    int code;
    bool has_ended;
    bool is_lost; /* there is no broker */
    unsigned lost_turns;
};

static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct waiting *w = context;
    const int status = outcome->status;
    char text[SKEP_MAX_REASON + 128];
    w->has_ended = true;
    if (status == SKEP_OK || status == SKEP_EDEAD) result_print(&w->submission, w->id, 0, false, outcome);
    result_describe(text, sizeof text, w->id, false, outcome);
    if (status == SKEP_EDEAD) w->code = fail(status, "job: %s", text);
    else if (status == SKEP_ENOJOB) w->code = fail(status, "job: job %" PRIu64 " is not known (any more)", w->id);
    else if (status != SKEP_OK) w->code = fail(status, "job: job %" PRIu64 ": %s", w->id, skep_client_why(client));
}

static void on_state(skep_client *client, int status, void *context) {
    struct waiting *w = context;
    (void)client;
    if (status == SKEP_ECLOSED && !w->has_ended)
        say("job: the broker has ended; waiting %d s for another one in its place", SUBMISSION_RETURN_MS / 1000);
    w->is_lost = status == SKEP_ECLOSED;
    w->lost_turns = 0;
}

static void run(struct waiting *w, skep_client *client) {
    while (!w->has_ended) {
        (void)!skep_client_wait(client, true, TURN_MS);
        if (w->has_ended || !w->is_lost || ++w->lost_turns < SUBMISSION_RETURN_MS / TURN_MS) continue;
        w->has_ended = true;
        w->code =
            fail(SKEP_ECLOSED, "job: there is no broker, and the outcome of job %" PRIu64 " is not known yet", w->id);
    }
}

static int wait_for(const struct options *options, uint64_t id) {
    struct waiting w = {.submission = {.options = options}, .id = id};
    struct contact broker = {0};
    skep_client *client = NULL;
    int code = contact_find(&broker.instance, options);
    if (code != 0) return code;
    int status = skep_client_new(&client, &(skep_client_options){.dir = broker.instance.dir});
    if (status == SKEP_OK) status = skep_job_await(client, id, on_outcome, &w);
    if (status != SKEP_OK) {
        skep_client_free(&client);
        return contact_fail(&broker, status);
    }
    skep_on_client_state(client, on_state, &w);
    run(&w, client);
    w.has_ended = true;
    skep_on_client_state(client, NULL, NULL);
    skep_client_free(&client);
    return w.code;
}

int command_job(const struct options *options) {
    uint64_t id;
    if (!parse_id(options->operands[0], &id)) return fail(SKEP_EINVAL, "job: %s: not a job id", options->operands[0]);
    return options->wait ? wait_for(options, id) : contact_run(options, show);
}

/* --- cancelling --- */

static void take_cancelled(const struct skep_command *command, void *context) {
    json_t **cancelled = context;
    if (command->id == SKEP_COMMAND_cancelled && *cancelled == NULL) *cancelled = members_of(command);
}

static void print_cancelled(const json_t *job) {
    char queue[CELL_BYTES];
    write_text(json_object_get(job, "queue"), queue);
    const char *was = json_string_value(json_object_get(job, "was"));
    printf("job %" JSON_INTEGER_FORMAT " of %s: %s\n", number_of(job, "id"), queue,
           was != NULL && strcmp(was, "dead") == 0 ? "dead letter dropped" : "cancelled");
}

static int cancel_one(struct contact *contact, uint64_t id, json_t *all) {
    const struct skep_command question = {.id = SKEP_COMMAND_cancelJob, .cancelJob = {.id = id}};
    json_t *job = NULL;
    int status = contact_ask(contact, &question, ANSWER_TIMEOUT_MS, take_cancelled, &job);
    if (status == SKEP_OK && job == NULL) status = SKEP_EPROTO;
    if (status != SKEP_OK) return refuse(contact, status);
    if (json_array_append_new(all, job) != 0) return contact_fail(contact, SKEP_ENOMEM);
    return 0;
}

/* One after the other, whatever becomes of those before. */
static int cancel_all(struct contact *contact, const struct options *options) {
    json_t *all = json_array();
    int code = 0;
    contact->command = "cancel";
    for (int i = 0; i < options->rest_count; i++) {
        uint64_t id = 0;
        size_t before = json_array_size(all);
        int failed = parse_id(options->rest[i], &id) ? cancel_one(contact, id, all) : EXIT_USAGE;
        if (code == 0) code = failed;
        if (!options->json && json_array_size(all) > before) print_cancelled(json_array_get(all, before));
    }
    if (options->json) print_json(json_pack("{s:O}", "cancelled", all));
    json_decref(all);
    return code;
}

int command_cancel(const struct options *options) {
    uint64_t id;
    for (int i = 0; i < options->rest_count; i++)
        if (!parse_id(options->rest[i], &id)) return fail(SKEP_EINVAL, "cancel: %s: not a job id", options->rest[i]);
    return contact_run(options, cancel_all);
}
