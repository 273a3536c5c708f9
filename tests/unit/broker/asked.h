/* SPDX-License-Identifier: MIT
 * Questions about single jobs of a ledger under test, and what those hear who wait for jobs by their ids. */
#ifndef SKEP_TESTS_ASKED_H
#define SKEP_TESTS_ASKED_H

#include "broker/jobs/wanted_store.h"
#include "broker/ledger_plain.h"

/* What was asked, and the answer */
struct asked {
    struct skep__job_question question;
    unsigned answers;
    int status;
    enum skep_command_id kind;
    uint64_t id, attempt, worker, ended;
    bool begun;
    char state[32], queue[32], key[32], cause[32], text[64], why[128]; /* text: payload, result or reason */
};

static inline void asked_copy(char *text, size_t capacity_bytes, const struct skep_bytes *bytes) {
    struct skep_bytes cut = *bytes;
    if (cut.size_bytes >= capacity_bytes) cut.size_bytes = capacity_bytes - 1;
    skep__copy_text(text, capacity_bytes, &cut);
}

static inline void asked_note_status(struct asked *asked, const struct skep_command_jobStatus *s) {
    asked->id = s->id;
    asked->attempt = s->attempt;
    asked->worker = s->worker;
    asked->begun = SKEP_HAS(jobStatus, s, begun_ms);
    asked_copy(asked->state, sizeof asked->state, &s->state);
    asked_copy(asked->queue, sizeof asked->queue, &s->queue);
    asked_copy(asked->key, sizeof asked->key, &s->key);
    asked_copy(asked->cause, sizeof asked->cause, &s->cause);
    asked_copy(asked->text, sizeof asked->text, &s->data);
}

static inline void asked_note_end(struct asked *asked, const struct skep_command_jobEnded *e) {
    asked->id = e->id;
    asked->attempt = e->attempt;
    asked->ended = e->ended;
    asked_copy(asked->state, sizeof asked->state, &e->state);
    asked_copy(asked->queue, sizeof asked->queue, &e->queue);
    asked_copy(asked->cause, sizeof asked->cause, &e->cause);
    asked_copy(asked->text, sizeof asked->text, e->result.size_bytes > 0 ? &e->result : &e->reason);
}

static inline void asked_answered(struct skep__job_question *question, int status, const char *why,
                                  const struct skep_command *answer) {
    struct asked *asked = SKEP_CONTAINER(question, struct asked, question);
    asked->answers++;
    asked->status = status;
    snprintf(asked->why, sizeof asked->why, "%s", why);
    if (answer == NULL) return;
    asked->kind = answer->id;
    if (answer->id == SKEP_COMMAND_jobStatus) asked_note_status(asked, &answer->jobStatus);
    if (answer->id == SKEP_COMMAND_jobEnded) asked_note_end(asked, &answer->jobEnded);
    if (answer->id != SKEP_COMMAND_cancelled) return;
    asked->id = answer->cancelled.id;
    asked_copy(asked->state, sizeof asked->state, &answer->cancelled.was);
    asked_copy(asked->queue, sizeof asked->queue, &answer->cancelled.queue);
}

static inline void ask_only(skep_cluster *cluster, struct asked *asked, uint64_t id, bool cancels) {
    *asked = (struct asked){.question = {.answered = asked_answered}};
    skep__jobs_ask(cluster->jobs, &asked->question, id, cancels);
}

/* Answered when what follows of it is complete. */
static inline struct asked ask_job(skep_cluster *cluster, uint64_t id, bool cancels) {
    static struct asked asked;
    ask_only(cluster, &asked, id, cancels);
    for (unsigned i = 0; i < 4 && asked.answers == 0; i++) later_settle(cluster);
    assert_int_equal(asked.answers, 1);
    return asked;
}

static inline struct asked look_at_job(skep_cluster *cluster, uint64_t id) {
    return ask_job(cluster, id, false);
}

static inline struct asked cancel_job(skep_cluster *cluster, uint64_t id) {
    return ask_job(cluster, id, true);
}

/* --- who waits --- */

enum { HEARD = 16 };

/* What those heard who wait, in the order in which they did */
struct heard {
    unsigned count;
    struct {
        uint32_t client;
        uint64_t number;
        int status;
        char cause[32], text[64]; /* text: result or reason */
    } told[HEARD];
    skep_cluster *cluster;
};
static struct heard heard;

static inline void hear(uint32_t client, uint64_t number, int status, const char *cause,
                        const struct skep_bytes *text) {
    assert_true(heard.count < HEARD);
    heard.told[heard.count].client = client;
    heard.told[heard.count].number = number;
    heard.told[heard.count].status = status;
    snprintf(heard.told[heard.count].cause, sizeof heard.told[0].cause, "%s", cause != NULL ? cause : "");
    asked_copy(heard.told[heard.count].text, sizeof heard.told[0].text, text);
    heard.count++;
}

static inline void hear_all(const struct skep__job *job, int status, const char *cause, const struct skep_bytes *text) {
    struct skep__waiter waiter;
    if (job->client != 0) hear(job->client, job->number, status, cause, text);
    while (skep__jobs_next_awaiting(heard.cluster->jobs, job->id, &waiter))
        hear(waiter.client, waiter.number, status, cause, text);
}

static inline void heard_finished(void *context, const struct skep__job *job, const struct skep_bytes *result) {
    (void)context;
    hear_all(job, SKEP_OK, NULL, result);
}

static inline void heard_died(void *context, const struct skep__job *job, const char *cause,
                              const struct skep_bytes *reason) {
    (void)context;
    hear_all(job, SKEP_EDEAD, cause, reason);
}

static inline void heard_recalled(void *context, const struct skep__waiter *waiter, const struct skep__job_end *end) {
    (void)context;
    hear(waiter->client, waiter->number, end->status, end->cause, &end->result);
}

static inline void heard_settled(void *context) {
    (void)context;
}

/* From here on all that clients would be told is heard. */
static inline void hear_outcomes(skep_cluster *cluster) {
    static const struct skep__job_events events = {
        .finished = heard_finished, .died = heard_died, .recalled = heard_recalled, .settled = heard_settled};
    heard = (struct heard){.cluster = cluster};
    cluster->jobs->events = &events;
}

static inline void await_job(skep_cluster *cluster, uint64_t id, uint32_t client, uint64_t number) {
    assert_int_equal(skep__jobs_await(cluster->jobs, id, client, number), SKEP_OK);
    for (unsigned i = 0; i < 4; i++) later_settle(cluster);
}

static inline void assert_heard(unsigned at, uint32_t client, uint64_t number, int status, const char *cause,
                                const char *text) {
    assert_true(at < heard.count);
    assert_int_equal(heard.told[at].client, client);
    assert_int_equal(heard.told[at].number, number);
    assert_int_equal(heard.told[at].status, status);
    assert_string_equal(heard.told[at].cause, cause);
    assert_string_equal(heard.told[at].text, text);
}

#endif
