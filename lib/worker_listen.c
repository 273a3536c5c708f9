/* SPDX-License-Identifier: MIT
 * Listening: the worker asks, the broker binds; or, with a shared listener, the worker accepts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "url.h"
#include "worker_internal.h"

enum {
    REST_MS = 100,     /* between tries while there are no descriptors */
    ACCEPT_BURST = 16, /* connections accepted before the other workers and the loop have a turn */
    LAST_BURST = 1024  /* connections accepted when leaving: nobody else may come for them */
};

struct skep_listener *skep__worker_listener(skep_worker *worker, uint64_t number) {
    struct skep_listener *l;
    LIST_FOREACH(l, &worker->listeners, entry) if (l->number == number) return l;
    return NULL;
}

const char *skep_listener_url(const skep_listener *listener) {
    return listener->url;
}

/* --- accepting by ourselves --- */

static void accept_ready(uv_poll_t *poll, int status, int events);

static void update_polling(skep_listener *listener) {
    if (listener->fd < 0) return;
    if (listener->resting || uv_is_active((uv_handle_t *)&listener->worker->rest_timer)) uv_poll_stop(&listener->poll);
    else uv_poll_start(&listener->poll, UV_READABLE, accept_ready);
}

static void rested(uv_timer_t *timer) {
    skep_worker *worker = timer->data;
    skep_listener *l;
    if (worker->phase >= SKEP__WORKER_LEAVING) return;
    LIST_FOREACH(l, &worker->listeners, entry) update_polling(l);
}

/* Out of descriptors or memory: what comes stays in the kernel's queue, or goes to others, for a while. */
static void rest(skep_worker *worker) {
    struct skep_command command = {.id = SKEP_COMMAND_refused, .refused = {.connection = 0}};
    skep_listener *l;
    int status = skep__worker_tell(worker, &command); /* so that the broker says it */
    (void)status;
    uv_timer_start(&worker->rest_timer, rested, REST_MS, 0);
    LIST_FOREACH(l, &worker->listeners, entry) update_polling(l);
}

static void accept_some(skep_listener *listener, unsigned limit) {
    skep_worker *worker = listener->worker;
    for (unsigned i = 0; i < limit; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO) rest(worker);
            return;
        }
        worker->unreported_accepted++;
        skep__worker_arrived(worker, listener, fd);
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
    if (uv_poll_init(worker->loop, &listener->poll, listener->fd) != 0) return SKEP_ESYS;
    worker->open_handles++;
    listener->poll.data = listener;
    update_polling(listener);
    uv_unref((uv_handle_t *)&listener->poll);
    return SKEP_OK;
}

static void poll_closed(uv_handle_t *handle) {
    const skep_listener *listener = handle->data;
    skep__worker_handle_closed(listener->worker);
}

static void close_socket(skep_listener *listener) {
    if (listener->fd < 0) return;
    skep__worker_close_handle(listener->worker, (uv_handle_t *)&listener->poll, poll_closed);
    close(listener->fd);
    listener->fd = -1;
}

/* One that was asked for twice has its number twice. */
void skep__worker_set_resting(skep_worker *worker, uint64_t number, bool resting) {
    skep_listener *l;
    LIST_FOREACH(l, &worker->listeners, entry) {
        if (l->number != number) continue;
        l->resting = resting;
        update_polling(l);
    }
}

/* The socket is closed, since clients would go on connecting to one that is merely not accepted from. What waits at one
 * that is paused goes on waiting, in the broker's copy. */
void skep__worker_stop_accepting(skep_worker *worker) {
    skep_listener *l;
    LIST_FOREACH(l, &worker->listeners, entry) {
        if (l->fd >= 0 && !l->resting) accept_some(l, LAST_BURST);
        close_socket(l);
    }
    skep__worker_deliver_later(worker); /* a call of the user's may be the cause */
}

/* --- closing --- */

static void stop(skep_worker *worker, skep_listener *listener) {
    LIST_REMOVE(listener, entry);
    LIST_INSERT_HEAD(&worker->closed_listeners, listener, entry);
    close_socket(listener);
}

void skep__worker_unlisten(skep_worker *worker, uint64_t number) {
    struct skep_command command = {.id = SKEP_COMMAND_unlisten};
    command.unlisten = (struct skep_command_unlisten){.listener = number};
    if (worker->link >= 0 && skep__worker_tell(worker, &command) != SKEP_OK) return; /* the link's end will tell */
}

void skep_listener_close(skep_listener *listener) {
    skep_worker *worker = listener->worker;
    struct skep_listener *l = skep__worker_listener(worker, listener->number);
    if (l != listener) return;
    stop(worker, listener);
    skep__worker_unlisten(worker, listener->number);
}

void skep__worker_close_listeners(skep_worker *worker) {
    for (skep_listener *l; (l = LIST_FIRST(&worker->listeners)) != NULL;) stop(worker, l);
    for (struct skep__arrival *a; (a = STAILQ_FIRST(&worker->arrivals)) != NULL;) {
        STAILQ_REMOVE_HEAD(&worker->arrivals, entry);
        close(a->fd);
        free(a);
    }
}

/* --- asking --- */

static uint64_t times_asked(skep_worker *worker, const char *url) {
    uint64_t count = 0;
    skep_listener *l;
    LIST_FOREACH(l, &worker->listeners, entry) count += strcmp(l->asked, url) == 0;
    return count;
}

static int ask(skep_worker *worker, const char *url, uint32_t request) {
    struct skep_command command = {.id = SKEP_COMMAND_listen};
    struct skep_command_listen *c = &command.listen;
    *c = (struct skep_command_listen){.request = request, .url = {url, strlen(url)}};
    SKEP_SET(listen, c, index, times_asked(worker, url));
    int status = skep__worker_tell(worker, &command);
    return status == SKEP_OK ? SKEP_OK : skep__worker_fail(worker, status, "%s: %s", url, skep_strerror(status));
}

/* Without a deadline: a broker that is stopped answers when it goes on, and the end of one that dies is read here. */
static int await_answer(skep_worker *worker, const char *url, uint32_t request, struct skep_command *answer, int *fd) {
    for (;;) {
        int status = skep__worker_read_link(worker, request, answer, fd);
        if (status == SKEP_OK && answer->id != SKEP_COMMAND_COUNT) return SKEP_OK;
        if (status != SKEP_OK && status != SKEP_EAGAIN)
            return skep__worker_fail(worker, status, "%s: the broker is gone", url);
        status = skep__worker_wait_link(worker, SKEP__NO_TIMEOUT);
        if (status != SKEP_OK) return skep__worker_fail(worker, status, "%s: %s", url, skep_strerror(status));
    }
}

static int check_answer(skep_worker *worker, const char *url, const struct skep_command *answer, int fd) {
    if (answer->id == SKEP_COMMAND_listenFailed) {
        const struct skep_bytes *reason = &answer->listenFailed.reason;
        int status = answer->listenFailed.status != SKEP_OK ? (int)answer->listenFailed.status : SKEP_EPROTO;
        return skep__worker_fail(worker, status, "%.*s", (int)reason->size_bytes, reason->data);
    }
    if (answer->listening.shared && fd < 0)
        return skep__worker_fail(worker, SKEP_EMFILE, "%s: the listening descriptor did not arrive", url);
    return SKEP_OK;
}

static int add_listener(skep_worker *worker, const char *url, const struct skep_command_listening *l, int fd,
                        skep_listener **out) {
    skep_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) return SKEP_ENOMEM;
    listener->worker = worker;
    listener->number = (uint32_t)l->listener;
    listener->fd = fd;
    listener->resting = worker->answer_rests;
    snprintf(listener->asked, sizeof listener->asked, "%s", url);
    snprintf(listener->url, sizeof listener->url, "%.*s", (int)l->url.size_bytes, l->url.data);
    int status = start_accepting(worker, listener);
    if (status != SKEP_OK) {
        free(listener);
        return status;
    }
    LIST_INSERT_HEAD(&worker->listeners, listener, entry);
    *out = listener;
    return SKEP_OK;
}

static int check_url(skep_worker *worker, const char *url) {
    struct skep_url parsed;
    const char *why = "a name of 1 to 256 bytes is needed";
    size_t size_bytes = strlen(url);
    if (size_bytes > 0 && size_bytes <= SKEP_MAX_URL)
        if (!skep__url_is(url) || skep__url_parse(url, &parsed, &why) == SKEP_OK) return SKEP_OK;
    return skep__worker_fail(worker, SKEP_EURL, "%s: %s", url, why);
}

int skep_listen(skep_worker *worker, const char *url, skep_connection_cb callback, void *context, skep_listener **out) {
    struct skep_command answer = {.id = SKEP_COMMAND_COUNT};
    skep_listener *listener;
    int fd = -1;
    uint32_t request = ++worker->next_listen;
    int status = check_url(worker, url);
    if (worker->phase >= SKEP__WORKER_LEAVING)
        return skep__worker_fail(worker, SKEP_ECLOSED, "%s: this worker is leaving", url);
    if (status == SKEP_OK) status = ask(worker, url, request);
    if (status == SKEP_OK) status = await_answer(worker, url, request, &answer, &fd);
    skep__worker_deliver_later(worker); /* what arrived for other listeners meanwhile */
    if (status == SKEP_OK) status = check_answer(worker, url, &answer, fd);
    if (status == SKEP_OK) status = add_listener(worker, url, &answer.listening, fd, &listener);
    if (status != SKEP_OK) {
        if (fd >= 0) close(fd);
        if (answer.id == SKEP_COMMAND_listening) skep__worker_unlisten(worker, answer.listening.listener);
        return status;
    }
    listener->callback = callback;
    listener->context = context;
    if (out != NULL) *out = listener;
    return SKEP_OK;
}
