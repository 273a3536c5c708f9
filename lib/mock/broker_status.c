/* SPDX-License-Identifier: MIT
 * What a mock broker's clients are told when they ask how everything is. */
#include <unistd.h>

#include "common/text.h"
#include "mock/broker.h"
#include "mock/broker_clients.h"

unsigned skep__mock_handlers(const skep_mock *mock, const struct skep__mock_queue *queue) {
    const struct skep__mock_worker *w;
    const struct skep__mock_place *place;
    unsigned count = 0;
    TAILQ_FOREACH(w, &mock->workers, entry)
    LIST_FOREACH(place, &w->places, entry) count += !w->left && place->queue == queue;
    return count;
}

static uint64_t oldest_ms(const skep_mock *mock, const struct skep__mock_queue *queue) {
    const struct skep__mock_job *job;
    uint64_t oldest = mock->now_ms;
    TAILQ_FOREACH(job, &mock->ready, ready_entry)
    if (job->queue == queue && job->accepted_ms < oldest) oldest = job->accepted_ms;
    return mock->now_ms - oldest;
}

static void fill_settings(const skep_mock *mock, const struct skep__mock_queue *queue,
                          struct skep_command_queueStatus *s) {
    const skep_queue_options *o = &queue->options;
    if (queue->configured) SKEP_SET(queueStatus, s, configured, true);
    SKEP_SET(queueStatus, s, lease_ms, o->lease_ms != 0 ? o->lease_ms : mock->options.lease_ms);
    SKEP_SET(queueStatus, s, attempts, o->attempts != 0 ? o->attempts : mock->options.attempts);
    if (o->concurrency != 0) SKEP_SET(queueStatus, s, concurrency, o->concurrency);
    SKEP_SET(queueStatus, s, credit, o->job_credit != 0 ? o->job_credit : mock->options.credit);
    if (o->backoff_ms != 0) SKEP_SET(queueStatus, s, backoff_ms, o->backoff_ms);
    if (o->backoff_max_ms != 0) SKEP_SET(queueStatus, s, backoff_max_ms, o->backoff_max_ms);
    if (o->interruptions != 0) SKEP_SET(queueStatus, s, interruptions, o->interruptions);
}

static int add_queue(const skep_mock *mock, const struct skep__mock_queue *queue, struct skep_frame *frame) {
    uint64_t counts[SKEP_MOCK_DEAD + 1] = {0};
    struct skep_command command = {.id = SKEP_COMMAND_queueStatus};
    struct skep_command_queueStatus *s = &command.queueStatus;
    for (const struct skep__mock_job *j = mock->jobs; j != NULL; j = j->hh.next) counts[j->state] += j->queue == queue;
    *s = (struct skep_command_queueStatus){.name = skep__text(queue->name),
                                           .workers = skep__mock_handlers(mock, queue),
                                           .ready = counts[SKEP_MOCK_READY],
                                           .reserved = counts[SKEP_MOCK_RESERVED],
                                           .delayed = counts[SKEP_MOCK_DELAYED],
                                           .dead = counts[SKEP_MOCK_DEAD],
                                           .submitted = queue->submitted,
                                           .done = queue->done,
                                           .redelivered = queue->redelivered,
                                           .duplicates = queue->duplicates,
                                           .refused = queue->refused,
                                           .unclaimed = queue->unclaimed,
                                           .oldest_ms = oldest_ms(mock, queue)};
    if (queue->taken_back > 0) SKEP_SET(queueStatus, s, taken_back, queue->taken_back);
    if (queue->interrupted > 0) SKEP_SET(queueStatus, s, interrupted, queue->interrupted);
    if (!queue->handled) SKEP_SET(queueStatus, s, unhandled, true);
    fill_settings(mock, queue, s);
    return skep__frame_add(frame, &command);
}

int skep__mock_add_queues(const skep_mock *mock, struct skep_frame *frame) {
    const struct skep__mock_queue *queue;
    int status = SKEP_OK;
    STAILQ_FOREACH(queue, &mock->queues, entry) if (status == SKEP_OK) status = add_queue(mock, queue, frame);
    return status;
}

static int add_workers(const skep_mock *mock, struct skep_frame *frame) {
    const struct skep__mock_worker *w;
    int status = SKEP_OK;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        struct skep_command command = {.id = SKEP_COMMAND_workerStatus};
        const char *state = w->draining ? "draining" : w->ready ? "ready" : "online";
        command.workerStatus = (struct skep_command_workerStatus){.worker = w->id,
                                                                  .pid = (uint64_t)w->pid,
                                                                  .state = skep__text(state),
                                                                  .connections = w->taken - w->finished,
                                                                  .accepted = w->taken};
        if (!w->left && status == SKEP_OK) status = skep__frame_add(frame, &command);
    }
    return status;
}

int skep__mock_add_status(const skep_mock *mock, struct skep_frame *frame) {
    char news[SKEP_MAX_URL + 1];
    struct skep_command command = {.id = SKEP_COMMAND_brokerStatus};
    skep__mock_url(mock, SKEP_FILE_NEWS, SKEP__MOCK_GENERATION, news);
    command.brokerStatus = (struct skep_command_brokerStatus){.name = skep__text("mock"),
                                                              .pid = (uint64_t)getpid(),
                                                              .version = skep__text(SKEP_VERSION),
                                                              .state = skep__text("running"),
                                                              .uptime_ms = mock->now_ms,
                                                              .policy = skep__text("round-robin"),
                                                              .news = skep__text(news),
                                                              .newsSeq = mock->news_seq};
    int status = skep__frame_add(frame, &command);
    return status == SKEP_OK ? add_workers(mock, frame) : status;
}

int skep__mock_add_news_end(const skep_mock *mock, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = mock->news_seq}};
    return skep__frame_add(frame, &command);
}
