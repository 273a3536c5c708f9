/* SPDX-License-Identifier: MIT
 * A mock broker's messages to workers, and theirs to each other. */
#include "common/text.h"
#include "mock/clients.h"

static void fill_message(struct skep_command *command, const char *name, const void *data, size_t size_bytes) {
    struct skep_command_message *m = &command->message;
    command->id = SKEP_COMMAND_message;
    *m = (struct skep_command_message){.name = skep__text(name)};
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

int skep__mock_broadcast(skep_mock *mock, uint32_t from, const struct skep_command_message *m) {
    struct skep__mock_worker *w;
    struct skep_command command = {.id = SKEP_COMMAND_broadcast};
    struct skep_command_broadcast *b = &command.broadcast;
    *b = (struct skep_command_broadcast){.seq = mock->news_seq + 1, .from = from, .name = m->name};
    if (SKEP_HAS(message, m, data)) SKEP_SET(broadcast, b, data, m->data);
    mock->news_seq++;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        int status = w->subscribed && !w->left ? skep__mock_put(w, &command) : SKEP_OK;
        if (status != SKEP_OK) return status;
    }
    return SKEP_OK;
}

int skep_mock_broadcast(skep_mock *mock, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command;
    fill_message(&command, name, data, size_bytes);
    return skep__mock_broadcast(mock, 0, &command.message);
}

/* --- from workers to each other --- */

/* The next worker of a name, in turn by id. */
static struct skep__mock_worker *next_of_name(skep_mock *mock, const struct skep_bytes *name) {
    struct skep__mock_worker *w, *first = NULL, *next = NULL;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        if (!w->ready || w->draining || w->left || !skep__text_is(*name, w->name)) continue;
        if (first == NULL) first = w;
        if (next == NULL && w->id > mock->name_turn) next = w;
    }
    if (next == NULL) next = first;
    if (next != NULL) mock->name_turn = next->id;
    return next;
}

struct skep__mock_worker *skep__mock_receiver(skep_mock *mock, const struct skep_command_message *m) {
    if (SKEP_HAS(message, m, toName)) return next_of_name(mock, &m->toName);
    struct skep__mock_worker *worker = m->to != 0 ? skep__mock_find_worker(mock, (uint32_t)m->to) : NULL;
    return worker != NULL && !worker->left ? worker : NULL;
}

static void pass_on(struct skep__mock_worker *sender, const struct skep_command_message *m) {
    skep_mock *mock = sender->mock;
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = *m};
    bool to_all = SKEP_HAS(message, m, toAll) && m->toAll;
    struct skep__mock_worker *receiver = to_all ? NULL : skep__mock_receiver(mock, m);
    SKEP_SET(message, &command.message, from, sender->id);
    int status = to_all ? skep__mock_broadcast(mock, sender->id, m) : SKEP_OK;
    if (receiver != NULL) status = skep__mock_put(receiver, &command);
    if (status != SKEP_OK) skep__mock_note(mock, "cannot pass on a message of worker %u", sender->id);
}

bool skep__mock_pass_reply(struct skep__mock_worker *sender, const struct skep_command_reply *r) {
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = *r};
    if (!SKEP_HAS(reply, r, to) || r->to == 0) return false;
    struct skep__mock_worker *asker = skep__mock_find_worker(sender->mock, (uint32_t)r->to);
    if (asker != NULL && !asker->left && skep__mock_put(asker, &command) != SKEP_OK)
        skep__mock_note(sender->mock, "cannot pass on a reply of worker %u", sender->id);
    return true;
}

void skep__mock_message(struct skep__mock_worker *worker, const struct skep_command_message *m) {
    bool wants_reply = SKEP_HAS(message, m, request);
    struct skep__mock_event event = {.what = wants_reply ? SKEP__MOCK_REQUEST : SKEP__MOCK_MESSAGE,
                                     .worker = worker->id,
                                     .number = wants_reply ? m->request : 0,
                                     .value = -1,
                                     .text = m->name,
                                     .data = SKEP_HAS(message, m, data) ? m->data : (struct skep_bytes){"", 0}};
    skep__mock_happened(worker->mock, &event);
    pass_on(worker, m);
}

void skep__mock_replied(struct skep__mock_worker *worker, const struct skep_command_reply *r) {
    struct skep__mock_event event = {.what = SKEP__MOCK_REPLY,
                                     .worker = worker->id,
                                     .number = r->request,
                                     .value = SKEP_HAS(reply, r, status) ? (int64_t)r->status : SKEP_OK,
                                     .data = SKEP_HAS(reply, r, data) ? r->data : (struct skep_bytes){"", 0}};
    skep__mock_happened(worker->mock, &event);
}

/* --- replies of the test --- */

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
