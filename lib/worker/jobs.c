/* SPDX-License-Identifier: MIT
 * Jobs: from frames to handlers. A job that is not kept costs no memory, and one look at the clock: handlers see one
 * scratch object, whose data are those of the frame; the end of one job is the beginning of the next. */
#include "page_claims.h"
#include "worker/private.h"

enum { DEFAULT_ATTEMPT = 1, MAX_CONCURRENCY = UINT16_MAX };

/* --- objects --- */

/* What all jobs of a command have in common; data follow. */
static void prepare(struct skep__worker_job *job, skep_worker *worker, struct skep__worker_queue *queue,
                    const struct skep_command_jobs *jobs, uint32_t index) {
    job->worker = worker;
    job->from = queue;
    job->delivery = jobs->delivery + index;
    job->lease_ms = (uint32_t)jobs->lease_ms;
    job->delay_ms = 0;
    job->verdict = SKEP_KEEP;
    job->has_result = false;
    job->result.size_bytes = job->reason.size_bytes = 0;
    job->job.queue = queue->name;
    job->job.id = jobs->id + index;
    job->job.attempt = SKEP_HAS(jobs, jobs, attempt) ? (unsigned)jobs->attempt : DEFAULT_ATTEMPT;
    job->job.redelivered = jobs->redelivered;
}

/* --- running --- */

static skep_verdict call_handler(skep_worker *worker, struct skep__worker_job *job) {
    struct skep_page *page = worker->page;
    __atomic_store_n(&page->running, job->delivery, __ATOMIC_RELEASE);
    worker->jobs.running = job;
    skep_verdict verdict = job->from->handler(worker, &job->job, job->from->context);
    worker->jobs.running = NULL;
    __atomic_store_n(&page->running, 0, __ATOMIC_RELEASE);
    return verdict == SKEP_KEEP ? job->verdict : verdict;
}

/* The frame goes, so the payload is copied. */
static bool own_payload(struct skep__worker_job *job) {
    if (job != job->worker->jobs.scratch) return true;
    job->worker->jobs.scratch = NULL;
    job->copy = malloc(job->job.size_bytes > 0 ? job->job.size_bytes : 1);
    if (job->copy != NULL && job->job.size_bytes > 0) memcpy(job->copy, job->job.data, job->job.size_bytes);
    job->job.data = job->copy;
    return job->copy != NULL;
}

/* The user has the object from now on, whatever happens. */
static void keep(skep_worker *worker, struct skep__worker_job *job) {
    job->kept = true;
    job->from->kept++;
    worker->jobs.kept_count++;
    LIST_INSERT_HEAD(&worker->jobs.kept, job, kept_entry);
    if (own_payload(job)) return;
    job->job.size_bytes = 0;
    job->answered = true;
    skep__worker_answer(worker, job, SKEP_RETRY);
}

/* Whether anything else on the loop comes first. */
static bool turn_is_over(struct skep__worker_jobs *jobs) {
    if (jobs->turn_began_ns == 0) jobs->turn_began_ns = jobs->looked_ns;
    return jobs->looked_ns - jobs->turn_began_ns >= jobs->turn_ns;
}

/* looked_ns must be of just before. What the broker has taken back is not begun: another worker has it. */
static void run(skep_worker *worker, struct skep__worker_job *job) {
    uint64_t begun_ns = worker->jobs.looked_ns, begun_ms = begun_ns / 1000000;
    if (!skep__claim_begin(worker->page, job->delivery, begun_ms)) {
        if (job != worker->jobs.scratch) skep__worker_free_job(job);
        return;
    }
    job->job.deadline_ms = begun_ms + job->lease_ms;
    skep_verdict verdict = call_handler(worker, job);
    uint64_t now_ns = worker->jobs.looked_ns = uv_hrtime();
    if (verdict == SKEP_KEEP) {
        job->begun_ns = begun_ns;
        keep(worker, job);
    } else {
        skep__worker_job_took(worker, job->from, now_ns - begun_ns);
        skep__worker_answer(worker, job, verdict);
        if (job != worker->jobs.scratch) skep__worker_free_job(job);
    }
    skep__worker_pace(worker, now_ns);
}

/* --- waiting --- */

static bool has_room(const struct skep__worker_queue *queue) {
    return queue->kept < queue->concurrency;
}

/* False: the turn is over, and something waits. */
static bool run_waiting(skep_worker *worker, struct skep__worker_queue *queue) {
    if (!STAILQ_EMPTY(&queue->waiting_jobs)) worker->jobs.looked_ns = uv_hrtime();
    while (has_room(queue)) {
        skep__worker_heed(worker);
        struct skep__worker_job *job = STAILQ_FIRST(&queue->waiting_jobs);
        if (job == NULL) return true;
        if (turn_is_over(&worker->jobs)) return false;
        STAILQ_REMOVE_HEAD(&queue->waiting_jobs, waiting_entry);
        run(worker, job);
    }
    return true;
}

/* Jobs that waited run here, not inside skep_job_complete: a handler may call that. The turn goes round. */
static void flush_jobs(struct skep__flush *flush) {
    skep_worker *worker = SKEP_CONTAINER(flush, skep_worker, jobs.flush);
    struct skep__worker_jobs *jobs = &worker->jobs;
    bool over = false;
    for (unsigned n = jobs->queue_count; n > 0 && !over; n--) {
        if (jobs->next_queue >= jobs->queue_count) jobs->next_queue = 0;
        over = !run_waiting(worker, &jobs->queues[jobs->next_queue++]);
    }
    jobs->turn_began_ns = 0;
    if (skep__worker_send_acks(worker)) skep__outlet_flush(worker->outbox);
    if (over) skep__worker_gather(worker);
    skep__worker_check_left(worker);
}

static bool hold(skep_worker *worker, struct skep__worker_queue *queue, const struct skep_command_jobs *jobs,
                 uint32_t index) {
    struct skep_bytes data = skep__list_at(&jobs->jobs, index);
    struct skep__worker_job *job = calloc(1, sizeof *job + data.size_bytes);
    if (job == NULL) return false;
    prepare(job, worker, queue, jobs, index);
    if (data.size_bytes > 0) memcpy(job->payload, data.data, data.size_bytes);
    job->job.data = job->payload;
    job->job.size_bytes = data.size_bytes;
    STAILQ_INSERT_TAIL(&queue->waiting_jobs, job, waiting_entry);
    return true;
}

/* --- receiving --- */

static bool is_named(const struct skep__worker_queue *queue, const char *name, size_t size_bytes) {
    return queue->name_bytes == size_bytes && memcmp(queue->name, name, size_bytes) == 0;
}

static struct skep__worker_queue *find_queue(skep_worker *worker, const char *name, size_t size_bytes) {
    struct skep__worker_jobs *jobs = &worker->jobs;
    if (jobs->latest != NULL && is_named(jobs->latest, name, size_bytes)) return jobs->latest;
    for (unsigned i = 0; i < jobs->queue_count; i++)
        if (is_named(&jobs->queues[i], name, size_bytes)) return jobs->latest = &jobs->queues[i];
    return NULL;
}

static bool run_now(skep_worker *worker, struct skep__worker_queue *queue, const struct skep_command_jobs *jobs,
                    uint32_t index) {
    struct skep_bytes data = skep__list_at(&jobs->jobs, index);
    if (worker->jobs.scratch == NULL) worker->jobs.scratch = calloc(1, sizeof *worker->jobs.scratch);
    struct skep__worker_job *job = worker->jobs.scratch;
    if (job == NULL) return false;
    prepare(job, worker, queue, jobs, index);
    job->job.data = data.data;
    job->job.size_bytes = data.size_bytes;
    run(worker, job);
    return true;
}

/* Takes jobs in their order; returns how many. A handler or a signal may make the worker leave, then the rest go back.
 */
static uint32_t take(skep_worker *worker, struct skep__worker_queue *queue, const struct skep_command_jobs *jobs) {
    for (uint32_t i = 0; i < jobs->jobs.count; i++) {
        skep__worker_heed(worker);
        if (worker->phase >= SKEP__WORKER_LEAVING) return i;
        bool now = has_room(queue) && STAILQ_EMPTY(&queue->waiting_jobs) && !turn_is_over(&worker->jobs);
        if (!(now ? run_now : hold)(worker, queue, jobs, i)) return i;
    }
    return jobs->jobs.count;
}

void skep__worker_jobs_received(skep_worker *worker, const struct skep_command_jobs *jobs) {
    struct skep__worker_queue *queue = find_queue(worker, jobs->queue.data, jobs->queue.size_bytes);
    if (queue != NULL) {
        skep__worker_gather(worker);
        worker->jobs.looked_ns = uv_hrtime();
    }
    uint32_t taken = queue != NULL ? take(worker, queue, jobs) : 0;
    if (taken < jobs->jobs.count) skep__worker_release(worker, jobs->delivery + taken, jobs->jobs.count - taken);
}

/* --- the user's calls --- */

static int tell_handle(skep_worker *worker, const char *name, size_t size_bytes, unsigned concurrency) {
    struct skep_command command = {.id = SKEP_COMMAND_handle, .handle = {.queue = {name, size_bytes}}};
    if (concurrency != 1) SKEP_SET(handle, &command.handle, concurrency, concurrency);
    int status = skep__worker_tell(worker, &command);
    return status == SKEP_OK ? SKEP_OK : skep__worker_fail(worker, status, "%s: %s", name, skep_strerror(status));
}

static int add_queue(skep_worker *worker, const char *name, size_t size_bytes) {
    struct skep__worker_jobs *jobs = &worker->jobs;
    if (jobs->queue_count == SKEP__MAX_HANDLED)
        return skep__worker_fail(worker, SKEP_ETOOBIG, "%s: a worker handles 64 queues at most", name);
    if (worker->phase >= SKEP__WORKER_LEAVING)
        return skep__worker_fail(worker, SKEP_ECLOSED, "%s: this worker is leaving", name);
    int status = tell_handle(worker, name, size_bytes, 1);
    if (status != SKEP_OK) return status;
    struct skep__worker_queue *queue = &jobs->queues[jobs->queue_count++];
    *queue = (struct skep__worker_queue){.name_bytes = size_bytes, .concurrency = 1};
    memcpy(queue->name, name, size_bytes);
    STAILQ_INIT(&queue->waiting_jobs);
    jobs->latest = queue;
    jobs->flush.flush = flush_jobs;
    return SKEP_OK;
}

int skep_on_job(skep_worker *worker, const char *name, skep_job_cb handler, void *context) {
    size_t size_bytes = strlen(name);
    if (size_bytes == 0 || size_bytes > SKEP_MAX_NAME || handler == NULL)
        return skep__worker_fail(worker, SKEP_EINVAL, "a queue needs a name of 1 to 64 bytes, and a handler");
    struct skep__worker_queue *queue = find_queue(worker, name, size_bytes);
    int status = queue != NULL ? SKEP_OK : add_queue(worker, name, size_bytes);
    if (status != SKEP_OK) return status;
    queue = worker->jobs.latest;
    queue->handler = handler;
    queue->context = context;
    return SKEP_OK;
}

int skep_job_concurrency(skep_worker *worker, const char *name, unsigned jobs) {
    struct skep__worker_queue *queue = find_queue(worker, name, strlen(name));
    if (queue == NULL) return skep__worker_fail(worker, SKEP_EINVAL, "%s: no handler for this queue", name);
    if (jobs == 0 || jobs > MAX_CONCURRENCY)
        return skep__worker_fail(worker, SKEP_EINVAL, "%s: 1 to %u jobs may be kept", name, MAX_CONCURRENCY);
    if (jobs == queue->concurrency) return SKEP_OK;
    int status = tell_handle(worker, queue->name, queue->name_bytes, jobs);
    if (status != SKEP_OK) return status;
    queue->concurrency = jobs;
    if (!STAILQ_EMPTY(&queue->waiting_jobs)) skep__worker_gather(worker);
    return SKEP_OK;
}
