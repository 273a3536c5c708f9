/* SPDX-License-Identifier: MIT
 * A mock broker: made with its directory, loop and sockets, and freed. */
#include "mock/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/own_loop.h"
#include "mock/clients.h"

enum {
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
    while ((w = TAILQ_FIRST(&mock->workers)) != NULL) {
        skep__mock_free_program(w->program);
        skep__mock_free_worker(w);
    }
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
