/* SPDX-License-Identifier: MIT
 * Messages, requests and replies, broadcasts. */
#include "worker/private.h"

enum {
    REQUEST_TIMEOUT_MS = 5000,
    REPAIR_TIMEOUT_MS = 5000 /* until the news are asked for once more */
};

/* --- sending --- */

int skep_send(skep_worker *worker, const char *name, const void *data, size_t size_bytes) {
    return skep_send_to(worker, 0, name, data, size_bytes);
}

int skep_send_to(skep_worker *worker, uint32_t to, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command = skep__message(to, NULL, name, data, size_bytes);
    return skep__worker_queue(worker, &command);
}

int skep_send_to_name(skep_worker *worker, const char *to, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command = skep__message(0, to, name, data, size_bytes);
    return skep__worker_queue(worker, &command);
}

int skep_broadcast(skep_worker *worker, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command = skep__message(0, NULL, name, data, size_bytes);
    SKEP_SET(message, &command.message, toAll, true);
    return skep__worker_queue(worker, &command);
}

int skep_reply(skep_worker *worker, uint32_t to, uint64_t request, int status, const void *data, size_t size_bytes) {
    struct skep_command command = skep__reply(request, status, data, size_bytes);
    if (to != 0) SKEP_SET(reply, &command.reply, to, to);
    return skep__worker_queue(worker, &command);
}

/* --- requests --- */

static void timer_closed(uv_handle_t *handle) {
    struct skep__pending_request *pending = handle->data;
    skep_worker *worker = pending->worker;
    free(pending);
    skep__worker_handle_closed(worker);
}

/* Calls back, once, and forgets the request. */
static void settle(struct skep__pending_request *pending, int status, const void *data, size_t size_bytes) {
    skep_worker *worker = pending->worker;
    HASH_DEL(worker->requests, pending);
    pending->callback(worker, status, data, size_bytes, pending->context);
    uv_close((uv_handle_t *)&pending->timer, timer_closed);
    skep__worker_check_left(worker);
}

static void expired(uv_timer_t *timer) {
    settle(timer->data, SKEP_ETIMEDOUT, NULL, 0);
}

void skep__worker_fail_requests(skep_worker *worker, int status) {
    struct skep__pending_request *pending, *next;
    HASH_ITER(hh, worker->requests, pending, next) settle(pending, status, NULL, 0);
}

static int await_reply(skep_worker *worker, uint64_t request, unsigned timeout_ms, skep_reply_cb callback,
                       void *context) {
    struct skep__pending_request *pending = calloc(1, sizeof *pending);
    if (pending == NULL) return SKEP_ENOMEM;
    *pending =
        (struct skep__pending_request){.request = request, .worker = worker, .callback = callback, .context = context};
    HASH_ADD(hh, worker->requests, request, sizeof pending->request, pending);
    if (!SKEP_IS_ADDED(pending, hh)) {
        free(pending);
        return SKEP_ENOMEM;
    }
    uv_update_time(worker->loop); /* the handler may have taken long before it asks */
    uv_timer_init(worker->loop, &pending->timer);
    pending->timer.data = pending;
    worker->open_handles++;
    uv_timer_start(&pending->timer, expired, timeout_ms != 0 ? timeout_ms : REQUEST_TIMEOUT_MS, 0);
    return SKEP_OK;
}

static int send_request(skep_worker *worker, struct skep_command *command, unsigned timeout_ms, skep_reply_cb callback,
                        void *context) {
    uint64_t request = ++worker->next_request;
    SKEP_SET(message, &command->message, request, request);
    int status = skep__worker_queue(worker, command);
    return status == SKEP_OK ? await_reply(worker, request, timeout_ms, callback, context) : status;
}

int skep_request(skep_worker *worker, uint32_t to, const char *name, const void *data, size_t size_bytes,
                 unsigned timeout_ms, skep_reply_cb callback, void *context) {
    struct skep_command command = skep__message(to, NULL, name, data, size_bytes);
    return send_request(worker, &command, timeout_ms, callback, context);
}

int skep_request_name(skep_worker *worker, const char *to, const char *name, const void *data, size_t size_bytes,
                      unsigned timeout_ms, skep_reply_cb callback, void *context) {
    struct skep_command command = skep__message(0, to, name, data, size_bytes);
    return send_request(worker, &command, timeout_ms, callback, context);
}

/* --- receiving --- */

static void message_received(skep_worker *worker, const struct skep_command_message *m) {
    char name[SKEP_MAX_NAME + 1];
    if (worker->on_message == NULL) {
        if (SKEP_HAS(message, m, request) &&
            skep_reply(worker, (uint32_t)m->from, m->request, SKEP_ENOHANDLER, NULL, 0) != SKEP_OK)
            return; /* the asker's timeout will tell it */
        return;
    }
    skep__copy_text(name, sizeof name, &m->name);
    skep_message message = {.name = name,
                            .from = (uint32_t)m->from,
                            .request = m->request,
                            .data = m->data.data,
                            .size_bytes = m->data.size_bytes};
    worker->on_message(worker, &message, worker->on_message_context);
}

static void reply_received(skep_worker *worker, const struct skep_command_reply *r) {
    struct skep__pending_request *pending;
    HASH_FIND(hh, worker->requests, &r->request, sizeof r->request, pending);
    if (pending == NULL) return; /* too late */
    settle(pending, (int)r->status, r->data.data, r->data.size_bytes);
}

static void undelivered_received(skep_worker *worker, const struct skep_command_undelivered *u) {
    char name[SKEP_MAX_NAME + 1];
    if (worker->on_undelivered == NULL) return;
    skep__copy_text(name, sizeof name, &u->name);
    worker->on_undelivered(worker, (uint32_t)u->to, name, (int)u->status, worker->on_undelivered_context);
}

/* --- news --- */

/* A worker that has not subscribed wants the end of the answer only. */
void skep__worker_ask_news(skep_worker *worker) {
    struct skep_command command = {
        .id = SKEP_COMMAND_newsSince,
        .newsSince = {.seq = worker->news != NULL ? worker->news_sequence.latest : UINT64_MAX}};
    uint64_t now_ms = uv_now(worker->loop);
    if (worker->repairing && now_ms - worker->repair_asked_ms < REPAIR_TIMEOUT_MS) return;
    if (skep__worker_queue(worker, &command) != SKEP_OK) return;
    worker->repair_asked_ms = now_ms;
    worker->repairing = true;
    worker->unconfirmed = false;
}

bool skep__worker_is_confirmed(skep_worker *worker) {
    if (worker->unconfirmed) skep__worker_ask_news(worker);
    return !worker->unconfirmed && !worker->repairing;
}

/* Items are seen in order, each once; the broker's answer comes by the inbox. */
static bool is_next(skep_worker *worker, uint64_t seq, bool answered) {
    enum skep__news_place place = skep__news_item(&worker->news_sequence, seq, answered);
    if (place == SKEP__NEWS_EARLY) skep__worker_ask_news(worker);
    return place == SKEP__NEWS_NEXT;
}

static void broadcast_received(skep_worker *worker, const struct skep_command_broadcast *b, bool answered) {
    char name[SKEP_MAX_NAME + 1];
    if (!is_next(worker, b->seq, answered) || worker->on_message == NULL) return;
    skep__copy_text(name, sizeof name, &b->name);
    skep_message message = {.name = name,
                            .from = (uint32_t)b->from,
                            .broadcast = true,
                            .data = b->data.data,
                            .size_bytes = b->data.size_bytes};
    worker->on_message(worker, &message, worker->on_message_context);
}

static void repair_ended(skep_worker *worker, const struct skep_command_newsEnd *end) {
    worker->repairing = false;
    if (skep__news_end(&worker->news_sequence, end)) skep__worker_ask_news(worker);
    skep__worker_check_left(worker);
}

void skep__worker_received(skep_worker *worker, const struct skep_command *command, bool inbox) {
    switch (command->id) {
    case SKEP_COMMAND_message: message_received(worker, &command->message); break;
    case SKEP_COMMAND_reply: reply_received(worker, &command->reply); break;
    case SKEP_COMMAND_undelivered: undelivered_received(worker, &command->undelivered); break;
    case SKEP_COMMAND_requestCount:
        if (worker->on_request_count != NULL)
            worker->on_request_count(worker, command->requestCount.requestCount, worker->on_request_count_context);
        break;
    case SKEP_COMMAND_broadcast: broadcast_received(worker, &command->broadcast, inbox); break;
    case SKEP_COMMAND_event: is_next(worker, command->event.seq, inbox); break;
    case SKEP_COMMAND_totals: is_next(worker, command->totals.seq, inbox); break;
    case SKEP_COMMAND_newsEnd: repair_ended(worker, &command->newsEnd); break;
    default: break;
    }
}

/* --- callbacks of the user --- */

void skep_on_message(skep_worker *worker, skep_message_cb callback, void *context) {
    worker->on_message = callback;
    worker->on_message_context = context;
}

void skep_on_request_count(skep_worker *worker, skep_request_count_cb callback, void *context) {
    worker->on_request_count = callback;
    worker->on_request_count_context = context;
}

void skep_on_undelivered(skep_worker *worker, skep_undelivered_cb callback, void *context) {
    worker->on_undelivered = callback;
    worker->on_undelivered_context = context;
}

void skep_on_drain(skep_worker *worker, skep_drain_cb callback, void *context) {
    worker->on_drain = callback;
    worker->on_drain_context = context;
}
