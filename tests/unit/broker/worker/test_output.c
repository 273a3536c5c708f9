/* SPDX-License-Identifier: MIT
 * A worker's output, as far as it can be seen without a worker: lines, pauses, ends. */
#include "broker/hatch.h"

#include <errno.h>
#include <signal.h>

#include "worker/bucket.h"
#include "worker/private.h"

enum { PIPE_BYTES = 64 * 1024 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
    int ends[2]; /* the worker's; -1: closed */
    char text[4096];
    unsigned lines, errors;
};

static void see_line(skep_cluster *cluster, const skep_log_line *line, void *context) {
    (void)cluster;
    struct bench *bench = context;
    size_t used = strlen(bench->text);
    bench->lines++;
    if (used + line->size_bytes + 8 > sizeof bench->text) return;
    snprintf(bench->text + used, sizeof bench->text - used, "%d:%.*s;", line->stream, (int)line->size_bytes,
             line->data);
}

static void see_error(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)event;
    struct bench *bench = context;
    bench->errors++;
}

static void open_bench(struct bench *bench, struct pump *pump) {
    int ours[2];
    signal(SIGPIPE, SIG_IGN);
    *bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, NULL)};
    bench->child = hatch_child(bench->cluster, 0);
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        ours[i] = ends[0];
        bench->ends[i] = ends[1];
    }
    skep_on_log(bench->cluster, see_line, bench);
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_ERROR, see_error, bench), SKEP_OK);
    assert_int_equal(skep__output_new(bench->child, ours), SKEP_OK);
}

static void close_end(struct bench *bench, int i) {
    if (bench->ends[i] >= 0) close(bench->ends[i]);
    bench->ends[i] = -1;
}

static void close_bench(struct bench *bench) {
    skep__output_close(bench->child);
    for (int i = 0; i < 2; i++) close_end(bench, i);
    hatch_free_child(bench->child);
    hatch_free(bench->pump, &bench->cluster);
}

static void say(const struct bench *bench, int stream, const char *text) {
    assert_int_equal(write(bench->ends[stream - 1], text, strlen(text)), strlen(text));
}

static void test_lines_of_both(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    say(&bench, 1, "one\ntw");
    PUMP_UNTIL(bench.pump, bench.lines == 1);
    say(&bench, 2, "to err\n");
    PUMP_UNTIL(bench.pump, bench.lines == 2);
    say(&bench, 1, "o\n");
    PUMP_UNTIL(bench.pump, bench.lines == 3);
    assert_string_equal(bench.text, "1:one;2:to err;1:two;");
    assert_int_equal(bench.cluster->journal->log.seq, 3);
    assert_int_equal(bench.child->subject->last_lines.count, 3);
    close_bench(&bench);
}

static void test_a_line_without_end_is_shown_after_a_while(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    say(&bench, 1, "prompt> ");
    uint64_t began_ns = uv_hrtime();
    PUMP_LOOK_UNTIL(bench.pump, bench.lines == 1);
    assert_true(uv_hrtime() - began_ns > UINT64_C(500000000));
    assert_string_equal(bench.text, "1:prompt> ;");
    close_bench(&bench);
}

static void test_a_stream_that_ends(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    say(&bench, 1, "no end");
    close_end(&bench, 0);
    PUMP_UNTIL(bench.pump, bench.lines == 1);
    say(&bench, 2, "the other goes on\n");
    PUMP_UNTIL(bench.pump, bench.lines == 2);
    close_end(&bench, 1);
    pump_turns(bench.pump, 5);
    skep__output_finish(bench.child);
    assert_null(bench.child->process->output);
    close_bench(&bench);
}

/* Nobody turns the loop meanwhile: what is in the pipes is read at once, and whoever still writes is cut off. */
static void test_the_end_of_the_worker(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    say(&bench, 1, "last\nno end");
    say(&bench, 2, "err\n");
    skep__output_finish(bench.child);
    assert_string_equal(bench.text, "1:last;1:no end;2:err;");
    assert_int_equal(write(bench.ends[0], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close_bench(&bench);
}

/* Writes lines of a kilobyte as long as there is room, whatever turns that takes; returns how many bytes. */
static size_t flood(const struct bench *bench, unsigned turns) {
    static char line[1024];
    size_t bytes = 0;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (unsigned i = 0; i < turns; i++) {
        while (write(bench->ends[0], line, sizeof line) == sizeof line) bytes += sizeof line;
        pump_turn(bench->pump, UINT64_MAX, 1, "output");
    }
    return bytes;
}

static void test_a_flood_is_paused(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    uint64_t began_ns = uv_hrtime();
    size_t written = flood(&bench, 200);
    uint64_t lasted_ms = (uv_hrtime() - began_ns) / 1000000 + 1;
    assert_true(written >= SKEP__BUCKET_BURST * 9 / 10);
    assert_true(written <= SKEP__BUCKET_BURST + 2 * PIPE_BYTES + lasted_ms * SKEP__BUCKET_RATE / 1000);
    PUMP_LOOK_UNTIL(bench.pump, flood(&bench, 1) > 0); /* it goes on */
    close_bench(&bench);
}

/* Not at once: a burst at the start of a program is no flood. */
static void test_a_flood_that_lasts_is_told_once(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    uint64_t began_ns = uv_hrtime();
    PUMP_LOOK_UNTIL(bench.pump, flood(&bench, 1) == 0 && bench.errors > 0);
    assert_true(uv_hrtime() - began_ns > UINT64_C(900000000));
    for (unsigned more = 0; more < 20;) more += flood(&bench, 1) > 0;
    assert_int_equal(bench.errors, 1);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_lines_of_both),      PUMP_TEST(test_a_line_without_end_is_shown_after_a_while),
        PUMP_TEST(test_a_stream_that_ends), PUMP_TEST(test_the_end_of_the_worker),
        PUMP_TEST(test_a_flood_is_paused),  PUMP_TEST(test_a_flood_that_lasts_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
