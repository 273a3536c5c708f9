/* SPDX-License-Identifier: MIT
 * A mock worker follows a rule of its script, action by action. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mock/worker.h"

enum {
    LATE_MS = 500,        /* after the lease, which ended a little earlier in the broker's view */
    EXTENSIONS = 4,       /* in one lease, while a job is worked on */
    LOOK_MS = 1,          /* while what was said before has not left */
    EXIT_BY_SIGNAL = 128, /* as shells show it, should the signal not end the process */
};

enum step { GO_ON, WAIT, END };

static const char malformed[] = "\xdd\x05\x00\x00\x00"; /* a list of items that are not there */
enum { MALFORMED_BYTES = sizeof malformed - 1 };

/* --- waiting --- */

static void go_on(uv_timer_t *timer) {
    skep__mock_play_on(timer->data);
}

static enum step wait_for(struct skep__mock_play *play, uint64_t ms) {
    uv_timer_start(&play->timer, go_on, ms, 0);
    return WAIT;
}

static uint64_t now_ms(const struct skep__mock_play *play) {
    return uv_now(skep_worker_loop(play->mock->worker));
}

static enum step be_late(struct skep__mock_play *play) {
    uint64_t now = now_ms(play), until = play->job->deadline_ms + LATE_MS;
    return wait_for(play, until > now ? until - now : 0);
}

static void extend(struct skep__mock_play *play) {
    if (skep_job_extend(play->job) != SKEP_OK) return; /* its lease ends then, as it would for any worker */
}

static void extend_again(uv_timer_t *timer) {
    struct skep__mock_play *play = timer->data;
    if (now_ms(play) < play->until_ms) {
        extend(play);
        return;
    }
    uv_timer_stop(timer);
    skep__mock_play_on(play);
}

static enum step work(struct skep__mock_play *play, uint64_t ms) {
    uint64_t now = now_ms(play);
    uint64_t pause_ms = (play->job->deadline_ms - now) / EXTENSIONS;
    if (pause_ms == 0) pause_ms = 1;
    play->until_ms = now + ms;
    uv_timer_start(&play->timer, extend_again, ms < pause_ms ? ms : pause_ms, pause_ms);
    return WAIT;
}

/* On purpose: the watchdog and leases are for those whose loop stands still. */
static void stall(uint64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) continue;
}

/* --- jobs --- */

static enum step complete(struct skep__mock_play *play, skep_verdict verdict) {
    skep_job *job = play->job;
    play->job = NULL;
    skep_job_complete(job, verdict);
    return END;
}

static enum step done_with(struct skep__mock_play *play, const void *data, size_t size_bytes) {
    return complete(play, skep_job_result(play->job, data, size_bytes) == SKEP_OK ? SKEP_DONE : SKEP_RETRY);
}

static enum step fail(struct skep__mock_play *play, const struct skep__mock_action *action) {
    skep_job_reason(play->job, action->data.text);
    return complete(play, SKEP_FAILED);
}

static enum step retry(struct skep__mock_play *play, const struct skep__mock_action *action) {
    skep_job_delay(play->job, (uint32_t)action->number);
    skep_job_reason(play->job, action->data.text);
    return complete(play, SKEP_RETRY);
}

/* --- answers --- */

static void answer(struct skep__mock_play *play, const void *data, size_t size_bytes) {
    skep_worker *worker = play->mock->worker;
    uint64_t request = play->request;
    play->request = 0;
    int status = request != 0 ? skep_reply(worker, play->from, request, SKEP_OK, data, size_bytes)
                              : skep_send_to(worker, play->from, play->name, data, size_bytes);
    skep__trace(worker->trace, SKEP__TRACE_WIRE, "the script answers: %s", skep_strerror(status));
}

static enum step reply(struct skep__mock_play *play, const struct skep__word *data) {
    if (play->job != NULL) return done_with(play, data->text, data->size_bytes);
    answer(play, data->text, data->size_bytes);
    return GO_ON;
}

static enum step echo(struct skep__mock_play *play) {
    if (play->job != NULL) return done_with(play, play->job->data, play->job->size_bytes);
    if (play->stream != NULL) {
        skep__mock_stream_echo(play->stream, skep__mock_play_end);
        return WAIT;
    }
    answer(play, play->data.data, play->data.size_bytes);
    return GO_ON;
}

static enum step say(const struct skep__mock_play *play, const struct skep__mock_action *action,
                     int (*how)(skep_worker *worker, const char *name, const void *data, size_t size_bytes)) {
    skep_worker *worker = play->mock->worker;
    int status = how(worker, action->name, action->data.text, action->data.size_bytes);
    skep__trace(worker->trace, SKEP__TRACE_WIRE, "the script sends %s: %s", action->name, skep_strerror(status));
    return GO_ON;
}

/* --- misbehaving --- */

/* A frame of its own: with anything else in it that would be dropped as well. */
static enum step spoil_outbox(struct skep__mock_play *play) {
    struct skep__outlet *outbox = play->mock->worker->outbox;
    if (!skep__worker_send_acks(play->mock->worker) || !skep__outlet_is_empty(outbox)) {
        skep__outlet_flush(outbox);
        play->next--; /* the same again, soon */
        return wait_for(play, LOOK_MS);
    }
    if (skep__outlet_append(outbox, malformed, MALFORMED_BYTES) == SKEP_OK) skep__outlet_flush(outbox);
    return GO_ON;
}

static enum step spoil(struct skep__mock_play *play, bool link) {
    skep_worker *worker = play->mock->worker;
    if (worker->link < 0) return GO_ON;
    if (!link) return spoil_outbox(play);
    int status = skep__link_send(worker->link, malformed, MALFORMED_BYTES, NULL, 0);
    skep__trace(worker->trace, SKEP__TRACE_LINK, "the script sends malformed bytes: %s", skep_strerror(status));
    return GO_ON;
}

/* No core is wanted, and no sanitizer's handler: the process is to end by this signal. */
static void crash(int number) {
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

static enum step act(struct skep__mock_play *play, const struct skep__mock_action *action) {
    skep_worker *worker = play->mock->worker;
    switch (action->what) {
    case SKEP__MOCK_DO_DELAY: return wait_for(play, action->number);
    case SKEP__MOCK_DO_STALL: stall(action->number); return GO_ON;
    case SKEP__MOCK_DO_WORK: return work(play, action->number);
    case SKEP__MOCK_DO_LATE: return be_late(play);
    case SKEP__MOCK_DO_EXTEND: extend(play); return GO_ON;
    case SKEP__MOCK_DO_REPLY: return reply(play, &action->data);
    case SKEP__MOCK_DO_ECHO: return echo(play);
    case SKEP__MOCK_DO_DONE: return complete(play, SKEP_DONE);
    case SKEP__MOCK_DO_FAIL: return fail(play, action);
    case SKEP__MOCK_DO_RETRY: return retry(play, action);
    case SKEP__MOCK_DO_NEVER: return WAIT;
    case SKEP__MOCK_DO_REFUSE: return END; /* the worker accepts by itself: it is closed */
    case SKEP__MOCK_DO_HOLD: return GO_ON; /* was done before it was given to us */
    case SKEP__MOCK_DO_WRITE:
        skep__mock_stream_write(play->stream, action->data.text, action->data.size_bytes);
        return GO_ON;
    case SKEP__MOCK_DO_CLOSE: return END;
    case SKEP__MOCK_DO_COUNT: skep_count(worker, action->name, (uint32_t)action->number); return GO_ON;
    case SKEP__MOCK_DO_SEND: return say(play, action, skep_send);
    case SKEP__MOCK_DO_BROADCAST: return say(play, action, skep_broadcast);
    case SKEP__MOCK_DO_MALFORMED: return spoil(play, action->number == 1);
    case SKEP__MOCK_DO_LEAVE: skep_disconnect(worker); return GO_ON;
    case SKEP__MOCK_DO_CRASH: crash((int)action->number); _exit(EXIT_BY_SIGNAL + (int)action->number);
    case SKEP__MOCK_DO_EXIT: _exit((int)action->number);
    }
    return END;
}

/* --- the rule --- */

static void play_closed(uv_handle_t *timer) {
    struct skep__mock_play *play = timer->data;
    play->mock->open_handles--;
    skep__frame_free(&play->data);
    free(play);
}

struct skep__mock_play *skep__mock_play_new(skep_mock_worker *mock, const struct skep__mock_case *c) {
    struct skep__mock_play *play = calloc(1, sizeof *play);
    if (play == NULL) return NULL;
    *play = (struct skep__mock_play){.mock = mock, .on = c->on, .rule = skep__mock_script_rule(mock->script, c)};
    uv_timer_init(skep_worker_loop(mock->worker), &play->timer);
    play->timer.data = play;
    mock->open_handles++;
    LIST_INSERT_HEAD(&mock->plays, play, entry);
    return play;
}

/* The worker was held back from leaving as by a connection. */
static void let_leave(skep_worker *worker) {
    worker->live--;
    skep__worker_check_left(worker);
}

void skep__mock_play_free(struct skep__mock_play *play) {
    LIST_REMOVE(play, entry);
    if (play->stream != NULL) skep__mock_stream_close(play->stream);
    if (play->on == SKEP__MOCK_ON_LEAVE) let_leave(play->mock->worker);
    uv_close((uv_handle_t *)&play->timer, play_closed);
}

void skep__mock_play_end(struct skep__mock_play *play) {
    skep_mock_worker *mock = play->mock;
    enum skep__mock_occasion on = play->on;
    if (play->job != NULL) skep_job_complete(play->job, SKEP_DONE);
    if (play->request != 0) answer(play, "", 0);
    skep__mock_play_free(play);
    if (on == SKEP__MOCK_ON_READY) mock->is_ready = true;
}

void skep__mock_play_on(struct skep__mock_play *play) {
    enum step step = GO_ON;
    while (step == GO_ON && play->rule != NULL && play->next < play->rule->count)
        step = act(play, &play->rule->actions[play->next++]);
    if (step != WAIT) skep__mock_play_end(play);
}
