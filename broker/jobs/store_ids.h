/* SPDX-License-Identifier: MIT
 * Jobs by their ids: a table whose chains go through the jobs. Ids follow each other, so that chains are short without
 * a hash. The table grows and shrinks by a few places with each job (linear hashing): no step takes long, and without
 * memory to grow the chains become longer, which is all. */
#ifndef SKEP_JOBS_STORE_IDS_H
#define SKEP_JOBS_STORE_IDS_H

#include "jobs/store.h"

enum { SKEP__ID_BYTES = sizeof(struct skep__job *) /* what the table costs for each job, besides its link */ };

struct skep__ids {
    struct skep__job **places; /* each with the first of a chain */
    size_t count;              /* jobs */
    size_t used, room;         /* places: up to the last one in use; allocated */
};

/* An empty one. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__ids_init(struct skep__ids *ids);
void skep__ids_free(struct skep__ids *ids);

/* The job has its id; none in the table has the same. */
void skep__ids_add(struct skep__ids *ids, struct skep__job *job);

/* The job is in the table. */
void skep__ids_remove(struct skep__ids *ids, struct skep__job *job);

/* NULL: no job has this id. */
struct skep__job *skep__ids_find(const struct skep__ids *ids, uint64_t id);

#endif
