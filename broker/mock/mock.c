/* SPDX-License-Identifier: MIT
 * A mock broker: its life, its loop and its clock. */
#include "mock/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/own_loop.h"
#include "mock/clients.h"

enum {
    LOOK_MS = 5,         /* between looks at what does not wake the loop */
    DEFAULT_CREDIT = 64, /* of the options that are not a broker's settings, too */
    DEFAULT_BACKOFF_MS = 1000,
    DEFAULT_HISTORY_LINES = 12
};

/* --- the directory --- */

static int make_dir(skep_mock *mock) {
    const char *places[] = {getenv("TMPDIR"), "/tmp"};
    for (unsigned i = 0; i < 2; i++) {
        if (places[i] == NULL || places[i][0] == '\0') continue;
        int length = snprintf(mock->dir, sizeof mock->dir, "%s/skep-mock-XXXXXX", places[i]);
        if ((size_t)length < sizeof mock->dir && mkdtemp(mock->dir) != NULL) return SKEP_OK;
    }
    mock->dir[0] = '\0';
    return SKEP_EDIR;
}

static void remove_dir(const skep_mock *mock) {
    DIR *entries = mock->dir[0] != '\0' ? opendir(mock->dir) : NULL;
    if (entries == NULL) return;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
    rmdir(mock->dir);
}

void skep__mock_url(const skep_mock *mock, const char *socket, uint32_t worker, char url[SKEP_MAX_URL + 1]) {
    snprintf(url, SKEP_MAX_URL + 1, "ipc://%s/%s.%u", mock->dir, socket, worker);
}

/* --- making and freeing --- */

static void set_options(skep_mock *mock, const skep_mock_options *given) {
    skep_mock_options *o = &mock->options;
    if (given != NULL) *o = *given;
    if (o->credit == 0) o->credit = DEFAULT_CREDIT;
    if (o->backoff_ms == 0) o->backoff_ms = DEFAULT_BACKOFF_MS;
    if (o->history_lines == 0) o->history_lines = DEFAULT_HISTORY_LINES;
}

static int open_loop(skep_mock *mock) {
    mock->owns_loop = mock->options.loop == NULL;
    mock->loop = mock->owns_loop ? &mock->own_loop : mock->options.loop;
    int status = mock->owns_loop ? skep__own_loop_init(mock->loop) : SKEP_OK;
    if (status != SKEP_OK) return status;
    uv_timer_init(mock->loop, &mock->look_timer);
    mock->look_timer.data = mock;
    mock->open_handles = 1;
    return SKEP_OK;
}

static int open_sockets(skep_mock *mock) {
    static const struct skep__port_events no_events = {0};
    char url[SKEP_MAX_URL + 1];
    int status = make_dir(mock);
    if (status == SKEP_OK) status = skep__hub_new(&mock->hub, mock->loop);
    if (status == SKEP_OK) status = skep__flusher_new(&mock->flusher, mock->loop);
    if (status == SKEP_OK) status = skep__mock_ledger_open(mock);
    if (status == SKEP_OK) status = skep__port_new(&mock->news, mock->hub, SKEP__PORT_PUB, &no_events, mock);
    skep__mock_url(mock, SKEP_FILE_NEWS, SKEP__MOCK_GENERATION, url);
    if (status == SKEP_OK) status = skep__port_listen(mock->news, url);
    return status == SKEP_OK ? skep__mock_clients_open(mock) : status;
}

int skep_mock_broker_new(skep_mock **out, const skep_mock_options *options) {
    skep_mock *mock = calloc(1, sizeof *mock);
    if (mock == NULL) return SKEP_ENOMEM;
    TAILQ_INIT(&mock->workers);
    TAILQ_INIT(&mock->events);
    STAILQ_INIT(&mock->history);
    set_options(mock, options);
    int status = open_loop(mock);
    if (status != SKEP_OK) {
        free(mock);
        return status;
    }
    mock->message = malloc(sizeof *mock->message);
    status = mock->message != NULL ? open_sockets(mock) : SKEP_ENOMEM;
    if (status == SKEP_OK) *out = mock;
    else skep_mock_broker_free(&mock);
    return status;
}

static void handle_closed(uv_handle_t *handle) {
    skep_mock *mock = handle->data;
    mock->open_handles--;
}

void skep__mock_close_handle(skep_mock *mock, uv_handle_t *handle) {
    handle->data = mock;
    uv_close(handle, handle_closed);
}

/* The memory of handles must stay until they have closed: those of workers are within theirs. */
static void close_handles(skep_mock *mock) {
    skep__mock_close_handle(mock, (uv_handle_t *)&mock->look_timer);
    while (mock->open_handles > 0) uv_run(mock->loop, UV_RUN_NOWAIT);
    uv_run(mock->loop, UV_RUN_NOWAIT); /* the hub and the flusher of the mock and of workers */
    if (mock->owns_loop) uv_loop_close(mock->loop);
}

void skep_mock_broker_free(skep_mock **out) {
    skep_mock *mock = *out;
    struct skep__mock_worker *w;
    if (mock == NULL) return;
    *out = NULL;
    TAILQ_FOREACH(w, &mock->workers, entry) if (w->holder != NULL) skep__mock_leaves(w);
    TAILQ_FOREACH(w, &mock->workers, entry) {
        skep_worker_free(&w->inside);
        skep__mock_end_program(w);
        skep__mock_drop_link(w);
        skep__jobs_worker_ended(w->holder);
        skep__holder_free(&w->holder);
        skep__alarm_stop(&w->respawn);
        skep__outlet_free(&w->inbox);
        skep__port_free(&w->outbox);
    }
    skep__mock_ledger_close(mock);
    skep__mock_clients_close(mock);
    skep__port_free(&mock->news);
    skep__flusher_free(&mock->flusher);
    skep__hub_free(&mock->hub);
    close_handles(mock);
    while ((w = TAILQ_FIRST(&mock->workers)) != NULL) skep__mock_free_worker(w);
    skep__mock_free_jobs(mock);
    skep__mock_forget_events(mock);
    skep__mock_forget_history(mock);
    remove_dir(mock);
    free(mock->message);
    free(mock);
}

uv_loop_t *skep_mock_loop(skep_mock *mock) {
    return mock->loop;
}

/* --- workers by id --- */

struct skep__mock_worker *skep__mock_worker(const skep_mock *mock, uint32_t worker) {
    struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (w->id == worker) return w;
    return NULL;
}

bool skep__mock_is_gone(const struct skep__mock_worker *worker) {
    return worker->left && worker->pid == 0;
}

bool skep__mock_all_gone(const skep_mock *mock) {
    const struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (!skep__mock_is_gone(w)) return false;
    return !TAILQ_EMPTY(&mock->workers);
}

struct skep__mock_worker *skep__mock_present(skep_mock *mock, uint32_t worker) {
    struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (!w->left && (worker == 0 || w->id == worker)) return w;
    skep__mock_explain(mock, worker == 0 ? "there is no worker" : "there is no worker %u, or it has left", worker);
    skep__mock_failed(mock, SKEP_ENOWORKER);
    return NULL;
}

/* --- running --- */

static void look(uv_timer_t *timer) {
    (void)timer;
}

/* As skep_worker_run does. A worker that cannot say so has lost its link, which is seen there. */
static void tell_ready(skep_mock *mock) {
    struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (w->inside != NULL && skep_worker_ready(w->inside) != SKEP_OK) continue;
}

static void turn(skep_mock *mock) {
    uv_update_time(mock->loop);
    uv_timer_start(&mock->look_timer, look, LOOK_MS, 0);
    uv_run(mock->loop, UV_RUN_ONCE);
    uv_timer_stop(&mock->look_timer);
}

int skep__mock_run(skep_mock *mock, skep_mock_cb is_so, void *context, unsigned timeout_ms) {
    uint64_t deadline_ns = uv_hrtime() + timeout_ms * UINT64_C(1000000);
    tell_ready(mock);
    while (!is_so(context)) {
        if (uv_hrtime() >= deadline_ns) return SKEP_ETIMEDOUT;
        turn(mock);
    }
    return SKEP_OK;
}

int skep_mock_run_until(skep_mock *mock, skep_mock_cb is_so, void *context, const char *what, unsigned timeout_ms) {
    int status = skep__mock_run(mock, is_so, context, timeout_ms);
    if (status == SKEP_OK) return SKEP_OK;
    skep__mock_explain(mock, "expected within %u ms: %s", timeout_ms, what);
    return skep__mock_failed(mock, status);
}
