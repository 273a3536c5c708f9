/* SPDX-License-Identifier: MIT
 * The worker's side: connections and messages arrive as callbacks on a libuv loop.
 *
 * A worker is a process that a broker started: by skep_fork (skep/cluster.h) or by `skep run -- PROGRAM`. All functions
 * are called on the loop's thread, and all callbacks run there. No callback runs inside a call of the user's, unless
 * documented otherwise. Pointers handed to a callback are borrowed until it returns. */
#ifndef SKEP_WORKER_H
#define SKEP_WORKER_H

#include <skep/loop.h>
#include <skep/skep.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skep_worker skep_worker;
typedef struct skep_listener skep_listener;

/* All optional: NULL options, or zero-initialised ones, mean the defaults. */
typedef struct skep_worker_options {
    const char *name; /* by which other workers address it, at most 64 bytes (default: the program's file name) */
    uv_loop_t *loop;  /* must outlive the worker (default: one of the worker's own) */
    unsigned handshake_timeout_ms; /* for the broker's answer (default: no timeout) */
} skep_worker_options;

/* Joins the broker that started this process: takes the link, shakes hands, dials the sockets. Blocks until the broker
 * has answered. Starts no thread, unless SKEP_TRANSPORT=nng. One worker per process. From here until skep_worker_free
 * a SIGTERM asks the worker to leave, as skep_disconnect does, but it is replaced, unless the program
 * handles or ignores SIGTERM before this, or sets its own handler later: see Leaving. Errors: SKEP_ENOTWORKER,
 * SKEP_EINVAL (SKEP_TRANSPORT names no transport), SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_EVERSION, SKEP_EPROTO,
 * SKEP_ENOMEM, SKEP_ESYS. Free with skep_worker_free. */
SKEP_MUST_USE int skep_worker_new(skep_worker **worker, const skep_worker_options *options);

/* Leaves at once, without draining; frees everything, including kept jobs, and sets *worker to NULL. NULL is
 * allowed. Not from a callback. */
void skep_worker_free(skep_worker **worker);

/* The loop, for the user's own handles; borrowed. */
uv_loop_t *skep_worker_loop(skep_worker *worker);

/* Own id: from 1, never reused by this broker. */
uint32_t skep_worker_id(const skep_worker *worker);

/* Whether the link to the broker is open (Node: worker.isConnected). */
bool skep_worker_is_connected(const skep_worker *worker);

/* Why the latest failed call failed, as one line; borrowed until the next call; never NULL. */
const char *skep_worker_why(const skep_worker *worker);

/* Tells the broker that this worker is ready for work, then runs the loop until the worker has drained and no handle
 * of the user's keeps the loop alive. Returns SKEP_OK after a drain; SKEP_ECLOSED if the broker closed the link
 * without a drain; SKEP_EPROTO if the broker violated the protocol. In the latter two cases live connections
 * and kept jobs are finished first, for 10 s at most, and then the loop is stopped (uv_stop), even if handles of the
 * user's are active: there is no broker that would end the process. If the broker is killed, the kernel kills its
 * workers, also those that have changed their user before this call. */
SKEP_MUST_USE int skep_worker_run(skep_worker *worker);

/* Tells the broker that this worker is ready: for programs that run the loop themselves. A second call has no
 * effect. The worker gets connections and jobs when it is also connected to the broker's sockets; one that cannot
 * connect is ended after the ready timeout. */
SKEP_MUST_USE int skep_worker_ready(skep_worker *worker);

/* --- Connections --- */

/* A connection has arrived. fd is the user's from now on: non-blocking, close-on-exec. When it has ended, close it and
 * call skep_connection_finished once for it, before this process opens anything else. */
typedef void (*skep_connection_cb)(skep_worker *worker, skep_listener *listener, int fd, void *context);

/* Listens on tcp://HOST:PORT, unix://PATH or a name that the broker was given with -l. A relative path is relative to
 * this process's working directory; ?mode=0660 and &owner=USER:GROUP may follow it (docs/running.md has all forms).
 * Port 0 is a random port. The first listener of each worker of a group on such a URL has the same port, so has the
 * second, and so on; one that was closed does not count again until all of this URL are closed. Listeners of one worker
 * on the same name get its connections in turn. The broker binds; this waits for its answer, as long as the broker
 * runs. HOST is an IPv4 address, an IPv6 address in brackets, localhost or a star (every address, IPv6 and IPv4). With
 * policies shared and reuseport this process accepts by itself, which makes no difference for the callback. *listener
 * (may be NULL) is borrowed, valid until skep_listener_close or the worker's end. Errors: SKEP_EURL, SKEP_EADDRINUSE,
 * SKEP_EADDR (not an address of this machine; no such directory), SKEP_EACCES, SKEP_EMFILE, SKEP_ENOMEM and SKEP_ESYS,
 * of this process or the broker; SKEP_ETOOBIG (a worker has 128 listeners at most); SKEP_ESTATE (the broker is
 * stopping, or has asked this worker to leave), SKEP_ECLOSED (the worker is leaving, or its broker has ended),
 * SKEP_EPROTO; skep_worker_why has details. */
SKEP_MUST_USE int skep_listen(skep_worker *worker, const char *url, skep_connection_cb callback, void *context,
                              skep_listener **listener);

/* Where it is bound, with the real port; borrowed. */
const char *skep_listener_url(const skep_listener *listener);

/* Closes a listener; the broker closes its socket when the last worker has. Connections that have arrived already are
 * still passed to the callback, in this iteration of the loop. A second call has no effect until skep_listen is called
 * again, which reuses the memory. */
void skep_listener_close(skep_listener *listener);

/* Reports that a connection has ended, after its descriptor fd was closed, and how long it lasted. Costs nanoseconds;
 * reports are batched. */
void skep_connection_finished(skep_worker *worker, int fd);

/* Connections that arrived and are not finished. */
uint64_t skep_worker_connections(const skep_worker *worker);

/* --- Counters --- */

/* Adds n to a counter; "requests" is the one that status shows and that requestCount reports. Costs nanoseconds; sums
 * are sent at the end of the loop's iteration and then every 20 ms, and before the worker leaves; when the worker is
 * killed, the broker reads what was not sent from shared memory. At most 64 names of at most 64 bytes; others are
 * ignored. */
void skep_count(skep_worker *worker, const char *name, uint32_t n);

/* Notes that a request has been handled and how long that took, in nanoseconds, for skep status and skep top; does not
 * count it. Costs nanoseconds; reports are batched. */
void skep_request_handled(skep_worker *worker, uint64_t duration_ns);

/* Called with the broker's count of this worker's requests, once in each interval of the broker. */
typedef void (*skep_request_count_cb)(skep_worker *worker, uint64_t count, void *context);
void skep_on_request_count(skep_worker *worker, skep_request_count_cb callback, void *context);

/* --- Messages. Data are opaque bytes, at most 1 MiB. --- */

typedef struct skep_message {
    const char *name;
    const void *data;
    size_t size_bytes;
    uint32_t from;    /* sender's worker id; 0 is the broker (the primary) */
    uint64_t request; /* not 0: the sender waits for skep_reply */
    bool broadcast;   /* it was sent to all */
} skep_message;

/* A message for this worker. To reply later, keep from and request by value. */
typedef void (*skep_message_cb)(skep_worker *worker, const skep_message *message, void *context);
void skep_on_message(skep_worker *worker, skep_message_cb callback, void *context);

/* Receives broadcasts from now on, by the message callback above; one that was missed is fetched again. Errors:
 * SKEP_ENOMEM, SKEP_ESYS, SKEP_ECLOSED. */
SKEP_MUST_USE int skep_subscribe(skep_worker *worker);

/* Messages are queued and sent at the end of the loop's iteration. Errors of all of them: SKEP_EAGAIN (more than 4 MiB
 * are queued; see skep_on_drain), SKEP_ETOOBIG, SKEP_ECLOSED, SKEP_ENOMEM. The data are copied. */
SKEP_MUST_USE int skep_send(skep_worker *worker, const char *name, const void *data, size_t size_bytes);

/* To one worker by id. If there is no such worker, the callback of skep_on_undelivered is called. */
SKEP_MUST_USE int skep_send_to(skep_worker *worker, uint32_t to, const char *name, const void *data, size_t size_bytes);

/* To one of the workers of a name, in turn. */
SKEP_MUST_USE int skep_send_to_name(skep_worker *worker, const char *to, const char *name, const void *data,
                                    size_t size_bytes);

/* To every worker that has subscribed, including the sender. */
SKEP_MUST_USE int skep_broadcast(skep_worker *worker, const char *name, const void *data, size_t size_bytes);

/* The answer to a request, or why there is none: status is SKEP_OK, SKEP_ETIMEDOUT, SKEP_ENOWORKER, SKEP_ENOHANDLER,
 * SKEP_ECLOSED, or that of the receiver's reply. Called exactly once for each request that was sent. */
typedef void (*skep_reply_cb)(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context);

/* Sends a message that wants a reply. to is a worker id; 0 is the broker. timeout_ms 0 means 5,000. */
SKEP_MUST_USE int skep_request(skep_worker *worker, uint32_t to, const char *name, const void *data, size_t size_bytes,
                               unsigned timeout_ms, skep_reply_cb callback, void *context);

/* The same to one of the workers of a name, in turn. */
SKEP_MUST_USE int skep_request_name(skep_worker *worker, const char *to, const char *name, const void *data,
                                    size_t size_bytes, unsigned timeout_ms, skep_reply_cb callback, void *context);

/* Answers a request: to and request are the message's from and request. status is the answer's own, SKEP_OK as a rule.
 */
SKEP_MUST_USE int skep_reply(skep_worker *worker, uint32_t to, uint64_t request, int status, const void *data,
                             size_t size_bytes);

/* A message that was sent and could not be forwarded; to is 0 if it went to a name. */
typedef void (*skep_undelivered_cb)(skep_worker *worker, uint32_t to, const char *name, int status, void *context);
void skep_on_undelivered(skep_worker *worker, skep_undelivered_cb callback, void *context);

/* Writes queued messages, counts and acknowledgements to the broker's socket now, for handlers that block the loop.
 * With SKEP_TRANSPORT=nng they are passed to NNG's threads. Errors: SKEP_EAGAIN (the broker does not read now: the rest
 * is sent once the loop runs), SKEP_ECLOSED, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_flush(skep_worker *worker);

/* The queue has been sent: sends that failed with SKEP_EAGAIN may be tried again. */
typedef void (*skep_drain_cb)(skep_worker *worker, void *context);
void skep_on_drain(skep_worker *worker, skep_drain_cb callback, void *context);

/* --- Jobs --- */

/* The outcome of an attempt. */
typedef enum skep_verdict {
    SKEP_DONE,   /* it is done, with the result that was set, if one was */
    SKEP_RETRY,  /* try again, after the delay that was set; a dead letter after its last attempt */
    SKEP_FAILED, /* it cannot be done: a dead letter, with the reason that was set */
    SKEP_KEEP    /* only as a handler's return value: skep_job_complete follows, from the loop */
} skep_verdict;

/* A job being worked on. The fields are for reading. */
typedef struct skep_job {
    const char *queue;
    uint64_t id;      /* given by the broker, the same in every attempt */
    const void *data; /* its payload; keeping the job moves it: read this field again then */
    size_t size_bytes;
    unsigned attempt;     /* from 1 */
    bool redelivered;     /* a worker has begun it before and may have done a part of it */
    uint64_t deadline_ms; /* of uv_now of the worker's loop: then its lease ends, and another worker gets it */
} skep_job;

/* A job has arrived. It is borrowed until the handler returns or, if it returns SKEP_KEEP, until skep_job_complete. */
typedef skep_verdict (*skep_job_cb)(skep_worker *worker, skep_job *job, void *context);

/* Handles the jobs of a queue from now on; they come once the worker is ready. The queue (a name of at most 64 bytes)
 * is created if needed. A second call for a queue replaces its handler. Handlers are called
 * one after the other for at most 10 ms in an iteration of the loop (the last one may take longer), so that the rest of
 * its work goes on beside many jobs. Acknowledgements are batched: one for all jobs of an iteration, or of a
 * millisecond. When the worker leaves, jobs that were not begun are returned
 * to the broker; it waits for kept ones. Errors: SKEP_EINVAL (name), SKEP_ETOOBIG (more than 64 queues), SKEP_ECLOSED,
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep_on_job(skep_worker *worker, const char *queue, skep_job_cb handler, void *context);

/* Sets how many jobs of a queue may be kept at the same time, 1 to 65,535 (default: 1). Call it after skep_on_job.
 * Errors: SKEP_EINVAL (number, or no handler for the queue), SKEP_ECLOSED, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_job_concurrency(skep_worker *worker, const char *queue, unsigned jobs);

/* Sets the result for SKEP_DONE; copied. Errors: SKEP_ETOOBIG (over 1 MiB), SKEP_ENOMEM. */
SKEP_MUST_USE int skep_job_result(skep_job *job, const void *data, size_t size_bytes);

/* Sets the delay for SKEP_RETRY (default: 0, which is the backoff of the queue). */
void skep_job_delay(skep_job *job, uint32_t delay_ms);

/* Sets the reason for SKEP_RETRY and SKEP_FAILED, cut to 512 bytes; copied. */
void skep_job_reason(skep_job *job, const char *reason);

/* Restarts the lease, for long jobs; moves deadline_ms. Within a handler the message is written to the broker's socket
 * before this returns, so it works while the loop is blocked. Errors: SKEP_EAGAIN (the broker does not read now; it is
 * sent with the next call, or once the loop runs), SKEP_ECLOSED, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_job_extend(skep_job *job);

/* Completes a job that was kept, and frees it. verdict is SKEP_DONE, SKEP_RETRY or SKEP_FAILED. If the lease has ended,
 * the broker refuses the answer and counts that. Call it exactly once for each kept job. */
void skep_job_complete(skep_job *job, skep_verdict verdict);

/* Number of kept jobs. */
uint64_t skep_worker_jobs(const skep_worker *worker);

/* --- Leaving --- */

/* Called once when this worker begins to leave, for whatever reason: no new connections come; close idle ones, finish
 * the others. The worker leaves when each connection is finished, each kept job completed and each message sent. */
typedef void (*skep_leave_cb)(skep_worker *worker, void *context);
void skep_on_leave(skep_worker *worker, skep_leave_cb callback, void *context);

/* Leaves, as above; the worker is not replaced (Node: worker.disconnect). A program with its own handler of SIGTERM
 * calls it then, from its loop and not from the signal handler. The library's own handler lets the running job
 * finish; it restarts system calls, but sleep, nanosleep, poll and the like return with EINTR, as after any handler.
 * A SIGTERM that the process sends to itself still ends it at once, as does that of the broker after the drain
 * timeout. */
void skep_disconnect(skep_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
