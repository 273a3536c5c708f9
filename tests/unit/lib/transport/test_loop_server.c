/* SPDX-License-Identifier: MIT
 * Servers on the loop, with askers by hand: routes, too many questions, askers that go or do not read. */
#include "lib/transport/by_hand.h"

#include "contract.h"

enum { MAX_CALLS = 64, MAX_ROUTE = 8 };

struct served {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__server *server;
    bool keeps;                         /* questions are not answered at once */
    struct skep__call *kept[MAX_CALLS]; /* those */
    unsigned asked, kept_count;
    char *answer; /* NULL: the question is the answer */
    size_t answer_bytes;
    const char *why; /* the last peer that misspoke was cut off */
};

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    struct served *served = context;
    served->asked++;
    assert_int_equal(skep__call_pid(call), getpid());
    if (served->keeps) served->kept[served->kept_count++] = call;
    else if (served->answer != NULL) skep__call_answer(call, served->answer, served->answer_bytes);
    else skep__call_answer(call, data, size_bytes);
}

static void misspoke(void *context, const struct skep__peer *peer, const char *why) {
    struct served *served = context;
    assert_int_equal(peer->pid, getpid());
    served->why = why;
}

static int begin(struct served *served, struct pump *pump) {
    static const struct skep__server_events events = {.called = called, .misspoke = misspoke};
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    *served = (struct served){.pump = pump};
    assert_int_equal(skep__hub_new(&served->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__server_new(&served->server, served->hub, pump->url, &events, served), SKEP_OK);
    int fd = hand_connect(pump);
    hand_greet(fd, SKEP__SP_REQ);
    hand_expect(pump, fd, greeting, sizeof greeting);
    return fd;
}

static void end(struct served *served, int fd) {
    if (fd >= 0) close(fd);
    skep__server_free(&served->server);
    skep__hub_free(&served->hub);
    free(served->answer);
}

static void ask(int fd) {
    hand_frame(fd, "\x80\0\0\1question", 12);
}

static void test_routes(void **state) {
    struct served served;
    int fd = begin(&served, *state);
    for (size_t numbers = 1; numbers <= MAX_ROUTE; numbers++) {
        char question[MAX_ROUTE * 4 + 5] = {0}, got[sizeof question];
        memset(question, 0x7f, (numbers - 1) * 4);
        question[(numbers - 1) * 4] = (char)0x80;
        for (unsigned i = 0; i < 3; i++) question[numbers * 4 + i] = "?\xff?"[i];
        hand_frame(fd, question, numbers * 4 + 3);
        assert_int_equal(hand_expect_frame(served.pump, fd, got, sizeof got), numbers * 4 + 3);
        assert_memory_equal(got, question, numbers * 4 + 3);
    }
    assert_int_equal(served.asked, MAX_ROUTE);
    end(&served, fd);
}

static void test_no_route(void **state) {
    static const size_t sizes[] = {0, 1, 3, 4, 32, 36, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct served served;
        char question[100] = {0};
        int fd = begin(&served, *state);
        question[32] = (char)0x80; /* the ninth number would be the last */
        hand_frame(fd, question, sizes[i]);
        PUMP_LOOK_UNTIL(served.pump, hand_has_ended(fd));
        assert_int_equal(served.asked, 0);
        end(&served, fd);
    }
}

static void test_misspeaking(void **state) {
    struct served served;
    int fd = begin(&served, *state);
    hand_head(fd, SKEP_MAX_FRAME + 1);
    PUMP_LOOK_UNTIL(served.pump, hand_has_ended(fd));
    assert_string_equal(served.why, "a frame over the limit");
    end(&served, fd);
}

/* Who asks more is cut off, and nobody gets the answers; others are served. */
static void test_too_many_questions(void **state) {
    struct served served;
    char got[16];
    int fd = begin(&served, *state);
    served.keeps = true;
    for (unsigned i = 0; i < MAX_CALLS; i++) ask(fd);
    PUMP_UNTIL(served.pump, served.kept_count == MAX_CALLS);
    skep__call_answer(served.kept[--served.kept_count], "one", 3); /* there is room for one more */
    assert_int_equal(hand_expect_frame(served.pump, fd, got, sizeof got), 7);
    ask(fd);
    PUMP_UNTIL(served.pump, served.kept_count == MAX_CALLS);
    assert_false(hand_has_ended(fd));
    ask(fd);
    PUMP_LOOK_UNTIL(served.pump, hand_has_ended(fd));
    assert_int_equal(served.asked, MAX_CALLS + 1);
    for (unsigned i = 0; i < MAX_CALLS; i++) skep__call_answer(served.kept[i], "nobody", 6);
    end(&served, fd);
}

static void test_asker_gone(void **state) {
    struct served served;
    int fd = begin(&served, *state);
    served.keeps = true;
    ask(fd);
    ask(fd);
    close(fd);
    PUMP_UNTIL(served.pump, served.kept_count == 2);
    hand_turns(served.pump, 3);
    for (unsigned i = 0; i < 2; i++) skep__call_answer(served.kept[i], "nobody", 6);
    end(&served, -1);
}

static void answer_largely(struct served *served) {
    served->answer_bytes = SKEP_MAX_FRAME - 4;
    served->answer = calloc(1, served->answer_bytes);
    assert_non_null(served->answer);
}

/* Answers that are not read: more than so many bytes of them end the connection, in the midst of a question's event. */
static void test_answers_that_are_too_much(void **state) {
    struct served served;
    int fd = begin(&served, *state);
    answer_largely(&served);
    for (unsigned i = 0; i < 5; i++) ask(fd);
    PUMP_UNTIL(served.pump, served.asked >= 3);
    hand_turns(served.pump, 3);
    assert_int_equal(served.asked, 3);
    PUMP_LOOK_UNTIL(served.pump, hand_has_ended(fd));
    end(&served, fd);
}

/* Those that nobody has read of for long are given up with their connection. */
static void test_answers_that_are_not_read(void **state) {
    struct served served;
    char some[64];
    int fd = begin(&served, *state);
    answer_largely(&served);
    ask(fd);
    PUMP_UNTIL(served.pump, served.asked == 1);
    hand_expect(served.pump, fd, some, sizeof some);
    const struct skep__loop_hub *hub = (const struct skep__loop_hub *)served.hub;
    assert_false(LIST_EMPTY(&hub->late));
    hand_hurry(served.hub);
    PUMP_UNTIL(served.pump, LIST_EMPTY(&hub->late));
    assert_true(hand_has_ended(fd));
    end(&served, fd);
}

static void test_an_answer_that_is_read(void **state) {
    struct served served;
    int fd = begin(&served, *state);
    char *got = malloc(SKEP_MAX_FRAME);
    assert_non_null(got);
    answer_largely(&served);
    ask(fd);
    assert_int_equal(hand_expect_frame(served.pump, fd, got, SKEP_MAX_FRAME), SKEP_MAX_FRAME);
    assert_memory_equal(got, "\x80\0\0\1", 4);
    assert_true(LIST_EMPTY(&((const struct skep__loop_hub *)served.hub)->late));
    free(got);
    end(&served, fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_routes),
        PUMP_TEST(test_no_route),
        PUMP_TEST(test_misspeaking),
        PUMP_TEST(test_too_many_questions),
        PUMP_TEST(test_asker_gone),
        PUMP_TEST(test_answers_that_are_too_much),
        PUMP_TEST(test_answers_that_are_not_read),
        PUMP_TEST(test_an_answer_that_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
