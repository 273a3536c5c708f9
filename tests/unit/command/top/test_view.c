/* SPDX-License-Identifier: MIT
 * skep top's view: order, filter, the chosen worker, and what keys do. */
#include "command/watched.h"

struct watching {
    struct top_model model;
    struct top_view view;
};

static int begin(void **state) {
    static struct watching watching;
    watching = (struct watching){.model = {.interval_ms = 1000}, .view = {.page = 3}};
    take_workers(&watching.model, 5, 1000);
    take_workers(&watching.model, 5, 2000);
    *state = &watching;
    return top_view_update(&watching.view, &watching.model);
}

static int end(void **state) {
    struct watching *watching = *state;
    top_model_free(&watching->model);
    top_view_free(&watching->view);
    return 0;
}

static enum top_action press(struct watching *watching, int key) {
    return top_view_key(&watching->view, &watching->model, key);
}

static void type(struct watching *watching, const char *text) {
    for (; *text != '\0'; text++) assert_int_equal(press(watching, *text), TOP_NOTHING);
}

static unsigned row(const struct watching *watching, size_t at) {
    return at < watching->view.rows_count ? (unsigned)watching->view.rows[at]->status.worker : 0;
}

/* The next snapshot, without one of the workers */
static void take_without(struct watching *watching, unsigned gone) {
    struct top_snapshot snapshot = {0};
    for (unsigned id = 1; id <= 5; id++)
        if (id != gone) add_worker(&snapshot, id, id == 4 ? "draining" : "ready", 0, 0);
    take(&watching->model, &snapshot, watching->model.now.time_ms + 1000);
    assert_int_equal(top_view_update(&watching->view, &watching->model), SKEP_OK);
}

static void test_the_busiest_first(void **state) {
    struct watching *watching = *state;
    assert_int_equal(row(watching, 0), 1);
    watching->view.sort = TOP_BY_STATE;
    press(watching, 's');
    assert_int_equal(watching->view.sort, TOP_BY_CPU);
    assert_int_equal(row(watching, 0), 5);
    press(watching, 'S');
    assert_int_equal(row(watching, 0), 1);
    for (int i = 0; i < TOP_SORTS; i++) {
        press(watching, 's');
        assert_int_equal(watching->view.rows_count, 5);
    }
}

static void test_the_slowest_first(void **state) {
    struct watching *watching = *state;
    struct top_snapshot snapshot = {0};
    for (unsigned id = 1; id <= 3; id++) {
        add_worker(&snapshot, id, "ready", 0, 0);
        add_times(&snapshot, "request", id, 10, id == 2 ? 900000000 : 1000000);
    }
    add_times(&snapshot, "request", 0, 10, 1000000);
    take(&watching->model, &snapshot, 3000);
    watching->view.sort = TOP_BY_P99;
    assert_int_equal(top_view_update(&watching->view, &watching->model), SKEP_OK);
    assert_int_equal(row(watching, 0), 2);
}

static void test_who_is_chosen_stays_so_in_another_order(void **state) {
    struct watching *watching = *state;
    assert_int_equal(watching->view.chosen, 0);
    press(watching, 'j');
    press(watching, TOP_KEY_DOWN);
    assert_int_equal(watching->view.chosen, 2);
    press(watching, 'S');
    assert_int_equal(watching->view.chosen, 2);
    assert_int_equal(watching->view.chosen_at, 3);
    press(watching, 'k');
    assert_int_equal(watching->view.chosen, 3);
}

static void test_moving_ends_at_the_ends(void **state) {
    struct watching *watching = *state;
    static const struct {
        int key;
        unsigned chosen;
    } steps[] = {
        {TOP_KEY_PAGE_DOWN, 1}, {TOP_KEY_PAGE_DOWN, 4}, {TOP_KEY_PAGE_DOWN, 5}, {'j', 5}, {TOP_KEY_HOME, 1}, {'k', 1},
        {TOP_KEY_END, 5},       {TOP_KEY_PAGE_UP, 2},   {TOP_KEY_PAGE_UP, 1}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        press(watching, steps[i].key);
        assert_int_equal(watching->view.chosen, steps[i].chosen);
    }
}

static void test_what_is_done_is_asked_first(void **state) {
    struct watching *watching = *state;
    static const struct {
        int key;
        enum top_action action;
    } steps[] = {{'d', TOP_DRAIN}, {'r', TOP_RESTART}, {'K', TOP_KILL}};
    press(watching, 'K');
    assert_int_equal(watching->view.mode, TOP_WATCHING);
    assert_string_equal(watching->view.message, "select a worker first, with the arrows or j and k");
    press(watching, 'j');
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(press(watching, steps[i].key), TOP_NOTHING);
        assert_int_equal(press(watching, 'n'), TOP_NOTHING);
        assert_string_equal(watching->view.message, "worker 1 is left alone");
        assert_int_equal(press(watching, steps[i].key), TOP_NOTHING);
        assert_int_equal(press(watching, 'y'), steps[i].action);
        assert_int_equal(press(watching, 'y'), TOP_NOTHING);
    }
}

/* Else y would be about somebody else. */
static void test_a_question_ends_when_its_worker_is_gone(void **state) {
    struct watching *watching = *state;
    press(watching, 'j');
    press(watching, 'j');
    press(watching, 'K');
    take_without(watching, 2);
    assert_string_equal(watching->view.message, "worker 2, which was selected, has gone");
    assert_int_equal(watching->view.chosen, 0);
    assert_int_equal(press(watching, 'y'), TOP_NOTHING);
}

static void test_a_question_ends_when_its_worker_is_filtered_out(void **state) {
    struct watching *watching = *state;
    type(watching, "/ready\n");
    press(watching, 'j');
    press(watching, TOP_KEY_END);
    press(watching, 'k');
    press(watching, 'd');
    assert_int_equal(watching->view.chosen, 4);
    take_without(watching, 1);
    assert_int_equal(watching->view.chosen, 0);
    assert_int_equal(press(watching, 'y'), TOP_NOTHING);
}

static void test_filter(void **state) {
    struct watching *watching = *state;
    take_without(watching, 0);
    type(watching, "/DRAIN");
    assert_int_equal(watching->view.rows_count, 1);
    assert_int_equal(row(watching, 0), 4);
    for (int i = 0; i < 9; i++) press(watching, TOP_KEY_BACKSPACE);
    assert_int_equal(watching->view.rows_count, 5);
    type(watching, "1003\n");
    assert_int_equal(row(watching, 0), 3);
    press(watching, 'j');
    assert_int_equal(watching->view.chosen, 3);
    press(watching, TOP_KEY_ESCAPE);
    assert_int_equal(watching->view.rows_count, 5);
    assert_int_equal(watching->view.chosen_at, 2);
    type(watching, "/nobody");
    assert_int_equal(watching->view.rows_count, 0);
    assert_int_equal(watching->view.chosen, 0);
    press(watching, TOP_KEY_ESCAPE);
    assert_int_equal(watching->view.rows_count, 5);
}

static void test_a_filter_has_an_end(void **state) {
    struct watching *watching = *state;
    press(watching, '/');
    for (int i = 0; i < 500; i++) press(watching, 'x');
    press(watching, 0x1b5b);
    press(watching, 0xff);
    assert_int_equal(strlen(watching->view.filter), TOP_FILTER_BYTES - 1);
}

static void test_the_interval_has_bounds(void **state) {
    struct watching *watching = *state;
    for (int i = 0; i < 10; i++) press(watching, '-');
    assert_int_equal(watching->model.interval_ms, 250);
    for (int i = 0; i < 10; i++) press(watching, '+');
    assert_int_equal(watching->model.interval_ms, 16000);
}

static void test_an_order_that_stays_reversed_says_so(void **state) {
    struct watching *watching = *state;
    press(watching, 's');
    assert_string_equal(watching->view.message, "sorted by STATE");
    press(watching, 'S');
    assert_string_equal(watching->view.message, "sorted by STATE, in reverse");
    press(watching, 's');
    assert_string_equal(watching->view.message, "sorted by CPU%, in reverse");
}

static void test_other_keys(void **state) {
    struct watching *watching = *state;
    assert_int_equal(press(watching, 'q'), TOP_QUIT);
    press(watching, 'p');
    assert_true(watching->view.paused);
    press(watching, '?');
    assert_int_equal(watching->view.mode, TOP_HELPING);
    assert_int_equal(press(watching, 'q'), TOP_NOTHING);
    assert_int_equal(watching->view.mode, TOP_WATCHING);
    assert_int_equal(press(watching, 'Z'), TOP_NOTHING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_busiest_first),
        TEST(test_the_slowest_first),
        TEST(test_who_is_chosen_stays_so_in_another_order),
        TEST(test_moving_ends_at_the_ends),
        TEST(test_what_is_done_is_asked_first),
        TEST(test_a_question_ends_when_its_worker_is_gone),
        TEST(test_a_question_ends_when_its_worker_is_filtered_out),
        TEST(test_filter),
        TEST(test_a_filter_has_an_end),
        TEST(test_the_interval_has_bounds),
        TEST(test_an_order_that_stays_reversed_says_so),
        TEST(test_other_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
