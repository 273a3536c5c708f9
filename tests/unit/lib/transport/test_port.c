/* SPDX-License-Identifier: MIT
 * Ports: frames between two sockets of one process, carried to its loop. */
#include "lib/transport/port_pair.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* --- frames --- */

static void test_a_frame(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    char copied[] = "frame";
    open_connected(pump, &pair, true);
    assert_false(skep__port_is_sending(pair.from.port, false));
    assert_int_equal(send_bytes(pair.from.port, copied, 5), SKEP_OK);
    memset(copied, '?', sizeof copied);
    PUMP_UNTIL(pump, pair.to.received == 1);
    assert_memory_equal(pair.to.last, "frame", 5);
    assert_int_equal(pair.to.last_bytes, 5);
    assert_int_equal(pair.to.peer.pid, getpid());
    assert_int_not_equal(pair.to.peer.pipe, 0);
    close_pair(&pair);
}

static void test_whoever_dials(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    open_connected(pump, &pair, false);
    send_and_wait(pump, &pair, "frame", 5);
    assert_int_equal(pair.to.peer.pid, getpid());
    close_pair(&pair);
}

static void test_many_frames_in_order(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    open_connected(pump, &pair, true);
    for (unsigned i = 0; i < 2000; i++) {
        PUMP_UNTIL(pump, !skep__port_is_sending(pair.from.port, true));
        assert_int_equal(send_bytes(pair.from.port, &i, sizeof i), SKEP_OK);
    }
    PUMP_UNTIL(pump, pair.to.received == 2000);
    assert_int_equal(pair.to.numbers, 2000);
    close_pair(&pair);
}

static void test_the_largest_frame(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    char *large = calloc(1, SKEP_MAX_FRAME);
    assert_non_null(large);
    open_connected(pump, &pair, true);
    send_and_wait(pump, &pair, large, SKEP_MAX_FRAME);
    assert_int_equal(pair.to.last_bytes, SKEP_MAX_FRAME);
    send_and_wait(pump, &pair, "small", 5);
    assert_int_equal(pair.to.last_bytes, 5);
    free(large);
    close_pair(&pair);
}

/* The sent event comes if it was asked for, and once. */
static void test_told_of_sent(void **state) {
    struct pump *pump = *state;
    struct pair pair = open_pair(pump, SKEP__PORT_PUSH, SKEP__PORT_PULL);
    skep__port_free(&pair.from.port);
    assert_int_equal(skep__port_new(&pair.from.port, pair.hub, SKEP__PORT_PUSH, &events, &pair.from), SKEP_OK);
    assert_int_equal(skep__port_listen(pair.from.port, pump->url), SKEP_OK);
    assert_int_equal(send_bytes(pair.from.port, "waits", 5), SKEP_OK); /* for somebody to dial */
    assert_true(skep__port_is_sending(pair.from.port, true));
    assert_true(skep__port_is_sending(pair.from.port, false));
    pump_turns(pump, 3);
    assert_int_equal(pair.from.sent, 0);
    skep__port_free(&pair.to.port);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_PULL, &events, &pair.to), SKEP_OK);
    assert_int_equal(skep__port_dial(pair.to.port, pump->url), SKEP_OK);
    PUMP_UNTIL(pump, pair.from.sent == 1 && pair.to.received == 1);
    assert_false(skep__port_is_sending(pair.from.port, true));
    pump_turns(pump, 3);
    assert_int_equal(pair.from.sent, 1);
    close_pair(&pair);
}

/* --- backpressure --- */

static void expired(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

/* Sends until nothing moves for a while; the receiver's loop does not turn meanwhile. How many frames were taken. */
static unsigned send_all_that_fits(struct pump *pump, struct side *side, const char *chunk) {
    bool stuck = false;
    unsigned count = 0;
    uv_timer_t timer;
    uv_timer_init(&pump->loop, &timer);
    timer.data = &stuck;
    while (!stuck && count < SENT_AT_MOST) {
        assert_int_equal(send_bytes(side->port, chunk, CHUNK_BYTES), SKEP_OK);
        uv_update_time(&pump->loop);
        uv_timer_start(&timer, expired, 300, 0);
        while (!stuck && skep__port_is_sending(side->port, true)) uv_run(&pump->loop, UV_RUN_ONCE);
        count++;
    }
    uv_close((uv_handle_t *)&timer, NULL);
    pump_turns(pump, 1);
    return count;
}

static void test_a_receiver_that_does_not_read(void **state) {
    struct pump *pump = *state;
    struct pump *reader = NULL;
    struct side from = {.port = NULL}, to = {.port = NULL};
    struct skep__hub *hub = NULL, *reader_hub = NULL;
    char *chunk = calloc(1, CHUNK_BYTES);
    assert_int_equal(pump_setup((void **)&reader), 0);
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__hub_new(&reader_hub, &reader->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&from.port, hub, SKEP__PORT_PUSH, &events, &from), SKEP_OK);
    assert_int_equal(skep__port_new(&to.port, reader_hub, SKEP__PORT_PULL, &events, &to), SKEP_OK);
    assert_int_equal(skep__port_listen(to.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_dial(from.port, pump->url), SKEP_OK);
    unsigned count = send_all_that_fits(pump, &from, chunk);
    assert_in_range(count, 1, SENT_AT_MOST - 1);
    assert_int_equal(to.received, 0);
    for (uint64_t deadline_ns = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000); to.received < count;) {
        pump_turn(pump, deadline_ns, 1, "all that was sent"); /* its last frame is still under way */
        pump_turn(reader, deadline_ns, 1, "all that was sent");
    }
    PUMP_UNTIL(pump, !skep__port_is_sending(from.port, true));
    assert_int_equal(send_bytes(from.port, "again", 5), SKEP_OK);
    PUMP_UNTIL(reader, to.received == count + 1);
    skep__port_free(&from.port);
    skep__port_free(&to.port);
    skep__hub_free(&hub);
    skep__hub_free(&reader_hub);
    free(chunk);
    assert_int_equal(pump_teardown((void **)&reader), 0);
}

/* --- connections --- */

static void test_nobody_to_dial(void **state) {
    struct pump *pump = *state;
    struct pair pair = open_pair(pump, SKEP__PORT_PUSH, SKEP__PORT_PULL);
    assert_int_equal(skep__port_dial(pair.from.port, pump->url), SKEP_ECLOSED);
    assert_int_not_equal(skep__port_listen(pair.to.port, "ipc:///no/such/folder/socket"), SKEP_OK);
    assert_int_equal(skep__port_listen(pair.to.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_listen(pair.from.port, pump->url), SKEP_EADDRINUSE);
    close_pair(&pair);
}

static void test_the_socket_is_private(void **state) {
    struct pump *pump = *state;
    struct pair pair = open_pair(pump, SKEP__PORT_PUSH, SKEP__PORT_PULL);
    struct stat st;
    assert_int_equal(skep__port_listen(pair.to.port, pump->url), SKEP_OK);
    assert_int_equal(stat(pump->url + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close_pair(&pair);
}

/* After its third malformed message; over a new connection it is. */
static void test_a_peer_is_not_heard_any_more(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    struct side other = {.port = NULL};
    open_connected(pump, &pair, true);
    send_and_wait(pump, &pair, "first", 5);
    uint32_t pipe = pair.to.peer.pipe;
    assert_false(skep__port_blame(pair.to.port, pipe));
    assert_false(skep__port_blame(pair.to.port, pipe));
    send_and_wait(pump, &pair, "second", 6);
    assert_true(skep__port_blame(pair.to.port, pipe));
    assert_int_equal(send_bytes(pair.from.port, "third", 5), SKEP_OK);
    PUMP_LOOK_UNTIL(pump, !skep__port_is_sending(pair.from.port, false));
    assert_int_equal(skep__port_new(&other.port, pair.hub, SKEP__PORT_PUSH, &events, &other), SKEP_OK);
    assert_int_equal(skep__port_dial(other.port, pump->url), SKEP_OK);
    assert_int_equal(send_bytes(other.port, "other", 5), SKEP_OK);
    PUMP_UNTIL(pump, pair.to.received == 3);
    assert_memory_equal(pair.to.last, "other", 5);
    let_rest(pump);
    skep__port_free(&other.port);
    close_pair(&pair);
}

static void test_a_receiver_that_comes_back(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    open_connected(pump, &pair, true);
    send_and_wait(pump, &pair, "first", 5);
    skep__port_free(&pair.to.port);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_PULL, &events, &pair.to), SKEP_OK);
    pair.to.received = 0;
    PUMP_LOOK_UNTIL(pump, skep__port_listen(pair.to.port, pump->url) == SKEP_OK);
    PUMP_LOOK_UNTIL(pump, pair.to.received > 0 || !send_again(&pair));
    assert_memory_equal(pair.to.last, "next", 4);
    let_rest(pump);
    close_pair(&pair);
}

/* What has arrived and was not told yet is dropped, without a word. */
static void test_freed_with_frames_waiting(void **state) {
    struct pump *pump = *state, *waiter = NULL; /* whose loop turns, while the ports' does not */
    struct pair pair;
    assert_int_equal(pump_setup((void **)&waiter), 0);
    open_connected(pump, &pair, true);
    PUMP_LOOK_UNTIL(waiter, !skep__port_is_sending(pair.from.port, false));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send_bytes(pair.from.port, &i, sizeof i), SKEP_OK);
        PUMP_LOOK_UNTIL(waiter, !skep__port_is_sending(pair.from.port, false));
    }
    let_rest(waiter);
    close_pair(&pair);
    assert_int_equal(pump_teardown((void **)&waiter), 0);
    pump_turns(pump, 3);
    assert_int_equal(pair.to.received, 0);
    assert_int_equal(pair.from.sent, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_frame),
        PUMP_TEST(test_whoever_dials),
        PUMP_TEST(test_many_frames_in_order),
        PUMP_TEST(test_the_largest_frame),
        PUMP_TEST(test_told_of_sent),
        PUMP_TEST(test_a_receiver_that_does_not_read),
        PUMP_TEST(test_nobody_to_dial),
        PUMP_TEST(test_the_socket_is_private),
        PUMP_TEST(test_a_peer_is_not_heard_any_more),
        PUMP_TEST(test_a_receiver_that_comes_back),
        PUMP_TEST(test_freed_with_frames_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
