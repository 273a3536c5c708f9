/* SPDX-License-Identifier: MIT
 * Who gets a connection: made-up workers at a made-up listener; sticky clients by real addresses. */
#include "broker/hatch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { WORKERS = 4, CATCH_UP = 8, LATE_MS = 5 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__listener listener;
    skep_child *children[WORKERS];
};

static void open_bench(struct bench *bench, struct pump *pump, enum skep_policy policy) {
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &(skep_settings){.policy = policy});
    bench->cluster->connections->max_in_flight = 1000;
    hatch_listener(&bench->listener, bench->cluster);
    for (uint32_t i = 0; i < WORKERS; i++) {
        bench->children[i] = hatch_child(bench->cluster, i);
        hatch_seat(&bench->listener, bench->children[i]);
    }
}

static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < WORKERS; i++) hatch_free_child(bench->children[i]);
    assert_int_equal(bench->listener.queued, 0);
    assert_int_equal(bench->cluster->connections->in_flight, 0);
    skep__heap_free(&bench->listener.heap);
    hatch_free(bench->pump, &bench->cluster);
}

/* Which worker gets a connection; WORKERS: none can take it. */
static unsigned give_fd(struct bench *bench, int fd) {
    uint64_t before[WORKERS];
    struct skep__connection *connection = hatch_connection(&bench->listener, fd);
    for (unsigned i = 0; i < WORKERS; i++) before[i] = bench->children[i]->taker->accepted;
    if (!skep__dispatch(connection)) {
        skep__connection_drop(connection);
        return WORKERS;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        if (bench->children[i]->taker->accepted == before[i]) continue;
        bench->children[i]->taker->unsent = NULL; /* it has left */
        return i;
    }
    fail_msg("dispatched to nobody");
    return WORKERS;
}

static unsigned give(struct bench *bench) {
    return give_fd(bench, hatch_fd());
}

static void take_all(skep_child *child) {
    hatch_take(child, UINT64_MAX);
}

/* The same, and the worker takes it at once. */
static unsigned give_and_take(struct bench *bench) {
    unsigned worker = give(bench);
    if (worker < WORKERS) take_all(bench->children[worker]);
    return worker;
}

/* As if what a worker was handed had been on the way for a while. */
static void make_late(skep_child *child, uint64_t ms) {
    struct skep__connection *c;
    STAILQ_FOREACH(c, &child->taker->untaken, entry) c->handed_ms = uv_now(child->cluster->loop) - ms;
}

static void wait_a_little(struct bench *bench) {
    PUMP_LOOK_UNTIL(bench->pump, uv_now(&bench->pump->loop) > 100);
}

/* --- rotation --- */

static void test_strict_rotation(void **state) {
    struct bench bench;
    unsigned first[WORKERS];
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    for (unsigned i = 0; i < WORKERS; i++) first[i] = give_and_take(&bench);
    for (unsigned i = WORKERS; i < 25 * WORKERS; i++) assert_int_equal(give_and_take(&bench), first[i % WORKERS]);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->accepted, 25);
    close_bench(&bench);
}

/* One that has not acknowledged for a while gets nothing; then it catches up, within bounds, and the rotation is even
 * again. */
static void test_behind_and_catching_up(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    wait_a_little(&bench);
    unsigned slow = give(&bench);
    make_late(bench.children[slow], LATE_MS);
    for (unsigned i = 0; i < 90; i++) assert_int_not_equal(give_and_take(&bench), slow);
    assert_true(bench.children[slow]->taker->behind);
    take_all(bench.children[slow]);
    unsigned missed = 0;
    while (give_and_take(&bench) == slow) missed++;
    assert_in_range(missed, CATCH_UP - 1, CATCH_UP + 1);
    unsigned counts[WORKERS] = {0};
    for (unsigned i = 0; i < 10 * WORKERS; i++) counts[give_and_take(&bench)]++;
    for (unsigned i = 0; i < WORKERS; i++) assert_in_range(counts[i], 9, 11);
    close_bench(&bench);
}

/* A short delay makes the rotation uneven for a moment only: what was missed is made up for. */
static void test_a_short_delay_is_made_up_for(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    wait_a_little(&bench);
    unsigned slow = give(&bench);
    make_late(bench.children[slow], LATE_MS);
    for (unsigned i = 0; i < 5 * (WORKERS - 1); i++) give_and_take(&bench);
    take_all(bench.children[slow]);
    for (unsigned i = 0; i < 20 * WORKERS; i++) give_and_take(&bench);
    for (unsigned i = 0; i < WORKERS; i++) assert_in_range(bench.children[i]->taker->accepted, 23, 25);
    close_bench(&bench);
}

static void test_all_are_behind(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    wait_a_little(&bench);
    for (unsigned i = 0; i < 2 * WORKERS; i++) give(&bench);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(bench.children[i]->taker->untaken_count, 2);
        make_late(bench.children[i], LATE_MS);
    }
    hatch_take(bench.children[2], 1); /* one of its two */
    make_late(bench.children[2], LATE_MS);
    assert_int_equal(give(&bench), 2);
    assert_true(skep__can_dispatch(&bench.listener));
    close_bench(&bench);
}

/* --- bounds --- */

static void test_credit(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    bench.cluster->settings.credit = 3;
    for (unsigned i = 0; i < 3 * WORKERS; i++) assert_int_not_equal(give(&bench), WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->untaken_count, 3);
    assert_false(skep__can_dispatch(&bench.listener));
    assert_int_equal(give(&bench), WORKERS);
    hatch_take(bench.children[1], 1);
    assert_true(skep__can_dispatch(&bench.listener));
    assert_int_equal(give(&bench), 1);
    assert_int_equal(give(&bench), WORKERS);
    close_bench(&bench);
}

/* What may be in flight is shared out, so that no worker has all of it. */
static void test_in_flight(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    bench.cluster->connections->max_in_flight = 3 * WORKERS - 1;
    for (unsigned i = 0; i < 2 * WORKERS; i++) assert_int_not_equal(give(&bench), WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->untaken_count, 2);
    assert_int_equal(give(&bench), WORKERS);
    take_all(bench.children[0]);
    assert_int_equal(give(&bench), 0);
    take_all(bench.children[0]);
    bench.cluster->connections->max_in_flight = 2; /* fewer than there are workers */
    for (unsigned i = 1; i < WORKERS; i++) take_all(bench.children[i]);
    for (unsigned i = 0; i < 2; i++) assert_int_not_equal(give(&bench), WORKERS);
    assert_int_equal(bench.cluster->connections->in_flight, 2);
    assert_int_equal(give(&bench), WORKERS);
    close_bench(&bench);
}

static void test_only_the_ready_and_connected(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    bench.children[0]->state = SKEP__CHILD_DRAINING;
    bench.children[1]->state = SKEP__CHILD_ONLINE;
    bench.children[2]->link = -1;
    for (unsigned i = 0; i < 3; i++) skep__dispatch_update(bench.children[i]);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(give_and_take(&bench), 3);
    bench.children[3]->link = -1;
    skep__dispatch_update(bench.children[3]);
    assert_int_equal(give(&bench), WORKERS);
    bench.children[1]->state = SKEP__CHILD_READY;
    skep__dispatch_update(bench.children[1]);
    assert_int_equal(give_and_take(&bench), 1);
    close_bench(&bench);
}

static void test_no_worker_at_all(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    struct skep__listener listener;
    hatch_listener(&listener, cluster);
    assert_false(skep__can_dispatch(&listener));
    struct skep__connection *connection = hatch_connection(&listener, hatch_fd());
    assert_false(skep__dispatch(connection));
    skep__connection_drop(connection);
    hatch_free(pump, &cluster);
}

static void test_seats(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_ROUND_ROBIN);
    struct skep__seat *seat = skep__seat_find(&bench.listener, bench.children[2]);
    assert_non_null(seat);
    assert_ptr_equal(seat->child, bench.children[2]);
    skep__seat_free(seat);
    assert_null(skep__seat_find(&bench.listener, bench.children[2]));
    for (unsigned i = 0; i < 12; i++) assert_int_not_equal(give_and_take(&bench), 2);
    hatch_seat(&bench.listener, bench.children[2]); /* a newcomer has nothing to catch up on */
    unsigned counts[WORKERS] = {0};
    for (unsigned i = 0; i < 5 * WORKERS; i++) counts[give_and_take(&bench)]++;
    for (unsigned i = 0; i < WORKERS; i++) assert_in_range(counts[i], 4, 6);
    close_bench(&bench);
}

/* --- least connections --- */

static void finish(skep_child *child, uint32_t count) {
    struct skep_command_taken taken = {.through = 0};
    SKEP_SET(taken, &taken, finished, count);
    skep__taken(child, &taken);
}

static void test_least_connections(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_LEAST_CONNECTIONS);
    for (unsigned i = 0; i < 5 * WORKERS; i++) give_and_take(&bench);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->live, 5);
    finish(bench.children[1], 3);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(give_and_take(&bench), 1);
    finish(bench.children[3], 1);
    finish(bench.children[0], 2);
    assert_int_equal(give_and_take(&bench), 0);
    for (unsigned i = 0; i < 2; i++) give_and_take(&bench);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->live, 5);
    assert_int_not_equal(give(&bench), WORKERS); /* on its way, it counts too */
    assert_int_not_equal(give(&bench), WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) assert_in_range(bench.children[i]->taker->untaken_count, 0, 1);
    close_bench(&bench);
}

/* --- sticky --- */

enum { CLIENTS = 240 };

static int listen_on(int family, uint16_t *port) {
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    socklen_t size_bytes = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int off = 0, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size_bytes), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size_bytes), 0);
    *port = ((struct sockaddr_in *)&address)->sin_port; /* at the same place in both */
    return fd;
}

/* An accepted connection of client number n, who comes from 127.1.x.y. */
static int accept_client(int listening, uint16_t port, unsigned n) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000u + n + 1)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = port};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int accepted = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    close(fd);
    assert_true(accepted >= 0);
    return accepted;
}

static void place_clients(struct bench *bench, int listening, uint16_t port, unsigned places[CLIENTS]) {
    for (unsigned n = 0; n < CLIENTS; n++) {
        places[n] = give_fd(bench, accept_client(listening, port, n));
        if (places[n] < WORKERS) take_all(bench->children[places[n]]);
    }
}

static void test_sticky(void **state) {
    struct bench bench;
    unsigned first[CLIENTS], again[CLIENTS], without[CLIENTS], counts[WORKERS] = {0};
    uint16_t port;
    int listening = listen_on(AF_INET, &port);
    open_bench(&bench, *state, SKEP_POLICY_STICKY);
    place_clients(&bench, listening, port, first);
    place_clients(&bench, listening, port, again);
    assert_memory_equal(first, again, sizeof first);
    for (unsigned n = 0; n < CLIENTS; n++) counts[first[n]]++;
    for (unsigned i = 0; i < WORKERS; i++) assert_in_range(counts[i], CLIENTS / WORKERS / 2, CLIENTS / WORKERS * 3 / 2);
    bench.children[1]->state = SKEP__CHILD_DRAINING; /* only its clients go elsewhere, and not all to one */
    skep__dispatch_update(bench.children[1]);
    memset(counts, 0, sizeof counts);
    place_clients(&bench, listening, port, without);
    for (unsigned n = 0; n < CLIENTS; n++) {
        if (first[n] != 1) assert_int_equal(without[n], first[n]);
        else counts[without[n]]++;
    }
    assert_int_equal(counts[1], 0);
    assert_true(counts[0] > 0 && counts[2] > 0 && counts[3] > 0);
    close(listening);
    close_bench(&bench);
}

/* The place counts, not the worker: a replacement gets its predecessor's clients. */
static void test_sticky_replacement(void **state) {
    struct bench bench;
    unsigned first[CLIENTS], again[CLIENTS];
    uint16_t port;
    int listening = listen_on(AF_INET, &port);
    open_bench(&bench, *state, SKEP_POLICY_STICKY);
    place_clients(&bench, listening, port, first);
    hatch_free_child(bench.children[2]);
    bench.children[2] = hatch_child(bench.cluster, 2);
    bench.children[2]->id = 77;
    hatch_seat(&bench.listener, bench.children[2]);
    place_clients(&bench, listening, port, again);
    assert_memory_equal(first, again, sizeof first);
    close(listening);
    close_bench(&bench);
}

/* An IPv4 client is the same one over a dual-stack socket. */
/* Its clients go elsewhere when it has its share, and nobody else waits for it. */
static void test_sticky_beside_one_that_hangs(void **state) {
    struct bench bench;
    uint16_t port;
    int listening = listen_on(AF_INET, &port);
    open_bench(&bench, *state, SKEP_POLICY_STICKY);
    bench.cluster->connections->max_in_flight = 3 * WORKERS;
    unsigned hanging = give_fd(&bench, accept_client(listening, port, 0));
    for (unsigned i = 0; i < 50; i++) {
        unsigned place = give_fd(&bench, accept_client(listening, port, i % 5));
        assert_int_not_equal(place, WORKERS);
        if (place != hanging) take_all(bench.children[place]);
    }
    assert_int_equal(bench.children[hanging]->taker->untaken_count, 3);
    close(listening);
    close_bench(&bench);
}

static void test_sticky_mapped_addresses(void **state) {
    struct bench bench;
    unsigned over_4[CLIENTS], over_6[CLIENTS];
    uint16_t port_4, port_6;
    int listening_4 = listen_on(AF_INET, &port_4), listening_6 = listen_on(AF_INET6, &port_6);
    open_bench(&bench, *state, SKEP_POLICY_STICKY);
    place_clients(&bench, listening_4, port_4, over_4);
    place_clients(&bench, listening_6, port_6, over_6);
    assert_memory_equal(over_4, over_6, sizeof over_4);
    close(listening_4);
    close(listening_6);
    close_bench(&bench);
}

/* Clients without an address take turns. */
static void test_sticky_without_an_address(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP_POLICY_STICKY);
    for (unsigned i = 0; i < 5 * WORKERS; i++) give_and_take(&bench);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(bench.children[i]->taker->accepted, 5);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_strict_rotation),
        PUMP_TEST(test_behind_and_catching_up),
        PUMP_TEST(test_a_short_delay_is_made_up_for),
        PUMP_TEST(test_all_are_behind),
        PUMP_TEST(test_credit),
        PUMP_TEST(test_in_flight),
        PUMP_TEST(test_only_the_ready_and_connected),
        PUMP_TEST(test_no_worker_at_all),
        PUMP_TEST(test_seats),
        PUMP_TEST(test_least_connections),
        PUMP_TEST(test_sticky),
        PUMP_TEST(test_sticky_replacement),
        PUMP_TEST(test_sticky_beside_one_that_hangs),
        PUMP_TEST(test_sticky_mapped_addresses),
        PUMP_TEST(test_sticky_without_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
