/* SPDX-License-Identifier: MIT
 * The client's side: submits jobs, sends messages to workers, asks and watches a broker.
 *
 * With a loop of the user's, or a worker's, everything happens by callbacks on that loop. Without one the client has a
 * loop of its own, which runs inside the functions named ..._wait: the blocking interface. All functions are called on
 * the loop's thread. No callback runs inside a call of the user's other than those. Pointers handed to a callback are
 * borrowed until it returns. */
#ifndef SKEP_CLIENT_H
#define SKEP_CLIENT_H

#include <skep/loop.h>
#include <skep/skep.h>
#include <skep/worker.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skep_client skep_client;

/* All optional: NULL options, or zero-initialised ones, mean the defaults. Strings are copied. */
typedef struct skep_client_options {
    const char *name;    /* of the broker's instance (default: "default") */
    const char *dir;     /* of the instance (default: SKEP_DIR, else by the name: see docs/running.md) */
    const char *url;     /* of the broker's control socket, instead of name and dir: ipc://DIR/control.GENERATION */
    skep_worker *worker; /* instead of name, dir and url: the broker and the loop of this worker; of the same user */
    uv_loop_t *loop;     /* must outlive the client (default: one of the client's own) */
    bool once;           /* a job without a key that a lost broker may have accepted is not submitted to its successor;
                            its status is SKEP_ECLOSED (default: it is, and may be done twice if it is durable) */
} skep_client_options;

/* Finds the broker and begins to join it; submissions and messages may follow at once and are sent when it has joined.
 * A broker that is restarted in the same directory is joined again (with url: only as long as its sockets last).
 * Errors: SKEP_ENOBROKER, SKEP_EACCES, SKEP_EDIR, SKEP_EURL, SKEP_EINVAL (also: SKEP_TRANSPORT names no transport),
 * SKEP_ENOMEM, SKEP_ESYS. Free with skep_client_free, before the worker or the loop. */
SKEP_MUST_USE int skep_client_new(skep_client **client, const skep_client_options *options);

/* Leaves: with a loop of its own when the broker has read what was sent, two seconds later at most; with another loop
 * at once, so that messages that the broker's socket did not take yet are lost. Pending callbacks are called with
 * SKEP_ECLOSED, inside this call; accepted jobs stay with the broker, the others may or may not be accepted. Sets
 * *client to NULL. NULL is allowed. Not from a callback. */
void skep_client_free(skep_client **client);

uv_loop_t *skep_client_loop(skep_client *client);

/* Why the latest failed call or answer failed, as one line; borrowed until the next call; never NULL. */
const char *skep_client_why(const skep_client *client);

/* Whether a broker has been joined, and is not known to have ended. */
bool skep_client_is_connected(const skep_client *client);

/* Called when a broker has been joined (status SKEP_OK, also each time after it was lost), when it was lost
 * (SKEP_ECLOSED), and each time that it refuses the client, which is tried again: SKEP_ECLIENTS, SKEP_EMFILE,
 * SKEP_ENOMEM, ...: skep_client_why has details. */
typedef void (*skep_client_state_cb)(skep_client *client, int status, void *context);
void skep_on_client_state(skep_client *client, skep_client_state_cb callback, void *context);

/* --- Jobs --- */

/* The result of a submission. SKEP_OK: the job is accepted, and will be done or become a dead letter. SKEP_EDUPLICATE:
 * a job with its key exists, or has ended recently; id is that job's. Not accepted: SKEP_EFULL, SKEP_EQUEUES (the
 * maximum of queues), SKEP_ESTATE (the broker is stopping), SKEP_ENOMEM. Unknown: SKEP_ECLOSED (skep_client_free was
 * called; or the broker has ended, with url, worker or once). Called once for each, in the order of submission. */
typedef void (*skep_accepted_cb)(skep_client *client, int status, uint64_t id, void *context);

/* The outcome of a job */
typedef struct skep_outcome {
    int status;       /* SKEP_OK: done. SKEP_EDEAD: a dead letter; so is the first job with its key, if it was
                         submitted as a duplicate of one. SKEP_ECLOSED: unknown, the broker has ended or the
                         connection from it was cut; that of a durable job is learnt from the next broker of the
                         directory, if it has the same jobs. SKEP_EDUPLICATE: the first job with its key was done
                         before, and its result is not kept; while that one waits or runs, its outcome is reported
                         here. Others: it was not accepted, as in skep_accepted_cb */
    const void *data; /* its result */
    size_t size_bytes;
    const char *cause;  /* SKEP_EDEAD: "attempts", "deaths", "interrupted", "expired", "refused" or "cancelled" (by an
                           operator or a client: it is no dead letter, but will not be done); else "" */
    const char *reason; /* SKEP_EDEAD: the reason that the worker gave, or how it ended; "" if the first job with its
                           key was a dead letter before; else "" */
} skep_outcome;
typedef void (*skep_outcome_cb)(skep_client *client, const skep_outcome *outcome, void *context);

/* Submits a job; the payload (at most 1 MiB) is copied. Jobs of one iteration of the loop are sent together. accepted
 * and outcome may be NULL. If a broker is lost before it has accepted the job, the job is submitted again to its
 * successor (unless once says otherwise); a durable one without a key may be there twice then. Submissions have
 * numbers, so one broker never accepts a job twice. Errors: SKEP_EAGAIN (more than 4 MiB, or 1,000,000 jobs, are not
 * yet accepted; see skep_on_client_drain), SKEP_ETOOBIG, SKEP_EINVAL (queue, options), SKEP_ENOMEM; then nothing was
 * submitted, and no callback follows. */
SKEP_MUST_USE int skep_submit(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                              const skep_job_options *options, skep_accepted_cb accepted, skep_outcome_cb outcome,
                              void *context);

/* The same for many jobs with the same options (no key), with callbacks for each. *submitted (may be NULL) is the
 * number submitted before an error. */
SKEP_MUST_USE int skep_submit_many(skep_client *client, const char *queue, const struct iovec *jobs, size_t count,
                                   const skep_job_options *options, skep_accepted_cb accepted, skep_outcome_cb outcome,
                                   void *context, size_t *submitted);

/* Waits for the outcome of a job by its id, whoever has submitted it: outcome is called once. SKEP_ENOJOB: nothing is
 * known of it, or not any more (how a durable job ended is kept for the broker's results time, others are forgotten
 * with their end). Errors: SKEP_EINVAL (id 0), SKEP_ENOMEM. */
SKEP_MUST_USE int skep_job_await(skep_client *client, uint64_t id, skep_outcome_cb outcome, void *context);

/* How a job is, or has ended */
typedef struct skep_job_info {
    uint64_t id;
    const char *queue;
    const char *state; /* "ready", "delayed", "reserved": a worker has it, "dead": a dead letter, "pending": a change is
                          being written. Of a durable job that has ended: "done", "cancelled", "dropped": it was a dead
                          letter */
    uint32_t attempt;  /* times it was begun; ended: 0 if that is not kept */
    uint32_t failures, deaths, interruptions; /* of these; workers that died of it; that ended before it was done */
    int priority;
    const char *key;   /* terminated; "" if it has none */
    uint64_t age_ms;   /* since it was accepted */
    uint64_t due_ms;   /* delayed: ready after this; reserved: its lease ends after this, 0 if it was not begun */
    uint64_t begun_ms; /* reserved: since it was begun, or its lease was extended */
    uint32_t worker;   /* reserved: who has it; dead: who had it last, as the following; 0 if that is not known */
    int32_t pid;
    int code, signal;    /* -1 if it did not end so */
    uint64_t size_bytes; /* of its payload */
    const char *cause;   /* dead, dropped: as in skep_outcome; else "" */
    const char *reason;  /* the same */
    const void *result;  /* done */
    size_t result_bytes;
    uint64_t ended_ms; /* ended or dead: when, since 1970; 0 if that is not kept */
} skep_job_info;

/* Asks how a job is, by its id. The callback is called exactly once: with SKEP_OK, or an error and NULL: SKEP_ENOJOB
 * (as above), SKEP_ECLOSED, SKEP_ETIMEDOUT, SKEP_ENOMEM; skep_client_why has details. Errors: SKEP_ECLOSED (no broker),
 * SKEP_ENOMEM, SKEP_ESYS; no callback follows. */
typedef void (*skep_job_status_cb)(skep_client *client, int status, const skep_job_info *info, void *context);
SKEP_MUST_USE int skep_job_status(skep_client *client, uint64_t id, skep_job_status_cb callback, void *context);

/* Cancels a job that no worker has begun: it will not be done, and who waits for its outcome hears SKEP_EDEAD with the
 * cause "cancelled". A dead letter is dropped. The callback is called exactly once, of a durable job when that is
 * written: with SKEP_OK and the state that it was in; or SKEP_EBEGUN (a worker works on it), SKEP_EENDED, SKEP_EAGAIN,
 * and the errors of skep_job_status (SKEP_ETIMEDOUT: it may be cancelled yet). Errors: as there. */
typedef void (*skep_job_cancel_cb)(skep_client *client, int status, const char *was, void *context);
SKEP_MUST_USE int skep_job_cancel(skep_client *client, uint64_t id, skep_job_cancel_cb callback, void *context);

/* Numbers of submissions that have not been accepted or declined, and of jobs whose outcome is pending. */
uint64_t skep_client_unaccepted(const skep_client *client);
uint64_t skep_client_unfinished(const skep_client *client);

/* At most half of the limit is not yet accepted: submissions that failed with SKEP_EAGAIN may be tried again. */
typedef void (*skep_client_drain_cb)(skep_client *client, void *context);
void skep_on_client_drain(skep_client *client, skep_client_drain_cb callback, void *context);

/* --- Messages --- */

/* A message to a worker: by id, or (worker 0) to one of the workers of a name in turn, or to all that
 * subscribed. Its sender is 0, as of the broker's messages. With neither id nor name it is for the broker's own
 * program, which takes no messages of clients: SKEP_ENOHANDLER comes back. Errors: SKEP_EAGAIN, SKEP_EINVAL,
 * SKEP_ETOOBIG, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_client_send(skep_client *client, uint32_t worker, const char *to_name, const char *name,
                                   const void *data, size_t size_bytes);
SKEP_MUST_USE int skep_client_broadcast(skep_client *client, const char *name, const void *data, size_t size_bytes);

/* The answer to a request, or why there is none, as in skep/worker.h; exactly once for each that was sent. */
typedef void (*skep_client_reply_cb)(skep_client *client, int status, const void *data, size_t size_bytes,
                                     void *context);
SKEP_MUST_USE int skep_client_request(skep_client *client, uint32_t worker, const char *to_name, const char *name,
                                      const void *data, size_t size_bytes, unsigned timeout_ms,
                                      skep_client_reply_cb callback, void *context);

/* A message without request that could not be forwarded. worker is 0 if it went to a name. */
typedef void (*skep_client_undelivered_cb)(skep_client *client, uint32_t worker, const char *name, int status,
                                           void *context);
void skep_on_client_undelivered(skep_client *client, skep_client_undelivered_cb callback, void *context);

/* --- Status and news --- */

typedef struct skep_queue_info {
    const char *name;
    uint64_t workers; /* that handle it now */
    bool unhandled;   /* no worker has ever handled it */
    uint64_t ready, reserved, delayed, dead;
    uint64_t submitted, done, redelivered; /* ever */
    uint64_t oldest_ms;                    /* age of the oldest job that is ready */
} skep_queue_info;

typedef struct skep_group_info {
    const char *name;
    uint32_t wanted, workers,
        ready;         /* workers that there are to be, that there are, and those of them that are ready */
    uint64_t restarts; /* ever */
    bool broken;       /* its breaker is open */
} skep_group_info;

typedef struct skep_worker_info {
    uint32_t id;
    int32_t pid;
    const char *name;
    const char *group; /* "" if there is but one */
    const char *state;
    uint64_t uptime_ms;
    uint64_t connections, accepted, requests;
} skep_worker_info;

typedef struct skep_broker_info {
    const char *name; /* of the instance */
    int32_t pid;
    const char *state; /* "running" or "stopping" */
    uint64_t uptime_ms;
    uint64_t accepted, requests, connections, restarts; /* of all workers, ever */
    const skep_group_info *groups;                      /* none from a broker of an earlier version */
    size_t group_count;
    const skep_worker_info *workers;
    size_t worker_count;
    const skep_queue_info *queues;
    size_t queue_count;
} skep_broker_info;

/* Asks for the broker's status. The callback is called exactly once: with SKEP_OK, or an error and NULL. */
typedef void (*skep_status_cb)(skep_client *client, int status, const skep_broker_info *info, void *context);
SKEP_MUST_USE int skep_client_status(skep_client *client, skep_status_cb callback, void *context);

/* A news item */
typedef struct skep_news {
    uint64_t seq;      /* grows by one from item to item */
    uint64_t lost;     /* items before this one that cannot be fetched any more */
    uint64_t time_ms;  /* events: wall clock, since 1970 */
    const char *event; /* "fork", "exit", …: as in skep/cluster.h. "broadcast" for messages to all, "totals" */
    uint32_t worker;   /* the worker concerned, or the sender; 0: the broker */
    int32_t pid;
    int code;           /* exit: -1 if a signal ended it */
    int signal;         /* exit: -1 if it exited */
    const char *reason; /* exit, error, dead; "" */
    const char *url;    /* listening; "" */
    const char *name;   /* broadcast; "" */
    const void *data;   /* broadcast */
    size_t size_bytes;
} skep_news;
typedef void (*skep_news_cb)(skep_client *client, const skep_news *news, void *context);

/* Watches the news from now on: each item once, in order; missed ones are requested again. A NULL callback ends it.
 * Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep_client_watch(skep_client *client, skep_news_cb callback, void *context);

/* --- The blocking interface: only for a client with a loop of its own. timeout_ms 0 means no timeout. --- */

/* Runs the loop until nothing is unaccepted (and, if outcomes is true, unfinished). Callbacks run meanwhile.
 * Errors: SKEP_ETIMEDOUT, SKEP_ESTATE (the loop is the user's). */
SKEP_MUST_USE int skep_client_wait(skep_client *client, bool outcomes, unsigned timeout_ms);

/* Runs the loop until more can be submitted after SKEP_EAGAIN. Errors: as above. */
SKEP_MUST_USE int skep_client_drain_wait(skep_client *client, unsigned timeout_ms);

/* Runs the loop for this time, for callbacks. Errors: SKEP_ESTATE. */
SKEP_MUST_USE int skep_client_run_wait(skep_client *client, unsigned duration_ms);

/* Submits a job and waits until it is accepted; *id may be NULL. Errors: as skep_submit and skep_accepted_cb, and
 * SKEP_ETIMEDOUT: it may still be accepted. */
SKEP_MUST_USE int skep_submit_wait(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                                   const skep_job_options *options, unsigned timeout_ms, uint64_t *id);

/* Submits a job and waits for its result, which the caller frees (free); it is terminated by a zero byte that does
 * not count. If another job with its key waits or runs, it is that one's result. Errors: as skep_submit_wait
 * (SKEP_EDUPLICATE: the first job with its key was done before, and its result is not kept), and SKEP_EDEAD, also of
 * the first job with its key: skep_client_why has details. */
SKEP_MUST_USE int skep_result_wait(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                                   const skep_job_options *options, unsigned timeout_ms, void **result,
                                   size_t *result_bytes);

/* Sends a request and waits for the reply, which the caller frees, terminated as above. Errors: as
 * skep_client_reply_cb. */
SKEP_MUST_USE int skep_request_wait(skep_client *client, uint32_t worker, const char *to_name, const char *name,
                                    const void *data, size_t size_bytes, unsigned timeout_ms, void **reply,
                                    size_t *reply_bytes);

/* Asks how a job is; the callback runs inside. Cancels one. Waits for its result, as skep_result_wait. Errors: as
 * skep_job_status, skep_job_cancel and skep_job_await, and SKEP_ESTATE; SKEP_EDEAD. */
SKEP_MUST_USE int skep_job_status_wait(skep_client *client, uint64_t id, unsigned timeout_ms,
                                       skep_job_status_cb callback, void *context);
SKEP_MUST_USE int skep_job_cancel_wait(skep_client *client, uint64_t id, unsigned timeout_ms);
SKEP_MUST_USE int skep_job_result_wait(skep_client *client, uint64_t id, unsigned timeout_ms, void **result,
                                       size_t *result_bytes);

/* Asks for the broker's status; the callback runs inside. Errors: SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_ESTATE. */
SKEP_MUST_USE int skep_status_wait(skep_client *client, unsigned timeout_ms, skep_status_cb callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
