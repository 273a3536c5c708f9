/* SPDX-License-Identifier: MIT
 * Jobs by their ids. */
#include "jobs/store_ids.h"

#include <stdlib.h>

enum {
    LEAST = 64,    /* places */
    SPARSE = 4,    /* places for each job from which on the table shrinks */
    SHRINKING = 4, /* so much more room than is used is given back */
};

/* The least power of two that is not less. */
static size_t span_of(size_t used) {
    return (size_t)1 << (64 - (unsigned)__builtin_clzll(used - 1));
}

/* The places behind the used ones are those of a chain that has not been split yet. */
static struct skep__job **place_of(const struct skep__ids *ids, uint64_t id) {
    size_t span = span_of(ids->used), at = id & (span - 1);
    return &ids->places[at < ids->used ? at : at - span / 2];
}

int skep__ids_init(struct skep__ids *ids) {
    *ids = (struct skep__ids){.places = calloc(LEAST, sizeof *ids->places), .used = LEAST, .room = LEAST};
    return ids->places != NULL ? SKEP_OK : SKEP_ENOMEM;
}

void skep__ids_free(struct skep__ids *ids) {
    free(ids->places);
    *ids = (struct skep__ids){.places = NULL};
}

static bool resize(struct skep__ids *ids, size_t room) {
    struct skep__job **places = realloc(ids->places, room * sizeof *places);
    if (places == NULL) return false;
    ids->places = places;
    ids->room = room;
    return true;
}

/* One more place, which gets its part of the chain that had the jobs of both. */
static void grow(struct skep__ids *ids) {
    if (ids->used == ids->room && !resize(ids, ids->room * 2)) return;
    size_t added = ids->used++, span = span_of(ids->used);
    struct skep__job **from = &ids->places[added - span / 2], **to = &ids->places[added], *job = *from;
    *from = *to = NULL;
    for (struct skep__job *next; job != NULL; job = next) {
        struct skep__job **place = (job->id & (span - 1)) == added ? to : from;
        next = job->by_id;
        job->by_id = *place;
        *place = job;
    }
}

/* One place fewer: its jobs go back to that chain. */
static void shrink(struct skep__ids *ids) {
    size_t span = span_of(ids->used), last = --ids->used;
    struct skep__job **end = &ids->places[last - span / 2];
    while (*end != NULL) end = &(*end)->by_id;
    *end = ids->places[last];
    if (ids->used * SHRINKING <= ids->room && ids->room > LEAST) (void)resize(ids, ids->room / 2); /* it can stay */
}

void skep__ids_add(struct skep__ids *ids, struct skep__job *job) {
    if (++ids->count > ids->used) grow(ids);
    struct skep__job **place = place_of(ids, job->id);
    job->by_id = *place;
    *place = job;
}

void skep__ids_remove(struct skep__ids *ids, struct skep__job *job) {
    struct skep__job **at = place_of(ids, job->id);
    while (*at != job) at = &(*at)->by_id;
    *at = job->by_id;
    ids->count--;
    for (int i = 0; i <= SPARSE && ids->used > LEAST && ids->used / SPARSE > ids->count; i++) shrink(ids);
}

struct skep__job *skep__ids_find(const struct skep__ids *ids, uint64_t id) {
    struct skep__job *job = *place_of(ids, id);
    while (job != NULL && job->id != id) job = job->by_id;
    return job;
}
