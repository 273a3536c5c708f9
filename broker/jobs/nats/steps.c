/* SPDX-License-Identifier: MIT
 * What is done with messages, step by step: each is repeated until the stream has said that it is done, so that none is
 * lost with a connection. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum { AGAIN_MS = 2000 /* after which a step is repeated */ };

static uint64_t now_ms(const struct skep__stream *stream) {
    return skep__clock_ms(stream->clock);
}

/* --- its messages --- */

static void send_step(struct skep__stream *stream, struct skep__held *held) {
    int status = SKEP_OK;
    held->since_ms = now_ms(stream);
    switch ((enum skep__step)held->step) {
    case SKEP__BURYING: status = skep__copy_dead(stream, held); break;
    case SKEP__MOVING: status = skep__copy_work(stream, held, "moved", held->id, 't'); break;
    case SKEP__REVIVING: status = skep__copy_work(stream, held, "revived", held->dead_id, 'r'); break;
    case SKEP__FORGETTING: status = skep__ask_to_forget(stream, held); break;
    case SKEP__ENDING: /* at the end of the turn */
    case SKEP__KEPT:
    case SKEP__DEAD: break;
    }
    if (status != SKEP_OK && status != SKEP_EAGAIN) skep__stream_trouble(stream, status, "job %" PRIu64, held->job->id);
}

static void begin(struct skep__stream *stream, struct skep__held *held, enum skep__step step) {
    skep__held_leave_list(stream, held);
    held->step = (uint8_t)step;
    TAILQ_INSERT_TAIL(skep__held_list_of(stream, held), held, entry);
    send_step(stream, held);
    if (step != SKEP__ENDING) return;
    if (held->source->unsent == NULL) held->source->unsent = held;
    stream->acknowledges = true;
    skep__stream_turn(stream);
}

/* --- acknowledgements --- */

/* The stream takes what comes by one connection for one consumer in its order: that it has the last one says that it
 * has all. */
static int acknowledge(struct skep__stream *stream, struct skep__held *held) {
    held->since_ms = now_ms(stream);
    if (!held->moved) skep__outcome_send(stream, held);
    if (TAILQ_NEXT(held, entry) == NULL) return skep__stream_ask(stream, held->ack, "+ACK", 'a', held->id);
    return skep__nats_publish(
        stream->nats, &(struct skep__nats_message){.subject = held->ack, .data = "+ACK", .size_bytes = strlen("+ACK")});
}

/* What cannot be sent now is sent in another turn, and the last one again. */
static void send_source(struct skep__stream *stream, struct skep__source *source) {
    int status = SKEP_OK;
    for (struct skep__held *held = source->unsent; held != NULL && status == SKEP_OK;) {
        status = acknowledge(stream, held);
        if (status == SKEP_OK) held = TAILQ_NEXT(held, entry);
        source->unsent = held;
    }
    if (source->unsent != NULL) stream->acknowledges = true;
}

void skep__steps_turn(struct skep__stream *stream) {
    if (!stream->acknowledges) return;
    stream->acknowledges = false;
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next)
        for (unsigned class = 0; class < SKEP__STREAM_CLASSES; class ++) send_source(stream, &shelf->sources[class]);
}

/* --- steps --- */

void skep__step_end(struct skep__stream *stream, struct skep__job *job, const struct skep_bytes *result) {
    struct skep__held *held = job->held;
    skep__memory_hide(stream->memory, job);
    if (result->size_bytes > 0) {
        held->result = malloc(result->size_bytes);
        held->lost = held->result == NULL;
        held->result_bytes = result->size_bytes;
        if (held->result != NULL) memcpy(held->result, result->data, result->size_bytes);
    }
    begin(stream, held, SKEP__ENDING);
}

void skep__step_bury(struct skep__stream *stream, struct skep__job *job, const char *cause, struct skep__death *death) {
    skep__memory_hide(stream->memory, job);
    job->held->cause = cause;
    job->held->death = death;
    begin(stream, job->held, SKEP__BURYING);
}

void skep__step_cancel(struct skep__stream *stream, struct skep__job *job) {
    skep__memory_hide(stream->memory, job);
    job->held->cancelled = true;
    begin(stream, job->held, SKEP__ENDING);
}

void skep__step_move(struct skep__stream *stream, struct skep__job *job, uint64_t delay_ms) {
    skep__memory_hide(stream->memory, job);
    job->held->due_ms = delay_ms > 0 ? skep__wall_ms() + delay_ms : 0;
    begin(stream, job->held, SKEP__MOVING);
}

void skep__step_revive(struct skep__stream *stream, struct skep__job *job) {
    skep__memory_hide(stream->memory, job);
    begin(stream, job->held, SKEP__REVIVING);
}

void skep__step_forget(struct skep__stream *stream, struct skep__job *job) {
    skep__memory_hide(stream->memory, job);
    begin(stream, job->held, SKEP__FORGETTING);
}

/* --- they are done --- */

static void ended(struct skep__stream *stream, struct skep__held *held) {
    struct skep__job *job = held->job;
    struct skep__shelf *shelf = job->queue->shelf;
    const struct skep_bytes result = {held->result, held->result_bytes};
    if (held->lost) {
        stream->store.events->done(stream->store.context, job, NULL);
        job->wants_outcome = false;
    }
    skep__held_release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    static const struct skep_bytes none = {0};
    stream->memory->kind->ack(stream->memory, job, held->lost ? &none : &result, now_ms(stream));
    skep__held_free(held);
}

static void cancelled(struct skep__stream *stream, struct skep__held *held) {
    struct skep__shelf *shelf = held->job->queue->shelf;
    skep__held_release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    stream->memory->kind->cancel(stream->memory, held->job, now_ms(stream));
    skep__held_free(held);
}

/* It comes again, to this broker or to another one. */
static void moved(struct skep__stream *stream, struct skep__held *held) {
    struct skep__shelf *shelf = held->job->queue->shelf;
    skep__held_release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    skep__memory_forget(stream->memory, held->job);
    skep__held_free(held);
}

static void buried(struct skep__stream *stream, struct skep__held *held) {
    struct skep__job *job = held->job;
    struct skep__shelf *shelf = job->queue->shelf;
    struct skep__death *death = held->death;
    const struct skep_bytes reason =
        death != NULL ? (struct skep_bytes){death->reason, death->size_bytes} : (struct skep_bytes){0};
    skep__held_release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    shelf->kept_dead_count++;
    held->death = NULL;
    job->consumer = NULL;
    stream->memory->kind->bury(stream->memory, job, held->cause, death, &reason, now_ms(stream));
    free(held->reply);
    held->reply = NULL;
    if (skep__held_add_dead(stream, held)) return;
    job->held = NULL; /* without memory it is a dead letter of this broker's only, until that ends */
    shelf->kept_dead_count--;
    skep__held_free(held);
}

/* Others show it, too. */
static void tell_gone(struct skep__stream *stream, uint64_t dead_id) {
    char subject[SKEP__STREAM_NAME + 8], text[24];
    snprintf(subject, sizeof subject, "%s.gone", stream->name);
    snprintf(text, sizeof text, "%" PRIu64, dead_id);
    (void)!skep__nats_publish(
        stream->nats, /* who does not hear it shows it until it ends */
        &(struct skep__nats_message){.subject = subject, .data = text, .size_bytes = strlen(text)});
}

static void forgotten(struct skep__stream *stream, struct skep__held *held) {
    skep__held_release(stream, held);
    held->job->queue->shelf->kept_dead_count--;
    stream->memory->kind->drop(stream->memory, held->job);
    skep__held_free(held);
}

static void finish(struct skep__stream *stream, struct skep__held *held) {
    if (held->cause != NULL) buried(stream, held);
    else if (held->cancelled) cancelled(stream, held);
    else if (held->moved) moved(stream, held);
    else ended(stream, held);
}

/* All before it are, too. 503: the stream or the consumer is not there. It was made anew, or will be: what is
 * acknowledged is gone. */
static void acknowledged(struct skep__stream *stream, uint64_t id) {
    struct skep__held *held = skep__held_find(stream, id);
    if (held == NULL || held->step != SKEP__ENDING) return;
    struct skep__source *source = held->source;
    for (bool last = false; !last;) {
        struct skep__held *first = TAILQ_FIRST(&source->ending);
        last = first == held;
        finish(stream, first);
    }
}

static void dead_is_stored(struct skep__stream *stream, uint64_t id, const struct skep__publication *p) {
    struct skep__held *held = skep__held_find(stream, id);
    if (held == NULL || held->step != SKEP__BURYING) return;
    held->dead_id = p->id;
    begin(stream, held, SKEP__ENDING);
}

static void copy_is_stored(struct skep__stream *stream, uint64_t id) {
    struct skep__held *held = skep__held_find(stream, id);
    if (held == NULL || held->step != SKEP__MOVING) return;
    held->moved = true;
    begin(stream, held, SKEP__ENDING);
}

static void revived(struct skep__stream *stream, uint64_t dead_id) {
    struct skep__held *held = skep__held_find_dead(stream, dead_id);
    if (held != NULL && held->step == SKEP__REVIVING) begin(stream, held, SKEP__FORGETTING);
}

static void deleted(struct skep__stream *stream, uint64_t dead_id) {
    struct skep__held *held = skep__held_find_dead(stream, dead_id);
    if (held == NULL || held->step != SKEP__FORGETTING) return;
    forgotten(stream, held);
    tell_gone(stream, dead_id);
}

void skep__steps_gone(struct skep__stream *stream, uint64_t dead_id) {
    struct skep__held *held = skep__held_find_dead(stream, dead_id);
    if (held == NULL || held->step != SKEP__DEAD) return;
    skep__memory_hide(stream->memory, held->job);
    forgotten(stream, held);
}

/* What is refused is tried again by and by. */
void skep__steps_answered(struct skep__stream *stream, char letter, uint64_t number,
                          const struct skep__nats_received *received) {
    struct skep__publication p = {.code = skep__nats_status(received)};
    stream->settles = true;
    if (letter == 'a') {
        acknowledged(stream, number);
        return;
    }
    if (p.code == 0 && !skep__publication_read(&received->data, &p)) return;
    if (letter == 'x') deleted(stream, number); /* one that is not there any more, too */
    else if (p.code == 503 && p.why[0] == '\0') skep__streams_missing(stream, letter == 'd');
    else if (p.code != 0) skep__stream_trouble(stream, SKEP_ENOSPC, "%s", p.why);
    else if (letter == 't') copy_is_stored(stream, number);
    else if (letter == 'd') dead_is_stored(stream, number, &p);
    else revived(stream, number);
}

/* --- again --- */

static void repeat(struct skep__stream *stream, bool all) {
    struct skep__held *held;
    const uint64_t now = now_ms(stream);
    TAILQ_FOREACH(held, &stream->changes, entry)
    if (all || now - held->since_ms >= AGAIN_MS) send_step(stream, held);
}

/* From the first on, if that was sent long ago. */
static void repeat_source(struct skep__stream *stream, struct skep__source *source, bool all) {
    struct skep__held *first = TAILQ_FIRST(&source->ending);
    if (first == NULL || (!all && now_ms(stream) - first->since_ms < AGAIN_MS)) return;
    source->unsent = first;
    stream->acknowledges = true;
    skep__stream_turn(stream);
}

void skep__steps_tick(struct skep__stream *stream, bool all) {
    if (!skep__nats_is_connected(stream->nats)) return;
    repeat(stream, all);
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next)
        for (unsigned class = 0; class < SKEP__STREAM_CLASSES; class ++)
            repeat_source(stream, &shelf->sources[class], all);
}
