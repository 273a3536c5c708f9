/* SPDX-License-Identifier: MIT
 * What is put into the ledger's store, and what a stop would lose of it. */
#include <inttypes.h>
#include <stdio.h>

#include "common/container.h"
#include "jobs/private.h"

static const struct skep__store_kind *store(const struct skep__jobs *jobs) {
    return jobs->store->kind;
}

static uint64_t now_ms(const struct skep__jobs *jobs) {
    return skep__clock_ms(jobs->clock);
}

/* --- what is left --- */

static uint64_t count_unfinished(const struct skep__shelf *shelf) {
    return shelf->ready_count + shelf->reserved_count + shelf->delayed_count + shelf->stored_count +
           shelf->pending_count;
}

uint64_t skep__jobs_unfinished(const struct skep__jobs *jobs) {
    uint64_t sum = 0;
    if (jobs->store == NULL) return 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;)
        sum += count_unfinished(q->shelf);
    return sum;
}

uint64_t skep__jobs_volatile(const struct skep__jobs *jobs) {
    uint64_t sum = 0;
    if (jobs->store == NULL) return 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;)
        sum += count_unfinished(q->shelf) - q->shelf->kept_count;
    return sum;
}

static void say_lost(struct skep__flush *flush) {
    struct skep__jobs *jobs = SKEP_CONTAINER(flush, struct skep__jobs, lost_flush);
    uint64_t lost = skep__jobs_volatile(jobs);
    if (lost == 1) skep__jobs_say(jobs, NULL, "1 job is lost: it was in memory only");
    else skep__jobs_say(jobs, NULL, "%" PRIu64 " jobs are lost: they were in memory only", lost);
}

/* On a later turn, since a call of the user's may be the cause. */
void skep__jobs_check_lost(struct skep__jobs *jobs) {
    if (!jobs->stopping || !TAILQ_EMPTY(&jobs->holders) || skep__jobs_volatile(jobs) == 0) return;
    jobs->lost_flush.flush = say_lost;
    skep__flusher_mark(jobs->flusher, &jobs->lost_flush);
}

/* --- queues --- */

struct skep__queue *skep__jobs_find_queue(struct skep__jobs *jobs, const char *name, size_t size_bytes) {
    return jobs->queues != NULL ? skep__queues_find(jobs->queues, name, size_bytes) : NULL;
}

const char *skep__queue_name(const struct skep__queue *queue) {
    return queue->name;
}

bool skep__jobs_pause(struct skep__jobs *jobs, struct skep__queue *queue, bool paused) {
    if (queue->paused == paused) return false;
    queue->paused = paused;
    skep__jobs_dispatch_queue(jobs, queue);
    return true;
}

/* --- accepting --- */

uint16_t skep__jobs_attempts(const struct skep__jobs *jobs, const struct skep__queue *queue, uint64_t wanted) {
    if (wanted == 0) wanted = queue->options.attempts;
    return (uint16_t)(wanted != 0 ? wanted : jobs->settings->attempts);
}

enum { KEYS_SAY_MS = 10000 /* between two reports */ };

/* Later, since a call of the user's may be the cause. */
void skep__ledger_say_keys(struct skep__jobs *jobs) {
    uint64_t now = now_ms(jobs), n = jobs->store->forgotten_early - jobs->keys_forgotten_said;
    if (n == 0 || (jobs->keys_said_ms != 0 && now - jobs->keys_said_ms < KEYS_SAY_MS)) return;
    jobs->keys_forgotten_said += n;
    jobs->keys_said_ms = now;
    skep__jobs_say_later(
        jobs,
        "no memory for keys: %" PRIu64 " of jobs that had ended were forgotten before the time of --dedup (%g s), "
        "and copies of these jobs are accepted; raise --jobs-bytes and --queue-bytes, or lower --dedup",
        n, jobs->settings->dedup_ms / 1000.0);
}

struct skep__queue *skep__jobs_get_queue(struct skep__jobs *jobs, const char *name, size_t size_bytes, int *status) {
    struct skep__queue *queue = skep__queues_find(jobs->queues, name, size_bytes);
    if (queue != NULL) return queue;
    *status = SKEP_ENOMEM;
    if (!skep__jobs_allow(jobs, sizeof *queue + store(jobs)->shelf_bytes)) return NULL;
    queue = skep__queues_get(jobs->queues, name, size_bytes);
    *status = jobs->queues->failure;
    return queue;
}

/* What is refused takes nothing of the reserve; but it may be the first to find that there is no memory. */
void skep__jobs_refused(struct skep__jobs *jobs, int status) {
    if (status != SKEP_ENOMEM) return;
    skep__jobs_check_memory(jobs);
    jobs->host->lack(jobs->context, "out of memory for a job; it is refused");
}

bool skep__queue_is_durable(const struct skep__queue *queue) {
    return queue->shelf->durable;
}

const struct skep__waiter *skep__jobs_next_waiter(const struct skep__jobs *jobs, const struct skep__job *job,
                                                  const struct skep__waiter *waiter) {
    return store(jobs)->next_waiter(job, waiter);
}

void skep__job_unclaimed(const struct skep__job *job) {
    job->queue->unclaimed++;
}

void skep__jobs_decline(const struct skep__batch *batch, int status, struct skep__put *put) {
    const struct skep__answer answer = {.n = batch->jobs.count - batch->first, .status = status};
    if (answer.n > 0) put->answered(put, &answer);
}

void skep__jobs_submit(struct skep__jobs *jobs, struct skep__queue *queue, const struct skep__batch *batch,
                       struct skep__put *put) {
    if (jobs->stopping) {
        skep__jobs_decline(batch, SKEP_ESTATE, put);
        return;
    }
    store(jobs)->put(jobs->store, queue->shelf, batch, now_ms(jobs), put);
    skep__ledger_say_keys(jobs);
}

void skep__jobs_tidy(struct skep__jobs *jobs) {
    if (jobs->store != NULL) skep__queues_tidy(jobs->queues, now_ms(jobs));
}
