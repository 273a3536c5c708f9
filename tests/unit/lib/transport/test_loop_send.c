/* SPDX-License-Identifier: MIT
 * What a connection on the loop sends: while its socket takes it, when that is full, and when it ends. */
#include "lib/transport/by_hand.h"

#include "contract.h"

enum { PIECES = 5, PIECE_BYTES = 32 * 1024 };

struct piece {
    struct skep__outgoing outgoing; /* first member */
    unsigned left, lost;            /* times that it was told so */
};

struct sender {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__pipe *pipe; /* NULL: it has ended */
    int fd;                  /* the reader's, by hand */
    unsigned ended;
    struct piece pieces[PIECES];
    char body[PIECE_BYTES];
};

static void ended(struct skep__pipe *pipe, bool all_read) {
    (void)all_read;
    struct sender *sender = pipe->owner;
    sender->ended++;
    sender->pipe = NULL;
}

static void piece_done(struct skep__outgoing *outgoing, bool left) {
    struct piece *piece = (struct piece *)outgoing;
    if (left) piece->left++;
    else piece->lost++;
}

static void open_sender(struct sender *sender, struct pump *pump) {
    static const struct skep__pipe_events events = {.ended = ended};
    struct skep__end own = {.pid = getpid(), .uid = getuid()};
    int fds[2];
    *sender = (struct sender){.pump = pump};
    assert_int_equal(skep__hub_new(&sender->hub, &pump->loop), SKEP_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    own.fd = fds[0];
    sender->fd = fds[1];
    assert_int_equal(
        skep__pipe_new(&sender->pipe, (struct skep__loop_hub *)sender->hub, &own, SKEP__SP_PUSH, &events, sender),
        SKEP_OK);
    hand_greet(sender->fd, SKEP__SP_PULL);
    hand_turns(pump, 2);
}

static void free_sender(struct sender *sender) {
    if (sender->pipe != NULL) skep__pipe_close(sender->pipe);
    close(sender->fd);
    skep__hub_free(&sender->hub);
}

static bool send_piece(struct sender *sender, unsigned i, size_t size_bytes) {
    struct piece *piece = &sender->pieces[i];
    skep__sp_head(piece->outgoing.head, size_bytes);
    piece->outgoing.head_bytes = SKEP__SP_HEAD_BYTES;
    piece->outgoing.body = sender->body;
    piece->outgoing.body_bytes = size_bytes;
    piece->outgoing.done = piece_done;
    return skep__pipe_send(sender->pipe, &piece->outgoing);
}

/* Pieces leave until the first does not; it waits whole, or in part. */
static void fill_socket(struct sender *sender, size_t piece_bytes) {
    static const int buffer_bytes = 4096; /* the least that there is */
    assert_int_equal(setsockopt(sender->pipe->fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes), 0);
    for (unsigned tries = 0; send_piece(sender, 0, piece_bytes); tries++) assert_in_range(tries, 0, 10000);
}

static void test_leaves_at_once(void **state) {
    struct sender sender;
    char body[8];
    open_sender(&sender, *state);
    assert_true(send_piece(&sender, 0, 3));
    assert_int_equal(sender.pieces[0].left, 0); /* never inside the call */
    hand_expect(sender.pump, sender.fd, body, SKEP__SP_GREETING_BYTES);
    assert_int_equal(hand_expect_frame(sender.pump, sender.fd, body, sizeof body), 3);
    free_sender(&sender);
}

static void test_leaves_later(void **state) {
    struct sender sender;
    char rest[4096];
    open_sender(&sender, *state);
    fill_socket(&sender, PIECE_BYTES);
    for (unsigned i = 1; i < PIECES; i++) assert_false(send_piece(&sender, i, PIECE_BYTES));
    skep__pipe_shut(sender.pipe); /* when all of it has left */
    for (ssize_t n; (n = hand_read(sender.fd, rest, sizeof rest)) != 0;)
        if (n < 0) hand_turns(sender.pump, 1);
    for (unsigned i = 0; i < PIECES; i++) assert_int_equal(sender.pieces[i].left, 1);
    assert_int_equal(sender.ended, 0);
    assert_int_equal(sender.pipe->outgoing_bytes, 0);
    free_sender(&sender);
}

/* done is called once for each, also for those that have begun to leave. */
static void test_lost_when_closed(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    fill_socket(&sender, PIECE_BYTES);
    for (unsigned i = 1; i < PIECES; i++) assert_false(send_piece(&sender, i, 10));
    skep__pipe_close(sender.pipe);
    sender.pipe = NULL;
    for (unsigned i = 0; i < PIECES; i++) {
        assert_int_equal(sender.pieces[i].lost, 1);
        assert_int_equal(sender.pieces[i].left, 0);
    }
    free_sender(&sender);
}

static void test_taken_back(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    fill_socket(&sender, PIECE_BYTES);
    assert_true(sender.pipe->written_bytes > 0);
    assert_false(send_piece(&sender, 1, 10));
    assert_false(skep__pipe_unsend(sender.pipe, &sender.pieces[0].outgoing)); /* it has begun */
    assert_true(skep__pipe_unsend(sender.pipe, &sender.pieces[1].outgoing));
    PUMP_LOOK_UNTIL(sender.pump, sender.pieces[0].left == 1 || hand_has_ended(sender.fd));
    assert_int_equal(sender.pieces[1].left + sender.pieces[1].lost, 0);
    free_sender(&sender);
}

/* Nothing waits any more, and nothing is polled for, though the reader reads again. */
static void test_no_spinning_when_the_last_is_taken_back(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    fill_socket(&sender, 10); /* such a small one leaves whole or not at all */
    assert_int_equal(sender.pipe->written_bytes, 0);
    assert_true(skep__pipe_unsend(sender.pipe, &sender.pieces[0].outgoing));
    hand_has_ended(sender.fd);
    assert_in_range(hand_count_turns(sender.pump), 0, 20);
    free_sender(&sender);
}

static void test_no_spinning_with_a_full_socket(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    fill_socket(&sender, PIECE_BYTES);
    assert_in_range(hand_count_turns(sender.pump), 0, 20);
    free_sender(&sender);
}

/* A peer that stops reading and stays is disconnected after a while. */
static void test_a_peer_that_closes_the_half_it_reads(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    shutdown(sender.fd, SHUT_RD);
    assert_false(send_piece(&sender, 0, 10));
    assert_in_range(hand_count_turns(sender.pump), 0, 20);
    assert_int_equal(sender.ended, 0);
    hand_hurry(sender.hub);
    PUMP_UNTIL(sender.pump, sender.ended == 1);
    assert_int_equal(sender.pieces[0].lost, 1);
    free_sender(&sender);
}

static bool sends_until_ended(struct sender *sender) {
    if (sender->pipe != NULL) assert_true(send_piece(sender, 0, 10));
    return hand_has_ended(sender->fd);
}

/* It is late with its head, however eagerly it reads. */
static void test_half_a_head_from_who_is_sent_to(void **state) {
    struct sender sender;
    open_sender(&sender, *state);
    hand_send(sender.fd, "\1\0\0", 3);
    hand_turns(sender.pump, 2);
    hand_hurry(sender.hub);
    PUMP_LOOK_UNTIL(sender.pump, sends_until_ended(&sender));
    assert_int_equal(sender.ended, 1);
    free_sender(&sender);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_leaves_at_once),
        PUMP_TEST(test_leaves_later),
        PUMP_TEST(test_lost_when_closed),
        PUMP_TEST(test_taken_back),
        PUMP_TEST(test_no_spinning_when_the_last_is_taken_back),
        PUMP_TEST(test_no_spinning_with_a_full_socket),
        PUMP_TEST(test_a_peer_that_closes_the_half_it_reads),
        PUMP_TEST(test_half_a_head_from_who_is_sent_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
