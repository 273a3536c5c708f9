/* SPDX-License-Identifier: MIT
 * The loop's transport without memory: who holds some back is asked for it, and nothing that has come is lost. */
#include "lib/transport/by_hand.h"
#include "lib/transport/port_pair.h"
#include "scarce.h"

#include "transport/loop.h"

enum { FRAME_BYTES = 100 * 1000 };

static unsigned asked;
static bool frees; /* whether there is something to be freed */

static bool lacks(void *context) {
    asked++;
    assert_ptr_equal(context, &asked);
    if (frees) scarce_has = NULL;
    return frees;
}

/* --- frames --- */

struct watched {
    struct side side; /* first member */
    unsigned gone;
};

static void disconnected(void *context, const struct skep__peer *peer) {
    struct watched *watched = context;
    (void)peer;
    watched->gone++;
}

static struct skep__hub *open_pull(struct pump *pump, struct watched *to, int *fd) {
    static const struct skep__port_events watching = {.received = received, .disconnected = disconnected};
    struct skep__hub *hub = NULL;
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    *to = (struct watched){.gone = 0};
    asked = 0;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    skep__hub_on_lack(hub, lacks, &asked);
    assert_int_equal(skep__port_new(&to->side.port, hub, SKEP__PORT_PULL, &watching, to), SKEP_OK);
    assert_int_equal(skep__port_listen(to->side.port, pump->url), SKEP_OK);
    *fd = hand_connect(pump);
    hand_greet(*fd, SKEP__SP_PUSH);
    hand_expect(pump, *fd, greeting, sizeof greeting);
    return hub;
}

static void close_pull(struct watched *to, struct skep__hub *hub, int fd) {
    scarce_has = NULL;
    close(fd);
    skep__port_free(&to->side.port);
    skep__hub_free(&hub);
}

/* Half of a frame has to be kept until the other half comes. */
static void send_half(struct pump *pump, int fd, const char *body) {
    hand_head(fd, FRAME_BYTES);
    hand_send(fd, body, FRAME_BYTES / 2);
    scarce_has = scarce_nothing;
    PUMP_LOOK_UNTIL(pump, asked > 0);
    hand_turns(pump, 2);
}

static void test_a_frame_is_read_when_memory_is_freed(void **state) {
    struct pump *pump = *state;
    struct watched to;
    int fd;
    char *body = calloc(1, FRAME_BYTES);
    struct skep__hub *hub = open_pull(pump, &to, &fd);
    assert_non_null(body);
    frees = true;
    hand_frame(fd, "first", 5); /* the hub has its buffer from here on */
    PUMP_UNTIL(pump, to.side.received == 1);
    send_half(pump, fd, body);
    hand_send(fd, body, FRAME_BYTES / 2);
    hand_frame(fd, "last", 4);
    PUMP_UNTIL(pump, to.side.received == 3);
    assert_int_equal(asked, 1);
    assert_int_equal(to.gone, 0);
    close_pull(&to, hub, fd);
    free(body);
}

/* The peer sees the end, and sends again what it could not send whole. */
static void test_a_connection_ends_if_none_is_freed(void **state) {
    struct pump *pump = *state;
    struct watched to;
    int fd;
    char *body = calloc(1, FRAME_BYTES);
    struct skep__hub *hub = open_pull(pump, &to, &fd);
    assert_non_null(body);
    frees = false;
    hand_frame(fd, "first", 5);
    PUMP_UNTIL(pump, to.side.received == 1);
    send_half(pump, fd, body);
    scarce_has = NULL;
    PUMP_UNTIL(pump, to.gone == 1);
    assert_int_equal(to.side.received, 1);
    close_pull(&to, hub, fd);
    free(body);
}

static void test_a_connection_is_taken_when_memory_is_freed(void **state) {
    struct pump *pump = *state;
    struct watched to;
    int fd;
    struct skep__hub *hub = open_pull(pump, &to, &fd);
    frees = true;
    int second = hand_connect(pump);
    hand_greet(second, SKEP__SP_PUSH);
    hand_frame(second, "second", 6);
    scarce_has = scarce_nothing;
    PUMP_LOOK_UNTIL(pump, to.side.received == 1);
    assert_int_equal(asked, 1);
    close(second);
    close_pull(&to, hub, fd);
}

/* Of a large one the socket takes a part; the rest has to be copied, or the connection would have to end. */
static void test_the_rest_of_a_frame_is_kept_when_memory_is_freed(void **state) {
    static const struct skep__port_events watching = {.disconnected = disconnected};
    struct pump *pump = *state;
    struct watched from = {.gone = 0};
    struct skep__hub *hub = NULL;
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    char *payload = calloc(1, SKEP_MAX_PAYLOAD), *got = malloc(SKEP_MAX_FRAME);
    struct skep_bytes items[3] = {
        {payload, SKEP_MAX_PAYLOAD}, {payload, SKEP_MAX_PAYLOAD}, {payload, SKEP_MAX_PAYLOAD}};
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_loans loans = {.count = 0};
    struct skep_frame frame = {.loans = &loans};
    assert_true(payload != NULL && got != NULL);
    asked = 0;
    frees = true;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    skep__hub_on_lack(hub, lacks, &asked);
    int listener = hand_listen(pump), fd = -1;
    assert_int_equal(skep__port_new(&from.side.port, hub, SKEP__PORT_PUSH, &watching, &from), SKEP_OK);
    assert_int_equal(skep__port_dial(from.side.port, pump->url), SKEP_OK);
    PUMP_LOOK_UNTIL(pump, (fd = accept(listener, NULL, NULL)) >= 0);
    hand_expect(pump, fd, greeting, sizeof greeting);
    hand_greet(fd, SKEP__SP_PULL);
    command.jobs = (struct skep_command_jobs){
        .queue = {"q", 1}, .delivery = 1, .id = 1, .lease_ms = 1, .jobs = {.count = 3, .borrowed = items}};
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    size_t whole_bytes = skep__frame_bytes(&frame);
    scarce_has = scarce_nothing;
    int status = skep__port_send(from.side.port, &frame);
    scarce_has = NULL;
    assert_int_equal(status, SKEP_OK);
    assert_int_equal(asked, 1);
    assert_int_equal(hand_expect_frame(pump, fd, got, SKEP_MAX_FRAME), whole_bytes);
    assert_int_equal(from.gone, 0);
    close(fd);
    close(listener);
    skep__port_free(&from.side.port);
    skep__hub_free(&hub);
    skep__frame_free(&frame);
    free(payload);
    free(got);
}

/* --- answers --- */

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    unsigned *calls = context;
    (*calls)++;
    frees = true;
    scarce_has = scarce_nothing;
    skep__call_answer(call, data, size_bytes);
}

static void test_a_question_is_answered_when_memory_is_freed(void **state) {
    static const struct skep__server_events answering = {.called = called};
    struct pump *pump = *state;
    struct skep__hub *hub = NULL;
    struct skep__server *server;
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    char got[16];
    unsigned calls = 0;
    asked = 0;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    skep__hub_on_lack(hub, lacks, &asked);
    assert_int_equal(skep__server_new(&server, hub, pump->url, &answering, &calls), SKEP_OK);
    int fd = hand_connect(pump);
    hand_greet(fd, SKEP__SP_REQ);
    hand_expect(pump, fd, greeting, sizeof greeting);
    frees = true;
    scarce_has = scarce_nothing;
    hand_frame(fd, "\x80\0\0\1question", 12);
    assert_int_equal(hand_expect_frame(pump, fd, got, sizeof got), 12);
    assert_int_equal(calls, 1);
    assert_int_equal(asked, 2); /* for the question, for the answer */
    close(fd);
    skep__server_free(&server);
    skep__hub_free(&hub);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_frame_is_read_when_memory_is_freed),
        PUMP_TEST(test_a_connection_ends_if_none_is_freed),
        PUMP_TEST(test_a_connection_is_taken_when_memory_is_freed),
        PUMP_TEST(test_the_rest_of_a_frame_is_kept_when_memory_is_freed),
        PUMP_TEST(test_a_question_is_answered_when_memory_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
