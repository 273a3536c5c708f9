/* SPDX-License-Identifier: MIT
 * The log: bounded, numbered, told again from any number on, of one worker or of all. */
#include "lib/pump.h"

#include "journal/private.h"

enum { PLENTY = 64 * 1024 * 1024, ASKED_LINES = 4096 };

struct answer {
    uint64_t seqs[ASKED_LINES];
    uint32_t workers[ASKED_LINES];
    size_t count, size_bytes;
    bool ended, more;
    uint64_t seq, lost;
};

static struct skep__log *open_log(void) {
    struct skep__log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    TAILQ_INIT(&log->lines);
    return log;
}

static void close_log(struct skep__log *log) {
    skep__log_free(log);
    assert_int_equal(log->bytes, 0);
    free(log);
}

static struct skep__log_line *add_data(struct skep__log *log, uint32_t worker, const char *data, size_t size_bytes,
                                       size_t limit_bytes) {
    const struct skep__log_line about = {
        .time_ms = 1, .worker = worker, .pid = 100, .stream = 2, .size_bytes = size_bytes};
    struct skep__log_line *line = NULL;
    assert_int_equal(skep__log_add(log, &about, data, limit_bytes, &line), SKEP_OK);
    return line;
}

static struct skep__log_line *add(struct skep__log *log, uint32_t worker, const char *text) {
    return add_data(log, worker, text, strlen(text), PLENTY);
}

static void take(struct answer *answer, const struct skep_command *command) {
    assert_false(answer->ended);
    if (command->id == SKEP_COMMAND_logLine) {
        assert_true(answer->count < ASKED_LINES);
        answer->workers[answer->count] = (uint32_t)command->logLine.worker;
        answer->seqs[answer->count++] = command->logLine.seq;
        return;
    }
    assert_int_equal(command->id, SKEP_COMMAND_logEnd);
    answer->ended = true;
    answer->seq = command->logEnd.seq;
    answer->lost = command->logEnd.lost;
    answer->more = command->logEnd.more;
}

static struct answer ask(const struct skep__log *log, const struct skep_command_logs *question) {
    struct answer answer = {.count = 0};
    struct skep_frame frame = {0};
    struct skep_reader reader;
    struct skep_command command;
    bool more = true;
    assert_int_equal(skep__log_answer(log, question, &frame), SKEP_OK);
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    assert_int_equal(skep__reader_begin(&reader, frame.data, frame.size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&reader, &command, &more), SKEP_OK);
        if (more) take(&answer, &command);
    }
    answer.size_bytes = frame.size_bytes;
    assert_true(answer.ended);
    skep__reader_free(&reader);
    skep__frame_free(&frame);
    return answer;
}

static struct answer ask_since(const struct skep__log *log, uint64_t since) {
    struct skep_command_logs question = {0};
    SKEP_SET(logs, &question, since, since);
    return ask(log, &question);
}

static void test_lines_are_numbered_and_kept(void **state) {
    (void)state;
    struct skep__log *log = open_log();
    struct answer none = ask_since(log, 0);
    assert_int_equal(none.count, 0);
    assert_int_equal(none.seq, 0);
    for (int i = 0; i < 5; i++) add(log, 1, "line");
    struct answer all = ask_since(log, 0), rest = ask_since(log, 3), future = ask_since(log, 99);
    assert_int_equal(all.count, 5);
    assert_int_equal(all.seqs[0], 1);
    assert_int_equal(all.seq, 5);
    assert_false(all.more);
    assert_int_equal(rest.count, 2);
    assert_int_equal(rest.seqs[0], 4);
    assert_int_equal(rest.lost, 0);
    assert_int_equal(future.count, 0);
    assert_int_equal(future.seq, 5);
    close_log(log);
}

static void test_any_bytes_come_as_they_were(void **state) {
    (void)state;
    static const char bytes[] = "\x1b[2J\0\xff\r";
    struct skep__log *log = open_log();
    add_data(log, 7, bytes, sizeof bytes, PLENTY);
    const struct skep__log_line *line = TAILQ_FIRST(&log->lines);
    assert_int_equal(line->size_bytes, sizeof bytes);
    assert_memory_equal(line->data, bytes, sizeof bytes);
    assert_int_equal(line->stream, 2);
    assert_int_equal(line->pid, 100);
    close_log(log);
}

static void test_the_oldest_give_way(void **state) {
    (void)state;
    static char data[1000];
    struct skep__log *log = open_log();
    memset(data, 'x', sizeof data);
    for (int i = 0; i < 100; i++) {
        add_data(log, 1, data, sizeof data, 10000);
        assert_true(log->bytes <= 10000);
    }
    struct answer all = ask_since(log, 0), later = ask_since(log, 50);
    assert_in_range(all.count, 5, 10);
    assert_int_equal(all.seqs[all.count - 1], 100);
    assert_int_equal(all.lost, 100 - all.count);
    assert_int_equal(later.lost, 50 - later.count);
    assert_int_equal(ask_since(log, 99).lost, 0);
    close_log(log);
}

static void test_one_line_is_always_kept(void **state) {
    (void)state;
    struct skep__log *log = open_log();
    add_data(log, 1, "one", 3, 1);
    add_data(log, 1, "two", 3, 1);
    struct answer all = ask_since(log, 0);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.seqs[0], 2);
    close_log(log);
}

/* Past lines of others whoever asks goes on to what is new. */
static void test_of_one_worker(void **state) {
    (void)state;
    struct skep__log *log = open_log();
    struct skep_command_logs question = {0};
    for (int i = 0; i < 10; i++) add(log, i == 2 ? 8 : 9, "line");
    SKEP_SET(logs, &question, worker, 8);
    SKEP_SET(logs, &question, since, 0);
    struct answer found = ask(log, &question);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.seqs[0], 3);
    assert_int_equal(found.seq, 10);
    question.since = 3;
    found = ask(log, &question);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.seq, 10);
    close_log(log);
}

static void test_the_latest(void **state) {
    (void)state;
    struct skep__log *log = open_log();
    struct skep_command_logs question = {0};
    for (int i = 0; i < 10; i++) add(log, i % 2 == 0 ? 8 : 9, "line");
    SKEP_SET(logs, &question, n, 3);
    struct answer found = ask(log, &question);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.seqs[0], 8);
    assert_false(found.more);
    SKEP_SET(logs, &question, worker, 8);
    found = ask(log, &question);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.seqs[0], 5);
    SKEP_SET(logs, &question, since, 0);
    found = ask(log, &question);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.seqs[0], 1);
    assert_true(found.more);
    assert_int_equal(found.seq, 6);
    close_log(log);
}

/* Nothing twice, nothing left out. */
static void test_long_logs_come_in_parts(void **state) {
    (void)state;
    enum { LINES = 1000, BYTES = 4000 };
    static char data[BYTES];
    struct skep__log *log = open_log();
    uint64_t next = 1, since = 0;
    unsigned parts = 0;
    for (int i = 0; i < LINES; i++) add_data(log, 1, data, sizeof data, PLENTY);
    for (bool more = true; more; parts++) {
        struct answer part = ask_since(log, since);
        assert_true(part.size_bytes <= 1200000);
        for (size_t i = 0; i < part.count; i++) assert_int_equal(part.seqs[i], next++);
        since = part.seq;
        more = part.more;
    }
    assert_int_equal(next, LINES + 1);
    assert_in_range(parts, 4, 6);
    struct skep_command_logs latest = {0};
    struct answer fitting = ask(log, &latest);
    assert_int_equal(fitting.seqs[fitting.count - 1], LINES);
    assert_false(fitting.more);
    assert_true(fitting.count > 200);
    close_log(log);
}

static void test_a_tail_is_the_last_lines(void **state) {
    (void)state;
    static char large[3000];
    struct skep__log *log = open_log();
    struct skep__log_tail tail = {.count = 0};
    for (int i = 0; i < 25; i++) skep__tail_add(&tail, add(log, 1, "line"));
    assert_int_equal(tail.count, SKEP__TAIL_LINES);
    assert_int_equal(tail.lines[0]->seq, 16);
    assert_int_equal(tail.lines[9]->seq, 25);
    skep__tail_add(&tail, add_data(log, 1, large, sizeof large, PLENTY));
    skep__tail_add(&tail, add_data(log, 1, large, sizeof large, PLENTY));
    assert_int_equal(tail.count, 1);
    assert_true(tail.bytes <= SKEP__TAIL_BYTES);
    close_log(log);
    assert_int_equal(tail.lines[0]->seq, 27); /* it has outlived the log */
    skep__tail_free(&tail);
    assert_int_equal(tail.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_numbered_and_kept),
        cmocka_unit_test(test_any_bytes_come_as_they_were),
        cmocka_unit_test(test_the_oldest_give_way),
        cmocka_unit_test(test_one_line_is_always_kept),
        cmocka_unit_test(test_of_one_worker),
        cmocka_unit_test(test_the_latest),
        cmocka_unit_test(test_long_logs_come_in_parts),
        cmocka_unit_test(test_a_tail_is_the_last_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
