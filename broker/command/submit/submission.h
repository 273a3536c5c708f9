/* SPDX-License-Identifier: MIT
 * What skep submit does while it runs: one job or many, what became of them, and the loop that all happens on. */
#ifndef SKEP_COMMAND_SUBMIT_SUBMISSION_H
#define SKEP_COMMAND_SUBMIT_SUBMISSION_H

#include <inttypes.h>
#include <skep/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command/common/contact.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "common/text.h"

/* --- progress.c: one line on a terminal that tells how far something is, written again and again --- */

/* Zero-initialised shows nothing, whatever is asked of it. */
struct progress {
    bool is_wanted;
    int width; /* of the line that stands there; 0: none does */
    uint64_t latest_ns;
    uint64_t accepted; /* then */
    double rate;       /* accepted in a second, of late */
};

/* Wanted if stderr is a terminal. */
void progress_begin(struct progress *progress, uint64_t now_ns);

void progress_show(struct progress *progress, uint64_t submitted, uint64_t accepted, uint64_t now_ns);

/* Leaves the line empty, for something else to be written there. */
void progress_erase(struct progress *progress);

/* --- the submission --- */

struct lines;

struct submission {
    const struct options *options;
    struct contact broker; /* only who it is */
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    skep_client *client;
    skep_job_options terms;
    struct lines *lines; /* where jobs come from; NULL: there is one, of the arguments or of stdin */
    struct progress progress;
    uint64_t begun_ns;
    unsigned silent_ticks; /* while answers were due and none came */

    uint64_t submitted, accepted, duplicates, declined, unknown, done, dead;
    uint64_t complaints; /* said so far */
    int code;            /* exit status: the worst so far */
    int signal;          /* that ended it; 0 */
    uint64_t lost_ns;    /* since when there is no broker; 0: there is one */
    bool joined;         /* the broker may have read what was submitted */
    bool all_submitted;
    bool hinted; /* the broker was asked whether a worker handles the queue */
    bool asking; /* and has not answered yet: waited for, also if results are not */
    bool ended;  /* nothing is waited for any more */
};

/* Submits a job; line is 0 for the only one. Errors: as skep_submit. */
SKEP_MUST_USE int submission_add(struct submission *submission, const void *data, size_t size_bytes, uint64_t line);

/* Says what went wrong with a line, or with the only job (0), and makes its exit status count. After a few complaints
 * they are only counted. */
SKEP_PRINTF(4, 5)
void submission_complain(struct submission *submission, uint64_t line, int code, const char *format, ...);

/* Ends the submission at once, with this exit status. */
void submission_end(struct submission *submission, int code);

/* To be called when a job was accepted: if nobody waits for results, asks once whether a worker has ever handled the
 * queue, and says so if none has. */
void submission_accepted(struct submission *submission);

/* Call it repeatedly: reports once that no worker handles the queue, if results are waited for. */
void submission_hint(struct submission *submission, uint64_t now_ns);

enum {
    SUBMISSION_UNFINISHED = 100000, /* jobs whose results are waited for, at most */
    SUBMISSION_RETURN_MS = 60000    /* for another broker to come, when the one that has the jobs has ended */
};

/* Prints what became of a job. outcome NULL: it has been accepted, or was there before (duplicate). */
void result_print(const struct submission *submission, uint64_t id, uint64_t line, bool duplicate,
                  const skep_outcome *outcome);

/* What there is to say of a job that will not be done; duplicate: it is the first one with its key. */
void result_describe(char *text, size_t capacity_bytes, uint64_t id, bool duplicate, const skep_outcome *outcome);

/* Opens a file of lines, "-" is stdin. Returns 0; or says what is wrong and returns the exit status. */
int lines_open(struct lines **lines, const char *path);

/* Begins to submit them, on the loop; sets all_submitted at the end. */
SKEP_MUST_USE int lines_begin(struct lines *lines, struct submission *submission);

/* Goes on, if the submission was behind, or the client was. */
void lines_resume(struct lines *lines);

/* Closes the handles; the loop must run once more before lines_free. */
void lines_close(struct lines *lines);
void lines_free(struct lines **lines);

#endif
