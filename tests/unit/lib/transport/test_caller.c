/* SPDX-License-Identifier: MIT
 * Questions from a loop, to a server on the same one. */
#include "lib/pump.h"

#include "transport/transport.h"

struct talk {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__server *server;
    struct skep__caller *caller;
    struct skep__call *kept; /* a question "keep" that was not answered */
    unsigned asked, kept_count;
    unsigned answers;
    int status;
    char text[32];
};

/* Answers with the question, but for "keep". */
static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    struct talk *talk = context;
    talk->asked++;
    if (size_bytes == 4 && memcmp(data, "keep", 4) == 0) {
        talk->kept = call;
        talk->kept_count++;
        return;
    }
    skep__call_answer(call, data, size_bytes);
}

static void start_server(struct talk *talk) {
    static const struct skep__server_events events = {.called = called};
    assert_int_equal(skep__server_new(&talk->server, talk->hub, talk->pump->url, &events, talk), SKEP_OK);
}

static void begin(struct talk *talk, struct pump *pump) {
    *talk = (struct talk){.pump = pump};
    assert_int_equal(skep__hub_new(&talk->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__caller_new(&talk->caller, talk->hub, pump->url), SKEP_OK);
}

static void end(struct talk *talk) {
    skep__caller_free(&talk->caller);
    assert_null(talk->caller);
    skep__caller_free(&talk->caller);
    skep__server_free(&talk->server);
    skep__hub_free(&talk->hub);
}

static void answered(int status, const void *data, size_t size_bytes, void *context) {
    struct talk *talk = context;
    talk->answers++;
    talk->status = status;
    snprintf(talk->text, sizeof talk->text, "%.*s", (int)size_bytes, data != NULL ? (const char *)data : "");
}

static void ask(struct talk *talk, const char *text, unsigned timeout_ms) {
    assert_int_equal(skep__caller_ask(talk->caller, text, strlen(text), timeout_ms, answered, talk), SKEP_OK);
}

static void test_asking(void **state) {
    struct talk talk;
    begin(&talk, *state);
    start_server(&talk);
    ask(&talk, "hello", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_int_equal(talk.status, SKEP_OK);
    assert_string_equal(talk.text, "hello");
    end(&talk);
}

/* The server may come after the question. */
static void test_early_question(void **state) {
    struct talk talk;
    begin(&talk, *state);
    ask(&talk, "early", PUMP_PATIENCE_MS);
    pump_turns(talk.pump, 2);
    start_server(&talk);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_string_equal(talk.text, "early");
    end(&talk);
}

/* One that waits holds up no other; its answer may come after all. */
static void test_several(void **state) {
    struct talk talk;
    begin(&talk, *state);
    start_server(&talk);
    ask(&talk, "keep", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.kept != NULL);
    for (unsigned i = 0; i < 20; i++) ask(&talk, "other", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.answers == 20);
    assert_string_equal(talk.text, "other");
    skep__call_answer(talk.kept, "kept", 4);
    PUMP_UNTIL(talk.pump, talk.answers == 21);
    assert_string_equal(talk.text, "kept");
    end(&talk);
}

static void test_no_answer(void **state) {
    struct talk talk;
    begin(&talk, *state);
    ask(&talk, "nobody", 20);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_int_equal(talk.status, SKEP_ETIMEDOUT);
    start_server(&talk);
    ask(&talk, "keep", 500);
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    assert_int_equal(talk.status, SKEP_ETIMEDOUT);
    ask(&talk, "last", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.answers == 3);
    assert_string_equal(talk.text, "last");
    end(&talk);
}

/* A question whose server went away is not asked a second time. */
static void test_server_gone(void **state) {
    struct talk talk;
    begin(&talk, *state);
    start_server(&talk);
    ask(&talk, "keep", 6 * PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.kept != NULL);
    skep__server_free(&talk.server);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_int_equal(talk.status, SKEP_ECLOSED);
    start_server(&talk);
    ask(&talk, "again", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    assert_string_equal(talk.text, "again");
    assert_int_equal(talk.kept_count, 1);
    end(&talk);
}

static void test_free_while_asking(void **state) {
    struct talk talk;
    begin(&talk, *state);
    start_server(&talk);
    ask(&talk, "keep", PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.kept != NULL);
    ask(&talk, "other", PUMP_PATIENCE_MS);
    end(&talk);
    assert_int_equal(talk.answers, 2);
    assert_int_equal(talk.status, SKEP_ECLOSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_asking),    PUMP_TEST(test_early_question), PUMP_TEST(test_several),
        PUMP_TEST(test_no_answer), PUMP_TEST(test_server_gone),    PUMP_TEST(test_free_while_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
