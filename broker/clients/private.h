/* SPDX-License-Identifier: MIT
 * The state of clients/. */
#ifndef SKEP_CLIENTS_PRIVATE_H
#define SKEP_CLIENTS_PRIVATE_H

#include <stdlib.h>

#include "clients/clients.h"
#include "common/text.h"
#include "jobs/jobs.h"
#include "journal/journal.h"

struct skep__clients {
    struct skep__port *intake;
    struct skep_reader reader;      /* of the intake */
    struct skep__session *sessions; /* clients that have joined, by number */
    uint32_t next_session;
    LIST_HEAD(, skep__session) pending; /* have outcomes gathered */
    LIST_HEAD(, skep__session) delayed; /* have acceptances that wait for an outcome to leave with */
    uv_timer_t delay_timer;             /* but not for long */
    struct skep__awaited *awaited;      /* outcomes that the primary waits for, by number */
    uint64_t next_number;               /* of the primary's jobs */
    uint64_t messages, bad_frames;      /* ever */
    uint64_t declined_said_ms; /* when that was last said of a job of the primary's; the loop's time; 0: never */
    uint64_t cut;              /* connections that ended while both sides lived, and were made again */
};

enum { SKEP__DECLINED_KEPT = 64 };

/* Numbers that were declined, so that a client whose answer was lost gets it again */
struct skep__declined {
    uint64_t number, n;
    int status;
};

/* A client, until its process ends or it leaves */
struct skep__session {
    UT_hash_handle hh;
    skep_cluster *cluster;
    uint32_t id;
    pid_t pid;
    int pidfd;
    uv_poll_t pid_poll;
    struct skep__outlet *returns;
    uint64_t cut_said_ms; /* as a worker's */
    uint64_t connections; /* of it to its returns so far; from the second on, the one before was cut */
    uint64_t expected;    /* number of its next submission */
    unsigned requests;    /* of its own to workers, under way */
    bool gap_told;        /* it knows that something was lost */
    bool unheard;         /* it was not listened to, until it has read its answers */
    uint64_t drops_said;  /* why answers of it were dropped, as far as that was said: a bit for each status */

    TAILQ_HEAD(skep__unanswered, skep__answers)
    unanswered;    /* batches whose answers the store owes, or those before them */
    bool too_many; /* some were not taken, for there are too many of these */
    struct skep__declined declined[SKEP__DECLINED_KEPT]; /* the latest, by declined_count modulo their number */
    uint64_t declined_count;

    /* outcomes that travel together: their numbers are consecutive */
    uint64_t finished_number;
    uint32_t finished_count;
    struct skep_frame finished;
    LIST_ENTRY(skep__session) of_pending; /* in clients.pending while finished_count > 0 */
    LIST_ENTRY(skep__session) of_delayed; /* in clients.delayed while is_delayed */
    bool is_delayed;
};

/* A file calls only those before it. outcomes.c, which fills in jobs/events.h, stands on all but the intake. */

/* --- primary.c: jobs of the primary itself --- */

/* The outcome, by its number, of a job of the primary's own, or of the job that it has a copy of; and, for all that it
 * still waits for, that there will be none. */
void skep__primary_outcome(skep_cluster *cluster, uint64_t number, uint64_t id, int status,
                           const struct skep_bytes *data);
void skep__primary_forget(skep_cluster *cluster);

/* --- returns.c: answers and outcomes to a client --- */

/* Sends a command; drops it if the client has left too much unread. */
void skep__session_tell(struct skep__session *session, const struct skep_command *command);

/* The same for an acceptance whose outcome may follow at once: it waits for that a millisecond or two, so that a quick
 * job costs one message and not two. */
void skep__session_tell_quietly(struct skep__session *session, const struct skep_command *command);

/* Says that the outcome of a job that was awaited cannot be told, and why. */
void skep__session_forgotten(struct skep__session *session, uint64_t number, int status);

/* Says which number comes next, unless that was said since something came that was right. */
void skep__session_tell_expected(struct skep__session *session);

/* False if the client has left so much unread that its submissions are not heard. When it has read everything it is
 * told which number comes next. */
bool skep__session_reads(struct skep__session *session);

/* Keeps a result until skep__sessions_flush; results of consecutive numbers travel together. False: there is no memory
 * for it, which was said. */
bool skep__session_gather(struct skep__session *session, uint64_t number, const struct skep_bytes *result);

/* Where the client listens for answers and outcomes. */
void skep__returns_url(const struct skep__session *session, char *url, size_t capacity_bytes);

/* Opens the channel. Errors: as skep__outlet_listen. */
SKEP_MUST_USE int skep__returns_open(struct skep__session *session);

/* Closes it, open or not; what was not sent is dropped. */
void skep__returns_close(struct skep__session *session);

/* --- answers.c: they go to a client in the order of its numbers; the store may complete its jobs later --- */

/* Puts jobs of a client, which are its next ones, and sees to the answers. queue NULL: they are declined with a status.
 * dispatch must follow. */
void skep__answers_put(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                       int status);

/* Whether more jobs of the client can be put: not while too many are unanswered. After their answers "expected" tells
 * the client which number comes next. */
bool skep__answers_allow(struct skep__session *session);

/* Answers once more to what was submitted before; what was not answered yet will be in any case. Returns how many of
 * the jobs have been submitted before. */
uint32_t skep__answers_again(struct skep__session *session, const struct skep_command_submit *submit);

/* To be called before an outcome goes to the client: what has been answered of its submissions goes first. */
void skep__answers_hurry(struct skep__session *session);

/* The client is gone: the store's answers to its submissions are dropped. */
void skep__answers_leave(struct skep__session *session);

/* --- session.c: clients that have joined --- */

/* The session of a number; NULL if there is none. */
struct skep__session *skep__session_by_id(skep_cluster *cluster, uint32_t id);

/* The session of a number that belongs to a process; NULL if there is none. */
struct skep__session *skep__session_find(skep_cluster *cluster, uint64_t id, pid_t pid);

/* Whether the client of a number has been there, and is not any more. */
bool skep__session_is_gone(skep_cluster *cluster, uint64_t id);

void skep__session_end(struct skep__session *session);
void skep__sessions_end(skep_cluster *cluster);

/* --- intake.c --- */

/* A frame arrived in the intake; context is the cluster. */
void skep__intake_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);

#endif
