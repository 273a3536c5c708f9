/* SPDX-License-Identifier: MIT
 * The connection: made, watched, closed. */
#include "nats_link/nats_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "nats_link/private.h"

enum { HEADERS_BYTES = 4096 /* of a message, that its payload has to leave, but half at most */ };

/* --- on the library's threads --- */

/* Of another connection than the one in use nothing counts any more, or not yet. */
static bool is_used(const struct skep__nats *nats, const natsConnection *connection) {
    return nats->connection == NULL || nats->connection == connection;
}

static void note_why(struct skep__nats *nats, const char *why) {
    const struct skep_bytes text = skep__text(why);
    skep__copy_text(nats->why, sizeof nats->why, &text);
}

static void set_connected(struct skep__nats *nats, natsConnection *connection, bool connected) {
    const char *why = NULL;
    if (!connected) (void)natsConnection_GetLastError(connection, &why);
    pthread_mutex_lock(&nats->lock);
    if (!is_used(nats, connection)) {
        pthread_mutex_unlock(&nats->lock);
        return;
    }
    nats->connected = connected;
    if (!connected) {
        nats->was_lost = true;
        note_why(nats, why);
    }
    const bool closing = nats->closing;
    pthread_cond_broadcast(&nats->changed);
    pthread_mutex_unlock(&nats->lock);
    if (!closing) uv_async_send(&nats->woken);
}

static void disconnected(natsConnection *connection, void *context) {
    set_connected(context, connection, false);
}

static void reconnected(natsConnection *connection, void *context) {
    set_connected(context, connection, true);
}

/* By skep__nats_close; or a server has refused the same credentials twice: the library tries no more. */
static void closed(natsConnection *connection, void *context) {
    struct skep__nats *nats = context;
    const char *why = NULL;
    (void)natsConnection_GetLastError(connection, &why);
    pthread_mutex_lock(&nats->lock);
    if (is_used(nats, connection)) {
        nats->closed = nats->was_closed = true;
        nats->connected = false;
        note_why(nats, why);
        pthread_cond_broadcast(&nats->changed);
        if (!nats->closing) uv_async_send(&nats->woken); /* with the lock: what waits for this frees the handle */
    }
    pthread_mutex_unlock(&nats->lock);
}

/* Without a function of its own the library writes errors to stderr. */
static void failed(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *context) {
    (void)connection, (void)subscription, (void)status, (void)context;
}

/* --- making --- */

static natsStatus set_functions(natsOptions *options, struct skep__nats *nats) {
    natsStatus status = natsOptions_SetDisconnectedCB(options, disconnected, nats);
    if (status == NATS_OK) status = natsOptions_SetReconnectedCB(options, reconnected, nats);
    if (status == NATS_OK) status = natsOptions_SetClosedCB(options, closed, nats);
    return status == NATS_OK ? natsOptions_SetErrorHandler(options, failed, nats) : status;
}

static int connect_to(struct skep__nats *nats, const struct skep__nats_setup *setup, char why[SKEP_MAX_REASON + 1]) {
    natsConnection *connection = NULL;
    int status = skep__nats_options(&nats->options, setup, why);
    if (status != SKEP_OK) return status;
    natsStatus made = set_functions(nats->options, nats);
    if (made == NATS_OK) made = natsConnection_Connect(&connection, nats->options);
    pthread_mutex_lock(&nats->lock);
    nats->connection = connection;
    pthread_mutex_unlock(&nats->lock);
    if (made == NATS_OK) return SKEP_OK;
    const char *text = made == NATS_NO_SERVER ? "no server answers there" : nats_GetLastError(NULL);
    snprintf(why, SKEP_MAX_REASON + 1, "cannot connect: %s", text != NULL ? text : natsStatus_GetText(made));
    return skep__nats_translate(made);
}

static int make_inbox(struct skep__nats *nats) {
    natsInbox *inbox = NULL;
    int status = skep__nats_translate(natsInbox_Create(&inbox));
    if (status != SKEP_OK) return status;
    snprintf(nats->inbox, sizeof nats->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    return SKEP_OK;
}

static struct skep__nats *new_nats(const struct skep__nats_setup *setup) {
    struct skep__nats *nats = calloc(1, sizeof *nats);
    if (nats == NULL) return NULL;
    nats->loop = setup->loop;
    nats->flusher = setup->flusher;
    nats->events = setup->events;
    nats->context = setup->context;
    nats->connected = nats->told_connected = true;
    SLIST_INIT(&nats->subscriptions);
    TAILQ_INIT(&nats->questions);
    pthread_mutex_init(&nats->lock, NULL);
    pthread_cond_init(&nats->changed, NULL);
    return nats;
}

static void free_nats(struct skep__nats *nats) {
    natsOptions_Destroy(nats->options);
    pthread_cond_destroy(&nats->changed);
    pthread_mutex_destroy(&nats->lock);
    free(nats);
}

static void let_go(uv_handle_t *handle) {
    struct skep__nats *nats = handle->data;
    if (--nats->open_handles == 0) free_nats(nats);
}

/* They do not keep the loop alive. */
static int open_handles(struct skep__nats *nats) {
    if (uv_async_init(nats->loop, &nats->woken, skep__nats_receive) != 0) return SKEP_EMFILE;
    uv_timer_init(nats->loop, &nats->late);
    nats->woken.data = nats->late.data = nats;
    uv_unref((uv_handle_t *)&nats->woken);
    uv_unref((uv_handle_t *)&nats->late);
    nats->open_handles = 2;
    return SKEP_OK;
}

int skep__nats_open(struct skep__nats **out, const struct skep__nats_setup *setup, char why[SKEP_MAX_REASON + 1]) {
    struct skep__nats *nats = new_nats(setup);
    why[0] = '\0';
    if (nats == NULL) return SKEP_ENOMEM;
    int status = open_handles(nats);
    if (status != SKEP_OK) {
        free_nats(nats);
        return status;
    }
    status = connect_to(nats, setup, why);
    if (status == SKEP_OK) status = make_inbox(nats);
    if (status == SKEP_OK) status = skep__nats_sender_start(nats);
    if (status == SKEP_OK) status = skep__nats_questions_open(nats);
    if (status == SKEP_OK) {
        const size_t most = (size_t)natsConnection_GetMaxPayload(nats->connection);
        nats->most_bytes = most / 2 > HEADERS_BYTES ? most - HEADERS_BYTES : most / 2;
        *out = nats;
    } else {
        skep__nats_close(&nats);
    }
    return status;
}

/* --- the end --- */

static void end_connection(struct skep__nats *nats) {
    if (nats->connection == NULL) return;
    skep__nats_sender_end(nats);
    pthread_mutex_lock(&nats->lock);
    nats->closing = true;
    pthread_mutex_unlock(&nats->lock);
    skep__nats_free_retired(nats);
    natsConnection_Close(nats->connection);
    skep__nats_subscriptions_free(nats);
    pthread_mutex_lock(&nats->lock);
    while (!nats->closed) pthread_cond_wait(&nats->changed, &nats->lock);
    pthread_mutex_unlock(&nats->lock);
    natsConnection_Destroy(nats->connection);
}

void skep__nats_close(struct skep__nats **out) {
    struct skep__nats *nats = *out;
    if (nats == NULL) return;
    end_connection(nats);
    skep__nats_questions_free(nats);
    skep__nats_items_free(&nats->gathered);
    skep__nats_items_free(&nats->outgoing);
    skep__nats_items_free(&nats->incoming);
    uv_close((uv_handle_t *)&nats->woken, let_go);
    uv_close((uv_handle_t *)&nats->late, let_go);
    *out = NULL;
}

bool skep__nats_is_connected(const struct skep__nats *nats) {
    return nats->told_connected;
}

const char *skep__nats_inbox(const struct skep__nats *nats) {
    return nats->inbox;
}

size_t skep__nats_most_bytes(const struct skep__nats *nats) {
    return nats->most_bytes;
}
