/* SPDX-License-Identifier: MIT
 * Messages that this broker has taken, and what is done with them step by step: each step is repeated until the stream
 * has said that it is done, so that none is lost with a connection. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "jobs/nats/private.h"

enum { AGAIN_MS = 2000 /* after which a step is repeated */ };

static uint64_t now_ms(const struct skep__stream *stream) {
    return skep__clock_ms(stream->clock);
}

/* --- life --- */

void skep__held_free(struct skep__held *held) {
    free(held->death);
    free(held->result);
    free(held->reply);
    free(held->ack);
    free(held);
}

struct skep__held *skep__held_new(struct skep__stream *stream, struct skep__source *source, uint64_t id,
                                  const char *ack, const char *reply) {
    struct skep__held *held = calloc(1, sizeof *held);
    if (held == NULL) return NULL;
    held->id = id;
    held->source = source;
    held->since_ms = now_ms(stream);
    held->ack = strdup(ack);
    held->reply = reply != NULL ? strdup(reply) : NULL;
    if (held->ack != NULL && (reply == NULL || held->reply != NULL)) return held;
    skep__held_free(held);
    return NULL;
}

bool skep__held_add(struct skep__stream *stream, struct skep__held *held) {
    HASH_ADD(hh, stream->held, id, sizeof held->id, held);
    if (!SKEP_IS_ADDED(held, hh)) return false;
    TAILQ_INSERT_TAIL(&stream->leases, held, entry);
    return true;
}

bool skep__held_add_dead(struct skep__stream *stream, struct skep__held *held) {
    held->step = SKEP__DEAD;
    HASH_ADD(hh, stream->dead, dead_id, sizeof held->dead_id, held);
    return SKEP_IS_ADDED(held, hh);
}

struct skep__held *skep__held_find(struct skep__stream *stream, uint64_t id) {
    struct skep__held *held;
    HASH_FIND(hh, stream->held, &id, sizeof id, held);
    return held;
}

static struct skep__held *find_dead(struct skep__stream *stream, uint64_t id) {
    struct skep__held *held;
    HASH_FIND(hh, stream->dead, &id, sizeof id, held);
    return held;
}

/* NULL: it is in none. */
static struct skep__held_list *list_of(struct skep__stream *stream, const struct skep__held *held) {
    switch ((enum skep__step)held->step) {
    case SKEP__KEPT: return &stream->leases;
    case SKEP__ENDING: return &held->source->ending;
    case SKEP__DEAD: return NULL;
    default: return &stream->changes;
    }
}

static void leave_list(struct skep__stream *stream, struct skep__held *held) {
    struct skep__held_list *list = list_of(stream, held);
    if (held->step == SKEP__ENDING && held->source->unsent == held) held->source->unsent = TAILQ_NEXT(held, entry);
    if (list != NULL) TAILQ_REMOVE(list, held, entry);
}

/* Its job is not the stream's any more, which the caller has freed or keeps in memory. */
static void release(struct skep__stream *stream, struct skep__held *held) {
    leave_list(stream, held);
    if (held->step <= SKEP__MOVING) HASH_DEL(stream->held, held);
    else HASH_DEL(stream->dead, held);
}

/* --- saying it to the stream --- */

static void say(struct skep__stream *stream, const struct skep__held *held, const char *what) {
    /* What cannot be said now is said again, or ends with the lease. */
    (void)!skep__nats_publish(
        stream->nats, &(struct skep__nats_message){.subject = held->ack, .data = what, .size_bytes = strlen(what)});
}

static void clean(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = ' ';
}

static void write_meta(const struct skep__stream *stream, const struct skep__held *held, char text[SKEP__META_BYTES]) {
    const struct skep__job *job = held->job;
    const uint64_t age_ms = now_ms(stream) - job->accepted_ms;
    const struct skep__meta meta = {.priority = job->priority,
                                    .attempts = job->attempts,
                                    .lease_ms = job->lease_ms,
                                    .accepted_ms = skep__wall_ms() - age_ms,
                                    .due_ms = held->due_ms};
    skep__meta_write(&meta, text);
}

/* One that is revived is as if it were new. */
static void write_history(const struct skep__held *held, char text[SKEP__META_BYTES]) {
    const struct skep__job *job = held->job;
    const bool anew = held->step == SKEP__REVIVING;
    skep__history_write(&(struct skep__history){.id = job->id,
                                                .attempt = anew ? 0 : job->attempt,
                                                .failures = anew ? 0 : job->failures,
                                                .deaths = anew ? 0 : job->deaths,
                                                .interruptions = anew ? 0 : job->interruptions},
                        text);
}

static void write_exit(const struct skep__death *death, char *text, size_t room) {
    static const struct skep__exit_record unknown = {.code = -1, .signal = -1};
    const struct skep__exit_record *e = death != NULL ? &death->exit : &unknown;
    snprintf(text, room, "%u %d %d %d %" PRIu64 " %" PRIu64, e->worker, (int)e->pid, e->code, e->signal, e->uptime_ms,
             death != NULL ? death->wall_ms : skep__wall_ms());
}

/* A copy of its message, with an id by which it is there once. */
static int send_copy(struct skep__stream *stream, const struct skep__held *held, const char *subject, const char *id,
                     const char *reply, struct skep__nats_header *headers, size_t count) {
    char meta[SKEP__META_BYTES], history[SKEP__META_BYTES];
    write_meta(stream, held, meta);
    write_history(held, history);
    headers[0] = (struct skep__nats_header){"Nats-Msg-Id", id};
    headers[1] = (struct skep__nats_header){"Skep-Meta", meta};
    headers[2] = (struct skep__nats_header){"Skep-Job", history};
    return skep__nats_publish(stream->nats, &(struct skep__nats_message){.subject = subject,
                                                                         .reply = reply,
                                                                         .data = held->job->data,
                                                                         .size_bytes = held->job->size_bytes,
                                                                         .headers = headers,
                                                                         .header_count = count});
}

static int send_dead(struct skep__stream *stream, const struct skep__held *held) {
    char subject[SKEP__SUBJECT_BYTES], id[64], ended[128], reason[SKEP_MAX_REASON + 1] = "",
                                                                                    reply[sizeof stream->inbox + 32];
    snprintf(subject, sizeof subject, "%s.dead.%s", stream->name, held->job->queue->shelf->stream->token);
    snprintf(id, sizeof id, "dead.%s.%" PRIu64, stream->boot, held->id);
    snprintf(reply, sizeof reply, "%sd.%" PRIu64, stream->inbox, held->id);
    write_exit(held->death, ended, sizeof ended);
    if (held->death != NULL) snprintf(reason, sizeof reason, "%s", held->death->reason);
    clean(reason);
    struct skep__nats_header headers[6] = {
        [3] = {"Skep-Cause", held->cause}, [4] = {"Skep-Reason", reason}, [5] = {"Skep-Exit", ended}};
    return send_copy(stream, held, subject, id, reply, headers, 6);
}

/* To whichever broker takes it next. */
static int send_work(struct skep__stream *stream, const struct skep__held *held, const char *what, uint64_t of,
                     char letter) {
    char subject[SKEP__SUBJECT_BYTES], id[64], reply[sizeof stream->inbox + 32];
    snprintf(subject, sizeof subject, "%s.work.%s.%c", stream->name, held->job->queue->shelf->stream->token,
             skep__classes[skep__class_of(held->job->priority)]);
    snprintf(id, sizeof id, "%s.%" PRIu64, what, of);
    snprintf(reply, sizeof reply, "%s%c.%" PRIu64, stream->inbox, letter, of);
    struct skep__nats_header headers[4] = {[3] = {"Skep-Reply", held->reply}};
    return send_copy(stream, held, subject, id, reply, headers, held->reply != NULL ? 4 : 3);
}

static int send_forgotten(struct skep__stream *stream, const struct skep__held *held) {
    char subject[SKEP__SUBJECT_BYTES], text[64];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.DELETE.%s", stream->dead_name);
    snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"no_erase\":true}", held->dead_id);
    return skep__stream_ask(stream, subject, text, 'x', held->dead_id);
}

static void send_step(struct skep__stream *stream, struct skep__held *held) {
    int status = SKEP_OK;
    held->since_ms = now_ms(stream);
    switch ((enum skep__step)held->step) {
    case SKEP__BURYING: status = send_dead(stream, held); break;
    case SKEP__MOVING: status = send_work(stream, held, "moved", held->id, 't'); break;
    case SKEP__REVIVING: status = send_work(stream, held, "revived", held->dead_id, 'r'); break;
    case SKEP__FORGETTING: status = send_forgotten(stream, held); break;
    case SKEP__ENDING: /* at the end of the turn */
    case SKEP__KEPT:
    case SKEP__DEAD: break;
    }
    if (status != SKEP_OK && status != SKEP_EAGAIN) skep__stream_trouble(stream, status, "job %" PRIu64, held->job->id);
}

static void begin(struct skep__stream *stream, struct skep__held *held, enum skep__step step) {
    leave_list(stream, held);
    held->step = (uint8_t)step;
    TAILQ_INSERT_TAIL(list_of(stream, held), held, entry);
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

void skep__held_turn(struct skep__stream *stream) {
    if (!stream->acknowledges) return;
    stream->acknowledges = false;
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next)
        for (unsigned class = 0; class < SKEP__CLASSES; class ++) send_source(stream, &shelf->sources[class]);
}

/* --- steps --- */

void skep__held_end(struct skep__stream *stream, struct skep__job *job, const struct skep_bytes *result) {
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

void skep__held_bury(struct skep__stream *stream, struct skep__job *job, const char *cause, struct skep__death *death) {
    skep__memory_hide(stream->memory, job);
    job->held->cause = cause;
    job->held->death = death;
    begin(stream, job->held, SKEP__BURYING);
}

void skep__held_move(struct skep__stream *stream, struct skep__job *job, uint64_t delay_ms) {
    skep__memory_hide(stream->memory, job);
    job->held->due_ms = delay_ms > 0 ? skep__wall_ms() + delay_ms : 0;
    begin(stream, job->held, SKEP__MOVING);
}

void skep__held_revive(struct skep__stream *stream, struct skep__job *job) {
    skep__memory_hide(stream->memory, job);
    begin(stream, job->held, SKEP__REVIVING);
}

void skep__held_forget(struct skep__stream *stream, struct skep__job *job) {
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
    release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    static const struct skep_bytes none = {0};
    stream->memory->kind->ack(stream->memory, job, held->lost ? &none : &result, now_ms(stream));
    skep__held_free(held);
}

/* It comes again, to this broker or to another one. */
static void moved(struct skep__stream *stream, struct skep__held *held) {
    struct skep__shelf *shelf = held->job->queue->shelf;
    release(stream, held);
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
    release(stream, held);
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
    release(stream, held);
    held->job->queue->shelf->kept_dead_count--;
    stream->memory->kind->drop(stream->memory, held->job);
    skep__held_free(held);
}

static void finish(struct skep__stream *stream, struct skep__held *held) {
    if (held->cause != NULL) buried(stream, held);
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
    struct skep__held *held = find_dead(stream, dead_id);
    if (held != NULL && held->step == SKEP__REVIVING) begin(stream, held, SKEP__FORGETTING);
}

static void deleted(struct skep__stream *stream, uint64_t dead_id) {
    struct skep__held *held = find_dead(stream, dead_id);
    if (held == NULL || held->step != SKEP__FORGETTING) return;
    forgotten(stream, held);
    tell_gone(stream, dead_id);
}

void skep__held_gone(struct skep__stream *stream, uint64_t dead_id) {
    struct skep__held *held = find_dead(stream, dead_id);
    if (held == NULL || held->step != SKEP__DEAD) return;
    skep__memory_hide(stream->memory, held->job);
    forgotten(stream, held);
}

bool skep__held_has_dead(struct skep__stream *stream, uint64_t dead_id) {
    return find_dead(stream, dead_id) != NULL;
}

/* What is refused is tried again by and by. */
void skep__held_answered(struct skep__stream *stream, char letter, uint64_t number,
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

/* --- leases --- */

void skep__held_again(struct skep__stream *stream, struct skep__held *held, const char *ack) {
    char *copy = strdup(ack);
    if (copy == NULL) return;
    free(held->ack);
    held->ack = copy;
    if (held->step == SKEP__ENDING) say(stream, held, "+ACK");
}

static void extend(struct skep__stream *stream, struct skep__held *held) {
    say(stream, held, "+WPI");
    held->since_ms = now_ms(stream);
    TAILQ_REMOVE(&stream->leases, held, entry);
    TAILQ_INSERT_TAIL(&stream->leases, held, entry);
}

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

void skep__held_tick(struct skep__stream *stream, bool all) {
    struct skep__held *held;
    const uint64_t now = now_ms(stream);
    if (!skep__nats_is_connected(stream->nats)) return;
    while ((held = TAILQ_FIRST(&stream->leases)) != NULL && now - held->since_ms >= stream->lease_ms / 3)
        extend(stream, held);
    repeat(stream, all);
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next)
        for (unsigned class = 0; class < SKEP__CLASSES; class ++) repeat_source(stream, &shelf->sources[class], all);
}

static void give_back(struct skep__stream *stream, struct skep__held *held) {
    struct skep__job *job = held->job;
    struct skep__shelf *shelf = job->queue->shelf;
    say(stream, held, "-NAK");
    release(stream, held);
    shelf->stream->held--;
    shelf->kept_count--;
    skep__memory_hide(stream->memory, job);
    skep__memory_forget(stream->memory, job);
    skep__held_free(held);
}

void skep__held_give_back(struct skep__stream *stream, const struct skep__shelf *shelf) {
    struct skep__held *next;
    for (struct skep__held *held = TAILQ_FIRST(&stream->leases); held != NULL; held = next) {
        next = TAILQ_NEXT(held, entry);
        if (shelf == NULL || (held->job->queue->shelf == shelf && held->job->state == SKEP__JOB_READY))
            give_back(stream, held);
    }
}

void skep__held_free_all(struct skep__stream *stream) {
    struct skep__held *held, *next;
    HASH_ITER(hh, stream->held, held, next) {
        HASH_DEL(stream->held, held);
        skep__held_free(held);
    }
    HASH_ITER(hh, stream->dead, held, next) {
        HASH_DEL(stream->dead, held);
        skep__held_free(held);
    }
}
