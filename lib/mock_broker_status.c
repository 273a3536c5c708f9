/* SPDX-License-Identifier: MIT
 * What a mock broker's clients are told when they ask how everything is. */
#include <string.h>
#include <unistd.h>

#include "mock_broker.h"
#include "mock_broker_clients.h"

static struct skep_bytes text_of(const char *string) {
    return (struct skep_bytes){string, strlen(string)};
}

static uint64_t count_workers(const skep_mock *mock, const char *queue) {
    const struct skep__mock_worker *w;
    const struct skep__mock_queue *q;
    uint64_t count = 0;
    TAILQ_FOREACH(w, &mock->workers, entry)
    LIST_FOREACH(q, &w->queues, entry) count += !w->left && strcmp(q->name, queue) == 0;
    return count;
}

static int add_queue(const skep_mock *mock, const char *name, struct skep_frame *frame) {
    uint64_t counts[SKEP_MOCK_DEAD + 1] = {0}, submitted = 0;
    struct skep_command command = {.id = SKEP_COMMAND_queueStatus};
    for (const struct skep__mock_job *j = mock->jobs; j != NULL; j = j->hh.next) {
        if (strcmp(j->queue, name) != 0) continue;
        counts[j->state]++;
        submitted++;
    }
    command.queueStatus = (struct skep_command_queueStatus){.name = text_of(name),
                                                            .workers = count_workers(mock, name),
                                                            .ready = counts[SKEP_MOCK_READY],
                                                            .reserved = counts[SKEP_MOCK_RESERVED],
                                                            .delayed = counts[SKEP_MOCK_DELAYED],
                                                            .dead = counts[SKEP_MOCK_DEAD],
                                                            .done = counts[SKEP_MOCK_DONE],
                                                            .submitted = submitted};
    return skep__frame_add(frame, &command);
}

static bool is_first_of_queue(const skep_mock *mock, const struct skep__mock_job *job) {
    const struct skep__mock_job *j = mock->jobs;
    while (j != job && strcmp(j->queue, job->queue) != 0) j = j->hh.next;
    return j == job;
}

/* Queues that jobs were submitted to. */
int skep__mock_add_queues(const skep_mock *mock, struct skep_frame *frame) {
    int status = SKEP_OK;
    for (const struct skep__mock_job *j = mock->jobs; j != NULL && status == SKEP_OK; j = j->hh.next)
        if (is_first_of_queue(mock, j)) status = add_queue(mock, j->queue, frame);
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
                                                                  .state = text_of(state),
                                                                  .connections = w->taken - w->finished,
                                                                  .accepted = w->taken};
        if (!w->left && status == SKEP_OK) status = skep__frame_add(frame, &command);
    }
    return status;
}

int skep__mock_add_status(const skep_mock *mock, struct skep_frame *frame) {
    char news[SKEP_MAX_URL + 1];
    struct skep_command command = {.id = SKEP_COMMAND_brokerStatus};
    skep__mock_url(mock, SKEP_FILE_NEWS, 0, news);
    command.brokerStatus = (struct skep_command_brokerStatus){.name = text_of("mock"),
                                                              .pid = (uint64_t)getpid(),
                                                              .version = text_of(SKEP_VERSION),
                                                              .state = text_of("running"),
                                                              .uptime_ms = mock->now_ms,
                                                              .policy = text_of("round-robin"),
                                                              .news = text_of(news),
                                                              .newsSeq = mock->news_seq};
    int status = skep__frame_add(frame, &command);
    return status == SKEP_OK ? add_workers(mock, frame) : status;
}

int skep__mock_add_news_end(const skep_mock *mock, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = mock->news_seq}};
    return skep__frame_add(frame, &command);
}
