/* SPDX-License-Identifier: MIT
 * The ledger of jobs: what becomes of each, from its acceptance to its end. */
#ifndef SKEP_JOBS_LEDGER_H
#define SKEP_JOBS_LEDGER_H

#include "broker.h"
#include "jobs/queues.h"

/* A worker's place at a queue. It may have window jobs of it: twice as many each time that it answers quickly, half
 * when it is slow. */
struct skep__consumer {
    LIST_ENTRY(skep__consumer) of_child;
    LIST_ENTRY(skep__consumer) of_queue;
    TAILQ_ENTRY(skep__consumer) turn; /* in queue.takers, by its capacity */
    skep_child *child;
    struct skep__queue *queue;
    unsigned concurrency; /* jobs that it works on at the same time */
    unsigned window;      /* at least concurrency */
    unsigned held;        /* jobs that it has */
    uint64_t job_ns;      /* that it handles most jobs in, lately; 0 as long as it has not said */
    unsigned suspects;    /* while a dead worker's jobs are judged: how many more it can have been working on */
    enum skep__capacity capacity;
    bool ahead;        /* it has jobs that it cannot begin at once, as far as the broker knows */
    bool starved;      /* it had all of its window at some time since it was last judged */
    uint64_t grown_at; /* deliveries before this one were in a smaller window */
};

/* --- ledger_put.c --- */

/* Opens the store. Its bounds and the time of keys are from here on what the settings say now. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__ledger_open(skep_cluster *cluster);

/* Deletes all jobs, without notifications. */
void skep__ledger_close(skep_cluster *cluster);

/* The number of jobs that are not done and not dead. */
uint64_t skep__ledger_unfinished(const skep_cluster *cluster);

/* How many of them would be lost by a stop: all that no worker has begun, or with now all. *dead: dead letters. While
 * the cluster stops only what it would still let workers finish: with now, the jobs that they have begun. */
uint64_t skep__ledger_losable(const skep_cluster *cluster, bool now, uint64_t *dead);

/* To be called when the cluster begins to stop and when a worker is gone: when nobody is left to do the jobs, an error
 * event says how many are lost. */
void skep__ledger_check_lost(skep_cluster *cluster);

/* How often a job of the queue is tried, if its submitter wants that; 0: it has not said. */
uint16_t skep__ledger_attempts(const skep_cluster *cluster, const struct skep__queue *queue, uint64_t wanted);

/* The queue of a name, for a submission; made if it is not there. NULL: queues.failure says why, SKEP_ENOMEM also while
 * none is to be made. */
struct skep__queue *skep__ledger_queue(skep_cluster *cluster, const char *name, size_t size_bytes);

/* Puts jobs; put gets the answers, at once or later: see store.h. dispatch must follow. Statuses are those of the
 * store's put, and SKEP_ESTATE. */
void skep__ledger_submit(skep_cluster *cluster, struct skep__queue *queue, const struct skep__batch *batch,
                         struct skep__put *put);

/* Answers each job of a batch with a status. */
void skep__ledger_decline(const struct skep__batch *batch, int status, struct skep__put *put);

/* To be called for each answer that declines a job. */
void skep__ledger_refused(skep_cluster *cluster, int status);

/* Gives out what is ready, of all queues. */
void skep__ledger_dispatch(skep_cluster *cluster);

/* Says that keys were forgotten before their time, if that was not said a moment ago. */
void skep__ledger_say_keys(skep_cluster *cluster);

/* Call it repeatedly: removes unused queues. */
void skep__ledger_tidy(skep_cluster *cluster);

/* --- ledger.c --- */

/* What the store tells the ledger; the context is the cluster. */
extern const struct skep__store_events skep__ledger_store_events;

/* Answers of a worker's. Errors: SKEP_EPROTO, with *why. */
SKEP_MUST_USE int skep__ledger_completed(skep_child *child, const struct skep_command_completed *completed,
                                         const char **why);
void skep__ledger_retry(skep_child *child, const struct skep_command_retry *retry);
void skep__ledger_fail(skep_child *child, const struct skep_command_fail *fail);
void skep__ledger_released(skep_child *child, const struct skep_command_released *released);
void skep__ledger_extend(skep_child *child, const struct skep_command_extend *extend);

/* The job has failed with a worker, which had let go of it: it is tried again after delay_ms (0: the queue's backoff),
 * or is a dead letter. */
void skep__ledger_put_off(skep_cluster *cluster, struct skep__job *job, uint64_t delay_ms,
                          const struct skep_bytes *reason, const struct skep__exit_record *record);

/* The same, but nobody knows whether the worker began it: that is no failure. */
void skep__ledger_try_later(skep_cluster *cluster, struct skep__job *job);

/* The record of a worker that lives. */
struct skep__exit_record skep__ledger_held_by(const skep_child *child);

/* Makes a dead letter; reason may be empty, record NULL. Notifies the submitter. */
void skep__ledger_bury(skep_cluster *cluster, struct skep__job *job, const char *cause, const struct skep_bytes *reason,
                       const struct skep__exit_record *record);

/* Says at once what was held back of the dead letters. */
void skep__ledger_say_dead(skep_cluster *cluster);

/* Puts dead letters back, or forgets them: those of a queue, or (NULL) of all; only the one with an id, if that is not
 * 0. Returns how many. */
uint64_t skep__ledger_revive(skep_cluster *cluster, struct skep__queue *queue, uint64_t id);
uint64_t skep__ledger_drop(skep_cluster *cluster, struct skep__queue *queue, uint64_t id);

/* Rings when something in the store is due. To be called after a step that may have changed when. */
void skep__ledger_watch(skep_cluster *cluster);

/* --- ledger_lease.c --- */

/* How long a worker may work on a job. */
uint32_t skep__ledger_lease_ms(const skep_cluster *cluster, const struct skep__job *job);

/* When the lease of a job that the worker has ends, if it is not extended, and if it was begun at all; by the clock. */
uint64_t skep__ledger_lease_end_ms(const skep_child *child, const struct skep__job *job, uint64_t now_ms);

/* To be called before the claim of a job that has begun is used for another one: when it was begun is remembered. */
void skep__ledger_note_begun(const skep_child *child, struct skep__job *job, uint64_t now_ms);

/* To be called for each job that a worker is given. */
void skep__ledger_watch_lease(skep_child *child, const struct skep__job *job, uint64_t now_ms);

/* --- balance.c --- */

/* Whether a worker has begun a delivery that is not answered, as far as the broker can know. */
bool skep__is_begun(const skep_child *child, uint64_t delivery);

/* Takes a job that is reserved from the worker that has it. The caller then moves it to another state, and has
 * skep__consumers_update look again. False: the worker has begun it. */
bool skep__take_back(struct skep__job *job);

/* Takes back all that a worker has not begun; it is ready. dispatch must follow. */
void skep__take_back_all(skep_child *child);

/* Soon gives out what is ready, and what waits behind other jobs beside an idle worker, of all queues. */
void skep__balance_later(skep_cluster *cluster);

/* To be called after a step that may have left jobs of a queue waiting behind others beside an idle worker. */
void skep__balance_watch(skep_cluster *cluster, const struct skep__queue *queue);

/* To be called when a worker has answered: it is not lagging any more. consumers_update must follow. */
void skep__lag_end(skep_child *child);

/* --- ledger_death.c --- */

/* The worker's link has ended: if its process does not end soon too, its jobs go to others anyway. */
void skep__ledger_link_ended(skep_child *child);

/* The worker has ended: what it had goes to others, or to the dead letters. */
void skep__ledger_child_ended(skep_child *child);

/* How many jobs a worker has, or had when its link ended. */
uint64_t skep__ledger_jobs_of(const skep_child *child);

/* --- consumer.c --- */

/* A worker handles a queue. Errors: SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__consumer_add(skep_child *child, const struct skep_command_handle *handle);

/* Forgets a worker's places. Its jobs are the caller's concern. */
void skep__consumers_free(skep_child *child);

/* A job is not the worker's any more. */
void skep__consumer_let_go(struct skep__job *job);

/* The same for one that it had not begun: as if it had never been given. */
void skep__consumer_undo(struct skep__job *job);

/* The worker has done a job: whether it may have more from now on, or less. */
void skep__consumer_judge(const struct skep__job *job);

/* A worker reports how long it has handled jobs of a queue; times is not empty. */
void skep__consumer_timed(skep_child *child, const struct skep__queue *queue, const struct skep_histogram *times);

/* Looks again whether a worker can take jobs: its state, its inbox or what it has has changed. */
void skep__consumers_update(skep_child *child);

/* Brings what workers may have of a queue in line with its options. */
void skep__consumers_reset(struct skep__queue *queue);

/* Gives the ready jobs of a queue to the workers that can take them. */
void skep__dispatch_jobs(skep_cluster *cluster, struct skep__queue *queue);

/* The same for all queues of a worker. */
void skep__dispatch_child(skep_child *child);

#endif
