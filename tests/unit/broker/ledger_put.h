/* SPDX-License-Identifier: MIT
 * Jobs that are put into a ledger under test, whose store completes at once or later. */
#ifndef SKEP_TESTS_LEDGER_PUT_H
#define SKEP_TESTS_LEDGER_PUT_H

#include "broker/jobs/later_store.h"
#include "broker/one_put.h"
#include "jobs/private.h"

/* What is answered when it is complete. */
static inline int ledger_put(skep_cluster *cluster, struct skep__queue *queue,
                             const struct skep__submission *submission, uint64_t *id) {
    struct one_put one;
    one_put_init(&one, submission);
    skep__jobs_submit(cluster->jobs, queue, &one.batch, &one.put);
    later_settle(cluster);
    assert_int_equal(one.answers, 1);
    skep__jobs_refused(cluster->jobs, one.answer.status);
    if (one.answer.status == SKEP_OK) *id = one.answer.id;
    return one.answer.status;
}

/* The same jobs, which are all accepted before any is given out. */
static inline void ledger_put_many(skep_cluster *cluster, struct skep__queue *queue,
                                   const struct skep__submission *submission, unsigned count) {
    struct one_put one;
    one_put_init(&one, submission);
    for (unsigned i = 0; i < count; i++) skep__jobs_submit(cluster->jobs, queue, &one.batch, &one.put);
    later_settle(cluster);
    assert_int_equal(one.answers, count);
    assert_int_equal(one.failures, 0);
    skep__jobs_dispatch_queue(cluster->jobs, queue);
}

#endif
