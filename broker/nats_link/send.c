/* SPDX-License-Identifier: MIT
 * Sending: the loop gathers messages in a turn; a thread of its own publishes them, since a socket that is full makes
 * the library wait. While there is no connection that thread waits, and the library's own buffer stays empty. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/container.h"
#include "nats_link/private.h"

enum {
    FEW = 16,       /* messages that leave at once; of more, the library sends what gathers in a millisecond */
    FLUSH_MS = 300, /* for the server to answer that it has them */
    END_MS = 500    /* for the last ones */
};

/* --- on the loop --- */

static int add_headers(natsMsg *made, const struct skep__nats_message *message) {
    for (size_t i = 0; i < message->header_count; i++) {
        const struct skep__nats_header *header = &message->headers[i];
        natsStatus status = natsMsgHeader_Set(made, header->name, header->value);
        if (status != NATS_OK) return skep__nats_translate(status);
    }
    return SKEP_OK;
}

static size_t cost_of(size_t size_bytes) {
    return size_bytes + SKEP__NATS_MESSAGE_BYTES;
}

static bool is_full(struct skep__nats *nats, size_t size_bytes) {
    pthread_mutex_lock(&nats->lock);
    size_t waiting = nats->waiting_bytes;
    pthread_mutex_unlock(&nats->lock);
    return waiting + nats->gathered_bytes + cost_of(size_bytes) > SKEP__NATS_WAITING_BYTES;
}

int skep__nats_publish(struct skep__nats *nats, const struct skep__nats_message *message) {
    natsMsg *made = NULL;
    if (message->size_bytes > nats->most_bytes) return SKEP_ETOOBIG;
    if (is_full(nats, message->size_bytes)) return SKEP_EAGAIN;
    int status = skep__nats_translate(
        natsMsg_Create(&made, message->subject, message->reply, message->data, (int)message->size_bytes));
    if (status == SKEP_OK) status = add_headers(made, message);
    if (status == SKEP_OK && !skep__nats_items_add(&nats->gathered, NULL, made)) status = SKEP_ENOMEM;
    if (status != SKEP_OK) {
        natsMsg_Destroy(made);
        return status;
    }
    nats->gathered_bytes += cost_of(message->size_bytes);
    skep__flusher_mark(nats->flusher, &nats->flush);
    return SKEP_OK;
}

/* Without memory they stay for the next turn. */
static void hand_over(struct skep__flush *flush) {
    struct skep__nats *nats = SKEP_CONTAINER(flush, struct skep__nats, flush);
    pthread_mutex_lock(&nats->lock);
    if (skep__nats_items_move(&nats->outgoing, &nats->gathered)) {
        nats->waiting_bytes += nats->gathered_bytes;
        nats->gathered_bytes = 0;
        pthread_cond_broadcast(&nats->changed);
    } else {
        skep__flusher_mark(nats->flusher, &nats->flush);
    }
    pthread_mutex_unlock(&nats->lock);
}

/* --- on the sender's thread --- */

/* What cannot be sent is lost: who needs to know has asked for an answer. */
static size_t publish(struct skep__nats *nats, struct skep__nats_items *items) {
    size_t bytes = 0;
    for (size_t i = 0; i < items->count; i++) {
        natsMsg *message = items->items[i].message;
        bytes += cost_of((size_t)natsMsg_GetDataLength(message));
        (void)natsConnection_PublishMsg(nats->connection, message);
        natsMsg_Destroy(message);
    }
    if (items->count <= FEW) (void)natsConnection_FlushTimeout(nats->connection, FLUSH_MS);
    items->count = 0;
    return bytes;
}

static void finish(struct skep__nats *nats, bool connected) {
    if (connected) (void)natsConnection_FlushTimeout(nats->connection, END_MS);
    natsConnection_Close(nats->connection);
}

static void *run(void *context) {
    struct skep__nats *nats = context;
    struct skep__nats_items items = {0};
    pthread_mutex_lock(&nats->lock);
    for (;;) {
        while (!nats->closing && !nats->closed && (nats->outgoing.count == 0 || !nats->connected))
            pthread_cond_wait(&nats->changed, &nats->lock);
        if (nats->closed && !nats->closing) {
            skep__nats_reopen(nats);
            continue;
        }
        if (!nats->connected || nats->outgoing.count == 0) break;
        skep__nats_items_move(&items, &nats->outgoing);
        pthread_mutex_unlock(&nats->lock);
        size_t bytes = publish(nats, &items);
        pthread_mutex_lock(&nats->lock);
        nats->waiting_bytes -= bytes;
    }
    bool connected = nats->connected;
    pthread_mutex_unlock(&nats->lock);
    finish(nats, connected);
    skep__nats_items_free(&items);
    nats_ReleaseThreadMemory();
    return NULL;
}

int skep__nats_sender_start(struct skep__nats *nats) {
    nats->flush.flush = hand_over;
    if (pthread_create(&nats->sender, NULL, run, nats) != 0) return SKEP_ENPROC;
    nats->sends = true;
    return SKEP_OK;
}

void skep__nats_sender_end(struct skep__nats *nats) {
    if (!nats->sends) return;
    skep__flusher_unmark(nats->flusher, &nats->flush);
    hand_over(&nats->flush);
    pthread_mutex_lock(&nats->lock);
    nats->closing = true;
    pthread_cond_broadcast(&nats->changed);
    pthread_mutex_unlock(&nats->lock);
    pthread_join(nats->sender, NULL);
    skep__flusher_unmark(nats->flusher, &nats->flush);
}
