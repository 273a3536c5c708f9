/* SPDX-License-Identifier: MIT
 * A mock broker's insides, shared by the mock_broker*.c files. */
#ifndef SKEP_MOCK_BROKER_H
#define SKEP_MOCK_BROKER_H

#include <skep/mock.h>
#include <sys/queue.h>
#include <uthash.h>

#include "command.h"
#include "flusher.h"
#include "link.h"
#include "transport/outlet.h"
#include "transport/transport.h"

enum {
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

struct skep__mock_job {
    uint64_t id;
    UT_hash_handle hh;
    TAILQ_ENTRY(skep__mock_job) ready_entry;
    char queue[SKEP_MAX_NAME + 1];
    skep_mock_job_state state;
    int priority;
    uint32_t lease_ms;
    unsigned attempts; /* that it may have */
    unsigned attempt;
    bool redelivered;
    uint32_t worker;
    struct skep__mock_delivery *delivery; /* while it is reserved */
    uint64_t due_ms;                      /* while it is reserved or delayed */
    uint64_t expiry_ms;                   /* nobody wants it any more; UINT64_MAX: never */
    char *result;
    size_t result_bytes;
    char reason[SKEP_MAX_REASON + 1];
    const char *cause; /* when it is dead */
    uint32_t client;   /* that has submitted it; 0: the test */
    uint64_t number;   /* the client's */
    bool wants_outcome;
    size_t size_bytes;
    char data[];
};

/* A delivery that was not answered. One whose job was taken back stays, so that a late answer is known as such. */
struct skep__mock_delivery {
    uint64_t number;
    UT_hash_handle hh;
    uint64_t job;
    bool live;
};

/* Deliveries in a row that go into one command */
struct skep__mock_batch {
    struct skep_frame items;
    const struct skep__mock_job *first; /* NULL: empty */
    uint64_t delivery;
    uint32_t count;
};

struct skep__mock_queue {
    LIST_ENTRY(skep__mock_queue) entry;
    char name[SKEP_MAX_NAME + 1];
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

    bool ready, draining, left, subscribed;
    LIST_HEAD(, skep__mock_queue) queues;
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
    struct skep__mock_job *jobs; /* by id */
    uint64_t last_job;
    TAILQ_HEAD(skep__mock_ready, skep__mock_job) ready; /* by priority, then id */
    struct skep__mock_events events;                    /* that no expectation has taken */
    uint64_t last_request;
    struct skep__mock_clients *clients;

    STAILQ_HEAD(, skep__mock_line) history;
    unsigned history_count;
    char why[SKEP__MOCK_WHY_BYTES];
};

/* --- mock_broker.c --- */

/* Turns of the loop, with deliveries between them, until is_so. Errors: SKEP_ETIMEDOUT. */
SKEP_MUST_USE int skep__mock_run(skep_mock *mock, skep_mock_cb is_so, void *context, unsigned timeout_ms);

/* URL of a socket in the directory. */
void skep__mock_url(const skep_mock *mock, const char *socket, uint32_t worker, char url[SKEP_MAX_URL + 1]);

/* A worker of this id that has not left; 0 is the first. NULL and skep_mock_why: there is none. */
struct skep__mock_worker *skep__mock_present(skep_mock *mock, uint32_t worker);

/* A worker of this id, whether it has left or not; NULL. */
struct skep__mock_worker *skep__mock_worker(const skep_mock *mock, uint32_t worker);

/* uv_close with bookkeeping. */
void skep__mock_close_handle(skep_mock *mock, uv_handle_t *handle);

/* --- mock_broker_why.c --- */

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

/* --- mock_broker_worker.c --- */

/* A worker with its channels; *link is its end of the link. */
SKEP_MUST_USE int skep__mock_add_worker(skep_mock *mock, struct skep__mock_worker **worker, int *link);
void skep__mock_free_worker(struct skep__mock_worker *worker);
void skep__mock_drop_link(struct skep__mock_worker *worker);

/* Reads all that is there on the link; void * because a worker in this process calls it when it waits. */
void skep__mock_read_link(void *worker);

/* Sends one command on the link, or by the inbox. */
SKEP_MUST_USE int skep__mock_tell(struct skep__mock_worker *worker, const struct skep_command *command, int fd);
SKEP_MUST_USE int skep__mock_put(struct skep__mock_worker *worker, const struct skep_command *command);

/* --- mock_broker_counts.c --- */

/* A worker's reports */
void skep__mock_count_requests(struct skep__mock_worker *worker,
                               const struct skep_command_incrementRequestCount *report);
void skep__mock_count_named(struct skep__mock_worker *worker, const struct skep_command_incrementCount *report);

/* Adds what a worker that ends has on its page and has not reported. */
void skep__mock_count_unreported(struct skep__mock_worker *worker);

/* --- mock_broker_spawn.c --- */

/* When the next program is to be started again, on the mock's clock; UINT64_MAX: never. Starts those that are due. */
uint64_t skep__mock_next_start(const skep_mock *mock);
void skep__mock_start_due(skep_mock *mock);

/* Kills and reaps it, if it runs. */
void skep__mock_end_program(struct skep__mock_worker *worker);
void skep__mock_free_program(struct skep__mock_program *program);

/* --- mock_broker_ledger.c --- */

/* The job of an id; NULL: there is none. */
struct skep__mock_job *skep__mock_job(const skep_mock *mock, uint64_t id);

/* Gives jobs to workers that can take them. */
void skep__mock_deliver(skep_mock *mock);

/* Answers to deliveries */
void skep__mock_completed(struct skep__mock_worker *worker, const struct skep_command_completed *completed);
void skep__mock_retry(struct skep__mock_worker *worker, const struct skep_command_retry *retry);
void skep__mock_fail(struct skep__mock_worker *worker, const struct skep_command_fail *fail);
void skep__mock_released(struct skep__mock_worker *worker, const struct skep_command_released *released);
void skep__mock_extend(struct skep__mock_worker *worker, const struct skep_command_extend *extend);

/* Takes back what a worker has that is gone. */
void skep__mock_take_back(struct skep__mock_worker *worker);

void skep__mock_free_jobs(skep_mock *mock);

/* --- mock_broker_expect.c --- */

/* Notes that something has happened; the strings are copied. */
void skep__mock_happened(skep_mock *mock, const struct skep__mock_event *event);
void skep__mock_forget_events(skep_mock *mock);

/* Adds to skep_mock_why how a job is; how a worker is, or all of them (0). */
void skep__mock_explain_job(skep_mock *mock, uint64_t job);
void skep__mock_explain_workers(skep_mock *mock, uint32_t worker);

/* --- mock_broker_state.c --- */

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
