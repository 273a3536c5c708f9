/* SPDX-License-Identifier: MIT
 * What becomes of jobs, on its way to the broker: those that are done in a row share one acknowledgement. */
#include "page_claims.h"
#include "worker/private.h"

/* Their number is bounded by the broker's credit, so they may wait where messages may not. Without memory an answer is
 * lost: the job's lease ends then, as if this worker had died. */
static int send_answer(skep_worker *worker, const struct skep_command *command) {
    if (worker->link < 0) return SKEP_OK; /* the broker does not read it any more */
    int status = skep__outlet_add_answer(worker->outbox, command);
    if (status == SKEP_ECLOSED) return SKEP_OK; /* it has finished: what was not begun goes to others at its end */
    if (status != SKEP_OK) return status;
    worker->unconfirmed = true;
    skep__trace_command(worker->trace, SKEP__TRACE_WIRE, ">", worker->id, command);
    return SKEP_OK;
}

bool skep__worker_send_acks(skep_worker *worker) {
    struct skep__acks *acks = &worker->jobs.acks;
    struct skep_command command = {.id = SKEP_COMMAND_completed, .completed = {.delivery = acks->first}};
    if (acks->n == 0) return true;
    if (acks->n > 1) SKEP_SET(completed, &command.completed, n, acks->n);
    if (acks->listed) SKEP_SET(completed, &command.completed, results, skep__list_of(&acks->items, acks->n));
    if (send_answer(worker, &command) != SKEP_OK) {
        skep__flusher_mark(worker->flusher, &worker->jobs.flush); /* memory may be back on the next turn */
        return false;
    }
    acks->n = 0;
    acks->listed = false;
    skep__frame_clear(&acks->items);
    return true;
}

void skep__worker_gather(skep_worker *worker) {
    struct skep__acks *acks = &worker->jobs.acks;
    if (worker->jobs.flush.marked) return;
    skep__flusher_mark(worker->flusher, &worker->jobs.flush);
    acks->gathering_ns = uv_hrtime();
}

void skep__worker_pace(skep_worker *worker, uint64_t now_ns) {
    struct skep__acks *acks = &worker->jobs.acks;
    if (now_ns - acks->gathering_ns < acks->hold_ns) return;
    if (skep__worker_send_acks(worker)) skep__outlet_flush(worker->outbox);
    acks->gathering_ns = now_ns;
}

/* --- done --- */

static bool fits(const struct skep__acks *acks, const struct skep__worker_job *job) {
    if (acks->n == 0) return true;
    if (job->delivery != acks->first + acks->n || acks->n == UINT32_MAX) return false;
    if (!acks->listed && !job->has_result) return true;
    return acks->n < SKEP_MAX_LIST && acks->items.size_bytes + job->result.size_bytes <= SKEP_FULL_FRAME;
}

/* The first result of a range: the jobs before it have empty ones. */
static int begin_list(struct skep__acks *acks) {
    int status = SKEP_OK;
    for (uint32_t i = 0; i < acks->n && status == SKEP_OK; i++) status = skep__list_add(&acks->items, "", 0);
    acks->listed = status == SKEP_OK;
    if (status != SKEP_OK) skep__frame_clear(&acks->items);
    return status;
}

static int ack(skep_worker *worker, const struct skep__worker_job *job) {
    struct skep__acks *acks = &worker->jobs.acks;
    if (!fits(acks, job) && !skep__worker_send_acks(worker)) return SKEP_ENOMEM;
    int status = acks->listed || !job->has_result ? SKEP_OK : begin_list(acks);
    if (status == SKEP_OK && acks->listed)
        status = skep__list_add(&acks->items, job->has_result ? job->result.data : "",
                                job->has_result ? job->result.size_bytes : 0);
    if (status != SKEP_OK) return status;
    if (acks->n++ == 0) acks->first = job->delivery;
    return SKEP_OK;
}

/* --- not done --- */

static struct skep_bytes reason_of(const struct skep__worker_job *job) {
    return (struct skep_bytes){job->reason.data, job->reason.size_bytes};
}

static struct skep_command retry_of(const struct skep__worker_job *job) {
    struct skep_command command = {.id = SKEP_COMMAND_retry, .retry = {.delivery = job->delivery}};
    if (job->delay_ms > 0) SKEP_SET(retry, &command.retry, delay_ms, job->delay_ms);
    if (job->reason.size_bytes > 0) SKEP_SET(retry, &command.retry, reason, reason_of(job));
    return command;
}

static struct skep_command fail_of(const struct skep__worker_job *job) {
    struct skep_command command = {.id = SKEP_COMMAND_fail, .fail = {.delivery = job->delivery}};
    if (job->reason.size_bytes > 0) SKEP_SET(fail, &command.fail, reason, reason_of(job));
    return command;
}

/* The acknowledgements of the jobs before it go first: in the ledger's view things happen in the worker's order. */
static void send_in_turn(skep_worker *worker, const struct skep_command *command) {
    if (!skep__worker_send_acks(worker) || send_answer(worker, command) != SKEP_OK)
        skep__trace(worker->trace, SKEP__TRACE_WIRE, "out of memory to answer a job");
}

void skep__worker_answer(skep_worker *worker, const struct skep__worker_job *job, skep_verdict verdict) {
    skep__worker_gather(worker);
    if (verdict == SKEP_DONE && ack(worker, job) == SKEP_OK) return;
    /* Tried again also when there is no memory for its result */
    struct skep_command command = verdict == SKEP_FAILED ? fail_of(job) : retry_of(job);
    send_in_turn(worker, &command);
}

static void send_released(skep_worker *worker, uint64_t delivery, uint32_t n) {
    struct skep_command command = {.id = SKEP_COMMAND_released, .released = {.delivery = delivery}};
    if (n > 1) SKEP_SET(released, &command.released, n, n);
    if (n > 0) send_in_turn(worker, &command);
}

/* What the broker has taken back already is not given back. */
void skep__worker_release(skep_worker *worker, uint64_t delivery, uint32_t n) {
    uint64_t end = delivery + n, first = delivery;
    for (; delivery < end; delivery++) {
        if (skep__claim_release(worker->page, delivery)) continue;
        send_released(worker, first, (uint32_t)(delivery - first));
        first = delivery + 1;
    }
    send_released(worker, first, (uint32_t)(end - first));
}

/* --- extending --- */

/* While a handler works on something the loop sends nothing, and its time stands still. */
int skep_job_extend(skep_job *public_job) {
    struct skep__worker_job *job = (struct skep__worker_job *)public_job;
    skep_worker *worker = job->worker;
    struct skep_command command = {.id = SKEP_COMMAND_extend, .extend = {.delivery = job->delivery}};
    bool now = worker->jobs.running != NULL;
    if (worker->link < 0) return SKEP_ECLOSED;
    if (now && !skep__worker_send_acks(worker)) return SKEP_ENOMEM;
    int status = skep__worker_queue(worker, &command);
    if (status != SKEP_OK) return status;
    if (now && !skep__outlet_flush(worker->outbox)) return SKEP_EAGAIN;
    uv_update_time(worker->loop);
    job->job.deadline_ms = uv_now(worker->loop) + job->lease_ms;
    return SKEP_OK;
}
