/* SPDX-License-Identifier: MIT
 * A client and the broker under a test's control, on one loop; and what the client was told. */
#ifndef SKEP_TESTS_CLIENT_HIVE_H
#define SKEP_TESTS_CLIENT_HIVE_H

#include "lib/fake_broker.h"

#include <skep/client.h>

struct hive {
    struct pump *pump;
    struct fake *fake;
    skep_client *client;
    unsigned joined, lost;
    int refusal; /* why the broker did not let it join, the last time */
    unsigned accepted, answered, outcomes, drained;
    uint64_t ids[FAKE_MAX_JOBS]; /* by answer */
    int status;                  /* the last one */
    skep_outcome outcome;
    char result[FAKE_JOB_BYTES], cause[64], reason[64];
};

static inline void on_state(skep_client *client, int status, void *context) {
    struct hive *hive = context;
    assert_int_equal(skep_client_is_connected(client), status == SKEP_OK);
    if (status == SKEP_OK) hive->joined++;
    else if (status == SKEP_ECLOSED) hive->lost++;
    else hive->refusal = status;
}

static inline void on_accepted(skep_client *client, int status, uint64_t id, void *context) {
    struct hive *hive = context;
    (void)client;
    if (hive->answered < FAKE_MAX_JOBS) hive->ids[hive->answered] = id;
    hive->answered++;
    hive->accepted += status == SKEP_OK;
    hive->status = status;
}

static inline void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct hive *hive = context;
    (void)client;
    hive->outcomes++;
    hive->outcome = *outcome;
    snprintf(hive->result, sizeof hive->result, "%.*s", (int)outcome->size_bytes,
             outcome->data != NULL ? (const char *)outcome->data : "");
    snprintf(hive->cause, sizeof hive->cause, "%s", outcome->cause);
    snprintf(hive->reason, sizeof hive->reason, "%s", outcome->reason);
}

static inline void on_drain(skep_client *client, void *context) {
    struct hive *hive = context;
    (void)client;
    hive->drained++;
}

static inline void begin(struct hive *hive, struct pump *pump) {
    *hive = (struct hive){.pump = pump, .fake = fake_new(&pump->loop, pump->dir)};
    skep_client_options options = {.dir = pump->dir, .loop = &pump->loop};
    assert_int_equal(skep_client_new(&hive->client, &options), SKEP_OK);
    skep_on_client_state(hive->client, on_state, hive);
    skep_on_client_drain(hive->client, on_drain, hive);
}

static inline void end(struct hive *hive) {
    skep_client_free(&hive->client);
    assert_null(hive->client);
    assert_int_equal(hive->fake->bad_clients, 0);
    fake_free(hive->fake);
}

/* Submits jobs with these numbers as their payloads. */
static inline void submit(struct hive *hive, unsigned from, unsigned to, skep_outcome_cb outcome) {
    char text[16];
    for (unsigned i = from; i <= to; i++) {
        int length = snprintf(text, sizeof text, "%u", i);
        assert_int_equal(skep_submit(hive->client, "mail", text, (size_t)length, NULL, on_accepted, outcome, hive),
                         SKEP_OK);
    }
}

/* The broker's ledger holds exactly these, in order. */
static inline void expect_jobs(const struct hive *hive, unsigned from, unsigned to) {
    char text[16];
    assert_int_equal(hive->fake->job_count, to - from + 1);
    for (unsigned i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(hive->fake->jobs[i - from], text);
    }
}

#endif
