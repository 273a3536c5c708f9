/* SPDX-License-Identifier: MIT
 * Looking for one job: in memory, and then wherever the store has written it. */
#include "common/container.h"
#include "jobs/private.h"

struct skep__job *skep__jobs_find(const struct skep__jobs *jobs, uint64_t id) {
    struct skep__job *job = jobs->store->kind->find(jobs->store, id);
    return job != NULL && job->state != SKEP__JOB_PENDING ? job : NULL;
}

static void recalled(struct skep__recall *recall, int status, const struct skep__record *record) {
    struct skep__inquiry *inquiry = SKEP_CONTAINER(recall, struct skep__inquiry, recall);
    struct skep__jobs *jobs = inquiry->jobs;
    const bool is_here = jobs->store->kind->find(jobs->store, recall->id) != NULL; /* it was shown meanwhile */
    if (is_here) skep__inquire(jobs, inquiry);
    else inquiry->elsewhere(inquiry, status, record);
}

static void wait(struct skep__inquiry *inquiry) {
    TAILQ_INSERT_TAIL(&inquiry->jobs->inquiries, inquiry, entry);
}

void skep__inquire(struct skep__jobs *jobs, struct skep__inquiry *inquiry) {
    static const struct skep__record nowhere = {.where = SKEP__NOWHERE};
    struct skep__job *job = jobs->store->kind->find(jobs->store, inquiry->recall.id);
    inquiry->jobs = jobs;
    inquiry->recall.recalled = recalled;
    if (job != NULL && job->state == SKEP__JOB_PENDING && inquiry->patient) wait(inquiry);
    else if (job != NULL) inquiry->found(inquiry, job);
    else if (jobs->store->kind->recall != NULL) jobs->store->kind->recall(jobs->store, &inquiry->recall);
    else inquiry->elsewhere(inquiry, SKEP_OK, &nowhere);
}

void skep__inquiries_resume(struct skep__jobs *jobs) {
    struct skep__inquiries waiting = TAILQ_HEAD_INITIALIZER(waiting);
    TAILQ_CONCAT(&waiting, &jobs->inquiries, entry);
    for (struct skep__inquiry *inquiry; (inquiry = TAILQ_FIRST(&waiting)) != NULL;) {
        TAILQ_REMOVE(&waiting, inquiry, entry);
        skep__inquire(jobs, inquiry);
    }
}

void skep__inquiries_end(struct skep__jobs *jobs) {
    for (struct skep__inquiry *inquiry; (inquiry = TAILQ_FIRST(&jobs->inquiries)) != NULL;) {
        TAILQ_REMOVE(&jobs->inquiries, inquiry, entry);
        inquiry->elsewhere(inquiry, SKEP_ECLOSED, NULL);
    }
}
