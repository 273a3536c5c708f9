/* SPDX-License-Identifier: MIT
 * Jobs that come from the stream. Each class of a queue has one consumer that all brokers share; each asks it for as
 * many jobs as its workers could take. So what is urgent never waits behind what is not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"
#include "jobs/private.h"

enum {
    ASK_MS = 5000,   /* for which a question for jobs stands: a consumer with a new leader has forgotten it */
    LATE_MS = 1000,  /* after which it counts as lost */
    AGAIN_MS = 3000, /* after which a consumer is asked for again */
    QUIET_MS = 10,
    MOST = 8192,     /* jobs that are asked for together */
    MOST_TIMES = 20, /* deliveries after which a job is a dead letter: brokers do not live through it */
    IDLE_TICKS = 50, /* without a worker, after which jobs go to other brokers */
    LACK_MS = 500    /* for which a job is given back that cannot be taken now */
};

static uint64_t now_ms(const struct skep__stream *stream) {
    return skep__clock_ms(stream->clock);
}

static void name_of(const struct skep__stream_shelf *shelf, unsigned class, char name[SKEP__SUBJECT_BYTES]) {
    snprintf(name, SKEP__SUBJECT_BYTES, "%s-%c", shelf->token, skep__classes[class]);
}

/* Where answers come to: behind the letter the queue and the class. */
static int ask(struct skep__stream *stream, const struct skep__stream_shelf *shelf, unsigned class, const char *what,
               const char *text, char letter) {
    char subject[SKEP__SUBJECT_BYTES], name[SKEP__SUBJECT_BYTES], reply[SKEP__SUBJECT_BYTES];
    name_of(shelf, class, name);
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.%s.%s.%.200s", what, stream->name, name);
    snprintf(reply, sizeof reply, "%s%c.%u.%.200s", stream->inbox, letter, class, shelf->token);
    return skep__nats_publish(
        stream->nats,
        &(struct skep__nats_message){.subject = subject, .reply = reply, .data = text, .size_bytes = strlen(text)});
}

/* --- consumers --- */

static void make(struct skep__stream *stream, struct skep__stream_shelf *shelf, unsigned class) {
    struct skep__source *source = &shelf->sources[class];
    char text[3 * SKEP__SUBJECT_BYTES], name[SKEP__SUBJECT_BYTES];
    if (source->made.asked_ms != 0 && now_ms(stream) - source->made.asked_ms < AGAIN_MS) return;
    name_of(shelf, class, name);
    snprintf(text, sizeof text,
             "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"%s\",\"filter_subject\":\"%s.work.%s.%c\","
             "\"ack_policy\":\"explicit\",\"deliver_policy\":\"all\",\"replay_policy\":\"instant\",\"max_deliver\":-1,"
             "\"max_ack_pending\":-1,\"ack_wait\":%" PRIu64 "}}",
             stream->name, name, stream->name, shelf->token, skep__classes[class],
             stream->lease_ms * UINT64_C(1000000));
    if (ask(stream, shelf, class, "DURABLE.CREATE", text, 'c') == SKEP_OK) source->made.asked_ms = now_ms(stream);
}

/* What stands behind the letter of an answer's subject: CLASS.TOKEN */
static struct skep__stream_shelf *find(struct skep__stream *stream, const char *rest, unsigned *class) {
    struct skep__stream_shelf *shelf = NULL;
    *class = (unsigned)(rest[0] - '0');
    if (*class < SKEP__STREAM_CLASSES && rest[1] == '.') HASH_FIND_STR(stream->shelves, rest + 2, shelf);
    return shelf;
}

void skep__source_made(struct skep__stream *stream, const char *rest, const struct skep__nats_received *received) {
    unsigned class;
    struct skep__stream_shelf *shelf = find(stream, rest, &class);
    struct skep__publication said = {.code = skep__nats_status(received)};
    if (shelf == NULL || (said.code == 0 && !skep__publication_read(&received->data, &said))) return;
    shelf->sources[class].made.done = said.code == 0;
    if (said.code == 0) {
        shelf->wanted = true;
        skep__stream_turn(stream);
    } else if (said.code == 404 || (said.code == 503 && said.why[0] == '\0')) {
        skep__streams_missing(stream, 0);
    } else {
        skep__stream_trouble(stream, SKEP_EUNEXPECTED, "queue %s: %s", shelf->shelf->queue->name, said.why);
    }
}

/* --- asking for jobs --- */

struct appetite {
    uint64_t now, ahead; /* jobs that workers can take; that should be here when they have done these */
};

/* Workers that answer quickly have wide windows: for them the next jobs are here before they are asked for. */
static struct appetite appetite_of(const struct skep__queue *queue) {
    const struct skep__consumer *consumer;
    struct appetite appetite = {0};
    LIST_FOREACH(consumer, &queue->consumers, of_queue) {
        if (!consumer->holder->ready || consumer->holder->stalled) continue;
        if (consumer->window > consumer->held) appetite.now += consumer->window - consumer->held;
        if (consumer->window > consumer->concurrency + 1)
            appetite.ahead += consumer->window - consumer->concurrency - 1;
    }
    const uint64_t most = queue->options.concurrency;
    if (most == 0) return appetite;
    const uint64_t left = most > queue->shelf->reserved_count ? most - queue->shelf->reserved_count : 0;
    if (appetite.now > left) appetite.now = left;
    appetite.ahead = 0;
    return appetite;
}

static void pull(struct skep__stream *stream, struct skep__stream_shelf *shelf, unsigned class, uint64_t wanted) {
    struct skep__source *source = &shelf->sources[class];
    char text[80];
    if (wanted <= source->coming) return;
    uint64_t n = wanted - source->coming;
    if (source->coming > 0 && n < wanted / 4) return; /* few questions for many are better than many for few */
    if (n > MOST) n = MOST;
    snprintf(text, sizeof text, "{\"batch\":%" PRIu64 ",\"expires\":%" PRIu64 "}", n, ASK_MS * UINT64_C(1000000));
    if (ask(stream, shelf, class, "MSG.NEXT", text, 'm') != SKEP_OK) return;
    source->coming += n;
    source->moved_ms = now_ms(stream);
    source->end_ms = now_ms(stream) + ASK_MS + LATE_MS;
}

/* The stream has none of this class: it was asked for some, and none came for a moment. */
static bool is_quiet(const struct skep__stream *stream, const struct skep__source *source) {
    return source->coming > 0 && now_ms(stream) - source->moved_ms >= QUIET_MS;
}

/* What is less urgent is asked for when there is nothing else. */
static void pull_all(struct skep__stream *stream, struct skep__stream_shelf *shelf) {
    const struct skep__queue *queue = shelf->shelf->queue;
    const struct appetite appetite = appetite_of(queue);
    const uint64_t here = shelf->shelf->ready_count;
    if (queue->paused || appetite.now + appetite.ahead <= here) return;
    for (unsigned class = 0; class < SKEP__STREAM_CLASSES; class ++) {
        if (shelf->sources[class].made.done) pull(stream, shelf, class, appetite.now + appetite.ahead - here);
        else make(stream, shelf, class);
        if (is_quiet(stream, &shelf->sources[class])) continue;
        shelf->waits = true;
        return;
    }
}

void skep__sources_pull(struct skep__stream *stream) {
    if (stream->doubting || !skep__nats_is_connected(stream->nats)) return;
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next) {
        if (!shelf->wanted) continue;
        shelf->wanted = shelf->waits = false;
        pull_all(stream, shelf);
    }
}

/* --- what comes instead of jobs --- */

void skep__source_status(struct skep__stream *stream, const char *rest, const struct skep__nats_received *received) {
    unsigned class;
    struct skep__stream_shelf *shelf = find(stream, rest, &class);
    const unsigned status = skep__nats_status(received);
    const char *left = skep__nats_header(received, "Nats-Pending-Messages");
    if (shelf == NULL || status == 0 || status == 100) return;
    struct skep__source *source = &shelf->sources[class];
    const uint64_t n = left != NULL ? strtoull(left, NULL, 10) : source->coming;
    source->coming -= n < source->coming ? n : source->coming;
    if (status != 408) source->made.done = false; /* it was deleted, or has another leader: it is asked for again */
    shelf->wanted = true;
    skep__stream_turn(stream);
}

/* --- jobs --- */

static void give_back(struct skep__stream *stream, const struct skep__nats_received *received, uint64_t delay_ms) {
    char text[64];
    snprintf(text, sizeof text, "-NAK {\"delay\":%" PRIu64 "}", delay_ms * UINT64_C(1000000));
    /* What cannot be said now ends with the lease. */
    (void)!skep__nats_publish(stream->nats, &(struct skep__nats_message){
                                                .subject = received->reply, .data = text, .size_bytes = strlen(text)});
}

/* How many deliveries before this one may have begun it, at brokers that have ended: only what nobody had begun is
 * given back in another way than by the end of a lease, and nobody begins what is not due. */
static uint64_t begun_before(const struct skep__stream *stream, const struct skep__meta *meta,
                             const struct skep__delivered *delivered) {
    const bool early = meta->due_ms != 0 && skep__wall_ms() < meta->due_ms + stream->lease_ms;
    return (early ? 0 : delivered->times - 1) + skep__doubts(stream, delivered->id);
}

static struct skep__submission submission_of(const struct skep__nats_received *received, const struct skep__meta *meta,
                                             bool expires) {
    return (struct skep__submission){.data = received->data.data,
                                     .size_bytes = received->data.size_bytes,
                                     .lease_ms = meta->lease_ms,
                                     .attempts = meta->attempts,
                                     .priority = meta->priority,
                                     .ttl_ms = expires};
}

/* It is not even shown. */
static void bury(struct skep__stream *stream, struct skep__job *job, const char *cause, const char *text) {
    const size_t size = strlen(text);
    struct skep__death *death = malloc(sizeof *death + size + 1);
    if (death != NULL) {
        *death = (struct skep__death){
            .cause = cause, .exit = {.code = -1, .signal = -1}, .wall_ms = skep__wall_ms(), .size_bytes = size};
        memcpy(death->reason, text, size + 1);
    }
    skep__step_bury(stream, job, cause, death);
}

struct skep__history skep__source_history(const struct skep__nats_received *received, uint64_t id) {
    const char *text = skep__nats_header(received, "Skep-Job");
    struct skep__history history;
    if (text != NULL && skep__history_read(text, &history)) return history;
    return (struct skep__history){.id = id};
}

void skep__source_fill(struct skep__job *job, const struct skep__history *history) {
    job->attempt = history->attempt;
    job->failures = history->failures;
    job->deaths = history->deaths;
    job->interruptions = history->interruptions;
}

/* What may have been begun does not expire. */
static void show(struct skep__stream *stream, struct skep__stream_shelf *shelf, struct skep__job *job,
                 const struct skep__meta *meta, const struct skep__history *history,
                 const struct skep__delivered *delivered) {
    const uint64_t now = now_ms(stream), wall_ms = skep__wall_ms();
    const uint64_t age_ms = wall_ms > meta->accepted_ms ? wall_ms - meta->accepted_ms : 0;
    const uint64_t left_ms = meta->expires_ms > wall_ms ? meta->expires_ms - wall_ms : 0;
    skep__source_fill(job, history);
    job->accepted_ms = now > age_ms ? now - age_ms : 1;
    job->attempt += (uint32_t)begun_before(stream, meta, delivered);
    job->wants_outcome = job->held->reply != NULL;
    shelf->held++;
    shelf->shelf->kept_count++;
    skep__memory_show(stream->memory, job, 0, job->expiry_node.index != 0 ? now + left_ms : 0);
    if (delivered->times > MOST_TIMES) bury(stream, job, "interrupted", "no broker has lived until it was done");
    else if (job->expiry_node.index != 0 && left_ms == 0) bury(stream, job, "expired", "");
}

static int take(struct skep__stream *stream, struct skep__stream_shelf *shelf, struct skep__source *source,
                const struct skep__nats_received *received, const struct skep__meta *meta,
                const struct skep__delivered *delivered) {
    struct skep__job *job = NULL;
    const bool expires = meta->expires_ms != 0 && begun_before(stream, meta, delivered) == 0;
    const struct skep__submission s = submission_of(received, meta, expires);
    struct skep__held *held =
        skep__held_new(stream, source, delivered->id, received->reply, skep__nats_header(received, "Skep-Reply"));
    if (held == NULL) return SKEP_ENOMEM;
    const struct skep__history history = skep__source_history(received, delivered->id);
    int status = skep__memory_restore(stream->memory, shelf->shelf, &s, history.id, now_ms(stream), &job);
    if (status == SKEP_OK && !skep__held_add(stream, held)) {
        skep__memory_forget(stream->memory, job);
        status = SKEP_ENOMEM;
    }
    if (status != SKEP_OK) {
        skep__held_free(held);
        return status;
    }
    job->held = held;
    held->job = job;
    show(stream, shelf, job, meta, &history, delivered);
    return SKEP_OK;
}

/* NAME.work.TOKEN.CLASS */
static struct skep__stream_shelf *shelf_of(struct skep__stream *stream, const char *subject, unsigned *class) {
    struct skep__stream_shelf *shelf = NULL;
    const size_t skipped = strlen(stream->name) + strlen(".work.");
    if (strlen(subject) <= skipped) return NULL;
    const char *token = subject + skipped, *dot = strrchr(token, '.');
    const char *letter = dot != NULL && dot[1] != '\0' ? strchr(skep__classes, dot[1]) : NULL;
    if (letter == NULL) return NULL;
    *class = (unsigned)(letter - skep__classes);
    HASH_FIND(hh, stream->shelves, token, (size_t)(dot - token), shelf);
    return shelf;
}

static void fill_missing(struct skep__meta *meta, const struct skep__nats_received *received) {
    const char *text = skep__nats_header(received, "Skep-Meta");
    if (text != NULL && skep__meta_read(text, meta)) return;
    *meta = (struct skep__meta){.priority = SKEP__PRIORITY_MIDDLE, .attempts = 1, .accepted_ms = skep__wall_ms()};
}

void skep__source_received(struct skep__stream *stream, const struct skep__nats_received *received) {
    unsigned class;
    struct skep__meta meta;
    struct skep__delivered delivered;
    struct skep__stream_shelf *shelf = shelf_of(stream, received->subject, &class);
    if (received->reply == NULL || !skep__delivered_read(received->reply, &delivered)) return;
    if (shelf == NULL) {
        give_back(stream, received, 0);
        return;
    }
    if (shelf->sources[class].coming > 0) shelf->sources[class].coming--;
    shelf->sources[class].moved_ms = now_ms(stream);
    stream->settles = shelf->wanted = true;
    struct skep__held *held = skep__held_find(stream, delivered.id);
    if (held != NULL) {
        skep__held_again(stream, held, received->reply);
        return;
    }
    fill_missing(&meta, received);
    const uint64_t wall_ms = skep__wall_ms();
    if (meta.due_ms > wall_ms) give_back(stream, received, meta.due_ms - wall_ms);
    else if (stream->doubting || take(stream, shelf, &shelf->sources[class], received, &meta, &delivered) != SKEP_OK)
        give_back(stream, received, LACK_MS);
}

/* --- time --- */

static bool is_idle(const struct skep__queue *queue) {
    return queue->consumer_count == 0 || queue->paused;
}

void skep__sources_tick(struct skep__stream *stream, bool anew) {
    const uint64_t now = now_ms(stream);
    for (struct skep__stream_shelf *shelf = stream->shelves; shelf != NULL; shelf = shelf->hh.next) {
        shelf->idle_ticks = is_idle(shelf->shelf->queue) ? shelf->idle_ticks + 1 : 0;
        if (shelf->idle_ticks >= IDLE_TICKS && shelf->shelf->ready_count > 0)
            skep__held_give_back(stream, shelf->shelf);
        for (unsigned class = 0; class < SKEP__STREAM_CLASSES; class ++) {
            struct skep__source *source = &shelf->sources[class];
            const bool lost = source->coming > 0 && now >= source->end_ms;
            if (anew || lost) source->coming = 0;
            if (anew) source->made = (struct skep__asking){.done = false};
            if (anew || lost || !source->made.done || shelf->waits) shelf->wanted = true;
        }
    }
    skep__sources_pull(stream);
}
