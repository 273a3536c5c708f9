/* SPDX-License-Identifier: MIT
 * Ports on the loop, with peers by hand: cut frames, the end that acknowledges, who may connect, what a dead process
 * sent, want of descriptors. */
#include "lib/transport/by_hand.h"
#include "lib/transport/port_pair.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "transport/loop.h"

struct watched {
    struct side side; /* first member */
    unsigned finished, connected, refused;
    bool again;
    pid_t refused_pid;
};

static void finished(void *context) {
    ((struct watched *)context)->finished++;
}

static void connected(void *context, const struct skep__peer *peer) {
    struct watched *watched = context;
    watched->connected++;
    watched->again = peer->again;
}

static void refused(void *context, pid_t pid, uid_t uid) {
    struct watched *watched = context;
    assert_int_equal(uid, geteuid());
    watched->refused++;
    watched->refused_pid = pid;
}

static struct skep__hub *open_port(struct pump *pump, struct watched *watched, enum skep__port_kind kind) {
    static const struct skep__port_events all = {
        .received = received, .sent = sent, .finished = finished, .connected = connected, .refused = refused};
    struct skep__hub *hub = NULL;
    *watched = (struct watched){.refused = 0};
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&watched->side.port, hub, kind, &all, watched), SKEP_OK);
    return hub;
}

static void close_port(struct watched *watched, struct skep__hub *hub) {
    skep__port_free(&watched->side.port);
    skep__hub_free(&hub);
}

/* Takes a port's connection, and greets it. */
static int hand_accept(struct pump *pump, int listener, enum skep__sp_protocol protocol) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    int fd = -1;
    PUMP_LOOK_UNTIL(pump, (fd = accept(listener, NULL, NULL)) >= 0);
    hand_expect(pump, fd, greeting, sizeof greeting);
    hand_greet(fd, protocol);
    return fd;
}

/* --- sending --- */

/* What was cut is sent again, whole, over the next connection; what came before is not. */
static void test_a_cut_frame(void **state) {
    struct pump *pump = *state;
    struct watched from;
    char *large = calloc(1, SKEP_MAX_FRAME), *got = malloc(SKEP_MAX_FRAME);
    int listener = hand_listen(pump);
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH);
    assert_non_null(large);
    assert_non_null(got);
    large[SKEP_MAX_FRAME - 1] = 'z';
    assert_int_equal(skep__port_dial(from.side.port, pump->url), SKEP_OK);
    int fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(send_bytes(from.side.port, "before", 6), SKEP_OK);
    assert_int_equal(hand_expect_frame(pump, fd, got, SKEP_MAX_FRAME), 6);
    assert_int_equal(send_bytes(from.side.port, large, SKEP_MAX_FRAME), SKEP_OK);
    hand_expect(pump, fd, got, SKEP_MAX_FRAME / 2);
    close(fd);
    fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(hand_expect_frame(pump, fd, got, SKEP_MAX_FRAME), SKEP_MAX_FRAME);
    assert_memory_equal(got, large, SKEP_MAX_FRAME);
    assert_false(skep__port_is_sending(from.side.port, false));
    close(fd);
    close(listener);
    free(large);
    free(got);
    close_port(&from, hub);
}

/* Without the loop's help. No sent event follows for that. */
static void test_pushing_on(void **state) {
    struct pump *pump = *state;
    struct watched from;
    char *large = calloc(1, SKEP_MAX_FRAME);
    int listener = hand_listen(pump);
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH);
    assert_int_equal(skep__port_dial(from.side.port, pump->url), SKEP_OK);
    int fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(send_bytes(from.side.port, large, SKEP_MAX_FRAME), SKEP_OK);
    assert_false(skep__port_push(from.side.port));
    assert_true(skep__port_is_sending(from.side.port, true));
    for (uint64_t end_ns = uv_hrtime() + UINT64_C(10000000000); !skep__port_push(from.side.port); hand_has_ended(fd))
        assert_true(uv_hrtime() < end_ns);
    assert_false(skep__port_is_sending(from.side.port, false));
    hand_turns(pump, 3);
    assert_int_equal(from.side.sent, 0);
    close(fd);
    close(listener);
    free(large);
    close_port(&from, hub);
}

/* --- finishing --- */

/* The peer's end-of-file is what says that all was read. */
static void test_finish(void **state) {
    struct pump *pump = *state;
    struct watched from;
    char got[16];
    int listener = hand_listen(pump);
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH);
    assert_int_equal(skep__port_dial(from.side.port, pump->url), SKEP_OK);
    int fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(send_bytes(from.side.port, "last", 4), SKEP_OK);
    assert_true(skep__port_finish(from.side.port));
    assert_int_equal(hand_expect_frame(pump, fd, got, sizeof got), 4);
    PUMP_LOOK_UNTIL(pump, hand_has_ended(fd));
    hand_turns(pump, 3);
    assert_int_equal(from.finished, 0);
    close(fd);
    PUMP_UNTIL(pump, from.finished == 1);
    let_rest(pump); /* it does not connect again */
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(from.connected, 1);
    assert_false(from.again);
    close(listener);
    close_port(&from, hub);
}

/* A connection that ended before this end had read anything may have carried something all the same. */
static void test_connected_again(void **state) {
    struct pump *pump = *state;
    struct watched to;
    int listener = hand_listen(pump), fd = -1;
    struct skep__hub *hub = open_port(pump, &to, SKEP__PORT_PULL);
    assert_int_equal(skep__port_dial(to.side.port, pump->url), SKEP_OK);
    PUMP_LOOK_UNTIL(pump, (fd = accept(listener, NULL, NULL)) >= 0);
    close(fd);
    fd = hand_accept(pump, listener, SKEP__SP_PUSH);
    PUMP_UNTIL(pump, to.connected == 1);
    assert_true(to.again);
    close(fd);
    close(listener);
    close_port(&to, hub);
}

/* Nothing and nobody is there yet: all of it follows. */
static void test_finish_before_connected(void **state) {
    struct pump *pump = *state;
    struct watched from, to;
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH), *other = open_port(pump, &to, SKEP__PORT_PULL);
    assert_int_equal(skep__port_dial_soon(from.side.port, pump->url), SKEP_OK);
    assert_int_equal(send_bytes(from.side.port, "early", 5), SKEP_OK);
    assert_true(skep__port_finish(from.side.port));
    hand_turns(pump, 3);
    assert_int_equal(from.finished, 0);
    assert_int_equal(skep__port_listen(to.side.port, pump->url), SKEP_OK);
    PUMP_UNTIL(pump, from.finished == 1);
    assert_int_equal(to.side.received, 1);
    assert_memory_equal(to.side.last, "early", 5);
    close_port(&from, hub);
    close_port(&to, other);
}

/* One that dies without reading has gone: that is an end, too. */
/* A peer that closes with something unread has not read everything: that is no end of file, and the port connects again
 * to finish. */
static void test_finish_with_a_peer_that_dies(void **state) {
    struct pump *pump = *state;
    struct watched from;
    int listener = hand_listen(pump);
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH);
    assert_int_equal(skep__port_dial(from.side.port, pump->url), SKEP_OK);
    int fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(send_bytes(from.side.port, "unread", 6), SKEP_OK);
    assert_true(skep__port_finish(from.side.port));
    close(fd);
    fd = hand_accept(pump, listener, SKEP__SP_PULL);
    assert_int_equal(from.finished, 0);
    PUMP_LOOK_UNTIL(pump, hand_has_ended(fd)); /* the new one's sending half is closed at once */
    close(fd);
    PUMP_UNTIL(pump, from.finished == 1);
    close(listener);
    close_port(&from, hub);
}

/* --- who may connect, and what a process sent --- */

/* Runs in a child, which does not return to the tests. */
static pid_t start_child(const struct pump *pump, void (*run)(const struct pump *pump)) {
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid > 0) return pid;
    run(pump);
    _exit(0);
}

static void wait_for_child(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void try_to_connect(const struct pump *pump) {
    struct sockaddr_un address = hand_address(pump);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char bytes[SKEP__SP_GREETING_BYTES + 1];
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) _exit(1);
    if (recv(fd, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes) _exit(2); /* more than a greeting */
    if (send(fd, bytes, 1, MSG_NOSIGNAL) != 1) _exit(3);                      /* it greets too late, and is not hurt */
}

static void test_only(void **state) {
    struct pump *pump = *state;
    struct watched from;
    char got[16];
    struct skep__hub *hub = open_port(pump, &from, SKEP__PORT_PUSH);
    skep__port_only(from.side.port, getpid());
    assert_int_equal(skep__port_listen(from.side.port, pump->url), SKEP_OK);
    assert_int_equal(send_bytes(from.side.port, "private", 7), SKEP_OK);
    pid_t stranger = start_child(pump, try_to_connect);
    PUMP_UNTIL(pump, from.refused == 1);
    assert_int_equal(from.refused_pid, stranger);
    wait_for_child(stranger);
    int fd = hand_connect(pump);
    hand_greet(fd, SKEP__SP_PULL);
    hand_expect(pump, fd, got, SKEP__SP_GREETING_BYTES);
    assert_int_equal(hand_expect_frame(pump, fd, got, sizeof got), 7);
    assert_int_equal(from.refused, 1);
    assert_int_equal(from.connected, 1);
    close(fd);
    close_port(&from, hub);
}

enum { SENT = 300, SENT_BYTES = 500 };

static void put_frames(int fd, unsigned from, unsigned count) {
    char frame[SKEP__SP_HEAD_BYTES + SENT_BYTES] = {0};
    skep__sp_head((unsigned char *)frame, SENT_BYTES);
    for (unsigned i = from; i < from + count; i++) {
        memcpy(frame + SKEP__SP_HEAD_BYTES, &i, sizeof i);
        if (send(fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof frame) _exit(3);
    }
}

/* Over two connections, one after the other; then half a frame, and the end. */
static void send_and_die(const struct pump *pump) {
    static const unsigned char greeting[] = {0, 'S', 'P', 0, 0, SKEP__SP_PUSH, 0, 0};
    struct sockaddr_un address = hand_address(pump);
    for (unsigned i = 0; i < 2; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) _exit(1);
        if (send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting) _exit(2);
        put_frames(fd, i * SENT / 2, SENT / 2);
        if (send(fd, "\1\0\0\0\0\0\0\0\7half", 13, MSG_NOSIGNAL) != 13) _exit(3);
    }
}

/* Nothing had been accepted, and the loop does not turn. Its half frames are dropped. */
static void test_what_a_dead_process_sent(void **state) {
    struct pump *pump = *state;
    struct watched to;
    struct skep__hub *hub = open_port(pump, &to, SKEP__PORT_PULL);
    assert_int_equal(skep__port_listen(to.side.port, pump->url), SKEP_OK);
    pid_t dead = start_child(pump, send_and_die);
    wait_for_child(dead);
    skep__port_read(to.side.port, getpid()); /* of another one: but the first connection is read before the second */
    assert_int_equal(to.side.received, SENT / 2);
    skep__port_read(to.side.port, dead);
    assert_int_equal(to.side.received, SENT);
    assert_int_equal(to.side.numbers, SENT); /* in order */
    assert_int_equal(to.side.peer.pid, dead);
    assert_true(LIST_EMPTY(&((struct skep__loop_port *)to.side.port)->pipes));
    close_port(&to, hub);
}

static void test_blame(void **state) {
    struct pump *pump = *state;
    struct watched to;
    struct skep__hub *hub = open_port(pump, &to, SKEP__PORT_PULL);
    assert_int_equal(skep__port_listen(to.side.port, pump->url), SKEP_OK);
    int fd = hand_connect(pump);
    hand_greet(fd, SKEP__SP_PUSH);
    hand_frame(fd, "bad", 3);
    PUMP_UNTIL(pump, to.side.received == 1);
    uint32_t number = to.side.peer.pipe;
    assert_false(skep__port_blame(to.side.port, number + 1)); /* nobody */
    assert_false(skep__port_blame(to.side.port, number));
    assert_false(skep__port_blame(to.side.port, number));
    assert_true(skep__port_blame(to.side.port, number));
    hand_frame(fd, "bad", 3);
    hand_turns(pump, 3);
    assert_int_equal(to.side.received, 1);
    close(fd);
    close_port(&to, hub);
}

/* --- listening --- */

/* The path is somebody else's by now. */
static void test_a_path_taken_over(void **state) {
    struct pump *pump = *state;
    struct watched first;
    struct sockaddr_un address = hand_address(pump);
    struct skep__hub *hub = open_port(pump, &first, SKEP__PORT_PULL);
    assert_int_equal(skep__port_listen(first.side.port, pump->url), SKEP_OK);
    int listener = hand_listen(pump); /* which unlinks the other one's */
    close_port(&first, hub);
    assert_int_equal(access(address.sun_path, F_OK), 0);
    close(hand_connect(pump));
    close(listener);
}

/* Takes every descriptor that is left. */
static unsigned take_descriptors(int taken[], unsigned most) {
    unsigned count = 0;
    while (count < most && (taken[count] = dup(STDERR_FILENO)) >= 0) count++;
    assert_in_range(count, 1, most - 1);
    return count;
}

/* While there are none the loop does not spin; when there are again it accepts within a second. */
static void test_no_descriptors(void **state) {
    struct pump *pump = *state;
    struct watched to;
    struct rlimit before, few = {.rlim_cur = 64};
    int taken[64];
    struct skep__hub *hub = open_port(pump, &to, SKEP__PORT_PULL);
    assert_int_equal(skep__port_listen(to.side.port, pump->url), SKEP_OK);
    int fd = hand_connect(pump);
    hand_greet(fd, SKEP__SP_PUSH);
    hand_frame(fd, "waits", 5);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    unsigned count = take_descriptors(taken, 64);
    hand_turns(pump, 2);
    assert_in_range(hand_count_turns(pump), 0, 20);
    assert_int_equal(to.side.received, 0);
    assert_false(LIST_EMPTY(&((struct skep__loop_hub *)hub)->starved));
    for (unsigned i = 0; i < count; i++) close(taken[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uint64_t since_ns = uv_hrtime();
    PUMP_UNTIL(pump, to.side.received == 1);
    assert_in_range(uv_hrtime() - since_ns, 0, UINT64_C(1000000000));
    assert_true(LIST_EMPTY(&((struct skep__loop_hub *)hub)->starved));
    close(fd);
    close_port(&to, hub);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_cut_frame),
        PUMP_TEST(test_pushing_on),
        PUMP_TEST(test_finish),
        PUMP_TEST(test_connected_again),
        PUMP_TEST(test_finish_before_connected),
        PUMP_TEST(test_finish_with_a_peer_that_dies),
        PUMP_TEST(test_only),
        PUMP_TEST(test_what_a_dead_process_sent),
        PUMP_TEST(test_blame),
        PUMP_TEST(test_a_path_taken_over),
        PUMP_TEST(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
