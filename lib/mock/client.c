/* SPDX-License-Identifier: MIT
 * A mock client: a real one that remembers what it was told, and says so when that was not expected. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "mock/client.h"

enum { WHY_BYTES = 2048, QUOTED_BYTES = 240, LOOK_MS = 5 };

/* What was submitted or asked, and what came of it */
struct question {
    STAILQ_ENTRY(question) entry;
    skep_mock_client *client;
    uint64_t number;
    bool is_request, is_answered, is_finished;
    int answer;  /* accepted, or declined with this status */
    int outcome; /* of the job, or of the request */
    uint64_t id;
    struct skep_frame data; /* plain bytes: result or reply */
    char cause[SKEP_MAX_NAME + 1], reason[SKEP_MAX_REASON + 1];
};

struct skep_mock_client {
    skep_client *client;
    bool has_runner; /* the broker is in this process */
    struct skep__mock_runner runner;
    uint64_t last;
    STAILQ_HEAD(, question) questions;
    char why[WHY_BYTES];
};

/* --- life --- */

int skep__mock_client_join(skep_mock_client **out, const char *dir, const struct skep__mock_runner *runner) {
    skep_client_options options = {.dir = dir, .loop = runner != NULL ? runner->loop : NULL};
    skep_mock_client *client = calloc(1, sizeof *client);
    if (client == NULL) return SKEP_ENOMEM;
    client->has_runner = runner != NULL;
    if (runner != NULL) client->runner = *runner;
    STAILQ_INIT(&client->questions);
    int status = skep_client_new(&client->client, &options);
    if (status == SKEP_OK) *out = client;
    else free(client);
    return status;
}

int skep_mock_client_new(skep_mock_client **client, const char *dir) {
    return skep__mock_client_join(client, dir, NULL);
}

void skep_mock_client_free(skep_mock_client **out) {
    skep_mock_client *client = *out;
    if (client == NULL) return;
    *out = NULL;
    skep_client_free(&client->client);
    for (int i = 0; client->has_runner && i < 2; i++) uv_run(client->runner.loop, UV_RUN_NOWAIT);
    for (struct question *q; (q = STAILQ_FIRST(&client->questions)) != NULL;) {
        STAILQ_REMOVE_HEAD(&client->questions, entry);
        skep__frame_free(&q->data);
        free(q);
    }
    free(client);
}

skep_client *skep_mock_client_inside(skep_mock_client *client) {
    return client->client;
}

const char *skep_mock_client_why(const skep_mock_client *client) {
    return client->why;
}

/* --- what goes wrong --- */

SKEP_PRINTF(2, 3) static void explain(skep_mock_client *client, const char *format, ...) {
    size_t used = strlen(client->why);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->why + used, sizeof client->why - used, format, arguments);
    va_end(arguments);
}

static int failed(skep_mock_client *client, int status) {
    client->why[0] = '\0';
    explain(client, "%s",
            skep_client_why(client->client)[0] != '\0' ? skep_client_why(client->client) : skep_strerror(status));
    return status;
}

/* --- what it is told --- */

static void answered(skep_client *client, int status, uint64_t id, void *context) {
    struct question *q = context;
    (void)client;
    q->is_answered = true;
    q->answer = status;
    q->id = id;
}

static void finish(struct question *q, int status, const void *data, size_t size_bytes) {
    q->is_finished = true;
    q->outcome = status;
    if (size_bytes > 0 && skep__frame_append(&q->data, data, size_bytes) != SKEP_OK) q->outcome = SKEP_ENOMEM;
}

static void finished(skep_client *client, const skep_outcome *outcome, void *context) {
    struct question *q = context;
    (void)client;
    finish(q, outcome->status, outcome->data, outcome->size_bytes);
    snprintf(q->cause, sizeof q->cause, "%s", outcome->cause);
    snprintf(q->reason, sizeof q->reason, "%s", outcome->reason);
}

static void replied(skep_client *client, int status, const void *data, size_t size_bytes, void *context) {
    (void)client;
    finish(context, status, data, size_bytes);
}

/* --- what it says --- */

static struct question *new_question(skep_mock_client *client, bool is_request) {
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL) return NULL;
    *q = (struct question){.client = client, .number = client->last + 1, .is_request = is_request};
    return q;
}

static int asked(skep_mock_client *client, struct question *q, int status, uint64_t *number) {
    if (status != SKEP_OK) {
        free(q);
        return failed(client, status);
    }
    STAILQ_INSERT_TAIL(&client->questions, q, entry);
    *number = client->last = q->number;
    return SKEP_OK;
}

int skep_mock_client_submit(skep_mock_client *client, const char *queue, const void *data, size_t size_bytes,
                            const skep_job_options *options, uint64_t *number) {
    struct question *q = new_question(client, false);
    if (q == NULL) return SKEP_ENOMEM;
    return asked(client, q, skep_submit(client->client, queue, data, size_bytes, options, answered, finished, q),
                 number);
}

int skep_mock_client_request(skep_mock_client *client, uint32_t worker, const char *to_name, const char *name,
                             const void *data, size_t size_bytes, uint64_t *number) {
    struct question *q = new_question(client, true);
    if (q == NULL) return SKEP_ENOMEM;
    return asked(client, q, skep_client_request(client->client, worker, to_name, name, data, size_bytes, 0, replied, q),
                 number);
}

/* --- waiting --- */

static bool is_answered(void *question) {
    const struct question *q = question;
    return q->is_answered;
}

static bool is_finished(void *question) {
    const struct question *q = question;
    return q->is_finished;
}

static int wait_for(skep_mock_client *client, skep_mock_cb is_so, struct question *q, unsigned timeout_ms) {
    if (client->has_runner) return client->runner.run(client->runner.context, is_so, q, timeout_ms);
    uint64_t deadline_ns = uv_hrtime() + timeout_ms * UINT64_C(1000000);
    while (!is_so(q)) {
        if (uv_hrtime() >= deadline_ns) return SKEP_ETIMEDOUT;
        int status = skep_client_run_wait(client->client, LOOK_MS);
        if (status != SKEP_OK) return status;
    }
    return SKEP_OK;
}

static struct question *find(skep_mock_client *client, uint64_t number, bool is_request) {
    struct question *q;
    STAILQ_FOREACH(q, &client->questions, entry) if (q->number == number && q->is_request == is_request) return q;
    client->why[0] = '\0';
    explain(client, "no %s %" PRIu64 " was sent", is_request ? "request" : "job", number);
    return NULL;
}

/* --- in words --- */

const char *skep__mock_quote(struct skep_bytes bytes, char *text, size_t capacity_bytes) {
    size_t used = 1;
    text[0] = '"';
    for (size_t i = 0; i < bytes.size_bytes && used + 8 < capacity_bytes; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        used += (size_t)snprintf(text + used, capacity_bytes - used, plain ? "%c" : "\\x%02x", c);
        if (used + 8 >= capacity_bytes) used += (size_t)snprintf(text + used, capacity_bytes - used, "...");
    }
    snprintf(text + used, capacity_bytes - used, "\"");
    return text;
}

static void tell_data(skep_mock_client *client, const char *before, const void *data, size_t size_bytes) {
    char quoted[QUOTED_BYTES];
    if (data == NULL) return;
    explain(client, "%s%s", before, skep__mock_quote((struct skep_bytes){data, size_bytes}, quoted, sizeof quoted));
}

static void begin(skep_mock_client *client, const struct question *q, const char *what, unsigned timeout_ms) {
    client->why[0] = '\0';
    explain(client, "expected within %u ms: %s %" PRIu64 " %s", timeout_ms, q->is_request ? "request" : "job",
            q->number, what);
}

static void tell_answer(skep_mock_client *client, const struct question *q) {
    if (!q->is_answered) explain(client, "\nit was neither accepted nor declined");
    else if (q->answer == SKEP_OK) explain(client, "\nit was accepted as job %" PRIu64, q->id);
    else explain(client, "\nit was declined with the status %s", skep_status_name(q->answer));
}

static void tell_outcome(skep_mock_client *client, const struct question *q) {
    if (!q->is_request) tell_answer(client, q);
    if (!q->is_finished) return;
    explain(client, "\nwhat came of it: %s", skep_status_name(q->outcome));
    if (q->outcome == SKEP_OK) tell_data(client, ", ", q->data.data != NULL ? q->data.data : "", q->data.size_bytes);
    if (q->cause[0] != '\0') explain(client, ", cause %s", q->cause);
    if (q->reason[0] != '\0') explain(client, ", reason \"%s\"", q->reason);
}

/* --- expecting --- */

static bool same(const void *wanted, size_t wanted_bytes, const struct skep_frame *data) {
    if (wanted == NULL) return true;
    return wanted_bytes == data->size_bytes && (wanted_bytes == 0 || memcmp(wanted, data->data, data->size_bytes) == 0);
}

static bool same_text(const char *wanted, const char *text) {
    return wanted == NULL || strcmp(wanted, text) == 0;
}

int skep_mock_client_expect_answer(skep_mock_client *client, uint64_t number, int status, uint64_t *id,
                                   unsigned timeout_ms) {
    struct question *q = find(client, number, false);
    if (q == NULL) return SKEP_ENOJOB;
    int waited = wait_for(client, is_answered, q, timeout_ms);
    if (waited == SKEP_OK && q->answer == status) {
        if (id != NULL && (status == SKEP_OK || status == SKEP_EDUPLICATE)) *id = q->id;
        return SKEP_OK;
    }
    begin(client, q, status == SKEP_OK ? "accepted" : "declined with the status ", timeout_ms);
    if (status != SKEP_OK) explain(client, "%s", skep_status_name(status));
    tell_answer(client, q);
    return waited == SKEP_OK ? SKEP_EUNEXPECTED : waited;
}

int skep_mock_client_expect_result(skep_mock_client *client, uint64_t number, const void *result, size_t size_bytes,
                                   unsigned timeout_ms) {
    struct question *q = find(client, number, false);
    if (q == NULL) return SKEP_ENOJOB;
    int waited = wait_for(client, is_finished, q, timeout_ms);
    if (waited == SKEP_OK && q->outcome == SKEP_OK && same(result, size_bytes, &q->data)) return SKEP_OK;
    begin(client, q, "done", timeout_ms);
    tell_data(client, ", the result ", result, size_bytes);
    tell_outcome(client, q);
    return waited == SKEP_OK ? SKEP_EUNEXPECTED : waited;
}

int skep_mock_client_expect_dead(skep_mock_client *client, uint64_t number, const char *cause, const char *reason,
                                 unsigned timeout_ms) {
    struct question *q = find(client, number, false);
    if (q == NULL) return SKEP_ENOJOB;
    int waited = wait_for(client, is_finished, q, timeout_ms);
    bool dead = waited == SKEP_OK && q->outcome == SKEP_EDEAD;
    if (dead && same_text(cause, q->cause) && same_text(reason, q->reason)) return SKEP_OK;
    begin(client, q, "a dead letter", timeout_ms);
    if (cause != NULL) explain(client, ", cause %s", cause);
    if (reason != NULL) explain(client, ", reason \"%s\"", reason);
    tell_outcome(client, q);
    return waited == SKEP_OK ? SKEP_EUNEXPECTED : waited;
}

int skep_mock_client_expect_reply(skep_mock_client *client, uint64_t number, int status, const void *data,
                                  size_t size_bytes, unsigned timeout_ms) {
    struct question *q = find(client, number, true);
    if (q == NULL) return SKEP_ENOJOB;
    int waited = wait_for(client, is_finished, q, timeout_ms);
    if (waited == SKEP_OK && q->outcome == status && same(data, size_bytes, &q->data)) return SKEP_OK;
    begin(client, q, "replied to with the status ", timeout_ms);
    explain(client, "%s", skep_status_name(status));
    tell_data(client, ", the data ", data, size_bytes);
    tell_outcome(client, q);
    return waited == SKEP_OK ? SKEP_EUNEXPECTED : waited;
}
