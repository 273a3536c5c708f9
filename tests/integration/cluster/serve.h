/* SPDX-License-Identifier: MIT
 * A worker that says its id to whoever connects, and the primary's way to it. */
#ifndef SKEP_TESTS_SERVE_H
#define SKEP_TESTS_SERVE_H

#include "client.h"
#include "roles.h"

/* --- the worker --- */

/* Says its id, and closes. */
static inline void serve_answer(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    char text[32];
    (void)listener;
    (void)context;
    int length = snprintf(text, sizeof text, "%u\n", skep_worker_id(worker));
    if (write(fd, text, (size_t)length) != length) role_tell(worker, "failed", "write");
    close(fd);
    skep_connection_finished(worker, fd);
}

static inline const char *serve_url(void) {
    const char *url = getenv("LISTEN");
    return url != NULL ? url : "tcp://127.0.0.1:0";
}

static inline skep_listener *serve_on(skep_worker *worker, const char *url) {
    skep_listener *listener;
    role_need(skep_listen(worker, url, serve_answer, NULL, &listener), url);
    return listener;
}

static inline void serve_begin(skep_worker *worker) {
    role_tell(worker, "url", skep_listener_url(serve_on(worker, serve_url())));
}

/* --- the primary's side --- */

static inline const char *serve_url_of(struct hive *hive, uint32_t worker, const char *name) {
    HIVE_UNTIL(hive, hive_message(hive, worker, name) != NULL);
    return hive_message(hive, worker, name)->text;
}

static inline void serve_fork(struct hive *hive, unsigned count, const char *variable) {
    for (unsigned i = 0; i < count; i++) hive_fork(hive, "serve", variable);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == count && hive_messages(hive, 0, "url") == count);
}

#endif
