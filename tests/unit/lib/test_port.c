/* SPDX-License-Identifier: MIT
 * Ports: frames between two sockets of one process, carried to its loop. */
#include "pump.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "contract.h"
#include "port.h"

enum { CHUNK_BYTES = 256 * 1024, SENT_AT_MOST = 256, /* chunks; far more than may be on the way */ MOVING = 16 };

struct side {
    struct skep__port *port;
    unsigned received, sent, wrong;
    size_t last_bytes;
    char last[64];
    struct skep__peer peer;
    unsigned numbers; /* messages that carried the number that was due */
};

static void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct side *side = context;
    unsigned number = 0;
    memcpy(side->last, data, size_bytes < sizeof side->last ? size_bytes : sizeof side->last);
    if (size_bytes >= sizeof number) memcpy(&number, data, sizeof number);
    side->numbers += number == side->received;
    side->received++;
    side->last_bytes = size_bytes;
    side->peer = *peer;
}

static void sent(void *context) {
    ((struct side *)context)->sent++;
}

static const struct skep__port_events events = {.received = received, .sent = sent};

struct pair {
    struct skep__hub *hub;
    struct side from, to;
};

static struct pair open_pair(struct pump *pump, enum skep__port_kind from, enum skep__port_kind to) {
    struct pair pair = {.hub = NULL};
    assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.from.port, pair.hub, from, &events, NULL), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, to, &events, NULL), SKEP_OK);
    return pair;
}

/* A pair whose events find it. */
static void open_on(struct skep__hub *hub, struct pair *pair) {
    *pair = (struct pair){.hub = hub};
    assert_int_equal(skep__port_new(&pair->from.port, hub, SKEP__PORT_PUSH, &events, &pair->from), SKEP_OK);
    assert_int_equal(skep__port_new(&pair->to.port, hub, SKEP__PORT_PULL, &events, &pair->to), SKEP_OK);
}

static void open_connected(struct pump *pump, struct pair *pair, bool dial_from) {
    struct skep__hub *hub = NULL;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    open_on(hub, pair);
    assert_int_equal(skep__port_listen(dial_from ? pair->to.port : pair->from.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_dial(dial_from ? pair->from.port : pair->to.port, pump->url), SKEP_OK);
}

static void close_pair(struct pair *pair) {
    skep__port_free(&pair->from.port);
    skep__port_free(&pair->to.port);
    assert_null(pair->from.port);
    skep__port_free(&pair->from.port);
    skep__hub_free(&pair->hub);
    assert_null(pair->hub);
    skep__hub_free(&pair->hub);
}

/* --- frames --- */

static void send_and_wait(struct pump *pump, struct pair *pair, const void *data, size_t size_bytes) {
    unsigned before = pair->to.received;
    assert_int_equal(skep__port_send(pair->from.port, data, size_bytes), SKEP_OK);
    PUMP_UNTIL(pump, pair->to.received > before && !skep__port_is_sending(pair->from.port, true));
}

/* NNG 1.5 may never finish with a connection that ends while a frame is in the middle of it: these tests let it come to
 * rest. */
static void let_rest(struct pump *pump) {
    uint64_t since_ms = uv_now(&pump->loop);
    PUMP_LOOK_UNTIL(pump, uv_now(&pump->loop) - since_ms > 100);
}

/* What is sent while a connection ends may be lost with it. */
static bool send_again(struct pair *pair) {
    if (!skep__port_is_sending(pair->from.port, true))
        assert_int_equal(skep__port_send(pair->from.port, "next", 4), SKEP_OK);
    return true;
}

static void test_a_frame(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    char copied[] = "frame";
    open_connected(pump, &pair, true);
    assert_false(skep__port_is_sending(pair.from.port, false));
    assert_int_equal(skep__port_send(pair.from.port, copied, 5), SKEP_OK);
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
        assert_int_equal(skep__port_send(pair.from.port, &i, sizeof i), SKEP_OK);
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
    assert_int_equal(skep__port_send(pair.from.port, "waits", 5), SKEP_OK); /* for somebody to dial */
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
        assert_int_equal(skep__port_send(side->port, chunk, CHUNK_BYTES), SKEP_OK);
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
    assert_in_range(count, 8 * 1024 * 1024 / CHUNK_BYTES, SENT_AT_MOST - 1);
    assert_int_equal(to.received, 0);
    PUMP_UNTIL(reader, to.received == count);
    PUMP_UNTIL(pump, !skep__port_is_sending(from.port, true));
    assert_int_equal(skep__port_send(from.port, "again", 5), SKEP_OK);
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

static void test_a_peer_is_ended(void **state) {
    struct pump *pump = *state;
    struct pair pair;
    open_connected(pump, &pair, true);
    send_and_wait(pump, &pair, "first", 5);
    uint32_t pipe = pair.to.peer.pipe;
    skep__port_end_peer(pipe);
    let_rest(pump);
    PUMP_LOOK_UNTIL(pump, pair.to.peer.pipe != pipe || !send_again(&pair)); /* over a new connection */
    assert_int_equal(pair.to.peer.pid, getpid());
    let_rest(pump);
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
        assert_int_equal(skep__port_send(pair.from.port, &i, sizeof i), SKEP_OK);
        PUMP_LOOK_UNTIL(waiter, !skep__port_is_sending(pair.from.port, false));
    }
    let_rest(waiter);
    close_pair(&pair);
    assert_int_equal(pump_teardown((void **)&waiter), 0);
    pump_turns(pump, 3);
    assert_int_equal(pair.to.received, 0);
    assert_int_equal(pair.from.sent, 0);
}

/* --- closing --- */

/* A client by hand: greets as PUSH does. */
static int connect_by_hand(const struct pump *pump) {
    static const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", pump->url + strlen("ipc://"));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, greeting, sizeof greeting, MSG_NOSIGNAL), sizeof greeting);
    return fd;
}

static void send_by_hand(int fd, unsigned char size_bytes, const char *body) {
    unsigned char head[9] = {1, 0, 0, 0, 0, 0, 0, 0, size_bytes};
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    assert_int_equal(send(fd, body, strlen(body), MSG_NOSIGNAL), strlen(body));
}

/* Half a frame has come, and no more does. The path is free at once. */
static void test_closed_with_half_a_frame(void **state) {
    struct pump *pump = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct pair pair = {.hub = NULL};
        assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
        assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_PULL, &events, &pair.to), SKEP_OK);
        assert_int_equal(skep__port_listen(pair.to.port, pump->url), SKEP_OK);
        int fd = connect_by_hand(pump);
        send_by_hand(fd, 5, "whole");
        PUMP_UNTIL(pump, pair.to.received == 1);
        send_by_hand(fd, 5, "ha");
        let_rest(pump);
        skep__port_end_peer(pair.to.peer.pipe);
        skep__port_free(&pair.to.port);
        assert_int_equal(access(pump->url + strlen("ipc://"), F_OK), -1);
        skep__hub_free(&pair.hub);
        pump_turns(pump, 3);
        close(fd);
    }
}

/* One after the other on the same path, each with its peers: what is closed late must not take the next one's. */
static void test_the_same_path_again(void **state) {
    struct pump *pump = *state;
    struct pair pair = {.hub = NULL};
    assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
    for (unsigned i = 0; i < 50; i++) {
        struct side to = {.port = NULL};
        assert_int_equal(skep__port_new(&to.port, pair.hub, SKEP__PORT_PULL, &events, &to), SKEP_OK);
        assert_int_equal(skep__port_listen(to.port, pump->url), SKEP_OK);
        int fd = connect_by_hand(pump);
        send_by_hand(fd, 5, "whole");
        PUMP_UNTIL(pump, to.received == 1);
        skep__port_free(&to.port);
        close(fd);
    }
    skep__hub_free(&pair.hub);
}

/* A peer by hand that waits for a port to dial, and greets it as PUSH does. */
static int accept_by_hand(const struct pump *pump, struct skep__port *port) {
    static const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = pump->url + strlen("ipc://");
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(skep__port_dial_soon(port, pump->url), SKEP_OK);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(send(fd, greeting, sizeof greeting, MSG_NOSIGNAL), sizeof greeting);
    close(listener);
    unlink(path);
    return fd;
}

/* Though frames keep coming until the socket is closed. */
static void test_no_event_after_the_end(void **state) {
    struct pump *pump = *state;
    for (unsigned i = 0; i < 10; i++) {
        struct pair pair = {.hub = NULL};
        assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
        assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_PULL, &events, &pair.to), SKEP_OK);
        int fd = accept_by_hand(pump, pair.to.port);
        send_by_hand(fd, 5, "first");
        PUMP_UNTIL(pump, pair.to.received > 0);
        for (unsigned k = 0; k < 300; k++) send_by_hand(fd, 4, "more");
        unsigned before = pair.to.received;
        skep__port_free(&pair.to.port);
        let_rest(pump);
        assert_int_equal(pair.to.received, before);
        skep__hub_free(&pair.hub);
        pump_turns(pump, 3);
        close(fd);
    }
}

/* A pair with a large frame on its way. */
static void open_moving(struct pump *pump, struct skep__hub *hub, struct pair *pair, const char *large) {
    open_on(hub, pair);
    assert_int_equal(skep__port_listen(pair->to.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_dial(pair->from.port, pump->url), SKEP_OK);
    send_and_wait(pump, pair, "first", 5);
    assert_int_equal(skep__port_send(pair->from.port, large, SKEP_MAX_FRAME), SKEP_OK);
}

/* NNG's closing waits for ever if a connection ends on this side while a frame moves, and so does all that it closes
 * afterwards. The loop does not, no event comes, and what is opened then works. */
static void test_closed_while_frames_move(void **state) {
    struct pump *pump = *state;
    struct skep__hub *hub = NULL;
    struct pair pair;
    char *large = calloc(1, SKEP_MAX_FRAME);
    assert_non_null(large);
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    for (unsigned i = 0; i < MOVING; i++) {
        open_moving(pump, hub, &pair, large);
        skep__port_free(&pair.from.port);
        skep__port_free(&pair.to.port);
        assert_int_equal(access(pump->url + strlen("ipc://"), F_OK), -1);
        pump_turns(pump, 3);
        assert_int_equal(pair.to.received, 1);
    }
    skep__hub_free(&hub);
    open_connected(pump, &pair, true);
    send_and_wait(pump, &pair, large, SKEP_MAX_FRAME);
    free(large);
    close_pair(&pair);
}

/* Of what nobody takes, one message is under way and another waits behind it. Both are freed with the port. */
static void test_freed_with_messages_unsent(void **state) {
    struct pump *pump = *state;
    struct side from = {.port = NULL};
    struct skep__hub *hub = NULL;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&from.port, hub, SKEP__PORT_PUSH, &events, &from), SKEP_OK);
    assert_int_equal(skep__port_send(from.port, "first", 5), SKEP_OK);
    assert_true(skep__port_has_room(from.port));
    assert_int_equal(skep__port_send(from.port, "second", 6), SKEP_OK);
    assert_false(skep__port_has_room(from.port));
    skep__port_free(&from.port);
    skep__hub_free(&hub);
    pump_turns(pump, 3);
    assert_int_equal(from.sent, 0);
}

static void test_publishing(void **state) {
    struct pump *pump = *state;
    struct pair pair = {.hub = NULL};
    assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.from.port, pair.hub, SKEP__PORT_PUB, &events, &pair.from), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_SUB, &events, &pair.to), SKEP_OK);
    assert_int_equal(skep__port_listen(pair.from.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_send(pair.from.port, "to nobody", 9), SKEP_OK);
    PUMP_UNTIL(pump, !skep__port_is_sending(pair.from.port, true));
    assert_int_equal(skep__port_dial(pair.to.port, pump->url), SKEP_OK);
    PUMP_LOOK_UNTIL(pump, pair.to.received > 0 || !send_again(&pair)); /* the publisher hears of it a little later */
    let_rest(pump);
    assert_memory_equal(pair.to.last, "next", 4);
    let_rest(pump);
    close_pair(&pair);
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
        PUMP_TEST(test_a_peer_is_ended),
        PUMP_TEST(test_a_receiver_that_comes_back),
        PUMP_TEST(test_freed_with_frames_waiting),
        PUMP_TEST(test_closed_with_half_a_frame),
        PUMP_TEST(test_the_same_path_again),
        PUMP_TEST(test_no_event_after_the_end),
        PUMP_TEST(test_freed_with_messages_unsent),
        PUMP_TEST(test_publishing),
        PUMP_TEST(test_closed_while_frames_move), /* the last one, since NNG may be the worse for it */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
