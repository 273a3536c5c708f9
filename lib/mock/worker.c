/* SPDX-License-Identifier: MIT
 * A mock worker: the handlers of a real one, which follow a script. */
#include "mock/worker.h"

#include <skep/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- handlers --- */

static skep_verdict on_job(skep_worker *worker, skep_job *job, void *context) {
    skep_mock_worker *mock = context;
    struct skep__mock_case c = {.on = SKEP__MOCK_ON_JOB,
                                .name = job->queue,
                                .number = ++mock->jobs,
                                .attempt = job->attempt,
                                .data = job->data,
                                .size_bytes = job->size_bytes};
    struct skep__mock_play *play = skep__mock_play_new(mock, &c);
    (void)worker;
    if (play == NULL) return SKEP_RETRY;
    play->job = job;
    skep__mock_play_on(play);
    return SKEP_KEEP; /* what has been completed already is not kept */
}

static struct skep__mock_case case_of_connection(uint64_t number) {
    return (struct skep__mock_case){.on = SKEP__MOCK_ON_CONNECTION, .number = number, .attempt = 1};
}

static const struct skep__mock_action *first_action(const skep_mock_worker *mock, uint64_t connection) {
    struct skep__mock_case c = case_of_connection(connection);
    const struct skep__mock_rule *rule = skep__mock_script_rule(mock->script, &c);
    return rule != NULL ? &rule->actions[0] : NULL;
}

static void hold_ended(uv_timer_t *timer) {
    skep_mock_worker *mock = timer->data;
    skep__worker_take_held(mock->worker);
}

static enum skep__take take(void *context, uint64_t connection) {
    skep_mock_worker *mock = context;
    const struct skep__mock_action *first = first_action(mock, connection);
    if (first == NULL || (first->what != SKEP__MOCK_DO_HOLD && first->what != SKEP__MOCK_DO_REFUSE)) return SKEP__TAKE;
    if (first->what == SKEP__MOCK_DO_REFUSE) return SKEP__TAKE_NOT;
    uv_timer_start(&mock->hold_timer, hold_ended, first->number, 0);
    return SKEP__TAKE_LATER;
}

/* Numbers of connections that were refused are not those of others. */
static uint64_t next_connection(skep_mock_worker *mock, const skep_listener *listener) {
    const struct skep__mock_action *first = first_action(mock, ++mock->connections);
    while (listener->fd < 0 && first != NULL && first->what == SKEP__MOCK_DO_REFUSE)
        first = first_action(mock, ++mock->connections);
    return mock->connections;
}

static void on_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    skep_mock_worker *mock = context;
    struct skep__mock_case c = case_of_connection(next_connection(mock, listener));
    struct skep__mock_play *play = skep__mock_play_new(mock, &c);
    if (play != NULL && skep__mock_stream_new(play, fd) == SKEP_OK) {
        skep__mock_play_on(play);
        return;
    }
    close(fd);
    skep_connection_finished(worker, fd);
    if (play != NULL) skep__mock_play_end(play);
}

static void on_message(skep_worker *worker, const skep_message *message, void *context) {
    skep_mock_worker *mock = context;
    struct skep__mock_case c = {.on = SKEP__MOCK_ON_MESSAGE, .name = message->name, .number = 1, .attempt = 1};
    struct skep__mock_play *play = skep__mock_play_new(mock, &c);
    (void)worker;
    if (play == NULL) return;
    play->from = message->from;
    play->request = message->request;
    snprintf(play->name, sizeof play->name, "%s", message->name);
    if (skep__frame_append(&play->data, message->data, message->size_bytes) == SKEP_OK) skep__mock_play_on(play);
    else skep__mock_play_end(play);
}

/* Streams that only send back what comes would hold the worker up for as long as the other side likes. */
static void end_echoes(skep_mock_worker *mock) {
    struct skep__mock_play *play, *next;
    for (play = LIST_FIRST(&mock->plays); play != NULL; play = next) {
        next = LIST_NEXT(play, entry);
        if (play->stream != NULL && play->stream->echoed != NULL) skep__mock_play_end(play);
    }
}

static void on_leave(skep_worker *worker, void *context) {
    skep_mock_worker *mock = context;
    struct skep__mock_case c = {.on = SKEP__MOCK_ON_LEAVE, .number = 1, .attempt = 1};
    struct skep__mock_play *play = skep__mock_play_new(mock, &c);
    end_echoes(mock);
    if (play == NULL) return;
    worker->live++; /* until the script lets it leave */
    skep__mock_play_on(play);
}

/* --- setting up --- */

static int handle_all(skep_mock_worker *mock) {
    const skep_mock_script *script = mock->script;
    int status = SKEP_OK;
    for (unsigned i = 0; i < script->handle_count && status == SKEP_OK; i++) {
        status = skep_on_job(mock->worker, script->handles[i].queue, on_job, mock);
        if (status == SKEP_OK)
            status = skep_job_concurrency(mock->worker, script->handles[i].queue, script->handles[i].concurrency);
    }
    for (unsigned i = 0; i < script->listen_count && status == SKEP_OK; i++)
        status = skep_listen(mock->worker, script->listens[i], on_connection, mock, NULL);
    if (status == SKEP_OK && script->subscribes) status = skep_subscribe(mock->worker);
    return status;
}

int skep_mock_worker_new(skep_mock_worker **out, skep_worker *worker, const skep_mock_script *script) {
    static const struct skep__mock_case ready = {.on = SKEP__MOCK_ON_READY, .number = 1, .attempt = 1};
    skep_mock_worker *mock = calloc(1, sizeof *mock);
    if (mock == NULL) return SKEP_ENOMEM;
    *mock = (skep_mock_worker){.worker = worker, .script = script};
    uv_timer_init(worker->loop, &mock->hold_timer);
    mock->hold_timer.data = mock;
    mock->open_handles = 1;
    skep_on_message(worker, on_message, mock);
    skep_on_leave(worker, on_leave, mock);
    worker->take = take;
    worker->take_context = mock;
    int status = handle_all(mock);
    struct skep__mock_play *play = status == SKEP_OK ? skep__mock_play_new(mock, &ready) : NULL;
    if (play == NULL) {
        skep_mock_worker_free(&mock);
        return status == SKEP_OK ? SKEP_ENOMEM : status;
    }
    skep__mock_play_on(play);
    *out = mock;
    return SKEP_OK;
}

static void hold_closed(uv_handle_t *timer) {
    skep_mock_worker *mock = timer->data;
    mock->open_handles--;
}

/* --- letting go: the worker may live on, and more may come --- */

static skep_verdict give_back(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)job;
    (void)context;
    return SKEP_RETRY;
}

static void turn_away(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)listener;
    (void)context;
    close(fd);
    skep_connection_finished(worker, fd);
}

static void let_go(skep_mock_worker *mock) {
    skep_worker *worker = mock->worker;
    skep_listener *l;
    for (unsigned i = 0; i < worker->jobs.queue_count; i++)
        if (worker->jobs.queues[i].handler == on_job) worker->jobs.queues[i].handler = give_back;
    TAILQ_FOREACH(l, &worker->listeners, entry) if (l->callback == on_connection) l->callback = turn_away;
    TAILQ_FOREACH(l, &worker->closed_listeners, entry) if (l->callback == on_connection) l->callback = turn_away;
    skep_on_message(worker, NULL, NULL);
    skep_on_leave(worker, NULL, NULL);
    worker->take = NULL;
    skep__worker_take_held(worker);
}

/* Jobs that it keeps stay the worker's, who frees them. */
void skep_mock_worker_free(skep_mock_worker **out) {
    skep_mock_worker *mock = *out;
    if (mock == NULL) return;
    *out = NULL;
    uv_loop_t *loop = skep_worker_loop(mock->worker);
    let_go(mock);
    for (struct skep__mock_play *play; (play = LIST_FIRST(&mock->plays)) != NULL;) skep__mock_play_free(play);
    for (struct skep__mock_stream *s; (s = LIST_FIRST(&mock->streams)) != NULL;) skep__mock_stream_abort(s);
    uv_close((uv_handle_t *)&mock->hold_timer, hold_closed);
    while (mock->open_handles > 0) uv_run(loop, UV_RUN_NOWAIT);
    free(mock);
}

/* --- as a program --- */

static int run(skep_mock_worker *mock) {
    uv_loop_t *loop = skep_worker_loop(mock->worker);
    while (!mock->is_ready && skep_worker_is_connected(mock->worker)) uv_run(loop, UV_RUN_ONCE);
    return skep_worker_run(mock->worker);
}

static int join_and_run(const skep_mock_script *script, char *why) {
    skep_worker_options options = {.name = script->name};
    skep_worker *worker;
    skep_mock_worker *mock = NULL;
    int status = skep_worker_new(&worker, &options);
    if (status != SKEP_OK) {
        snprintf(why, SKEP_MOCK_WHY_BYTES, "%s", skep_strerror(status));
        return status;
    }
    status = skep_mock_worker_new(&mock, worker, script);
    if (status != SKEP_OK) snprintf(why, SKEP_MOCK_WHY_BYTES, "%s", skep_worker_why(worker));
    if (status == SKEP_OK) status = run(mock);
    if (status != SKEP_OK && why[0] == '\0') snprintf(why, SKEP_MOCK_WHY_BYTES, "%s", skep_strerror(status));
    skep_mock_worker_free(&mock);
    skep_worker_free(&worker);
    return status;
}

int skep_mock_worker_run(const char *text, char why[SKEP_MOCK_WHY_BYTES]) {
    skep_mock_script *script;
    int status = skep_mock_script_parse(&script, text, why);
    if (status != SKEP_OK) {
        if (why[0] == '\0') snprintf(why, SKEP_MOCK_WHY_BYTES, "%s", skep_strerror(status));
        return status;
    }
    status = join_and_run(script, why);
    skep_mock_script_free(&script);
    return status;
}
