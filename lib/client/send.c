/* SPDX-License-Identifier: MIT
 * Frames to the broker and back. What was submitted is sent again from the oldest unanswered on (go-back-N): when the
 * broker misses something, when an answer is missing, after a silence. */
#include <inttypes.h>
#include <string.h>

#include "client/private.h"
#include "common/text.h"

/* --- there --- */

static int add_batch(struct skep_frame *frame, const struct skep__client_batch *batch) {
    const skep_job_options *options = &batch->options;
    struct skep_command command = {.id = SKEP_COMMAND_submit};
    struct skep_command_submit *submit = &command.submit;
    *submit = (struct skep_command_submit){
        .queue = skep__text(batch->queue), .number = batch->number, .jobs = skep__list_of(&batch->items, batch->count)};
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
    struct skep_command command = {.id = SKEP_COMMAND_client};
    command.client = (struct skep_command_client){.client = client->client};
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
    struct skep_command command = {.id = SKEP_COMMAND_leave};
    command.leave.has = 0;
    if (skep__port_is_sending(client->intake, false) || begin_frame(client) != SKEP_OK) return;
    int status = skep__frame_add(&client->frame, &command);
    if (status == SKEP_OK) status = skep__port_send(client->intake, &client->frame);
    (void)status; /* the broker sees that we are gone */
}

/* --- back --- */

/* What of a range of answers is news: *skip of them were there before. False: nothing is, or some before it are
 * missing. */
static bool is_next(skep_client *client, uint64_t number, uint64_t *n, uint64_t *skip) {
    if (number > client->first) {
        if (number <= client->sent_through) skep__client_go_back(client, client->first);
        return false;
    }
    *skip = client->first - number;
    if (*n <= *skip || client->sent_through < client->first) return false;
    uint64_t most = client->sent_through - client->first + 1;
    *n = *n - *skip < most ? *n - *skip : most;
    return true;
}

static void answered(skep_client *client, uint64_t n, int status, uint64_t id, const skep_outcome *outcome) {
    client->silent_ticks = 0;
    client->gone_back_to = 0;
    for (; n > 0; n--) {
        skep__client_settle(client, status, id, outcome);
        if (id != 0) id++;
    }
    skep__client_retire_batches(client);
}

/* Of a duplicate for which none follows: how the first job with its key has ended. */
static skep_outcome outcome_of_first(skep_client *client, const struct skep_command_accepted *a,
                                     char cause[SKEP_MAX_NAME + 1]) {
    skep__copy_text(cause, SKEP_MAX_NAME + 1, &a->ended);
    if (cause[0] == '\0' || strcmp(cause, "done") == 0)
        return (skep_outcome){.status = SKEP_EDUPLICATE, .cause = "", .reason = ""};
    skep__client_fail(client, SKEP_EDEAD, "%s: the job with this key is a dead letter (%s)", client->instance.dir,
                      cause);
    return (skep_outcome){.status = SKEP_EDEAD, .cause = cause, .reason = ""};
}

static void accepted(skep_client *client, const struct skep_command_accepted *a) {
    uint64_t n = SKEP_HAS(accepted, a, n) ? a->n : 1, skip;
    if (!is_next(client, a->number, &n, &skip)) return;
    char cause[SKEP_MAX_NAME + 1];
    skep_outcome outcome = outcome_of_first(client, a, cause);
    bool follows = !a->duplicate || a->waits;
    answered(client, n, a->duplicate ? SKEP_EDUPLICATE : SKEP_OK, a->id != 0 ? a->id + skip : 0,
             follows ? NULL : &outcome);
}

static void declined(skep_client *client, const struct skep_command_declined *d) {
    uint64_t n = SKEP_HAS(declined, d, n) ? d->n : 1, skip;
    int status = d->status != SKEP_OK ? (int)d->status : SKEP_EPROTO;
    if (!is_next(client, d->number, &n, &skip)) return;
    skep__client_fail(client, status, "%s: job declined: %.*s", client->instance.dir, (int)d->reason.size_bytes,
                      d->reason.data);
    skep_outcome outcome = {.status = status, .cause = "", .reason = ""};
    answered(client, n, status, 0, &outcome);
}

static void expected(skep_client *client, uint64_t number) {
    if (number >= client->first && number <= client->sent_through) skep__client_go_back(client, number);
}

static struct skep__unfinished *find_unfinished(skep_client *client, uint64_t number) {
    struct skep__unfinished *unfinished;
    HASH_FIND(hh, client->unfinished, &number, sizeof number, unfinished);
    return unfinished;
}

static void finished(skep_client *client, const struct skep_command_finished *f) {
    for (uint32_t i = 0; i < f->results.count; i++) {
        struct skep__unfinished *unfinished = find_unfinished(client, f->number + i);
        struct skep_bytes result = skep__list_at(&f->results, i);
        skep_outcome outcome = {.data = result.data, .size_bytes = result.size_bytes, .cause = "", .reason = ""};
        if (unfinished != NULL) skep__client_finish(client, unfinished, &outcome);
    }
}

static void died(skep_client *client, const struct skep_command_died *d) {
    char cause[SKEP_MAX_NAME + 1], reason[SKEP_MAX_REASON + 1];
    struct skep__unfinished *unfinished = find_unfinished(client, d->number);
    if (unfinished == NULL) return;
    skep__copy_text(cause, sizeof cause, &d->cause);
    skep__copy_text(reason, sizeof reason, &d->reason);
    skep__client_fail(client, SKEP_EDEAD, "%s: the job is a dead letter (%s): %s", client->instance.dir, cause, reason);
    skep_outcome outcome = {.status = SKEP_EDEAD, .cause = cause, .reason = reason};
    skep__client_finish(client, unfinished, &outcome);
}

static int command_returned(void *context, const struct skep_command *command) {
    skep_client *client = context;
    skep__trace_command(client->trace, SKEP__TRACE_WIRE, "<", 0, command);
    switch (command->id) {
    case SKEP_COMMAND_accepted: accepted(client, &command->accepted); break;
    case SKEP_COMMAND_declined: declined(client, &command->declined); break;
    case SKEP_COMMAND_expected: expected(client, command->expected.number); break;
    case SKEP_COMMAND_finished: finished(client, &command->finished); break;
    case SKEP_COMMAND_died: died(client, &command->died); break;
    case SKEP_COMMAND_reply: skep__client_reply(client, &command->reply); break;
    case SKEP_COMMAND_undelivered: skep__client_undelivered(client, &command->undelivered); break;
    default: break;
    }
    return SKEP_OK;
}

/* The broker is trusted to send well-formed frames; the rest of one that is not is dropped. */
void skep__client_returned(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_client *client = context;
    (void)peer;
    int status = skep__reader_read(&client->returns_reader, data, size_bytes, command_returned, client);
    if (status != SKEP_OK)
        skep__client_fail(client, status, "%s: malformed frame from the broker: %s", client->instance.dir,
                          client->returns_reader.why);
    skep__client_tell_drained(client);
    skep__client_update_due(client);
}
