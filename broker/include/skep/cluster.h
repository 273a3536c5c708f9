/* SPDX-License-Identifier: MIT
 * The primary's side, as Node's cluster module: a program is its own broker, starts workers, and hears of all they do.
 *
 * All functions are called on the loop's thread; callbacks run there, never inside a call of the user's but
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
 * reload event that says that its end has aborted one, have returned. In these it is no longer counted or found by
 * skep_child_by_id and skep_child_next; skep_child_exit_facts says of it what is known later. */
typedef struct skep_child skep_child;

/* How connections are distributed. */
enum skep_policy {
    SKEP_POLICY_DEFAULT,           /* SKEP_POLICY of the environment, else round-robin */
    SKEP_POLICY_ROUND_ROBIN,       /* strict rotation over the workers that keep up */
    SKEP_POLICY_LEAST_CONNECTIONS, /* the worker with the fewest live connections */
    SKEP_POLICY_STICKY,            /* by the client's address; the same place for the same client */
    SKEP_POLICY_SHARED,            /* one listening socket; workers accept */
    SKEP_POLICY_REUSEPORT,         /* a listening socket for each worker; the broker keeps them all */
    SKEP_POLICY_CUSTOM,            /* skep_settings.choose */
};

/* The policy of a name such as "least-connections". Errors: SKEP_EINVAL. */
SKEP_MUST_USE int skep_policy_parse(const char *name, enum skep_policy *policy);

/* Name of a policy; borrowed, never NULL. */
const char *skep_policy_name(enum skep_policy policy);

/* A worker that could take a connection now. */
typedef struct skep_candidate {
    uint32_t id;
    uint32_t slot;        /* the place it fills, from 0; a replacement has its predecessor's */
    uint64_t connections; /* live ones, those on their way to it among them */
} skep_candidate;

enum { SKEP_EXTRA_FD = 5 /* the first of a worker's descriptors of settings.extra_stdio */ };

/* As a policy's answer: the connection waits, and those behind it at this listener too. The policy is asked again when
 * a worker becomes ready or takes or finishes a connection, and ten times a second. */
#define SKEP_NOBODY SIZE_MAX

/* A policy of the user's own: returns an index into candidates, SKEP_NOBODY, or count for "any". Candidates are those
 * that have room: less than their credit and settings.max_connections. If none has any the connection waits, and the
 * policy is not asked. Runs for each connection. */
typedef size_t (*skep_choose_cb)(const struct sockaddr *client, const skep_candidate *candidates, size_t count,
                                 void *context);

/* All optional; zero-initialised means the defaults. Strings and arrays are copied. */
typedef struct skep_settings {
    const char *exec;        /* program of later forks, searched in PATH if it has no slash; this program */
    const char *const *args; /* its arguments from argv[1] on, NULL-terminated; this program's */
    const char *cwd;         /* its working directory; this one's. A relative exec is looked for there */
    const char *const *env;  /* NAME=VALUE beside the inherited variables, NULL-terminated; none */
    bool silent;             /* its stdout and stderr go to /dev/null */
    const int *stdio;        /* three descriptors for its 0, 1 and 2, -1 is /dev/null; /dev/null and this process's */
    const int *extra_stdio;  /* extra_count more (64 at most) for its SKEP_EXTRA_FD and what follows; none */
    unsigned extra_count;
    bool set_ids; /* uid and gid below are meant; there are no supplementary groups then */
    uid_t uid;    /* the directory and the sockets that workers need are made accessible to this user */
    gid_t gid;
    bool set_umask; /* umask below is meant */
    mode_t umask;

    enum skep_policy policy; /* frozen at the first fork or listener */
    skep_choose_cb choose;   /* with SKEP_POLICY_CUSTOM */
    void *choose_context;

    const char *name;          /* of the instance; PROGRAM-PID */
    const char *dir;           /* of its sockets, 0700; SKEP_DIR, else as docs/running.md says, by name */
    unsigned interval_ms;      /* of requestCount and totals; 10,000 */
    unsigned ready_timeout_ms; /* for a new worker to become ready; 10,000 */
    unsigned drain_timeout_ms; /* then SIGTERM, and as long again, then SIGKILL; 10,000 */
    unsigned credit;           /* connections on their way to one worker at most, 1 to 253; 64 */
    unsigned max_connections;  /* live ones of one worker at most, those on their way to it among them; when all have so
                                  many, others wait in the kernel's queue. Not with shared and reuseport; 0: no limit */
    unsigned watchdog_ms;      /* a worker whose loop shows no life for so long is killed, 100 at least; 0: never */

    unsigned lease_ms;         /* how long a worker may work on a job before another gets it, 100 at least; 60,000 */
    unsigned attempts;         /* how often a job is tried, if the submitter does not say, 65,535 at most; 5 */
    unsigned deaths;           /* workers that may die of a job before it is a dead letter, 65,535 at most; 3 */
    unsigned dedup_ms;         /* how long a job's key is remembered after its end; 120,000 */
    uint64_t queue_jobs;       /* jobs in one queue at most; 16,777,216 */
    uint64_t queue_bytes;      /* their memory at most; 1 GiB */
    uint64_t jobs_bytes;       /* memory of all queues at most; 2 GiB */
    unsigned job_credit;       /* jobs of one queue that one worker has at most; 4,096 */
    unsigned job_credit_bytes; /* bytes of jobs that one worker has at most, or one job; 8 MiB */

    bool respawn;                /* a worker that ends without being asked is replaced, with backoff; Node does not */
    unsigned stable_ms;          /* one that was ready for so long has not failed quickly; 1,000 */
    unsigned failures;           /* so many quick ones open the breaker, 4,096 at most; 10 and 2 a worker */
    unsigned failures_period_ms; /* that is, within so long; 60,000 */
    unsigned breaker_ms;         /* how long it stays open before it tries one worker, 1,000 at least; 10,000 */

    bool
        adopt; /* processes that workers leave behind become children of this process, which reaps them, kills them when
                * their worker has ended, and kills all at its own end: it must have no children but its workers */

    bool capture; /* its stdout and stderr come by line: to skep_on_log, the log, the exits; not with silent or stdio */
    uint64_t log_bytes; /* memory of the lines that are kept; 4 MiB */
} skep_settings;

/* Makes a primary. loop may be NULL for one of its own. Touches nothing outside the process.
 * Errors: SKEP_ESTATE (this process is a worker), SKEP_ENOMEM, SKEP_ESYS. Free with skep_cluster_free. */
SKEP_MUST_USE int skep_cluster_new(skep_cluster **cluster, uv_loop_t *loop);

/* Kills what is left of the workers, closes everything, removes the directory's sockets, sets *cluster to NULL. Replies
 * and outcomes that are still due are called back first, with SKEP_ECLOSED, inside this call; no event comes any more.
 * Jobs that are in the queues are lost. NULL is allowed. Not from a callback. */
void skep_cluster_free(skep_cluster **cluster);

uv_loop_t *skep_cluster_loop(skep_cluster *cluster);

/* What went wrong in the latest call that failed, as one line: what, where, why; borrowed until the next call; never
 * NULL. */
const char *skep_cluster_why(const skep_cluster *cluster);

/* Settings for later forks (Node: setupPrimary). May be called again, and adds up: what is 0, NULL or false keeps the
 * value it has, at first the default. uid and gid follow set_ids, extra_count follows
 * extra_stdio, choose_context follows choose. policy, choose, name,
 * dir, interval count only before the cluster has started. Emits setup. Errors: SKEP_EINVAL, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_setup_primary(skep_cluster *cluster, const skep_settings *settings);

/* The same, but what is 0, NULL or false gets its default again. To turn one thing off, change a copy of
 * *skep_cluster_settings and hand it back by this. */
SKEP_MUST_USE int skep_reset_primary(skep_cluster *cluster, const skep_settings *settings);
/* Settings of one queue, from now on, in place of those that it had; before or after the start. A queue that has been
 * given some is there, even if it is empty. Errors: SKEP_EINVAL, SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_setup_queue(skep_cluster *cluster, const char *name, const skep_queue_options *options);

/* The settings in force, defaults filled in; borrowed until the next skep_setup_primary, or the end of a reload onto
 * another program, whose exec, args, cwd, env, user and umask they have then (Node: settings). */
const skep_settings *skep_cluster_settings(const skep_cluster *cluster);

/* Takes the directory and opens the sockets. The first skep_fork or skep_cluster_listen does it; call it to learn of
 * errors before. Errors: SKEP_EDIR, SKEP_EBUSY, SKEP_EINVAL, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_start(skep_cluster *cluster);

/* The instance's directory and name; borrowed; "" before the start. */
const char *skep_cluster_dir(const skep_cluster *cluster);
const char *skep_cluster_name(const skep_cluster *cluster);

/* Binds a URL at once and keeps it bound, by a name that workers may listen on (NULL: by its URL). fd://N is a
 * descriptor of this process that is bound already: it stays the caller's, becomes non-blocking, and a copy of it is
 * listened on; workers may listen on it by fd://N as well. *bound (may be NULL) is the URL with the real port, borrowed
 * as long as the cluster lives. Errors: as skep_listen of skep/worker.h; SKEP_EINVAL (the name is empty or longer than
 * 64 bytes), SKEP_EADDRINUSE (the name, or the descriptor, belongs to another listener). */
SKEP_MUST_USE int skep_cluster_listen(skep_cluster *cluster, const char *name, const char *url, const char **bound);

/* Starts a worker. env holds NAME=VALUE strings beside settings.env, NULL-terminated; may be NULL. The fork event
 * follows on the next turn of the loop. *child (may be NULL) is borrowed. Errors: SKEP_ENOTFOUND, SKEP_ENOTEXEC,
 * SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS, SKEP_ESTATE (stopping), and those of skep_cluster_start. */
SKEP_MUST_USE int skep_fork(skep_cluster *cluster, const char *const *env, skep_child **child);

/* Runs the loop until no worker is left and nothing of the user's keeps it alive. */
SKEP_MUST_USE int skep_cluster_run(skep_cluster *cluster);

/* SIGINT, SIGTERM and SIGQUIT end the cluster: the first drains the workers, a second one kills them, unless it is
 * SIGQUIT. Errors: SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_stop_on_signals(skep_cluster *cluster);

/* Ends the cluster: no more forks, no more jobs; workers drain, or are killed if now is true. skep_cluster_run returns
 * when all are gone. If jobs are left in the queues then, an error event says how many are lost. */
void skep_cluster_stop(skep_cluster *cluster, bool now);

/* --- Workers --- */

/* A worker by id; NULL if it is gone, in its exit event too (Node: cluster.workers[id]). */
skep_child *skep_child_by_id(skep_cluster *cluster, uint32_t id);

/* Iterates in the order of ids: child NULL gives the first, the last gives NULL. child may be one that is just being
 * told to have exited. */
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

/* Sends a worker the broker's count of its requests now, as happens every interval anyway. */
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

/* The worker leaves voluntarily: no new connections, live ones finish, then its link closes (Node: worker.disconnect).
 */
void skep_child_disconnect(skep_child *child);

/* Sends a signal. SIGTERM ends a worker at once, as in Node, unless the program handles it; one that comes from
 * elsewhere only asks it to leave (skep/worker.h). Errors: SKEP_ESTATE (it is dead), SKEP_EINVAL. */
SKEP_MUST_USE int skep_child_kill(skep_child *child, int signal);

/* Disconnects every worker; the callback (may be NULL) follows on a later turn, when all have disconnected. */
typedef void (*skep_disconnected_cb)(skep_cluster *cluster, void *context);
void skep_cluster_disconnect(skep_cluster *cluster, skep_disconnected_cb callback, void *context);

/* --- Steering: what skep scale, reload, restart, pause and resume do. Each is told by an event. --- */

/* Sets how many workers there are to be: starts what is missing, in the lowest places, or lets the workers of the
 * highest leave. A new place has the environment of the first. While the breaker is open none is started until it
 * closes. At 0 the cluster goes on until it is stopped. Errors:
 * SKEP_EINVAL (more than 1,000), SKEP_EUNDERWAY, SKEP_ESTATE (stopping), and those of skep_fork; what could be started
 * is there then. */
SKEP_MUST_USE int skep_cluster_scale(skep_cluster *cluster, unsigned workers);

/* How many workers there are to be: those that were forked or scaled to, less those that were asked to leave, left of
 * their own accord, or ended and are not replaced. */
unsigned skep_cluster_wanted(const skep_cluster *cluster);

/* What a reload changes; zero-initialised: nothing but the processes. Strings and arrays are copied. */
typedef struct skep_reload_options {
    const char *exec;        /* program of the new workers and their replacements; the present one */
    const char *const *args; /* its arguments from argv[1] on, NULL-terminated; the present ones */
    const char *cwd;         /* their working directory; the present one */
    const char *const *env;  /* NAME=VALUE beside the present ones, of which it replaces those of the same names */
    bool set_ids;            /* uid and gid below are meant; else the present user's */
    uid_t uid;
    gid_t gid;
    bool set_umask; /* umask below is meant; else the present one */
    mode_t umask;
    unsigned at_once; /* workers replaced at a time; 1 */
} skep_reload_options;

/* Replaces every worker by a new one, some at a time. A new one must be ready before its old one begins to leave. If
 * one of the new fails before all are there, the reload is aborted: the old ones that are left go on, and what was
 * replaced already is replaced back as it ends. Once all are there the breaker is closed. Returns at once; events of
 * kind reload tell how far it is. options may be NULL. While one is under way, or the restart of one worker, the next
 * is remembered and begins when that has ended, however it ended; several that are asked for meanwhile become one, in
 * which what a later one says counts. Errors: SKEP_EINVAL, SKEP_ESTATE (stopping, or no worker is wanted), SKEP_ENOMEM.
 */
SKEP_MUST_USE int skep_cluster_reload(skep_cluster *cluster, const skep_reload_options *options);

/* The same for one worker, but not while another reload is under way; the breaker stays as it is. Errors: the same,
 * SKEP_EUNDERWAY, and SKEP_ESTATE (it is leaving). */
SKEP_MUST_USE int skep_child_restart(skep_child *child);

/* A listener (by name or URL) accepts nothing, or goes on. Connections wait in the kernel's backlog meanwhile. Errors:
 * SKEP_ENOLISTENER. */
SKEP_MUST_USE int skep_cluster_pause_listener(skep_cluster *cluster, const char *listener, bool paused);

/* A queue hands no job out, or goes on. It still accepts jobs, and what workers have they finish. Errors: SKEP_ENOQUEUE
 * (nobody has named it yet). */
SKEP_MUST_USE int skep_cluster_pause_queue(skep_cluster *cluster, const char *queue, bool paused);

/* Closes the breaker: workers that are missing are started now. If that fails so often that it opens again, events tell
 * it. Does nothing if it is closed. */
void skep_cluster_close_breaker(skep_cluster *cluster);

/* SIGHUP reloads, SIGTTIN starts a worker more, SIGTTOU lets one leave. The three are blocked in this thread, and other
 * threads of the program, if it has any, must block them too. Errors: SKEP_ESYS. */
SKEP_MUST_USE int skep_cluster_steer_on_signals(skep_cluster *cluster);

/* --- Output of workers, with settings.capture --- */

/* A line that a worker wrote: any bytes, without the line feed, at most 4,096; cut_bytes more were too many. */
typedef struct skep_log_line {
    skep_child *child;
    int stream; /* 1: stdout, 2: stderr */
    const char *data;
    size_t size_bytes;
    uint64_t cut_bytes;
    uint64_t time_ms; /* wall clock, since 1970 */
} skep_log_line;

typedef void (*skep_log_cb)(skep_cluster *cluster, const skep_log_line *line, void *context);

/* Calls back for each line from now on; one callback a cluster, NULL for none. */
void skep_on_log(skep_cluster *cluster, skep_log_cb callback, void *context);

/* --- Jobs --- */

/* What became of a job: status SKEP_OK and its result, or SKEP_EDEAD and its cause ("attempts", "deaths",
 * "interrupted", "expired" or "refused") as text, or SKEP_ECLOSED: skep_cluster_free was called. */
typedef void (*skep_cluster_outcome_cb)(skep_cluster *cluster, uint64_t id, int status, const void *data,
                                        size_t size_bytes, void *context);

/* Submits a job of the primary's own; the payload (at most 1 MiB) is copied, *id and outcome may be NULL. A copy of a
 * job that waits or runs is no error if an outcome is wanted: the outcome is that of the first job, and *id its id.
 * Errors, after which no outcome follows: SKEP_EDUPLICATE (a job with the key was there; *id is that one's),
 * SKEP_EFULL, SKEP_EQUEUES (too many queues), SKEP_ETOOBIG (payload), SKEP_EINVAL, SKEP_ESTATE (stopping), SKEP_ENOMEM,
 * and those of skep_cluster_start. */
SKEP_MUST_USE int skep_cluster_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                                      const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome,
                                      void *context);

#ifdef __cplusplus
}
#endif

#include <skep/events.h>

#endif
