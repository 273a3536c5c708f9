/* SPDX-License-Identifier: MIT
 * A mock broker's insides, shared by the mock_broker*.c files. */
#ifndef SKEP_LIB_MOCK_BROKER_H
#define SKEP_LIB_MOCK_BROKER_H

#include <skep/mock.h>
#include <sys/queue.h>

#include "command.h"
#include "common/flusher.h"
#include "common/table.h"
#include "transport/link.h"
#include "transport/outlet.h"
#include "transport/transport.h"

enum {
    SKEP__MOCK_GENERATION = 1,     /* of the broker's sockets */
    SKEP__MOCK_LINE_BYTES = 240,   /* of one line of history */
    SKEP__MOCK_WHY_BYTES = 16384,  /* of what skep_mock_why gives */
    SKEP__MOCK_SUBJECT_BYTES = 640 /* of one thing that happened, in words */
};

/* What an expectation can take */
enum skep__mock_what {
    SKEP__MOCK_DONE,
    SKEP__MOCK_RETRIED,
    SKEP__MOCK_FAILED,
    SKEP__MOCK_EXTENDED,
    SKEP__MOCK_RELEASED,
    SKEP__MOCK_REFUSED,
    SKEP__MOCK_MESSAGE,
    SKEP__MOCK_REQUEST,
    SKEP__MOCK_REPLY,
    SKEP__MOCK_BAD_FRAME
};

/* Something that happened, or that is expected. */
struct skep__mock_event {
    TAILQ_ENTRY(skep__mock_event) entry;
    enum skep__mock_what what;
    uint32_t worker;        /* 0 in an expectation: any */
    uint64_t number;        /* of the job or the request */
    int64_t value;          /* delay or status; negative in an expectation: any */
    struct skep_bytes text; /* name or reason; data NULL in an expectation: any */
    struct skep_bytes data; /* result or message; data NULL: none, or in an expectation any */
    char memory[];          /* of both */
};
TAILQ_HEAD(skep__mock_events, skep__mock_event);

/* A queue: how it is set up, and what has happened to its jobs */
struct skep__mock_queue {
    STAILQ_ENTRY(skep__mock_queue) entry;
    char name[SKEP_MAX_NAME + 1];
    skep_queue_options options; /* 0: the mock's setting */
    bool configured;            /* by skep_mock_setup_queue */
    bool handled;               /* a worker has handled it, or does */
    uint64_t reserved;          /* jobs that workers have */
    uint64_t submitted, done, redelivered, duplicates, refused, unclaimed, interrupted, taken_back; /* ever */
};

/* A client that waits for the outcome of a job */
struct skep__mock_waiter {
    STAILQ_ENTRY(skep__mock_waiter) entry;
    uint32_t client;
    uint64_t number; /* the client's */
};

struct skep__mock_job {
    uint64_t id;
    UT_hash_handle hh;
    TAILQ_ENTRY(skep__mock_job) ready_entry;
    struct skep__mock_queue *queue;
    skep_mock_job_state state;
    int priority;
    uint64_t accepted_ms;
    uint32_t lease_ms; /* its own; 0: the queue's */
    unsigned attempts; /* failures that make it a dead letter */
    unsigned attempt;  /* deliveries that were begun, the present one among them */
    unsigned failures; /* of them, those that failed or whose lease ended */
    unsigned deaths;   /* workers that died of it */
    unsigned interruptions;
    uint32_t worker;
    struct skep__mock_delivery *delivery; /* while it is reserved */
    bool begun;                           /* reserved: it was, when the clock moved last */
    uint64_t at_ms;     /* reserved: begun or extended then, or not begun by then; delayed: ready then */
    uint64_t expiry_ms; /* dead if it was not begun by then; UINT64_MAX: never */
    uint64_t ended_ms;  /* done or dead since then */
    char *result;
    size_t result_bytes;
    char reason[SKEP_MAX_REASON + 1];
    const char *cause; /* when it is dead */
    char key[SKEP_MAX_NAME + 1];
    uint32_t client; /* that has submitted it; 0: the test */
    STAILQ_HEAD(, skep__mock_waiter) waiters;
    size_t size_bytes;
    char data[];
};
TAILQ_HEAD(skep__mock_jobs, skep__mock_job);

/* A delivery that was not answered. One whose lease has ended stays, so that a late answer is known as such. */
struct skep__mock_delivery {
    uint64_t number;
    UT_hash_handle hh;
    struct skep__mock_job *job;
    struct skep__mock_place *place;
    uint64_t sent_ns; /* by uv_hrtime */
    bool live;
    bool outlasted; /* it has begun, and its claim is another delivery's by now */
};

/* Deliveries in a row that go into one command */
struct skep__mock_batch {
    struct skep_frame items;
    const struct skep__mock_job *first; /* NULL: empty */
    uint64_t delivery;
    uint32_t count;
};

/* A worker's place at a queue */
struct skep__mock_place {
    LIST_ENTRY(skep__mock_place) entry;
    struct skep__mock_queue *queue;
    unsigned concurrency;
    unsigned held;     /* jobs that the worker has */
    unsigned suspects; /* while a dead worker's jobs are judged: how many more it can have been working on */
};

struct skep__mock_listener {
    LIST_ENTRY(skep__mock_listener) entry;
    char url[SKEP_MAX_URL + 1];
    uint32_t number;
};

struct skep__mock_counter {
    LIST_ENTRY(skep__mock_counter) entry;
    char name[SKEP_MAX_NAME + 1];
    uint64_t count;
};

/* How a program is started, once and again; one allocation */
struct skep__mock_program {
    char **argv;
    char **env;
    unsigned starts;
};

struct skep__mock_worker {
    TAILQ_ENTRY(skep__mock_worker) entry;
    skep_mock *mock;
    uint32_t id;
    char name[SKEP_MAX_NAME + 1];       /* as it said in hello */
    skep_worker *inside;                /* in this process; NULL: a program */
    struct skep__mock_program *program; /* NULL: in this process, or it has a successor */
    uint32_t successor;
    uint64_t respawn_ms; /* on the mock's clock; UINT64_MAX: not */

    int link; /* -1: closed */
    uv_poll_t link_poll;
    struct skep_reader link_reader;
    int page_fd; /* until it was given to the worker */
    struct skep_page *page;
    struct skep__outlet *inbox;
    struct skep__port *outbox;
    struct skep_reader outbox_reader;

    pid_t pid; /* 0: none any more */
    int pidfd;
    uv_poll_t exit_poll;
    bool exited;
    int code, signal; /* -1: not that way */

    bool said_ready, has_inbox, has_outbox; /* it is ready when all are so */
    bool ready, draining, left, subscribed;
    bool stalled;     /* the lease of a job has ended and it has not answered anything since */
    uint64_t left_ns; /* by uv_hrtime */
    LIST_HEAD(, skep__mock_place) places;
    LIST_HEAD(, skep__mock_listener) listeners;
    LIST_HEAD(, skep__mock_counter) counters;
    bool counts_final; /* its page has given them: reports that are still on their way do not count again */
    uint32_t last_listener;
    uint64_t last_connection; /* handed over */
    uint64_t taken, finished;

    uint64_t last_delivery;
    struct skep__mock_delivery *deliveries; /* by number */
    unsigned live_deliveries;
    struct skep__mock_batch batch;
};

struct skep__mock_line {
    STAILQ_ENTRY(skep__mock_line) entry;
    char text[SKEP__MOCK_LINE_BYTES];
};

struct skep_mock {
    skep_mock_options options; /* all set */
    uv_loop_t *loop;
    uv_loop_t own_loop;
    bool owns_loop;
    int open_handles; /* of ours, hub and flusher aside */
    uv_timer_t look_timer;
    char dir[SKEP_MAX_DIR + 1];
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__port *news; /* workers want to dial one; broadcasts go to their inboxes, where none is lost */
    uint64_t news_seq;
    struct skep__link_message *message; /* reused */
    uint64_t now_ms;

    TAILQ_HEAD(, skep__mock_worker) workers; /* those that have ended, too */
    uint32_t last_worker;
    STAILQ_HEAD(, skep__mock_queue) queues;
    struct skep__mock_job *jobs; /* by id */
    uint64_t last_job;
    struct skep__mock_jobs ready;    /* by priority */
    struct skep__mock_events events; /* that no expectation has taken */
    uint64_t last_request;
    uint32_t name_turn; /* of the workers with one name */
    struct skep__mock_clients *clients;

    STAILQ_HEAD(, skep__mock_line) history;
    unsigned history_count;
    char why[SKEP__MOCK_WHY_BYTES];
};

/* --- broker.c --- */

/* Turns of the loop, with deliveries between them, until is_so. Errors: SKEP_ETIMEDOUT. */
SKEP_MUST_USE int skep__mock_run(skep_mock *mock, skep_mock_cb is_so, void *context, unsigned timeout_ms);

/* URL of a socket in the directory. */
void skep__mock_url(const skep_mock *mock, const char *socket, uint32_t worker, char url[SKEP_MAX_URL + 1]);

/* A worker of this id that has not left (0: the first), or NULL and skep_mock_why; one that may have left, or NULL. */
struct skep__mock_worker *skep__mock_present(skep_mock *mock, uint32_t worker);
struct skep__mock_worker *skep__mock_worker(const skep_mock *mock, uint32_t worker);

/* Nothing comes from this worker any more; from none of those that there were. */
bool skep__mock_is_gone(const struct skep__mock_worker *worker);
bool skep__mock_all_gone(const skep_mock *mock);

/* uv_close with bookkeeping. */
void skep__mock_close_handle(skep_mock *mock, uv_handle_t *handle);

/* --- broker_why.c --- */

/* Notes a line of history. */
SKEP_PRINTF(2, 3) void skep__mock_note(skep_mock *mock, const char *format, ...);
void skep__mock_note_command(skep_mock *mock, const char *way, uint32_t worker, const struct skep_command *command);

/* Begins what skep_mock_why gives anew, adds to it, ends it with the history and returns the status. */
SKEP_PRINTF(2, 3) void skep__mock_explain(skep_mock *mock, const char *format, ...);
SKEP_PRINTF(2, 3) void skep__mock_explain_more(skep_mock *mock, const char *format, ...);
int skep__mock_failed(skep_mock *mock, int status);

/* Bytes as text in quotes, shortened. Terminates. Returns text. */
const char *skep__mock_quote(struct skep_bytes bytes, char *text, size_t capacity_bytes);

/* An event in words. Returns text. */
const char *skep__mock_describe(const struct skep__mock_event *event, char text[SKEP__MOCK_SUBJECT_BYTES]);

/* All that is known of a worker, in words. Returns text. */
const char *skep__mock_describe_worker(const struct skep__mock_worker *worker, char text[SKEP__MOCK_SUBJECT_BYTES]);

void skep__mock_forget_history(skep_mock *mock);

/* --- broker_worker.c --- */

/* A worker with its channels; *link is its end of the link. */
SKEP_MUST_USE int skep__mock_add_worker(skep_mock *mock, struct skep__mock_worker **worker, int *link);
void skep__mock_free_worker(struct skep__mock_worker *worker);
void skep__mock_drop_link(struct skep__mock_worker *worker);

/* The worker's end of the link is closed, or the worker has ended: reads what it said last. */
void skep__mock_link_ended(struct skep__mock_worker *worker);

/* Reads all that is there on the link; void * because a worker in this process calls it when it waits. */
void skep__mock_read_link(void *worker);

/* Sends one command on the link, or by the inbox. */
SKEP_MUST_USE int skep__mock_tell(struct skep__mock_worker *worker, const struct skep_command *command, int fd);
SKEP_MUST_USE int skep__mock_put(struct skep__mock_worker *worker, const struct skep_command *command);

/* --- broker_messages.c --- */

/* A worker's message, for the test and its receivers; and its reply, for the process that has asked. */
void skep__mock_message(struct skep__mock_worker *sender, const struct skep_command_message *message);
void skep__mock_replied(struct skep__mock_worker *sender, const struct skep_command_reply *reply);

/* --- broker_counts.c --- */

/* A worker's reports */
void skep__mock_count_requests(struct skep__mock_worker *worker,
                               const struct skep_command_incrementRequestCount *report);
void skep__mock_count_named(struct skep__mock_worker *worker, const struct skep_command_incrementCount *report);

/* Adds what a worker that ends has on its page and has not reported. */
void skep__mock_count_unreported(struct skep__mock_worker *worker);

/* --- broker_spawn.c --- */

/* When the next program is to be started again, on the mock's clock; UINT64_MAX: never. Starts those that are due. */
uint64_t skep__mock_next_start(const skep_mock *mock);
void skep__mock_start_due(skep_mock *mock);

/* Kills and reaps it, if it runs. */
void skep__mock_end_program(struct skep__mock_worker *worker);
void skep__mock_free_program(struct skep__mock_program *program);

/* --- broker_jobs.c --- */

/* The queue of a name, which is made if it is not there; NULL: no memory. */
struct skep__mock_queue *skep__mock_queue(skep_mock *mock, const char *name);

/* The job of an id; NULL: there is none, as no_job notes for skep_mock_why: it returns SKEP_ENOJOB. */
struct skep__mock_job *skep__mock_job(const skep_mock *mock, uint64_t id);
int skep__mock_no_job(skep_mock *mock, uint64_t id);

uint32_t skep__mock_lease_ms(const skep_mock *mock, const struct skep__mock_job *job);
bool skep__mock_is_over(const struct skep__mock_job *job);

/* It waits for a worker, before or behind the others of its priority. */
void skep__mock_make_ready(skep_mock *mock, struct skep__mock_job *job, bool first);

void skep__mock_set_reason(struct skep__mock_job *job, struct skep_bytes reason);

/* It is over. The result is copied; data NULL: none. cause is static text. */
void skep__mock_end_done(skep_mock *mock, struct skep__mock_job *job, struct skep_bytes result);
void skep__mock_end_dead(skep_mock *mock, struct skep__mock_job *job, const char *cause, struct skep_bytes reason);

void skep__mock_free_jobs(skep_mock *mock);

/* --- broker_deliver.c --- */

/* Gives jobs to workers that can take them; takes back what waits behind another job beside an idle worker. */
void skep__mock_deliver(skep_mock *mock);

/* A live delivery is none any more: the job is not the worker's. undo: as if it had never been given. */
void skep__mock_let_go(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery);
void skep__mock_undo(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery);

/* Takes a live delivery back, and forgets it: its job is nobody's. False: the worker has begun it. all: of all of its
 * deliveries those that it has not begun; their jobs are ready again. */
bool skep__mock_take_back(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery);
void skep__mock_take_back_all(struct skep__mock_worker *worker);

/* Forgets a delivery that is not live any more. */
void skep__mock_forget(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery);

/* Whether the worker has begun a live delivery, as far as the mock can know. */
bool skep__mock_is_begun(const struct skep__mock_worker *worker, const struct skep__mock_delivery *delivery);

/* Whether each worker has begun what it can begin. */
bool skep__mock_all_begun(void *mock);

/* --- broker_ledger.c --- */

/* Answers to deliveries */
void skep__mock_completed(struct skep__mock_worker *worker, const struct skep_command_completed *completed);
void skep__mock_retry(struct skep__mock_worker *worker, const struct skep_command_retry *retry);
void skep__mock_fail(struct skep__mock_worker *worker, const struct skep_command_fail *fail);
void skep__mock_released(struct skep__mock_worker *worker, const struct skep_command_released *released);
void skep__mock_extend(struct skep__mock_worker *worker, const struct skep_command_extend *extend);

/* --- broker_death.c --- */

/* The worker is gone: what it had goes to others, or to the dead letters. blames: it died of itself, and was not asked
 * to end. */
void skep__mock_give_back(struct skep__mock_worker *worker, bool blames);

/* The same for programs that closed their link a while ago and have not ended since. */
void skep__mock_give_back_overdue(skep_mock *mock);

/* --- broker_expect.c --- */

/* Notes that something has happened; the strings are copied. */
void skep__mock_happened(skep_mock *mock, const struct skep__mock_event *event);
void skep__mock_forget_events(skep_mock *mock);

/* Adds to skep_mock_why how a job is; how a worker is, or all of them (0). */
void skep__mock_explain_job(skep_mock *mock, uint64_t job);
void skep__mock_explain_workers(skep_mock *mock, uint32_t worker);

/* --- broker_state.c --- */

/* Something that becomes true of a worker, or of any (0); found is the one. */
struct skep__mock_state {
    skep_mock *mock;
    uint32_t worker;
    bool (*is_so)(const struct skep__mock_worker *worker, const struct skep__mock_state *state);
    const char *name;
    uint64_t number;
    struct skep__mock_worker *found;
};

/* Waits for it; the format tells what the worker is expected to be. */
SKEP_PRINTF(3, 4)
SKEP_MUST_USE int skep__mock_expect_state(struct skep__mock_state *state, unsigned timeout_ms, const char *format, ...);

#endif
