/* SPDX-License-Identifier: MIT
 * What a mock broker's clients are told when they ask how everything is. */
#include <unistd.h>

#include "common/text.h"
#include "mock/clients.h"

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
        if (w->left) continue;
        skep__jobs_worker_status(w->holder, &command.workerStatus);
        if (status == SKEP_OK) status = skep__frame_add(frame, &command);
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
                                                              .uptime_ms = skep_mock_now(mock),
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
