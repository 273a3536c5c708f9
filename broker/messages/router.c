/* SPDX-License-Identifier: MIT
 * Commands from workers' outboxes, and messages between workers and the primary. */
#include "messages/private.h"

enum {
    REQUEST_TIMEOUT_MS = 5000,
    LITTLE_BYTES = 16 * 1024 /* that any worker may leave in its inbox */
};

static int push(skep_child *child, const struct skep_command *command) {
    if (child->link < 0 || child->cluster->freed) return SKEP_ECLOSED;
    int status = skep__outlet_add(child->inbox, command);
    if (status == SKEP_OK) skep__trace_command(child->cluster->trace, SKEP__TRACE_WIRE, ">", child->id, command);
    return status;
}

/* What a worker leaves in its inbox takes memory until it reads. */
static int push_message(skep_child *child, const struct skep_command *command) {
    bool waits = child->link >= 0 && skep__outlet_waiting_bytes(child->inbox) > LITTLE_BYTES;
    if (waits && !skep__memory_allows(child->cluster, command->message.data.size_bytes)) return SKEP_ENOMEM;
    return push(child, command);
}

/* What cannot be queued for a worker that does not read is lost to it alone. */
static void push_or_drop(skep_child *child, const struct skep_command *command) {
    int status = push(child, command);
    if (status != SKEP_OK)
        skep__trace(child->cluster->trace, SKEP__TRACE_WIRE, "worker %u: %s", child->id, skep_strerror(status));
}

/* --- requestCount --- */

int skep_child_send_request_count(skep_child *child) {
    struct skep_command command = {.id = SKEP_COMMAND_requestCount,
                                   .requestCount = {.requestCount = child->talker->requests}};
    return push(child, &command);
}

void skep__send_request_counts(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) {
        if (child->state == SKEP__CHILD_READY && skep_child_send_request_count(child) != SKEP_OK)
            continue; /* the next interval will tell */
    }
}

/* --- messages from workers --- */

static void answer_status(skep_child *child, uint64_t request, int status) {
    struct skep_command command = skep__reply(request, status, NULL, 0);
    push_or_drop(child, &command);
}

static void undelivered(skep_child *sender, const struct skep_command_message *m, int status) {
    if (SKEP_HAS(message, m, request)) {
        answer_status(sender, m->request, status);
        return;
    }
    struct skep_command command = {.id = SKEP_COMMAND_undelivered,
                                   .undelivered = {.name = m->name, .status = (uint64_t)status}};
    struct skep_command_undelivered *u = &command.undelivered;
    if (SKEP_HAS(message, m, to)) SKEP_SET(undelivered, u, to, m->to);
    if (SKEP_HAS(message, m, toName)) SKEP_SET(undelivered, u, toName, m->toName);
    push_or_drop(sender, &command);
}

/* To this process: the message event. */
static void deliver_here(skep_child *sender, const struct skep_command_message *m) {
    char name[SKEP_MAX_NAME + 1];
    if (!skep__has_message_handler(sender->cluster, sender)) {
        if (SKEP_HAS(message, m, request)) answer_status(sender, m->request, SKEP_ENOHANDLER);
        return;
    }
    skep__copy_text(name, sizeof name, &m->name);
    skep_event event = skep__event(SKEP_EVENT_MESSAGE, sender);
    event.name = name;
    event.data = m->data.data;
    event.size_bytes = m->data.size_bytes;
    event.request = m->request;
    skep__emit(sender->cluster, &event);
}

/* The next worker of a name, in turn by id. */
static skep_child *next_of_name(skep_cluster *cluster, const struct skep_bytes *name) {
    skep_child *first = NULL, *next = NULL;
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) {
        if (child->state != SKEP__CHILD_READY || !skep__text_is(*name, child->name)) continue;
        if (first == NULL) first = child;
        if (next == NULL && child->id > cluster->messages->name_turn) next = child;
    }
    if (next == NULL) next = first;
    if (next != NULL) cluster->messages->name_turn = next->id;
    return next;
}

skep_child *skep__receiver_of(skep_cluster *cluster, const struct skep_command_message *m) {
    if (SKEP_HAS(message, m, toName)) return next_of_name(cluster, &m->toName);
    return skep_child_by_id(cluster, (uint32_t)m->to);
}

static void forward(skep_child *sender, const struct skep_command_message *m) {
    skep_child *receiver = skep__receiver_of(sender->cluster, m);
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = *m};
    SKEP_SET(message, &command.message, from, sender->id);
    int status = receiver != NULL ? push_message(receiver, &command) : SKEP_ENOWORKER;
    if (status == SKEP_ECLOSED) status = SKEP_ENOWORKER;
    if (status != SKEP_OK) undelivered(sender, m, status);
}

void skep__worker_message(skep_child *sender, const struct skep_command_message *m) {
    sender->talker->messages++;
    sender->cluster->messages->messages++;
    if (m->toAll) {
        int status = skep__news_broadcast(sender->cluster, sender->id, &m->name, &m->data);
        if (status != SKEP_OK) undelivered(sender, m, status);
    } else if (SKEP_HAS(message, m, toName) || m->to != 0) {
        forward(sender, m);
    } else {
        deliver_here(sender, m);
    }
}

/* --- requests of the primary's --- */

static void settle(struct skep__call_to_child *call, int status, const void *data, size_t size_bytes) {
    HASH_DEL(call->cluster->messages->calls, call);
    skep__alarm_stop(&call->expiry);
    call->callback(call->cluster, status, data, size_bytes, call->context);
    free(call);
}

static void call_expired(struct skep__alarm *alarm) {
    settle(SKEP_CONTAINER(alarm, struct skep__call_to_child, expiry), SKEP_ETIMEDOUT, NULL, 0);
}

void skep__messages_link_closed(skep_child *child) {
    struct skep__call_to_child *call, *next;
    HASH_ITER(hh, child->cluster->messages->calls, call, next)
    if (call->child == child->id) settle(call, SKEP_ENOWORKER, NULL, 0);
}

void skep__messages_end(skep_cluster *cluster) {
    const struct skep__messages *messages = cluster->messages;
    while (messages != NULL && messages->calls != NULL) /* settling takes it off the table */
        settle(messages->calls, SKEP_ECLOSED, NULL, 0); // NOLINT(clang-analyzer-unix.Malloc)
}

/* To this process. */
static void reply_here(skep_child *sender, const struct skep_command_reply *r) {
    struct skep__call_to_child *call;
    HASH_FIND(hh, sender->cluster->messages->calls, &r->request, sizeof r->request, call);
    if (call == NULL || call->child != sender->id) return; /* too late, or not its to answer */
    settle(call, (int)r->status, r->data.data, r->data.size_bytes);
}

void skep__worker_reply(skep_child *sender, const struct skep_command_reply *r) {
    if (r->to == 0) {
        reply_here(sender, r);
        return;
    }
    skep_child *asker = skep_child_by_id(sender->cluster, (uint32_t)r->to);
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = *r};
    if (asker != NULL) push_or_drop(asker, &command);
}

/* --- news that a worker missed --- */

static int add_to_inbox(void *context, const void *data, size_t size_bytes) {
    skep_child *child = context;
    return skep__outlet_append(child->inbox, data, size_bytes);
}

/* If not all of it fits into the inbox now, it is sent again when that has drained: the worker drops what it has seen.
 */
static void send_news(skep_child *child, uint64_t seq) {
    if (child->link < 0) return;
    int status = skep__news_since(child->cluster, seq, add_to_inbox, child);
    child->talker->owes_news = status == SKEP_EAGAIN;
    child->talker->news_seen = seq;
    if (status != SKEP_OK)
        skep__trace(child->cluster->trace, SKEP__TRACE_WIRE, "worker %u: news: %s", child->id, skep_strerror(status));
}

void skep__worker_news_since(skep_child *child, uint64_t seq) {
    if (!child->talker->owes_news) send_news(child, seq);
}

void skep__messages_inbox_drained(skep_child *child) {
    if (child->talker->owes_news) send_news(child, child->talker->news_seen);
}

/* --- messages from the primary --- */

int skep_child_send(skep_child *child, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command = skep__message(0, NULL, name, data, size_bytes);
    return push_message(child, &command);
}

int skep_cluster_broadcast(skep_cluster *cluster, const char *name, const void *data, size_t size_bytes) {
    struct skep_bytes text = skep__text(name), bytes = {data, size_bytes};
    return cluster->started ? skep__news_broadcast(cluster, 0, &text, &bytes) : SKEP_ESTATE;
}

static int await_reply(skep_child *child, uint64_t request, unsigned timeout_ms, skep_child_reply_cb callback,
                       void *context) {
    struct skep__call_to_child *call = calloc(1, sizeof *call);
    skep_cluster *cluster = child->cluster;
    if (call == NULL) return SKEP_ENOMEM;
    *call = (struct skep__call_to_child){
        .request = request, .cluster = cluster, .child = child->id, .callback = callback, .context = context};
    uv_update_time(cluster->loop); /* the user may have taken long before the question */
    call->expiry.holds = true;
    if (timeout_ms == 0) timeout_ms = REQUEST_TIMEOUT_MS;
    int status = skep__alarm_set(cluster->clock, &call->expiry, timeout_ms, call_expired);
    if (status == SKEP_OK) HASH_ADD(hh, cluster->messages->calls, request, sizeof call->request, call);
    if (status == SKEP_OK && SKEP_IS_ADDED(call, hh)) return SKEP_OK;
    skep__alarm_stop(&call->expiry);
    free(call);
    return SKEP_ENOMEM;
}

int skep_child_request(skep_child *child, const char *name, const void *data, size_t size_bytes, unsigned timeout_ms,
                       skep_child_reply_cb callback, void *context) {
    struct skep_command command = skep__message(0, NULL, name, data, size_bytes);
    uint64_t request = ++child->cluster->messages->next_call;
    SKEP_SET(message, &command.message, request, request);
    int status = push_message(child, &command);
    return status == SKEP_OK ? await_reply(child, request, timeout_ms, callback, context) : status;
}

int skep_child_reply(skep_child *child, uint64_t request, int status, const void *data, size_t size_bytes) {
    struct skep_command command = skep__reply(request, status, data, size_bytes);
    return push(child, &command);
}
