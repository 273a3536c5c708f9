/* SPDX-License-Identifier: MIT
 * Frames from the broker: the answers to submissions, outcomes, replies. */
#include <inttypes.h>

#include "client/private.h"
#include "common/text.h"

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

static void answered(skep_client *client, uint64_t n, int status, uint64_t id, bool durable,
                     const skep_outcome *outcome) {
    client->silent_ticks = 0;
    client->gone_back_to = 0;
    for (; n > 0; n--) {
        skep__client_settle(client, status, id, durable, outcome);
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
    answered(client, n, a->duplicate ? SKEP_EDUPLICATE : SKEP_OK, a->id != 0 ? a->id + skip : 0, a->durable,
             follows ? NULL : &outcome);
}

static void declined(skep_client *client, const struct skep_command_declined *d) {
    uint64_t n = SKEP_HAS(declined, d, n) ? d->n : 1, skip;
    int status = d->status != SKEP_OK ? (int)d->status : SKEP_EPROTO;
    if (!is_next(client, d->number, &n, &skip)) return;
    skep__client_fail(client, status, "%s: job declined: %.*s", client->instance.dir, (int)d->reason.size_bytes,
                      d->reason.data);
    skep_outcome outcome = {.status = status, .cause = "", .reason = ""};
    answered(client, n, status, 0, false, &outcome);
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

/* Of a job that was submitted the end is unknown then; of one that the user named that is what there is to say. */
static void forgotten(skep_client *client, const struct skep_command_forgotten *f) {
    struct skep__unfinished *unfinished = find_unfinished(client, f->number);
    if (unfinished == NULL) return;
    int status = f->status != SKEP_OK ? (int)f->status : SKEP_EPROTO;
    skep__client_fail(client, status, "%s: job %" PRIu64 ": %s", client->instance.dir, unfinished->id,
                      status == SKEP_ENOJOB ? "it is not known (any more)" : skep_strerror(status));
    const bool unknown = status == SKEP_ENOJOB && !unfinished->by_id;
    skep_outcome outcome = {.status = unknown ? SKEP_ECLOSED : status, .cause = "", .reason = ""};
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
    case SKEP_COMMAND_forgotten: forgotten(client, &command->forgotten); break;
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
