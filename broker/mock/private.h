/* SPDX-License-Identifier: MIT
 * A mock broker's insides, shared by the files of this folder. They are below in their order, from the ground up, those
 * of clients.h after messages.c: each calls those before it only. connect.c, outcomes.c and, on top, mock.c have only
 * what the user calls. */
#ifndef SKEP_MOCK_PRIVATE_H
#define SKEP_MOCK_PRIVATE_H

#include <skep/mock.h>
#include <sys/queue.h>

#include "command.h"
#include "common/flusher.h"
#include "common/table.h"
#include "jobs/jobs.h"
#include "mock/client.h"
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

/* What the mock remembers of a job, also when the ledger has forgotten it */
struct skep__mock_job {
    uint64_t id;
    UT_hash_handle hh;
    char queue[SKEP_MAX_NAME + 1];
    uint32_t client; /* that has submitted it; 0: the test */
    uint32_t worker; /* that had it last; 0: none */
    bool is_over;
    skep_mock_job end; /* when it is over: how it was then */
    char *result;      /* of end; NULL: none */
    char reason[SKEP_MAX_REASON + 1];
    size_t size_bytes;
    char data[];
};

/* A queue that a worker handles */
struct skep__mock_place {
    LIST_ENTRY(skep__mock_place) entry;
    char queue[SKEP_MAX_NAME + 1];
    unsigned concurrency;
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
    struct skep__alarm respawn;

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
    bool cut; /* the test has closed its link: it does not die of its jobs */
    LIST_HEAD(, skep__mock_place) places;
    LIST_HEAD(, skep__mock_listener) listeners;
    LIST_HEAD(, skep__mock_counter) counters;
    bool counts_final; /* its page has given them: reports that are still on their way do not count again */
    uint32_t last_listener;
    uint64_t last_connection; /* handed over */
    uint64_t taken, finished;

    struct skep__holder *holder; /* of its jobs */
    uint64_t *delivered;         /* the ids of all jobs that it was sent, by their deliveries, from 1 */
    uint64_t last_delivery;
    size_t room; /* in delivered */
};

struct skep__mock_line {
    STAILQ_ENTRY(skep__mock_line) entry;
    char text[SKEP__MOCK_LINE_BYTES];
};

struct skep_mock {
    skep_mock_options options; /* 0 where a broker's setting counts */
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

    skep_settings settings;           /* of the ledger */
    struct skep__clock *clock, *pace; /* moved by the test; of the loop */
    struct skep__jobs *ledger;
    struct skep__mock_job *jobs; /* by id */
    uint64_t last_job, last_number;

    TAILQ_HEAD(, skep__mock_worker) workers; /* those that have ended, too */
    uint32_t last_worker;
    struct skep__mock_events events; /* that no expectation has taken */
    uint64_t last_request;
    uint32_t name_turn; /* of the workers with one name */
    struct skep__mock_clients *clients;

    STAILQ_HEAD(, skep__mock_line) history;
    unsigned history_count;
    char why[SKEP__MOCK_WHY_BYTES];
};

/* --- core.c --- */

/* Turns of the loop until is_so. Errors: SKEP_ETIMEDOUT. */
SKEP_MUST_USE int skep__mock_run(skep_mock *mock, skep_mock_cb is_so, void *context, unsigned timeout_ms);

/* URL of a socket in the directory. */
void skep__mock_url(const skep_mock *mock, const char *socket, uint32_t worker, char url[SKEP_MAX_URL + 1]);

/* A worker of this id, which may have left; NULL. */
struct skep__mock_worker *skep__mock_find_worker(const skep_mock *mock, uint32_t worker);

/* Nothing comes from this worker any more; from none of those that there were. */
bool skep__mock_is_gone(const struct skep__mock_worker *worker);
bool skep__mock_all_gone(const skep_mock *mock);

/* uv_close with bookkeeping. */
void skep__mock_close_handle(skep_mock *mock, uv_handle_t *handle);

/* --- why.c --- */

/* Notes a line of history. */
SKEP_PRINTF(2, 3) void skep__mock_note(skep_mock *mock, const char *format, ...);
void skep__mock_note_command(skep_mock *mock, const char *way, uint32_t worker, const struct skep_command *command);

/* Begins what skep_mock_why gives anew, adds to it, ends it with the history and returns the status. */
SKEP_PRINTF(2, 3) void skep__mock_explain(skep_mock *mock, const char *format, ...);
SKEP_PRINTF(2, 3) void skep__mock_explain_more(skep_mock *mock, const char *format, ...);
int skep__mock_failed(skep_mock *mock, int status);

/* An event in words. Returns text. */
const char *skep__mock_describe(const struct skep__mock_event *event, char text[SKEP__MOCK_SUBJECT_BYTES]);

/* All that is known of a worker, in words. Returns text. */
const char *skep__mock_describe_worker(const struct skep__mock_worker *worker, char text[SKEP__MOCK_SUBJECT_BYTES]);

/* Adds to skep_mock_why how a worker is, or all of them (0). */
void skep__mock_explain_workers(skep_mock *mock, uint32_t worker);

/* A worker of this id that has not left (0: the first), or NULL and skep_mock_why. */
struct skep__mock_worker *skep__mock_present(skep_mock *mock, uint32_t worker);

void skep__mock_forget_history(skep_mock *mock);

/* --- events.c --- */

/* Notes that something has happened; the strings are copied. */
void skep__mock_happened(skep_mock *mock, const struct skep__mock_event *event);
void skep__mock_forget_events(skep_mock *mock);

/* --- send.c --- */

/* Sends one command on the link, or by the inbox. */
SKEP_MUST_USE int skep__mock_tell(struct skep__mock_worker *worker, const struct skep_command *command, int fd);
SKEP_MUST_USE int skep__mock_put(struct skep__mock_worker *worker, const struct skep_command *command);

/* --- counts.c --- */

/* A worker's reports */
void skep__mock_count_requests(struct skep__mock_worker *worker,
                               const struct skep_command_incrementRequestCount *report);
void skep__mock_count_named(struct skep__mock_worker *worker, const struct skep_command_incrementCount *report);

/* Adds what a worker that ends has on its page and has not reported. */
void skep__mock_count_unreported(struct skep__mock_worker *worker);

/* --- jobs.c --- */

/* The job of an id; NULL: there is none, as no_job notes for skep_mock_why: it returns SKEP_ENOJOB. */
struct skep__mock_job *skep__mock_find_job(const skep_mock *mock, uint64_t id);
int skep__mock_no_job(skep_mock *mock, uint64_t id);

/* What is to be put; its answer */
struct skep__mock_submission {
    const char *queue;
    struct skep_bytes data;
    const skep_job_options *options;
    uint32_t client; /* 0: the test */
    uint64_t number; /* of the client's */
    struct skep__answer answer;
};

/* Puts a job, and gives it out. Errors: those of skep_mock_submit, of which the client is told those of answer. */
SKEP_MUST_USE int skep__mock_put_job(skep_mock *mock, struct skep__mock_submission *submission);

/* Says what has become of a job: how it is then is remembered. */
void skep__mock_job_ends(skep_mock *mock, const struct skep__job *job, const char *cause,
                         const struct skep_bytes *result_or_reason);

void skep__mock_set_reason(struct skep__mock_job *job, const struct skep_bytes *reason);

void skep__mock_free_jobs(skep_mock *mock);

/* --- answers.c --- */

/* What a worker says about its jobs; a worker was sent some. */
void skep__mock_answered(struct skep__mock_worker *worker, const struct skep_command *command);
void skep__mock_sent(struct skep__mock_worker *worker, const struct skep_command_jobs *jobs);

/* --- ledger.c --- */

/* The ledger with its clocks. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__mock_ledger_open(skep_mock *mock);
void skep__mock_ledger_close(skep_mock *mock);

/* --- messages.c --- */

/* A worker's message, for the test and its receivers. */
void skep__mock_message(struct skep__mock_worker *sender, const struct skep_command_message *message);

/* A worker's reply, for the worker that has asked. False: none has. */
bool skep__mock_pass_reply(struct skep__mock_worker *sender, const struct skep_command_reply *reply);

/* A worker's reply, for the test. */
void skep__mock_replied(struct skep__mock_worker *sender, const struct skep_command_reply *reply);

/* --- worker.c --- */

/* A worker with its channels; *link is its end of the link. */
SKEP_MUST_USE int skep__mock_add_worker(skep_mock *mock, struct skep__mock_worker **worker, int *link);

/* All but its program. */
void skep__mock_free_worker(struct skep__mock_worker *worker);
void skep__mock_drop_link(struct skep__mock_worker *worker);

/* It gets no more work. */
void skep__mock_leaves(struct skep__mock_worker *worker);

/* The worker's end of the link is closed, or the worker has ended: reads what it said last. */
void skep__mock_link_ended(struct skep__mock_worker *worker);

/* Reads all that is there on the link; void * because a worker in this process calls it when it waits. */
void skep__mock_read_link(void *worker);

/* --- spawn.c --- */

/* Kills and reaps it, if it runs. */
void skep__mock_end_program(struct skep__mock_worker *worker);
void skep__mock_free_program(struct skep__mock_program *program);

/* --- expect.c --- */

/* Adds to skep_mock_why how a job is. */
void skep__mock_explain_job(skep_mock *mock, uint64_t job);

/* --- state.c --- */

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
