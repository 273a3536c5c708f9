/* SPDX-License-Identifier: MIT
 * Exit records: what they say, how many are kept. */
#include "broker/hatch.h"
#include "common/text.h"

#include "journal/private.h"

enum { KEPT_EXITS = 256 };

struct answer {
    uint64_t workers[KEPT_EXITS];
    size_t count;
    struct skep_command_exitStatus last; /* its texts are not to be read */
    char line[16], reason[16], name[16];
};

static void take(struct answer *answer, const struct skep_command_exitStatus *e) {
    assert_true(answer->count < KEPT_EXITS);
    answer->workers[answer->count++] = e->worker;
    answer->last = *e;
    skep__copy_text(answer->reason, sizeof answer->reason, &e->reason);
    skep__copy_text(answer->name, sizeof answer->name, &e->name);
    if (e->lines.count == 0) return;
    struct skep_bytes line = skep__list_at(&e->lines, e->lines.count - 1);
    skep__copy_text(answer->line, sizeof answer->line, &line);
}

static void ask(const skep_cluster *cluster, uint64_t n, struct answer *answer) {
    struct skep_frame frame = {0};
    struct skep_reader reader;
    struct skep_command command;
    bool more = true;
    *answer = (struct answer){.count = 0};
    assert_int_equal(skep__exits_add(cluster, n, &frame), SKEP_OK);
    if (frame.size_bytes == 0) return;
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    assert_int_equal(skep__reader_begin(&reader, frame.data, frame.size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&reader, &command, &more), SKEP_OK);
        if (more) take(answer, &command.exitStatus);
    }
    skep__reader_free(&reader);
    skep__frame_free(&frame);
}

static skep_exit_facts facts_of(uint32_t id) {
    return (skep_exit_facts){.id = id,
                             .slot = 4,
                             .pid = 77,
                             .name = "cook",
                             .code = -1,
                             .signal = 9,
                             .reason = "crashed",
                             .uptime_ms = 1234,
                             .connections = 3};
}

static void test_what_a_record_says(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    skep_child *child = hatch_child(cluster, 4);
    const struct skep__log_line about = {.worker = 5, .pid = 77, .stream = 1, .size_bytes = 4};
    struct skep__log_line *line;
    struct answer answer;
    assert_int_equal(skep__log_add(&cluster->journal->log, &about, "last", 1000, &line), SKEP_OK);
    skep__tail_add(&child->subject->last_lines, line);
    child->rusage.ru_utime.tv_sec = 2;
    child->rusage.ru_stime.tv_usec = 5999;
    child->rusage.ru_maxrss = 10;
    skep_exit_facts facts = facts_of(5);
    skep__exits_keep(child, &facts, 2);
    ask(cluster, 0, &answer);
    assert_int_equal(answer.count, 1);
    const struct skep_command_exitStatus *e = &answer.last;
    assert_int_equal(e->worker, 5);
    assert_int_equal(e->pid, 77);
    assert_int_equal(e->slot, 4);
    assert_int_equal(e->signal, 9);
    assert_false(SKEP_HAS(exitStatus, e, code));
    assert_true(SKEP_HAS(exitStatus, e, delay_ms));
    assert_int_equal(e->uptime_ms, 1234);
    assert_int_equal(e->user_ms, 2000);
    assert_int_equal(e->system_ms, 5);
    assert_int_equal(e->rss_bytes, 10240);
    assert_int_equal(e->connections, 3);
    assert_int_equal(e->jobs, 2);
    assert_false(e->ready);
    assert_int_equal(e->lines.count, 1);
    assert_string_equal(answer.line, "last");
    assert_string_equal(answer.reason, "crashed");
    assert_string_equal(answer.name, "cook");
    hatch_free_child(child);
    hatch_free(pump, &cluster);
}

static void test_the_latest_are_kept(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    skep_child *child = hatch_child(cluster, 0);
    struct answer answer;
    ask(cluster, 0, &answer);
    assert_int_equal(answer.count, 0);
    for (uint32_t id = 1; id <= KEPT_EXITS + 10; id++) {
        skep_exit_facts facts = facts_of(id);
        skep__exits_keep(child, &facts, 2);
    }
    ask(cluster, 0, &answer);
    assert_int_equal(answer.count, KEPT_EXITS);
    for (size_t i = 0; i < answer.count; i++) assert_int_equal(answer.workers[i], i + 11);
    ask(cluster, 3, &answer);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.workers[0], KEPT_EXITS + 8);
    ask(cluster, KEPT_EXITS + 1, &answer);
    assert_int_equal(answer.count, KEPT_EXITS);
    hatch_free_child(child);
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_a_record_says),
        PUMP_TEST(test_the_latest_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
