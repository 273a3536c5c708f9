/* SPDX-License-Identifier: MIT
 * The hub of a loop: its timer runs while somebody is waited for, and what is refused sees an end. */
#include "lib/transport/by_hand.h"

static unsigned looks;
static bool waits;       /* whether somebody is still waited for */
static int *refused_now; /* the look refuses a connection, whose peer this is; NULL: none */

/* Connections that are refused, with their peers' ends */
static void dismiss(struct skep__loop_hub *hub, int peers[], unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        skep__loop_hub_dismiss(hub, fds[0]);
        peers[i] = fds[1];
    }
}

static bool look(struct skep__loop_hub *hub) {
    looks++;
    if (refused_now != NULL) dismiss(hub, refused_now, 1);
    refused_now = NULL;
    return waits;
}

static struct skep__loop_hub *open_hub(struct pump *pump) {
    struct skep__hub *hub = NULL;
    looks = 0;
    waits = false;
    refused_now = NULL;
    assert_int_equal(skep__loop_hub_make(&hub, &pump->loop, look), SKEP_OK);
    return (struct skep__loop_hub *)hub;
}

static bool is_watching(const struct skep__loop_hub *hub) {
    return uv_is_active((const uv_handle_t *)&hub->timer) != 0;
}

/* Until nobody is waited for. */
static void run_out(struct pump *pump, struct skep__loop_hub *hub) {
    waits = false;
    hand_hurry(&hub->common);
    PUMP_LOOK_UNTIL(pump, !is_watching(hub));
}

static void test_it_looks_while_somebody_is_waited_for(void **state) {
    struct pump *pump = *state;
    struct skep__loop_hub *hub = open_hub(pump);
    assert_false(is_watching(hub));
    waits = true;
    skep__loop_hub_watch(hub);
    hand_hurry(&hub->common);
    PUMP_LOOK_UNTIL(pump, looks == 3);
    unsigned before = looks;
    run_out(pump, hub);
    assert_int_equal(looks, before + 1);
    skep__loop_hub_watch(hub);
    assert_true(is_watching(hub));
    skep__loop_hub_free(&hub->common);
}

/* What the peer writes is no error to it for as long as the other end is open. */
static bool is_open(int peer) {
    return send(peer, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static void test_one_that_is_refused_is_closed_later(void **state) {
    struct pump *pump = *state;
    struct skep__loop_hub *hub = open_hub(pump);
    int peer;
    dismiss(hub, &peer, 1);
    assert_true(hand_has_ended(peer));
    assert_true(is_open(peer));
    run_out(pump, hub);
    assert_int_equal(looks, 1);
    assert_false(is_open(peer));
    close(peer);
    skep__loop_hub_free(&hub->common);
}

/* An owner that learns of an end may have what waits accepted, and so refused. */
static void test_one_that_is_refused_within_a_look(void **state) {
    struct pump *pump = *state;
    struct skep__loop_hub *hub = open_hub(pump);
    int peer;
    refused_now = &peer;
    skep__loop_hub_watch(hub);
    run_out(pump, hub);
    assert_int_equal(looks, 2);
    assert_true(hand_has_ended(peer));
    assert_false(is_open(peer));
    close(peer);
    skep__loop_hub_free(&hub->common);
}

static void test_few_stay_open(void **state) {
    struct skep__loop_hub *hub = open_hub(*state);
    int peers[SKEP__DISMISSED_MOST + 1];
    dismiss(hub, peers, SKEP__DISMISSED_MOST + 1);
    for (unsigned i = 0; i < SKEP__DISMISSED_MOST; i++) assert_false(is_open(peers[i]));
    assert_true(is_open(peers[SKEP__DISMISSED_MOST]));
    skep__loop_hub_free(&hub->common);
    for (unsigned i = 0; i <= SKEP__DISMISSED_MOST; i++) {
        assert_false(is_open(peers[i]));
        close(peers[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_it_looks_while_somebody_is_waited_for),
        PUMP_TEST(test_one_that_is_refused_is_closed_later),
        PUMP_TEST(test_one_that_is_refused_within_a_look),
        PUMP_TEST(test_few_stay_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
