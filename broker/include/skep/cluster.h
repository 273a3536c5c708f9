/* SPDX-License-Identifier: MIT
 * The primary's side, as Node's cluster module: a program is its own broker, starts workers, and gets their events.
 *
 * All functions are called on the loop's thread; callbacks run there, never inside a call of the user's except
 * skep_cluster_free. Strings handed to a callback are borrowed until it returns. */
#ifndef SKEP_CLUSTER_H
#define SKEP_CLUSTER_H

#include <skep/loop.h>
#include <skep/skep.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skep_cluster skep_cluster;

/* A worker as its primary sees it. Borrowed from the cluster; valid until the callbacks of its exit event, and of the
 * reload event if its end has aborted one, have returned. In these it is no longer counted or found by
 * skep_child_by_id and skep_child_next. skep_child_exit_facts has its data after that. */
typedef struct skep_child skep_child;

/* How connections are distributed. */
enum skep_policy {
    SKEP_POLICY_DEFAULT,           /* SKEP_POLICY of the environment, else round-robin */
    SKEP_POLICY_ROUND_ROBIN,       /* strict rotation over the workers that acknowledge in time */
    SKEP_POLICY_LEAST_CONNECTIONS, /* the worker with the fewest live connections */
    SKEP_POLICY_STICKY,            /* by the client's address; the same slot for the same client */
    SKEP_POLICY_SHARED,            /* one listening socket; workers accept */
    SKEP_POLICY_REUSEPORT,         /* a listening socket for each worker, which outlives it */
    SKEP_POLICY_CUSTOM,            /* skep_settings.choose */
};

/* The policy of a name such as "least-connections". Errors: SKEP_EINVAL. */
SKEP_MUST_USE int skep_policy_parse(const char *name, enum skep_policy *policy);

/* Name of a policy; borrowed, never NULL. */
const char *skep_policy_name(enum skep_policy policy);

/* A worker that could take a connection now. */
typedef struct skep_candidate {
    uint32_t id;
    uint32_t slot;        /* from 0; a replacement has its predecessor's */
    uint64_t connections; /* live ones, including those on their way to it */
} skep_candidate;

enum { SKEP_EXTRA_FD = 5 /* the worker's first descriptor of settings.extra_stdio */ };

/* Returned by a policy: this connection waits, and all behind it at this listener. The policy is asked again when a
 * worker becomes ready or takes or finishes a connection, and ten times a second. */
#define SKEP_NOBODY SIZE_MAX

/* A custom policy: returns an index into candidates, SKEP_NOBODY, or count for "any". Candidates are the workers with
 * room: below their credit and settings.max_connections. If there is none the connection waits, and the policy is not
 * asked. Called for each connection. */
typedef size_t (*skep_choose_cb)(const struct sockaddr *client, const skep_candidate *candidates, size_t count,
                                 void *context);

/* All optional; zero-initialised means the defaults. Strings and arrays are copied. */
typedef struct skep_settings {
    const char *exec;        /* program of later forks, searched in PATH if it has no slash (default: this program) */
    const char *const *args; /* its arguments from argv[1] on, NULL-terminated (default: this program's) */
    const char *cwd;         /* its working directory (default: the current one). A relative exec is looked for there */
    const char *const *env;  /* NAME=VALUE in addition to the inherited variables, NULL-terminated (default: none) */
    bool silent;             /* its stdout and stderr go to /dev/null */
    const int *stdio; /* descriptors for its 0, 1 and 2, -1: /dev/null (default: /dev/null, this process's 1 and 2) */
    const int *extra_stdio; /* extra_count more (64 at most), from SKEP_EXTRA_FD on (default: none) */
    unsigned extra_count;
    bool set_ids; /* use uid and gid below, without supplementary groups */
    uid_t uid;    /* gets access to the directory and to the sockets that workers need */
    gid_t gid;
    bool set_umask; /* use umask below */
    mode_t umask;

    enum skep_policy policy; /* fixed from the first fork or listener on */
    skep_choose_cb choose;   /* with SKEP_POLICY_CUSTOM */
    void *choose_context;

    const char *name;             /* of the instance (default: PROGRAM-PID) */
    const char *group;            /* name of the first group of workers, see skep/group.h (default: main) */
    const char *dir;              /* of its sockets, 0700 (default: SKEP_DIR, else by name: see docs/running.md) */
    const char *jobs_dir;         /* for jobs, private: they outlast the broker and a loss of power (default: none; jobs
                                     are in memory only); or servers of NATS, by which brokers share their jobs:
                                     nats://HOST[:PORT][,...][/STREAM] (default: skep), or tls:// */
    const char *nats_credentials; /* with these: a file, NATS' own or with a line USER:PASSWORD (default: none) */
    const char *nats_ca;          /* and a file of certificates of authorities (default: the system's) */
    unsigned interval_ms;         /* of requestCount and totals (default: 10,000) */
    unsigned ready_timeout_ms;    /* for a new worker to become ready (default: 10,000) */
    unsigned drain_timeout_ms;    /* then SIGTERM; after the same time again SIGKILL (default: 10,000) */
    unsigned credit;              /* maximum of connections on their way to one worker, 1 to 253 (default: 64) */
    unsigned max_connections; /* maximum of live ones of one worker, including those on their way to it; when all have
                                 that many, others wait in the kernel's queue. Not with shared and reuseport (default:
                                 no limit) */
    unsigned watchdog_ms;     /* kill a worker whose event loop is blocked this long, 100 at least (default: never) */

    unsigned lease_ms;    /* time for a worker to do a job, 100 at least; its end is a failure (default: 60,000) */
    unsigned attempts;    /* attempts of a job, unless its submitter sets them, 65,535 at most (default: 5) */
    unsigned deaths;      /* a job that has killed this many workers is a dead letter, 65,535 at most (default: 3) */
    unsigned dedup_ms;    /* a job's key is remembered this long after its end, memory permitting (default: 120,000) */
    uint64_t queue_jobs;  /* maximum of jobs in one queue (default: 16,777,216) */
    uint64_t queue_bytes; /* maximum of memory of these and their keys (default: 1 GiB) */
    uint64_t jobs_bytes;  /* maximum of memory of all queues (default: 2 GiB) */
    unsigned results_ms;  /* with jobs_dir: how jobs have ended is kept this long (default: 3,600,000) */
    unsigned nats_lease_ms;    /* with NATS: jobs of a broker that is silent this long go to others (default: 15,000) */
    unsigned nats_replicas;    /* servers that have each job, for streams that are made (default: 1) */
    unsigned job_credit;       /* maximum of jobs of one queue that one worker has, 65,535 at most (default: 4,096) */
    unsigned job_credit_bytes; /* maximum of bytes of jobs that one worker has, or one job (default: 8 MiB) */

    bool respawn;                /* replace a worker that ends without being asked to, with backoff; Node does not */
    unsigned stable_ms;          /* one that was ready this long has not failed quickly (default: 1,000) */
    unsigned failures;           /* quick ones that open the breaker, 4,096 at most (default: 10 plus 2 per worker) */
    unsigned failures_period_ms; /* within this time (default: 60,000) */
    unsigned breaker_ms; /* how long it stays open before it tries one worker, 1,000 at least (default: 10,000) */

    bool adopt; /* processes that workers leave behind become children of this process, which reaps them, kills them
                 * when their worker has ended, and kills all at its own end: it must have no other children */

    bool capture;       /* read stdout and stderr by line, for skep_on_log, logs and exits; not with silent or stdio */
    uint64_t log_bytes; /* memory of the lines that are kept (default: 4 MiB) */
} skep_settings;

/* Creates a primary. loop may be NULL for one of its own. No effect outside the process.
 * Errors: SKEP_ESTATE (this process is a worker), SKEP_ENOMEM, SKEP_ESYS. Free with skep_cluster_free. */
SKEP_MUST_USE int skep_cluster_new(skep_cluster **cluster, uv_loop_t *loop);

/* Kills the remaining workers, closes everything, removes the directory's sockets, sets *cluster to NULL. Before that
 * the callbacks of pending replies and outcomes are called with SKEP_ECLOSED, inside this call; no events follow. Jobs
 * that are in memory only are lost. NULL is allowed. Not from a callback. */
void skep_cluster_free(skep_cluster **cluster);

uv_loop_t *skep_cluster_loop(skep_cluster *cluster);

/* Why the latest failed call failed, as one line; borrowed until the next call; never NULL. */
const char *skep_cluster_why(const skep_cluster *cluster);

/* Settings for later forks (Node: setupPrimary). Cumulative: a field that is 0, NULL or false keeps its current
 * value, at first the default. uid and gid follow set_ids, extra_count follows extra_stdio, choose_context follows
 * choose. policy and choose have an effect only before the first fork or listener; name, dir, jobs_dir, group,
 * adopt, interval_ms, dedup_ms, queue_jobs, queue_bytes, jobs_bytes, results_ms and all of NATS only before the cluster
 * has started.
 * Emits setup. On failure all is as it was. Errors: SKEP_EINVAL, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep_setup_primary(skep_cluster *cluster, const skep_settings *settings);

/* The same, but a field that is 0, NULL or false gets its default. To turn one thing off, change a copy of
 * *skep_cluster_settings and pass it to this. */
SKEP_MUST_USE int skep_reset_primary(skep_cluster *cluster, const skep_settings *settings);

/* Replaces the settings of one queue, before or after the start; NULL means the defaults. The queue is created if
 * needed, and exists even if it is empty. Errors: SKEP_EINVAL, SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_setup_queue(skep_cluster *cluster, const char *name, const skep_queue_options *options);

/* The current settings, with defaults; borrowed until the next skep_setup_primary, or the end of a reload, which may
 * change exec, args, cwd, env, user and umask (Node: settings). */
const skep_settings *skep_cluster_settings(const skep_cluster *cluster);

/* Takes the directory and opens the sockets. The first skep_fork or skep_cluster_listen does it; call it to get errors
 * earlier. Errors: SKEP_EDIR, SKEP_EBUSY, SKEP_EINVAL, SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_start(skep_cluster *cluster);

/* The instance's directory and name; borrowed; "" before the start. */
const char *skep_cluster_dir(const skep_cluster *cluster);
const char *skep_cluster_name(const skep_cluster *cluster);

/* Binds a URL at once and keeps it bound, by a name that workers may listen on (NULL: by its URL). fd://N is a
 * bound descriptor of this process: it remains the caller's, becomes non-blocking, and a copy of it is used; workers
 * may listen on fd://N as well. *bound (may be NULL) is the URL with the real port, borrowed as long as the cluster
 * lives. Errors: as skep_listen of skep/worker.h; SKEP_EINVAL (the name is empty or longer than 64 bytes),
 * SKEP_EADDRINUSE (the name, or the descriptor, belongs to another listener). */
SKEP_MUST_USE int skep_cluster_listen(skep_cluster *cluster, const char *name, const char *url, const char **bound);

/* Starts a worker. env has NAME=VALUE strings in addition to settings.env, NULL-terminated; may be NULL. The fork event
 * follows on the next turn of the loop. *child (may be NULL) is borrowed. Errors: SKEP_ENOTFOUND, SKEP_ENOTEXEC,
 * SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS, SKEP_ESTATE (stopping), and those of skep_cluster_start. */
SKEP_MUST_USE int skep_fork(skep_cluster *cluster, const char *const *env, skep_child **child);

/* Runs the loop until no worker is left and no handle of the user's keeps it alive. */
SKEP_MUST_USE int skep_cluster_run(skep_cluster *cluster);

/* SIGINT, SIGTERM and SIGQUIT stop the cluster: the workers drain. The second of SIGINT and SIGTERM kills them; SIGQUIT
 * never kills, and does not count, before or after. The signals are unblocked in this thread. What comes as long as the
 * cluster is there does not end the process; skep_cluster_free makes them blocked or not as they were before, and their
 * effect the default one. A program that no signal is to end after that, up to its own end, blocks them before this
 * call. Errors: SKEP_EMFILE, SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_stop_on_signals(skep_cluster *cluster);

/* Stops the cluster: no more forks, no more jobs; workers drain, or are killed if now is true. skep_cluster_run returns
 * when all have ended. If jobs are left in the queues then, an error event says how many are lost. */
void skep_cluster_stop(skep_cluster *cluster, bool now);

/* --- Workers --- */

/* A worker by id; NULL if it has ended, also in its exit event (Node: cluster.workers[id]). */
skep_child *skep_child_by_id(skep_cluster *cluster, uint32_t id);

/* Iterates in the order of ids: child NULL gives the first, the last gives NULL. child may be the one of the
 * current exit event. */
skep_child *skep_child_next(skep_cluster *cluster, const skep_child *child);

size_t skep_child_count(const skep_cluster *cluster);

uint32_t skep_child_id(const skep_child *child);
pid_t skep_child_pid(const skep_child *child);
uint32_t skep_child_slot(const skep_child *child);
uint64_t skep_child_requests(const skep_child *child);
uint64_t skep_child_accepted(const skep_child *child);
skep_cluster *skep_child_cluster(const skep_child *child);

/* Name of its state: "spawning", "online", "ready", "draining" or "gone"; borrowed. */
const char *skep_child_state(const skep_child *child);

bool skep_child_is_connected(const skep_child *child); /* its link is up */
bool skep_child_is_dead(const skep_child *child);      /* its process has ended */

/* Whether its exit was asked for: 1 yes, 0 no, -1 it has neither disconnected nor exited (Node:
 * exitedAfterDisconnect). */
int skep_child_exited_after_disconnect(const skep_child *child);

/* A pointer of the user's, NULL at first. */
void skep_child_set_data(skep_child *child, void *data);
void *skep_child_data(const skep_child *child);

/* Sends a message to a worker. Errors: SKEP_EAGAIN, SKEP_ECLOSED, SKEP_ETOOBIG, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_child_send(skep_child *child, const char *name, const void *data, size_t size_bytes);

/* Sends a worker the broker's count of its requests now, in addition to every interval. */
SKEP_MUST_USE int skep_child_send_request_count(skep_child *child);

/* To every worker that subscribed. */
SKEP_MUST_USE int skep_cluster_broadcast(skep_cluster *cluster, const char *name, const void *data, size_t size_bytes);

/* The answer to a request; status as in skep/worker.h. Called exactly once. */
typedef void (*skep_child_reply_cb)(skep_cluster *cluster, int status, const void *data, size_t size_bytes,
                                    void *context);
SKEP_MUST_USE int skep_child_request(skep_child *child, const char *name, const void *data, size_t size_bytes,
                                     unsigned timeout_ms, skep_child_reply_cb callback, void *context);

/* Answers a request that came as a message event. */
SKEP_MUST_USE int skep_child_reply(skep_child *child, uint64_t request, int status, const void *data,
                                   size_t size_bytes);

/* Asks the worker to leave: no new connections, live ones finish, then its link closes (Node: worker.disconnect). */
void skep_child_disconnect(skep_child *child);

/* Sends a signal. SIGTERM ends a worker at once, as in Node, unless the program handles it; one from another
 * process only asks it to leave (skep/worker.h). Errors: SKEP_ESTATE (it is dead), SKEP_EINVAL. */
SKEP_MUST_USE int skep_child_kill(skep_child *child, int signal);

/* Disconnects every worker; the callback (may be NULL) follows on a later turn, when all have disconnected. */
typedef void (*skep_disconnected_cb)(skep_cluster *cluster, void *context);
void skep_cluster_disconnect(skep_cluster *cluster, skep_disconnected_cb callback, void *context);

/* --- Control: what skep scale, reload, restart, pause and resume do. Each emits an event. --- */

/* Sets the wanted number of workers: starts missing ones, in the lowest slots, or asks the workers of the highest slots
 * to leave. A new slot has the environment of the first. While the breaker is open none is started until it closes. At
 * 0 the cluster continues until it is stopped. Errors: SKEP_EINVAL (more than 1,000), SKEP_EUNDERWAY, SKEP_ESTATE
 * (stopping), and those of skep_fork; workers that could be started remain. */
SKEP_MUST_USE int skep_cluster_scale(skep_cluster *cluster, unsigned workers);

/* The wanted number of workers: those that were forked or scaled to, minus those that were asked to leave, left by
 * themselves, or ended and are not replaced. */
unsigned skep_cluster_wanted(const skep_cluster *cluster);

/* What a reload changes, apart from the processes. Zero-initialised: nothing. Strings and arrays are copied. */
typedef struct skep_reload_options {
    const char *exec;        /* program of the new workers and their replacements (default: the current one) */
    const char *const *args; /* its arguments from argv[1] on, NULL-terminated (default: the current ones) */
    const char *cwd;         /* their working directory (default: the current one) */
    const char *const *env;  /* NAME=VALUE to add to the current ones, or to replace there */
    bool set_ids;            /* use uid and gid below (default: the current ones) */
    uid_t uid;
    gid_t gid;
    bool set_umask; /* use umask below (default: the current one) */
    mode_t umask;
    unsigned at_once; /* workers replaced at a time (default: 1) */
} skep_reload_options;

/* Replaces every worker by a new one, some at a time. A new one must be ready before its old one begins to leave. If a
 * new one fails before all are ready, the reload is aborted: the remaining old ones continue, and new ones are replaced
 * by the old program when they end. When all are ready the breaker is closed. Returns at once; reload events report the
 * progress. options may be NULL. During a reload, or the restart of one worker, the next reload is remembered and
 * begins when that has ended or was aborted; several such requests become one, in which later options override earlier
 * ones; if that changes what an earlier one asked for, other than at_once, an event with the phase "replaced" says so.
 * Errors: SKEP_EINVAL, SKEP_ESTATE (stopping, or no worker is wanted), SKEP_ENOMEM. */
SKEP_MUST_USE int skep_cluster_reload(skep_cluster *cluster, const skep_reload_options *options);

/* Number of the latest request that skep_cluster_reload or skep_child_restart took, from 1, also on behalf of a command
 * or of SIGHUP; 0: there was none. Each event of a reload says which requests it is about. */
uint64_t skep_cluster_reload_request(const skep_cluster *cluster);

/* The same for one worker, but not while another reload is under way; the breaker stays as it is. Errors: the same,
 * SKEP_EUNDERWAY, and SKEP_ESTATE (it is leaving). */
SKEP_MUST_USE int skep_child_restart(skep_child *child);

/* Pauses or resumes a listener (by name or URL). While it is paused connections wait in the kernel's backlog. Errors:
 * SKEP_ENOLISTENER. */
SKEP_MUST_USE int skep_cluster_pause_listener(skep_cluster *cluster, const char *listener, bool paused);

/* Pauses or resumes the deliveries of a queue. It still accepts jobs, and workers finish what they have. Errors:
 * SKEP_ENOQUEUE (no such queue). */
SKEP_MUST_USE int skep_cluster_pause_queue(skep_cluster *cluster, const char *queue, bool paused);

/* Closes the breaker: missing workers are started now. No effect if it is closed. */
void skep_cluster_close_breaker(skep_cluster *cluster);

/* SIGHUP reloads, SIGTTIN adds a worker, SIGTTOU removes one. These three are blocked in this thread; other threads of
 * the program must block them too. A signal event says who sent each; also who sent one that stops the cluster, if
 * skep_cluster_stop_on_signals was called before: then those are blocked in this thread too. skep_cluster_free discards
 * what has come and is not read, and restores for each of these signals whether it was blocked. Errors: SKEP_EMFILE,
 * SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_steer_on_signals(skep_cluster *cluster);

/* --- Output of workers, with settings.capture --- */

/* A line that a worker wrote: any bytes, without the line feed, at most 4,096; the rest, cut_bytes, was cut. */
typedef struct skep_log_line {
    skep_child *child;
    int stream; /* 1: stdout, 2: stderr */
    const char *data;
    size_t size_bytes;
    uint64_t cut_bytes;
    uint64_t time_ms; /* wall clock, since 1970 */
} skep_log_line;

typedef void (*skep_log_cb)(skep_cluster *cluster, const skep_log_line *line, void *context);

/* Sets the callback for each line from now on; one per cluster, NULL for none. */
void skep_on_log(skep_cluster *cluster, skep_log_cb callback, void *context);

/* --- Jobs --- */

/* The outcome of a job: status SKEP_OK and its result, or SKEP_EDEAD and its cause ("attempts", "deaths",
 * "interrupted", "expired", "refused", or "cancelled" by an operator or a client) as text, or SKEP_ECLOSED:
 * skep_cluster_free was called. */
typedef void (*skep_cluster_outcome_cb)(skep_cluster *cluster, uint64_t id, int status, const void *data,
                                        size_t size_bytes, void *context);

/* Submits a job; the payload (at most 1 MiB) is copied, id and outcome may be NULL. A copy of a job that waits or runs
 * is no error if an outcome is wanted: the outcome is that of the first job, and *id its id. Errors, after which no
 * outcome follows: SKEP_EDUPLICATE (a job with the key exists or has ended recently; *id is that job's), SKEP_EDEAD (an
 * outcome is wanted, and the job with the key, *id, has recently become a dead letter), SKEP_EFULL,
 * SKEP_EQUEUES (too many queues), SKEP_ETOOBIG (payload), SKEP_EINVAL, SKEP_ESTATE (stopping), SKEP_ENOMEM (also while
 * what is left is needed to send the jobs that are there), and those of skep_cluster_start. */
SKEP_MUST_USE int skep_cluster_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                                      const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome,
                                      void *context);

#ifdef __cplusplus
}
#endif

#include <skep/events.h>

#endif
