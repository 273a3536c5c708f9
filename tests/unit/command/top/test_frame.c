/* SPDX-License-Identifier: MIT
 * skep top's frames: what is where, in which size, and that nothing that drives a terminal gets there. */
#include "command/watched.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "command/top/frame.h"

struct watching {
    struct top_model model;
    struct top_view view;
    struct top_canvas canvas;
    char *text; /* of the latest frame, as lines */
};

static int begin(void **state) {
    static struct watching watching;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) return -1;
    watching = (struct watching){.model = {.interval_ms = 1000}, .canvas = {.utf8 = true}};
    *state = &watching;
    return 0;
}

static int end(void **state) {
    struct watching *watching = *state;
    top_model_free(&watching->model);
    top_view_free(&watching->view);
    top_canvas_free(&watching->canvas);
    free(watching->text);
    return 0;
}

static const char *frame(struct watching *watching, int columns, int rows) {
    size_t size;
    free(watching->text);
    FILE *file = open_memstream(&watching->text, &size);
    assert_non_null(file);
    assert_int_equal(top_view_update(&watching->view, &watching->model), SKEP_OK);
    assert_int_equal(top_frame_draw(&watching->canvas, columns, rows, &watching->model, &watching->view), SKEP_OK);
    top_canvas_print_lines(&watching->canvas, file);
    fclose(file);
    return watching->text;
}

static void assert_shows(const char *text, const char *what) {
    if (strstr(text, what) == NULL) fail_msg("no \"%s\" in\n%s", what, text);
}

static void assert_not_there(const char *text, const char *what) {
    if (strstr(text, what) != NULL) fail_msg("\"%s\" in\n%s", what, text);
}

static void add_queue(struct top_snapshot *snapshot, const char *name, uint64_t ready, uint64_t done) {
    struct skep_command command = {
        .id = SKEP_COMMAND_queueStatus,
        .queueStatus = {.name = bytes(name), .workers = 1, .ready = ready, .done = done, .dead = 3}};
    add(snapshot, &command);
}

static void add_listener(struct top_snapshot *snapshot, const char *name, const char *url, uint64_t accepted) {
    struct skep_command command = {.id = SKEP_COMMAND_listenerStatus,
                                   .listenerStatus = {.url = bytes(url), .accepted = accepted, .queued = 4}};
    SKEP_SET(listenerStatus, &command.listenerStatus, name, bytes(name));
    SKEP_SET(listenerStatus, &command.listenerStatus, resting, true);
    add(snapshot, &command);
}

static void take_all(struct watching *watching, unsigned workers, uint64_t time_ms) {
    struct top_snapshot snapshot = {0};
    struct skep_command broker = broker_command();
    SKEP_SET(brokerStatus, &broker.brokerStatus, wanted, workers + 1);
    SKEP_SET(brokerStatus, &broker.brokerStatus, breaker_ms, 2100);
    SKEP_SET(brokerStatus, &broker.brokerStatus, reloadStep, 1);
    SKEP_SET(brokerStatus, &broker.brokerStatus, reloadSteps, 4);
    broker.brokerStatus.requests = 12 * time_ms;
    add(&snapshot, &broker);
    for (unsigned id = 1; id <= workers; id++) add_worker(&snapshot, id, "ready", id * time_ms, time_ms / 2);
    struct skep_command drains = worker_command(workers + 1, "draining");
    drains.workerStatus.connections = 2;
    SKEP_SET(workerStatus, &drains.workerStatus, jobs, 1);
    SKEP_SET(workerStatus, &drains.workerStatus, drain_ms, 7400);
    add(&snapshot, &drains);
    add_listener(&snapshot, "web", "tcp://*:80", 20 * time_ms);
    add_queue(&snapshot, "thumbs", 17, 3 * time_ms);
    add_times(&snapshot, "request", 0, (unsigned)(time_ms / 100), 2000000);
    take(&watching->model, &snapshot, time_ms);
}

static void note(struct watching *watching, const char *reason) {
    struct skep_command_event event = {.time = 45296000, .event = bytes("error")};
    SKEP_SET(event, &event, reason, bytes(reason));
    top_model_note(&watching->model, &event);
}

static void test_everything_has_its_place(void **state) {
    struct watching *watching = *state;
    take_all(watching, 3, 1000);
    take_all(watching, 3, 2000);
    note(watching, "it smells");
    const char *text = frame(watching, 100, 30);
    assert_shows(text, "mail  running 1:02:05, round-robin, 3 of 4 ready");
    assert_shows(text, "BREAKER OPEN: tries a worker in 3 s; skep exits, skep resume");
    assert_shows(text, "reload 1 of 4");
    assert_shows(text, "web paused");
    assert_shows(text, "requests/s   12.0k");
    assert_shows(text, "request  p50  2.0");
    assert_shows(text, "2 conns, 1 job, 8s");
    assert_shows(text, "tcp://*:80  web   paused   20.0k     40.0k       4");
    assert_shows(text, "thumbs");
    assert_shows(text, "12:34:56 broker: error: it smells");
    assert_shows(text, "q quit");
}

static void test_a_hive_that_is_to_be_empty(void **state) {
    struct watching *watching = *state;
    struct top_snapshot snapshot = {0};
    struct skep_command broker = broker_command();
    SKEP_SET(brokerStatus, &broker.brokerStatus, wanted, 0);
    add(&snapshot, &broker);
    add_worker(&snapshot, 1, "draining", 0, 0);
    take(&watching->model, &snapshot, 1000);
    assert_shows(frame(watching, 80, 24), ", 0 of 0 ready");
}

/* What has no room is left out as a whole; the policy goes before the number of workers. */
static void test_the_head_has_whole_items(void **state) {
    static const struct {
        int columns;
        const char *head;
    } heads[] = {
        {80, "mail  running 1:02:05, round-robin, 3 of 4 ready, 0 connections, 0 restarts\n"},
        {76, "mail  running 1:02:05, round-robin, 3 of 4 ready, 0 connections, 0 restarts\n"},
        {74, "mail  running 1:02:05, round-robin, 3 of 4 ready, 0 connections\n"},
        {62, "mail  running 1:02:05, round-robin, 3 of 4 ready, 0 restarts\n"},
        {59, "mail  running 1:02:05, round-robin, 3 of 4 ready\n"},
        {47, "mail  running 1:02:05, 3 of 4 ready, 0 restarts\n"},
    };
    struct watching *watching = *state;
    take_all(watching, 3, 1000);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        const char *text = frame(watching, heads[i].columns, 24);
        if (strncmp(text, heads[i].head, strlen(heads[i].head)) != 0)
            fail_msg("not %sin %d columns:\n%s", heads[i].head, heads[i].columns, text);
    }
    const char *text = frame(watching, 66, 24); /* nor are warnings and keys cut in the middle */
    assert_shows(text, "\nBREAKER OPEN: tries a worker in 3 s; skep exits, skep resume\n");
    assert_shows(text, "\nq quit  ? help  s sort  / filter  d drain  r restart  K kill\n");
}

/* Whatever the size is, nothing is written outside, and the workers are seen. */
static void test_every_size(void **state) {
    struct watching *watching = *state;
    take_all(watching, 30, 1000);
    take_all(watching, 30, 2000);
    for (int i = 0; i < 20; i++) note(watching, "x");
    for (int columns = 1; columns < 140; columns += 3)
        for (int rows = 1; rows < 60; rows++) {
            const char *text = frame(watching, columns, rows);
            bool is_small = columns < TOP_MIN_COLUMNS || rows < TOP_MIN_ROWS;
            if (is_small) assert_memory_equal(text, "too small", columns < 3 ? (size_t)columns : 3);
            else assert_shows(text, "STATE");
            assert_true(is_small || watching->view.page >= 1);
        }
}

static void test_80_by_24_shows_all_parts(void **state) {
    struct watching *watching = *state;
    take_all(watching, 30, 1000);
    take_all(watching, 30, 2000);
    for (int i = 0; i < 20; i++) note(watching, "x");
    const char *text = frame(watching, 80, 24);
    static const char *const parts[] = {"CPU%", "LISTENER", "QUEUE", "EVENTS", "31 workers  q quit"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_shows(text, parts[i]);
    assert_true(watching->view.page >= 6);
}

static void test_columns_go_by_their_rank(void **state) {
    struct watching *watching = *state;
    take_workers(&watching->model, 2, 1000);
    take_workers(&watching->model, 2, 2000);
    const char *text = frame(watching, 120, 24);
    assert_shows(text, "RESTARTS");
    assert_not_there(text, "WAITS FOR"); /* nobody drains */
    text = frame(watching, 40, 24);
    assert_not_there(text, "RESTARTS");
    assert_shows(text, "ID");
    assert_shows(text, "P99");
    assert_shows(text, "REQ/S");
}

static void test_the_page_of_the_chosen_worker(void **state) {
    struct watching *watching = *state;
    take_workers(&watching->model, 100, 1000);
    frame(watching, 80, 24);
    top_view_key(&watching->view, &watching->model, TOP_KEY_END);
    const char *text = frame(watching, 80, 24);
    assert_shows(text, "\n100 1100 ready");
    assert_not_there(text, "\n  1 1001 ready");
    watching->view.chosen = 0;
    assert_shows(frame(watching, 80, 24), " 1 1001 ready");
}

static void test_questions_and_messages_stand_at_the_bottom(void **state) {
    struct watching *watching = *state;
    take_workers(&watching->model, 2, 1000);
    frame(watching, 80, 24);
    top_view_key(&watching->view, &watching->model, 'j');
    top_view_key(&watching->view, &watching->model, 'K');
    assert_shows(frame(watching, 80, 24), "\nkill worker 1? y/n\n");
    top_view_key(&watching->view, &watching->model, 'n');
    assert_shows(frame(watching, 80, 24), "\nworker 1 is left alone\n");
    top_view_key(&watching->view, &watching->model, '/');
    top_view_key(&watching->view, &watching->model, '2');
    assert_shows(frame(watching, 80, 24), "\nfilter: 2_\n");
    top_view_key(&watching->view, &watching->model, '\n');
    assert_shows(frame(watching, 80, 24), "\n1 of 2 workers: 2  q quit");
    top_view_key(&watching->view, &watching->model, '?');
    assert_shows(frame(watching, 80, 24), "select a worker");
    watching->view.mode = TOP_HELPING;
    assert_shows(frame(watching, 80, 24), "\npress any key to go back\n");
    assert_not_there(frame(watching, 80, 24), "q quit");
}

static void test_sparklines(void **state) {
    struct watching *watching = *state;
    for (uint64_t i = 1; i <= 9; i++) {
        struct top_snapshot snapshot = {0};
        add_broker(&snapshot, 50 * (i - 1) * (i - 2));
        take(&watching->model, &snapshot, 1000 * i);
    }
    assert_shows(frame(watching, 80, 24), "requests/s     700  ▁▂▃▄▅▆▇█\n");
    watching->canvas.utf8 = false;
    assert_shows(frame(watching, 80, 24), "requests/s     700  _.:-=+*#\n");
}

/* Names come from workers. A frame has nothing in it but characters that move the cursor by what they are wide. */
static void test_nothing_reaches_the_terminal_that_could_drive_it(void **state) {
    struct watching *watching = *state;
    struct top_snapshot snapshot = {0};
    struct skep_command command = worker_command(1, "\x1b]0;x\a");
    SKEP_SET(workerStatus, &command.workerStatus, name,
             bytes("\x1b[2J\xc2\x9b"
                   "31m\xff\xe2\x80\xae"
                   "evil\n\r\t"));
    add(&snapshot, &command);
    add_queue(&snapshot, "\x1b[31m\xe6\xbc\xa2\xe5\xad\x97", 0, 0);
    take(&watching->model, &snapshot, 1000);
    const char *text = frame(watching, 120, 30);
    assert_shows(text, "?[2J??31m????evil???");
    assert_shows(text, "?[31m\xe6\xbc\xa2\xe5\xad\x97");
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if (*c < ' ' && *c != '\n') fail_msg("byte %d", *c);
    watching->canvas.utf8 = false;
    text = frame(watching, 120, 30);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if ((*c < ' ' && *c != '\n') || *c > '~') fail_msg("byte %d", *c);
}

/* A wide character that does not fit is not cut in half. */
static void test_canvas_clips(void **state) {
    struct top_canvas *canvas = &((struct watching *)*state)->canvas;
    assert_int_equal(top_canvas_clear(canvas, 5, 2), SKEP_OK);
    assert_int_equal(top_canvas_put(canvas, 0, 2, 99, TOP_PLAIN, "a\xe6\xbc\xa2\xe5\xad\x97"), 5);
    assert_int_equal(top_canvas_put(canvas, 1, 2, 5, TOP_PLAIN, "ab\xe6\xbc\xa2"), 4);
    assert_int_equal(top_canvas_put(canvas, 2, 0, 5, TOP_PLAIN, "below"), 0);
    assert_int_equal(top_canvas_width(canvas, "e\xcc\x81\xe6\xbc\xa2"), 3);
    assert_string_equal(canvas->cells[5 + 3].text, "b");
    assert_string_equal(canvas->cells[5 + 4].text, " ");
}

static void test_a_plain_frame_has_room_for_all(void **state) {
    struct watching *watching = *state;
    take_all(watching, 300, 1000);
    note(watching, "last");
    watching->view.is_plain = true;
    assert_int_equal(top_view_update(&watching->view, &watching->model), SKEP_OK);
    const char *text = frame(watching, 80, top_frame_rows(&watching->model, &watching->view));
    assert_shows(text, "\n300 1300 ready");
    assert_shows(text, "last\n");
    assert_not_there(text, "q quit");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_everything_has_its_place),
        TEST(test_a_hive_that_is_to_be_empty),
        TEST(test_the_head_has_whole_items),
        TEST(test_every_size),
        TEST(test_80_by_24_shows_all_parts),
        TEST(test_columns_go_by_their_rank),
        TEST(test_the_page_of_the_chosen_worker),
        TEST(test_questions_and_messages_stand_at_the_bottom),
        TEST(test_sparklines),
        TEST(test_nothing_reaches_the_terminal_that_could_drive_it),
        TEST(test_canvas_clips),
        TEST(test_a_plain_frame_has_room_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
