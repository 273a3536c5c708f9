/* SPDX-License-Identifier: MIT
 * Commands as JSON objects: the rule, and that no command falls through it. */
#include "command/common/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"

static void assert_json(const struct skep_command *command, const char *wanted) {
    json_t *object = members_of(command);
    char *text = json_dumps(object, JSON_COMPACT);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(object);
}

static struct skep_command worker(void) {
    struct skep_command command = {.id = SKEP_COMMAND_workerStatus,
                                   .workerStatus = {.worker = 3, .pid = 47, .state = {"ready", 5}, .uptime_ms = 1500}};
    return command;
}

static void test_names_and_seconds(void **state) {
    struct skep_command command = worker();
    (void)state;
    SKEP_SET(workerStatus, &command.workerStatus, jobsDone, 12);
    SKEP_SET(workerStatus, &command.workerStatus, drain_ms, 0);
    assert_json(&command,
                "{\"id\":3,\"pid\":47,\"state\":\"ready\",\"uptime_s\":1.5,\"slot\":0,\"restarts\":0,\"connections\":0,"
                "\"accepted\":0,\"requests\":0,\"messages\":0,\"rss_bytes\":0,\"jobs_done\":12,\"drain_s\":0.0}");
}

static void test_what_is_absent_or_empty_is_left_out(void **state) {
    struct skep_command command = worker();
    (void)state;
    SKEP_SET(workerStatus, &command.workerStatus, name, skep__text(""));
    json_t *object = members_of(&command);
    assert_null(json_object_get(object, "name"));
    assert_null(json_object_get(object, "program"));
    assert_null(json_object_get(object, "cpu_s"));
    json_decref(object);
}

static void test_numbers_never_turn_negative(void **state) {
    struct skep_command command = worker();
    (void)state;
    command.workerStatus.accepted = UINT64_MAX;
    json_t *object = members_of(&command);
    assert_true(json_integer_value(json_object_get(object, "accepted")) == INT64_MAX);
    json_decref(object);
}

static void test_a_broker(void **state) {
    struct skep_command command = {.id = SKEP_COMMAND_brokerStatus, .brokerStatus = {.name = {"b", 1}, .badFrames = 7}};
    (void)state;
    json_t *object = members_of(&command);
    assert_int_equal(json_integer_value(json_object_get(object, "bad_frames")), 7);
    assert_int_equal(json_integer_value(json_object_get(object, "cut")), 0);
    assert_true(json_is_integer(json_object_get(object, "stray_answers")));
    assert_true(json_is_null(json_object_get(object, "breaker_s")));
    assert_true(json_is_null(json_object_get(object, "reload")));
    assert_null(json_object_get(object, "wanted"));
    assert_null(json_object_get(object, "news_seq"));
    json_decref(object);
    SKEP_SET(brokerStatus, &command.brokerStatus, reloadStep, 1);
    SKEP_SET(brokerStatus, &command.brokerStatus, reloadSteps, 4);
    object = members_of(&command);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "reload"), "step")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "reload"), "steps")), 4);
    json_decref(object);
}

/* 451: 100 us, 98 times; 2158: 1 s, twice. */
static void test_a_queue(void **state) {
    struct skep_command command = {.id = SKEP_COMMAND_queueStatus, .queueStatus = {.name = {"q", 1}}};
    static const char *const zero[] = {"taken_back", "interrupted", "lease_s", "attempts", "credit", "backoff_s"};
    (void)state;
    json_t *object = members_of(&command);
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        assert_true(json_number_value(json_object_get(object, zero[i])) == 0 &&
                    json_is_number(json_object_get(object, zero[i])));
    assert_true(json_is_false(json_object_get(object, "paused")));
    assert_true(json_is_false(json_object_get(object, "configured")));
    assert_true(json_is_null(json_object_get(object, "concurrency")));
    assert_true(json_is_null(json_object_get(object, "interruptions")));
    assert_null(json_object_get(object, "times"));
    json_decref(object);
    SKEP_SET(queueStatus, &command.queueStatus, concurrency, 2);
    SKEP_SET(queueStatus, &command.queueStatus, times, ((struct skep_bytes){"\xc3\x03\x62\xaa\x0d\x02", 6}));
    object = members_of(&command);
    assert_int_equal(json_integer_value(json_object_get(object, "concurrency")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "times"), "count")), 100);
    json_decref(object);
    SKEP_SET(queueStatus, &command.queueStatus, times, ((struct skep_bytes){"\x80", 1}));
    object = members_of(&command);
    assert_null(json_object_get(object, "times")); /* of a version that this one cannot read */
    json_decref(object);
}

static void test_a_job(void **state) {
    struct skep_command command = {
        .id = SKEP_COMMAND_jobStatus,
        .jobStatus = {.id = 1, .queue = {"q", 1}, .state = {"dead", 4}, .priority = 127, .data = {"\xff\x01", 2}}};
    (void)state;
    SKEP_SET(jobStatus, &command.jobStatus, signal, 9);
    SKEP_SET(jobStatus, &command.jobStatus, died, 1000);
    SKEP_SET(jobStatus, &command.jobStatus, reason, ((struct skep_bytes){"\xe9t\xe9", 3}));
    assert_json(&command, "{\"id\":1,\"queue\":\"q\",\"state\":\"dead\",\"priority\":-1,\"attempt\":0,\"deaths\":0,"
                          "\"interruptions\":0,\"age_s\":0.0,\"size\":0,\"data_hex\":\"ff01\",\"reason\":\"?t?\","
                          "\"signal\":\"SIGKILL\",\"died\":\"1970-01-01T00:00:01.000Z\"}");
}

static void test_an_exit(void **state) {
    static const struct skep_bytes lines[] = {{"last words", 10}, {"\xff", 1}};
    struct skep_command command = {.id = SKEP_COMMAND_exitStatus,
                                   .exitStatus = {.worker = 3, .pid = 47, .reason = {"crashed", 7}, .ready = true}};
    (void)state;
    SKEP_SET(exitStatus, &command.exitStatus, signal, 11);
    SKEP_SET(exitStatus, &command.exitStatus, delay_ms, 10);
    SKEP_SET(exitStatus, &command.exitStatus, lines, ((struct skep_list){.count = 2, .borrowed = lines}));
    assert_json(&command,
                "{\"worker\":3,\"pid\":47,\"slot\":0,\"time\":\"1970-01-01T00:00:00.000Z\",\"reason\":\"crashed\","
                "\"code\":null,\"signal\":\"SIGSEGV\",\"uptime_s\":0.0,\"user_s\":0.0,\"system_s\":0.0,"
                "\"rss_bytes\":0,\"connections\":0,\"jobs\":0,\"ready\":true,\"delay_ms\":10,"
                "\"lines\":[{\"line\":\"last words\"},{\"line_hex\":\"ff\"}]}");
    command.exitStatus.has = 0;
    json_t *object = members_of(&command);
    assert_true(json_is_null(json_object_get(object, "signal")));
    assert_true(json_is_null(json_object_get(object, "delay_ms")));
    assert_true(json_is_array(json_object_get(object, "lines")));
    json_decref(object);
}

static void test_an_event_and_a_line(void **state) {
    struct skep_command event = {.id = SKEP_COMMAND_event, .event = {.seq = 5, .event = {"reload", 6}}};
    struct skep_command line = {.id = SKEP_COMMAND_logLine,
                                .logLine = {.seq = 1, .worker = 3, .pid = 47, .stream = 2, .line = {"a", 1}}};
    (void)state;
    SKEP_SET(event, &event.event, worker, 3);
    SKEP_SET(event, &event.event, pid, 47);
    SKEP_SET(event, &event.event, reason, skep__text(""));
    SKEP_SET(event, &event.event, step, 0);
    SKEP_SET(event, &event.event, request, 1);
    assert_json(&event, "{\"seq\":5,\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"reload\","
                        "\"worker\":{\"id\":3,\"pid\":47},\"step\":0}");
    assert_json(&line, "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"worker\":{\"id\":3,\"pid\":47},"
                       "\"stream\":\"stderr\",\"line\":\"a\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_seconds),
        cmocka_unit_test(test_what_is_absent_or_empty_is_left_out),
        cmocka_unit_test(test_numbers_never_turn_negative),
        cmocka_unit_test(test_a_broker),
        cmocka_unit_test(test_a_queue),
        cmocka_unit_test(test_a_job),
        cmocka_unit_test(test_an_exit),
        cmocka_unit_test(test_an_event_and_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
