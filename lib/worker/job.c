/* SPDX-License-Identifier: MIT
 * One job: what its handler may call, and the end of those that wait or are kept. */
#include "worker/private.h"

enum { CONTINUED_MASK = 0xc0, CONTINUED = 0x80 };

void skep__worker_free_job(struct skep__worker_job *job) {
    if (job == NULL) return;
    skep__frame_free(&job->result);
    skep__frame_free(&job->reason);
    free(job->copy);
    free(job);
}

/* --- the user's calls --- */

int skep_job_result(skep_job *public_job, const void *data, size_t size_bytes) {
    struct skep__worker_job *job = (struct skep__worker_job *)public_job;
    if (size_bytes > SKEP_MAX_PAYLOAD) return SKEP_ETOOBIG;
    struct skep_frame result = job->result;
    skep__frame_clear(&result);
    int status = skep__frame_append(&result, data, size_bytes);
    if (status != SKEP_OK) return status;
    job->result = result;
    job->has_result = true;
    return SKEP_OK;
}

void skep_job_delay(skep_job *job, uint32_t delay_ms) {
    ((struct skep__worker_job *)job)->delay_ms = delay_ms;
}

/* No more than may be sent, and no part of a UTF-8 character. */
static size_t reason_bytes(const char *reason) {
    size_t size_bytes = strnlen(reason, SKEP_MAX_REASON + 1);
    if (size_bytes <= SKEP_MAX_REASON) return size_bytes;
    size_bytes = SKEP_MAX_REASON;
    for (unsigned i = 0; i < 3 && ((unsigned char)reason[size_bytes] & CONTINUED_MASK) == CONTINUED; i++) size_bytes--;
    return size_bytes;
}

void skep_job_reason(skep_job *public_job, const char *reason) {
    struct skep__worker_job *job = (struct skep__worker_job *)public_job;
    skep__frame_clear(&job->reason);
    if (skep__frame_append(&job->reason, reason, reason_bytes(reason)) != SKEP_OK) return; /* none rather than a part */
}

void skep_job_complete(skep_job *public_job, skep_verdict verdict) {
    struct skep__worker_job *job = (struct skep__worker_job *)public_job;
    skep_worker *worker = job->worker;
    if (verdict == SKEP_KEEP) verdict = SKEP_RETRY;
    if (!job->kept) { /* its handler has not returned yet */
        job->verdict = verdict;
        return;
    }
    LIST_REMOVE(job, kept_entry);
    worker->jobs.kept_count--;
    job->from->kept--;
    skep__worker_job_took(worker, job->from, uv_hrtime() - job->begun_ns);
    if (worker->link >= 0) skep__worker_gather(worker); /* for those that wait */
    if (worker->link >= 0 && !job->answered) skep__worker_answer(worker, job, verdict);
    skep__worker_free_job(job);
}

uint64_t skep_worker_jobs(const skep_worker *worker) {
    return worker->jobs.kept_count;
}

/* --- those that do not run --- */

/* Deliveries of a queue grow, with gaps where those of others are. */
static void release_waiting(skep_worker *worker, struct skep__worker_queue *queue) {
    uint64_t first = 0;
    uint32_t n = 0;
    for (struct skep__worker_job *job; (job = STAILQ_FIRST(&queue->waiting_jobs)) != NULL;) {
        STAILQ_REMOVE_HEAD(&queue->waiting_jobs, waiting_entry);
        if (n > 0 && job->delivery != first + n) {
            skep__worker_release(worker, first, n);
            n = 0;
        }
        if (n++ == 0) first = job->delivery;
        skep__worker_free_job(job);
    }
    if (n > 0) skep__worker_release(worker, first, n);
}

void skep__worker_release_jobs(skep_worker *worker) {
    for (unsigned i = 0; i < worker->jobs.queue_count; i++) release_waiting(worker, &worker->jobs.queues[i]);
}

void skep__worker_free_jobs(skep_worker *worker) {
    struct skep__worker_jobs *jobs = &worker->jobs;
    for (unsigned i = 0; i < jobs->queue_count; i++)
        for (struct skep__worker_job *job; (job = STAILQ_FIRST(&jobs->queues[i].waiting_jobs)) != NULL;) {
            STAILQ_REMOVE_HEAD(&jobs->queues[i].waiting_jobs, waiting_entry);
            skep__worker_free_job(job);
        }
    for (struct skep__worker_job *job; (job = LIST_FIRST(&jobs->kept)) != NULL;) {
        LIST_REMOVE(job, kept_entry);
        skep__worker_free_job(job);
    }
    skep__worker_free_job(jobs->scratch);
    jobs->scratch = NULL;
    skep__frame_free(&jobs->acks.items);
}
