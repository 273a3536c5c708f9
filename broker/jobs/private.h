/* SPDX-License-Identifier: MIT
 * The state of jobs/, and what its files share. They stand on each other in the order in which they come here: what is
 * told and when; a worker's places; who is given what; what becomes of each job. */
#ifndef SKEP_JOBS_PRIVATE_H
#define SKEP_JOBS_PRIVATE_H

#include "common/trace.h"
#include "jobs/deliveries.h"
#include "jobs/jobs.h"

TAILQ_HEAD(skep__holders, skep__holder);
SLIST_HEAD(skep__settings_of_queues, skep__queue_settings);
TAILQ_HEAD(skep__inquiries, skep__inquiry);

struct skep__jobs {
    struct skep__clock *clock, *pace;
    struct skep__flusher *flusher;
    struct skep__reserve *reserve; /* NULL: memory is not watched */
    const skep_settings *settings;
    uv_loop_t *loop; /* NULL: nothing is written */
    unsigned trace;
    const struct skep__job_events *events;
    const struct skep__jobs_host *host;
    void *context; /* of both */
    bool stopping; /* nothing more is accepted */

    struct skep__store *store;
    struct skep__queues *queues; /* of the store */
    struct skep__settings_of_queues queue_settings;
    struct skep__holders holders;
    struct skep__inquiries inquiries; /* that wait until a change of their job is complete */
    struct skep__awaited *awaited;    /* jobs that are waited for by their ids */

    struct skep__alarm due_alarm;               /* when something in the store is due */
    struct skep__alarm balance_alarm;           /* when jobs that were sent ahead have waited for long enough */
    struct skep_bytes run_items[SKEP_MAX_LIST]; /* of the jobs command being made */
    struct skep__alarm dead_alarm;              /* while it is set, dead letters were announced a moment ago */
    uint64_t dead_unsaid;                       /* dead letters since then */
    char dead_text[SKEP_MAX_REASON + 1];        /* about these */
    uint64_t stray_answers;                     /* to deliveries that a worker did not have, ever */
    uint64_t keys_forgotten_said;               /* store.forgotten_early at the latest report of it, */
    uint64_t keys_said_ms;                      /* and when that was, by the clock; 0: never */
    int trouble_status;                         /* the status that was said last */
    uint64_t trouble_said_ms;      /* when it was last said that the store is in trouble, by the pace; 0: never */
    struct skep__flush lost_flush; /* says which jobs a stop has left */
};

/* A worker, as far as jobs are concerned */
struct skep__holder {
    TAILQ_ENTRY(skep__holder) entry; /* in jobs.holders until it has ended */
    struct skep__jobs *jobs;
    void *worker;                  /* the host's */
    const skep_settings *settings; /* of its group */
    uint32_t id;
    pid_t pid;
    struct skep_page *page;
    struct skep__outlet *inbox;
    bool ready; /* it may be given jobs; else it only answers what it has */
    bool ended;

    LIST_HEAD(, skep__consumer) consumers; /* its places at queues */
    struct skep__deliveries deliveries;    /* the jobs that it has */
    size_t held_bytes;                     /* their payloads */
    bool stalled; /* the lease of one has ended: it gets no more until it answers, if there is another worker */
    uint64_t silent_since_ms; /* when that was, if it has answered nothing since, by the clock; 0: it has */
    bool lagging; /* it did not begin in time what it was sent: idle ones come first, for lag_ms or until it answers */
    unsigned lag_ms;                /* twice as long each time; 0: it has answered since */
    bool inbox_full;                /* until it drains */
    struct skep__alarm end_alarm;   /* after the end of its link */
    struct skep__alarm lease_alarm; /* when the first of its leases may end */
    struct skep__alarm lag_alarm;   /* set while it is lagging */
    uint64_t given_back;            /* jobs, by its death */
    uint64_t done;                  /* jobs, ever */
};

/* A worker's place at a queue. It may have window jobs of it: twice as many each time that it answers quickly, half
 * when it is slow. */
struct skep__consumer {
    LIST_ENTRY(skep__consumer) of_holder;
    LIST_ENTRY(skep__consumer) of_queue;
    TAILQ_ENTRY(skep__consumer) turn; /* in queue.takers, by its capacity */
    struct skep__holder *holder;
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

enum {
    SKEP__WAIT_MS = 2, /* that a job sent ahead has its chance: shorter waits are the rule when many are quick */
    SKEP__LAG_MS = 20  /* in which a worker begins what it need not let wait, and in which a handler is to return */
};

/* --- say.c --- */

/* Says an error about a worker, or (NULL) about none; on a later turn. */
SKEP_PRINTF(3, 4)
void skep__jobs_say(struct skep__jobs *jobs, const struct skep__holder *holder, const char *format, ...);
SKEP_PRINTF(2, 3) void skep__jobs_say_later(struct skep__jobs *jobs, const char *format, ...);

/* Whether the reserve is there. */
static inline bool skep__jobs_have_memory(const struct skep__jobs *jobs) {
    return jobs->reserve == NULL || jobs->reserve->block != NULL;
}

/* Whether so many bytes may be taken for long; the host hears if not. To be called also for what gives memory back in
 * the end: its answer does not count then. */
bool skep__jobs_allow(struct skep__jobs *jobs, size_t size_bytes);

/* There was no memory for a step: the reserve is given up. True if it is worth another try. */
bool skep__jobs_lack_memory(struct skep__jobs *jobs);

/* Whether any memory but the reserve is left is looked at. */
void skep__jobs_check_memory(struct skep__jobs *jobs);

/* --- begun.c --- */

/* Whether a worker has begun a delivery that is not answered, as far as the broker can know. */
bool skep__is_begun(const struct skep__holder *holder, uint64_t delivery);

/* How long a worker may work on a job. */
uint32_t skep__lease_ms(const struct skep__jobs *jobs, const struct skep__job *job);

/* When the lease of a job that the worker has ends, if it is not extended, and if it was begun at all; by the clock. */
uint64_t skep__lease_end_ms(const struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms);

/* To be called before the claim of a job that has begun is used for another one: when it was begun is remembered. */
void skep__note_begun(const struct skep__holder *holder, struct skep__job *job, uint64_t now_ms);

/* --- alarms.c --- */

/* Looks when something in the store is due. To be called after a step that may have changed when. */
void skep__due_watch(struct skep__jobs *jobs);

/* To be called for each job that a worker is given. */
void skep__lease_watch(struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms);

/* Looks at the worker's leases after so long, and not before. */
void skep__lease_look_in(struct skep__holder *holder, uint64_t ms);

/* For how long the queue need not be looked at: 0, if nobody has to. Jobs that were sent ahead wait at once, and others
 * if their worker does not get to them. */
uint64_t skep__balance_patience_ms(const struct skep__queue *queue);

/* To be called after a step that may have left jobs of a queue waiting behind others beside an idle worker. */
void skep__balance_watch(struct skep__jobs *jobs, const struct skep__queue *queue);

/* Looks at all queues after so long, or before. */
void skep__balance_in(struct skep__jobs *jobs, uint64_t ms);

/* --- consumer.c --- */

/* Gives a worker a place at a queue, or changes it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__consumer_set(struct skep__holder *holder, struct skep__queue *queue, unsigned concurrency);

/* Forgets a worker's places. Its jobs are the caller's concern. */
void skep__consumers_free(struct skep__holder *holder);

/* Looks again whether a worker can take jobs: whether it is ready, its inbox or what it has has changed. */
void skep__consumers_update(struct skep__holder *holder);

/* Brings what workers may have of a queue in line with its options. */
void skep__consumers_reset(struct skep__queue *queue);

/* If every worker of the queue has let a lease end, they get jobs all the same: these must end somewhere. */
void skep__consumers_rouse(struct skep__queue *queue);

bool skep__consumer_can_take(const struct skep__consumer *consumer);

/* Its turn is over. */
void skep__consumer_to_tail(struct skep__consumer *consumer);

/* The job whose claim the worker's next delivery needs; NULL: none. */
struct skep__job *skep__consumer_in_the_way(struct skep__holder *holder);

/* A job is not the worker's any more. */
void skep__consumer_let_go(struct skep__job *job);

/* The same for one that it had not begun: as if it had never been given. */
void skep__consumer_undo(struct skep__job *job);

/* Takes a job that is reserved from the worker that has it. The caller then moves it to another state, and has
 * skep__consumers_update look again. False: the worker has begun it. */
bool skep__take_back(struct skep__job *job);

/* The worker has done a job: whether it may have more from now on, or less. */
void skep__consumer_judge(const struct skep__job *job);

/* --- balance.c, which stands on dispatch.c --- */

/* Gives out what is ready, and what waits behind other jobs beside an idle worker, of all queues. */
void skep__balance(struct skep__alarm *alarm);

/* Takes back all that a worker has not begun; it is ready. dispatch must follow. */
void skep__take_back_all(struct skep__holder *holder);

/* To be called when a worker has answered: it is not lagging any more. consumers_update must follow. */
void skep__lag_end(struct skep__holder *holder);

/* --- status.c --- */

/* Static text */
const char *skep__job_state_name(const struct skep__job *job);

/* How a job is; what the command points to is borrowed from the job. */
void skep__job_status(const struct skep__jobs *jobs, const struct skep__job *job, struct skep_command *command);

/* --- inquiry.c --- */

/* Looks for the job of inquiry->recall.id, of which the rest is filled in by the caller: calls found or elsewhere,
 * once, before it returns or later. */
void skep__inquire(struct skep__jobs *jobs, struct skep__inquiry *inquiry);

/* Changes of jobs have been completed. */
void skep__inquiries_resume(struct skep__jobs *jobs);

/* Those that wait end with SKEP_ECLOSED. */
void skep__inquiries_end(struct skep__jobs *jobs);

/* --- awaited.c --- */

/* Whether somebody waits for the job of an id by that. */
bool skep__awaited_is(const struct skep__jobs *jobs, uint64_t id);

/* A job was stored, and is in memory from here on: its outcome is told to those who wait for it. */
void skep__awaited_note(struct skep__jobs *jobs, struct skep__job *job);

/* Nobody waits any more, and nobody is told. */
void skep__awaited_free(struct skep__jobs *jobs);

/* --- ledger_put.c --- */

/* Jobs that do not outlast the broker, and have not ended. */
uint64_t skep__jobs_volatile(const struct skep__jobs *jobs);

/* Says that keys were forgotten before their time, if that was not said a moment ago. */
void skep__ledger_say_keys(struct skep__jobs *jobs);

/* --- ledger.c --- */

/* What the store tells the ledger; the context is the room. */
extern const struct skep__store_events skep__ledger_store_events;

/* The job has failed with a worker, which had let go of it: it is tried again after delay_ms (0: the queue's backoff),
 * or is a dead letter. */
void skep__ledger_put_off(struct skep__jobs *jobs, struct skep__job *job, uint64_t delay_ms,
                          const struct skep_bytes *reason, const struct skep__exit_record *record);

/* The same, but nobody knows whether the worker began it: that is no failure. */
void skep__ledger_try_later(struct skep__jobs *jobs, struct skep__job *job);

/* The record of a worker that lives. */
struct skep__exit_record skep__ledger_held_by(const struct skep__holder *holder);

/* Makes a dead letter; reason may be empty, record NULL. Notifies the submitter. */
void skep__ledger_bury(struct skep__jobs *jobs, struct skep__job *job, const char *cause,
                       const struct skep_bytes *reason, const struct skep__exit_record *record);

/* Says at once what was held back of the dead letters. */
void skep__ledger_say_dead(struct skep__jobs *jobs);

/* Deals with what is due in the store. */
void skep__look_at_due(struct skep__alarm *alarm);

/* --- ledger_lease.c --- */

/* Ends the leases of a worker that have passed. */
void skep__look_at_leases(struct skep__alarm *alarm);

/* --- queue_settings.c --- */

/* Makes the queues in a new store and gives them their settings. Errors: SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__queue_settings_apply(struct skep__jobs *jobs);

void skep__queue_settings_free(struct skep__jobs *jobs);

#endif
