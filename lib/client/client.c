/* SPDX-License-Identifier: MIT
 * A client's life: making it, what the user sees of it, its end. */
#include "client/private.h"
#include "common/container.h"

enum { FAREWELL_MS = 2000 /* for the broker to read what was sent, where the loop is ours */ };

/* --- the loop --- */

static void flush_client(struct skep__flush *flush) {
    skep_client *client = SKEP_CONTAINER(flush, skep_client, flush);
    if (client->on_news == NULL) skep__client_end_news(client);
    skep__client_close_batch(client);
    skep__client_send_more(client);
    skep__client_tell_drained(client); /* all may have left so quickly that no sent event follows */
    skep__client_update_due(client);
}

/* --- making --- */

static int open_handles(skep_client *client) {
    skep__client_add_timer(client, &client->tick, client);
    skep__client_add_timer(client, &client->seek, client);
    skep__client_add_timer(client, &client->wait, client);
    uv_timer_start(&client->tick, skep__client_tick, 0, 0); /* skep__client_update_due sets its period */
    uv_unref((uv_handle_t *)&client->tick);
    uv_unref((uv_handle_t *)&client->seek);
    client->flush.flush = flush_client;
    int status = skep__hub_new(&client->hub, client->loop);
    if (status == SKEP_EINVAL) return skep__client_fail(client, status, "%s", SKEP__UNKNOWN_TRANSPORT);
    return status == SKEP_OK ? skep__flusher_new(&client->flusher, client->loop) : status;
}

int skep_client_new(skep_client **out, const skep_client_options *options) {
    static const skep_client_options defaults = {0};
    if (options == NULL) options = &defaults;
    skep_client *client;
    int status = skep__client_allocate(&client, options);
    if (status != SKEP_OK) return status;
    status = skep__client_find(client, options);
    if (status == SKEP_OK) status = skep__reader_init(&client->returns_reader, SKEP_CHANNEL_RETURNS);
    if (status == SKEP_OK) status = skep__reader_init(&client->answer_reader, SKEP_CHANNEL_ANSWER);
    if (status == SKEP_OK) status = skep__reader_init(&client->news_reader, SKEP_CHANNEL_NEWS);
    if (status == SKEP_OK) status = open_handles(client);
    if (status != SKEP_OK) {
        skep_client_free(&client);
        return status;
    }
    skep__client_update_due(client);
    skep__client_seek(&client->seek);
    *out = client;
    return SKEP_OK;
}

/* --- freeing --- */

static void timer_closed(uv_handle_t *handle) {
    skep__client_handle_closed(handle->data);
}

/* Only a loop of our own may run here. */
static void leave(skep_client *client) {
    if (client->phase != SKEP__CLIENT_JOINED) return;
    client->wait_has_ended = !client->owns_loop;
    uv_update_time(client->loop); /* the user may have taken long since its last turn */
    if (client->owns_loop) uv_timer_start(&client->wait, skep__client_wait_ended, FAREWELL_MS, 0);
    skep__client_send_more(client); /* messages that have not left; jobs, too */
    while (!client->wait_has_ended && skep__port_is_sending(client->intake, true)) uv_run(client->loop, UV_RUN_ONCE);
    skep__client_say_leave(client);
    client->all_read = !skep__port_finish(client->intake); /* NNG cannot tell: then it is enough that all has left */
    while (!client->wait_has_ended && (!client->all_read || skep__port_is_sending(client->intake, true)))
        uv_run(client->loop, UV_RUN_ONCE);
}

void skep_client_free(skep_client **out) {
    skep_client *client = *out;
    if (client == NULL) return;
    uv_timer_t *timers[] = {&client->tick, &client->seek, &client->wait};
    *out = NULL;
    client->closing = true;
    client->on_news = NULL;
    if (client->tick.data != NULL) uv_timer_stop(&client->tick);
    if (client->seek.data != NULL) uv_timer_stop(&client->seek);
    skep__client_fail_submissions(client);
    skep__client_fail_unfinished(client);
    skep__client_fail_requests(client);
    leave(client);
    skep__client_close_session(client);
    skep__client_drop_messages(client);
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
        if (timers[i]->data != NULL) uv_close((uv_handle_t *)timers[i], timer_closed);
    skep__flusher_free(&client->flusher);
    skep__hub_free(&client->hub);
    skep__client_free_when_closed(client);
}

/* --- what the user sees --- */

uv_loop_t *skep_client_loop(skep_client *client) {
    return client->loop;
}

const char *skep_client_why(const skep_client *client) {
    return client->why;
}

bool skep_client_is_connected(const skep_client *client) {
    return client->phase == SKEP__CLIENT_JOINED && !client->suspected;
}

uint64_t skep_client_unaccepted(const skep_client *client) {
    return client->unanswered;
}

uint64_t skep_client_unfinished(const skep_client *client) {
    return client->unfinished_count;
}

void skep_on_client_state(skep_client *client, skep_client_state_cb callback, void *context) {
    client->on_state = callback;
    client->on_state_context = context;
}

void skep_on_client_drain(skep_client *client, skep_client_drain_cb callback, void *context) {
    client->on_drain = callback;
    client->on_drain_context = context;
}

void skep_on_client_undelivered(skep_client *client, skep_client_undelivered_cb callback, void *context) {
    client->on_undelivered = callback;
    client->on_undelivered_context = context;
}
