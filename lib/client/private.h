/* SPDX-License-Identifier: MIT
 * A client's insides, shared by the files of this folder. They are below in their order, from the ground up: each calls
 * those before it only. */
#pragma once

#include <skep/client.h>
#include <stdlib.h>
#include <string.h>

#include "common/flusher.h"
#include "common/instance.h"
#include "common/news_sequence.h"
#include "common/table.h"
#include "common/trace.h"
#include "transport/transport.h"

enum {
    SKEP__CLIENT_MAX_BYTES = 4 * 1024 * 1024, /* submissions that wait for their answers */
    SKEP__CLIENT_MAX_JOBS = 1000000,
    SKEP__CLIENT_TIMEOUT_MS = 5000, /* of a question, and of a request without another */
    SKEP__CLIENT_RETRY_MS = 10      /* from the first try to join to the second */
};

/* Jobs of one queue and with the same options, numbered in a row: one submit command. Kept until all are answered. */
struct skep__client_batch {
    STAILQ_ENTRY(skep__client_batch) entry;
    uint64_t number; /* of the first */
    uint32_t count;
    struct skep_frame items;
    struct skep_frame keys;
    char queue[SKEP_MAX_NAME + 1];
    skep_job_options options; /* key is not used */
    bool has_keys;
    bool outcomes;
};
STAILQ_HEAD(skep__batches, skep__client_batch);

/* A job whose outcome is wanted; in the table once it is accepted */
struct skep__unfinished {
    uint64_t number;
    uint64_t id;    /* of a job that outlasts its broker, or that was given by the user; 0: it cannot be asked for */
    uint64_t store; /* where the id is good, as joined tells; 0: wherever it is asked for first */
    bool by_id;     /* the user knew only the id */
    skep_outcome_cb outcome;
    void *context;
    UT_hash_handle hh;
};

/* Numbers from here on are of jobs that are awaited by their ids; the others are of submissions. */
#define SKEP__CLIENT_AWAITED (UINT64_C(1) << 63)

/* A submission that has not been answered */
struct skep__client_submission {
    skep_accepted_cb accepted;
    void *context;
    struct skep__unfinished *unfinished; /* NULL: its outcome is not wanted */
};

/* A message frame that waits */
struct skep__chunk {
    TAILQ_ENTRY(skep__chunk) entry;
    struct skep_frame frame;
};

struct skep__client_request {
    uint64_t request;
    UT_hash_handle hh;
    skep_client *client;
    skep_client_reply_cb callback;
    void *context;
    uv_timer_t timer;
};

enum skep__client_phase {
    SKEP__CLIENT_SEEKING, /* no broker, or it has not been asked yet */
    SKEP__CLIENT_JOINING, /* it has been asked */
    SKEP__CLIENT_JOINED
};

struct skep_client {
    uv_loop_t *loop;
    uv_loop_t own_loop;
    bool owns_loop;
    bool serves_worker; /* the loop is a worker's */
    bool running;       /* a function named ..._wait runs the loop */
    bool closing;       /* skep_client_free runs: nothing is taken any more */
    bool freed;         /* memory goes with the last handle */
    int open_handles;   /* of ours, hub and flusher aside */
    unsigned trace;
    char why[SKEP_MAX_REASON + 1];

    struct skep__instance instance; /* the broker that was found last */
    bool only_this;                 /* another generation will not do: url, worker */
    enum skep__client_phase phase;
    bool suspected;       /* the broker seems to be gone; what it said last may be on its way */
    uint64_t retry_ms;    /* until the next try to join */
    uint32_t client;      /* number from joined */
    uint64_t cut_through; /* outcomes of jobs up to this number may have been lost with a connection of this session */
    uint64_t store;       /* of its durable jobs, from joined; 0: it has none */
    bool once;            /* what a lost broker may have accepted is not submitted to its successor without a key */
    bool all_read;        /* the broker has read all that was sent, to its end */
    uv_timer_t tick;      /* looks after everything; keeps the loop alive while something is due */
    uint64_t tick_ms;     /* its period */
    uv_timer_t seek;      /* runs until the next try to join */
    uv_timer_t wait;      /* of the blocking face */
    bool wait_has_ended;  /* its time is up */

    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__flush flush;
    struct skep__caller *caller; /* NULL: no broker */
    struct skep__port *intake;
    struct skep__port *returns;
    struct skep_reader returns_reader;
    struct skep_reader answer_reader;
    struct skep_frame frame; /* what leaves; reused */

    /* Submissions: a ring of those unanswered, the oldest at ring_head, and the batches that they travel in */
    struct skep__client_submission *ring;
    size_t ring_capacity; /* a power of two, or 0 */
    size_t ring_head;
    uint64_t unanswered;   /* in the ring */
    uint64_t first;        /* number of the oldest */
    uint64_t sent_through; /* the latest number that was ever sent in this session */
    uint64_t gone_back_to; /* sent again from this number on, and not answered since; 0 */
    size_t unanswered_bytes;
    struct skep__batches batches;       /* closed ones */
    struct skep__client_batch *next;    /* the first of them to be sent; NULL: all were */
    struct skep__client_batch *filling; /* or NULL */
    struct skep__batches spares;
    unsigned spare_count;
    unsigned silent_ticks; /* since the oldest was sent, or one was answered */
    struct skep__unfinished *unfinished;
    uint64_t unfinished_count; /* those that are unanswered, too */
    uint64_t last_awaited;     /* the latest number of a job that is awaited, without SKEP__CLIENT_AWAITED */
    bool sender_waits;         /* something failed with SKEP_EAGAIN */

    TAILQ_HEAD(skep__chunks, skep__chunk) messages;
    size_t message_bytes;
    struct skep__client_request *requests;
    uint64_t next_request;
    unsigned asks; /* of the user's, status */

    char news_url[SKEP_MAX_URL + 1];
    struct skep__port *news; /* NULL: none, or not joined */
    struct skep_reader news_reader;
    skep_news_cb on_news; /* NULL: not watching */
    void *on_news_context;
    bool news_known; /* where in the sequence it begins, else that is the first thing to be asked for */
    struct skep__news_sequence news_sequence; /* lost: since the latest item that was told */
    bool repairing;                           /* newsSince is under way */
    unsigned quiet_ticks;

    skep_client_state_cb on_state;
    void *on_state_context;
    skep_client_drain_cb on_drain;
    void *on_drain_context;
    skep_client_undelivered_cb on_undelivered;
    void *on_undelivered_context;
};

/* --- batch.c --- */

/* Whether the batch that is being filled takes such a job. */
bool skep__client_batch_takes(const skep_client *client, const char *queue, const skep_job_options *options,
                              bool outcomes);

/* Begins to fill another one for such jobs. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__client_begin_batch(skep_client *client, const char *queue, const skep_job_options *options,
                                           bool outcomes);

/* Adds a job to it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__batch_add(struct skep__client_batch *batch, const void *data, size_t size_bytes,
                                  const char *key);

/* Whether it holds as much as travels in one frame. */
bool skep__batch_is_full(const struct skep__client_batch *batch);

/* Closes the batch that is being filled. */
void skep__client_close_batch(skep_client *client);

/* Takes a batch out: its memory may be used again. */
void skep__client_take_batch(skep_client *client, struct skep__client_batch *batch);

/* Lets go of batches whose jobs have all been answered. */
void skep__client_retire_batches(skep_client *client);

/* Numbers what is unanswered from 1 again, for another session. */
void skep__client_renumber(skep_client *client);

void skep__client_free_batches(skep_client *client);

/* --- core.c --- */

/* Allocates a client. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__client_allocate(skep_client **client, const skep_client_options *options);

/* Frees the client when its handles have closed: in here if its loop is its own, else with the last of them. */
void skep__client_free_when_closed(skep_client *client);

/* Adds a timer to the client's handles; to be called when one of those has closed. */
void skep__client_add_timer(skep_client *client, uv_timer_t *timer, void *data);
void skep__client_handle_closed(skep_client *client);

/* Notes what went wrong for skep_client_why and returns the status. */
SKEP_PRINTF(3, 4) int skep__client_fail(skep_client *client, int status, const char *format, ...);

/* A name of 1 to SKEP_MAX_NAME bytes; notes what is wrong with it. Errors: SKEP_EINVAL. */
SKEP_MUST_USE int skep__client_check_name(skep_client *client, const char *what, const char *name);

/* Has the end of this iteration of the loop send what waits. */
void skep__client_mark(skep_client *client);

/* A timer: the time of the blocking face is up. */
void skep__client_wait_ended(uv_timer_t *timer);

/* Keeps the loop alive, and looks often, as long as something is due. */
void skep__client_update_due(skep_client *client);

/* Tells the user if what failed with SKEP_EAGAIN may be tried again. */
void skep__client_tell_drained(skep_client *client);
bool skep__client_has_room(const skep_client *client);

/* --- ask.c --- */

/* Asks something that is one command. Errors: SKEP_ECLOSED (no broker), SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__client_ask(skep_client *client, const struct skep_command *command, unsigned timeout_ms,
                                   skep__answer_cb callback, void *context);

/* Calls back for each command of an answer; a `failed` is the status instead. */
SKEP_MUST_USE int skep__client_read_answer(skep_client *client, const void *data, size_t size_bytes,
                                           void (*take)(void *context, const struct skep_command *command),
                                           void *context);

/* --- messages.c --- */

/* Has a command leave with the next frame, before what is submitted. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__client_queue(skep_client *client, const struct skep_command *command);

/* What comes back: a reply; a message that did not arrive. */
void skep__client_reply(skep_client *client, const struct skep_command_reply *reply);
void skep__client_undelivered(skep_client *client, const struct skep_command_undelivered *undelivered);

/* Ends every request with SKEP_ECLOSED. */
void skep__client_fail_requests(skep_client *client);

/* Drops what waits to be sent: a frame, or all of them. */
void skep__client_drop_chunk(skep_client *client, struct skep__chunk *chunk);
void skep__client_drop_messages(skep_client *client);

/* --- watch.c --- */

/* Begins to receive the news, once joined and if there is a callback; ends it if there is none. */
SKEP_MUST_USE int skep__client_begin_news(skep_client *client);
void skep__client_end_news(skep_client *client);

/* Another broker's news begin with number 1, and all of them are news. */
void skep__client_forget_news(skep_client *client);

/* Asks for the news that were missed, when nothing has been heard for a while. */
void skep__client_news_tick(skep_client *client);

/* --- send.c --- */

/* Sends the next frame, if none is under way. */
void skep__client_send_more(skep_client *client);

/* Sends again from a number on. */
void skep__client_go_back(skep_client *client, uint64_t number);

/* Says farewell, if that can be done without waiting. */
void skep__client_say_leave(skep_client *client);

/* The intake has sent a frame; has read to the end. */
void skep__client_sent(void *client);
void skep__client_all_read(void *client);

/* --- submit.c --- */

/* Answers the oldest submission; durable: the job outlasts the broker. outcome NULL: it follows, if one is wanted; else
 * nothing else does. */
void skep__client_settle(skep_client *client, int status, uint64_t id, bool durable, const skep_outcome *outcome);

/* Tells what became of a job and forgets it. */
void skep__client_finish(skep_client *client, struct skep__unfinished *unfinished, const skep_outcome *outcome);

/* Reports the outcome of every accepted job as unknown. */
void skep__client_fail_unfinished(skep_client *client);

/* The same for everything that was submitted and not answered. */
void skep__client_fail_submissions(skep_client *client);

/* The same for what was sent without a key, which a broker that was lost may have accepted. */
void skep__client_fail_sent(skep_client *client);

/* --- await.c --- */

/* Outcomes may have been lost, with a broker or (same) a connection to it: the jobs that can be asked for are awaited
 * by their ids from here on, the outcomes of all others are unknown. */
void skep__client_lose_unfinished(skep_client *client, bool same);

/* Asks for the jobs that are awaited, all of them; those of another store than that of the broker are unknown. */
void skep__client_ask_awaited(skep_client *client);

/* --- returns.c --- */

/* A frame from the broker */
void skep__client_returned(void *client, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* --- join.c --- */

/* Finds the broker that the options name. Errors: SKEP_ENOBROKER, SKEP_EACCES, SKEP_EDIR, SKEP_EURL. */
SKEP_MUST_USE int skep__client_find(skep_client *client, const skep_client_options *options);

/* Timers: tries to join; looks whether the broker is there, whether it answers. */
void skep__client_seek(uv_timer_t *timer);
void skep__client_tick(uv_timer_t *timer);

/* Closes everything that led to the broker. */
void skep__client_close_session(skep_client *client);

/* --- client.c, status.c, wait.c have only what the user calls --- */
