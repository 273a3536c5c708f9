/* SPDX-License-Identifier: MIT
 * Dead letters of other brokers, and of earlier starts: read off their stream one behind the other, and looked for now
 * and then. Who puts one back or deletes it tells the others. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum { LOOK_MS = 1000 };

/* The next of any queue, from a number on. Errors are found by time. */
static void ask_next(struct skep__stream *stream) {
    char subject[SKEP__SUBJECT_BYTES], text[SKEP__STREAM_NAME + 80];
    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", stream->dead_name);
    snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s.dead.*\"}", stream->dead_next,
             stream->name);
    stream->dead_asked_ms = skep__clock_ms(stream->clock);
    (void)!skep__stream_ask(stream, subject, text, 'g', stream->dead_next);
}

void skep__dead_tick(struct skep__stream *stream) {
    const uint64_t now = skep__clock_ms(stream->clock);
    if (skep__nats_is_connected(stream->nats) && now - stream->dead_asked_ms >= LOOK_MS) ask_next(stream);
}

/* --- showing --- */

static struct skep__death *death_of(const struct skep__nats_received *received, const char *cause) {
    const char *reason = skep__nats_header(received, "Skep-Reason"), *exit = skep__nats_header(received, "Skep-Exit");
    const size_t size = reason != NULL ? strlen(reason) : 0;
    struct skep__death *death = malloc(sizeof *death + size + 1);
    if (death == NULL) return NULL;
    *death = (struct skep__death){.cause = cause, .exit = {.code = -1, .signal = -1}, .size_bytes = size};
    memcpy(death->reason, size > 0 ? reason : "", size);
    death->reason[size] = '\0';
    struct skep__exit_record *e = &death->exit;
    int pid = 0;
    if (exit != NULL && sscanf(exit, "%" SCNu32 " %d %d %d %" SCNu64 " %" SCNu64, &e->worker, &pid, &e->code,
                               &e->signal, &e->uptime_ms, &death->wall_ms) != 6)
        death->exit = (struct skep__exit_record){.code = -1, .signal = -1};
    else e->pid = (pid_t)pid;
    return death;
}

/* Nobody here was told of it before, and nobody is now: who has buried it has said so. */
static void show(struct skep__stream *stream, struct skep__shelf *shelf, struct skep__held *held, struct skep__job *job,
                 const struct skep__nats_received *received) {
    static const struct skep_bytes none = {0};
    const char *cause = skep__stream_cause(skep__nats_header(received, "Skep-Cause"));
    job->held = held;
    held->job = job;
    job->wants_outcome = false;
    job->accepted_ms = skep__clock_ms(stream->clock);
    shelf->kept_dead_count++;
    stream->silent = true;
    stream->memory->kind->bury(stream->memory, job, cause, death_of(received, cause), &none,
                               skep__clock_ms(stream->clock));
    stream->silent = false;
}

static int take(struct skep__stream *stream, struct skep__stream_shelf *shelf, uint64_t dead_id,
                const struct skep__nats_received *received) {
    const char *text = skep__nats_header(received, "Skep-Meta");
    struct skep__meta meta = {.priority = SKEP__PRIORITY_MIDDLE, .attempts = 1};
    struct skep__job *job = NULL;
    if (text != NULL) (void)skep__meta_read(text, &meta);
    const struct skep__submission s = {.data = received->data.data,
                                       .size_bytes = received->data.size_bytes,
                                       .lease_ms = meta.lease_ms,
                                       .attempts = meta.attempts,
                                       .priority = meta.priority};
    struct skep__held *held = skep__held_new(stream, NULL, 0, "", NULL);
    if (held == NULL) return SKEP_ENOMEM;
    held->dead_id = dead_id;
    const struct skep__history history = skep__source_history(received, dead_id);
    int status =
        skep__memory_restore(stream->memory, shelf->shelf, &s, history.id, skep__clock_ms(stream->clock), &job);
    if (status == SKEP_OK) skep__source_fill(job, &history);
    if (status == SKEP_OK && !skep__held_add_dead(stream, held)) {
        skep__memory_forget(stream->memory, job);
        status = SKEP_ENOMEM;
    }
    if (status != SKEP_OK) skep__held_free(held);
    else show(stream, shelf->shelf, held, job, received);
    return status;
}

/* NAME.dead.TOKEN */
static struct skep__stream_shelf *shelf_of(struct skep__stream *stream, const char *subject) {
    const size_t skipped = strlen(stream->name) + strlen(".dead.");
    struct skep__stream_shelf *shelf = NULL;
    if (subject != NULL && strlen(subject) > skipped) HASH_FIND_STR(stream->shelves, subject + skipped, shelf);
    return shelf;
}

/* It is here already, or will be in a moment. */
static bool is_own(const struct skep__stream *stream, const struct skep__nats_received *received) {
    const char *id = skep__nats_header(received, "Nats-Msg-Id");
    const size_t size = strlen(stream->boot);
    return id != NULL && strlen(id) > size + 5 && strncmp(id + 5, stream->boot, size) == 0;
}

void skep__dead_received(struct skep__stream *stream, const struct skep__nats_received *received) {
    const char *seq = skep__nats_header(received, "Nats-Sequence");
    const uint64_t id = seq != NULL ? strtoull(seq, NULL, 10) : 0;
    if (skep__nats_status(received) != 0 || id < stream->dead_next) return;
    struct skep__stream_shelf *shelf = shelf_of(stream, skep__nats_header(received, "Nats-Subject"));
    const bool known = shelf == NULL || is_own(stream, received) || skep__held_find_dead(stream, id) != NULL;
    if (!known && take(stream, shelf, id, received) != SKEP_OK) return; /* the next time */
    stream->dead_next = id + 1;
    ask_next(stream);
}
