/* SPDX-License-Identifier: MIT
 * REQ on the loop: questions, each with a number of its own before it. */
#include "transport/loop.h"

struct question {
    struct skep__outgoing outgoing; /* first member */
    TAILQ_ENTRY(question) entry;
    struct loop_caller *caller;
    bool sent; /* all of it has left: it may have been done, and is not asked again */
    uint64_t deadline_ns;
    skep__answer_cb callback;
    void *context;
    char body[];
};

struct loop_caller {
    struct skep__caller common; /* first member */
    struct skep__dialer dialer;
    struct skep__pipe *pipe;          /* NULL: no connection */
    TAILQ_HEAD(, question) questions; /* in the order in which they were asked */
    uint32_t next_number;
    uv_timer_t timer; /* set to the earliest deadline */
};

/* --- settling --- */

static void settle(struct question *question, int status, const char *data, size_t size_bytes) {
    skep__answer_cb callback = question->callback;
    void *context = question->context;
    TAILQ_REMOVE(&question->caller->questions, question, entry);
    free(question);
    callback(status, data, size_bytes, context);
}

static void set_timer(struct loop_caller *caller);

static void lose_connection(struct loop_caller *caller) {
    struct skep__pipe *pipe = caller->pipe;
    caller->pipe = NULL;
    if (pipe != NULL) skep__pipe_close(pipe);
    skep__dialer_again(&caller->dialer, pipe);
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): it cannot see that a question leaves the list before it is freed */
static struct question *first_sent(const struct loop_caller *caller) {
    struct question *question;
    TAILQ_FOREACH(question, &caller->questions, entry) if (question->sent) break;
    return question;
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* A question that was sent over a lost connection gets no answer. */
static void settle_lost(struct loop_caller *caller) {
    for (struct question *q; caller->pipe == NULL && (q = first_sent(caller)) != NULL;)
        settle(q, SKEP_ECLOSED, NULL, 0);
}

static void look_for_expired(uv_timer_t *timer) {
    struct loop_caller *caller = timer->data;
    uint64_t now_ns = uv_hrtime();
    struct question *question, *next;
    for (question = TAILQ_FIRST(&caller->questions); question != NULL; question = next) {
        next = TAILQ_NEXT(question, entry);
        if (question->deadline_ns > now_ns) continue;
        /* If a part of it has left, the connection has to end. */
        bool waits = !question->sent && caller->pipe != NULL;
        if (waits && !skep__pipe_unsend(caller->pipe, &question->outgoing)) lose_connection(caller);
        settle(question, SKEP_ETIMEDOUT, NULL, 0);
    }
    settle_lost(caller);
    set_timer(caller);
}

static void set_timer(struct loop_caller *caller) {
    const struct question *question;
    uint64_t earliest_ns = UINT64_MAX, now_ns = uv_hrtime();
    TAILQ_FOREACH(question, &caller->questions, entry)
    if (question->deadline_ns < earliest_ns) earliest_ns = question->deadline_ns;
    uint64_t left_ns = earliest_ns > now_ns ? earliest_ns - now_ns : 0;
    if (earliest_ns == UINT64_MAX) {
        uv_timer_stop(&caller->timer);
        return;
    }
    uv_update_time(caller->common.hub->loop); /* the loop may have been held up before it asked */
    uv_timer_start(&caller->timer, look_for_expired, left_ns / 1000000 + 1, 0);
}

/* --- connections --- */

static void question_done(struct skep__outgoing *outgoing, bool left) {
    ((struct question *)outgoing)->sent = left;
}

static void send_question(struct loop_caller *caller, struct question *question) {
    if (caller->pipe != NULL) question->sent = skep__pipe_send(caller->pipe, &question->outgoing);
}

/* An answer that is no longer waited for is dropped, and so is one to a question that has not been asked yet: numbers
 * can be guessed. */
static void received(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    struct loop_caller *caller = pipe->owner;
    struct question *question;
    const size_t route_bytes = SKEP__SP_NUMBER_BYTES;
    if (size_bytes < route_bytes) return;
    TAILQ_FOREACH(question, &caller->questions, entry)
    if (memcmp(data, question->outgoing.head + SKEP__SP_HEAD_BYTES, route_bytes) == 0) break;
    if (question != NULL && question->sent) settle(question, SKEP_OK, data + route_bytes, size_bytes - route_bytes);
}

static void ended(struct skep__pipe *pipe, bool all_read) {
    (void)all_read;
    struct loop_caller *caller = pipe->owner;
    lose_connection(caller);
    settle_lost(caller);
}

static void connected(void *owner, const struct skep__end *end) {
    static const struct skep__pipe_events events = {.received = received, .ended = ended};
    struct loop_caller *caller = owner;
    struct question *question;
    if (skep__pipe_new(&caller->pipe, caller->dialer.hub, end, SKEP__SP_REQ, &events, caller) != SKEP_OK) {
        caller->pipe = NULL;
        skep__dialer_again(&caller->dialer, NULL);
    }
    TAILQ_FOREACH(question, &caller->questions, entry) send_question(caller, question);
}

/* --- the interface --- */

static void closed(uv_handle_t *timer) {
    free(timer->data);
}

int skep__loop_caller_new(struct skep__caller **out, struct skep__hub *hub, const char *url) {
    struct loop_caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL) return SKEP_ENOMEM;
    caller->common.hub = hub;
    caller->dialer =
        (struct skep__dialer){.hub = (struct skep__loop_hub *)hub, .connected = connected, .owner = caller};
    TAILQ_INIT(&caller->questions);
    uv_timer_init(hub->loop, &caller->timer);
    uv_unref((uv_handle_t *)&caller->timer);
    caller->timer.data = caller;
    int status = skep__dialer_dial(&caller->dialer, url, false);
    if (status == SKEP_OK) *out = &caller->common;
    else uv_close((uv_handle_t *)&caller->timer, closed);
    return status;
}

int skep__loop_caller_ask(struct skep__caller *common, const void *data, size_t size_bytes, unsigned timeout_ms,
                          skep__answer_cb callback, void *context) {
    struct loop_caller *caller = (struct loop_caller *)common;
    unsigned char route[SKEP__SP_NUMBER_BYTES];
    struct question *question = malloc(sizeof *question + size_bytes);
    if (question == NULL) return SKEP_ENOMEM;
    *question = (struct question){.caller = caller,
                                  .deadline_ns = uv_hrtime() + timeout_ms * UINT64_C(1000000),
                                  .callback = callback,
                                  .context = context};
    memcpy(question->body, data, size_bytes);
    skep__sp_put_number(route, ++caller->next_number);
    skep__outgoing_set(&question->outgoing, route, sizeof route, question->body, size_bytes, question_done);
    TAILQ_INSERT_TAIL(&caller->questions, question, entry);
    send_question(caller, question);
    set_timer(caller);
    return SKEP_OK;
}

void skep__loop_caller_free(struct skep__caller *common) {
    struct loop_caller *caller = (struct loop_caller *)common;
    struct skep__pipe *pipe = caller->pipe;
    caller->pipe = NULL;
    skep__dialer_close(&caller->dialer);
    if (pipe != NULL) skep__pipe_close(pipe);
    for (struct question *q; (q = TAILQ_FIRST(&caller->questions)) != NULL;)
        settle(q, SKEP_ECLOSED, NULL, 0); // NOLINT(clang-analyzer-unix.Malloc): the first is another each time
    uv_timer_stop(&caller->timer);
    uv_close((uv_handle_t *)&caller->timer, closed);
}
