/* SPDX-License-Identifier: MIT
 * What became of a job that was submitted, on stdout. */
#include "command/submit/submission.h"

static const char *word_of(bool duplicate, const skep_outcome *outcome) {
    if (outcome != NULL) return outcome->status == SKEP_OK ? "done" : "dead";
    return duplicate ? "duplicate" : "accepted";
}

static void add_outcome(json_t *object, const skep_outcome *outcome) {
    struct skep_bytes result = {outcome->data, outcome->size_bytes};
    if (outcome->status == SKEP_OK) {
        set_data(object, "result", result);
        return;
    }
    set_data(object, "cause", skep__text(outcome->cause));
    set_data(object, "reason", skep__text(outcome->reason));
}

static void print_object(uint64_t id, uint64_t line, bool duplicate, const skep_outcome *outcome) {
    json_t *object = json_pack("{s:I}", "id", (json_int_t)id);
    if (line != 0) json_object_set_new(object, "line", json_integer((json_int_t)line));
    json_object_set_new(object, "status", json_string(word_of(duplicate, outcome)));
    if (outcome != NULL) add_outcome(object, outcome);
    print_json(object);
}

/* The result of one job is printed as it is, those of lines with a line feed each. */
static void print_result(const skep_outcome *outcome, bool is_line) {
    struct skep_bytes result = {outcome->data, outcome->size_bytes};
    if (outcome->status != SKEP_OK) return;
    print_bytes(result);
    bool ends = result.size_bytes > 0 && result.data[result.size_bytes - 1] == '\n';
    if (is_line || (isatty(STDOUT_FILENO) && !ends)) putchar('\n');
}

void result_print(const struct submission *submission, uint64_t id, uint64_t line, bool duplicate,
                  const skep_outcome *outcome) {
    bool wait = submission->options->wait, is_last = outcome != NULL || duplicate;
    if (wait ? !is_last : line != 0) return; /* more is to come; or there are too many to be told apart */
    if (submission->options->json) print_object(id, line, duplicate, outcome);
    else if (outcome != NULL) print_result(outcome, line != 0);
    else if (!wait) printf("%" PRIu64 "\n", id);
}

void result_describe(char *text, size_t capacity_bytes, uint64_t id, bool duplicate, const skep_outcome *outcome) {
    const bool cancelled = strcmp(outcome->cause, "cancelled") == 0, has_reason = outcome->reason[0] != '\0';
    int n = snprintf(text, capacity_bytes, "%sjob %" PRIu64 "%s ", duplicate ? "duplicate: " : "", id,
                     duplicate ? ", which had this key before," : "");
    size_t used = (size_t)n;
    if (cancelled) snprintf(text + used, capacity_bytes - used, "was cancelled");
    else
        snprintf(text + used, capacity_bytes - used, "is a dead letter: %s%s%s", outcome->cause, has_reason ? ": " : "",
                 outcome->reason);
}
