/* SPDX-License-Identifier: MIT
 * A worker that is made of NNG's own sockets and plain system calls, from docs/protocol.md, with none of Skep's code:
 * it proves that any NNG program is a peer.
 *
 *   skep run -- nng_worker QUEUE
 *
 * The result of each job is its payload; each counts as a request. Its name is the queue's. Messages:
 *
 *   echo DATA       the reply is DATA
 *   requests        the reply is the latest requestCount, in decimal
 *   ask WORKER      asks another worker for "echo" of WORKER; the reply is that one's
 *   shout DATA      tells everybody "shout" with DATA; the reply is empty
 *   leave           the worker leaves of its own accord; the reply is empty
 *
 * It leaves the page alone, so that all the jobs which it holds count as begun. */
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nng_peer.h"

enum { LINK = 3, MAX_LINK_MESSAGE = 64 * 1024, ENOHANDLER = 19, MAX_ASKING = 64 };

/* A request of somebody's that another worker is to answer */
struct asking {
    uint64_t from, request; /* request 0: the place is free */
};

struct worker {
    nng_socket inbox, outbox;
    struct frame out;                 /* what leaves on the outbox at the end of a turn */
    bool draining, left;              /* left is set at the end of draining, or when the broker has gone */
    bool released;                    /* jobs were given back since the last newsSince */
    uint64_t request_count;           /* the broker's */
    struct asking asking[MAX_ASKING]; /* by the number of our own request, less 1 */
};

/* --- the link --- */

static void link_send(struct frame *frame) {
    struct iovec part = {frame->bytes.data, frame->bytes.size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (sendmsg(LINK, &message, MSG_NOSIGNAL) < 0) peer_fail("link", "cannot send");
    msgpack_sbuffer_destroy(&frame->bytes);
    msgpack_sbuffer_init(&frame->bytes);
}

/* Waits for one message; false at the link's end. Descriptors that might come are not wanted: without a place for them
 * the kernel closes them. */
static bool link_receive(command_cb callback, void *context) {
    static char buffer[MAX_LINK_MESSAGE];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t size = recvmsg(LINK, &message, 0);
    if (size <= 0) return false;
    each_command(buffer, (size_t)size, callback, context);
    return true;
}

static void on_welcome(const msgpack_object *command, void *context) {
    struct worker *worker = context;
    if (!field_is(command, "cmd", "welcome")) peer_fail("nng_worker", "the broker does not want it");
    peer_must(nng_pull0_open(&worker->inbox), "inbox");
    peer_must(nng_push0_open(&worker->outbox), "outbox");
    dial_field(worker->inbox, command, "inbox");
    dial_field(worker->outbox, command, "outbox");
}

static void join(struct worker *worker, const char *queue) {
    struct frame frame = {0};
    const char *generation = getenv("SKEP_GENERATION");
    if (generation == NULL) peer_fail("nng_worker", "not started by a broker");
    fcntl(LINK, F_SETFL, fcntl(LINK, F_GETFL) & ~O_NONBLOCK);
    put_command(&frame, "hello", 4);
    put_field_uint(&frame, "protocol", 1);
    put_field_uint(&frame, "pid", (uint64_t)getpid());
    put_field_uint(&frame, "generation", strtoull(generation, NULL, 10));
    put_field_text(&frame, "name", queue);
    link_send(&frame);
    if (!link_receive(on_welcome, worker)) peer_fail("link", "it ended before welcome");
    put_command(&frame, "handle", 2); /* without claims it is sent no more ahead */
    put_field_text(&frame, "queue", queue);
    put_field_uint(&frame, "concurrency", 4096);
    put_command(&frame, "ready", 0);
    link_send(&frame);
}

/* --- leaving --- */

/* What the broker answers after it has read everything before: the outbox is read in order. */
static void ask_for_end(struct worker *worker) {
    worker->released = false;
    put_command(&worker->out, "newsSince", 1);
    put_field_uint(&worker->out, "seq", UINT64_C(1) << 63);
}

static void on_link(const msgpack_object *command, void *context) {
    struct worker *worker = context;
    if (!field_is(command, "cmd", "drain") || worker->draining) return;
    worker->draining = true;
    ask_for_end(worker);
}

static void on_news_end(struct worker *worker) {
    if (!worker->draining) return;
    if (worker->released) ask_for_end(worker);
    else worker->left = true;
}

/* --- jobs --- */

static void give_back(struct worker *worker, uint64_t delivery, size_t jobs) {
    put_command(&worker->out, "released", 2);
    put_field_uint(&worker->out, "delivery", delivery);
    put_field_uint(&worker->out, "n", jobs);
    worker->released = true;
}

static void complete(struct worker *worker, uint64_t delivery, const msgpack_object *jobs, size_t count) {
    put_command(&worker->out, "completed", 3);
    put_field_uint(&worker->out, "delivery", delivery);
    put_field_uint(&worker->out, "n", count);
    put_field_list(&worker->out, "results", count);
    for (size_t i = 0; i < count; i++) put_bytes(&worker->out, bytes_of(&jobs[i]).data, bytes_of(&jobs[i]).size);
    put_command(&worker->out, "incrementRequestCount", 1);
    put_field_uint(&worker->out, "n", count);
    if (worker->out.bytes.size >= FULL_FRAME) frame_send(&worker->out, worker->outbox);
}

/* As many of these jobs, one at least, as have results for one frame */
static size_t count_fitting(const msgpack_object *jobs, size_t count) {
    size_t fitting = 0, size_bytes = 0;
    while (fitting < count && (fitting == 0 || size_bytes + bytes_of(&jobs[fitting]).size <= FULL_FRAME))
        size_bytes += bytes_of(&jobs[fitting++]).size;
    return fitting;
}

static void on_jobs(struct worker *worker, const msgpack_object *command) {
    const msgpack_object_array *jobs = field_list(command, "jobs");
    uint64_t delivery = field_uint(command, "delivery", 0);
    if (worker->draining) {
        give_back(worker, delivery, jobs->size);
        return;
    }
    for (size_t at = 0, count; at < jobs->size; at += count) {
        count = count_fitting(&jobs->ptr[at], jobs->size - at);
        complete(worker, delivery + at, &jobs->ptr[at], count);
    }
}

/* --- messages --- */

static void reply(struct worker *worker, struct asking to, uint64_t status, struct bytes data) {
    if (to.request == 0) return;
    put_command(&worker->out, "reply", 4);
    put_field_uint(&worker->out, "request", to.request);
    put_field_uint(&worker->out, "to", to.from);
    put_field_uint(&worker->out, "status", status);
    put_field_bytes(&worker->out, "data", data.data, data.size);
}

static void ask(struct worker *worker, struct asking asker, struct bytes data) {
    char whom[24];
    size_t at = 0;
    while (at < MAX_ASKING && worker->asking[at].request != 0) at++;
    if (at == MAX_ASKING) peer_fail("nng_worker", "too many questions");
    worker->asking[at] = asker;
    snprintf(whom, sizeof whom, "%.*s", (int)data.size, data.data);
    put_command(&worker->out, "message", 4);
    put_field_text(&worker->out, "name", "echo");
    put_field_bytes(&worker->out, "data", data.data, data.size);
    put_field_uint(&worker->out, "to", strtoull(whom, NULL, 10));
    put_field_uint(&worker->out, "request", at + 1);
}

static void on_reply(struct worker *worker, const msgpack_object *command) {
    uint64_t request = field_uint(command, "request", 0);
    if (request == 0 || request > MAX_ASKING) return;
    reply(worker, worker->asking[request - 1], field_uint(command, "status", 0), bytes_of(field(command, "data")));
    worker->asking[request - 1] = (struct asking){0};
}

static void shout(struct worker *worker, struct bytes data) {
    put_command(&worker->out, "message", 3);
    put_field_text(&worker->out, "name", "shout");
    put_field_bytes(&worker->out, "data", data.data, data.size);
    put_field_true(&worker->out, "toAll");
}

static void disconnect(void) {
    struct frame frame = {0};
    put_command(&frame, "disconnect", 0);
    link_send(&frame);
}

static void on_message(struct worker *worker, const msgpack_object *command) {
    struct asking asker = {field_uint(command, "from", 0), field_uint(command, "request", 0)};
    struct bytes data = bytes_of(field(command, "data")), nothing = {"", 0};
    char number[24];
    if (field_is(command, "name", "echo")) {
        reply(worker, asker, 0, data);
    } else if (field_is(command, "name", "requests")) {
        int size = snprintf(number, sizeof number, "%llu", (unsigned long long)worker->request_count);
        reply(worker, asker, 0, (struct bytes){number, (size_t)size});
    } else if (field_is(command, "name", "ask")) {
        ask(worker, asker, data);
    } else if (field_is(command, "name", "shout")) {
        shout(worker, data);
        reply(worker, asker, 0, nothing);
    } else if (field_is(command, "name", "leave")) {
        reply(worker, asker, 0, nothing);
        disconnect();
    } else {
        reply(worker, asker, ENOHANDLER, nothing);
    }
}

/* --- the loop --- */

static void on_inbox(const msgpack_object *command, void *context) {
    struct worker *worker = context;
    if (field_is(command, "cmd", "jobs")) on_jobs(worker, command);
    else if (field_is(command, "cmd", "message")) on_message(worker, command);
    else if (field_is(command, "cmd", "reply")) on_reply(worker, command);
    else if (field_is(command, "cmd", "newsEnd")) on_news_end(worker);
    else if (field_is(command, "cmd", "requestCount")) worker->request_count = field_uint(command, "requestCount", 0);
}

static void run(struct worker *worker) {
    struct pollfd events[] = {{.fd = LINK, .events = POLLIN}, {.fd = readable_fd(worker->inbox), .events = POLLIN}};
    while (!worker->left) {
        if (poll(events, 2, -1) < 0) peer_fail("poll", "failed");
        if (events[0].revents != 0 && !link_receive(on_link, worker)) worker->left = true;
        if (events[1].revents != 0) receive_ready(worker->inbox, on_inbox, worker);
        frame_send(&worker->out, worker->outbox);
    }
}

int main(int argc, char **argv) {
    struct worker worker = {.draining = false};
    peer_say_version();
    if (argc != 2) return PEER_USAGE;
    join(&worker, argv[1]);
    run(&worker);
    nng_close(worker.outbox);
    nng_close(worker.inbox);
    close(LINK);
    return 0;
}
