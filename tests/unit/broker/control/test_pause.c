/* SPDX-License-Identifier: MIT
 * What rests and what is paused: which listeners a name means, what queues hand out, who is told, and how often. */
#include "broker/ledger_bench.h"

#include <sys/socket.h>

enum { LEASE_MS = 100 };

struct told {
    unsigned pauses, resumes;
    char url[SKEP_MAX_URL + 1], queue[SKEP_MAX_NAME + 1], reason[SKEP_MAX_REASON + 1]; /* of the latest */
};

static void hear(skep_cluster *cluster, const skep_event *event, void *context) {
    struct told *told = context;
    (void)cluster;
    if (event->kind == SKEP_EVENT_PAUSE) told->pauses++;
    else told->resumes++;
    snprintf(told->url, sizeof told->url, "%s", event->url != NULL ? event->url : "");
    snprintf(told->queue, sizeof told->queue, "%s", event->queue != NULL ? event->queue : "");
    snprintf(told->reason, sizeof told->reason, "%s", event->reason != NULL ? event->reason : "");
}

static void listen_to(skep_cluster *cluster, struct told *told) {
    *told = (struct told){.pauses = 0};
    assert_int_equal(skep_on(cluster, SKEP_EVENT_PAUSE, hear, told), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_RESUME, hear, told), SKEP_OK);
}

/* --- listeners --- */

static const char any_port[] = "tcp://127.0.0.1:0";

static struct skep__listener *bind_one(skep_cluster *cluster, const char *name) {
    assert_int_equal(skep_cluster_listen(cluster, name, any_port, NULL), SKEP_OK);
    return LIST_FIRST(&cluster->connections->listeners);
}

static unsigned count_resting(const skep_cluster *cluster) {
    const struct skep__listener *l;
    unsigned count = 0;
    LIST_FOREACH(l, &cluster->connections->listeners, entry) count += l->resting;
    return count;
}

static void assert_pauses(skep_cluster *cluster, const char *name, unsigned expected) {
    assert_int_equal(skep_cluster_pause_listener(cluster, name, true), SKEP_OK);
    assert_int_equal(count_resting(cluster), expected);
    assert_int_equal(skep_cluster_pause_listener(cluster, name, false), SKEP_OK);
    assert_int_equal(count_resting(cluster), 0);
}

static void test_which_listeners_a_name_means(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    struct skep__listener *web = bind_one(bench.cluster, "web");
    bind_one(bench.cluster, "other");
    assert_pauses(bench.cluster, "web", 1);
    assert_pauses(bench.cluster, web->url, 1);
    assert_pauses(bench.cluster, any_port, 2); /* both were asked for like this */
    static const char *const nobody[] = {"", "we", "webs", "tcp://127.0.0.1", "tcp://127.0.0.1:0#0"};
    for (unsigned i = 0; i < sizeof nobody / sizeof *nobody; i++)
        assert_int_equal(skep_cluster_pause_listener(bench.cluster, nobody[i], true), SKEP_ENOLISTENER);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, "we", true), SKEP_ENOLISTENER);
    assert_string_equal(skep_cluster_why(bench.cluster), "we: no listener has this name or URL");
    assert_int_equal(count_resting(bench.cluster), 0);
    bench_close(&bench);
}

/* The listener may have gone when its event comes, on the next turn of the loop. */
static void test_a_listener_is_told_of_once(void **state) {
    struct bench bench;
    struct told told;
    char url[SKEP_MAX_URL + 1], expected[SKEP_MAX_REASON + 1];
    bench_open(&bench, *state, NULL);
    listen_to(bench.cluster, &told);
    struct skep__listener *web = bind_one(bench.cluster, "web");
    snprintf(url, sizeof url, "%s", web->url);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, "web", true), SKEP_OK);
    assert_int_equal(told.pauses, 0); /* never inside the call */
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, "web", true), SKEP_OK);
    PUMP_UNTIL(bench.pump, told.pauses > 0);
    assert_string_equal(told.url, url);
    snprintf(expected, sizeof expected, "web (%s) accepts nothing until it is resumed", url);
    assert_string_equal(told.reason, expected);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, url, false), SKEP_OK);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, url, false), SKEP_OK);
    memset(web->url, 'x', 3);
    PUMP_UNTIL(bench.pump, told.resumes > 0);
    assert_string_equal(told.url, url);
    pump_turns(bench.pump, 3);
    assert_int_equal(told.pauses, 1);
    assert_int_equal(told.resumes, 1);
    bench_close(&bench);
}

static int connect_to(const struct skep__listener *listener) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&listener->address.address, listener->address.address_size_bytes), 0);
    return fd;
}

/* What was accepted before is handed on; what comes is not accepted. */
static void test_a_resting_listener_hands_on_what_it_has(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    struct skep__listener *listener = bind_one(bench.cluster, "web");
    struct skep__connection *before = hatch_connection(listener, hatch_fd());
    STAILQ_INSERT_TAIL(&listener->waiting, before, entry);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, "web", true), SKEP_OK);
    skep_child *child = hatch_child(bench.cluster, 0);
    int client = connect_to(listener);
    hatch_seat(listener, child);
    pump_turns(bench.pump, 5);
    assert_int_equal(child->taker->accepted, 1);
    assert_int_equal(listener->accepted, 0);
    assert_false(listener->paused);
    assert_int_equal(skep_cluster_pause_listener(bench.cluster, "web", false), SKEP_OK);
    PUMP_UNTIL(bench.pump, listener->accepted == 1);
    assert_int_equal(child->taker->accepted, 2);
    close(client);
    hatch_free_child(child);
    bench_close(&bench);
}

/* --- queues --- */

static void test_a_paused_queue_accepts_and_hands_nothing_out(void **state) {
    struct bench bench;
    struct told told;
    bench_open(&bench, *state, NULL);
    listen_to(bench.cluster, &told);
    skep_child *child = bench_hire(&bench, 0, 9);
    bench_submit(&bench, 2, 1);
    bench_assert(&bench, 0, 2, 0);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", true), SKEP_OK);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", true), SKEP_OK);
    bench_submit(&bench, 5, 1);
    bench_complete(child, 1, 1); /* what it had it finishes */
    bench_assert(&bench, 5, 1, 1);
    skep_child *newcomer = bench_hire(&bench, 1, 9);
    bench_assert(&bench, 5, 1, 1);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", false), SKEP_OK);
    bench_assert(&bench, 0, 6, 1);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", false), SKEP_OK);
    PUMP_UNTIL(bench.pump, told.resumes == 1);
    assert_int_equal(told.pauses, 1);
    assert_string_equal(told.queue, "q");
    assert_string_equal(told.reason, "queue q hands out jobs again");
    bench_dismiss(newcomer);
    bench_dismiss(child);
    bench_close(&bench);
}

/* An empty queue that is resumed may be forgotten, to make room for another, before the event is emitted. */
static void test_a_queue_is_told_of_after_it_was_forgotten(void **state) {
    struct bench bench;
    struct told told;
    char name[SKEP_MAX_NAME + 1];
    bench_open(&bench, *state, NULL);
    listen_to(bench.cluster, &told);
    struct skep__queues *queues = bench.cluster->jobs->queues;
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", true), SKEP_OK);
    PUMP_UNTIL(bench.pump, told.pauses == 1);
    told.queue[0] = '\0';
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", false), SKEP_OK);
    for (unsigned i = 0; i < SKEP_MAX_QUEUES; i++) {
        snprintf(name, sizeof name, "other%u", i);
        assert_non_null(skep__queues_get(queues, name, strlen(name)));
    }
    assert_null(skep__queues_find(queues, "q", 1));
    PUMP_UNTIL(bench.pump, told.resumes == 1);
    assert_string_equal(told.queue, "q");
    bench_close(&bench);
}

/* A lease that ends meanwhile gives the job back, and nobody is roused for it. */
static void test_leases_go_on(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS});
    skep_child *child = bench_hire(&bench, 0, 9);
    bench_submit(&bench, 1, 1);
    assert_true(skep__claim_begin(child->page, 1, uv_hrtime() / 1000000));
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", true), SKEP_OK);
    PUMP_UNTIL(bench.pump, bench.queue->shelf->ready_count == 1);
    assert_true(child->holder->stalled);
    bench_assert(&bench, 1, 0, 0);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "q", false), SKEP_OK);
    bench_assert(&bench, 0, 1, 0);
    bench_dismiss(child);
    bench_close(&bench);
}

static void test_queues_that_are_not_there(void **state) {
    struct bench bench;
    struct pump *pump = *state;
    skep_cluster *fresh = hatch_cluster(pump, NULL);
    assert_int_equal(skep_cluster_pause_queue(fresh, "q", true), SKEP_ENOQUEUE); /* it has not started */
    assert_int_equal(skep_cluster_pause_listener(fresh, "web", true), SKEP_ENOLISTENER);
    hatch_free(pump, &fresh);
    bench_open(&bench, pump, NULL);
    assert_int_equal(skep_cluster_pause_queue(bench.cluster, "other", true), SKEP_ENOQUEUE);
    assert_string_equal(skep_cluster_why(bench.cluster), "other: no such queue");
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_which_listeners_a_name_means),
        PUMP_TEST(test_a_listener_is_told_of_once),
        PUMP_TEST(test_a_resting_listener_hands_on_what_it_has),
        PUMP_TEST(test_a_paused_queue_accepts_and_hands_nothing_out),
        PUMP_TEST(test_a_queue_is_told_of_after_it_was_forgotten),
        PUMP_TEST(test_leases_go_on),
        PUMP_TEST(test_queues_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
