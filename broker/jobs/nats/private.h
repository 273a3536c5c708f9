/* SPDX-License-Identifier: MIT
 * The state of the store whose jobs are in streams, and what its files share. They stand on each other in the order in
 * which they come here. */
#ifndef SKEP_JOBS_NATS_PRIVATE_H
#define SKEP_JOBS_NATS_PRIVATE_H

#include "common/table.h"
#include "jobs/nats/nats.h"
#include "jobs/nats/words.h"
#include "jobs/store_keys.h"
#include "jobs/store_memory.h"
#include "nats_link/nats_link.h"

enum { SKEP__DOUBTS = 64 };

/* How far a request has come that a stream needs */
struct skep__asking {
    bool done;
    uint64_t asked_ms; /* by the clock; 0: it has not been */
};

TAILQ_HEAD(skep__held_list, skep__held);

/* A class of a queue: a consumer of the stream, shared by all brokers */
struct skep__source {
    struct skep__asking made;
    uint64_t coming;               /* jobs that were asked for and have not come */
    uint64_t moved_ms;             /* when it was last asked for some, or one came, by the clock */
    uint64_t end_ms;               /* when nothing comes of that any more */
    struct skep__held_list ending; /* jobs that are acknowledged, in the order of their acknowledgements */
    struct skep__held *unsent;     /* of these, the first whose acknowledgement was not sent; NULL: all were */
};

/* What a stream has of a queue besides */
struct skep__stream_shelf {
    UT_hash_handle hh; /* in stream.shelves, by token */
    struct skep__shelf *shelf;
    char token[SKEP__TOKEN_BYTES];
    struct skep__source sources[SKEP__STREAM_CLASSES];
    uint64_t held;       /* jobs that this broker has */
    uint64_t idle_ticks; /* since when no worker is here that handles it */
    uint64_t counted;    /* jobs in the stream, while they are counted */
    bool wanted;
    bool waits; /* to know whether there is something more urgent */
};

enum skep__part_state { SKEP__PART_WAITS, SKEP__PART_SENT, SKEP__PART_ANSWERED };

/* A job of a batch that is being put */
struct skep__part {
    uint64_t id;
    uint32_t offset, size_bytes, key_bytes; /* the key stands behind the data */
    int status;
    uint8_t state;
    bool again; /* it was sent before: a duplicate is itself, perhaps */
};

/* A batch that is being put */
struct skep__stream_put {
    TAILQ_ENTRY(skep__stream_put) entry;
    struct skep__put *put;
    struct skep__stream_shelf *shelf;
    struct skep__submission common; /* but for data and key */
    struct skep__meta meta;
    uint64_t first, sent_ms; /* number of the first in this connection; when it was last sent, by the clock */
    char *data;
    size_t bytes;
    uint32_t n, answered, waiting;
    struct skep__part parts[];
};
TAILQ_HEAD(skep__stream_puts, skep__stream_put);

/* Who waits here for the outcome of a job, whichever broker has it done */
struct skep__awaited {
    UT_hash_handle hh; /* in stream.awaited, by number */
    struct skep__shelf *shelf;
    uint64_t number; /* of the job in this connection */
    uint64_t submission;
    uint64_t id; /* 0: it is not accepted yet */
    uint32_t client;
    const char *cause;       /* static text; NULL: it is done */
    struct skep__job *early; /* with the outcome, which came before the acceptance */
};

/* An outcome that another broker has not confirmed */
struct skep__report {
    UT_hash_handle hh; /* in stream.reports, by number */
    uint64_t number, made_ms, sent_ms;
    char *to;
    const char *cause; /* static text; NULL: it is done */
    size_t size_bytes;
    char data[];
};

/* What is being done with the message of a job */
enum skep__step {
    SKEP__KEPT,      /* nothing: it is leased */
    SKEP__ENDING,    /* acknowledged; the stream has not said that it knows */
    SKEP__BURYING,   /* written to the stream of dead letters, then acknowledged */
    SKEP__MOVING,    /* written to the stream of jobs again, with what is known of it, then acknowledged */
    SKEP__DEAD,      /* nothing: it is a dead letter */
    SKEP__REVIVING,  /* written to the stream of jobs again */
    SKEP__FORGETTING /* deleted from the stream of dead letters */
};

struct skep__held {
    UT_hash_handle hh; /* in stream.held by id, or in stream.dead by dead_id */
    TAILQ_ENTRY(skep__held)
    entry;                       /* in the list of its step: stream.leases by since_ms, source.ending, stream.changes */
    struct skep__source *source; /* from which it came; NULL: a dead letter of before */
    struct skep__job *job;
    uint64_t id, dead_id; /* in both streams; 0: it is not there */
    uint64_t since_ms;    /* when the lease was extended, or the step was sent, by the clock */
    uint8_t step;
    const char *cause; /* burying: static text; NULL: it is not */
    bool cancelled;    /* ending: nobody is to do it */
    bool moved;        /* ending: there is another message of this job */
    uint64_t due_ms;   /* moving: when it is ready, since 1970; 0: at once */
    struct skep__death *death;
    char *result; /* ending: NULL: there is none, */
    size_t result_bytes;
    bool told;   /* another broker, of the outcome */
    bool lost;   /* or there was no memory for it */
    char *reply; /* where the outcome is wanted; NULL: nowhere */
    char *ack;   /* the subject for what is said of the message */
};

struct skep__stream {
    struct skep__store store; /* first member */
    struct skep__store *memory;
    struct skep__nats *nats;
    struct skep__clock *clock;
    struct skep__flusher *flusher;
    struct skep__flush turn;
    uv_timer_t tick;
    unsigned lease_ms, replicas;
    char name[SKEP__STREAM_NAME + 1], dead_name[SKEP__STREAM_NAME + 8];
    char inbox[80]; /* with a dot */
    size_t inbox_bytes;
    char boot[32]; /* names this connection in the ids of messages */
    struct skep__stream_shelf *shelves;
    struct skep__stream_puts puts;
    uint64_t last_number;
    size_t put_bytes;
    struct skep__awaited *awaited;
    struct skep__held *held, *dead;
    struct skep__held_list leases, changes;
    struct skep__asking made[2];       /* the streams, after they were found missing */
    char (*queues)[SKEP_MAX_NAME + 1]; /* that the streams had at the start */
    size_t queue_count;
    struct skep__report *reports;
    uint64_t last_report;
    char created[40];              /* when the stream was made, as it says; "": not known yet */
    uint64_t doubts[SKEP__DOUBTS]; /* numbers of messages up to which a delivery may be forgotten, rising */
    unsigned doubt_count;
    bool doubting; /* such a number is asked for, and was last at this time, by the clock */
    uint64_t doubt_asked_ms;
    uint64_t away_ms;       /* since when there is no connection, by the clock; 0: there is one */
    uint64_t counted_ms;    /* when jobs were last counted */
    uint64_t dead_next;     /* number of the dead letter to be looked for next, */
    uint64_t dead_asked_ms; /* and when that was asked for last, by the clock */
    bool silent;            /* nobody is told of a death */
    bool acknowledges;      /* some wait to be sent */
    bool settles;           /* something was completed in this turn */
    bool freed;
};

static inline struct skep__stream *skep__stream_of(struct skep__store *store) {
    return (struct skep__stream *)store;
}

/* --- core.c --- */

/* What has been completed is told at the end of the turn; more jobs are asked for, too. */
void skep__stream_turn(struct skep__stream *stream);

/* Publishes text for an answer: its subject ends with a letter and a number. Errors: those of skep__nats_publish. */
SKEP_MUST_USE int skep__stream_ask(struct skep__stream *stream, const char *subject, const char *text, char letter,
                                   uint64_t number);

/* Says that something cannot be done now. */
SKEP_PRINTF(3, 4) void skep__stream_trouble(struct skep__stream *stream, int status, const char *format, ...);

/* A shelf has more jobs, or fewer, that outlast the broker and are here. */
void skep__stream_note(struct skep__stream *stream, struct skep__shelf *shelf);

/* The static text of a cause of death. */
const char *skep__stream_cause(const char *text);

/* --- renewal.c --- */

/* The stream is another one than before: its numbers begin again. */
void skep__stream_renewed(struct skep__stream *stream);

/* Learns from what is said of the stream which one it is. */
void skep__stream_learn(struct skep__stream *stream, const char *created);

/* --- streams.c --- */

/* At the start: finds both streams, or makes them, and the names of queues. Errors: see skep__store_nats_new. */
SKEP_MUST_USE int skep__streams_open(struct skep__stream *stream, char why[SKEP_MAX_REASON + 1]);

/* One of them is not there any more (0: jobs, 1: dead letters): it is made again. */
void skep__streams_missing(struct skep__stream *stream, unsigned which);
void skep__streams_answered(struct skep__stream *stream, unsigned which, const struct skep_bytes *answer);

/* --- report.c --- */

/* Tells another broker the outcome of a job. */
void skep__report_send(struct skep__stream *stream, uint64_t id, const char *to, const char *cause,
                       const struct skep_bytes *what);
void skep__report_confirmed(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received);
void skep__reports_tick(struct skep__stream *stream);
void skep__reports_free(struct skep__stream *stream);

/* --- outcome.c --- */

/* Somebody waits for the outcome of a job that is being put. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__outcome_await(struct skep__stream *stream, struct skep__shelf *shelf, uint64_t number,
                                      const struct skep__submission *submission, uint64_t submission_number);

/* It was accepted (id), or (0) was not. */
void skep__outcome_accepted(struct skep__stream *stream, uint64_t number, uint64_t id);

/* A job ends here: tells who waits for it at another broker. */
void skep__outcome_send(struct skep__stream *stream, struct skep__held *held);

/* It has ended: tells who waits for it here. */
void skep__outcome_tell(struct skep__stream *stream, struct skep__job *job, const char *cause,
                        const struct skep_bytes *what);

/* It has ended at another broker. */
void skep__outcome_received(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received);

void skep__outcomes_free(struct skep__stream *stream);

/* --- held.c --- */

/* What is known of a message that came; ack and reply are copied, the latter may be NULL. NULL: no memory. */
struct skep__held *skep__held_new(struct skep__stream *stream, struct skep__source *source, uint64_t id,
                                  const char *ack, const char *reply);
void skep__held_free(struct skep__held *held);

/* Whether the table has it, by its number, or by that of a dead letter. False: no memory. */
bool skep__held_add(struct skep__stream *stream, struct skep__held *held);
bool skep__held_add_dead(struct skep__stream *stream, struct skep__held *held);
struct skep__held *skep__held_find(struct skep__stream *stream, uint64_t id);
struct skep__held *skep__held_find_dead(struct skep__stream *stream, uint64_t dead_id);

/* The list of its step; NULL: there is none. It is not in that any more. */
struct skep__held_list *skep__held_list_of(struct skep__stream *stream, const struct skep__held *held);
void skep__held_leave_list(struct skep__stream *stream, struct skep__held *held);

/* It is in no list and in no table any more. */
void skep__held_release(struct skep__stream *stream, struct skep__held *held);

/* Says something of its message. What cannot be said now is lost. */
void skep__held_say(struct skep__stream *stream, const struct skep__held *held, const char *what);

/* It was delivered again, while it is here. */
void skep__held_again(struct skep__stream *stream, struct skep__held *held, const char *ack);

/* Extends leases. */
void skep__held_tick(struct skep__stream *stream);

/* Gives all that is not pending back to the stream: of a shelf, or (NULL) of all, whether workers have it or not. */
void skep__held_give_back(struct skep__stream *stream, const struct skep__shelf *shelf);

void skep__held_free_all(struct skep__stream *stream);

/* --- copies.c: what is written of a job; errors are those of skep__nats_publish --- */

/* A dead letter. */
SKEP_MUST_USE int skep__copy_dead(struct skep__stream *stream, const struct skep__held *held);

/* A job for whichever broker takes it next. what and of name the copy, which is there once; letter: of the answer. */
SKEP_MUST_USE int skep__copy_work(struct skep__stream *stream, const struct skep__held *held, const char *what,
                                  uint64_t of, char letter);

/* That a dead letter is to be deleted. */
SKEP_MUST_USE int skep__ask_to_forget(struct skep__stream *stream, const struct skep__held *held);

/* --- steps.c --- */

/* The job is pending until the stream has said that it is done. delay_ms: before it is given to anybody. */
void skep__step_end(struct skep__stream *stream, struct skep__job *job, const struct skep_bytes *result);
void skep__step_bury(struct skep__stream *stream, struct skep__job *job, const char *cause, struct skep__death *death);
void skep__step_cancel(struct skep__stream *stream, struct skep__job *job);
void skep__step_move(struct skep__stream *stream, struct skep__job *job, uint64_t delay_ms);
void skep__step_revive(struct skep__stream *stream, struct skep__job *job);
void skep__step_forget(struct skep__stream *stream, struct skep__job *job);

/* Answers to these, by letter. */
void skep__steps_answered(struct skep__stream *stream, char letter, uint64_t number,
                          const struct skep__nats_received *received);

/* Another broker has put a dead letter back, or has deleted it. */
void skep__steps_gone(struct skep__stream *stream, uint64_t dead_id);

/* Sends the acknowledgements that have gathered in this turn. */
void skep__steps_turn(struct skep__stream *stream);

/* Repeats what was not answered; all: at once, since the connection was made again. */
void skep__steps_tick(struct skep__stream *stream, bool all);

/* --- doubt.c --- */

/* The connection was lost: what a server was told last may be forgotten there. No job is taken until it is known which
 * that may be true of. */
void skep__doubt_begin(struct skep__stream *stream);

/* The number of the last message that this may be true of has come. */
void skep__doubt_received(struct skep__stream *stream, const struct skep_bytes *answer);

/* Asks for that, and again if there is no answer. */
void skep__doubt_tick(struct skep__stream *stream);

/* How often a message may have been delivered before, and the server does not know it. */
uint32_t skep__doubts(const struct skep__stream *stream, uint64_t id);

/* --- put.c --- */

void skep__stream_put(struct skep__stream *stream, struct skep__shelf *shelf, const struct skep__batch *batch,
                      struct skep__put *put);
void skep__puts_answered(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received);

/* Sends what waits, and repeats what was not answered; all: at once. */
void skep__puts_tick(struct skep__stream *stream, bool all);

/* Answers those that are complete. */
void skep__puts_complete(struct skep__stream *stream);

/* Answers all with SKEP_ECLOSED. */
void skep__puts_end(struct skep__stream *stream);

/* --- source.c --- */

/* A job came, or (inbox) something else about jobs that were asked for. */
void skep__source_received(struct skep__stream *stream, const struct skep__nats_received *received);
void skep__source_status(struct skep__stream *stream, const char *rest, const struct skep__nats_received *received);
void skep__source_made(struct skep__stream *stream, const char *rest, const struct skep__nats_received *received);

/* What a message says that has happened to its job; id, if it says nothing: that is its own. */
struct skep__history skep__source_history(const struct skep__nats_received *received, uint64_t id);
void skep__source_fill(struct skep__job *job, const struct skep__history *history);

/* Asks for jobs that workers could take. */
void skep__sources_pull(struct skep__stream *stream);

/* Gives back what no worker here handles, and finds that jobs that were asked for do not come; anew: the connection
 * was made again. */
void skep__sources_tick(struct skep__stream *stream, bool anew);

/* --- count.c --- */

/* Asks how many jobs of each queue the stream has, now and then. */
void skep__counts_tick(struct skep__stream *stream);
void skep__counts_received(struct skep__stream *stream, const struct skep_bytes *answer);

/* --- dead.c --- */

/* Looks for dead letters that are not shown yet. */
void skep__dead_tick(struct skep__stream *stream);
void skep__dead_received(struct skep__stream *stream, const struct skep__nats_received *received);

/* --- arrivals.c --- */

/* A message to the inbox, or a job. */
void skep__stream_received(void *stream, const struct skep__nats_received *received);

/* Another broker has put a dead letter back, or has deleted it. */
void skep__stream_gone(void *stream, const struct skep__nats_received *received);

void skep__stream_at_turn(struct skep__flush *turn);
void skep__stream_tick(uv_timer_t *tick);
extern const struct skep__nats_events skep__stream_link_events;

#endif
