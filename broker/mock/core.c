/* SPDX-License-Identifier: MIT
 * What all of a mock broker stands on: its clock, its workers by id, its handles and the turns of its loop. */
#include <stdio.h>

#include "mock/private.h"

enum {
    BEGAN_MS = 1, /* on the ledger's clock, whose 0 is never, when the test's begins at 0 */
    LOOK_MS = 5   /* between looks at what does not wake the loop */
};

uint64_t skep_mock_now(const skep_mock *mock) {
    return skep__clock_ms(mock->clock) - BEGAN_MS;
}

void skep__mock_url(const skep_mock *mock, const char *socket, uint32_t worker, char url[SKEP_MAX_URL + 1]) {
    snprintf(url, SKEP_MAX_URL + 1, "ipc://%s/%s.%u", mock->dir, socket, worker);
}

static void handle_closed(uv_handle_t *handle) {
    skep_mock *mock = handle->data;
    mock->open_handles--;
}

void skep__mock_close_handle(skep_mock *mock, uv_handle_t *handle) {
    handle->data = mock;
    uv_close(handle, handle_closed);
}

/* --- workers by id --- */

struct skep__mock_worker *skep__mock_find_worker(const skep_mock *mock, uint32_t worker) {
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
