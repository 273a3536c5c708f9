/* SPDX-License-Identifier: MIT
 * What a mock broker's workers say about their jobs: for the ledger, and for expectations. */
#include <stdlib.h>

#include "common/text.h"
#include "mock/private.h"

/* --- which jobs these are --- */

static int make_room(struct skep__mock_worker *worker, uint64_t deliveries) {
    if (deliveries <= worker->room) return SKEP_OK;
    size_t room = worker->room > 0 ? worker->room : 64;
    while (room < deliveries) room *= 2;
    uint64_t *delivered = realloc(worker->delivered, room * sizeof *delivered);
    if (delivered == NULL) return SKEP_ENOMEM;
    worker->delivered = delivered;
    worker->room = room;
    return SKEP_OK;
}

void skep__mock_sent(struct skep__mock_worker *worker, const struct skep_command_jobs *jobs) {
    worker->last_delivery = jobs->delivery + jobs->jobs.count - 1;
    if (make_room(worker, worker->last_delivery) != SKEP_OK) abort(); /* what comes of these could not be told */
    for (uint32_t i = 0; i < jobs->jobs.count; i++) {
        struct skep__mock_job *job = skep__mock_find_job(worker->mock, jobs->id + i);
        worker->delivered[jobs->delivery + i - 1] = jobs->id + i;
        if (job != NULL) job->worker = worker->id;
    }
}

/* --- what expectations see --- */

/* An answer to a job whose lease has ended, or that it does not have, is refused. */
static void tell(const struct skep__mock_worker *worker, uint64_t delivery, struct skep__mock_event *event) {
    const struct skep__job *job = NULL;
    bool owes = skep__holder_owes(worker->holder, delivery, &job);
    event->worker = worker->id;
    event->number = owes ? worker->delivered[delivery - 1] : 0;
    const struct skep__mock_event refused = {
        .what = SKEP__MOCK_REFUSED, .worker = worker->id, .number = event->number, .value = -1};
    skep__mock_happened(worker->mock, job != NULL ? event : &refused);
}

static void tell_completed(const struct skep__mock_worker *worker, const struct skep_command_completed *c) {
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    bool listed = SKEP_HAS(completed, c, results);
    for (uint64_t i = 0; i < n && i < worker->last_delivery; i++) {
        struct skep_bytes result = listed ? skep__list_at(&c->results, (uint32_t)i) : (struct skep_bytes){"", 0};
        struct skep__mock_event event = {.what = SKEP__MOCK_DONE, .value = -1, .data = result};
        tell(worker, c->delivery + i, &event);
    }
}

static void completed(struct skep__mock_worker *worker, const struct skep_command_completed *c) {
    const char *why;
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    if (!SKEP_HAS(completed, c, results) || c->results.count == n) tell_completed(worker, c);
    if (skep__jobs_completed(worker->holder, c, &why) != SKEP_OK)
        skep__mock_note(worker->mock, "worker %u: %s", worker->id, why);
}

static void retried(struct skep__mock_worker *worker, const struct skep_command_retry *r) {
    struct skep__mock_event event = {.what = SKEP__MOCK_RETRIED,
                                     .value = (int64_t)r->delay_ms,
                                     .text = SKEP_HAS(retry, r, reason) ? r->reason : skep__text("")};
    tell(worker, r->delivery, &event);
    skep__jobs_retried(worker->holder, r);
}

static void failed(struct skep__mock_worker *worker, const struct skep_command_fail *f) {
    struct skep__mock_event event = {
        .what = SKEP__MOCK_FAILED, .value = -1, .text = SKEP_HAS(fail, f, reason) ? f->reason : skep__text("")};
    tell(worker, f->delivery, &event);
    skep__jobs_failed(worker->holder, f);
}

/* What was taken back meanwhile is not refused. The last first, as the ledger takes them. */
static void released(struct skep__mock_worker *worker, const struct skep_command_released *r) {
    const struct skep__job *job;
    uint64_t n = SKEP_HAS(released, r, n) ? r->n : 1;
    if (n > worker->last_delivery) n = worker->last_delivery;
    for (; n > 0; n--) {
        struct skep__mock_event event = {.what = SKEP__MOCK_RELEASED, .value = -1};
        if (skep__holder_owes(worker->holder, r->delivery + n - 1, &job)) tell(worker, r->delivery + n - 1, &event);
    }
    skep__jobs_released(worker->holder, r);
}

static void extended(struct skep__mock_worker *worker, const struct skep_command_extend *e) {
    struct skep__mock_event event = {.what = SKEP__MOCK_EXTENDED, .value = -1};
    tell(worker, e->delivery, &event);
    skep__jobs_extended(worker->holder, e);
}

void skep__mock_answered(struct skep__mock_worker *worker, const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_completed: completed(worker, &command->completed); break;
    case SKEP_COMMAND_retry: retried(worker, &command->retry); break;
    case SKEP_COMMAND_fail: failed(worker, &command->fail); break;
    case SKEP_COMMAND_released: released(worker, &command->released); break;
    case SKEP_COMMAND_extend: extended(worker, &command->extend); break;
    default: break;
    }
}
