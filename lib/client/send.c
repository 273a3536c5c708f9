/* SPDX-License-Identifier: MIT
 * Frames to the broker. What was submitted is sent again from the oldest unanswered on (go-back-N): when the broker
 * misses something, when an answer is missing, after a silence. */
#include "client/private.h"
#include "common/text.h"

static int add_batch(struct skep_frame *frame, const struct skep__client_batch *batch) {
    const skep_job_options *options = &batch->options;
    struct skep_command command = {.id = SKEP_COMMAND_submit,
                                   .submit = {.queue = skep__text(batch->queue),
                                              .number = batch->number,
                                              .jobs = skep__list_of(&batch->items, batch->count)}};
    struct skep_command_submit *submit = &command.submit;
    if (batch->has_keys) SKEP_SET(submit, submit, keys, skep__list_of(&batch->keys, batch->count));
    if (options->priority != 0) SKEP_SET(submit, submit, priority, (uint64_t)(options->priority + 128));
    if (options->delay_ms != 0) SKEP_SET(submit, submit, delay_ms, options->delay_ms);
    if (options->ttl_ms != 0) SKEP_SET(submit, submit, ttl_ms, options->ttl_ms);
    if (options->lease_ms != 0) SKEP_SET(submit, submit, lease_ms, options->lease_ms);
    if (options->attempts != 0) SKEP_SET(submit, submit, attempts, options->attempts);
    if (batch->outcomes) SKEP_SET(submit, submit, outcomes, true);
    return skep__frame_add(frame, &command);
}

static int begin_frame(skep_client *client) {
    struct skep_command command = {.id = SKEP_COMMAND_client, .client = {.client = client->client}};
    skep__frame_clear(&client->frame);
    return skep__frame_add(&client->frame, &command);
}

/* Adds batches until the frame is full. *rest is the first of those that stay. */
static int add_batches(skep_client *client, struct skep__client_batch **rest) {
    struct skep_frame *frame = &client->frame;
    struct skep__client_batch *batch = client->next;
    int status = SKEP_OK;
    while (status == SKEP_OK && batch != NULL && skep__frame_bytes(frame) < SKEP_FULL_FRAME) {
        status = add_batch(frame, batch);
        if (status == SKEP_OK) batch = STAILQ_NEXT(batch, entry);
    }
    *rest = batch;
    return status;
}

/* Notes that the batches up to rest are under way. */
static void note_sent(skep_client *client, struct skep__client_batch *rest) {
    if (client->next == rest) return;
    if (client->next == STAILQ_FIRST(&client->batches)) client->silent_ticks = 0;
    uint64_t through = client->first + client->unanswered - 1;
    if (rest != NULL) through = rest->number - 1;
    else if (client->filling != NULL) through = client->filling->number - 1;
    if (through > client->sent_through) client->sent_through = through;
    client->next = rest;
}

static int send_frame(skep_client *client) {
    struct skep__chunk *chunk = TAILQ_FIRST(&client->messages);
    struct skep__client_batch *rest = client->next;
    struct skep_loans loans = {.count = 0};
    int status = begin_frame(client);
    client->frame.loans = &loans; /* batches stay until they are answered */
    if (status == SKEP_OK && chunk != NULL)
        status = skep__frame_append(&client->frame, chunk->frame.data, chunk->frame.size_bytes);
    if (status == SKEP_OK) status = add_batches(client, &rest);
    if (status == SKEP_OK) status = skep__port_send(client->intake, &client->frame);
    client->frame.loans = NULL;
    if (status != SKEP_OK) return status;
    if (chunk != NULL) skep__client_drop_chunk(client, chunk);
    note_sent(client, rest);
    return SKEP_OK;
}

/* Behind a frame that is under way there is room for one that is full; others grow meanwhile. */
static bool may_send(const skep_client *client) {
    if (!skep__port_is_sending(client->intake, true)) return true;
    return client->next != NULL && skep__batch_is_full(client->next) && skep__port_has_room(client->intake);
}

void skep__client_send_more(skep_client *client) {
    while (client->phase == SKEP__CLIENT_JOINED && (client->next != NULL || !TAILQ_EMPTY(&client->messages)) &&
           may_send(client)) {
        if (send_frame(client) == SKEP_OK) continue;
        skep__client_mark(client); /* memory may be back on the next turn */
        return;
    }
}

void skep__client_sent(void *context) {
    skep__client_send_more(context);
    skep__client_tell_drained(context);
}

void skep__client_all_read(void *context) {
    skep_client *client = context;
    client->all_read = true;
}

/* Each frame after a lost one is answered as that is: once is enough, until something is answered or nothing for long.
 */
void skep__client_go_back(skep_client *client, uint64_t number) {
    struct skep__client_batch *batch;
    if (client->gone_back_to == number) return;
    client->gone_back_to = number;
    client->silent_ticks = 0;
    STAILQ_FOREACH(batch, &client->batches, entry) {
        if (number >= batch->number + batch->count) continue;
        client->next = batch;
        break;
    }
    skep__client_send_more(client);
}

void skep__client_say_leave(skep_client *client) {
    struct skep_command command = {.id = SKEP_COMMAND_leave, .leave = {0}};
    if (skep__port_is_sending(client->intake, false) || begin_frame(client) != SKEP_OK) return;
    int status = skep__frame_add(&client->frame, &command);
    if (status == SKEP_OK) status = skep__port_send(client->intake, &client->frame);
    (void)status; /* the broker sees that we are gone */
}
