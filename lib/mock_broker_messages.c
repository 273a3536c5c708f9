/* SPDX-License-Identifier: MIT
 * A mock broker's messages to workers. */
#include <string.h>

#include "mock_broker.h"

static void fill_message(struct skep_command *command, const char *name, const void *data, size_t size_bytes) {
    struct skep_command_message *m = &command->message;
    command->id = SKEP_COMMAND_message;
    *m = (struct skep_command_message){.name = {name, strlen(name)}};
    if (size_bytes > 0) SKEP_SET(message, m, data, ((struct skep_bytes){data, size_bytes}));
}

static int put_to(skep_mock *mock, uint32_t id, const struct skep_command *command) {
    struct skep__mock_worker *worker = skep__mock_present(mock, id);
    return worker != NULL ? skep__mock_put(worker, command) : SKEP_ENOWORKER;
}

int skep_mock_send(skep_mock *mock, uint32_t worker, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command;
    fill_message(&command, name, data, size_bytes);
    return put_to(mock, worker, &command);
}

int skep_mock_request(skep_mock *mock, uint32_t worker, const char *name, const void *data, size_t size_bytes,
                      uint64_t *request) {
    struct skep_command command;
    fill_message(&command, name, data, size_bytes);
    SKEP_SET(message, &command.message, request, mock->last_request + 1);
    int status = put_to(mock, worker, &command);
    if (status == SKEP_OK) *request = ++mock->last_request;
    return status;
}

int skep_mock_broadcast(skep_mock *mock, const char *name, const void *data, size_t size_bytes) {
    struct skep__mock_worker *w;
    struct skep_command command = {.id = SKEP_COMMAND_broadcast};
    struct skep_command_broadcast *b = &command.broadcast;
    *b = (struct skep_command_broadcast){.seq = mock->news_seq + 1, .name = {name, strlen(name)}};
    if (size_bytes > 0) SKEP_SET(broadcast, b, data, ((struct skep_bytes){data, size_bytes}));
    mock->news_seq++;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        int status = w->subscribed && !w->left ? skep__mock_put(w, &command) : SKEP_OK;
        if (status != SKEP_OK) return status;
    }
    return SKEP_OK;
}

int skep_mock_reply(skep_mock *mock, uint32_t worker, uint64_t request, int status, const void *data,
                    size_t size_bytes) {
    struct skep_command command = {.id = SKEP_COMMAND_reply};
    struct skep_command_reply *r = &command.reply;
    *r = (struct skep_command_reply){.request = request};
    if (status != SKEP_OK) SKEP_SET(reply, r, status, (uint64_t)status);
    if (size_bytes > 0) SKEP_SET(reply, r, data, ((struct skep_bytes){data, size_bytes}));
    return put_to(mock, worker, &command);
}

int skep_mock_request_count(skep_mock *mock, uint32_t worker, uint64_t count) {
    struct skep_command command = {.id = SKEP_COMMAND_requestCount, .requestCount = {.requestCount = count}};
    return put_to(mock, worker, &command);
}
