/* SPDX-License-Identifier: MIT
 * Messages of a mock broker's clients to its workers, and the replies. */
#include <stdlib.h>

#include "mock/clients.h"

static void tell_reply(skep_mock *mock, uint32_t client_id, uint64_t request, int status,
                       const struct skep_bytes *data) {
    const struct skep__mock_client *client = skep__mock_find_client(mock, client_id);
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = {.request = request}};
    if (status != SKEP_OK) SKEP_SET(reply, &command.reply, status, (uint64_t)status);
    if (data->size_bytes > 0) SKEP_SET(reply, &command.reply, data, *data);
    if (client != NULL) skep__mock_tell_client(mock, client, &command);
}

static void tell_undelivered(skep_mock *mock, const struct skep__mock_client *client,
                             const struct skep_command_message *m, int status) {
    struct skep_command command = {.id = SKEP_COMMAND_undelivered};
    struct skep_command_undelivered *u = &command.undelivered;
    *u = (struct skep_command_undelivered){.name = m->name, .status = (uint64_t)status};
    if (SKEP_HAS(message, m, to)) SKEP_SET(undelivered, u, to, m->to);
    if (SKEP_HAS(message, m, toName)) SKEP_SET(undelivered, u, toName, m->toName);
    skep__mock_tell_client(mock, client, &command);
}

/* As the broker's own: from is 0, and the number of a request is the mock's. */
static int deliver(skep_mock *mock, const struct skep__mock_client *client, const struct skep_command_message *m) {
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = m->name}};
    bool wants_reply = SKEP_HAS(message, m, request);
    if (SKEP_HAS(message, m, toAll) && m->toAll) return skep__mock_broadcast(mock, 0, m);
    if (!SKEP_HAS(message, m, toName) && m->to == 0) return SKEP_ENOHANDLER;
    struct skep__mock_worker *worker = skep__mock_receiver(mock, m);
    struct skep__mock_call *call = worker != NULL && wants_reply ? malloc(sizeof *call) : NULL;
    if (worker == NULL) return SKEP_ENOWORKER;
    if (wants_reply && call == NULL) return SKEP_ENOMEM;
    if (SKEP_HAS(message, m, data)) SKEP_SET(message, &command.message, data, m->data);
    if (wants_reply) SKEP_SET(message, &command.message, request, mock->last_request + 1);
    int status = skep__mock_put(worker, &command);
    if (status != SKEP_OK || !wants_reply) {
        free(call);
        return status;
    }
    *call = (struct skep__mock_call){
        .number = ++mock->last_request, .worker = worker->id, .client = client->id, .request = m->request};
    LIST_INSERT_HEAD(&mock->clients->calls, call, entry);
    return SKEP_OK;
}

void skep__mock_client_message(skep_mock *mock, const struct skep__mock_client *client,
                               const struct skep_command_message *m) {
    static const struct skep_bytes none = {0};
    int status = deliver(mock, client, m);
    if (status == SKEP_OK) return;
    if (SKEP_HAS(message, m, request)) tell_reply(mock, client->id, m->request, status, &none);
    else tell_undelivered(mock, client, m, status);
}

static void settle(skep_mock *mock, struct skep__mock_call *call, int status, const struct skep_bytes *data) {
    LIST_REMOVE(call, entry);
    tell_reply(mock, call->client, call->request, status, data);
    free(call);
}

bool skep__mock_client_reply(const struct skep__mock_worker *worker, const struct skep_command_reply *r) {
    struct skep__mock_call *call;
    LIST_FOREACH(call, &worker->mock->clients->calls, entry)
    if (call->number == r->request && call->worker == worker->id) break;
    if (call == NULL) return false;
    settle(worker->mock, call, SKEP_HAS(reply, r, status) ? (int)r->status : SKEP_OK, &r->data);
    return true;
}

void skep__mock_fail_calls(const struct skep__mock_worker *worker) {
    static const struct skep_bytes none = {0};
    struct skep__mock_call *call = LIST_FIRST(&worker->mock->clients->calls), *next;
    for (; call != NULL; call = next) {
        next = LIST_NEXT(call, entry);
        if (call->worker == worker->id) settle(worker->mock, call, SKEP_ENOWORKER, &none);
    }
}

void skep__mock_forget_calls(struct skep__mock_clients *clients) {
    for (struct skep__mock_call *call; (call = LIST_FIRST(&clients->calls)) != NULL;) {
        LIST_REMOVE(call, entry);
        free(call);
    }
}
