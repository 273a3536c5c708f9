/* SPDX-License-Identifier: MIT
 * Servers: questions from several callers, answers at once, later, or to nobody. */
#include "lib/pump.h"

#include <sys/stat.h>

#include "contract.h"
#include "transport/transport.h"

enum { CALLERS = 3, CALLS = 8 /* at a time: no more of them reach the server with NNG */ };

struct talk {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__server *server;
    struct skep__caller *callers[CALLERS];
    struct skep__call *kept[CALLS];
    unsigned kept_count;
    bool keeps; /* questions are not answered at once */
    pid_t pid;  /* of the latest asker */
    unsigned answers, lost;
    size_t last_bytes;
};

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    struct talk *talk = context;
    talk->pid = skep__call_pid(call);
    if (talk->keeps && talk->kept_count < CALLS) talk->kept[talk->kept_count++] = call;
    else skep__call_answer(call, data, size_bytes);
}

static void answered(int status, const void *data, size_t size_bytes, void *context) {
    struct talk *talk = context;
    (void)data;
    if (status == SKEP_OK) talk->answers++;
    else talk->lost++;
    talk->last_bytes = size_bytes;
}

static void begin(struct talk *talk, struct pump *pump, bool keeps) {
    static const struct skep__server_events events = {.called = called};
    *talk = (struct talk){.pump = pump, .keeps = keeps};
    assert_int_equal(skep__hub_new(&talk->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__server_new(&talk->server, talk->hub, pump->url, &events, talk), SKEP_OK);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(skep__caller_new(&talk->callers[i], talk->hub, pump->url), SKEP_OK);
}

static void end(struct talk *talk) {
    for (unsigned i = 0; i < CALLERS; i++) skep__caller_free(&talk->callers[i]);
    skep__server_free(&talk->server);
    assert_null(talk->server);
    skep__server_free(&talk->server);
    skep__hub_free(&talk->hub);
}

static void ask(struct talk *talk, unsigned caller, const void *data, size_t size_bytes) {
    assert_int_equal(skep__caller_ask(talk->callers[caller], data, size_bytes, PUMP_PATIENCE_MS, answered, talk),
                     SKEP_OK);
}

static void test_several_askers(void **state) {
    struct talk talk;
    struct stat st;
    begin(&talk, *state, false);
    assert_int_equal(stat(talk.pump->url + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (unsigned i = 0; i < CALLS; i++) ask(&talk, i % CALLERS, "question", 8);
    PUMP_UNTIL(talk.pump, talk.answers == CALLS);
    assert_int_equal(talk.pid, getpid());
    assert_int_equal(talk.last_bytes, 8);
    end(&talk);
}

static void test_the_largest_question(void **state) {
    struct talk talk;
    enum { LARGEST = SKEP_MAX_FRAME - 8 }; /* a route comes before it */
    char *large = calloc(1, LARGEST);
    assert_non_null(large);
    begin(&talk, *state, false);
    ask(&talk, 0, large, LARGEST);
    ask(&talk, 0, "", 0);
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    free(large);
    end(&talk);
}

/* Answers in any order reach the caller that asked. */
static void test_answers_later(void **state) {
    struct talk talk;
    begin(&talk, *state, true);
    for (unsigned i = 0; i < CALLS; i++) ask(&talk, i % CALLERS, &i, sizeof i);
    PUMP_UNTIL(talk.pump, talk.kept_count == CALLS);
    for (unsigned i = CALLS; i > 0; i--) skep__call_answer(talk.kept[i - 1], &i, sizeof i);
    PUMP_UNTIL(talk.pump, talk.answers == CALLS);
    assert_int_equal(talk.lost, 0);
    end(&talk);
}

/* An asker that has gone gets no answer; the others do. */
static void test_asker_gone(void **state) {
    struct talk talk;
    begin(&talk, *state, true);
    ask(&talk, 0, "gone", 4);
    ask(&talk, 1, "there", 5);
    PUMP_UNTIL(talk.pump, talk.kept_count == 2);
    skep__caller_free(&talk.callers[0]);
    assert_int_equal(talk.lost, 1);
    pump_turns(talk.pump, 3);
    for (unsigned i = 0; i < 2; i++) skep__call_answer(talk.kept[i], "answer", 6);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    end(&talk);
}

/* What was not answered is gone with the server. */
static void test_freed_with_calls_open(void **state) {
    struct talk talk;
    begin(&talk, *state, true);
    for (unsigned i = 0; i < CALLS; i++) ask(&talk, i % CALLERS, "open", 4);
    PUMP_UNTIL(talk.pump, talk.kept_count == CALLS);
    skep__server_free(&talk.server);
    assert_int_equal(access(talk.pump->url + strlen("ipc://"), F_OK), -1);
    PUMP_UNTIL(talk.pump, talk.lost == CALLS);
    end(&talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_several_askers), PUMP_TEST(test_the_largest_question),  PUMP_TEST(test_answers_later),
        PUMP_TEST(test_asker_gone),     PUMP_TEST(test_freed_with_calls_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
