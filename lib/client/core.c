/* SPDX-License-Identifier: MIT
 * What all of a client stands on: its memory, its timers, what went wrong, and whether there is room. */
#include <stdarg.h>
#include <stdio.h>

#include "client/private.h"
#include "common/own_loop.h"

enum {
    BUSY_TICK_MS = 200, /* between looks after a broker from which something is expected */
    IDLE_TICK_MS = 1000 /* else */
};

int skep__client_fail(skep_client *client, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->why, sizeof client->why, format, arguments);
    va_end(arguments);
    return status;
}

int skep__client_check_name(skep_client *client, const char *what, const char *name) {
    size_t length = name != NULL ? strnlen(name, SKEP_MAX_NAME + 1) : 0;
    if (length > 0 && length <= SKEP_MAX_NAME) return SKEP_OK;
    return skep__client_fail(client, SKEP_EINVAL, "%s: a name of 1 to %d bytes is needed", what, SKEP_MAX_NAME);
}

/* --- memory --- */

int skep__client_allocate(skep_client **out, const skep_client_options *options) {
    skep_client *client = calloc(1, sizeof *client);
    if (client == NULL) return SKEP_ENOMEM;
    STAILQ_INIT(&client->batches);
    STAILQ_INIT(&client->spares);
    TAILQ_INIT(&client->messages);
    client->trace = skep__trace_mask();
    client->first = 1;
    client->once = options->once;
    client->retry_ms = SKEP__CLIENT_RETRY_MS;
    client->serves_worker = options->worker != NULL;
    client->loop = client->serves_worker ? skep_worker_loop(options->worker) : options->loop;
    client->owns_loop = client->loop == NULL;
    if (client->owns_loop) client->loop = &client->own_loop;
    int status = client->owns_loop ? skep__own_loop_init(client->loop) : SKEP_OK;
    if (status == SKEP_OK) *out = client;
    else free(client);
    return status;
}

static void free_client(skep_client *client) {
    skep__frame_free(&client->frame);
    skep__reader_free(&client->returns_reader);
    skep__reader_free(&client->answer_reader);
    skep__reader_free(&client->news_reader);
    skep__client_free_batches(client);
    free(client->ring);
    if (client->owns_loop) uv_loop_close(client->loop);
    free(client);
}

void skep__client_handle_closed(skep_client *client) {
    client->open_handles--;
    if (client->freed && !client->owns_loop && client->open_handles == 0) free_client(client);
}

void skep__client_free_when_closed(skep_client *client) {
    client->freed = true;
    if (client->owns_loop) uv_run(client->loop, UV_RUN_NOWAIT); /* close callbacks; the user's handles do not matter */
    if (client->owns_loop || client->open_handles == 0) free_client(client);
}

/* --- the loop --- */

void skep__client_add_timer(skep_client *client, uv_timer_t *timer, void *data) {
    uv_timer_init(client->loop, timer);
    timer->data = data;
    client->open_handles++;
}

void skep__client_mark(skep_client *client) {
    skep__flusher_mark(client->flusher, &client->flush);
}

/* Watching alone also keeps the loop alive; but not in a worker that is about to leave. */
void skep__client_update_due(skep_client *client) {
    bool watches = client->on_news != NULL;
    bool due = client->unanswered > 0 || client->unfinished_count > 0 || client->requests != NULL || client->asks > 0 ||
               !TAILQ_EMPTY(&client->messages);
    uint64_t tick_ms = due || watches ? BUSY_TICK_MS : IDLE_TICK_MS;
    if (client->closing) return;
    if (due || (watches && !client->serves_worker)) uv_ref((uv_handle_t *)&client->tick);
    else uv_unref((uv_handle_t *)&client->tick);
    if (tick_ms == client->tick_ms) return;
    client->tick_ms = tick_ms;
    uv_timer_set_repeat(&client->tick, tick_ms);
    uv_timer_again(&client->tick);
}

void skep__client_wait_ended(uv_timer_t *timer) {
    skep_client *client = timer->data;
    client->wait_has_ended = true;
}

/* --- room --- */

bool skep__client_has_room(const skep_client *client) {
    return client->unanswered_bytes <= SKEP__CLIENT_MAX_BYTES && client->unanswered < SKEP__CLIENT_MAX_JOBS &&
           client->message_bytes <= SKEP__CLIENT_MAX_BYTES;
}

void skep__client_tell_drained(skep_client *client) {
    if (!client->sender_waits || client->unanswered_bytes > SKEP__CLIENT_MAX_BYTES / 2 ||
        client->unanswered > SKEP__CLIENT_MAX_JOBS / 2 || client->message_bytes > SKEP__CLIENT_MAX_BYTES / 2)
        return;
    client->sender_waits = false;
    if (client->on_drain != NULL) client->on_drain(client, client->on_drain_context);
}
