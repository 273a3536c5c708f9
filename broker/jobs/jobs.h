/* SPDX-License-Identifier: MIT
 * Jobs, from their acceptance to their end, and which worker gets one. The room knows no processes: a worker is a
 * holder of jobs here, and who runs the room reports what happens to it. Everything belongs to the loop's thread. */
#ifndef SKEP_JOBS_JOBS_H
#define SKEP_JOBS_JOBS_H

#include "base/clock.h"
#include "common/flusher.h"
#include "histogram.h"
#include "jobs/disk/upkeep.h"
#include "jobs/store.h"
#include "transport/outlet.h"

struct skep__jobs;
struct skep__holder; /* a worker */
struct skep__queue;

/* --- what the room tells, and asks --- */

/* How a job ended; borrowed */
struct skep__job_end {
    int status;        /* SKEP_OK, SKEP_EDEAD; SKEP_ENOJOB: nothing is known (any more); or why it cannot be read */
    const char *cause; /* SKEP_EDEAD: static text */
    struct skep_bytes result; /* SKEP_EDEAD: the reason */
};

/* What becomes of jobs */
struct skep__job_events {
    /* A job whose outcome is wanted is done. */
    void (*finished)(void *context, const struct skep__job *job, const struct skep_bytes *result);
    /* It is a dead letter; cause is static text. */
    void (*died)(void *context, const struct skep__job *job, const char *cause, const struct skep_bytes *reason);
    /* An attempt at a job, whether its outcome is wanted or not, has failed, and it is tried again. NULL: nobody asks.
     */
    void (*failed)(void *context, const struct skep__job *job, const struct skep_bytes *reason);
    /* To one who waits for a job by its id, that has ended before: how, or why that is not known. */
    void (*recalled)(void *context, const struct skep__waiter *waiter, const struct skep__job_end *end);
    /* A worker was sent jobs. NULL: nobody asks. */
    void (*sent)(void *context, void *worker, const struct skep_command *jobs);
    /* A step is through that may have ended jobs: what has gathered may leave. */
    void (*settled)(void *context);
};

/* How a worker ends, as far as that is known */
struct skep__ending {
    const char *reason; /* static text: why it is ended from outside, by force; NULL: it is not */
    bool asked;         /* it was asked to leave, or said so */
    int code, signal;   /* -1: not in this way, or not known */
    uint64_t uptime_ms;
};

/* Who runs the room. worker is what was given with the holder; NULL: it is about no worker. */
struct skep__jobs_host {
    void (*error)(void *context, void *worker, const char *text);
    /* The same on a later turn of the loop, since a call of the user's may be the cause. */
    void (*error_later)(void *context, const char *text);
    /* Jobs became dead letters. */
    void (*dead)(void *context, const char *text);
    /* For want of memory something was refused or dropped. */
    void (*lack)(void *context, const char *text);
    /* The reserve is missing. The host takes it again when it can, and calls skep__jobs_memory_back. */
    void (*out_of_memory)(void *context);
    void (*ending)(const void *worker, struct skep__ending *ending);
};

/* --- life --- */

/* What the room is given. All of it outlives the room. */
struct skep__jobs_setup {
    struct skep__clock *clock; /* of leases, delays and all else that is said in times */
    struct skep__clock *pace;  /* of what keeps workers busy, in milliseconds of real time; a broker has one clock */
    struct skep__flusher *flusher;
    struct skep__reserve *reserve;         /* NULL: memory is not watched */
    const skep_settings *settings;         /* read when they are needed; those of the store when it is opened */
    uv_loop_t *loop;                       /* of a store that writes; NULL: nothing is durable, whatever is set */
    unsigned trace;                        /* a mask of trace.h */
    const struct skep__job_events *events; /* failed and sent may be missing */
    const struct skep__jobs_host *host;    /* all are there */
    void *context;                         /* of events and host */
};

/* Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__jobs_new(struct skep__jobs **jobs, const struct skep__jobs_setup *setup);

/* After skep__jobs_close; there are no holders any more. Sets *jobs to NULL. NULL is allowed. */
void skep__jobs_free(struct skep__jobs **jobs);

/* Whether a queue was set up to be durable. */
bool skep__jobs_want_disk(const struct skep__jobs *jobs);

/* Opens the store, and makes the queues that were set up, and those that it has from an earlier start. dir: for durable
 * jobs, which must be there and private, or servers of NATS; NULL: none is durable. Errors: SKEP_EQUEUES, SKEP_ENOMEM,
 * those of the disk: SKEP_EBUSY, SKEP_EVERSION, SKEP_EDIR, SKEP_ENOSPC, SKEP_ESYS, and those of skep__store_nats_new;
 * why says more, or is "". */
SKEP_MUST_USE int skep__jobs_open(struct skep__jobs *jobs, const char *dir, char why[SKEP_MAX_REASON + 1]);

/* Deletes all jobs, without notifications. */
void skep__jobs_close(struct skep__jobs *jobs);

/* Nothing more is accepted. What was held back of the dead letters is said at once. */
void skep__jobs_stop(struct skep__jobs *jobs);

/* To be called after the stop and when a worker is gone: when nobody is left to do the jobs, an error says how many are
 * lost. */
void skep__jobs_check_lost(struct skep__jobs *jobs);

/* There may be memory again: gives out what waited for it. */
void skep__jobs_memory_back(struct skep__jobs *jobs);

/* To be called before a clock that is moved by hand is moved: what workers have begun has begun by then. */
void skep__jobs_note_begun(struct skep__jobs *jobs);

/* Call it now and then: forgets queues that are empty and unused. */
void skep__jobs_tidy(struct skep__jobs *jobs);

/* --- queues: made when they are named --- */

/* Replaces the settings of a queue, as skep_setup_queue, whether a store is open yet or not. Errors: SKEP_EINVAL,
 * SKEP_EQUEUES, SKEP_ENOMEM; why says more. */
SKEP_MUST_USE int skep__jobs_set_up_queue(struct skep__jobs *jobs, const char *name, const skep_queue_options *options,
                                          char why[SKEP_MAX_REASON + 1]);

/* The queue of a name; NULL: it is not there, or no store is open. Borrowed until the next queue is made. */
struct skep__queue *skep__jobs_find_queue(struct skep__jobs *jobs, const char *name, size_t size_bytes);

/* The same for a submission: made if it is not there. NULL: *status is SKEP_EINVAL (its name), SKEP_EQUEUES or
 * SKEP_ENOMEM, the latter also while none is to be made. */
struct skep__queue *skep__jobs_get_queue(struct skep__jobs *jobs, const char *name, size_t size_bytes, int *status);

const char *skep__queue_name(const struct skep__queue *queue);

/* A paused queue hands nothing out. False: it was so already. */
bool skep__jobs_pause(struct skep__jobs *jobs, struct skep__queue *queue, bool paused);

/* --- submitting --- */

/* How often a job of the queue is tried, if its submitter wants that; 0: it has not said. */
uint16_t skep__jobs_attempts(const struct skep__jobs *jobs, const struct skep__queue *queue, uint64_t wanted);

/* Whether its jobs outlast the broker; a put is answered later then, else before it returns. */
bool skep__queue_is_durable(const struct skep__queue *queue);

/* Puts jobs; put gets the answers, at once or later: see store.h. skep__jobs_dispatch_queue must follow. Statuses are
 * those of the store's put, and SKEP_ESTATE (stopping). */
void skep__jobs_submit(struct skep__jobs *jobs, struct skep__queue *queue, const struct skep__batch *batch,
                       struct skep__put *put);

/* Answers each job of a batch with a status. */
void skep__jobs_decline(const struct skep__batch *batch, int status, struct skep__put *put);

/* To be called for each answer that declines a job. */
void skep__jobs_refused(struct skep__jobs *jobs, int status);

/* Gives out what is ready, of all queues, or of one. */
void skep__jobs_dispatch(struct skep__jobs *jobs);
void skep__jobs_dispatch_queue(struct skep__jobs *jobs, struct skep__queue *queue);

/* In finished and died: removes and returns those who wait for the job's outcome, as next_waiter of store.h. */
const struct skep__waiter *skep__jobs_next_waiter(const struct skep__jobs *jobs, const struct skep__job *job,
                                                  const struct skep__waiter *waiter);

/* Its result has reached nobody. */
void skep__job_unclaimed(const struct skep__job *job);

/* --- single jobs --- */

/* The job of an id that is in memory; NULL: there is none, or a change of it is not complete. Borrowed, as long as
 * nothing happens to it. */
struct skep__job *skep__jobs_find(const struct skep__jobs *jobs, uint64_t id);

/* Looking for one job */
struct skep__inquiry {
    TAILQ_ENTRY(skep__inquiry) entry; /* in jobs.inquiries while it waits */
    struct skep__jobs *jobs;
    struct skep__recall recall; /* its id, and whether the job is to be cancelled if it is stored only */
    bool patient;               /* waits until a change of the job is complete */
    void (*found)(struct skep__inquiry *inquiry, struct skep__job *job); /* in memory */
    void (*elsewhere)(struct skep__inquiry *inquiry, int status, const struct skep__record *record);
};

/* A question about one job. The asker's, and stays until it is answered. */
struct skep__job_question {
    /* status SKEP_OK: answer is jobStatus, jobEnded or cancelled; borrowed. Else why has one line: SKEP_ENOJOB (not
     * known, or not any more), and what the store's medium may say; of a job that is to be cancelled also SKEP_EBEGUN,
     * SKEP_EENDED, SKEP_EAGAIN. */
    void (*answered)(struct skep__job_question *question, int status, const char *why,
                     const struct skep_command *answer);
    struct skep__inquiry inquiry; /* the room's, as what follows */
    const char *was;              /* the state that it was cancelled in; NULL: it was not yet */
    char queue[SKEP_MAX_NAME + 1];
};

/* Asks how the job of an id is, or has it cancelled: it is not done any more, who waits for it hears that it is dead
 * with the cause cancelled; a dead letter is forgotten. Not if a worker works on it. Answered before it returns or
 * later; of a durable job, when that is written. */
void skep__jobs_ask(struct skep__jobs *jobs, struct skep__job_question *question, uint64_t id, bool cancels);

/* A client waits for the outcome of the job of an id, under a number of its own: events.finished, died or recalled
 * tell it, before this returns or later. Asked twice it is told once. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__jobs_await(struct skep__jobs *jobs, uint64_t id, uint32_t client, uint64_t number);

/* In finished and died, behind next_waiter: takes out one who waits for the job by its id. False: there is none. */
bool skep__jobs_next_awaiting(struct skep__jobs *jobs, uint64_t id, struct skep__waiter *waiter);

/* The client is gone: it waits for no job by its id any more. */
void skep__jobs_forget_client(struct skep__jobs *jobs, uint32_t client);

/* What tells apart where durable jobs are kept; 0: nowhere. */
uint64_t skep__jobs_identity(const struct skep__jobs *jobs);

/* By the clock: when a delayed one becomes ready, or the lease of a reserved one ends, as far as is known; 0: else. */
uint64_t skep__job_due_ms(const struct skep__jobs *jobs, const struct skep__job *job);

/* The host's worker that has it; NULL: none has. */
void *skep__job_worker(const struct skep__job *job);

/* Somebody else than a worker has done a job that is ready or delayed, or gives it up; cause is static text. Errors:
 * SKEP_ESTATE (a worker has it, or it is a dead letter). */
SKEP_MUST_USE int skep__job_finish(struct skep__jobs *jobs, struct skep__job *job, const struct skep_bytes *result);
SKEP_MUST_USE int skep__job_give_up(struct skep__jobs *jobs, struct skep__job *job, const char *cause,
                                    const struct skep_bytes *reason);

/* --- workers --- */

struct skep__worker_facts {
    void *worker;                  /* the host's */
    const skep_settings *settings; /* of its group */
    uint32_t id;
    pid_t pid;
    struct skep_page *page; /* shared with it; NULL: it has none. Outlives the holder's end */
};

/* One that is not ready. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__holder_new(struct skep__holder **holder, struct skep__jobs *jobs,
                                   const struct skep__worker_facts *facts);

/* After skep__jobs_worker_ended, unless it never had anything. Sets *holder to NULL. NULL is allowed. */
void skep__holder_free(struct skep__holder **holder);

/* Where its jobs are sent; to be called before it is ready. */
void skep__holder_set_inbox(struct skep__holder *holder, struct skep__outlet *inbox);

/* It handles a queue. Errors: SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__jobs_handle(struct skep__holder *holder, const struct skep_command_handle *handle);

/* It may be given jobs. */
void skep__jobs_worker_ready(struct skep__holder *holder);

/* It gets no more jobs, and answers what it has. */
void skep__jobs_worker_leaving(struct skep__holder *holder);

/* Its link has ended: if its process does not end soon too, its jobs go to others anyway. */
void skep__jobs_link_closed(struct skep__holder *holder);

/* It has ended: what it had goes to others, or to the dead letters. */
void skep__jobs_worker_ended(struct skep__holder *holder);

/* Its inbox, which was full, has drained. */
void skep__jobs_inbox_drained(struct skep__holder *holder);

/* The connection to its inbox was made again: what may have been lost on its way is sent again. */
void skep__jobs_inbox_cut(struct skep__holder *holder);

/* Whether it has not answered a delivery yet; *job is what it was, NULL: its lease has ended. */
bool skep__holder_owes(struct skep__holder *holder, uint64_t delivery, const struct skep__job **job);

/* Whether it has begun all that it can begin at the same time, as far as is known. */
bool skep__holder_has_begun(struct skep__holder *holder);

/* Its answers. skep__jobs_dispatch_to must follow. Errors: SKEP_EPROTO, with *why. */
SKEP_MUST_USE int skep__jobs_completed(struct skep__holder *holder, const struct skep_command_completed *completed,
                                       const char **why);
void skep__jobs_retried(struct skep__holder *holder, const struct skep_command_retry *retry);
void skep__jobs_failed(struct skep__holder *holder, const struct skep_command_fail *fail);
void skep__jobs_released(struct skep__holder *holder, const struct skep_command_released *released);
void skep__jobs_extended(struct skep__holder *holder, const struct skep_command_extend *extend);

/* Gives it what it can take. */
void skep__jobs_dispatch_to(struct skep__holder *holder);

/* How long a worker (NULL: one that is gone) took for jobs of a queue. That decides how many it is given at once.
 * Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__jobs_timed(struct skep__queue *queue, struct skep__holder *holder,
                                   const struct skep_histogram *times);

/* --- dead letters --- */

/* Puts dead letters back, or forgets them: those of a queue, or (NULL) of all; only the one with an id, if that is not
 * 0. Returns how many. */
uint64_t skep__jobs_revive(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t id);
uint64_t skep__jobs_drop(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t id);

/* --- status --- */

/* The number of jobs that are not done and not dead. */
uint64_t skep__jobs_unfinished(const struct skep__jobs *jobs);

/* How many of them would be lost by a stop, since they are in memory only: all that no worker has begun, or with now
 * all. *dead: dead letters. After skep__jobs_stop only what would still be finished: with now, the jobs that workers
 * have begun. */
uint64_t skep__jobs_losable(const struct skep__jobs *jobs, bool now, uint64_t *dead);

/* How many jobs a worker has, or had when its link ended. */
uint64_t skep__jobs_had(const struct skep__holder *holder);

/* Adds the room's part to the status of the broker, and to that of a worker. */
void skep__jobs_status(const struct skep__jobs *jobs, struct skep_command_brokerStatus *status);
void skep__jobs_worker_status(const struct skep__holder *holder, struct skep_command_workerStatus *status);

/* Append the status of each queue; of the first n jobs of one; of the n dead letters of one, or (NULL) of all, that
 * come after the one with an id, or (0) of the first. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__jobs_add_queues(struct skep__jobs *jobs, struct skep_frame *frame);
SKEP_MUST_USE int skep__jobs_add_peek(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t n,
                                      struct skep_frame *frame);
SKEP_MUST_USE int skep__jobs_add_dead(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t after, uint64_t n,
                                      struct skep_frame *frame);

#endif
