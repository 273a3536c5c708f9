/* SPDX-License-Identifier: MIT
 * A new connection in place of one that the library has given up. It makes a lost one again by itself, but for one that
 * a server has refused twice: which may be a server whose configuration is being changed. */
#include <time.h>

#include "nats_link/private.h"

enum { AGAIN_S = 1 /* between two attempts */ };

static void wait_a_moment(struct skep__nats *nats) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += AGAIN_S;
    while (!nats->closing && pthread_cond_timedwait(&nats->changed, &nats->lock, &until) == 0) continue;
}

/* What happened to the new one before it was in use has not been noted. */
static void use(struct skep__nats *nats, natsConnection *connection) {
    nats->retired = nats->connection;
    nats->connection = connection;
    nats->closed = natsConnection_IsClosed(connection);
    nats->connected = natsConnection_Status(connection) == NATS_CONN_STATUS_CONNECTED;
}

/* Without all of them the connection is of no use. */
static natsStatus subscribe_again(struct skep__nats *nats) {
    struct skep__nats_subscription *by;
    natsStatus status = NATS_OK;
    SLIST_FOREACH(by, &nats->subscriptions, entry) if (status == NATS_OK) status = skep__nats_renew(by);
    return status;
}

void skep__nats_reopen(struct skep__nats *nats) {
    natsConnection *connection = NULL;
    if (nats->retired == NULL) {
        pthread_mutex_unlock(&nats->lock);
        (void)natsConnection_Connect(&connection, nats->options); /* else again */
        pthread_mutex_lock(&nats->lock);
    }
    if (connection == NULL) {
        wait_a_moment(nats);
        return;
    }
    use(nats, connection);
    const bool complete = subscribe_again(nats) == NATS_OK, closing = nats->closing;
    if (!complete) nats->connected = false;
    pthread_mutex_unlock(&nats->lock);
    if (!complete) natsConnection_Close(connection); /* which is told, so that it is tried again */
    if (!closing) uv_async_send(&nats->woken);
    pthread_mutex_lock(&nats->lock);
}
