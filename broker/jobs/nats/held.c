/* SPDX-License-Identifier: MIT
 * Messages that this broker has taken: found by their numbers, leased for as long as it has them, given back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

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

struct skep__held *skep__held_find_dead(struct skep__stream *stream, uint64_t id) {
    struct skep__held *held;
    HASH_FIND(hh, stream->dead, &id, sizeof id, held);
    return held;
}

/* NULL: it is in none. */
struct skep__held_list *skep__held_list_of(struct skep__stream *stream, const struct skep__held *held) {
    switch ((enum skep__step)held->step) {
    case SKEP__KEPT: return &stream->leases;
    case SKEP__ENDING: return &held->source->ending;
    case SKEP__DEAD: return NULL;
    default: return &stream->changes;
    }
}

void skep__held_leave_list(struct skep__stream *stream, struct skep__held *held) {
    struct skep__held_list *list = skep__held_list_of(stream, held);
    if (held->step == SKEP__ENDING && held->source->unsent == held) held->source->unsent = TAILQ_NEXT(held, entry);
    if (list != NULL) TAILQ_REMOVE(list, held, entry);
}

/* Its job is not the stream's any more, which the caller has freed or keeps in memory. */
void skep__held_release(struct skep__stream *stream, struct skep__held *held) {
    skep__held_leave_list(stream, held);
    // NOLINTBEGIN(clang-analyzer-core.NullDereference): it does not see that the table holds this one
    if (held->step <= SKEP__MOVING) HASH_DEL(stream->held, held);
    else HASH_DEL(stream->dead, held);
    // NOLINTEND(clang-analyzer-core.NullDereference)
}

/* --- saying it to the stream --- */

void skep__held_say(struct skep__stream *stream, const struct skep__held *held, const char *what) {
    /* What cannot be said now is said again, or ends with the lease. */
    (void)!skep__nats_publish(
        stream->nats, &(struct skep__nats_message){.subject = held->ack, .data = what, .size_bytes = strlen(what)});
}

/* --- leases --- */

void skep__held_again(struct skep__stream *stream, struct skep__held *held, const char *ack) {
    char *copy = strdup(ack);
    if (copy == NULL) return;
    free(held->ack);
    held->ack = copy;
    if (held->step == SKEP__ENDING) skep__held_say(stream, held, "+ACK");
}

static void extend(struct skep__stream *stream, struct skep__held *held) {
    skep__held_say(stream, held, "+WPI");
    held->since_ms = now_ms(stream);
    TAILQ_REMOVE(&stream->leases, held, entry);
    TAILQ_INSERT_TAIL(&stream->leases, held, entry);
}

void skep__held_tick(struct skep__stream *stream) {
    struct skep__held *held;
    const uint64_t now = now_ms(stream);
    if (!skep__nats_is_connected(stream->nats)) return;
    while ((held = TAILQ_FIRST(&stream->leases)) != NULL && now - held->since_ms >= stream->lease_ms / 3)
        extend(stream, held);
}

static void give_back(struct skep__stream *stream, struct skep__held *held) {
    struct skep__job *job = held->job;
    struct skep__shelf *shelf = job->queue->shelf;
    skep__held_say(stream, held, "-NAK");
    skep__held_release(stream, held);
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
        HASH_DEL(stream->held, held); // NOLINT(clang-analyzer-unix.Malloc): the one before is in the table no more
        skep__held_free(held);
    }
    HASH_ITER(hh, stream->dead, held, next) {
        HASH_DEL(stream->dead, held); // NOLINT(clang-analyzer-unix.Malloc): the one before is in the table no more
        skep__held_free(held);
    }
}
