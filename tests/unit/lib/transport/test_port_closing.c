/* SPDX-License-Identifier: MIT
 * Ports that are closed, at rest and in the middle of things. */
#include "lib/transport/port_pair.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

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

enum { MORE = 40 /* frames, which fit into the socket while nobody reads */ };

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
        for (unsigned k = 0; k < MORE; k++) send_by_hand(fd, 4, "more");
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
    assert_int_equal(send_bytes(pair->from.port, large, SKEP_MAX_FRAME), SKEP_OK);
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

static void test_publishing(void **state) {
    struct pump *pump = *state;
    struct pair pair = {.hub = NULL};
    assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.from.port, pair.hub, SKEP__PORT_PUB, &events, &pair.from), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, SKEP__PORT_SUB, &events, &pair.to), SKEP_OK);
    assert_int_equal(skep__port_listen(pair.from.port, pump->url), SKEP_OK);
    assert_int_equal(send_bytes(pair.from.port, "to nobody", 9), SKEP_OK);
    PUMP_UNTIL(pump, !skep__port_is_sending(pair.from.port, true));
    assert_int_equal(skep__port_dial(pair.to.port, pump->url), SKEP_OK);
    PUMP_LOOK_UNTIL(pump, pair.to.received > 0 || !send_again(&pair)); /* the publisher hears of it a little later */
    let_rest(pump);
    assert_memory_equal(pair.to.last, "next", 4);
    let_rest(pump);
    close_pair(&pair);
}

/* What nobody takes is freed with the port: the frame under way and, with NNG, another that waits behind it. */
static void test_freed_with_messages_unsent(void **state) {
    struct pump *pump = *state;
    struct side from = {.port = NULL};
    struct skep__hub *hub = NULL;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&from.port, hub, SKEP__PORT_PUSH, &events, &from), SKEP_OK);
    unsigned given = 0;
    for (; skep__port_has_room(from.port); given++) assert_int_equal(send_bytes(from.port, "frame", 5), SKEP_OK);
    assert_in_range(given, 1, 2);
    skep__port_free(&from.port);
    skep__hub_free(&hub);
    pump_turns(pump, 3);
    assert_int_equal(from.sent, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_freed_with_messages_unsent),
        PUMP_TEST(test_closed_with_half_a_frame),
        PUMP_TEST(test_the_same_path_again),
        PUMP_TEST(test_no_event_after_the_end),
        PUMP_TEST(test_publishing),
        PUMP_TEST(test_closed_while_frames_move), /* the last one, since NNG may be the worse for it */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
