/* SPDX-License-Identifier: MIT
 * The blocking face: runs a loop of the client's own until something is so. */
#include "client/private.h"

enum { FOR_EVER_MS = 1000 * 60 * 60 * 24 };

static void look_again(uv_timer_t *timer) {
    (void)timer;
}

/* Errors: SKEP_ESTATE. */
static int check(skep_client *client) {
    if (client->owns_loop && !client->running && !client->closing) return SKEP_OK;
    return skep__client_fail(client, SKEP_ESTATE, "only a client with a loop of its own that is not running can wait");
}

/* Errors: SKEP_ETIMEDOUT, SKEP_ESTATE. */
static int run_until(skep_client *client, bool (*is_so)(const skep_client *client, const void *context),
                     const void *context, unsigned timeout_ms) {
    int status = check(client);
    if (status != SKEP_OK) return status;
    client->wait_has_ended = false;
    client->running = true;
    uv_update_time(client->loop);
    if (timeout_ms != 0) uv_timer_start(&client->wait, skep__client_wait_ended, timeout_ms, 0);
    else uv_timer_start(&client->wait, look_again, FOR_EVER_MS, FOR_EVER_MS);
    while (!is_so(client, context) && !client->wait_has_ended) uv_run(client->loop, UV_RUN_ONCE);
    uv_timer_stop(&client->wait);
    client->running = false;
    if (is_so(client, context)) return SKEP_OK;
    return skep__client_fail(client, SKEP_ETIMEDOUT, "%s: nothing within %u ms", client->instance.dir, timeout_ms);
}

static bool all_is_answered(const skep_client *client, const void *context) {
    const bool *outcomes = context;
    return client->unanswered == 0 && (!*outcomes || client->unfinished_count == 0);
}

static bool can_submit(const skep_client *client, const void *context) {
    (void)context;
    return !client->sender_waits && skep__client_has_room(client);
}

int skep_client_wait(skep_client *client, bool outcomes, unsigned timeout_ms) {
    return run_until(client, all_is_answered, &outcomes, timeout_ms);
}

int skep_client_drain_wait(skep_client *client, unsigned timeout_ms) {
    return run_until(client, can_submit, NULL, timeout_ms);
}

/* --- waiting for one answer --- */

/* What a callback fills in. The callback may come after the wait has timed out: then it frees this. */
struct answer {
    bool is_there;
    bool abandoned;
    int status;
    uint64_t *id; /* may be NULL */
    void *data;
    size_t size_bytes;
    skep_status_cb on_status;
    skep_job_status_cb on_job;
    void *context;
};

static bool is_there(const skep_client *client, const void *context) {
    const struct answer *answer = context;
    (void)client;
    return answer->is_there;
}

/* Even no time at all is one turn of the loop. */
int skep_client_run_wait(skep_client *client, unsigned duration_ms) {
    static const struct answer never = {.is_there = false};
    int status = run_until(client, is_there, &never, duration_ms != 0 ? duration_ms : 1);
    return status == SKEP_ETIMEDOUT ? SKEP_OK : status;
}

static void note(struct answer *answer, int status) {
    if (answer->abandoned) {
        free(answer->data);
        free(answer);
        return;
    }
    answer->is_there = true;
    answer->status = status;
}

static void note_data(struct answer *answer, int status, const void *data, size_t size_bytes) {
    char *copy = status == SKEP_OK && !answer->abandoned ? malloc(size_bytes + 1) : NULL;
    answer->data = copy;
    answer->size_bytes = size_bytes;
    if (copy != NULL && size_bytes > 0) memcpy(copy, data, size_bytes);
    if (copy != NULL) copy[size_bytes] = '\0';
    note(answer, copy == NULL && status == SKEP_OK ? SKEP_ENOMEM : status);
}

/* Waits for what was asked for with status. data: what comes, the caller's to free; NULL: none does. */
static int await(skep_client *client, struct answer *answer, int status, unsigned timeout_ms, void **data,
                 size_t *size_bytes) {
    bool asked = status == SKEP_OK;
    if (asked) status = run_until(client, is_there, answer, timeout_ms);
    if (asked && status != SKEP_OK) {
        answer->abandoned = true;
        return status;
    }
    if (asked) status = answer->status;
    if (status == SKEP_OK && data != NULL) *data = answer->data;
    if (status == SKEP_OK && size_bytes != NULL) *size_bytes = answer->size_bytes;
    free(answer);
    return status;
}

/* NULL: *status says why. */
static struct answer *begin(skep_client *client, int *status) {
    *status = check(client);
    struct answer *answer = *status == SKEP_OK ? calloc(1, sizeof *answer) : NULL;
    if (*status == SKEP_OK) *status = SKEP_ENOMEM;
    return answer;
}

static void note_accepted(skep_client *client, int status, uint64_t id, void *context) {
    struct answer *answer = context;
    (void)client;
    if (!answer->abandoned && answer->id != NULL && (status == SKEP_OK || status == SKEP_EDUPLICATE)) *answer->id = id;
    note(answer, status);
}

int skep_submit_wait(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                     const skep_job_options *options, unsigned timeout_ms, uint64_t *id) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    answer->id = id;
    status = skep_submit(client, queue, data, size_bytes, options, note_accepted, NULL, answer);
    return await(client, answer, status, timeout_ms, NULL, NULL);
}

static void note_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    note_data(context, outcome->status, outcome->data, outcome->size_bytes);
}

int skep_result_wait(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                     const skep_job_options *options, unsigned timeout_ms, void **result, size_t *result_bytes) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    status = skep_submit(client, queue, data, size_bytes, options, NULL, note_outcome, answer);
    return await(client, answer, status, timeout_ms, result, result_bytes);
}

static void note_reply(skep_client *client, int status, const void *data, size_t size_bytes, void *context) {
    (void)client;
    note_data(context, status, data, size_bytes);
}

/* The request has the same deadline; waiting goes on until it says so itself. */
int skep_request_wait(skep_client *client, uint32_t worker, const char *to_name, const char *name, const void *data,
                      size_t size_bytes, unsigned timeout_ms, void **reply, size_t *reply_bytes) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    if (timeout_ms == 0) timeout_ms = UINT32_MAX;
    status = skep_client_request(client, worker, to_name, name, data, size_bytes, timeout_ms, note_reply, answer);
    return await(client, answer, status, 0, reply, reply_bytes);
}

static void pass_status(skep_client *client, int status, const skep_broker_info *info, void *context) {
    struct answer *answer = context;
    if (!answer->abandoned) answer->on_status(client, status, info, answer->context);
    note(answer, status);
}

int skep_status_wait(skep_client *client, unsigned timeout_ms, skep_status_cb callback, void *context) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    answer->on_status = callback;
    answer->context = context;
    return await(client, answer, skep_client_status(client, pass_status, answer), timeout_ms, NULL, NULL);
}

static void pass_job(skep_client *client, int status, const skep_job_info *info, void *context) {
    struct answer *answer = context;
    if (!answer->abandoned) answer->on_job(client, status, info, answer->context);
    note(answer, status);
}

int skep_job_status_wait(skep_client *client, uint64_t id, unsigned timeout_ms, skep_job_status_cb callback,
                         void *context) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    answer->on_job = callback;
    answer->context = context;
    return await(client, answer, skep_job_status(client, id, pass_job, answer), timeout_ms, NULL, NULL);
}

static void note_cancelled(skep_client *client, int status, const char *was, void *context) {
    (void)client, (void)was;
    note(context, status);
}

int skep_job_cancel_wait(skep_client *client, uint64_t id, unsigned timeout_ms) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    return await(client, answer, skep_job_cancel(client, id, note_cancelled, answer), timeout_ms, NULL, NULL);
}

int skep_job_result_wait(skep_client *client, uint64_t id, unsigned timeout_ms, void **result, size_t *result_bytes) {
    int status;
    struct answer *answer = begin(client, &status);
    if (answer == NULL) return status;
    status = skep_job_await(client, id, note_outcome, answer);
    return await(client, answer, status, timeout_ms, result, result_bytes);
}
