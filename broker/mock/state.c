/* SPDX-License-Identifier: MIT
 * How a mock broker's workers are, and become; what the test does to them. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mock/private.h"

static bool is_so_of_worker(void *context) {
    struct skep__mock_state *state = context;
    TAILQ_FOREACH(state->found, &state->mock->workers, entry)
    if ((state->worker == 0 || state->worker == state->found->id) && state->is_so(state->found, state)) return true;
    return false;
}

static bool has_successor(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    (void)state;
    return worker->successor != 0;
}

/* What has ended does not become anything any more, but it may get a successor. */
static bool is_decided(void *context) {
    const struct skep__mock_state *state = context;
    const struct skep__mock_worker *worker = skep__mock_find_worker(state->mock, state->worker);
    if (is_so_of_worker(context)) return true;
    if (state->is_so == has_successor) return false;
    return worker != NULL ? skep__mock_is_gone(worker) : skep__mock_all_gone(state->mock);
}

int skep__mock_expect_state(struct skep__mock_state *state, unsigned timeout_ms, const char *format, ...) {
    char what[SKEP__MOCK_SUBJECT_BYTES];
    if (state->worker != 0 && skep__mock_find_worker(state->mock, state->worker) == NULL) {
        skep__mock_explain(state->mock, "there was no worker %u", state->worker);
        return skep__mock_failed(state->mock, SKEP_ENOWORKER);
    }
    int status = skep__mock_run(state->mock, is_decided, state, timeout_ms);
    if (status == SKEP_OK && state->found != NULL) return SKEP_OK;
    if (status == SKEP_OK) status = SKEP_EUNEXPECTED;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    skep__mock_explain(state->mock, "expected within %u ms: ", timeout_ms);
    if (state->worker != 0) skep__mock_explain_more(state->mock, "worker %u %s", state->worker, what);
    else skep__mock_explain_more(state->mock, "some worker %s", what);
    skep__mock_explain_workers(state->mock, state->worker);
    return skep__mock_failed(state->mock, status);
}

static bool is_ready(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    (void)state;
    return worker->ready;
}

int skep_mock_expect_ready(skep_mock *mock, uint32_t worker, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = is_ready};
    return skep__mock_expect_state(&state, timeout_ms, "is ready");
}

static bool does_handle(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    const struct skep__mock_place *place;
    LIST_FOREACH(place, &worker->places, entry)
    if (strcmp(place->queue, state->name) == 0) return state->number == 0 || state->number == place->concurrency;
    return false;
}

int skep_mock_expect_handles(skep_mock *mock, uint32_t worker, const char *queue, unsigned concurrency,
                             unsigned timeout_ms) {
    struct skep__mock_state state = {
        .mock = mock, .worker = worker, .is_so = does_handle, .name = queue, .number = concurrency};
    if (concurrency == 0) return skep__mock_expect_state(&state, timeout_ms, "handles \"%s\"", queue);
    return skep__mock_expect_state(&state, timeout_ms, "handles \"%s\" (%u at a time)", queue, concurrency);
}

static bool has_left(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    (void)state;
    return worker->left;
}

int skep_mock_expect_left(skep_mock *mock, uint32_t worker, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_left};
    return skep__mock_expect_state(&state, timeout_ms, "leaves");
}

static bool has_exited(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    (void)state;
    return worker->exited;
}

static int expect_end(skep_mock *mock, uint32_t worker, int code, int signal, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_exited};
    int status = signal >= 0 ? skep__mock_expect_state(&state, timeout_ms, "is ended by signal %d", signal)
                             : skep__mock_expect_state(&state, timeout_ms, "exits with status %d", code);
    if (status != SKEP_OK || (state.found->code == code && state.found->signal == signal)) return status;
    skep__mock_explain(mock, "expected: worker %u %s %d", state.found->id,
                       signal >= 0 ? "is ended by signal" : "exits with status", signal >= 0 ? signal : code);
    skep__mock_explain_workers(mock, state.found->id);
    return skep__mock_failed(mock, SKEP_EUNEXPECTED);
}

int skep_mock_expect_exit(skep_mock *mock, uint32_t worker, int code, unsigned timeout_ms) {
    return expect_end(mock, worker, code, -1, timeout_ms);
}

int skep_mock_expect_signal(skep_mock *mock, uint32_t worker, int signal, unsigned timeout_ms) {
    return expect_end(mock, worker, -1, signal, timeout_ms);
}

int skep_mock_expect_respawned(skep_mock *mock, uint32_t worker, uint32_t *next, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_successor};
    int status = skep__mock_expect_state(&state, timeout_ms, "is started again");
    if (status == SKEP_OK) *next = state.found->successor;
    return status;
}

static bool has_subscribed(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    (void)state;
    return worker->subscribed;
}

int skep_mock_expect_subscribed(skep_mock *mock, uint32_t worker, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_subscribed};
    return skep__mock_expect_state(&state, timeout_ms, "subscribes");
}

static bool has_counted(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    const struct skep__mock_counter *counter;
    LIST_FOREACH(counter, &worker->counters, entry)
    if (strcmp(counter->name, state->name) == 0) return counter->count == state->number;
    return state->number == 0;
}

int skep_mock_expect_count(skep_mock *mock, uint32_t worker, const char *name, uint64_t count, unsigned timeout_ms) {
    struct skep__mock_state state = {
        .mock = mock, .worker = worker, .is_so = has_counted, .name = name, .number = count};
    return skep__mock_expect_state(&state, timeout_ms, "has counted %s: %" PRIu64, name, count);
}

struct job_wait {
    skep_mock *mock;
    uint64_t job;
    uint32_t worker; /* that is to have it; 0: any */
};

static bool is_over(void *context) {
    const struct job_wait *wait = context;
    return skep__mock_find_job(wait->mock, wait->job)->is_over || skep__mock_all_gone(wait->mock);
}

static bool is_delivered(void *context) {
    const struct job_wait *wait = context;
    skep_mock_job job;
    if (skep_mock_look(wait->mock, wait->job, &job) != SKEP_OK) return false;
    return job.state == SKEP_MOCK_RESERVED && (wait->worker == 0 || wait->worker == job.worker);
}

static bool is_delivered_or_over(void *context) {
    return is_delivered(context) || is_over(context);
}

int skep_mock_expect_delivered(skep_mock *mock, uint64_t job, uint32_t worker, unsigned timeout_ms) {
    struct job_wait wait = {.mock = mock, .job = job, .worker = worker};
    if (skep__mock_find_job(mock, job) == NULL) return skep__mock_no_job(mock, job);
    int status = skep__mock_run(mock, is_delivered_or_over, &wait, timeout_ms);
    if (status == SKEP_OK && is_delivered(&wait)) return SKEP_OK;
    if (status == SKEP_OK) status = SKEP_EUNEXPECTED;
    skep__mock_explain(mock, "expected within %u ms: job %" PRIu64 " is given to %s", timeout_ms, job,
                       worker != 0 ? "that worker" : "a worker");
    skep__mock_explain_job(mock, job);
    skep__mock_explain_workers(mock, 0);
    return skep__mock_failed(mock, status);
}

int skep_mock_expect_dead(skep_mock *mock, uint64_t id, const char *cause, const char *reason, unsigned timeout_ms) {
    struct job_wait wait = {.mock = mock, .job = id};
    skep_mock_job job = {0};
    if (skep__mock_find_job(mock, id) == NULL) return skep__mock_no_job(mock, id);
    int status = skep__mock_run(mock, is_over, &wait, timeout_ms);
    if (status == SKEP_OK) status = skep_mock_look(mock, id, &job);
    bool is_dead = status == SKEP_OK && job.state == SKEP_MOCK_DEAD;
    if (is_dead && (cause == NULL || strcmp(cause, job.cause) == 0) &&
        (reason == NULL || strcmp(reason, job.reason) == 0))
        return SKEP_OK;
    skep__mock_explain(mock, "expected within %u ms: job %" PRIu64 " is a dead letter", timeout_ms, id);
    if (cause != NULL) skep__mock_explain_more(mock, ", cause %s", cause);
    if (reason != NULL) skep__mock_explain_more(mock, ", reason \"%s\"", reason);
    skep__mock_explain_job(mock, id);
    skep__mock_explain_workers(mock, 0);
    return skep__mock_failed(mock, status != SKEP_OK ? status : SKEP_EUNEXPECTED);
}

/* --- what the test does to workers --- */

int skep_mock_drain(skep_mock *mock, uint32_t id) {
    struct skep_command command = {.id = SKEP_COMMAND_drain};
    struct skep__mock_worker *worker = skep__mock_present(mock, id);
    if (worker == NULL) return SKEP_ENOWORKER;
    command.drain.has = 0;
    skep__mock_leaves(worker);
    return skep__mock_tell(worker, &command, -1);
}

int skep_mock_kill(skep_mock *mock, uint32_t id) {
    struct skep__mock_worker *worker = skep__mock_present(mock, id);
    if (worker == NULL) return SKEP_ENOWORKER;
    if (worker->pid != 0) {
        kill(worker->pid, SIGKILL);
        return SKEP_OK;
    }
    skep__mock_count_unreported(worker);
    worker->exited = true; /* as a program that ends in this way */
    worker->signal = SIGKILL;
    skep_worker_free(&worker->inside);
    return SKEP_OK;
}

int skep_mock_close_link(skep_mock *mock, uint32_t id) {
    struct skep__mock_worker *worker = skep__mock_present(mock, id);
    if (worker == NULL) return SKEP_ENOWORKER;
    skep__mock_note(mock, "> worker %u: the link is closed", worker->id);
    worker->cut = true;
    skep__mock_drop_link(worker);
    skep__jobs_worker_ended(worker->holder);
    skep__outlet_free(&worker->inbox);
    skep__port_free(&worker->outbox);
    return SKEP_OK;
}

int skep_mock_send_raw(skep_mock *mock, uint32_t id, enum skep_mock_channel channel, const void *data,
                       size_t size_bytes) {
    struct skep__mock_worker *worker = skep__mock_present(mock, id);
    if (worker == NULL) return SKEP_ENOWORKER;
    skep__mock_note(mock, "> worker %u: %zu bytes, raw", worker->id, size_bytes);
    if (channel == SKEP_MOCK_LINK) return skep__link_send(worker->link, data, size_bytes, NULL, 0);
    return skep__outlet_append(worker->inbox, data, size_bytes);
}
