/* SPDX-License-Identifier: MIT
 * Messages to workers, requests and their replies. */
#include "client/private.h"
#include "common/text.h"

/* --- frames that wait --- */

void skep__client_drop_chunk(skep_client *client, struct skep__chunk *chunk) {
    TAILQ_REMOVE(&client->messages, chunk, entry);
    client->message_bytes -= chunk->frame.size_bytes;
    skep__frame_free(&chunk->frame);
    free(chunk);
}

void skep__client_drop_messages(skep_client *client) {
    for (struct skep__chunk *chunk; (chunk = TAILQ_FIRST(&client->messages)) != NULL;)
        skep__client_drop_chunk(client, chunk); // NOLINT(clang-analyzer-unix.Malloc): the first is another each time
}

/* Into the last chunk, if there is room in it, or a new one. */
int skep__client_queue(skep_client *client, const struct skep_command *command) {
    struct skep__chunk *chunk = TAILQ_LAST(&client->messages, skep__chunks);
    if (chunk == NULL || chunk->frame.size_bytes >= SKEP_FULL_FRAME) {
        chunk = calloc(1, sizeof *chunk);
        if (chunk == NULL) return SKEP_ENOMEM;
        TAILQ_INSERT_TAIL(&client->messages, chunk, entry);
    }
    size_t before_bytes = chunk->frame.size_bytes;
    int status = skep__frame_add(&chunk->frame, command);
    client->message_bytes += chunk->frame.size_bytes - before_bytes;
    if (chunk->frame.size_bytes == 0) skep__client_drop_chunk(client, chunk);
    if (status == SKEP_OK) skep__client_mark(client);
    return status;
}

/* --- sending --- */

static int check_message(skep_client *client, const char *to_name, const char *name, size_t size_bytes) {
    int status = skep__client_check_name(client, "message", name);
    if (status == SKEP_OK && to_name != NULL) status = skep__client_check_name(client, "receiver", to_name);
    if (status != SKEP_OK) return status;
    if (client->closing) return skep__client_fail(client, SKEP_ECLOSED, "the client is being freed");
    if (size_bytes > SKEP_MAX_PAYLOAD)
        return skep__client_fail(client, SKEP_ETOOBIG, "message %s: %zu bytes, at most %d are possible", name,
                                 size_bytes, SKEP_MAX_PAYLOAD);
    if (client->message_bytes <= SKEP__CLIENT_MAX_BYTES) return SKEP_OK;
    client->sender_waits = true;
    return skep__client_fail(client, SKEP_EAGAIN, "%s: too many messages are waiting to be sent", client->instance.dir);
}

static int send_message(skep_client *client, const struct skep_command *command, const char *name) {
    int status = skep__client_queue(client, command);
    return status == SKEP_OK ? SKEP_OK
                             : skep__client_fail(client, status, "message %s: %s", name, skep_strerror(status));
}

int skep_client_send(skep_client *client, uint32_t worker, const char *to_name, const char *name, const void *data,
                     size_t size_bytes) {
    struct skep_command command = skep__message(worker, to_name, name, data, size_bytes);
    int status = check_message(client, to_name, name, size_bytes);
    return status == SKEP_OK ? send_message(client, &command, name) : status;
}

int skep_client_broadcast(skep_client *client, const char *name, const void *data, size_t size_bytes) {
    struct skep_command command = skep__message(0, NULL, name, data, size_bytes);
    SKEP_SET(message, &command.message, toAll, true);
    int status = check_message(client, NULL, name, size_bytes);
    return status == SKEP_OK ? send_message(client, &command, name) : status;
}

/* --- requests --- */

static void request_closed(uv_handle_t *handle) {
    struct skep__client_request *request = handle->data;
    skep_client *client = request->client;
    free(request);
    skep__client_handle_closed(client);
}

/* Calls back, once, for a request that is in the table no more. */
static void settle(struct skep__client_request *request, int status, const void *data, size_t size_bytes) {
    uv_close((uv_handle_t *)&request->timer, request_closed);
    request->callback(request->client, status, data, size_bytes, request->context);
    skep__client_update_due(request->client);
}

static void expired(uv_timer_t *timer) {
    struct skep__client_request *request = timer->data;
    HASH_DEL(request->client->requests, request);
    settle(request, SKEP_ETIMEDOUT, NULL, 0);
}

/* Callbacks may send other requests, which are not meant. */
void skep__client_fail_requests(skep_client *client) {
    struct skep__client_request *all = client->requests, *request, *next;
    client->requests = NULL;
    HASH_ITER(hh, all, request, next) {
        HASH_DEL(all, request);
        settle(request, SKEP_ECLOSED, NULL, 0);
    }
}

static struct skep__client_request *await_reply(skep_client *client, unsigned timeout_ms, skep_client_reply_cb callback,
                                                void *context) {
    struct skep__client_request *request = calloc(1, sizeof *request);
    if (request == NULL) return NULL;
    *request = (struct skep__client_request){
        .request = ++client->next_request, .client = client, .callback = callback, .context = context};
    HASH_ADD(hh, client->requests, request, sizeof request->request, request);
    if (!SKEP_IS_ADDED(request, hh)) {
        free(request);
        return NULL;
    }
    skep__client_add_timer(client, &request->timer, request);
    uv_update_time(client->loop); /* the user may have taken long before the question */
    uv_timer_start(&request->timer, expired, timeout_ms, 0);
    return request;
}

int skep_client_request(skep_client *client, uint32_t worker, const char *to_name, const char *name, const void *data,
                        size_t size_bytes, unsigned timeout_ms, skep_client_reply_cb callback, void *context) {
    struct skep_command command = skep__message(worker, to_name, name, data, size_bytes);
    int status = check_message(client, to_name, name, size_bytes);
    if (status != SKEP_OK) return status;
    if (timeout_ms == 0) timeout_ms = SKEP__CLIENT_TIMEOUT_MS;
    struct skep__client_request *request = await_reply(client, timeout_ms, callback, context);
    if (request == NULL)
        return skep__client_fail(client, SKEP_ENOMEM, "message %s: %s", name, skep_strerror(SKEP_ENOMEM));
    SKEP_SET(message, &command.message, request, request->request);
    SKEP_SET(message, &command.message, timeout_ms, timeout_ms);
    status = send_message(client, &command, name);
    if (status == SKEP_OK) return SKEP_OK;
    HASH_DEL(client->requests, request);
    uv_close((uv_handle_t *)&request->timer, request_closed);
    return status;
}

/* --- what comes back --- */

void skep__client_reply(skep_client *client, const struct skep_command_reply *reply) {
    struct skep__client_request *request;
    HASH_FIND(hh, client->requests, &reply->request, sizeof reply->request, request);
    if (request == NULL) return; /* too late */
    HASH_DEL(client->requests, request);
    settle(request, (int)reply->status, reply->data.data, reply->data.size_bytes);
}

void skep__client_undelivered(skep_client *client, const struct skep_command_undelivered *undelivered) {
    char name[SKEP_MAX_NAME + 1];
    if (client->on_undelivered == NULL) return;
    skep__copy_text(name, sizeof name, &undelivered->name);
    client->on_undelivered(client, (uint32_t)undelivered->to, name, (int)undelivered->status,
                           client->on_undelivered_context);
}
