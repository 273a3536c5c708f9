/* SPDX-License-Identifier: MIT
 * Receiving: the library's threads put messages into a row and wake the loop, which takes all that are there. */
#include <stdlib.h>
#include <string.h>

#include "nats_link/private.h"

/* --- on the library's threads --- */

static void arrived(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *context) {
    const struct skep__nats_subscription *by = context;
    struct skep__nats *nats = by->nats;
    (void)connection, (void)subscription;
    pthread_mutex_lock(&nats->lock);
    const bool first = nats->incoming.count == 0;
    const bool kept = !nats->closing && skep__nats_items_add(&nats->incoming, by, message);
    pthread_mutex_unlock(&nats->lock);
    if (!kept) natsMsg_Destroy(message);
    else if (first) uv_async_send(&nats->woken);
}

static void let_go(void *context) {
    struct skep__nats *nats = context;
    pthread_mutex_lock(&nats->lock);
    nats->live_subscriptions--;
    pthread_cond_broadcast(&nats->changed);
    pthread_mutex_unlock(&nats->lock);
}

/* --- on the loop --- */

void skep__nats_free_retired(struct skep__nats *nats) {
    pthread_mutex_lock(&nats->lock);
    natsConnection *retired = nats->retired;
    nats->retired = NULL;
    pthread_mutex_unlock(&nats->lock);
    natsConnection_Destroy(retired);
}

/* What became of the connection since the loop looked. */
static void tell_connection(struct skep__nats *nats) {
    char why[sizeof nats->why], url[SKEP__NATS_URL_BYTES] = "";
    pthread_mutex_lock(&nats->lock);
    const bool was_lost = nats->was_lost, was_closed = nats->was_closed;
    const bool connected = nats->connected, told = nats->told_connected;
    memcpy(why, nats->why, sizeof why);
    nats->was_lost = nats->was_closed = false;
    nats->told_connected = connected;
    if (connected) (void)natsConnection_GetConnectedUrl(nats->connection, url, sizeof url);
    pthread_mutex_unlock(&nats->lock);
    skep__nats_free_retired(nats);
    if (was_closed) nats->events->lost(nats->context, SKEP_EACCES, why);
    else if (was_lost && told) nats->events->lost(nats->context, SKEP_ECLOSED, why);
    if (!connected || (told && !was_lost && !was_closed)) return;
    nats->events->made(nats->context, url);
}

static void pass_on(const struct skep__nats_item *item) {
    const struct skep__nats_received received = {
        .subject = natsMsg_GetSubject(item->message),
        .reply = natsMsg_GetReply(item->message),
        .data = {natsMsg_GetData(item->message), (size_t)natsMsg_GetDataLength(item->message)},
        .handle = item->message};
    item->by->received(item->by->context, &received);
}

void skep__nats_receive(uv_async_t *woken) {
    struct skep__nats *nats = woken->data;
    struct skep__nats_items items = {0};
    pthread_mutex_lock(&nats->lock);
    skep__nats_items_move(&items, &nats->incoming);
    pthread_mutex_unlock(&nats->lock);
    tell_connection(nats); /* before what came by a new connection */
    for (size_t i = 0; i < items.count; i++) pass_on(&items.items[i]);
    skep__nats_items_free(&items);
}

/* --- what was asked of a message --- */

const char *skep__nats_header(const struct skep__nats_received *received, const char *name) {
    const char *value = NULL;
    return natsMsgHeader_Get(received->handle, name, &value) == NATS_OK ? value : NULL;
}

unsigned skep__nats_status(const struct skep__nats_received *received) {
    const char *status = received->data.size_bytes == 0 ? skep__nats_header(received, "Status") : NULL;
    return status != NULL ? (unsigned)strtoul(status, NULL, 10) : 0;
}

/* --- subscriptions --- */

natsStatus skep__nats_renew(struct skep__nats_subscription *by) {
    struct skep__nats *nats = by->nats;
    natsConnection *connection = nats->connection;
    natsSubscription *made = NULL;
    natsStatus status = by->group != NULL
                            ? natsConnection_QueueSubscribe(&made, connection, by->subject, by->group, arrived, by)
                            : natsConnection_Subscribe(&made, connection, by->subject, arrived, by);
    if (status == NATS_OK) status = natsSubscription_SetPendingLimits(made, -1, -1);
    if (status == NATS_OK) status = natsSubscription_SetOnCompleteCB(made, let_go, nats);
    if (status != NATS_OK) {
        natsSubscription_Destroy(made);
        return status;
    }
    nats->live_subscriptions++;
    natsSubscription_Destroy(by->subscription);
    by->subscription = made;
    return NATS_OK;
}

static void free_subscription(struct skep__nats_subscription *by) {
    natsSubscription_Destroy(by->subscription);
    free(by->subject);
    free(by->group);
    free(by);
}

int skep__nats_subscribe(struct skep__nats *nats, const char *subject, const char *group,
                         void (*received)(void *context, const struct skep__nats_received *received), void *context) {
    struct skep__nats_subscription *by = calloc(1, sizeof *by);
    if (by == NULL) return SKEP_ENOMEM;
    *by = (struct skep__nats_subscription){.nats = nats,
                                           .subject = strdup(subject),
                                           .group = group != NULL ? strdup(group) : NULL,
                                           .received = received,
                                           .context = context};
    natsStatus status = by->subject == NULL || (group != NULL && by->group == NULL) ? NATS_NO_MEMORY : NATS_OK;
    pthread_mutex_lock(&nats->lock);
    if (status == NATS_OK) status = skep__nats_renew(by);
    if (status != NATS_NO_MEMORY && natsConnection_IsClosed(nats->connection))
        status = NATS_OK; /* the next one has it */
    if (status == NATS_OK) SLIST_INSERT_HEAD(&nats->subscriptions, by, entry);
    pthread_mutex_unlock(&nats->lock);
    if (status != NATS_OK) free_subscription(by);
    return skep__nats_translate(status);
}

void skep__nats_subscriptions_free(struct skep__nats *nats) {
    struct skep__nats_subscription *by;
    SLIST_FOREACH(by, &nats->subscriptions, entry) natsSubscription_Unsubscribe(by->subscription);
    pthread_mutex_lock(&nats->lock);
    while (nats->live_subscriptions > 0) pthread_cond_wait(&nats->changed, &nats->lock);
    pthread_mutex_unlock(&nats->lock);
    while ((by = SLIST_FIRST(&nats->subscriptions)) != NULL) {
        SLIST_REMOVE_HEAD(&nats->subscriptions, entry);
        free_subscription(by);
    }
}
