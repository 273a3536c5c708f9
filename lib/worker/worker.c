/* SPDX-License-Identifier: MIT
 * A worker's life: handshake, loop, freeing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/identity.h"
#include "worker/private.h"

/* --- callbacks of the loop --- */

/* libuv stops polling a socket with an error, and a broker that closed its end with messages unread leaves one: what it
 * sent before is read to its end at once. */
static void link_readable(uv_poll_t *poll, int status, int events) {
    (void)events;
    skep_worker *worker = poll->data;
    int result;
    do result = skep__worker_read_link(worker, 0, NULL, NULL);
    while (result == SKEP_OK && status < 0);
    skep__worker_deliver(worker);
    if (result != SKEP_OK && result != SKEP_EAGAIN) skep__worker_orphaned(worker, result);
}

static void outbox_drained(void *context) {
    skep_worker *worker = context;
    if (worker->sender_waits) {
        worker->sender_waits = false;
        if (worker->on_drain != NULL) worker->on_drain(worker, worker->on_drain_context);
    }
    skep__worker_check_left(worker);
}

/* --- joining --- */

static int say_hello(skep_worker *worker, const char *name, uint64_t generation) {
    struct skep_command hello = {.id = SKEP_COMMAND_hello,
                                 .hello = {.protocol = SKEP_PROTOCOL, .pid = (uint64_t)getpid()}};
    SKEP_SET(hello, &hello.hello, name, ((struct skep_bytes){name, strnlen(name, SKEP_MAX_NAME)}));
    if (generation != 0) SKEP_SET(hello, &hello.hello, generation, generation);
    return skep__worker_tell(worker, &hello);
}

static int read_answer(skep_worker *worker, unsigned timeout_ms, struct skep_command *answer) {
    bool more;
    int status = skep__worker_wait_link(worker, timeout_ms);
    if (status == SKEP_OK) status = skep__link_receive(worker->link, worker->link_message);
    if (status != SKEP_OK)
        return skep__worker_fail(worker, status, "no answer from the broker: %s", skep_strerror(status));
    status = skep__reader_begin(&worker->link_reader, worker->link_message->data, worker->link_message->size_bytes);
    if (status == SKEP_OK) status = skep__reader_next(&worker->link_reader, answer, &more);
    if (status == SKEP_OK && !more) status = SKEP_EPROTO;
    if (status != SKEP_OK) return skep__worker_fail(worker, status, "malformed answer from the broker");
    skep__trace_command(worker->trace, SKEP__TRACE_LINK, "<", worker->id, answer);
    return SKEP_OK;
}

static int check_answer(skep_worker *worker, const struct skep_command *answer) {
    if (answer->id == SKEP_COMMAND_welcome) return SKEP_OK;
    if (answer->id != SKEP_COMMAND_reject)
        return skep__worker_fail(worker, SKEP_EPROTO, "unexpected answer from the broker");
    const struct skep_bytes *reason = &answer->reject.reason;
    int status = answer->reject.status != SKEP_OK ? (int)answer->reject.status : SKEP_EPROTO;
    return skep__worker_fail(worker, status, "%.*s", (int)reason->size_bytes, reason->data);
}

static int dial(skep_worker *worker, const struct skep_command_welcome *welcome) {
    char url[SKEP_MAX_URL + 1];
    skep__copy_text(url, sizeof url, &welcome->inbox);
    int status = skep__port_dial_soon(worker->inbox, url);
    skep__copy_text(url, sizeof url, &welcome->outbox);
    if (status == SKEP_OK) status = skep__outlet_dial(worker->outbox, url);
    if (status != SKEP_OK)
        return skep__worker_fail(worker, status, "cannot dial the broker's sockets: %s", skep_strerror(status));
    skep__copy_text(worker->news_url, sizeof worker->news_url, &welcome->news);
    worker->news_sequence.latest = welcome->newsSeq;
    worker->id = (uint32_t)welcome->worker;
    return SKEP_OK;
}

static int join(skep_worker *worker, const skep_worker_options *options) {
    unsigned timeout_ms = options->handshake_timeout_ms != 0 ? options->handshake_timeout_ms : SKEP__NO_TIMEOUT;
    struct skep_command answer = {.id = SKEP_COMMAND_COUNT};
    int status = read_answer(worker, timeout_ms, &answer);
    if (status == SKEP_OK) status = check_answer(worker, &answer);
    if (status == SKEP_OK) status = dial(worker, &answer.welcome);
    if (status == SKEP_OK && SKEP_HAS(welcome, &answer.welcome, beat_ms))
        skep__worker_beat(worker, answer.welcome.beat_ms);
    return status;
}

static int open_channels(skep_worker *worker) {
    static const struct skep__port_events inbox_events = {.received = skep__worker_inbox_received};
    int status = skep__hub_new(&worker->hub, worker->loop);
    if (status == SKEP_EINVAL) return skep__worker_fail(worker, status, "%s", SKEP__UNKNOWN_TRANSPORT);
    if (status == SKEP_OK) status = skep__flusher_new(&worker->flusher, worker->loop);
    if (status == SKEP_OK) status = skep__port_new(&worker->inbox, worker->hub, SKEP__PORT_PULL, &inbox_events, worker);
    struct skep__outlet_options outbox = {.hub = worker->hub,
                                          .flusher = worker->flusher,
                                          .kind = SKEP__PORT_PUSH,
                                          .drained = outbox_drained,
                                          .finished = skep__worker_outbox_finished,
                                          .context = worker};
    if (status == SKEP_OK) status = skep__outlet_new(&worker->outbox, &outbox);
    return status;
}

static int open_handles(skep_worker *worker) {
    for (unsigned i = 0; i < SKEP__TIMERS; i++) {
        uv_timer_init(worker->loop, &worker->timers[i]);
        uv_unref((uv_handle_t *)&worker->timers[i]);
        worker->timers[i].data = worker;
        worker->open_handles++;
    }
    int error = uv_poll_init(worker->loop, &worker->link_poll, worker->link);
    if (error == UV_EBADF || error == UV_EPERM) return SKEP_ENOTWORKER; /* no descriptor, or a file's */
    if (error != 0) return skep_status_of_errno(-error);
    worker->link_poll.data = worker;
    worker->open_handles++;
    return skep_status_of_errno(-uv_poll_start(&worker->link_poll, UV_READABLE, link_readable));
}

static int open_readers(skep_worker *worker) {
    worker->link_message = malloc(sizeof *worker->link_message);
    int status = worker->link_message != NULL ? SKEP_OK : SKEP_ENOMEM;
    if (status == SKEP_OK) status = skep__frame_append(&worker->answer_frame, "", 1); /* memory to refuse with */
    if (status == SKEP_OK) status = skep__reader_init(&worker->link_reader, SKEP_CHANNEL_LINK_DOWN);
    if (status == SKEP_OK) status = skep__reader_init(&worker->inbox_reader, SKEP_CHANNEL_INBOX);
    if (status == SKEP_OK) status = skep__reader_init(&worker->news_reader, SKEP_CHANNEL_NEWS);
    return status;
}

int skep__worker_join(skep_worker **out, const struct skep__meeting *meeting, const skep_worker_options *options) {
    skep_worker *worker;
    int status = skep__worker_allocate(&worker, meeting, options->loop);
    if (status != SKEP_OK) {
        close(meeting->link);
        return status;
    }
    fcntl(worker->link, F_SETFD, FD_CLOEXEC); /* children of this process must not hold the link open */
    skep__worker_open_page(worker, meeting->page);
    const char *name = options->name != NULL ? options->name : program_invocation_short_name;
    status = open_readers(worker);
    if (status == SKEP_OK) status = open_handles(worker);
    if (status == SKEP_OK) status = say_hello(worker, name, meeting->generation);
    if (status == SKEP_OK) status = open_channels(worker); /* while the broker answers */
    if (status == SKEP_OK) status = join(worker, options);
    if (status == SKEP_OK) *out = worker;
    else skep_worker_free(&worker);
    return status;
}

int skep_worker_new(skep_worker **out, const skep_worker_options *options) {
    static const skep_worker_options defaults = {0};
    struct skep__meeting meeting = {.link = SKEP_LINK_FD,
                                    .page = SKEP_PAGE_FD,
                                    .id = skep__identity_worker(),
                                    .generation = skep__identity_generation()};
    skep_worker *worker = NULL;
    int type = 0;
    socklen_t size_bytes = sizeof type;
    bool is_linked = getsockopt(SKEP_LINK_FD, SOL_SOCKET, SO_TYPE, &type, &size_bytes) == 0 && type == SOCK_SEQPACKET;
    if (!skep_is_worker() || !is_linked) return SKEP_ENOTWORKER;
    int status = skep__worker_join(&worker, &meeting, options != NULL ? options : &defaults);
    if (status == SKEP_OK) status = skep__worker_catch_sigterm(worker);
    if (status == SKEP_OK) *out = worker;
    else skep_worker_free(&worker);
    return status;
}

/* --- freeing --- */

static void handle_closed(uv_handle_t *handle) {
    skep__worker_handle_closed(handle->data);
}

static void close_handle(uv_handle_t *handle) {
    if (handle->data != NULL) uv_close(handle, handle_closed);
}

void skep_worker_free(skep_worker **out) {
    skep_worker *worker = *out;
    if (worker == NULL) return;
    *out = NULL;
    skep__worker_close_link(worker, worker->result);
    skep__worker_release_sigterm(worker);
    for (unsigned i = 0; i < SKEP__TIMERS; i++) close_handle((uv_handle_t *)&worker->timers[i]);
    close_handle((uv_handle_t *)&worker->terminate);
    close_handle((uv_handle_t *)&worker->link_poll);
    skep__port_free(&worker->inbox);
    skep__outlet_free(&worker->outbox);
    skep__port_free(&worker->news);
    skep__flusher_free(&worker->flusher);
    skep__hub_free(&worker->hub);
    skep__worker_free_jobs(worker);
    skep__worker_free_when_closed(worker);
}

/* --- running --- */

int skep_worker_ready(skep_worker *worker) {
    int signal = 0;
    if (worker->phase != SKEP__WORKER_JOINED) return SKEP_OK;
    /* It is to end with the broker, which the kernel forgets when a process changes its user. */
    if (skep_is_worker() && prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct skep_command command = {.id = SKEP_COMMAND_ready, .ready = {0}};
    int status = skep__worker_tell(worker, &command);
    if (status == SKEP_OK) worker->phase = SKEP__WORKER_READY;
    return status;
}

int skep_worker_run(skep_worker *worker) {
    int status = skep_worker_ready(worker);
    if (status != SKEP_OK) return status;
    uv_run(worker->loop, UV_RUN_DEFAULT);
    return worker->result;
}

int skep_flush(skep_worker *worker) {
    if (worker->link < 0 || worker->finishing) return SKEP_ECLOSED;
    skep__worker_send_counts(worker);
    if (!skep__worker_send_acks(worker)) return SKEP_ENOMEM;
    return skep__outlet_flush(worker->outbox) ? SKEP_OK : SKEP_EAGAIN;
}

uv_loop_t *skep_worker_loop(skep_worker *worker) {
    return worker->loop;
}

uint32_t skep_worker_id(const skep_worker *worker) {
    return worker->id;
}

bool skep_worker_is_connected(const skep_worker *worker) {
    return worker->link >= 0;
}

const char *skep_worker_why(const skep_worker *worker) {
    return worker->why;
}
