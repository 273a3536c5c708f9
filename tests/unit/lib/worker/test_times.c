/* SPDX-License-Identifier: MIT
 * Durations: noted where things happen, reported together, none twice and none lost. */
#include "lib/bare_hive.h"

#define SLOW_NS UINT64_C(2000000) /* what a job of payload s takes at least */

enum { FIRST_FD = 500 };

static uint64_t total(struct hive *h, const char *what, const char *queue) {
    return timed_of(h, what, queue)->times.total;
}

static uint64_t greatest_ns(struct hive *h, const char *what, const char *queue) {
    return skep__histogram_quantile_ns(&timed_of(h, what, queue)->times, 1);
}

/* All durations together: no more than this, whatever cells they are in */
static uint64_t least_sum_ns(struct hive *h, const char *what, const char *queue) {
    const struct skep_histogram *times = &timed_of(h, what, queue)->times;
    double sum_ns = 0;
    for (uint64_t i = 0; i < times->total; i++) {
        double share = ((double)i + 0.5) / (double)times->total;
        double shown_ns = (double)skep__histogram_quantile_ns(times, share);
        sum_ns += shown_ns > 128 ? shown_ns * 0.99 - 128 : 0;
    }
    return (uint64_t)sum_ns;
}

static void test_requests(void **state) {
    struct hive *h = open_hive(*state);
    for (unsigned i = 0; i < 1000; i++) skep_request_handled(h->worker, 5000000);
    skep_request_handled(h->worker, 7000000000);
    assert_true(uv_is_active((uv_handle_t *)&h->worker->timers[SKEP__TIMER_TIMES]));
    PUMP_UNTIL(h->pump, total(h, "request", "") == 1001);
    assert_int_equal(timed_of(h, "request", "")->reports, 1);
    assert_in_range(skep__histogram_quantile_ns(&timed_of(h, "request", "")->times, 0.99), 5000000, 5050000);
    assert_in_range(greatest_ns(h, "request", ""), 7000000000, 7070000000);
    assert_int_equal(h->worker->times.requests.total, 0);
    skep_request_handled(h->worker, 1);
    PUMP_UNTIL(h->pump, total(h, "request", "") == 1002);
    assert_int_equal(timed_of(h, "connection", "")->reports, 0);
    close_hive(h);
}

/* Each job has its own time, though the clock is read once between two: together they took no longer than all did. */
static void test_jobs(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "fast");
    handle(h, "slow");
    uint64_t begun_ns = uv_hrtime();
    give(h, "slow", "ssssssss");
    give(h, "fast", "dyfrd");
    PUMP_UNTIL(h->pump, h->worker->jobs.queues[0].times.total == 5 || total(h, "job", "fast") == 5);
    uint64_t elapsed_ns = uv_hrtime() - begun_ns;
    PUMP_UNTIL(h->pump, total(h, "job", "fast") == 5 && total(h, "job", "slow") == 8);
    assert_true(skep__histogram_quantile_ns(&timed_of(h, "job", "slow")->times, 0) >= SLOW_NS);
    assert_true(least_sum_ns(h, "job", "slow") + least_sum_ns(h, "job", "fast") <= elapsed_ns);
    close_hive(h);
}

/* The time between two frames is nobody's. */
static void test_jobs_after_a_pause(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    uint64_t begun_ns = uv_hrtime();
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 1}\n");
    busy(5 * SLOW_NS);
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 2}\n");
    uint64_t elapsed_ns = uv_hrtime() - begun_ns;
    PUMP_UNTIL(h->pump, total(h, "job", "q") == 2);
    assert_true(least_sum_ns(h, "job", "q") + 5 * SLOW_NS <= elapsed_ns);
    close_hive(h);
}

/* From the call of its handler to its completion, but not while it waited for another to be completed. */
static void test_kept_jobs(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    uint64_t begun_ns = uv_hrtime();
    give(h, "q", "kkc");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    busy(5 * SLOW_NS);
    skep_job_complete(h->kept[0], SKEP_DONE);
    PUMP_UNTIL(h->pump, h->kept_count == 2);
    assert_int_equal(total(h, "job", "q") + h->worker->jobs.queues[0].times.total, 1);
    skep_job_complete(h->kept[1], SKEP_RETRY);
    PUMP_UNTIL(h->pump, h->ran[2] == 'c');
    uint64_t elapsed_ns = uv_hrtime() - begun_ns;
    PUMP_UNTIL(h->pump, total(h, "job", "q") == 3);
    assert_true(greatest_ns(h, "job", "q") >= 5 * SLOW_NS);
    assert_true(least_sum_ns(h, "job", "q") <= elapsed_ns);
    close_hive(h);
}

static void arrive(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)worker;
    (void)listener;
    *(int *)context = fd;
}

/* Of a number that nobody else opens: NNG's threads close and open lower ones. */
static int connect_one(struct hive *h, struct skep_listener *listener) {
    int fd = -1, low = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(low >= 0);
    listener->context = &fd;
    assert_true(skep__worker_arrived(h->worker, listener, fcntl(low, F_DUPFD_CLOEXEC, FIRST_FD)));
    close(low);
    skep__worker_deliver(h->worker);
    assert_true(fd >= 0);
    return fd;
}

static void finish(struct hive *h, int fd) {
    close(fd);
    skep_connection_finished(h->worker, fd);
}

static void test_connections(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_listener listener = {.worker = h->worker, .callback = arrive, .fd = -1};
    uint64_t begun_ns = uv_hrtime();
    int slow = connect_one(h, &listener), fast = connect_one(h, &listener);
    finish(h, fast);
    assert_int_equal(connect_one(h, &listener), fast); /* the number comes again, its time begins anew */
    busy(SLOW_NS);
    finish(h, slow);
    finish(h, fast);
    uint64_t elapsed_ns = uv_hrtime() - begun_ns;
    PUMP_UNTIL(h->pump, total(h, "connection", "") == 3);
    assert_true(skep__histogram_quantile_ns(&timed_of(h, "connection", "")->times, 0.5) >= SLOW_NS);
    assert_true(least_sum_ns(h, "connection", "") <= 2 * elapsed_ns); /* at no time more than two */
    assert_int_equal(skep_worker_connections(h->worker), 0);
    close_hive(h);
}

/* A connection that ends counts, whatever descriptor is named. */
static void test_unknown_descriptors(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_listener listener = {.worker = h->worker, .callback = arrive, .fd = -1};
    int fds[4];
    for (unsigned i = 0; i < 4; i++) fds[i] = connect_one(h, &listener);
    skep_connection_finished(h->worker, -1);
    skep_connection_finished(h->worker, 1 << 30);
    finish(h, fds[3]);
    skep_connection_finished(h->worker, fds[3]);
    assert_int_equal(skep_worker_connections(h->worker), 0);
    skep_connection_finished(h->worker, fds[0]); /* none is live */
    PUMP_UNTIL(h->pump, total(h, "connection", "") == 1);
    for (unsigned i = 0; i < 3; i++) close(fds[i]);
    close_hive(h);
}

/* What was noted last leaves before the worker does. */
static void test_leaving(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_listener listener = {.worker = h->worker, .callback = arrive, .fd = -1};
    int fd = connect_one(h, &listener);
    skep_request_handled(h->worker, 1000);
    skep_disconnect(h->worker);
    PUMP_UNTIL(h->pump, h->worker->leave_told);
    finish(h, fd);
    uv_timer_stop(&h->worker->timers[SKEP__TIMER_TIMES]); /* it does not wait for that */
    PUMP_UNTIL(h->pump, total(h, "request", "") == 1 && total(h, "connection", "") == 1);
    close_hive(h);
}

/* Without a link nobody would hear of it: no timer is left behind. */
static void test_after_leaving(void **state) {
    struct hive *h = open_hive(*state);
    skep__worker_close_link(h->worker, SKEP_OK);
    skep_request_handled(h->worker, 1000);
    assert_false(uv_is_active((uv_handle_t *)&h->worker->timers[SKEP__TIMER_TIMES]));
    close_hive(h);
}

/* What cannot leave stays, and leaves later. */
static void test_a_full_outbox(void **state) {
    static char data[SKEP_FULL_FRAME];
    struct hive *h = open_hive(*state);
    struct skep_command command = {.id = SKEP_COMMAND_incrementCount, .incrementCount = {.name = {"filler", 6}}};
    struct skep_frame frame = {0};
    size_t used = 0;
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    for (; used + frame.size_bytes <= sizeof data; used += frame.size_bytes)
        memcpy(data + used, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
    h->deaf = true;
    skep_request_handled(h->worker, 1000);
    while (skep__outlet_append(h->worker->outbox, data, used) == SKEP_OK) continue;
    skep__worker_send_times(h->worker);
    assert_int_equal(h->worker->times.requests.total, 1);
    assert_true(h->worker->times.waiting);
    skep_request_handled(h->worker, 1000);
    PUMP_UNTIL(h->pump, total(h, "request", "") == 2);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_requests),  PUMP_TEST(test_jobs),          PUMP_TEST(test_jobs_after_a_pause),
        PUMP_TEST(test_kept_jobs), PUMP_TEST(test_connections),   PUMP_TEST(test_unknown_descriptors),
        PUMP_TEST(test_leaving),   PUMP_TEST(test_after_leaving), PUMP_TEST(test_a_full_outbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
