/* SPDX-License-Identifier: MIT
 * Jobs that travel together. A batch is packed as its jobs come; numbers are put on it when it leaves. */
#include "client/private.h"

enum {
    SPARES = 16,             /* batches whose memory is used again */
    SPARE_BYTES = 256 * 1024 /* of the largest of them */
};

/* --- memory --- */

static void free_batch(struct skep__client_batch *batch) {
    if (batch == NULL) return;
    skep__frame_free(&batch->items);
    skep__frame_free(&batch->keys);
    free(batch);
}

static void let_go(skep_client *client, struct skep__client_batch *batch) {
    if (client->spare_count == SPARES || batch->items.capacity_bytes > SPARE_BYTES) {
        free_batch(batch);
        return;
    }
    STAILQ_INSERT_HEAD(&client->spares, batch, entry);
    client->spare_count++;
}

static struct skep__client_batch *take_spare(skep_client *client) {
    struct skep__client_batch *batch = STAILQ_FIRST(&client->spares);
    if (batch == NULL) return calloc(1, sizeof *batch);
    STAILQ_REMOVE_HEAD(&client->spares, entry);
    client->spare_count--;
    skep__frame_clear(&batch->items);
    skep__frame_clear(&batch->keys);
    batch->count = 0;
    return batch;
}

static void free_all(struct skep__batches *batches) {
    for (struct skep__client_batch *batch; (batch = STAILQ_FIRST(batches)) != NULL;) {
        STAILQ_REMOVE_HEAD(batches, entry);
        free_batch(batch);
    }
}

void skep__client_free_batches(skep_client *client) {
    free_all(&client->batches);
    free_all(&client->spares);
    free_batch(client->filling);
}

/* --- filling --- */

bool skep__batch_is_full(const struct skep__client_batch *batch) {
    return batch->count == SKEP_MAX_LIST || batch->items.size_bytes + batch->keys.size_bytes >= SKEP_FULL_FRAME;
}

bool skep__client_batch_takes(const skep_client *client, const char *queue, const skep_job_options *options,
                              bool outcomes) {
    const struct skep__client_batch *batch = client->filling;
    if (batch == NULL || skep__batch_is_full(batch)) return false;
    const skep_job_options *same = &batch->options;
    return same->priority == options->priority && same->delay_ms == options->delay_ms &&
           same->ttl_ms == options->ttl_ms && same->lease_ms == options->lease_ms &&
           same->attempts == options->attempts && batch->has_keys == (options->key != NULL) &&
           batch->outcomes == outcomes && strcmp(batch->queue, queue) == 0;
}

int skep__client_begin_batch(skep_client *client, const char *queue, const skep_job_options *options, bool outcomes) {
    struct skep__client_batch *batch = take_spare(client);
    if (batch == NULL) return SKEP_ENOMEM;
    batch->number = client->first + client->unanswered;
    batch->options = *options;
    batch->has_keys = options->key != NULL;
    batch->outcomes = outcomes;
    memcpy(batch->queue, queue, strlen(queue) + 1);
    client->filling = batch;
    return SKEP_OK;
}

int skep__batch_add(struct skep__client_batch *batch, const void *data, size_t size_bytes, const char *key) {
    size_t before_bytes = batch->items.size_bytes;
    int status = skep__list_add(&batch->items, data, size_bytes);
    if (status == SKEP_OK && key != NULL) status = skep__list_add(&batch->keys, key, strlen(key));
    if (status == SKEP_OK) batch->count++;
    else batch->items.size_bytes = before_bytes;
    return status;
}

void skep__client_close_batch(skep_client *client) {
    struct skep__client_batch *batch = client->filling;
    if (batch == NULL) return;
    client->filling = NULL;
    if (batch->count == 0) {
        let_go(client, batch);
        return;
    }
    STAILQ_INSERT_TAIL(&client->batches, batch, entry);
    if (client->next == NULL) client->next = batch;
}

/* --- emptying --- */

void skep__client_take_batch(skep_client *client, struct skep__client_batch *batch) {
    if (client->next == batch) client->next = STAILQ_NEXT(batch, entry);
    STAILQ_REMOVE(&client->batches, batch, skep__client_batch, entry);
    client->unanswered_bytes -= batch->items.size_bytes + batch->keys.size_bytes;
    let_go(client, batch);
}

void skep__client_retire_batches(skep_client *client) {
    for (struct skep__client_batch *batch; (batch = STAILQ_FIRST(&client->batches)) != NULL;) {
        if (batch->number + batch->count > client->first) return;
        skep__client_take_batch(client, batch);
    }
}

/* Bytes of a bin at the beginning of a packed list of ours. */
static size_t item_bytes(const char *packed) {
    const unsigned char *p = (const unsigned char *)packed;
    if (p[0] == 0xc4) return 2 + (size_t)p[1];
    if (p[0] == 0xc5) return 3 + ((size_t)p[1] << 8 | p[2]);
    return 5 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
}

static size_t drop_items(struct skep_frame *items, uint64_t count) {
    size_t bytes = 0;
    for (; count > 0; count--) bytes += item_bytes(items->data + bytes);
    if (bytes > 0) memmove(items->data, items->data + bytes, items->size_bytes - bytes);
    items->size_bytes -= bytes;
    return bytes;
}

/* Drops the jobs of the oldest batch that have been answered. */
static void trim(skep_client *client) {
    struct skep__client_batch *batch = STAILQ_FIRST(&client->batches);
    if (batch == NULL || batch->number >= client->first) return;
    uint64_t answered = client->first - batch->number;
    client->unanswered_bytes -= drop_items(&batch->items, answered);
    if (batch->has_keys) client->unanswered_bytes -= drop_items(&batch->keys, answered);
    batch->count -= (uint32_t)answered;
}

void skep__client_renumber(skep_client *client) {
    uint64_t number = 1;
    struct skep__client_batch *batch;
    skep__client_close_batch(client);
    trim(client);
    STAILQ_FOREACH(batch, &client->batches, entry) {
        batch->number = number;
        number += batch->count;
    }
    client->first = 1;
    client->sent_through = client->gone_back_to = 0;
    client->silent_ticks = 0;
    client->next = STAILQ_FIRST(&client->batches);
}
