/* SPDX-License-Identifier: MIT
 * What processes may make a hub keep of unfinished messages: one of them, and all together. Who waits with less is
 * served whatever others do. */
#include "lib/transport/by_hand.h"

#include "contract.h"

enum {
    FRAME_BYTES = 3 * 1024 * 1024,
    BEGUN_BYTES = 1024 * 1024 + 1, /* room for the whole frame is kept from here on */
    OF_ONE = 64 * 1024 * 1024 / FRAME_BYTES,
    OF_ALL = 256 * 1024 * 1024 / FRAME_BYTES,
    MOST = 128
};

static const char body[FRAME_BYTES];

/* Connections under test, with the other ends of their sockets */
struct bench {
    struct pump *pump;
    struct skep__hub *hub;
    unsigned count, ended, received;
    const char *why; /* of the latest that has ended */
    struct link {
        struct bench *bench;
        struct skep__pipe *pipe; /* NULL: it has ended */
        int fd;                  /* the peer's */
        size_t sent_bytes;
    } links[MOST];
};

static void received(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    const struct link *link = pipe->owner;
    assert_int_equal(size_bytes, FRAME_BYTES);
    assert_memory_equal(data, body, size_bytes);
    link->bench->received++;
}

static void ended(struct skep__pipe *pipe, bool all_read) {
    struct link *link = pipe->owner;
    assert_false(all_read);
    link->pipe = NULL;
    link->bench->ended++;
    link->bench->why = pipe->reader.why;
}

static const struct skep__pipe_events events = {.received = received, .ended = ended};

static struct skep__loop_hub *hub_of(const struct bench *bench) {
    return (struct skep__loop_hub *)bench->hub;
}

static void open_bench(struct bench *bench, struct pump *pump) {
    *bench = (struct bench){.pump = pump};
    assert_int_equal(skep__hub_new(&bench->hub, &pump->loop), SKEP_OK);
}

/* Nothing is kept, nor known of anybody, when the last connection has ended. */
static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < bench->count; i++) {
        if (bench->links[i].pipe != NULL) skep__pipe_close(bench->links[i].pipe);
        close(bench->links[i].fd);
    }
    assert_int_equal(hub_of(bench)->unfinished_bytes, 0);
    assert_null(hub_of(bench)->senders);
    skep__hub_free(&bench->hub);
}

static struct link *connect_as(struct bench *bench, pid_t pid) {
    int fds[2];
    struct link *link = &bench->links[bench->count++];
    assert_true(bench->count <= MOST);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct skep__end own = {.fd = fds[0], .pid = pid, .uid = getuid()};
    *link = (struct link){.bench = bench, .fd = fds[1]};
    assert_int_equal(skep__pipe_new(&link->pipe, hub_of(bench), &own, SKEP__SP_PULL, &events, link), SKEP_OK);
    hand_greet(link->fd, SKEP__SP_PUSH);
    hand_head(link->fd, FRAME_BYTES);
    return link;
}

/* Whether so much of the frame has been sent and read, or the connection has ended meanwhile. */
static bool has_sent(struct link *link, size_t size_bytes) {
    if (link->pipe == NULL) return true;
    size_t left_bytes = size_bytes - link->sent_bytes;
    ssize_t n = left_bytes > 0 ? send(link->fd, body + link->sent_bytes, left_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n > 0) link->sent_bytes += (size_t)n;
    return link->pipe->reader.body_bytes == size_bytes;
}

static struct link *begin_as(struct bench *bench, pid_t pid) {
    struct link *link = connect_as(bench, pid);
    PUMP_LOOK_UNTIL(bench->pump, has_sent(link, BEGUN_BYTES));
    return link;
}

static void finish(struct link *link) {
    unsigned before = link->bench->received;
    PUMP_LOOK_UNTIL(link->bench->pump, has_sent(link, FRAME_BYTES) || link->bench->received > before);
    assert_int_equal(link->pipe->unfinished_bytes, 0);
}

/* The connection that passes the bound ends, and no other; nothing of a message that has come is counted. */
static void test_one_process(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    struct link *patient = begin_as(&bench, 2);
    for (unsigned i = 0; i < OF_ONE; i++) begin_as(&bench, 1);
    assert_int_equal(bench.ended, 0);
    assert_int_equal(hub_of(&bench)->unfinished_bytes, (OF_ONE + 1) * (size_t)FRAME_BYTES);
    const struct link *last = begin_as(&bench, 1);
    assert_int_equal(bench.ended, 1);
    assert_null(last->pipe);
    assert_string_equal(bench.why, "unfinished messages of this process over 64 MiB");
    assert_true(hand_has_ended(last->fd));
    finish(&bench.links[1]);
    assert_non_null(begin_as(&bench, 1)->pipe); /* there is room for another one */
    finish(patient);
    assert_int_equal(bench.ended, 1);
    close_bench(&bench);
}

/* The process with the most loses as much as is necessary, also if another one began the latest message. */
static void test_all_processes(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    pid_t pid = 1;
    for (unsigned i = 0; i < OF_ALL; pid++)
        for (unsigned of_one = 0; of_one < OF_ONE && i < OF_ALL; of_one++, i++) begin_as(&bench, pid);
    assert_int_equal(bench.ended, 0);
    struct link *modest = begin_as(&bench, pid);
    PUMP_UNTIL(bench.pump, bench.ended == 1);
    assert_string_equal(bench.why, "unfinished messages of all processes over 256 MiB, most of them from this one");
    assert_int_equal(hub_of(&bench)->unfinished_bytes, OF_ALL * (size_t)FRAME_BYTES);
    finish(modest);
    assert_int_equal(bench.ended, 1);
    close_bench(&bench);
}

/* The peer of a connection that this process has made is not counted. */
static void test_dialed(void **state) {
    struct bench bench;
    struct skep__pipe *pipe;
    int fds[2];
    open_bench(&bench, *state);
    struct link *link = &bench.links[bench.count++];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *link = (struct link){.bench = &bench, .fd = fds[1]};
    const struct skep__end own = {.fd = fds[0], .pid = 1, .uid = getuid(), .dialed = true};
    assert_int_equal(skep__pipe_new(&pipe, hub_of(&bench), &own, SKEP__SP_PULL, &events, link), SKEP_OK);
    link->pipe = pipe;
    hand_greet(link->fd, SKEP__SP_PUSH);
    hand_head(link->fd, FRAME_BYTES);
    PUMP_LOOK_UNTIL(bench.pump, has_sent(link, BEGUN_BYTES));
    assert_int_equal(hub_of(&bench)->unfinished_bytes, 0);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_process),
        PUMP_TEST(test_all_processes),
        PUMP_TEST(test_dialed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
