/* SPDX-License-Identifier: MIT
 * One job that is put, and what it is answered. */
#ifndef SKEP_TESTS_ONE_PUT_H
#define SKEP_TESTS_ONE_PUT_H

#include "common/container.h"
#include "jobs/queues.h"

struct one_put {
    struct skep__put put;
    struct skep_bytes data, key;
    struct skep__batch batch;
    struct skep__answer answer;
    unsigned answers, failures;
};

static inline void one_put_answered(struct skep__put *put, const struct skep__answer *answer) {
    struct one_put *one = SKEP_CONTAINER(put, struct one_put, put);
    one->answer = *answer;
    one->answers += answer->n;
    one->failures += answer->status != SKEP_OK;
}

/* It may not be moved from here on. */
static inline void one_put_init(struct one_put *one, const struct skep__submission *submission) {
    *one = (struct one_put){.put = {one_put_answered},
                            .data = {submission->data, submission->size_bytes},
                            .key = {submission->key, submission->key_bytes},
                            .batch = {.common = *submission}};
    one->batch.jobs = (struct skep_list){.count = 1, .borrowed = &one->data};
    one->batch.keys = (struct skep_list){.count = submission->key != NULL, .borrowed = &one->key};
}

#endif
