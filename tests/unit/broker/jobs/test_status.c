/* SPDX-License-Identifier: MIT
 * Queues and jobs as operators see them: order, pages, sizes. */
#include "broker/ledger_bench.h"
#include "common/text.h"

#include "jobs/private.h"

enum { SHOWN = 600 };

/* An answer, read */
struct view {
    struct skep_frame frame;
    struct skep_reader reader;
    unsigned count;
    uint64_t ids[SHOWN];
    char states[SHOWN]; /* their first letters */
    struct skep_command last;
};

static void note(struct view *view, const struct skep_command *command) {
    view->last = *command;
    if (command->id == SKEP_COMMAND_jobStatus && view->count < SHOWN) {
        view->ids[view->count] = command->jobStatus.id;
        view->states[view->count] = command->jobStatus.state.data[0];
    }
    view->count++;
}

/* Whatever is in view->last is borrowed from the frame: valid until the next read. */
static void read_view(struct view *view) {
    struct skep_command command;
    bool more = true;
    view->count = 0;
    memset(view->states, 0, sizeof view->states);
    if (view->frame.size_bytes == 0) return; /* no frame at all */
    assert_int_equal(skep__reader_begin(&view->reader, view->frame.data, view->frame.size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&view->reader, &command, &more), SKEP_OK);
        if (more) note(view, &command);
    }
}

static struct view open_view(void) {
    struct view view = {.count = 0};
    assert_int_equal(skep__reader_init(&view.reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    return view;
}

static void close_view(struct view *view) {
    skep__reader_free(&view->reader);
    skep__frame_free(&view->frame);
}

static void peek(struct bench *bench, uint64_t n, struct view *view) {
    skep__frame_clear(&view->frame);
    assert_int_equal(skep__jobs_add_peek(bench->cluster->jobs, bench->queue, n, &view->frame), SKEP_OK);
    read_view(view);
}

static void look_at_dead(struct bench *bench, struct skep__queue *queue, uint64_t after, uint64_t n,
                         struct view *view) {
    skep__frame_clear(&view->frame);
    assert_int_equal(skep__jobs_add_dead(bench->cluster->jobs, queue, after, n, &view->frame), SKEP_OK);
    read_view(view);
}

static void put(struct bench *bench, struct skep__queue *queue, uint8_t priority, uint32_t delay_ms) {
    struct skep__submission submission = {
        .data = "data", .size_bytes = 4, .attempts = 3, .priority = priority, .delay_ms = delay_ms};
    uint64_t id;
    assert_int_equal(ledger_put(bench->cluster, queue, &submission, &id), SKEP_OK);
}

static void bury(struct bench *bench, struct skep__queue *queue, unsigned count) {
    static const struct skep_bytes none = {0};
    queue->paused = true;
    for (unsigned i = 0; i < count; i++) {
        put(bench, queue, 128, 0);
        skep__ledger_bury(bench->cluster->jobs, bench->cluster->jobs->store->kind->first(queue->shelf), "refused",
                          &none, NULL);
        later_settle(bench->cluster);
    }
    queue->paused = false;
}

/* --- peeking --- */

static void test_those_that_come_first_are_shown_first(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    peek(&bench, 10, &view);
    assert_int_equal(view.count, 0);
    skep_child *child = bench_hire(&bench, 0, 1);
    child->holder->ready = false;
    skep__consumers_update(child->holder);
    put(&bench, bench.queue, 128, 0);
    put(&bench, bench.queue, 128, 0);
    put(&bench, bench.queue, 128, 60000);
    child->holder->ready = true;
    skep__jobs_dispatch_to(child->holder); /* it has two */
    put(&bench, bench.queue, 200, 0);
    put(&bench, bench.queue, 5, 0);
    put(&bench, bench.queue, 200, 0);
    peek(&bench, 10, &view);
    static const uint64_t ids[] = {5, 4, 6, 3, 1, 2};
    assert_int_equal(view.count, 6);
    for (unsigned i = 0; i < 6; i++) assert_int_equal(view.ids[i], ids[i]);
    assert_string_equal(view.states, "rrrdrr"); /* the last two are reserved */
    assert_int_equal(view.last.jobStatus.state.size_bytes, strlen("reserved"));
    assert_int_equal(view.last.jobStatus.worker, child->id);
    assert_int_equal(view.last.jobStatus.attempt, 0); /* it has begun neither */
    assert_false(SKEP_HAS(jobStatus, &view.last.jobStatus, due_ms));
    for (uint64_t n = 1; n <= 2; n++) assert_true(skep__claim_begin(child->page, n, uv_hrtime() / 1000000));
    peek(&bench, 10, &view);
    assert_int_equal(view.last.jobStatus.attempt, 1);
    assert_true(SKEP_HAS(jobStatus, &view.last.jobStatus, due_ms));
    peek(&bench, 4, &view);
    assert_int_equal(view.count, 4);
    assert_in_range(view.last.jobStatus.due_ms, 1, 60000); /* the delayed one */
    bench_dismiss(child);
    close_view(&view);
    bench_close(&bench);
}

static void test_only_the_beginning_of_a_payload_is_shown(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    bench_submit(&bench, 1, SKEP_MAX_PAYLOAD);
    peek(&bench, 1, &view);
    assert_int_equal(view.count, 1);
    assert_int_equal(view.last.jobStatus.size, SKEP_MAX_PAYLOAD);
    assert_int_equal(view.last.jobStatus.data.size_bytes, SKEP_MAX_SNIPPET);
    bench_submit(&bench, SKEP_MAX_PEEK, SKEP_MAX_SNIPPET + 1); /* as long as an answer gets */
    peek(&bench, SKEP_MAX_PEEK, &view);
    assert_true(view.frame.size_bytes <= SKEP_MAX_FRAME);
    assert_in_range(view.count, SKEP_MAX_PEEK / 2, SKEP_MAX_PEEK);
    close_view(&view);
    bench_close(&bench);
}

/* --- dead letters --- */

static void test_dead_letters_page_by_page(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    struct skep__queue *other = skep__queues_get(bench.cluster->jobs->queues, "r", 1);
    bury(&bench, bench.queue, 5);
    bury(&bench, other, 3);
    bury(&bench, bench.queue, 2); /* 9 and 10: of the first queue, and before those of the other */
    static const uint64_t order[] = {1, 2, 3, 4, 5, 9, 10, 6, 7, 8};
    uint64_t after = 0;
    for (unsigned page = 0; page < 4; page++) {
        look_at_dead(&bench, NULL, after, 3, &view);
        assert_int_equal(view.count, page < 3 ? 3 : 1);
        for (unsigned i = 0; i < view.count; i++) assert_int_equal(view.ids[i], order[page * 3 + i]);
        after = view.ids[view.count - 1];
    }
    look_at_dead(&bench, NULL, after, 3, &view);
    assert_int_equal(view.count, 0);
    look_at_dead(&bench, other, 0, 100, &view);
    assert_int_equal(view.count, 3);
    look_at_dead(&bench, other, 7, 100, &view);
    assert_int_equal(view.count, 1);
    assert_int_equal(view.ids[0], 8);
    look_at_dead(&bench, NULL, 77, 100, &view); /* there is none such */
    assert_int_equal(view.count, 0);
    look_at_dead(&bench, other, 2, 100, &view); /* nor in this queue */
    assert_int_equal(view.count, 0);
    close_view(&view);
    bench_close(&bench);
}

static void test_what_a_dead_letter_tells(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    struct skep_bytes reason = skep__text("no such file");
    struct skep__exit_record record = {.worker = 7, .pid = 77, .code = -1, .signal = 11, .uptime_ms = 5};
    put(&bench, bench.queue, 128, 0);
    skep__ledger_bury(bench.cluster->jobs, bench.cluster->jobs->store->kind->first(bench.queue->shelf), "deaths",
                      &reason, &record);
    later_settle(bench.cluster);
    look_at_dead(&bench, NULL, 0, 1, &view);
    const struct skep_command_jobStatus *s = &view.last.jobStatus;
    assert_memory_equal(s->cause.data, "deaths", s->cause.size_bytes);
    assert_int_equal(s->reason.size_bytes, reason.size_bytes);
    assert_memory_equal(s->reason.data, reason.data, reason.size_bytes);
    assert_int_equal(s->worker, 7);
    assert_int_equal(s->pid, 77);
    assert_int_equal(s->signal, 11);
    assert_false(SKEP_HAS(jobStatus, s, code));
    assert_int_equal(s->uptime_ms, 5);
    assert_true(s->died > UINT64_C(1700000000000));
    close_view(&view);
    bench_close(&bench);
}

/* Without memory for the record there is a dead letter all the same. */
static void test_a_dead_letter_without_a_record(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    put(&bench, bench.queue, 128, 0);
    struct skep__store *store = bench.cluster->jobs->store;
    store->kind->bury(store, store->kind->first(bench.queue->shelf), "attempts", NULL, &(struct skep_bytes){0}, 0);
    later_settle(bench.cluster);
    look_at_dead(&bench, NULL, 0, 1, &view);
    assert_int_equal(view.count, 1);
    assert_false(SKEP_HAS(jobStatus, &view.last.jobStatus, cause));
    close_view(&view);
    bench_close(&bench);
}

/* --- queues --- */

static void test_queues(void **state) {
    struct bench bench;
    struct view view = open_view();
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 2);
    bench_submit(&bench, 6, 10);
    bench_complete(child, 1, 1);
    put(&bench, bench.queue, 128, 60000);
    bury(&bench, bench.queue, 1);
    skep__frame_clear(&view.frame);
    assert_int_equal(skep__jobs_add_queues(bench.cluster->jobs, &view.frame), SKEP_OK);
    read_view(&view);
    const struct skep_command_queueStatus *q = &view.last.queueStatus;
    assert_int_equal(view.count, 1);
    assert_memory_equal(q->name.data, "q", q->name.size_bytes);
    assert_int_equal(q->workers, 1);
    assert_int_equal(q->reserved + q->ready, 5);
    assert_int_equal(q->reserved, bench_place(child)->held);
    assert_int_equal(q->delayed, 1);
    assert_int_equal(q->dead, 1);
    assert_int_equal(q->submitted, 8);
    assert_int_equal(q->done, 1);
    assert_int_equal(q->bytes, bench.queue->shelf->bytes);
    bench_dismiss(child);
    close_view(&view);
    bench_close(&bench);
}

/* All queues there can be, with names as long as they can be, in one answer */
static void test_all_queues_fit_into_an_answer(void **state) {
    struct bench bench;
    struct view view = open_view();
    char name[SKEP_MAX_NAME + 1];
    bench_open(&bench, *state, NULL);
    for (unsigned i = 1; i < SKEP_MAX_QUEUES; i++) {
        snprintf(name, sizeof name, "%064u", i);
        assert_non_null(skep__queues_get(bench.cluster->jobs->queues, name, SKEP_MAX_NAME));
    }
    assert_int_equal(skep__jobs_add_queues(bench.cluster->jobs, &view.frame), SKEP_OK);
    read_view(&view);
    assert_int_equal(view.count, SKEP_MAX_QUEUES);
    assert_true(view.frame.size_bytes < SKEP_MAX_FRAME);
    close_view(&view);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_those_that_come_first_are_shown_first),
        PUMP_TEST(test_only_the_beginning_of_a_payload_is_shown),
        PUMP_TEST(test_dead_letters_page_by_page),
        PUMP_TEST(test_what_a_dead_letter_tells),
        PUMP_TEST(test_a_dead_letter_without_a_record),
        PUMP_TEST(test_queues),
        PUMP_TEST(test_all_queues_fit_into_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
