/* SPDX-License-Identifier: MIT
 * Listeners: which gets a connection; those that the worker accepts from itself; closing them. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "worker/private.h"

enum {
    REST_MS = 100,     /* between tries while there are no descriptors */
    ACCEPT_BURST = 16, /* connections accepted before the other workers and the loop have a turn */
    LAST_BURST = 1024  /* connections accepted when leaving: nobody else may come for them */
};

static struct skep_listener *find(const skep_worker *worker, uint64_t number) {
    struct skep_listener *l;
    TAILQ_FOREACH(l, &worker->listeners, entry) if (l->number == number) return l;
    return NULL;
}

struct skep_listener *skep__worker_next_listener(skep_worker *worker, uint64_t number) {
    struct skep_listener *l = find(worker, number);
    if (l == NULL) return NULL;
    TAILQ_REMOVE(&worker->listeners, l, entry);
    TAILQ_INSERT_TAIL(&worker->listeners, l, entry);
    return l;
}

const char *skep_listener_url(const skep_listener *listener) {
    return listener->url;
}

/* --- accepting by ourselves --- */

static void accept_ready(uv_poll_t *poll, int status, int events);

static void update_polling(skep_listener *listener) {
    if (listener->fd < 0) return;
    if (listener->resting || uv_is_active((uv_handle_t *)&listener->worker->timers[SKEP__TIMER_REST]))
        uv_poll_stop(&listener->poll);
    else uv_poll_start(&listener->poll, UV_READABLE, accept_ready);
}

static void rested(uv_timer_t *timer) {
    skep_worker *worker = timer->data;
    skep_listener *l;
    if (worker->phase >= SKEP__WORKER_LEAVING) return;
    TAILQ_FOREACH(l, &worker->listeners, entry) update_polling(l);
}

/* Out of descriptors or memory: what comes stays in the kernel's queue, or goes to others, for a while. */
static void rest(skep_worker *worker) {
    struct skep_command command = {.id = SKEP_COMMAND_refused, .refused = {.connection = 0}};
    skep_listener *l;
    int status = skep__worker_tell(worker, &command); /* so that the broker says it */
    (void)status;
    uv_timer_start(&worker->timers[SKEP__TIMER_REST], rested, REST_MS, 0);
    TAILQ_FOREACH(l, &worker->listeners, entry) update_polling(l);
}

static void accept_some(skep_listener *listener, unsigned limit) {
    skep_worker *worker = listener->worker;
    for (unsigned i = 0; i < limit; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO) rest(worker);
            return;
        }
        if (!skep__worker_arrived(worker, listener, fd)) {
            close(fd);
            rest(worker);
            return;
        }
        worker->unreported_accepted++;
        skep__worker_report_soon(worker);
    }
}

static void accept_ready(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    skep_listener *listener = poll->data;
    accept_some(listener, ACCEPT_BURST);
    skep__worker_deliver(listener->worker);
}

static int start_accepting(skep_worker *worker, skep_listener *listener) {
    if (listener->fd < 0) return SKEP_OK;
    int error = uv_poll_init(worker->loop, &listener->poll, listener->fd);
    if (error != 0) return skep_status_of_errno(-error);
    worker->open_handles++;
    listener->poll.data = listener;
    update_polling(listener);
    uv_unref((uv_handle_t *)&listener->poll);
    return SKEP_OK;
}

static void poll_closed(uv_handle_t *handle) {
    const skep_listener *listener = handle->data;
    handle->data = NULL;
    skep__worker_handle_closed(listener->worker);
}

static void close_socket(skep_listener *listener) {
    if (listener->fd < 0) return;
    uv_close((uv_handle_t *)&listener->poll, poll_closed);
    close(listener->fd);
    listener->fd = -1;
}

/* One that was asked for twice has its number twice. */
void skep__worker_set_resting(skep_worker *worker, uint64_t number, bool resting) {
    skep_listener *l;
    TAILQ_FOREACH(l, &worker->listeners, entry) {
        if (l->number != number) continue;
        l->resting = resting;
        update_polling(l);
    }
}

/* The socket is closed, since clients would go on connecting to one that is merely not accepted from. What waits at one
 * that is paused goes on waiting, in the broker's copy. */
void skep__worker_stop_accepting(skep_worker *worker) {
    skep_listener *l;
    TAILQ_FOREACH(l, &worker->listeners, entry) {
        if (l->fd >= 0 && !l->resting) accept_some(l, LAST_BURST);
        close_socket(l);
    }
    skep__worker_deliver_later(worker); /* a call of the user's may be the cause */
}

/* --- opening --- */

struct skep__asked *skep__worker_asked_for(skep_worker *worker, const char *url) {
    struct skep__asked *asked;
    LIST_FOREACH(asked, &worker->asked, entry) if (strcmp(asked->url, url) == 0) return asked;
    asked = calloc(1, sizeof *asked);
    if (asked == NULL) return NULL;
    snprintf(asked->url, sizeof asked->url, "%s", url);
    LIST_INSERT_HEAD(&worker->asked, asked, entry);
    return asked;
}

void skep__worker_forget_asked(struct skep__asked *asked) {
    if (asked == NULL || asked->open > 0) return;
    LIST_REMOVE(asked, entry);
    free(asked);
}

static bool has_arrivals(const skep_worker *worker, const skep_listener *listener) {
    const struct skep__arrival *a;
    STAILQ_FOREACH(a, &worker->arrivals, entry) if (a->listener == listener) return true;
    return false;
}

/* One that was closed, once nothing of it is left, or a new one: so there are never more than were open at a time. */
static skep_listener *allocate(skep_worker *worker) {
    skep_listener *l;
    TAILQ_FOREACH(l, &worker->closed_listeners, entry) {
        if (l->poll.data != NULL || has_arrivals(worker, l)) continue;
        TAILQ_REMOVE(&worker->closed_listeners, l, entry);
        memset(l, 0, sizeof *l);
        return l;
    }
    return calloc(1, sizeof *l);
}

int skep__worker_add_listener(skep_worker *worker, struct skep__asked *asked, const struct skep_command_listening *l,
                              int fd, skep_listener **out) {
    skep_listener *listener = allocate(worker);
    if (listener == NULL) return SKEP_ENOMEM;
    listener->worker = worker;
    listener->number = (uint32_t)l->listener;
    listener->fd = fd;
    listener->resting = worker->answer_rests;
    snprintf(listener->url, sizeof listener->url, "%.*s", (int)l->url.size_bytes, l->url.data);
    int status = start_accepting(worker, listener);
    if (status != SKEP_OK) {
        free(listener);
        return status;
    }
    TAILQ_INSERT_TAIL(&worker->listeners, listener, entry);
    listener->asked = asked;
    asked->next++; /* one that failed is no listener: the next to ask may share what siblings have as theirs */
    asked->open++;
    *out = listener;
    return SKEP_OK;
}

/* --- closing --- */

/* False: it was closed before. */
static bool stop(skep_worker *worker, skep_listener *listener) {
    struct skep__asked *asked = listener->asked;
    if (asked == NULL) return false;
    TAILQ_REMOVE(&worker->listeners, listener, entry);
    TAILQ_INSERT_TAIL(&worker->closed_listeners, listener, entry);
    listener->asked = NULL;
    asked->open--;
    skep__worker_forget_asked(asked);
    close_socket(listener);
    return true;
}

void skep__worker_unlisten(skep_worker *worker, uint64_t number) {
    struct skep_command command = {.id = SKEP_COMMAND_unlisten, .unlisten = {.listener = number}};
    if (find(worker, number) != NULL) return;
    if (worker->link >= 0 && skep__worker_tell(worker, &command) != SKEP_OK) return; /* the link's end will tell */
}

void skep_listener_close(skep_listener *listener) {
    skep_worker *worker = listener->worker;
    if (stop(worker, listener)) skep__worker_unlisten(worker, listener->number);
}

void skep__worker_close_listeners(skep_worker *worker) {
    for (skep_listener *l; (l = TAILQ_FIRST(&worker->listeners)) != NULL && stop(worker, l);) continue;
    for (struct skep__arrival *a; (a = STAILQ_FIRST(&worker->arrivals)) != NULL;) {
        STAILQ_REMOVE_HEAD(&worker->arrivals, entry);
        close(a->fd);
        free(a);
    }
}
