/* SPDX-License-Identifier: MIT
 * Connections on the loop: what they make of their peers' bytes, of closing in the midst of things, and of sockets that
 * are full. */
#include "lib/transport/by_hand.h"

#include "contract.h"

enum { MANY = 100, LARGE_BYTES = 1024 * 1024 };

/* A pipe under test, with the other end of its socket */
struct end {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__pipe *pipe; /* NULL: it has ended */
    int fd;                  /* the peer's, by hand */
    unsigned greeted, received, ended;
    size_t received_bytes;
    char last[64];
    bool closes_when_greeted, closes_when_received; /* in its own event */
    struct end *reads;                              /* another one, which it reads in its own event */
    struct end *closes;                             /* another one, when it ends */
};

static void close_end(struct end *end) {
    if (end->pipe != NULL) skep__pipe_close(end->pipe);
    end->pipe = NULL;
}

static void greeted(struct skep__pipe *pipe) {
    struct end *end = pipe->owner;
    end->greeted++;
    if (end->closes_when_greeted) close_end(end);
}

static void received(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    struct end *end = pipe->owner;
    end->received++;
    end->received_bytes += size_bytes;
    if (end->reads != NULL && end->reads->pipe != NULL) skep__pipe_read_all(end->reads->pipe);
    memcpy(end->last, data, size_bytes < sizeof end->last ? size_bytes : sizeof end->last);
    if (end->closes_when_received) close_end(end);
}

static void ended(struct skep__pipe *pipe, bool all_read) {
    (void)all_read;
    struct end *end = pipe->owner;
    end->ended++;
    end->pipe = NULL;
    if (end->closes != NULL) close_end(end->closes);
}

static const struct skep__pipe_events pipe_events = {.greeted = greeted, .received = received, .ended = ended};
static const struct skep__pipe_events deaf = {.greeted = greeted, .ended = ended};

static void open_with(struct end *end, struct pump *pump, struct skep__hub *hub, enum skep__sp_protocol protocol) {
    struct skep__end own = {.pid = getpid(), .uid = getuid()};
    bool reads = protocol == SKEP__SP_PULL || protocol == SKEP__SP_REP;
    int fds[2];
    *end = (struct end){.pump = pump, .hub = hub};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    own.fd = fds[0];
    end->fd = fds[1];
    assert_int_equal(
        skep__pipe_new(&end->pipe, (struct skep__loop_hub *)hub, &own, protocol, reads ? &pipe_events : &deaf, end),
        SKEP_OK);
}

static void open_end(struct end *end, struct pump *pump, enum skep__sp_protocol protocol) {
    struct skep__hub *hub = NULL;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    open_with(end, pump, hub, protocol);
}

static void free_end(struct end *end) {
    close_end(end);
    close(end->fd);
    skep__hub_free(&end->hub);
}

/* --- greetings and heads --- */

static void test_wrong_bytes_end_it_at_once(void **state) {
    static const struct {
        const char *bytes;
        size_t size_bytes;
    } wrong[] = {
        {"GET / HTTP/1.0\r\n\r\n", 18},               /* no SP */
        {"\0SP\0\0\x51\0\0", 8},                      /* another protocol */
        {"\0SP\0\0\x50\0\1", 8},                      /* a byte that must be zero */
        {"\0SP\0\0\x50\0\0\2\0\0\0\0\0\0\0\1", 17},   /* no message */
        {"\0SP\0\0\x50\0\0\1\x80\0\0\0\0\0\0\0", 17}, /* 2^63 bytes */
        {"\0SP\0\0\x50\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff", 17},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct end end;
        open_end(&end, *state, SKEP__SP_PULL);
        hand_send(end.fd, wrong[i].bytes, wrong[i].size_bytes);
        hand_turns(end.pump, 1);
        assert_int_equal(end.ended, 1);
        assert_true(hand_has_ended(end.fd));
        free_end(&end);
    }
}

static void test_one_byte_at_a_time(void **state) {
    static const char bytes[] = "\0SP\0\0\x50\0\0\1\0\0\0\0\0\0\0\5bytes\1\0\0\0\0\0\0\0\0";
    struct end end;
    open_end(&end, *state, SKEP__SP_PULL);
    for (size_t i = 0; i + 1 < sizeof bytes; i++) {
        hand_send(end.fd, bytes + i, 1);
        hand_turns(end.pump, 1);
    }
    assert_int_equal(end.greeted, 1);
    assert_int_equal(end.received, 2);
    assert_memory_equal(end.last, "bytes", 5);
    assert_true(LIST_EMPTY(&((struct skep__loop_hub *)end.hub)->late));
    free_end(&end);
}

/* Whatever a greeting or a head lacks when the time is up: the connection ends. Until then it does not. */
static void check_late(struct pump *pump, const char *bytes, size_t size_bytes) {
    struct end end;
    open_end(&end, pump, SKEP__SP_PULL);
    hand_send(end.fd, bytes, size_bytes);
    hand_turns(pump, 2);
    hand_hurry(end.hub);
    PUMP_UNTIL(pump, end.pipe->ticks > 30);
    assert_int_equal(end.ended, 0);
    PUMP_UNTIL(pump, end.ended == 1);
    assert_true(hand_has_ended(end.fd));
    free_end(&end);
}

static void test_late(void **state) {
    static const char bytes[] = "\0SP\0\0\x50\0\0\1\0\0\0\0\0\0";
    check_late(*state, bytes, 0);
    check_late(*state, bytes, 7);
    check_late(*state, bytes, 9);
    check_late(*state, bytes, sizeof bytes - 1);
}

/* The rest came in time; and a frame, unlike its head, may take as long as it likes. */
static void test_not_late(void **state) {
    struct end end;
    open_end(&end, *state, SKEP__SP_PULL);
    hand_send(end.fd, "\0SP\0", 4);
    hand_turns(end.pump, 2);
    hand_hurry(end.hub);
    PUMP_UNTIL(end.pump, end.pipe->ticks > 20);
    hand_send(end.fd, "\0\x50\0\0", 4);
    hand_head(end.fd, SKEP_MAX_FRAME);
    hand_send(end.fd, "x", 1);
    PUMP_UNTIL(end.pump, end.pipe->reader.body_bytes == 1);
    const struct skep__loop_hub *hub = (const struct skep__loop_hub *)end.hub;
    PUMP_LOOK_UNTIL(end.pump, !uv_is_active((const uv_handle_t *)&hub->timer));
    assert_int_equal(end.ended, 0);
    assert_in_range(end.pipe->reader.room_bytes, 1, 64 * 1024); /* of the 4 MiB that it claims */
    free_end(&end);
}

/* The end of one that is late may close another that is: it is not ended once more. */
static void test_late_ones_that_close_each_other(void **state) {
    struct end one, other;
    open_end(&one, *state, SKEP__SP_PULL);
    open_with(&other, *state, one.hub, SKEP__SP_PULL);
    one.closes = &other;
    other.closes = &one;
    hand_hurry(one.hub);
    PUMP_UNTIL(one.pump, one.ended + other.ended > 0);
    assert_int_equal(one.ended + other.ended, 1);
    assert_null(one.pipe);
    assert_null(other.pipe);
    close(other.fd);
    free_end(&one);
}

static void test_nothing_may_be_sent_to_a_pusher(void **state) {
    struct end end;
    open_end(&end, *state, SKEP__SP_PUSH);
    hand_greet(end.fd, SKEP__SP_PULL);
    hand_frame(end.fd, "?", 1);
    PUMP_UNTIL(end.pump, end.ended == 1);
    assert_int_equal(end.greeted, 1);
    free_end(&end);
    open_end(&end, *state, SKEP__SP_PUSH);
    hand_greet(end.fd, SKEP__SP_PULL);
    hand_head(end.fd, 2); /* nor begun */
    hand_send(end.fd, "?", 1);
    PUMP_UNTIL(end.pump, end.ended == 1);
    free_end(&end);
}

/* --- closing in its own events --- */

static void test_closed_when_greeted(void **state) {
    struct end end;
    open_end(&end, *state, SKEP__SP_PULL);
    end.closes_when_greeted = true;
    hand_greet(end.fd, SKEP__SP_PUSH);
    hand_frame(end.fd, "unseen", 6);
    PUMP_UNTIL(end.pump, end.greeted == 1);
    hand_turns(end.pump, 3);
    assert_int_equal(end.received + end.ended, 0);
    free_end(&end);
}

static void test_closed_when_received(void **state) {
    struct end end;
    open_end(&end, *state, SKEP__SP_PULL);
    end.closes_when_received = true;
    hand_greet(end.fd, SKEP__SP_PUSH);
    for (unsigned i = 0; i < MANY; i++) hand_frame(end.fd, "frame", 5);
    PUMP_UNTIL(end.pump, end.received > 0);
    hand_turns(end.pump, 3);
    assert_int_equal(end.received, 1);
    assert_int_equal(end.ended, 0);
    free_end(&end);
}

/* --- reading within an event --- */

/* The other's bytes do not overwrite those that are being looked at; it is read to its end though there is no large
 * buffer for it; and nobody is read within its own event. */
static void test_reading_within_an_event(void **state) {
    static const char filling[4000];
    struct end one, other;
    unsigned sent = 0;
    open_end(&one, *state, SKEP__SP_PULL);
    open_with(&other, *state, one.hub, SKEP__SP_PULL);
    static const int size_bytes = LARGE_BYTES;
    assert_int_equal(setsockopt(other.fd, SOL_SOCKET, SO_SNDBUF, &size_bytes, sizeof size_bytes), 0);
    one.reads = &other;
    other.reads = &one;
    hand_greet(other.fd, SKEP__SP_PUSH);
    for (ssize_t n = 1; n > 0; sent += n > 0) {
        char frame[SKEP__SP_HEAD_BYTES + sizeof filling];
        memcpy(frame + SKEP__SP_HEAD_BYTES, filling, sizeof filling);
        skep__sp_head((unsigned char *)frame, sizeof filling);
        n = send(other.fd, frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) assert_int_equal(n, sizeof frame);
    }
    hand_greet(one.fd, SKEP__SP_PUSH);
    hand_frame(one.fd, "the first", 9);
    hand_frame(one.fd, "the second", 10);
    skep__pipe_read_all(one.pipe);
    assert_int_equal(one.received, 2);
    assert_memory_equal(one.last, "the second", 10);
    assert_int_equal(other.received, sent);
    close_end(&other);
    close(other.fd);
    free_end(&one);
}

/* A peer that closes without having read what was sent to it makes an error of the end: what it sent comes before. */
static void test_all_is_read_before_an_error(void **state) {
    struct end end;
    open_end(&end, *state, SKEP__SP_PULL); /* has greeted: that is what the peer does not read */
    hand_greet(end.fd, SKEP__SP_PUSH);
    for (unsigned i = 0; i < MANY; i++) hand_frame(end.fd, "frame", 5);
    close(end.fd);
    end.fd = -1;
    PUMP_UNTIL(end.pump, end.ended == 1);
    assert_int_equal(end.received, MANY);
    free_end(&end);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_wrong_bytes_end_it_at_once),
        PUMP_TEST(test_one_byte_at_a_time),
        PUMP_TEST(test_late),
        PUMP_TEST(test_not_late),
        PUMP_TEST(test_late_ones_that_close_each_other),
        PUMP_TEST(test_nothing_may_be_sent_to_a_pusher),
        PUMP_TEST(test_closed_when_greeted),
        PUMP_TEST(test_closed_when_received),
        PUMP_TEST(test_reading_within_an_event),
        PUMP_TEST(test_all_is_read_before_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
