/* SPDX-License-Identifier: MIT
 * Workers of scenes that are played on several stages: a job's payload says what is done with it. */
#ifndef SKEP_TESTS_ACTS_H
#define SKEP_TESTS_ACTS_H

#include "roles.h"

#include <signal.h>

enum { TEXT_BYTES = 192 };

static unsigned handled;
static skep_job *kept;

static inline skep_verdict say(skep_job *job) {
    char text[TEXT_BYTES];
    int size = snprintf(text, sizeof text, "as number %u, attempt %u%s", handled, job->attempt,
                        job->redelivered ? ", redelivered" : "");
    role_need(skep_job_result(job, text, (size_t)size), "result");
    return SKEP_DONE;
}

static inline skep_verdict misbehave(skep_worker *worker, skep_job *job, const char *how) {
    if (strcmp(how, "die") == 0) raise(SIGKILL);
    if (strcmp(how, "exit") == 0) _exit(3);
    if (strcmp(how, "quit") == 0) skep_disconnect(worker);
    if (strcmp(how, "hold") == 0 || strcmp(how, "quit") == 0) {
        kept = job;
        return SKEP_KEEP;
    }
    skep_job_reason(job, "again");
    return SKEP_RETRY;
}

/* retry N, die N, exit N, hold N, quit N: so in the first N attempts, and done in the next one. quit leaves, and dies
 * on its way out. late: when the lease has ended and another attempt has begun, the first one is answered. free: the
 * one that is held is done. extend: its lease begins anew. */
static inline skep_verdict act(skep_worker *worker, skep_job *job, void *context) {
    char text[TEXT_BYTES] = "", how[TEXT_BYTES] = "";
    unsigned times = 0;
    (void)context;
    memcpy(text, job->data, job->size_bytes < sizeof text ? job->size_bytes : sizeof text - 1);
    handled++;
    if (sscanf(text, "%191s %u", how, &times) == 2)
        return job->attempt <= times ? misbehave(worker, job, how) : say(job);
    if (strcmp(how, "late") == 0 && job->attempt == 1) return misbehave(worker, job, "hold");
    if (strcmp(how, "late") == 0) skep_job_complete(kept, SKEP_DONE);
    if (strcmp(how, "free") == 0) skep_job_complete(kept, SKEP_DONE);
    if (strcmp(how, "extend") == 0) role_need(skep_job_extend(kept), "extend");
    if (strcmp(how, "fail") == 0) {
        skep_job_reason(job, "no such file");
        return SKEP_FAILED;
    }
    return say(job);
}

static inline void die(skep_worker *worker, void *context) {
    (void)worker;
    (void)context;
    if (kept != NULL) raise(SIGKILL);
}

static inline void begin(skep_worker *worker) {
    skep_on_leave(worker, die, NULL);
    role_need(skep_on_job(worker, "one", act, NULL), "one");
    role_need(skep_on_job(worker, "many", act, NULL), "many");
    role_need(skep_job_concurrency(worker, "many", 8), "concurrency");
}

#endif
