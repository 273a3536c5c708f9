/* SPDX-License-Identifier: MIT
 * A mock broker's side towards clients. */
#ifndef SKEP_MOCK_BROKER_CLIENTS_H
#define SKEP_MOCK_BROKER_CLIENTS_H

#include "mock_broker.h"

/* One that has joined */
struct skep__mock_client {
    LIST_ENTRY(skep__mock_client) entry;
    uint32_t id;
    uint64_t expected; /* number of its next submission */
    struct skep__outlet *returns;
};

struct skep__mock_clients {
    int lock;
    struct skep__server *control;
    struct skep__port *intake;
    struct skep_reader control_reader, intake_reader;
    LIST_HEAD(, skep__mock_client) list;
    uint32_t last_client;
    int answer;                       /* to submissions: SKEP_OK, SKEP_MOCK_SILENT, or why they are declined */
    uint64_t last_seen;               /* job that skep_mock_expect_submitted gave last */
    uint64_t owed;                    /* outcomes that are waited for and were not told */
    struct skep__mock_client *speaks; /* in the frame at hand; NULL: nobody who is known */
};

/* Opens the sockets for clients, and the lock file by which they find them. */
SKEP_MUST_USE int skep__mock_clients_open(skep_mock *mock);
void skep__mock_clients_close(skep_mock *mock);

/* Tells clients what has become of their jobs. */
void skep__mock_tell_outcomes(skep_mock *mock);

/* --- mock_broker_status.c: answers to questions --- */

SKEP_MUST_USE int skep__mock_add_status(const skep_mock *mock, struct skep_frame *frame);
SKEP_MUST_USE int skep__mock_add_queues(const skep_mock *mock, struct skep_frame *frame);
SKEP_MUST_USE int skep__mock_add_news_end(const skep_mock *mock, struct skep_frame *frame);

#endif
