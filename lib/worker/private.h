/* SPDX-License-Identifier: MIT
 * A worker's insides, shared by the files of this folder. They are below in their order, from the ground up: each calls
 * those before it only. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/container.h"
#include "common/news_sequence.h"
#include "common/table.h"
#include "common/text.h"
#include "common/trace.h"
#include "transport/link.h"
#include "transport/outlet.h"
#include "worker/jobs.h"
#include "worker/join.h"

/* A URL or name that this worker listens on, as skep_listen was called */
struct skep__asked {
    LIST_ENTRY(skep__asked) entry;
    uint64_t next; /* index of the next listener of it; never that of one before, as long as one of them is open */
    unsigned open; /* its listeners */
    char url[SKEP_MAX_URL + 1];
};

struct skep_listener {
    TAILQ_ENTRY(skep_listener) entry; /* in worker.listeners or worker.closed_listeners */
    skep_worker *worker;
    struct skep__asked *asked; /* NULL: it is closed */
    uint32_t number;           /* the broker's; listeners on one name, or on a name and its URL, have the same */
    char url[SKEP_MAX_URL + 1];
    skep_connection_cb callback;
    void *context;
    int fd;         /* shared and reuseport: accept from it; else -1 */
    bool resting;   /* the broker has paused it */
    uv_poll_t poll; /* data is NULL: there is no handle, or none any more */
};

/* A connection that has arrived and waits for its callback */
struct skep__arrival {
    STAILQ_ENTRY(skep__arrival) entry;
    struct skep_listener *listener;
    int fd;
};

struct skep__counter {
    char name[SKEP_MAX_NAME + 1];
    uint64_t unreported;
    uint64_t *sum; /* on the page: all that was ever counted */
};

struct skep__pending_request {
    uint64_t request;
    UT_hash_handle hh;
    skep_worker *worker;
    skep_reply_cb callback;
    void *context;
    uv_timer_t timer;
};

/* Durations that have not been reported */
struct skep__times {
    struct skep_histogram connections;
    struct skep_histogram requests;
    uint64_t *begun_ns; /* by descriptor: when a connection arrived, on uv_hrtime's clock; 0: none is there */
    size_t begun_room;
    bool waiting; /* the timer runs, since something is not empty */
};

enum skep__worker_timer {
    SKEP__TIMER_REPORT, /* ended connections gather */
    SKEP__TIMER_REST,   /* there are no descriptors to accept with */
    SKEP__TIMER_COUNTS, /* counts gather, after some have left */
    SKEP__TIMER_TIMES,  /* durations gather */
    SKEP__TIMER_BEAT,   /* between signs of life */
    SKEP__TIMER_LEAVE,  /* the broker vanished: what may still finish has this long */
    SKEP__TIMERS
};

enum skep__worker_phase {
    SKEP__WORKER_JOINED,  /* shaken hands */
    SKEP__WORKER_READY,   /* has told the broker so */
    SKEP__WORKER_LEAVING, /* no new connections; live ones finish */
    SKEP__WORKER_LEFT     /* the link is closed */
};

/* What becomes of a connection that has arrived on the link */
enum skep__take {
    SKEP__TAKE,       /* it is acknowledged and given to the user */
    SKEP__TAKE_LATER, /* given to the user, acknowledged when skep__worker_take_held is called */
    SKEP__TAKE_NOT    /* refused, as without a descriptor */
};

struct skep_worker {
    uv_loop_t *loop;
    uv_loop_t own_loop;
    bool owns_loop;
    bool freed;       /* skep_worker_free was called; memory goes with the last handle */
    int open_handles; /* of ours, hub and flusher aside */
    uv_timer_t timers[SKEP__TIMERS];

    uint32_t id;
    enum skep__worker_phase phase;
    int result; /* of skep_worker_run */
    unsigned trace;
    char why[SKEP_MAX_REASON + 1];

    struct skep__meeting meeting;
    int link; /* -1: closed */
    uv_poll_t link_poll;
    struct skep_reader link_reader;
    struct skep_frame link_frame;   /* what is told; reused */
    struct skep_frame answer_frame; /* to the message that is read; reused */
    struct skep__link_message *link_message;

    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__port *inbox;
    struct skep_reader inbox_reader;
    struct skep__outlet *outbox;
    struct skep__port *news; /* NULL until subscribed */
    struct skep_reader news_reader;
    char news_url[SKEP_MAX_URL + 1];
    struct skep__news_sequence news_sequence;
    bool repairing; /* newsSince is under way */
    uint64_t repair_asked_ms;
    bool unconfirmed; /* something was sent after the latest newsSince */

    TAILQ_HEAD(, skep_listener) listeners; /* the one that was given a connection last is the last */
    TAILQ_HEAD(, skep_listener)
    closed_listeners; /* arrivals and users may still point at them: they become new ones, or are freed with the worker
                       */
    LIST_HEAD(, skep__asked) asked;
    uint32_t next_listen;
    bool answer_rests; /* the listener of the latest answer is paused */
    STAILQ_HEAD(, skep__arrival) arrivals;
    struct skep__flush arrivals_flush;

    /* A mock worker's own mind about connections, by their numbers; NULL in all others: each is taken */
    enum skep__take (*take)(void *context, uint64_t connection);
    void *take_context;
    uint64_t held; /* through this number they are acknowledged later; 0: none is */

    uint64_t live; /* connections arrived and not finished */
    uint32_t unreported_finished;
    uint32_t unreported_accepted;

    struct skep__counter counters[SKEP_MAX_COUNTERS];
    unsigned counter_count;
    unsigned named_count; /* of them: all but requests; as many are on the page */
    bool counts_waiting;  /* some counter is not 0 */
    struct skep__flush counts_flush;

    struct skep__times times;

    struct skep__worker_jobs jobs;
    struct skep_page *page; /* shared with the broker, or no_page; NULL before it was opened */
    struct skep_page no_page;
    uv_async_t terminate; /* wakes the loop after a SIGTERM; not there if that is the program's own affair */
    bool terminated;      /* by a handler of signals: a SIGTERM has asked the worker to leave */

    struct skep__pending_request *requests; /* by number */
    uint64_t next_request;
    struct skep__flush leave_flush; /* tells the user that the worker leaves */
    struct skep__flush left_flush;  /* looks whether it may leave for good */
    bool leave_told;
    bool finishing; /* the outbox says that nothing follows */
    bool all_read;  /* and the broker has read it to that end */

    skep_message_cb on_message;
    void *on_message_context;
    skep_request_count_cb on_request_count;
    void *on_request_count_context;
    skep_undelivered_cb on_undelivered;
    void *on_undelivered_context;
    skep_drain_cb on_drain;
    void *on_drain_context;
    bool sender_waits; /* a send failed with SKEP_EAGAIN */
    skep_leave_cb on_leave;
    void *on_leave_context;
};

/* Packs a command into the outbox. Errors: as skep__outlet_add. */
static inline int skep__worker_put(skep_worker *worker, const struct skep_command *command) {
    int status = skep__outlet_add(worker->outbox, command);
    if (status != SKEP_OK) return status;
    worker->unconfirmed = true;
    skep__trace_command(worker->trace, SKEP__TRACE_WIRE, ">", worker->id, command);
    return SKEP_OK;
}

/* For a call of the user's: the drain event follows SKEP_EAGAIN. Errors: SKEP_ECLOSED, too. */
static inline int skep__worker_queue(skep_worker *worker, const struct skep_command *command) {
    int status = worker->link >= 0 ? skep__worker_put(worker, command) : SKEP_ECLOSED;
    if (status == SKEP_EAGAIN) worker->sender_waits = true;
    return status;
}

/* --- page.c --- */

/* Maps the page behind a descriptor and closes that, if it is one; else the worker writes to no_page. */
void skep__worker_open_page(skep_worker *worker, int fd);
void skep__worker_close_page(skep_worker *worker);

/* Begins to show signs of life. */
void skep__worker_beat(skep_worker *worker, uint64_t beat_ms);

/* --- count.c --- */

/* Sends the counters that are not 0. */
void skep__worker_send_counts(skep_worker *worker);

/* --- times.c --- */

/* Notes durations: of a connection by its descriptor; of a job. */
void skep__worker_connection_begun(skep_worker *worker, int fd);
void skep__worker_connection_ended(skep_worker *worker, int fd);
void skep__worker_job_took(skep_worker *worker, struct skep__worker_queue *queue, uint64_t duration_ns);

/* Sends the durations that were noted. */
void skep__worker_send_times(skep_worker *worker);

void skep__worker_free_times(skep_worker *worker);

/* --- core.c --- */

/* Allocates a worker, whose link stays the caller's if this fails. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__worker_allocate(skep_worker **worker, const struct skep__meeting *meeting, uv_loop_t *loop);

/* Frees the worker when its handles have closed: in here if its loop is its own, else with the last of them. */
void skep__worker_free_when_closed(skep_worker *worker);

/* To be called when a handle that open_handles counts has closed. */
void skep__worker_handle_closed(skep_worker *worker);

/* Notes what went wrong for skep_worker_why and returns the status. */
SKEP_PRINTF(3, 4) int skep__worker_fail(skep_worker *worker, int status, const char *format, ...);

/* Something of a worker that leaves has ended: at the end of this turn it leaves for good if nothing is live any more.
 */
void skep__worker_check_left(skep_worker *worker);

/* Waits until there is something to read on the link. Errors: SKEP_ETIMEDOUT, SKEP_ESYS. */
SKEP_MUST_USE int skep__worker_wait_link(skep_worker *worker, unsigned timeout_ms);

/* Sends one command on the link. */
SKEP_MUST_USE int skep__worker_tell(skep_worker *worker, const struct skep_command *command);

/* The same in two steps, for several: adds a command to a frame; sends that. */
SKEP_MUST_USE int skep__worker_add(skep_worker *worker, struct skep_frame *frame, const struct skep_command *command);
SKEP_MUST_USE int skep__worker_send(skep_worker *worker, const struct skep_frame *frame);

/* --- arrivals.c --- */

/* Notes a connection for its callback. False: there is no memory, and the descriptor is still the caller's. */
SKEP_MUST_USE bool skep__worker_arrived(skep_worker *worker, struct skep_listener *listener, int fd);

/* Gives arrivals to their callbacks: now, from a callback of the loop; or at the end of this iteration, from a call of
 * the user's. */
void skep__worker_deliver(skep_worker *worker);
void skep__worker_deliver_later(skep_worker *worker);

/* Fills in what is to be reported: through, if it is not 0, finished and accepted. False: nothing is. To be followed by
 * the other once that was sent. */
bool skep__worker_fill_report(skep_worker *worker, struct skep_command *command, uint64_t through);
void skep__worker_reported(skep_worker *worker);

/* Sends finished and accepted, if there are any: now, or within a few milliseconds. */
void skep__worker_report(skep_worker *worker);
void skep__worker_report_soon(skep_worker *worker);

/* Acknowledges what was to be acknowledged later. */
void skep__worker_take_held(skep_worker *worker);

/* --- listeners.c --- */

/* The listener that gets the next connection of a number: those of the same number take turns. NULL: all are closed. */
struct skep_listener *skep__worker_next_listener(skep_worker *worker, uint64_t number);

/* What was asked for under a URL or name, made if need be; NULL: no memory. Forgets it (or NULL) if no listener of it
 * is open. */
struct skep__asked *skep__worker_asked_for(skep_worker *worker, const char *url);
void skep__worker_forget_asked(struct skep__asked *asked);

/* Makes a listener of the broker's answer; fd is its own then. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__worker_add_listener(skep_worker *worker, struct skep__asked *asked,
                                            const struct skep_command_listening *listening, int fd,
                                            skep_listener **listener);

/* The broker has paused a listener that we accept from by ourselves, or it goes on. */
void skep__worker_set_resting(skep_worker *worker, uint64_t number, bool resting);

/* Stops accepting by ourselves, with policies shared and reuseport. */
void skep__worker_stop_accepting(skep_worker *worker);

/* Gives a listener back to the broker, unless one of this number is open. */
void skep__worker_unlisten(skep_worker *worker, uint64_t number);

/* Gives up every listener; closes what arrived and was not given to the user. */
void skep__worker_close_listeners(skep_worker *worker);

/* --- messages.c --- */

/* What the broker says in the inbox or the news, all but jobs. */
void skep__worker_received(skep_worker *worker, const struct skep_command *command, bool inbox);

/* Asks for the news that were missed, unless that is under way. */
void skep__worker_ask_news(skep_worker *worker);

/* With NNG: whether the broker has read all that was sent. If not, it is asked to answer what comes last, which leads
 * to skep__worker_check_left. NNG itself cannot tell: what it has accepted may be lost when the process ends. */
bool skep__worker_is_confirmed(skep_worker *worker);

/* Calls back every pending request with a status. */
void skep__worker_fail_requests(skep_worker *worker, int status);

/* --- acks.c, job.c: jobs.h --- */

/* --- leave.c --- */

/* Begins to leave, if that has not begun. */
void skep__worker_leave(skep_worker *worker);

/* Begins to leave if a SIGTERM has asked for it. Between two jobs too: the loop may not have its turn for long. */
void skep__worker_heed(skep_worker *worker);

/* The broker has gone: live connections may still finish, messages cannot. result: of skep_worker_run. */
void skep__worker_orphaned(skep_worker *worker, int result);

/* The broker has read the outbox to its end; context is the worker. */
void skep__worker_outbox_finished(void *context);

/* Closes the link; the loop ends when nothing of the user's is left. */
void skep__worker_close_link(skep_worker *worker, int result);

/* --- terminate.c --- */

/* Lets a plain SIGTERM ask the worker to leave, unless the program handles or ignores it. To be given back before the
 * handles are closed. */
SKEP_MUST_USE int skep__worker_catch_sigterm(skep_worker *worker);
void skep__worker_release_sigterm(skep_worker *worker);

/* --- link.c --- */

/* Reads one message of the link; asking whether there is another would cost a system call each time. Commands other
 * than answers are acted upon later in the loop, so this may run inside a call. When one answers request, it is stored
 * in *answer, its descriptor (or -1) in *answer_fd; 0 waits for nothing. */
int skep__worker_read_link(skep_worker *worker, uint32_t request, struct skep_command *answer, int *answer_fd);

/* --- jobs.c: jobs.h --- */

/* --- inbox.c --- */

/* A frame from the inbox */
void skep__worker_inbox_received(void *worker, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* --- worker.c; listen.c has only what the user calls --- */
