/* SPDX-License-Identifier: MIT
 * A worker, as far as jobs are concerned: made, ready, leaving, freed; what it tells of itself. */
#include <stdlib.h>

#include "jobs/private.h"

int skep__holder_new(struct skep__holder **out, struct skep__jobs *jobs, const struct skep__worker_facts *facts) {
    struct skep__holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL) return SKEP_ENOMEM;
    holder->jobs = jobs;
    holder->worker = facts->worker;
    holder->settings = facts->settings;
    holder->id = facts->id;
    holder->pid = facts->pid;
    holder->page = facts->page;
    holder->deliveries.first = holder->deliveries.next = 1;
    holder->lease_alarm.ring = skep__look_at_leases;
    LIST_INIT(&holder->consumers);
    TAILQ_INSERT_TAIL(&jobs->holders, holder, entry);
    *out = holder;
    return SKEP_OK;
}

void skep__holder_free(struct skep__holder **out) {
    struct skep__holder *holder = *out;
    if (holder == NULL) return;
    if (!holder->ended) TAILQ_REMOVE(&holder->jobs->holders, holder, entry);
    free(holder);
    *out = NULL;
}

void skep__holder_set_inbox(struct skep__holder *holder, struct skep__outlet *inbox) {
    holder->inbox = inbox;
}

int skep__jobs_handle(struct skep__holder *holder, const struct skep_command_handle *handle) {
    struct skep__jobs *jobs = holder->jobs;
    struct skep__queue *queue = skep__queues_get(jobs->queues, handle->queue.data, handle->queue.size_bytes);
    if (queue == NULL) return jobs->queues->failure;
    unsigned concurrency = SKEP_HAS(handle, handle, concurrency) ? (unsigned)handle->concurrency : 1;
    int status = skep__consumer_set(holder, queue, concurrency);
    if (status == SKEP_OK) skep__jobs_dispatch_queue(jobs, queue);
    return status;
}

void skep__jobs_worker_ready(struct skep__holder *holder) {
    holder->ready = true;
    skep__jobs_dispatch_to(holder);
}

void skep__jobs_worker_leaving(struct skep__holder *holder) {
    holder->ready = false;
    skep__consumers_update(holder);
}

void skep__jobs_inbox_drained(struct skep__holder *holder) {
    holder->inbox_full = false;
    skep__jobs_dispatch_to(holder);
}

/* Jobs that were lost on their way wait for nothing. */
void skep__jobs_inbox_cut(struct skep__holder *holder) {
    skep__take_back_all(holder);
    skep__jobs_dispatch_to(holder);
}

bool skep__holder_owes(struct skep__holder *holder, uint64_t number, const struct skep__job **job) {
    const struct skep__delivery *delivery = skep__deliveries_find(&holder->deliveries, number);
    if (delivery != NULL) *job = delivery->job;
    return delivery != NULL;
}

/* At a place: what it works on, jobs whose lease has ended among them, is as much as it can, or nothing waits. */
static bool has_begun(struct skep__holder *holder, const struct skep__consumer *consumer) {
    unsigned begun = 0, waiting = 0;
    for (uint64_t n = 0; (n = skep__deliveries_after(&holder->deliveries, n)) != 0;) {
        const struct skep__delivery *delivery = skep__deliveries_find(&holder->deliveries, n);
        if (delivery->queue != consumer->queue) continue;
        bool waits = delivery->job != NULL && !skep__is_begun(holder, n);
        waiting += waits;
        begun += !waits;
    }
    return waiting == 0 || begun >= consumer->concurrency;
}

bool skep__holder_has_begun(struct skep__holder *holder) {
    const struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &holder->consumers, of_holder) if (!has_begun(holder, consumer)) return false;
    return true;
}

uint64_t skep__jobs_had(const struct skep__holder *holder) {
    return holder->given_back + holder->deliveries.jobs;
}

void skep__jobs_worker_status(const struct skep__holder *holder, struct skep_command_workerStatus *status) {
    SKEP_SET(workerStatus, status, jobs, holder->deliveries.jobs);
    SKEP_SET(workerStatus, status, jobsDone, holder->done);
    if (holder->silent_since_ms == 0) return;
    SKEP_SET(workerStatus, status, silent_ms, skep__clock_ms(holder->jobs->clock) - holder->silent_since_ms);
}
