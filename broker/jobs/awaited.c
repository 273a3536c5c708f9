/* SPDX-License-Identifier: MIT
 * Who waits for a job by its id: clients that have come back, and others that know it. */
#include <stdlib.h>

#include "common/container.h"
#include "jobs/private.h"

/* A job that is waited for, which is in memory or stored */
struct skep__awaited {
    uint64_t id;
    UT_hash_handle hh;
    LIST_HEAD(, skep__waiter) waiters;
};

/* One who has asked, until it is known where the job is */
struct asking {
    struct skep__inquiry inquiry;
    struct skep__waiter *waiter;
};

static struct skep__awaited *find(const struct skep__jobs *jobs, uint64_t id) {
    struct skep__awaited *awaited;
    HASH_FIND(hh, jobs->awaited, &id, sizeof id, awaited);
    return awaited;
}

static void drop(struct skep__jobs *jobs, struct skep__awaited *awaited) {
    // NOLINTNEXTLINE(clang-analyzer-*): it does not see that the table holds this one, and not the one before
    HASH_DEL(jobs->awaited, awaited);
    free(awaited);
}

/* --- waiting --- */

static bool is_there(const struct skep__awaited *awaited, const struct skep__waiter *like) {
    const struct skep__waiter *waiter;
    LIST_FOREACH(waiter, &awaited->waiters, entry)
    if (waiter->client == like->client && waiter->number == like->number) return true;
    return false;
}

static struct skep__awaited *get(struct skep__jobs *jobs, uint64_t id) {
    struct skep__awaited *awaited = find(jobs, id);
    if (awaited != NULL) return awaited;
    awaited = calloc(1, sizeof *awaited);
    if (awaited == NULL) return NULL;
    awaited->id = id;
    LIST_INIT(&awaited->waiters);
    HASH_ADD(hh, jobs->awaited, id, sizeof awaited->id, awaited);
    if (SKEP_IS_ADDED(awaited, hh)) return awaited;
    free(awaited);
    return NULL;
}

/* --- where the job is --- */

static void tell(struct asking *asking, const struct skep__job_end *end) {
    struct skep__jobs *jobs = asking->inquiry.jobs;
    jobs->events->recalled(jobs->context, asking->waiter, end);
    free(asking->waiter);
    free(asking);
}

static void wait(struct asking *asking) {
    struct skep__jobs *jobs = asking->inquiry.jobs;
    struct skep__awaited *awaited = get(jobs, asking->inquiry.recall.id);
    if (awaited == NULL) {
        tell(asking, &(struct skep__job_end){.status = SKEP_ENOMEM});
        return;
    }
    if (is_there(awaited, asking->waiter)) free(asking->waiter);
    else LIST_INSERT_HEAD(&awaited->waiters, asking->waiter, entry);
    free(asking);
}

static void found(struct skep__inquiry *inquiry, struct skep__job *job) {
    struct asking *asking = SKEP_CONTAINER(inquiry, struct asking, inquiry);
    const struct skep__death *death = job->death;
    if (job->state != SKEP__JOB_DEAD) {
        job->wants_outcome = true;
        wait(asking);
        return;
    }
    tell(asking, &(struct skep__job_end){.status = SKEP_EDEAD,
                                         .cause = death != NULL ? death->cause : "unknown",
                                         .result = death != NULL ? (struct skep_bytes){death->reason, death->size_bytes}
                                                                 : (struct skep_bytes){0}});
}

static void elsewhere(struct skep__inquiry *inquiry, int status, const struct skep__record *record) {
    struct asking *asking = SKEP_CONTAINER(inquiry, struct asking, inquiry);
    if (status == SKEP_OK && record->where == SKEP__STORED) {
        wait(asking);
        return;
    }
    struct skep__job_end end = {.status = status};
    if (status == SKEP_OK && record->where == SKEP__NOWHERE) end.status = SKEP_ENOJOB;
    if (status == SKEP_OK && record->where == SKEP__ENDED)
        end = (struct skep__job_end){
            .status = record->cause != NULL ? SKEP_EDEAD : SKEP_OK, .cause = record->cause, .result = record->result};
    tell(asking, &end);
}

/* --- the room's --- */

int skep__jobs_await(struct skep__jobs *jobs, uint64_t id, uint32_t client, uint64_t number) {
    if (!skep__jobs_allow(jobs, sizeof(struct skep__awaited) + sizeof(struct skep__waiter))) return SKEP_ENOMEM;
    struct asking *asking = malloc(sizeof *asking);
    struct skep__waiter *waiter = malloc(sizeof *waiter);
    if (asking == NULL || waiter == NULL) {
        free(asking);
        free(waiter);
        return SKEP_ENOMEM;
    }
    *waiter = (struct skep__waiter){.client = client, .number = number};
    *asking = (struct asking){.waiter = waiter};
    asking->inquiry =
        (struct skep__inquiry){.recall = {.id = id}, .patient = true, .found = found, .elsewhere = elsewhere};
    skep__inquire(jobs, &asking->inquiry);
    return SKEP_OK;
}

bool skep__awaited_is(const struct skep__jobs *jobs, uint64_t id) {
    return jobs->awaited != NULL && find(jobs, id) != NULL;
}

void skep__awaited_note(struct skep__jobs *jobs, struct skep__job *job) {
    if (skep__awaited_is(jobs, job->id)) job->wants_outcome = true;
}

bool skep__jobs_next_awaiting(struct skep__jobs *jobs, uint64_t id, struct skep__waiter *out) {
    struct skep__awaited *awaited = jobs->awaited != NULL ? find(jobs, id) : NULL;
    struct skep__waiter *waiter = awaited != NULL ? LIST_FIRST(&awaited->waiters) : NULL;
    if (waiter != NULL) {
        *out = *waiter;
        LIST_REMOVE(waiter, entry);
        free(waiter);
    }
    if (awaited != NULL && LIST_EMPTY(&awaited->waiters)) drop(jobs, awaited);
    return waiter != NULL;
}

static void forget(struct skep__awaited *awaited, const uint32_t *client) {
    struct skep__waiter *waiter = LIST_FIRST(&awaited->waiters), *next;
    for (; waiter != NULL; waiter = next) {
        next = LIST_NEXT(waiter, entry);
        if (client != NULL && waiter->client != *client) continue;
        LIST_REMOVE(waiter, entry);
        free(waiter);
    }
}

/* Those of one client, or (NULL) all. */
static void forget_all(struct skep__jobs *jobs, const uint32_t *client) {
    struct skep__awaited *awaited, *next;
    HASH_ITER(hh, jobs->awaited, awaited, next) {
        forget(awaited, client);
        if (LIST_EMPTY(&awaited->waiters)) drop(jobs, awaited);
    }
}

void skep__jobs_forget_client(struct skep__jobs *jobs, uint32_t client) {
    forget_all(jobs, &client);
}

void skep__awaited_free(struct skep__jobs *jobs) {
    forget_all(jobs, NULL);
}
