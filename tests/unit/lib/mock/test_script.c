/* SPDX-License-Identifier: MIT
 * Scripts of mock workers: what they say, and one clear line for what they must not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mock/script.h"

static skep_mock_script *parse(const char *text) {
    skep_mock_script *script = NULL;
    char why[SKEP_MOCK_WHY_BYTES];
    if (skep_mock_script_parse(&script, text, why) != SKEP_OK) fail_msg("%s\n%s", text, why);
    assert_string_equal(why, "");
    return script;
}

static void refuse(const char *text, const char *wanted) {
    char why[SKEP_MOCK_WHY_BYTES];
    skep_mock_script *const before = (skep_mock_script *)(void *)why, *script = before;
    assert_int_equal(skep_mock_script_parse(&script, text, why), SKEP_EINVAL);
    assert_ptr_equal(script, before); /* untouched */
    if (strstr(why, wanted) != why) fail_msg("%s\n%s\ninstead of\n%s", text, why, wanted);
    assert_null(strchr(why, '\n'));
}

static const struct skep__mock_rule *rule_of(const skep_mock_script *script, const char *queue, uint64_t number,
                                             uint64_t attempt, const char *data) {
    struct skep__mock_case c = {SKEP__MOCK_ON_JOB, queue, number, attempt, data, strlen(data)};
    return skep__mock_script_rule(script, &c);
}

static void test_settings(void **state) {
    skep_mock_script *script =
        parse("\n  # nothing\r\nname a-name # of it\n\thandle q\nhandle \"a queue\" concurrency 65535\n"
              "listen tcp://127.0.0.1:0\nlisten web\nsubscribe");
    (void)state;
    assert_string_equal(script->name, "a-name");
    assert_int_equal(script->handle_count, 2);
    assert_string_equal(script->handles[0].queue, "q");
    assert_int_equal(script->handles[0].concurrency, 1);
    assert_string_equal(script->handles[1].queue, "a queue");
    assert_int_equal(script->handles[1].concurrency, 65535);
    assert_int_equal(script->listen_count, 2);
    assert_string_equal(script->listens[1], "web");
    assert_true(script->subscribes);
    skep_mock_script_free(&script);
    assert_null(script);
    skep_mock_script_free(&script);
    script = parse("");
    assert_null(script->name);
    assert_null(rule_of(script, "q", 1, 1, ""));
    skep_mock_script_free(&script);
}

static void test_which_job(void **state) {
    skep_mock_script *script = parse("job q 2..3 exit 1\njob 5.. attempt 2 exit 2\njob \"bad \\x00\" exit 3\n"
                                     "job other * exit 4\njob 1 attempt 1..2 exit 5");
    static const struct {
        const char *queue, *data;
        uint64_t number, attempt;
        int code; /* -1: no rule */
    } cases[] = {
        {"q", "", 2, 1, 1}, {"q", "", 3, 9, 1},   {"p", "", 3, 1, -1},    {"q", "", 4, 2, -1},
        {"q", "", 5, 2, 2}, {"q", "", 999, 2, 2}, {"q", "", 5, 1, -1},    {"other", "", 4, 1, 4},
        {"q", "", 1, 2, 5}, {"q", "", 1, 3, -1},  {"other", "", 3, 1, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct skep__mock_rule *rule =
            rule_of(script, cases[i].queue, cases[i].number, cases[i].attempt, cases[i].data);
        assert_int_equal(rule != NULL ? (int)rule->actions[0].number : -1, cases[i].code);
    }
    struct skep__mock_case c = {SKEP__MOCK_ON_JOB, "q", 9, 1, "not bad \0at all", 15};
    assert_int_equal(skep__mock_script_rule(script, &c)->actions[0].number, 3);
    c.size_bytes = 8;
    assert_null(skep__mock_script_rule(script, &c));
    skep_mock_script_free(&script);
}

static void test_actions(void **state) {
    skep_mock_script *script =
        parse("job * delay 1.5s late extend stall 2m work 7ms count cats 3 send a b broadcast c \"\" "
              "malformed link malformed outbox leave retry 0s \"a \\\"b\\\" \\\\ \\n\"\n");
    static const enum skep__mock_do wanted[] = {
        SKEP__MOCK_DO_DELAY,     SKEP__MOCK_DO_LATE,      SKEP__MOCK_DO_EXTEND, SKEP__MOCK_DO_STALL,
        SKEP__MOCK_DO_WORK,      SKEP__MOCK_DO_COUNT,     SKEP__MOCK_DO_SEND,   SKEP__MOCK_DO_BROADCAST,
        SKEP__MOCK_DO_MALFORMED, SKEP__MOCK_DO_MALFORMED, SKEP__MOCK_DO_LEAVE,  SKEP__MOCK_DO_RETRY};
    const struct skep__mock_rule *rule = rule_of(script, "q", 1, 1, "");
    (void)state;
    assert_int_equal(rule->count, sizeof wanted / sizeof *wanted);
    for (unsigned i = 0; i < rule->count; i++) assert_int_equal(rule->actions[i].what, wanted[i]);
    assert_int_equal(rule->actions[0].number, 1500);
    assert_int_equal(rule->actions[3].number, 120000);
    assert_int_equal(rule->actions[4].number, 7);
    assert_string_equal(rule->actions[5].name, "cats");
    assert_int_equal(rule->actions[5].number, 3);
    assert_string_equal(rule->actions[6].data.text, "b");
    assert_int_equal(rule->actions[7].data.size_bytes, 0);
    assert_int_equal(rule->actions[8].number, 1);
    assert_int_equal(rule->actions[9].number, 0);
    assert_string_equal(rule->actions[11].data.text, "a \"b\" \\ \n");
    skep_mock_script_free(&script);
    script = parse("job * reply hex:00fF\njob * crash SIGKILL\nmessage * reply x count r 1\nready never\nleave exit 0\n"
                   "connection 2 hold 1s write x close\n");
    rule = rule_of(script, "q", 1, 1, "");
    assert_int_equal(rule->actions[0].data.size_bytes, 2);
    assert_memory_equal(rule->actions[0].data.text, "\0\xff", 2);
    rule = STAILQ_NEXT(rule, entry);
    assert_int_equal(rule->actions[0].number, SIGKILL);
    skep_mock_script_free(&script);
}

static void test_bad_input(void **state) {
    static const char action[] = "an action that is possible here";
    char text[SKEP_MOCK_WHY_BYTES];
    (void)state;
    refuse("handle", "line 1: it ends, expected a queue");
    refuse("handle q\n\nfish", "line 3: fish: expected name, handle, listen, subscribe, job, connection, ");
    refuse("handle q concurrency 0", "line 1: 0: expected a number from 1 to 65535");
    refuse("handle q concurrency 65536", "line 1: 65536: expected a number from 1 to 65535");
    refuse("handle q concurrency \"1\"", "line 1: 1: expected a number");
    refuse("handle q more", "line 1: more: expected nothing more in this line");
    refuse("handle \"a\\0b\"", "line 1: a?b: expected a queue");
    refuse("name \"\"", "line 1: : expected a name of 1 to 64 bytes");
    refuse("listen http://x", "line 1: http://x: expected tcp://HOST:PORT");
    refuse("job", "line 1: it ends, expected which jobs");
    refuse("job q fish done", "line 1: fish: expected which jobs");
    refuse("job 0 done", "line 1: 0: expected which jobs");
    refuse("job 3..2 done", "line 1: 3..2: expected which jobs");
    refuse("job *", "line 1: it ends, expected an action that is possible here");
    refuse("job * attempt x done", "line 1: x: expected attempts");
    refuse("connection \"x\" close", "line 1: x: expected which connections");
    refuse("message", "line 1: it ends, expected the name of a message, or *");
    refuse("job * done done", "line 1: done: expected nothing after what ends it");
    refuse("job * delay", "line 1: it ends, expected a time of at most a day, such as 200ms, 1.5s or 2m");
    refuse("job * delay 5", "line 1: 5: expected a time");
    refuse("job * delay 1.5ms", "line 1: 1.5ms: expected a time");
    refuse("job * delay 99999h", "line 1: 99999h: expected a time");
    refuse("job * delay 1441m", "line 1: 1441m: expected a time");
    refuse("job * crash SIGFISH", "line 1: SIGFISH: expected a signal, such as SIGKILL or 9");
    refuse("job * crash 0", "line 1: 0: expected a signal");
    refuse("job * exit 256", "line 1: 256: expected a number from 0 to 255");
    refuse("job * malformed inbox", "line 1: inbox: expected outbox or link");
    refuse("job * reply \"x", "line 1: \"x: expected text in quotes");
    refuse("job * reply \"x\\q\"", "line 1: \"x\\q\": expected text in quotes");
    refuse("job * reply \"x\"y", "line 1: \"x\"y: expected text in quotes");
    refuse("job * reply hex:0", "line 1: hex:0: expected hex: and pairs of digits");
    refuse("connection * delay 1s refuse", "line 1: refuse: expected this before all else");
    for (size_t i = 0; i < 6; i++) {
        static const char *const lines[] = {"ready reply x",        "leave fail x", "connection * reply x",
                                            "message * retry 1s x", "job * refuse", "job * \"done\""};
        assert_int_equal(skep_mock_script_parse(NULL, lines[i], text), SKEP_EINVAL);
        assert_non_null(strstr(text, action));
    }
}

static void repeat(char text[4096], const char *begin, const char *word, int times) {
    size_t length = (size_t)snprintf(text, 4096, "%s", begin);
    for (int i = 0; i < times; i++) length += (size_t)snprintf(text + length, 4096 - length, "%s", word);
}

static void test_limits(void **state) {
    char text[4096];
    (void)state;
    repeat(text, "job *", " extend", 17);
    refuse(text, "line 1: extend: expected no more than 16 actions");
    repeat(text, "handle", " x", 65);
    refuse(text, "line 1: it ends, expected no more than 64 words");
    repeat(text, "", "handle q\n", 65);
    refuse(text, "line 65: q: expected no more than 64 queues");
    repeat(text, "name ", "n", 65);
    refuse(text, "line 1: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...: expected a name of 1 to 64 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),  cmocka_unit_test(test_which_job), cmocka_unit_test(test_actions),
        cmocka_unit_test(test_bad_input), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
