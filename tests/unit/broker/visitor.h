/* SPDX-License-Identifier: MIT
 * A client under test: what it says is put before the broker, what it is told is read from its socket and kept. */
#ifndef SKEP_TESTS_VISITOR_H
#define SKEP_TESTS_VISITOR_H

#include "broker/ledger_bench.h"
#include "common/text.h"

enum { VISITOR_ANSWERS = 8192 };

/* A command that came back */
struct returned {
    enum skep_command_id id;
    uint64_t number, n, job, status;
    bool duplicate, waits;
    char text[64]; /* cause, reason, data, how the first ended, or the results one after the other */
};

struct visitor {
    struct bench *bench;
    uint32_t id;
    pid_t pid;
    char url[SKEP_MAX_URL + 1]; /* to read from */
    struct skep__port *port;
    struct skep_reader reader;
    struct returned *log;
    unsigned count;
    unsigned frames, wrong;
};

/* --- what it is told --- */

static inline void visitor_text(struct returned *r, const struct skep_bytes *text) {
    size_t used = strlen(r->text);
    snprintf(r->text + used, sizeof r->text - used, "%.*s", (int)text->size_bytes,
             text->size_bytes > 0 ? text->data : "");
}

static inline void visitor_note(struct visitor *visitor, const struct skep_command *c) {
    if (visitor->count == VISITOR_ANSWERS) return;
    struct returned *r = &visitor->log[visitor->count++];
    *r = (struct returned){.id = c->id};
    switch (c->id) {
    case SKEP_COMMAND_accepted:
        r->number = c->accepted.number;
        r->n = SKEP_HAS(accepted, &c->accepted, n) ? c->accepted.n : 1;
        r->job = c->accepted.id;
        r->duplicate = c->accepted.duplicate;
        r->waits = c->accepted.waits;
        visitor_text(r, &c->accepted.ended);
        break;
    case SKEP_COMMAND_declined:
        r->number = c->declined.number;
        r->n = SKEP_HAS(declined, &c->declined, n) ? c->declined.n : 1;
        r->status = c->declined.status;
        visitor_text(r, &c->declined.reason);
        break;
    case SKEP_COMMAND_expected: r->number = c->expected.number; break;
    case SKEP_COMMAND_finished:
        r->number = c->finished.number;
        r->n = c->finished.results.count;
        for (uint32_t i = 0; i < r->n; i++) {
            struct skep_bytes result = skep__list_at(&c->finished.results, i);
            visitor_text(r, &result);
        }
        break;
    case SKEP_COMMAND_died:
        r->number = c->died.number;
        visitor_text(r, &c->died.cause);
        break;
    case SKEP_COMMAND_reply:
        r->number = c->reply.request;
        r->status = c->reply.status;
        visitor_text(r, &c->reply.data);
        break;
    case SKEP_COMMAND_undelivered:
        r->status = c->undelivered.status;
        visitor_text(r, &c->undelivered.name);
        break;
    default: visitor->wrong++;
    }
}

static inline void visitor_told(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct visitor *visitor = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    visitor->frames++;
    int status = skep__reader_begin(&visitor->reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(&visitor->reader, &command, &more);
        if (status == SKEP_OK && more) visitor_note(visitor, &command);
    }
    visitor->wrong += status != SKEP_OK;
}

/* --- coming and going --- */

static inline void visitor_read_joined(struct visitor *visitor, const struct skep_frame *frame) {
    struct skep_reader reader;
    struct skep_command joined;
    bool more;
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    assert_int_equal(skep__reader_begin(&reader, frame->data, frame->size_bytes), SKEP_OK);
    assert_int_equal(skep__reader_next(&reader, &joined, &more), SKEP_OK);
    assert_int_equal(joined.id, SKEP_COMMAND_joined);
    visitor->id = (uint32_t)joined.joined.client;
    skep__copy_text(visitor->url, sizeof visitor->url, &joined.joined.returns);
    skep__reader_free(&reader);
}

/* Joins as a process, and does not read yet. */
static inline void visitor_join(struct visitor *visitor, struct bench *bench, pid_t pid) {
    struct skep_frame frame = {0};
    const char *why;
    *visitor = (struct visitor){.bench = bench, .pid = pid};
    visitor->log = calloc(VISITOR_ANSWERS, sizeof *visitor->log);
    assert_non_null(visitor->log);
    assert_int_equal(skep__session_join(bench->cluster, pid, &frame, &why), SKEP_OK);
    visitor_read_joined(visitor, &frame);
    skep__frame_free(&frame);
    assert_int_equal(skep__reader_init(&visitor->reader, SKEP_CHANNEL_RETURNS), SKEP_OK);
}

static inline void visitor_listen(struct visitor *visitor) {
    static const struct skep__port_events events = {.received = visitor_told};
    assert_int_equal(skep__port_new(&visitor->port, visitor->bench->cluster->hub, SKEP__PORT_PULL, &events, visitor),
                     SKEP_OK);
    assert_int_equal(skep__port_dial(visitor->port, visitor->url), SKEP_OK);
}

static inline void visitor_come(struct visitor *visitor, struct bench *bench) {
    visitor_join(visitor, bench, getpid());
    visitor_listen(visitor);
}

static inline void visitor_go(struct visitor *visitor) {
    assert_int_equal(visitor->wrong, 0);
    skep__port_free(&visitor->port);
    skep__reader_free(&visitor->reader);
    free(visitor->log);
}

/* With a broker of its own. */
static inline void visitor_open(struct bench *bench, struct visitor *visitor, void **state) {
    bench_open(bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    visitor_come(visitor, bench);
}

static inline void visitor_close(struct bench *bench, struct visitor *visitor) {
    visitor_go(visitor);
    bench_close(bench);
}

/* What has gathered leaves, as at the end of a frame. */
static inline void bench_flush(struct bench *bench) {
    later_settle(bench->cluster);
    skep__sessions_flush(bench->cluster);
}

static inline struct skep__session *visitor_session(const struct visitor *visitor) {
    return skep__session_find(visitor->bench->cluster, visitor->id, visitor->pid);
}

/* --- what it says --- */

static inline void visitor_begin(const struct visitor *visitor, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_client};
    command.client = (struct skep_command_client){.client = visitor->id};
    *frame = (struct skep_frame){0};
    assert_int_equal(skep__frame_add(frame, &command), SKEP_OK);
}

static inline void visitor_add_submit(struct skep_frame *frame, const struct skep_command_submit *submit) {
    struct skep_command command = {.id = SKEP_COMMAND_submit, .submit = *submit};
    assert_int_equal(skep__frame_add(frame, &command), SKEP_OK);
}

static inline void visitor_end(const struct visitor *visitor, struct skep_frame *frame) {
    struct skep__peer peer = {.pid = visitor->pid};
    skep__intake_received(visitor->bench->cluster, frame->data, frame->size_bytes, &peer);
    skep__frame_free(frame);
    later_settle(visitor->bench->cluster);
}

static inline void visitor_say(const struct visitor *visitor, const struct skep_command_submit *submit) {
    struct skep_frame frame;
    visitor_begin(visitor, &frame);
    visitor_add_submit(&frame, submit);
    visitor_end(visitor, &frame);
}

/* count jobs of one letter for the queue q */
static inline struct skep_command_submit visitor_jobs(uint64_t number, uint32_t count) {
    static struct skep_bytes letters[SKEP_MAX_LIST];
    for (unsigned i = 0; i < SKEP_MAX_LIST; i++) letters[i] = (struct skep_bytes){&"abcdefghij"[i % 10], 1};
    return (struct skep_command_submit){
        .queue = {"q", 1}, .number = number, .jobs = {.count = count, .borrowed = letters}};
}

static inline void visitor_submit(const struct visitor *visitor, uint64_t number, uint32_t count, bool outcomes) {
    struct skep_command_submit submit = visitor_jobs(number, count);
    if (outcomes) SKEP_SET(submit, &submit, outcomes, true);
    visitor_say(visitor, &submit);
}

/* --- what it should have been told --- */

static inline void visitor_expect(struct visitor *visitor, unsigned index, enum skep_command_id id, uint64_t number,
                                  uint64_t n, uint64_t job) {
    PUMP_UNTIL(visitor->bench->pump, visitor->count > index);
    assert_string_equal(skep__spec(visitor->log[index].id)->name, skep__spec(id)->name);
    assert_int_equal(visitor->log[index].number, number);
    assert_int_equal(visitor->log[index].n, n);
    assert_int_equal(visitor->log[index].job, job);
}

/* Whatever is on its way has arrived when this returns: it is told something that comes last. */
static inline void visitor_expect_nothing_more(struct visitor *visitor) {
    struct skep_command command = {.id = SKEP_COMMAND_expected};
    command.expected = (struct skep_command_expected){.number = UINT64_MAX};
    unsigned before = visitor->count;
    skep__session_tell(visitor_session(visitor), &command);
    PUMP_UNTIL(visitor->bench->pump, visitor->count > before && visitor->log[visitor->count - 1].number == UINT64_MAX);
    assert_int_equal(visitor->count, before + 1);
    visitor->count = before;
}

#endif
