/* SPDX-License-Identifier: MIT
 * A batch on its way to the stream. Each job is a message, which the stream acknowledges by its number; what is not
 * acknowledged is sent again under the same id, which the stream then knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum {
    AGAIN_MS = 2000,    /* after which a message is sent again */
    PATIENCE_MS = 5000, /* without a connection, after which jobs are declined at once */
    OUT_OF_STORAGE = 10023,
    OUT_OF_RESOURCES = 10047
};

static uint64_t now_ms(const struct skep__stream *stream) {
    return skep__clock_ms(stream->clock);
}

/* --- making --- */

static void fill_meta(struct skep__meta *meta, const struct skep__submission *s) {
    const uint64_t wall_ms = skep__wall_ms();
    *meta = (struct skep__meta){.priority = s->priority,
                                .attempts = s->attempts,
                                .lease_ms = s->lease_ms,
                                .accepted_ms = wall_ms,
                                .due_ms = s->delay_ms != 0 ? wall_ms + s->delay_ms : 0,
                                .expires_ms = s->ttl_ms != 0 ? wall_ms + s->ttl_ms : 0};
}

static size_t bytes_of(const struct skep__batch *batch) {
    struct skep__submission s = batch->common;
    size_t bytes = 0;
    for (uint32_t i = batch->first; i < batch->jobs.count; i++) {
        skep__batch_get(batch, i, &s);
        bytes += s.size_bytes + s.key_bytes;
    }
    return bytes;
}

static void add_part(struct skep__stream_put *p, const struct skep__submission *s) {
    struct skep__part *part = &p->parts[p->n++];
    *part = (struct skep__part){
        .offset = (uint32_t)p->bytes, .size_bytes = (uint32_t)s->size_bytes, .key_bytes = (uint32_t)s->key_bytes};
    if (s->size_bytes > 0) memcpy(p->data + p->bytes, s->data, s->size_bytes);
    if (s->key_bytes > 0) memcpy(p->data + p->bytes + s->size_bytes, s->key, s->key_bytes);
    p->bytes += s->size_bytes + s->key_bytes;
}

static void free_put(struct skep__stream_put *p) {
    free(p->data);
    free(p);
}

static struct skep__stream_put *new_put(struct skep__stream *stream, struct skep__shelf *shelf,
                                        const struct skep__batch *batch, size_t bytes, struct skep__put *put) {
    struct skep__submission s = batch->common;
    struct skep__stream_put *p = malloc(sizeof *p + (batch->jobs.count - batch->first) * sizeof p->parts[0]);
    if (p == NULL) return NULL;
    *p = (struct skep__stream_put){.put = put,
                                   .shelf = shelf->stream,
                                   .common = batch->common,
                                   .first = stream->last_number + 1,
                                   .data = malloc(bytes + 1)};
    if (p->data == NULL) {
        free(p);
        return NULL;
    }
    fill_meta(&p->meta, &batch->common);
    for (uint32_t i = batch->first; i < batch->jobs.count; i++) {
        skep__batch_get(batch, i, &s);
        add_part(p, &s);
    }
    p->waiting = p->n;
    stream->last_number += p->n;
    return p;
}

/* --- sending --- */

/* A key may have any bytes, and a header may not. */
static void write_id(const struct skep__stream *stream, const struct skep__stream_put *p, uint32_t index, char *text,
                     size_t room) {
    const struct skep__part *part = &p->parts[index];
    const unsigned char *key = (const unsigned char *)p->data + part->offset + part->size_bytes;
    int n;
    if (part->key_bytes == 0) {
        snprintf(text, room, "%s.%" PRIu64, stream->boot, p->first + index);
        return;
    }
    n = snprintf(text, room, "key.%s.", p->shelf->token);
    for (uint32_t i = 0; i < part->key_bytes; i++) n += snprintf(text + n, room - (size_t)n, "%02x", key[i]);
}

static int publish(struct skep__stream *stream, const struct skep__stream_put *p, uint32_t index, const char *subject,
                   const char *meta) {
    const struct skep__part *part = &p->parts[index];
    char id[SKEP__TOKEN_BYTES + 2 * SKEP_MAX_NAME + 16], reply[sizeof stream->inbox + 32],
        outcome[sizeof stream->inbox + 32];
    write_id(stream, p, index, id, sizeof id);
    snprintf(reply, sizeof reply, "%sp.%" PRIu64, stream->inbox, p->first + index);
    snprintf(outcome, sizeof outcome, "%so.%" PRIu64, stream->inbox, p->first + index);
    const struct skep__nats_header headers[] = {{"Nats-Msg-Id", id}, {"Skep-Meta", meta}, {"Skep-Reply", outcome}};
    return skep__nats_publish(stream->nats,
                              &(struct skep__nats_message){.subject = subject,
                                                           .reply = reply,
                                                           .data = p->data + part->offset,
                                                           .size_bytes = part->size_bytes,
                                                           .headers = headers,
                                                           .header_count = p->common.wants_outcome ? 3 : 2});
}

/* It is answered: the last one of a batch answers the submitter. */
static void answer_part(struct skep__stream *stream, struct skep__stream_put *p, uint32_t index, uint64_t id,
                        int status) {
    struct skep__part *part = &p->parts[index];
    if (part->state == SKEP__PART_WAITS) p->waiting--;
    part->state = SKEP__PART_ANSWERED;
    part->id = id;
    part->status = status;
    p->answered++;
    stream->settles = true;
    skep__stream_turn(stream);
}

/* False: no more can be sent now. */
static bool send_part(struct skep__stream *stream, struct skep__stream_put *p, uint32_t index, const char *subject,
                      const char *meta) {
    struct skep__part *part = &p->parts[index];
    int status = publish(stream, p, index, subject, meta);
    if (status == SKEP_EAGAIN) return false;
    if (status != SKEP_OK) {
        answer_part(stream, p, index, 0, status);
        return true;
    }
    if (part->state == SKEP__PART_WAITS) p->waiting--;
    else part->again = true;
    part->state = SKEP__PART_SENT;
    return true;
}

/* What was not sent yet, and (all) what was not answered. */
static bool send_parts(struct skep__stream *stream, struct skep__stream_put *p, bool all) {
    char subject[SKEP__SUBJECT_BYTES], meta[SKEP__META_BYTES];
    bool goes_on = true;
    snprintf(subject, sizeof subject, "%s.work.%s.%c", stream->name, p->shelf->token,
             skep__classes[skep__class_of(p->common.priority)]);
    skep__meta_write(&p->meta, meta);
    p->sent_ms = now_ms(stream);
    for (uint32_t i = 0; i < p->n && goes_on && (all || p->waiting > 0); i++) {
        const uint8_t state = p->parts[i].state;
        if (state == SKEP__PART_WAITS || (all && state == SKEP__PART_SENT))
            goes_on = send_part(stream, p, i, subject, meta);
    }
    return goes_on;
}

/* --- the end --- */

static bool follows(const struct skep__answer *run, const struct skep__part *part) {
    if (run->n == 0 || run->status != part->status || part->status == SKEP_EDUPLICATE) return false;
    return part->status != SKEP_OK || part->id == run->id + run->n;
}

static struct skep__answer answer_of(const struct skep__stream_put *p, const struct skep__part *part) {
    const bool duplicate = part->status == SKEP_EDUPLICATE && p->common.wants_outcome;
    return (struct skep__answer){.n = 1, .status = part->status, .id = part->id, .ended = duplicate ? "done" : NULL};
}

static void tell(struct skep__stream_put *p) {
    struct skep__answer run = {0};
    for (uint32_t i = 0; i < p->n; i++) {
        if (follows(&run, &p->parts[i])) {
            run.n++;
            continue;
        }
        if (run.n > 0) p->put->answered(p->put, &run);
        run = answer_of(p, &p->parts[i]);
    }
    p->put->answered(p->put, &run);
}

static void count(struct skep__shelf *shelf, const struct skep__stream_put *p) {
    for (uint32_t i = 0; i < p->n; i++) {
        shelf->submitted += p->parts[i].status == SKEP_OK;
        shelf->duplicates += p->parts[i].status == SKEP_EDUPLICATE;
        shelf->declined += p->parts[i].status != SKEP_OK && p->parts[i].status != SKEP_EDUPLICATE;
    }
    shelf->pending_count -= p->n;
}

static void end(struct skep__stream *stream, struct skep__stream_put *p) {
    struct skep__shelf *shelf = p->shelf->shelf;
    TAILQ_REMOVE(&stream->puts, p, entry);
    stream->put_bytes -= p->bytes;
    count(shelf, p);
    tell(p);
    for (uint32_t i = 0; i < p->n && p->common.wants_outcome; i++)
        skep__outcome_accepted(stream, p->first + i, p->parts[i].status == SKEP_OK ? p->parts[i].id : 0);
    skep__stream_note(stream, shelf);
    free_put(p);
}

/* In the order of their submission: a client's answers come so. */
void skep__puts_complete(struct skep__stream *stream) {
    for (struct skep__stream_put *p; (p = TAILQ_FIRST(&stream->puts)) != NULL && p->answered == p->n;) end(stream, p);
}

/* --- what the stream says --- */

static void refused(struct skep__stream *stream, struct skep__stream_put *p, uint32_t index,
                    const struct skep__publication *said) {
    const bool for_long = said->code != 503 || said->error == OUT_OF_STORAGE || said->error == OUT_OF_RESOURCES;
    if (said->why[0] == '\0') skep__streams_missing(stream, 0);
    else skep__stream_trouble(stream, SKEP_ENOSPC, "%s", said->why);
    if (for_long) answer_part(stream, p, index, 0, SKEP_ENOSPC);
}

void skep__puts_answered(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received) {
    struct skep__stream_put *p;
    struct skep__publication said = {.code = skep__nats_status(received)};
    TAILQ_FOREACH(p, &stream->puts, entry) if (number < p->first + p->n) break;
    if (p == NULL || number < p->first) return;
    const uint32_t index = (uint32_t)(number - p->first);
    struct skep__part *part = &p->parts[index];
    if (part->state != SKEP__PART_SENT || (said.code == 0 && !skep__publication_read(&received->data, &said))) return;
    if (said.code != 0) refused(stream, p, index, &said);
    else answer_part(stream, p, index, said.id, said.duplicate && !part->again ? SKEP_EDUPLICATE : SKEP_OK);
    skep__puts_complete(stream);
}

/* --- putting --- */

static int await_all(struct skep__stream *stream, struct skep__shelf *shelf, const struct skep__stream_put *p) {
    int status = SKEP_OK;
    for (uint32_t i = 0; i < p->n && status == SKEP_OK; i++) {
        status = skep__outcome_await(stream, shelf, p->first + i, &p->common, p->common.number + i);
        for (uint32_t k = 0; status != SKEP_OK && k < i; k++) skep__outcome_accepted(stream, p->first + k, 0);
    }
    return status;
}

static int allowed(const struct skep__stream *stream, size_t bytes) {
    const struct skep__store_limits *limits = &stream->store.limits;
    if (stream->away_ms != 0 && now_ms(stream) - stream->away_ms >= PATIENCE_MS) return SKEP_EAGAIN;
    if (stream->put_bytes + bytes > limits->queue_bytes || stream->put_bytes + bytes > limits->bytes) return SKEP_EFULL;
    return limits->reserve == NULL || skep__reserve_allows(limits->reserve, bytes) ? SKEP_OK : SKEP_ENOMEM;
}

static void decline(struct skep__shelf *shelf, const struct skep__batch *batch, int status, struct skep__put *put) {
    const struct skep__answer answer = {.n = batch->jobs.count - batch->first, .status = status};
    shelf->declined += answer.n;
    put->answered(put, &answer);
}

void skep__stream_put(struct skep__stream *stream, struct skep__shelf *shelf, const struct skep__batch *batch,
                      struct skep__put *put) {
    const size_t bytes = bytes_of(batch);
    int status = allowed(stream, bytes);
    struct skep__stream_put *p = status == SKEP_OK ? new_put(stream, shelf, batch, bytes, put) : NULL;
    if (status == SKEP_OK && p == NULL) status = SKEP_ENOMEM;
    if (status == SKEP_OK && p->common.wants_outcome) status = await_all(stream, shelf, p);
    if (status != SKEP_OK) {
        if (p != NULL) free_put(p);
        decline(shelf, batch, status, put);
        return;
    }
    const struct skep__stream_put *last = TAILQ_LAST(&stream->puts, skep__stream_puts);
    const bool may_send = last == NULL || last->waiting == 0;
    TAILQ_INSERT_TAIL(&stream->puts, p, entry);
    stream->put_bytes += p->bytes;
    shelf->pending_count += p->n;
    skep__stream_note(stream, shelf);
    if (may_send) (void)send_parts(stream, p, false); /* what is left waits for the tick */
}

void skep__puts_tick(struct skep__stream *stream, bool all) {
    struct skep__stream_put *p;
    const uint64_t now = now_ms(stream);
    bool goes_on = skep__nats_is_connected(stream->nats);
    TAILQ_FOREACH(p, &stream->puts, entry)
    if (goes_on && (all || p->waiting > 0 || now - p->sent_ms >= AGAIN_MS))
        goes_on = send_parts(stream, p, all || now - p->sent_ms >= AGAIN_MS);
    skep__puts_complete(stream);
}

void skep__puts_end(struct skep__stream *stream) {
    struct skep__stream_put *p;
    TAILQ_FOREACH(p, &stream->puts, entry)
    for (uint32_t i = 0; i < p->n; i++)
        if (p->parts[i].state != SKEP__PART_ANSWERED) answer_part(stream, p, i, 0, SKEP_ECLOSED);
    skep__puts_complete(stream);
}
