/* SPDX-License-Identifier: MIT
 * A mock broker's side towards clients. */
#ifndef SKEP_MOCK_CLIENTS_H
#define SKEP_MOCK_CLIENTS_H

#include "mock/private.h"

/* One that has joined */
struct skep__mock_client {
    LIST_ENTRY(skep__mock_client) entry;
    uint32_t id;
    uint64_t expected; /* number of its next submission */
    struct skep__outlet *returns;
};

/* A request of a client's that a worker has */
struct skep__mock_call {
    LIST_ENTRY(skep__mock_call) entry;
    uint64_t number; /* at the worker */
    uint32_t worker, client;
    uint64_t request; /* the client's number */
};

struct skep__mock_clients {
    int lock;
    struct skep__server *control;
    struct skep__port *intake;
    struct skep_reader control_reader, intake_reader;
    LIST_HEAD(, skep__mock_client) list;
    uint32_t last_client;
    LIST_HEAD(, skep__mock_call) calls;
    int answer;                       /* to submissions: SKEP_OK, SKEP_MOCK_SILENT, or why they are declined */
    uint64_t last_seen;               /* job that skep_mock_expect_submitted gave last */
    struct skep__mock_client *speaks; /* in the frame at hand; NULL: nobody who is known */
};

/* --- send.c --- */

/* A client that has joined; NULL. */
struct skep__mock_client *skep__mock_find_client(const skep_mock *mock, uint64_t id);

void skep__mock_tell_client(skep_mock *mock, const struct skep__mock_client *client,
                            const struct skep_command *command);

/* Tells a client what has become of a job; cause NULL: it is done. False: no such client has joined. */
bool skep__mock_tell_outcome(skep_mock *mock, uint32_t client, uint64_t number, const char *cause,
                             const struct skep_bytes *result_or_reason);

/* Tells a client, if it is there, that the outcome of a job that it awaits is not known. */
void skep__mock_tell_forgotten(skep_mock *mock, uint32_t client, uint64_t number, int status);

/* --- messages.c: what workers get that the test has not sent --- */

/* To all workers that have subscribed. */
SKEP_MUST_USE int skep__mock_broadcast(skep_mock *mock, uint32_t from, const struct skep_command_message *message);

/* The worker that a message is for; NULL: it is for the mock, or there is none. */
struct skep__mock_worker *skep__mock_receiver(skep_mock *mock, const struct skep_command_message *message);

/* --- calls.c: messages of clients to workers --- */

void skep__mock_client_message(skep_mock *mock, const struct skep__mock_client *client,
                               const struct skep_command_message *message);

/* A worker's reply. False: no client has asked. */
bool skep__mock_client_reply(const struct skep__mock_worker *worker, const struct skep_command_reply *reply);

/* The worker is gone: it replies to nothing more. */
void skep__mock_fail_calls(const struct skep__mock_worker *worker);

void skep__mock_forget_calls(struct skep__mock_clients *clients);

/* --- status.c: answers to questions --- */

SKEP_MUST_USE int skep__mock_add_status(const skep_mock *mock, struct skep_frame *frame);
SKEP_MUST_USE int skep__mock_add_news_end(const skep_mock *mock, struct skep_frame *frame);

/* --- clients.c --- */

/* Opens the sockets for clients, and the lock file by which they find them. */
SKEP_MUST_USE int skep__mock_clients_open(skep_mock *mock);
void skep__mock_clients_close(skep_mock *mock);

#endif
