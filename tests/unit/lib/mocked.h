/* SPDX-License-Identifier: MIT
 * What the tests of the mock broker share: calls that must succeed, and a handler that does what payloads say. */
#ifndef SKEP_TESTS_MOCKED_H
#define SKEP_TESTS_MOCKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <skep/mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, SOON_MS = 50 };

#define OK(call)                                                                                            \
    do {                                                                                                    \
        int status_ = (call);                                                                               \
        if (status_ != SKEP_OK)                                                                             \
            fail_msg("%s: %s\n%s", #call, skep_strerror(status_), mock != NULL ? skep_mock_why(mock) : ""); \
    } while (0)

#define FAILS(wanted, call) assert_int_equal(call, wanted)

struct kept {
    skep_job *job;
};

/* What a job's payload says is done. */
static inline skep_verdict do_job(skep_worker *worker, skep_job *job, void *context) {
    struct kept *kept = context;
    char word[32] = "";
    memcpy(word, job->data, job->size_bytes < sizeof word ? job->size_bytes : sizeof word - 1);
    if (strcmp(word, "result") == 0) return skep_job_result(job, "done!", 5) == SKEP_OK ? SKEP_DONE : SKEP_FAILED;
    if (strcmp(word, "retry") == 0) {
        skep_job_delay(job, 500);
        skep_job_reason(job, "out of paper");
        return SKEP_RETRY;
    }
    if (strcmp(word, "fail") == 0) {
        skep_job_reason(job, "no such file");
        return SKEP_FAILED;
    }
    if (strcmp(word, "keep") == 0) {
        kept->job = job;
        return SKEP_KEEP;
    }
    if (strcmp(word, "count") == 0) {
        skep_count(worker, "requests", 3);
        skep_count(worker, "cats", 2);
        raise(SIGKILL);
    }
    if (strcmp(word, "exit") == 0) exit(3);
    if (strcmp(word, "abort") == 0) raise(SIGKILL);
    return SKEP_DONE;
}

static inline uint64_t submit(skep_mock *mock, const char *payload) {
    uint64_t job = 0;
    OK(skep_mock_submit(mock, "q", payload, strlen(payload), NULL, &job));
    return job;
}

static inline skep_mock_job look(skep_mock *mock, uint64_t job) {
    skep_mock_job info;
    OK(skep_mock_look(mock, job, &info));
    return info;
}

static inline skep_mock *open_mock(struct kept *kept, skep_worker **worker) {
    skep_mock *mock = NULL;
    OK(skep_mock_broker_new(&mock, NULL));
    OK(skep_mock_broker_worker(mock, worker, "tester"));
    OK(skep_on_job(*worker, "q", do_job, kept));
    return mock;
}

static inline bool keeps_one(void *worker) {
    return skep_worker_jobs(worker) == 1;
}

#endif
