/* SPDX-License-Identifier: MIT
 * Mocks, for tests of programs that use Skep: no broker runs, no port is fixed, nothing sleeps.
 *
 * A mock broker lives in the test's process. It gives jobs, connections and messages to real handlers in this process
 * or to a real worker program, and says what became of them. What becomes of jobs is decided by the ledger of a real
 * broker, by a clock that the test moves. It is in libskep-mock (skep::mock, skep-mock); the rest is in libskep.
 *
 *     skep_mock *mock;
 *     skep_worker *worker;
 *     uint64_t job;
 *     check(skep_mock_broker_new(&mock, NULL));
 *     check(skep_mock_broker_worker(mock, &worker, "resizer"));
 *     check(skep_on_job(worker, "resize", resize, NULL));
 *     check(skep_mock_submit(mock, "resize", "cat.png", 7, NULL, &job));
 *     if (skep_mock_expect_done(mock, job, "small-cat.png", 13, 5000) != SKEP_OK) puts(skep_mock_why(mock));
 *     skep_mock_broker_free(&mock);
 *
 * An expectation runs the loop until what is expected has come. It returns SKEP_OK; SKEP_ETIMEDOUT if it did not come
 * in time (of the real clock, milliseconds); SKEP_EUNEXPECTED at once if something else came instead, or if it cannot
 * come any more, since the job is over, or the worker, or each that there was, has ended; SKEP_ENOWORKER or SKEP_ENOJOB
 * if what it is about was never there. skep_mock_why then tells what was expected, what came instead and the latest
 * commands exchanged. What happens to a job, and what a worker sends, is expected in its order: each expectation takes
 * the next thing. Leases, delays and backoff follow the mock's own clock, which only the test moves.
 * All functions are called on the loop's thread, not from callbacks. Pointers that they give are borrowed. */
#ifndef SKEP_MOCK_H
#define SKEP_MOCK_H

#include <skep/client.h>
#include <skep/loop.h>
#include <skep/skep.h>
#include <skep/worker.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ===== A mock broker ===== */

typedef struct skep_mock skep_mock;

/* All optional: NULL options, or zero-initialised ones, mean the defaults. */
typedef struct skep_mock_options {
    uv_loop_t *loop;        /* of the user's, which must outlive the mock; one of the mock's own */
    uint32_t lease_ms;      /* on the mock's clock; 60,000 */
    unsigned attempts;      /* how often a job may be tried, if its own options do not say; 5 */
    unsigned deaths;        /* of workers, that make the job they worked on a dead letter; 3 */
    uint32_t dedup_ms;      /* a key keeps copies out for so long after its job is done or dead; 120,000 */
    unsigned credit;        /* jobs of one queue that a worker has at most, some of them sent ahead; 64 */
    uint32_t beat_ms;       /* how often workers show signs of life on their page; 0: not at all */
    bool respawn;           /* a program that ends is started again, once its backoff has passed on the mock's clock */
    uint32_t backoff_ms;    /* before the first such start; doubled each time, up to 64 times as long; 1,000 */
    unsigned history_lines; /* commands that skep_mock_why shows; 12 */
} skep_mock_options;

/* Makes a directory of its own (0700) for the sockets, under TMPDIR or /tmp. Errors: SKEP_EDIR, SKEP_ENOMEM, SKEP_ESYS.
 * Free with skep_mock_broker_free. */
SKEP_MUST_USE int skep_mock_broker_new(skep_mock **mock, const skep_mock_options *options);

/* Ends its workers at once, removes the directory, frees everything and sets *mock to NULL. NULL is allowed. Runs the
 * loop until the mock's handles have closed. */
void skep_mock_broker_free(skep_mock **mock);

/* The loop, for handles of the user's own. */
uv_loop_t *skep_mock_loop(skep_mock *mock);

/* What went wrong in the latest call that failed, several lines; borrowed until the next call; never NULL. */
const char *skep_mock_why(const skep_mock *mock);

/* Runs the loop until something is so, which is looked at after each of its turns and every few milliseconds. what
 * tells it in skep_mock_why. Errors: SKEP_ETIMEDOUT. */
typedef bool (*skep_mock_cb)(void *context);
SKEP_MUST_USE int skep_mock_run_until(skep_mock *mock, skep_mock_cb is_so, void *context, const char *what,
                                      unsigned timeout_ms);

/* --- The clock: it begins at 0 and stands still between calls of skep_mock_advance --- */

uint64_t skep_mock_now(const skep_mock *mock);

/* Moves the clock, once workers have begun what they can begin of what they were given; what falls due on the way
 * happens in its order: delayed jobs become ready, leases end, programs are started again. After each of these workers
 * begin what they are given then. The loop runs for that, for a second of the real clock at most, all in all. A lease
 * begins when the job does, as with a real broker. */
void skep_mock_advance(skep_mock *mock, uint64_t duration_ms);

/* --- Workers: each has an id from 1. Where a function takes one, 0 means any --- */

/* Joins a worker in this process to the mock, on the mock's loop: handlers are set on it with skep_on_job, skep_listen,
 * skep_on_message and so on, as in a program. name may be NULL. The worker is the mock's to free. It tells that it is
 * ready when the mock runs the loop next, so it is not to be run with skep_worker_run. Errors: those of
 * skep_worker_new. */
SKEP_MUST_USE int skep_mock_broker_worker(skep_mock *mock, skep_worker **worker, const char *name);

/* Starts a worker program. argv[0] is looked up in PATH if it has no slash; env are more variables ("NAME=value", ends
 * with NULL; may be NULL). Its standard streams are the test's. Errors: SKEP_ENOTFOUND, SKEP_ENOTEXEC, SKEP_EMFILE,
 * SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep_mock_broker_spawn(skep_mock *mock, const char *const *argv, const char *const *env,
                                         uint32_t *worker);

/* Process id of a worker program; 0: it runs in this process, or has ended. */
pid_t skep_mock_pid(const skep_mock *mock, uint32_t worker);

/* Asks a worker to leave: it finishes what is live. Errors: SKEP_ENOWORKER. */
SKEP_MUST_USE int skep_mock_drain(skep_mock *mock, uint32_t worker);

/* Ends a worker at once: a program with SIGKILL; one in this process is freed, and counts as ended by SIGKILL. Its jobs
 * are judged when the loop runs next, in skep_mock_expect_left for instance. Errors: SKEP_ENOWORKER. */
SKEP_MUST_USE int skep_mock_kill(skep_mock *mock, uint32_t worker);

/* It has set itself up and may be given work. */
SKEP_MUST_USE int skep_mock_expect_ready(skep_mock *mock, uint32_t worker, unsigned timeout_ms);

/* It handles a queue, so many jobs at the same time; concurrency 0 is any. */
SKEP_MUST_USE int skep_mock_expect_handles(skep_mock *mock, uint32_t worker, const char *queue, unsigned concurrency,
                                           unsigned timeout_ms);

/* It has closed its link: after draining, or because it has ended. */
SKEP_MUST_USE int skep_mock_expect_left(skep_mock *mock, uint32_t worker, unsigned timeout_ms);

/* A program has ended: with this exit status, or by this signal. */
SKEP_MUST_USE int skep_mock_expect_exit(skep_mock *mock, uint32_t worker, int code, unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_expect_signal(skep_mock *mock, uint32_t worker, int signal, unsigned timeout_ms);

/* With the respawn option: another one was started in the place of worker, which has ended; *next is its id. */
SKEP_MUST_USE int skep_mock_expect_respawned(skep_mock *mock, uint32_t worker, uint32_t *next, unsigned timeout_ms);

/* --- Jobs --- */

/* Replaces the settings of one queue, as skep_setup_queue does; zeros are the mock's own settings, and NULL means all
 * of them. Errors: SKEP_EINVAL, SKEP_EQUEUES, SKEP_ENOMEM; skep_mock_why says more. */
SKEP_MUST_USE int skep_mock_setup_queue(skep_mock *mock, const char *name, const skep_queue_options *options);

/* Puts a job into a queue; it is delivered once a worker handles that, at once if one does. options may be NULL. *job
 * (may be NULL) is its id, from 1. Errors: SKEP_EDUPLICATE (a job with its key was there: *job is that one),
 * SKEP_EINVAL (queue, options), SKEP_ETOOBIG, SKEP_EFULL, SKEP_EQUEUES (limits of a real broker), SKEP_ENOMEM. */
SKEP_MUST_USE int skep_mock_submit(skep_mock *mock, const char *queue, const void *data, size_t size_bytes,
                                   const skep_job_options *options, uint64_t *job);

/* Submits a job that is not to be accepted, since job has its key. Errors: SKEP_EUNEXPECTED (it was accepted, or
 * another job has its key), those of skep_mock_submit. */
SKEP_MUST_USE int skep_mock_expect_duplicate(skep_mock *mock, uint64_t job, const char *queue, const void *data,
                                             size_t size_bytes, const skep_job_options *options);

typedef enum skep_mock_job_state {
    SKEP_MOCK_READY,    /* waits for a worker */
    SKEP_MOCK_RESERVED, /* a worker has it */
    SKEP_MOCK_DELAYED,  /* waits for its time */
    SKEP_MOCK_DONE,
    SKEP_MOCK_DEAD /* a dead letter: cause says why */
} skep_mock_job_state;

typedef struct skep_mock_job {
    skep_mock_job_state state;
    unsigned attempt;   /* times it was begun */
    bool redelivered;   /* a worker had it before and may have done a part of it */
    uint32_t worker;    /* that has it, or had it last; 0: none */
    uint64_t due_ms;    /* on the mock's clock: when its lease or its delay ends */
    const void *result; /* when it is done; NULL: it has none */
    size_t size_bytes;
    const char *reason; /* of the latest retry, failure, lease end, or how a dead letter's last worker died; "" */
    const char *cause;  /* of a dead letter: attempts, deaths, expired, interrupted, refused; or cancelled; else "" */
    unsigned failures;  /* retries and leases that ended: so many as it has attempts make it a dead letter */
    unsigned deaths, interruptions; /* workers that died of it; that ended while they worked on it, without its fault */
} skep_mock_job;

/* How a job is at this moment. What a worker's end does to its jobs follows when the loop runs: right after
 * skep_mock_kill they are still reserved, and deaths are as before, until skep_mock_expect_left or another expectation.
 * Errors: SKEP_ENOJOB. */
SKEP_MUST_USE int skep_mock_look(const skep_mock *mock, uint64_t job, skep_mock_job *info);

/* A worker has it. */
SKEP_MUST_USE int skep_mock_expect_delivered(skep_mock *mock, uint64_t job, uint32_t worker, unsigned timeout_ms);

/* It is done, with exactly this result. NULL is any result, or none; "" with size 0 is an empty one, or none. */
SKEP_MUST_USE int skep_mock_expect_done(skep_mock *mock, uint64_t job, const void *result, size_t size_bytes,
                                        unsigned timeout_ms);

/* Its worker has asked for another attempt, after this delay. That is what the worker asked for: with 0, and a backoff
 * of the queue, the job waits for the backoff instead, which due_ms of skep_mock_look tells. A reason of NULL is any,
 * in all of these. */
enum { SKEP_MOCK_ANY_DELAY = -1 };
SKEP_MUST_USE int skep_mock_expect_retried(skep_mock *mock, uint64_t job, int64_t delay_ms, const char *reason,
                                           unsigned timeout_ms);

/* It cannot be done. */
SKEP_MUST_USE int skep_mock_expect_failed(skep_mock *mock, uint64_t job, const char *reason, unsigned timeout_ms);

/* It is a dead letter, of this cause. Causes of NULL are any. Can be expected any number of times. */
SKEP_MUST_USE int skep_mock_expect_dead(skep_mock *mock, uint64_t job, const char *cause, const char *reason,
                                        unsigned timeout_ms);

/* Its lease was begun anew. */
SKEP_MUST_USE int skep_mock_expect_extended(skep_mock *mock, uint64_t job, unsigned timeout_ms);

/* A worker has given it back without having begun it. One that was taken from it before is not given back. */
SKEP_MUST_USE int skep_mock_expect_released(skep_mock *mock, uint64_t job, unsigned timeout_ms);

/* An answer to it came too late, and was refused: its lease had ended. */
SKEP_MUST_USE int skep_mock_expect_refused(skep_mock *mock, uint64_t job, unsigned timeout_ms);

/* --- Messages: the test sees all that workers send, and stands for the broker's program and for workers that the mock
 * does not have. What is for a worker that it has, or for all, goes there, too --- */

/* As the broker's own: from is 0. Errors of all: SKEP_ENOWORKER, SKEP_EAGAIN, SKEP_ETOOBIG, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_mock_send(skep_mock *mock, uint32_t worker, const char *name, const void *data,
                                 size_t size_bytes);

/* A message that wants a reply; *request (from 1) is for skep_mock_expect_reply. */
SKEP_MUST_USE int skep_mock_request(skep_mock *mock, uint32_t worker, const char *name, const void *data,
                                    size_t size_bytes, uint64_t *request);

/* To all workers that have subscribed. */
SKEP_MUST_USE int skep_mock_broadcast(skep_mock *mock, const char *name, const void *data, size_t size_bytes);

/* Answers a worker's request, by the number that skep_mock_expect_request gave. */
SKEP_MUST_USE int skep_mock_reply(skep_mock *mock, uint32_t worker, uint64_t request, int status, const void *data,
                                  size_t size_bytes);

/* What skep_on_request_count hears. */
SKEP_MUST_USE int skep_mock_request_count(skep_mock *mock, uint32_t worker, uint64_t count);

/* A message of a worker's. Data of NULL are any, in all of these. */
SKEP_MUST_USE int skep_mock_expect_message(skep_mock *mock, uint32_t worker, const char *name, const void *data,
                                           size_t size_bytes, unsigned timeout_ms);

/* A message of a worker's that wants a reply. */
SKEP_MUST_USE int skep_mock_expect_request(skep_mock *mock, uint32_t worker, const char *name, const void *data,
                                           size_t size_bytes, uint64_t *request, unsigned timeout_ms);

/* The reply to a request of the mock's. */
SKEP_MUST_USE int skep_mock_expect_reply(skep_mock *mock, uint64_t request, int status, const void *data,
                                         size_t size_bytes, unsigned timeout_ms);

/* It has subscribed to broadcasts. */
SKEP_MUST_USE int skep_mock_expect_subscribed(skep_mock *mock, uint32_t worker, unsigned timeout_ms);

/* A counter of a worker's has come to exactly this, all in all; "requests" is the usual one. */
SKEP_MUST_USE int skep_mock_expect_count(skep_mock *mock, uint32_t worker, const char *name, uint64_t count,
                                         unsigned timeout_ms);

/* --- Connections --- */

/* It listens on a URL, as it was given to skep_listen. Nothing is bound: what comes, comes from skep_mock_connect. */
SKEP_MUST_USE int skep_mock_expect_listening(skep_mock *mock, uint32_t worker, const char *url, unsigned timeout_ms);

/* Hands a connection to a worker that listens on this URL: a TCP connection on 127.0.0.1 for tcp://, else a pair of
 * Unix sockets. *fd is the test's end, non-blocking, the test's to close. Errors: SKEP_ENOWORKER (none listens there),
 * SKEP_EMFILE, SKEP_ESYS. */
SKEP_MUST_USE int skep_mock_connect(skep_mock *mock, uint32_t worker, const char *url, int *fd);

/* Exactly these bytes come next on the test's end, or any of the given size if bytes is NULL; then, for _end, its end.
 */
SKEP_MUST_USE int skep_mock_expect_bytes(skep_mock *mock, int fd, const void *bytes, size_t size_bytes,
                                         unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_expect_end(skep_mock *mock, int fd, unsigned timeout_ms);

/* A worker has taken, or finished, so many connections, all in all. */
SKEP_MUST_USE int skep_mock_expect_taken(skep_mock *mock, uint32_t worker, uint64_t count, unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_expect_finished(skep_mock *mock, uint32_t worker, uint64_t count, unsigned timeout_ms);

/* --- Nothing more, and worse --- */

/* Nothing has happened to jobs and nothing was sent by workers that no expectation has taken, nor does within the
 * duration (of the real clock). */
SKEP_MUST_USE int skep_mock_expect_quiet(skep_mock *mock, unsigned duration_ms);

/* Bytes as they are: a message on the link, or a frame in the inbox. Errors: SKEP_ENOWORKER, SKEP_EAGAIN, SKEP_ENOMEM.
 */
enum skep_mock_channel { SKEP_MOCK_LINK, SKEP_MOCK_INBOX };
SKEP_MUST_USE int skep_mock_send_raw(skep_mock *mock, uint32_t worker, enum skep_mock_channel channel, const void *data,
                                     size_t size_bytes);

/* Closes the link to a worker and its sockets without a word, as a broker that dies does. Errors: SKEP_ENOWORKER. */
SKEP_MUST_USE int skep_mock_close_link(skep_mock *mock, uint32_t worker);

/* --- Clients: programs and skep_clients that submit jobs find the mock as they find a broker --- */

/* For skep_client_options.dir, or SKEP_DIR of a program; borrowed. A client in this process has the mock's loop. */
const char *skep_mock_broker_dir(const skep_mock *mock);

/* What clients are told about their submissions from now on: SKEP_OK, and jobs are in the ledger, for whoever handles
 * their queue; or the status with which they are declined, such as SKEP_EFULL; or nothing at all. */
enum { SKEP_MOCK_SILENT = -1 };
void skep_mock_answer(skep_mock *mock, int status);

/* A client has submitted a job, the next after those that were expected before. NULL is any, in both. *job (may be
 * NULL) is its id. */
SKEP_MUST_USE int skep_mock_expect_submitted(skep_mock *mock, const char *queue, const void *data, size_t size_bytes,
                                             uint64_t *job, unsigned timeout_ms);

/* The test does a job that no worker has, or makes it a dead letter: cause is that of skep_outcome. Errors:
 * SKEP_ENOJOB, SKEP_ESTATE (a worker has it, or it has come to its end), SKEP_ETOOBIG, SKEP_EINVAL (cause),
 * SKEP_ENOMEM.
 */
SKEP_MUST_USE int skep_mock_finish(skep_mock *mock, uint64_t job, const void *result, size_t size_bytes);
SKEP_MUST_USE int skep_mock_bury(skep_mock *mock, uint64_t job, const char *cause, const char *reason);

/* ===== A mock client: a real one for tests, of a mock broker or of a real one ===== */

typedef struct skep_mock_client skep_mock_client;

/* Joins a mock broker, on its loop; expectations run that. Errors: those of skep_client_new. Free with
 * skep_mock_client_free, before the mock broker. */
SKEP_MUST_USE int skep_mock_broker_client(skep_mock *mock, skep_mock_client **client);

/* Joins the broker of a directory; NULL: as skep_client_options says. Errors: those of skep_client_new. */
SKEP_MUST_USE int skep_mock_client_new(skep_mock_client **client, const char *dir);

/* Sets *client to NULL. NULL is allowed. */
void skep_mock_client_free(skep_mock_client **client);

/* The real one, for all that is not here; borrowed. */
skep_client *skep_mock_client_inside(skep_mock_client *client);

/* What went wrong in the latest call that failed; borrowed until the next call; never NULL. */
const char *skep_mock_client_why(const skep_mock_client *client);

/* Submits a job whose outcome is wanted, or sends a request to a worker. *number (from 1) is for the expectations.
 * Errors: those of skep_submit and skep_client_request. */
SKEP_MUST_USE int skep_mock_client_submit(skep_mock_client *client, const char *queue, const void *data,
                                          size_t size_bytes, const skep_job_options *options, uint64_t *number);
SKEP_MUST_USE int skep_mock_client_request(skep_mock_client *client, uint32_t worker, const char *to_name,
                                           const char *name, const void *data, size_t size_bytes, uint64_t *number);

/* What it was told, which each can be expected any number of times. Errors of all: SKEP_ETIMEDOUT, SKEP_EUNEXPECTED (it
 * was told something else), SKEP_ENOJOB (there is no such number). The answer is SKEP_OK, or with which status the job
 * was declined; id (may be NULL) is that of an accepted one. Results and data of NULL are any, as are causes and
 * reasons.
 */
SKEP_MUST_USE int skep_mock_client_expect_answer(skep_mock_client *client, uint64_t number, int status, uint64_t *id,
                                                 unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_client_expect_result(skep_mock_client *client, uint64_t number, const void *result,
                                                 size_t size_bytes, unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_client_expect_dead(skep_mock_client *client, uint64_t number, const char *cause,
                                               const char *reason, unsigned timeout_ms);
SKEP_MUST_USE int skep_mock_client_expect_reply(skep_mock_client *client, uint64_t number, int status, const void *data,
                                                size_t size_bytes, unsigned timeout_ms);

/* ===== A mock worker: a real one whose handlers follow a script =====
 *
 * A script has a statement a line; what follows a # is for people. docs/mock.md has examples of all of it.
 *
 *     name NAME                            by which others reach it
 *     handle QUEUE [concurrency N]
 *     listen URL
 *     subscribe                            to broadcasts
 *     job [QUEUE] WHICH [attempt N] ACTION...
 *     connection WHICH ACTION...
 *     message NAME|* ACTION...
 *     ready ACTION...                      before it says that it is ready
 *     leave ACTION...                      before it leaves
 *
 * WHICH is * or N or N.. or N..M: the Nth job or connection that came to this worker; for jobs also "text" that is in
 * the payload. The first rule that fits is followed, its actions one after the other. What has no rule is done: jobs
 * without a result, connections are closed, requests answered with nothing. Actions:
 *
 *     delay T   stall T                    wait on the loop; hold the loop up
 *     work T   late   extend               jobs: for so long, extending the lease all the time; until the lease has
 *                                          ended, and a little more; begins the lease anew
 *     reply DATA   echo                    jobs, messages; echo sends back what came, also on connections
 *     done   fail REASON   retry T REASON  jobs
 *     never                                keeps a job, a request, its readiness or its leaving to itself
 *     refuse   hold T                      connections, first of all: gives it back; tells only later that it has it
 *     write DATA   close                   connections
 *     count NAME N   send NAME DATA   broadcast NAME DATA
 *     malformed outbox|link                sends bytes that are no frame
 *     leave   crash SIGNAL   exit N
 *
 * T is a time such as 200ms, 1.5s, 2m. DATA and REASON are a word, "text" with \n \" \x00 and the like in it, or
 * hex:00ff. */

enum { SKEP_MOCK_WHY_BYTES = 640 };

typedef struct skep_mock_script skep_mock_script;
typedef struct skep_mock_worker skep_mock_worker;

/* Errors: SKEP_EINVAL, and why is one line, such as "line 3: fish: expected ..."; SKEP_ENOMEM. Free with
 * skep_mock_script_free. */
SKEP_MUST_USE int skep_mock_script_parse(skep_mock_script **script, const char *text, char why[SKEP_MOCK_WHY_BYTES]);
void skep_mock_script_free(skep_mock_script **script);

/* Sets a worker's handlers as a script says: that of skep_mock_broker_worker, say. The script must outlive the mock,
 * which is freed before the worker. Crashes end this process. Errors: those of skep_on_job, skep_listen and
 * skep_subscribe; skep_worker_why says more. */
SKEP_MUST_USE int skep_mock_worker_new(skep_mock_worker **mock, skep_worker *worker, const skep_mock_script *script);

/* Closes its connections; jobs that come from now on are to be tried again. Sets *mock to NULL. NULL is allowed. Not
 * from a callback. */
void skep_mock_worker_free(skep_mock_worker **mock);

/* In a process that a broker started: joins, follows a script until the worker has left. Errors: those of
 * skep_mock_script_parse, skep_worker_new, skep_mock_worker_new and skep_worker_run; why is one line then, else "". */
SKEP_MUST_USE int skep_mock_worker_run(const char *script, char why[SKEP_MOCK_WHY_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
