/* SPDX-License-Identifier: MIT
 * What a mock broker's test expects of jobs and of workers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "mock/private.h"

/* --- comparing --- */

enum subject { SUBJECT_JOB, SUBJECT_REPLY, SUBJECT_WORKER };

static enum subject subject_of(enum skep__mock_what what) {
    if (what <= SKEP__MOCK_REFUSED) return SUBJECT_JOB;
    return what == SKEP__MOCK_REPLY ? SUBJECT_REPLY : SUBJECT_WORKER;
}

/* Whether an event is about what is expected, be it that or something else. */
static bool concerns(const struct skep__mock_event *wanted, const struct skep__mock_event *event) {
    enum subject subject = subject_of(wanted->what);
    if (subject != subject_of(event->what)) return false;
    if (subject == SUBJECT_WORKER) return wanted->worker == 0 || wanted->worker == event->worker;
    return wanted->number == event->number;
}

static bool same_bytes(struct skep_bytes wanted, struct skep_bytes bytes) {
    if (wanted.data == NULL) return true;
    return wanted.size_bytes == bytes.size_bytes &&
           (wanted.size_bytes == 0 || memcmp(wanted.data, bytes.data, bytes.size_bytes) == 0);
}

static bool matches(const struct skep__mock_event *wanted, const struct skep__mock_event *event) {
    return wanted->what == event->what && (wanted->value < 0 || wanted->value == event->value) &&
           same_bytes(wanted->text, event->text) && same_bytes(wanted->data, event->data);
}

struct wait {
    skep_mock *mock;
    const struct skep__mock_event *wanted;
    struct skep__mock_event *found;
};

static bool has_happened(void *context) {
    struct wait *wait = context;
    TAILQ_FOREACH(wait->found, &wait->mock->events, entry) if (concerns(wait->wanted, wait->found)) return true;
    return false;
}

/* Workers that handle a queue now. */
static unsigned handlers_of(const skep_mock *mock, const char *queue) {
    const struct skep__mock_worker *w;
    const struct skep__mock_place *place;
    unsigned count = 0;
    TAILQ_FOREACH(w, &mock->workers, entry)
    LIST_FOREACH(place, &w->places, entry) count += !w->left && strcmp(place->queue, queue) == 0;
    return count;
}

void skep__mock_explain_job(skep_mock *mock, uint64_t id) {
    static const char *const states[] = {[SKEP_MOCK_READY] = "waits for a worker",
                                         [SKEP_MOCK_RESERVED] = "is being worked on",
                                         [SKEP_MOCK_DELAYED] = "waits for its time",
                                         [SKEP_MOCK_DONE] = "is done",
                                         [SKEP_MOCK_DEAD] = "is a dead letter"};
    skep_mock_job job;
    char text[2 * SKEP_MAX_NAME + 8];
    if (skep_mock_look(mock, id, &job) != SKEP_OK) return;
    const char *queue = skep__mock_find_job(mock, id)->queue;
    skep__mock_quote(skep__text(queue), text, sizeof text);
    skep__mock_explain_more(mock, "\njob %" PRIu64 " of the queue %s %s, attempt %u", id, text, states[job.state],
                            job.attempt);
    if (job.cause[0] != '\0') skep__mock_explain_more(mock, ", cause %s", job.cause);
    if (job.reason[0] != '\0') skep__mock_explain_more(mock, ", reason \"%s\"", job.reason);
    if (job.worker != 0) skep__mock_explain_more(mock, ", given to worker %u", job.worker);
    if (!skep__mock_find_job(mock, id)->is_over && handlers_of(mock, queue) == 0)
        skep__mock_explain_more(mock, "\nno worker handles the queue %s", text);
}

/* What comes of a job that is over is no answer any more, but one that is too late. */
static bool is_over(const struct wait *wait) {
    const struct skep__mock_event *wanted = wait->wanted;
    bool of_job = subject_of(wanted->what) == SUBJECT_JOB && wanted->what != SKEP__MOCK_REFUSED;
    return of_job && skep__mock_find_job(wait->mock, wanted->number)->is_over;
}

/* Without workers nothing happens any more. */
static bool is_decided(void *context) {
    const struct wait *wait = context;
    return has_happened(context) || is_over(wait) || skep__mock_all_gone(wait->mock);
}

/* Waits for the next thing of this kind, takes it if it is the one, and gives its number. */
static int expect(skep_mock *mock, const struct skep__mock_event *wanted, unsigned timeout_ms, uint64_t *number) {
    struct wait wait = {.mock = mock, .wanted = wanted};
    char text[SKEP__MOCK_SUBJECT_BYTES];
    int status = skep__mock_run(mock, is_decided, &wait, timeout_ms);
    if (status == SKEP_OK && wait.found != NULL && matches(wanted, wait.found)) {
        if (number != NULL) *number = wait.found->number;
        TAILQ_REMOVE(&mock->events, wait.found, entry);
        free(wait.found);
        return SKEP_OK;
    }
    skep__mock_explain(mock, "expected within %u ms: %s", timeout_ms, skep__mock_describe(wanted, text));
    if (wait.found != NULL) skep__mock_explain_more(mock, "\ncame instead: %s", skep__mock_describe(wait.found, text));
    else if (status == SKEP_OK)
        skep__mock_explain_more(mock, "\ncame instead: %s", is_over(&wait) ? "the job's end" : "no worker is left");
    if (wait.found == NULL && subject_of(wanted->what) == SUBJECT_JOB) skep__mock_explain_job(mock, wanted->number);
    skep__mock_explain_workers(mock, 0);
    return skep__mock_failed(mock, status == SKEP_OK ? SKEP_EUNEXPECTED : status);
}

/* --- jobs --- */

static int expect_of_job(skep_mock *mock, enum skep__mock_what what, uint64_t job, int64_t value,
                         struct skep_bytes reason, struct skep_bytes result, unsigned timeout_ms) {
    struct skep__mock_event wanted = {.what = what, .number = job, .value = value, .text = reason, .data = result};
    if (skep__mock_find_job(mock, job) == NULL) return skep__mock_no_job(mock, job);
    return expect(mock, &wanted, timeout_ms, NULL);
}

int skep_mock_expect_done(skep_mock *mock, uint64_t job, const void *result, size_t size_bytes, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_DONE, job, -1, skep__text(NULL), (struct skep_bytes){result, size_bytes},
                         timeout_ms);
}

int skep_mock_expect_retried(skep_mock *mock, uint64_t job, int64_t delay_ms, const char *reason, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_RETRIED, job, delay_ms, skep__text(reason), skep__text(NULL), timeout_ms);
}

int skep_mock_expect_failed(skep_mock *mock, uint64_t job, const char *reason, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_FAILED, job, -1, skep__text(reason), skep__text(NULL), timeout_ms);
}

int skep_mock_expect_extended(skep_mock *mock, uint64_t job, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_EXTENDED, job, -1, skep__text(NULL), skep__text(NULL), timeout_ms);
}

int skep_mock_expect_released(skep_mock *mock, uint64_t job, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_RELEASED, job, -1, skep__text(NULL), skep__text(NULL), timeout_ms);
}

int skep_mock_expect_refused(skep_mock *mock, uint64_t job, unsigned timeout_ms) {
    return expect_of_job(mock, SKEP__MOCK_REFUSED, job, -1, skep__text(NULL), skep__text(NULL), timeout_ms);
}

/* --- messages --- */

int skep_mock_expect_message(skep_mock *mock, uint32_t worker, const char *name, const void *data, size_t size_bytes,
                             unsigned timeout_ms) {
    struct skep__mock_event wanted = {.what = SKEP__MOCK_MESSAGE,
                                      .worker = worker,
                                      .value = -1,
                                      .text = skep__text(name),
                                      .data = {data, size_bytes}};
    return expect(mock, &wanted, timeout_ms, NULL);
}

int skep_mock_expect_request(skep_mock *mock, uint32_t worker, const char *name, const void *data, size_t size_bytes,
                             uint64_t *request, unsigned timeout_ms) {
    struct skep__mock_event wanted = {.what = SKEP__MOCK_REQUEST,
                                      .worker = worker,
                                      .value = -1,
                                      .text = skep__text(name),
                                      .data = {data, size_bytes}};
    return expect(mock, &wanted, timeout_ms, request);
}

int skep_mock_expect_reply(skep_mock *mock, uint64_t request, int status, const void *data, size_t size_bytes,
                           unsigned timeout_ms) {
    struct skep__mock_event wanted = {
        .what = SKEP__MOCK_REPLY, .number = request, .value = status, .data = {data, size_bytes}};
    return expect(mock, &wanted, timeout_ms, NULL);
}

/* --- nothing --- */

static bool anything(void *context) {
    skep_mock *mock = context;
    return !TAILQ_EMPTY(&mock->events);
}

int skep_mock_expect_quiet(skep_mock *mock, unsigned duration_ms) {
    char text[SKEP__MOCK_SUBJECT_BYTES];
    const struct skep__mock_event *event;
    if (skep__mock_run(mock, anything, mock, duration_ms) == SKEP_ETIMEDOUT) return SKEP_OK;
    skep__mock_explain(mock, "expected for %u ms: nothing more\ncame instead:", duration_ms);
    TAILQ_FOREACH(event, &mock->events, entry)
    skep__mock_explain_more(mock, "\n  %s", skep__mock_describe(event, text));
    return skep__mock_failed(mock, SKEP_EUNEXPECTED);
}

/* --- anything --- */

int skep_mock_run_until(skep_mock *mock, skep_mock_cb is_so, void *context, const char *what, unsigned timeout_ms) {
    int status = skep__mock_run(mock, is_so, context, timeout_ms);
    if (status == SKEP_OK) return SKEP_OK;
    skep__mock_explain(mock, "expected within %u ms: %s", timeout_ms, what);
    return skep__mock_failed(mock, status);
}
