/* SPDX-License-Identifier: MIT
 * Publishing on the loop: nothing is missed by who keeps up, and who does not costs no more than so much. */
#include "lib/transport/by_hand.h"
#include "lib/transport/port_pair.h"

#include "transport/loop.h"

enum { NUMBERED_BYTES = 16 * 1024, PUBLISHED = 600, DEPTH = 128, SMALL = 100 };

struct publisher {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__port *port;
    unsigned next; /* number */
    char *body;
};

static void begin(struct publisher *publisher, struct pump *pump) {
    static const struct skep__port_events none = {.received = NULL};
    *publisher = (struct publisher){.pump = pump, .body = calloc(1, SKEP_MAX_FRAME)};
    assert_non_null(publisher->body);
    assert_int_equal(skep__hub_new(&publisher->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&publisher->port, publisher->hub, SKEP__PORT_PUB, &none, NULL), SKEP_OK);
    assert_int_equal(skep__port_listen(publisher->port, pump->url), SKEP_OK);
}

static void end(struct publisher *publisher) {
    skep__port_free(&publisher->port);
    skep__hub_free(&publisher->hub);
    free(publisher->body);
}

static void publish(struct publisher *publisher, size_t size_bytes) {
    unsigned number = publisher->next++;
    memcpy(publisher->body, &number, sizeof number);
    assert_int_equal(send_bytes(publisher->port, publisher->body, size_bytes), SKEP_OK);
}

/* The latest connection of the publisher */
static struct skep__pipe *pipe_of(const struct publisher *publisher) {
    return LIST_FIRST(&((struct skep__loop_port *)publisher->port)->pipes);
}

/* Connected, and greeted by the publisher. */
static int subscribe(const struct publisher *publisher) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    int fd = hand_connect(publisher->pump);
    hand_greet(fd, SKEP__SP_SUB);
    hand_expect(publisher->pump, fd, greeting, sizeof greeting);
    return fd;
}

static unsigned expect_number(const struct publisher *publisher, int fd, size_t size_bytes) {
    unsigned number;
    char *body = malloc(size_bytes);
    assert_non_null(body);
    assert_int_equal(hand_expect_frame(publisher->pump, fd, body, size_bytes), size_bytes);
    memcpy(&number, body, sizeof number);
    free(body);
    return number;
}

/* The publisher greets last: who has its greeting is one of those that it publishes to. */
static void test_greeted_is_subscribed(void **state) {
    struct publisher publisher;
    char byte;
    begin(&publisher, *state);
    publish(&publisher, 4); /* to nobody */
    int fd = hand_connect(publisher.pump);
    PUMP_LOOK_UNTIL(publisher.pump, pipe_of(&publisher) != NULL);
    assert_int_equal(hand_read(fd, &byte, 1), -1);
    publish(&publisher, 4); /* it has not said that it subscribes */
    assert_int_equal(hand_read(fd, &byte, 1), -1);
    close(fd);
    fd = subscribe(&publisher);
    publish(&publisher, 4);
    assert_int_equal(expect_number(&publisher, fd, 4), 2);
    close(fd);
    end(&publisher);
}

/* Of what a subscriber missed the rest is whole, in order, and the latest; who reads misses nothing. */
static void test_a_slow_subscriber(void **state) {
    struct publisher publisher;
    unsigned count = 1, number = 0;
    begin(&publisher, *state);
    int slow = subscribe(&publisher), quick = subscribe(&publisher);
    for (unsigned i = 0; i < PUBLISHED; i++) {
        publish(&publisher, NUMBERED_BYTES);
        assert_int_equal(expect_number(&publisher, quick, NUMBERED_BYTES), i);
    }
    assert_int_equal(expect_number(&publisher, slow, NUMBERED_BYTES), 0); /* it had left */
    for (; number < PUBLISHED - 1; count++) {
        unsigned next = expect_number(&publisher, slow, NUMBERED_BYTES);
        assert_true(next > number);
        number = next;
    }
    assert_in_range(count, DEPTH, PUBLISHED - DEPTH);
    close(slow);
    close(quick);
    end(&publisher);
}

/* However small the frames are that go, the large ones that come are bounded. */
static void test_what_a_subscriber_may_cost(void **state) {
    struct publisher publisher;
    begin(&publisher, *state);
    int fd = subscribe(&publisher);
    const struct skep__pipe *pipe = pipe_of(&publisher);
    while (pipe->outgoing_bytes == 0) publish(&publisher, NUMBERED_BYTES);
    for (unsigned i = 0; i < SMALL; i++) publish(&publisher, 4);
    for (unsigned i = 0; i < 20; i++) {
        publish(&publisher, SKEP_MAX_FRAME);
        assert_in_range(pipe->outgoing_bytes, SKEP_MAX_FRAME, 3 * SKEP_MAX_FRAME + 2 * SKEP__SP_HEAD_BYTES);
    }
    close(fd);
    end(&publisher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_greeted_is_subscribed),
        PUMP_TEST(test_a_slow_subscriber),
        PUMP_TEST(test_what_a_subscriber_may_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
