/* SPDX-License-Identifier: MIT
 * Handling times: what workers report adds up by worker, for all and by queue; what the answers say of it. */
#include "broker/hatch.h"
#include "common/text.h"

#include "base/times.h"
#include "control/private.h"
#include "jobs/store.h"
#include "messages/private.h"

#define MS UINT64_C(1000000)

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *children[2];
    const char *why;
};

static struct bench *open_bench(struct pump *pump) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, NULL);
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    for (unsigned i = 0; i < 2; i++) {
        bench->children[i] = hatch_child(bench->cluster, i);
        hatch_list(bench->children[i]);
    }
    return bench;
}

static void remove_worker(struct bench *bench, unsigned i) {
    if (bench->children[i] == NULL) return;
    hatch_unlist(bench->children[i]);
    hatch_free_child(bench->children[i]);
    bench->children[i] = NULL;
}

static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < 2; i++) remove_worker(bench, i);
    hatch_free(bench->pump, &bench->cluster);
    free(bench);
}

static struct skep__queue *make_queue(struct bench *bench, const char *name) {
    struct skep__queue *queue = skep__queues_get(bench->cluster->jobs->queues, name, strlen(name));
    assert_non_null(queue);
    return queue;
}

/* count times the same duration; child NULL is a worker that is gone. */
static void report(struct bench *bench, skep_child *child, const char *what, const char *queue, unsigned count,
                   uint64_t duration_ns) {
    struct skep_histogram times = {0};
    char packed[64];
    size_t size_bytes;
    for (unsigned i = 0; i < count; i++) assert_int_equal(skep__histogram_record(&times, duration_ns), SKEP_OK);
    assert_int_equal(skep__histogram_pack(&times, packed, sizeof packed, &size_bytes), SKEP_OK);
    struct skep_command_handled handled = {.what = skep__text(what), .times = {packed, size_bytes}};
    if (queue != NULL) SKEP_SET(handled, &handled, queue, skep__text(queue));
    assert_int_equal(skep__handled(bench->cluster, child, &handled, &bench->why), SKEP_OK);
    skep__histogram_free(&times);
}

/* What an answer says: histograms by worker (0: all) and what, and of a queue; how many commands had one. */
struct view {
    struct skep__handling by[3];
    struct skep_histogram queue;
    unsigned commands;
};

static void add_to(struct skep_histogram *to, struct skep_bytes times) {
    assert_int_equal(skep__histogram_unpack(to, times.data, times.size_bytes), SKEP_OK);
}

static void see(struct view *view, const struct skep_command *command) {
    const struct skep_command_handlingStatus *h = &command->handlingStatus;
    if (command->id == SKEP_COMMAND_queueStatus) add_to(&view->queue, command->queueStatus.times);
    if (command->id != SKEP_COMMAND_handlingStatus) return;
    unsigned what = h->what.data[0] == 'c'   ? SKEP__HANDLED_CONNECTION
                    : h->what.data[0] == 'r' ? SKEP__HANDLED_REQUEST
                                             : SKEP__HANDLED_JOB;
    assert_true(h->worker < 3);
    view->commands++;
    add_to(&view->by[h->worker].of[what], h->times);
}

static void read_view(struct view *view, const struct skep_frame *frame) {
    struct skep_reader reader;
    struct skep_command command;
    bool more = frame->size_bytes > 0;
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    if (more) assert_int_equal(skep__reader_begin(&reader, frame->data, frame->size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&reader, &command, &more), SKEP_OK);
        if (more) see(view, &command);
    }
    skep__reader_free(&reader);
}

static struct view look(struct bench *bench) {
    struct view view = {.commands = 0};
    struct skep_frame frame = {0};
    assert_int_equal(skep__handling_add(bench->cluster, &frame), SKEP_OK);
    read_view(&view, &frame);
    skep__frame_clear(&frame);
    assert_int_equal(skep__jobs_add_queues(bench->cluster->jobs, &frame), SKEP_OK);
    read_view(&view, &frame);
    skep__frame_free(&frame);
    return view;
}

static void forget(struct view *view) {
    for (unsigned i = 0; i < 3; i++) skep__handling_free(&view->by[i]);
    skep__histogram_free(&view->queue);
}

static void test_by_worker_and_for_all(void **state) {
    struct bench *bench = open_bench(*state);
    report(bench, bench->children[0], "request", NULL, 98, MS);
    report(bench, bench->children[1], "request", NULL, 2, 100 * MS);
    report(bench, bench->children[1], "connection", NULL, 3, 2 * MS);
    struct view view = look(bench);
    assert_int_equal(view.commands, 5);
    assert_int_equal(view.by[0].of[SKEP__HANDLED_REQUEST].total, 100);
    assert_int_equal(view.by[1].of[SKEP__HANDLED_REQUEST].total, 98);
    assert_int_equal(view.by[2].of[SKEP__HANDLED_REQUEST].total, 2);
    assert_int_equal(view.by[0].of[SKEP__HANDLED_CONNECTION].total, 3);
    assert_int_equal(view.by[0].of[SKEP__HANDLED_JOB].total, 0);
    assert_in_range(skep__histogram_quantile_ns(&view.by[0].of[SKEP__HANDLED_REQUEST], 0.98), MS, MS + MS / 100);
    assert_in_range(skep__histogram_quantile_ns(&view.by[0].of[SKEP__HANDLED_REQUEST], 0.99), 100 * MS, 101 * MS);
    forget(&view);
    close_bench(bench);
}

/* What a worker has reported outlives it, and so does what it says last. */
static void test_workers_that_have_ended(void **state) {
    struct bench *bench = open_bench(*state);
    report(bench, bench->children[0], "connection", NULL, 5, MS);
    remove_worker(bench, 0);
    report(bench, NULL, "connection", NULL, 2, MS);
    struct view view = look(bench);
    assert_int_equal(view.commands, 1);
    assert_int_equal(view.by[0].of[SKEP__HANDLED_CONNECTION].total, 7);
    forget(&view);
    close_bench(bench);
}

static void test_by_queue(void **state) {
    struct bench *bench = open_bench(*state);
    make_queue(bench, "q");
    report(bench, bench->children[0], "job", "q", 4, MS);
    report(bench, bench->children[1], "job", "q", 1, 3 * MS);
    report(bench, bench->children[1], "job", "of which nobody knows", 1, 3 * MS);
    report(bench, bench->children[1], "job", NULL, 1, 3 * MS);
    report(bench, bench->children[1], "request", "q", 9, 3 * MS);
    struct view view = look(bench);
    assert_int_equal(view.queue.total, 5);
    assert_int_equal(view.by[0].of[SKEP__HANDLED_JOB].total, 7);
    assert_int_equal(view.by[2].of[SKEP__HANDLED_JOB].total, 3);
    assert_null(skep__queues_find(bench->cluster->jobs->queues, "of which nobody knows", 21));
    forget(&view);
    close_bench(bench);
}

/* Of a later version: ignored, and counted as unknown. */
static void test_unknown_things(void **state) {
    struct bench *bench = open_bench(*state);
    uint64_t unknown = bench->cluster->messages->unknown;
    report(bench, bench->children[0], "tea", NULL, 1, MS);
    report(bench, bench->children[0], "", NULL, 1, MS);
    struct skep_command_handled rubbish = {.what = {"tea", 3}, .times = {"\x80", 1}};
    assert_int_equal(skep__handled(bench->cluster, bench->children[0], &rubbish, &bench->why), SKEP_OK);
    assert_int_equal(bench->cluster->messages->unknown, unknown + 3);
    struct view view = look(bench);
    assert_int_equal(view.commands, 0);
    forget(&view);
    close_bench(bench);
}

static void test_malformed_times(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command_handled handled = {.what = {"job", 3}, .times = {"\x00\x01\x80", 3}};
    assert_int_equal(skep__handled(bench->cluster, bench->children[0], &handled, &bench->why), SKEP_EPROTO);
    assert_string_equal(bench->why, "times: no histogram");
    struct view view = look(bench);
    assert_int_equal(view.commands, 0);
    forget(&view);
    close_bench(bench);
}

/* Whatever workers report, an answer stays within what a frame may have: those that come last are left out. */
static void test_a_large_answer(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_frame frame = {0};
    char packed[SKEP_MAX_TIMES];
    report(bench, bench->children[0], "job", NULL, 1, MS);
    const struct skep_histogram *times = &bench->children[0]->talker->handling.of[SKEP__HANDLED_JOB];
    assert_int_equal(skep__times_pack(times, 0, packed).size_bytes, 3);
    assert_int_equal(skep__times_pack(times, SKEP_MAX_FRAME - SKEP_MAX_TIMES, packed).size_bytes, 0);
    frame.size_bytes = frame.capacity_bytes = SKEP_MAX_FRAME - 2 * SKEP_MAX_TIMES;
    frame.data = calloc(1, frame.capacity_bytes);
    assert_non_null(frame.data);
    assert_int_equal(skep__handling_add(bench->cluster, &frame), SKEP_OK);
    assert_int_equal(frame.size_bytes, SKEP_MAX_FRAME - 2 * SKEP_MAX_TIMES);
    skep__frame_free(&frame);
    close_bench(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_by_worker_and_for_all), PUMP_TEST(test_workers_that_have_ended), PUMP_TEST(test_by_queue),
        PUMP_TEST(test_unknown_things),        PUMP_TEST(test_malformed_times),         PUMP_TEST(test_a_large_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
