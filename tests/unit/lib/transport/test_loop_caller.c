/* SPDX-License-Identifier: MIT
 * Callers on the loop, with a server by hand: what is asked again and what is not, and answers that do not fit. */
#include "lib/transport/by_hand.h"

#include "contract.h"
#include "transport/transport.h"

enum { ASKED = 8, LARGE_BYTES = SKEP_MAX_FRAME - 4 };

struct talk {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__caller *caller;
    int listener;
    unsigned asked, answers;
    int status[ASKED]; /* by question; -1: none yet */
    char text[32];
    char *large; /* a question that leaves in parts */
};

struct asked {
    struct talk *talk;
    unsigned i;
};

static void answered(int status, const void *data, size_t size_bytes, void *context) {
    struct asked *asked = context;
    struct talk *talk = asked->talk;
    talk->status[asked->i] = status;
    talk->answers++;
    snprintf(talk->text, sizeof talk->text, "%.*s", (int)size_bytes, data != NULL ? (const char *)data : "");
    free(asked);
}

static void ask(struct talk *talk, const void *data, size_t size_bytes, unsigned timeout_ms) {
    struct asked *asked = malloc(sizeof *asked);
    assert_non_null(asked);
    *asked = (struct asked){talk, talk->asked++};
    talk->status[asked->i] = -1;
    assert_int_equal(skep__caller_ask(talk->caller, data, size_bytes, timeout_ms, answered, asked), SKEP_OK);
}

static int serve(struct talk *talk) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    int fd = -1;
    PUMP_LOOK_UNTIL(talk->pump, (fd = accept(talk->listener, NULL, NULL)) >= 0);
    hand_greet(fd, SKEP__SP_REP);
    hand_expect(talk->pump, fd, greeting, sizeof greeting);
    return fd;
}

static int begin(struct talk *talk, struct pump *pump) {
    *talk = (struct talk){.pump = pump, .listener = hand_listen(pump), .large = calloc(1, LARGE_BYTES)};
    assert_non_null(talk->large);
    assert_int_equal(skep__hub_new(&talk->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__caller_new(&talk->caller, talk->hub, pump->url), SKEP_OK);
    return serve(talk);
}

static void end(struct talk *talk, int fd) {
    close(fd);
    close(talk->listener);
    skep__caller_free(&talk->caller);
    skep__hub_free(&talk->hub);
    free(talk->large);
}

/* Reads a question; its number. */
static unsigned expect_question(struct talk *talk, int fd, const char *text) {
    char got[64];
    size_t size_bytes = hand_expect_frame(talk->pump, fd, got, sizeof got);
    assert_int_equal(size_bytes, 4 + strlen(text));
    assert_int_equal((unsigned char)got[0], 0x80);
    assert_memory_equal(got + 4, text, strlen(text));
    return (unsigned char)got[3];
}

static void answer(int fd, unsigned number, const char *text) {
    char body[64] = {(char)0x80, 0, 0, (char)number};
    snprintf(body + 4, sizeof body - 4, "%s", text);
    hand_frame(fd, body, 4 + strlen(text));
}

/* Whatever is no answer to what was asked is passed over. */
static void test_answers_to_nothing(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    ask(&talk, "one", 3, PUMP_PATIENCE_MS);
    unsigned one = expect_question(&talk, fd, "one");
    hand_frame(fd, "", 0);
    hand_frame(fd, "\x80\0\0", 3);
    answer(fd, one + 1, "unknown");
    answer(fd, one, "right");
    answer(fd, one, "twice");
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    hand_turns(talk.pump, 3);
    assert_int_equal(talk.answers, 1);
    assert_string_equal(talk.text, "right");
    end(&talk, fd);
}

static void test_a_late_answer(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    ask(&talk, "slow", 4, 20);
    unsigned slow = expect_question(&talk, fd, "slow");
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_int_equal(talk.status[0], SKEP_ETIMEDOUT);
    ask(&talk, "next", 4, PUMP_PATIENCE_MS);
    answer(fd, slow, "late");
    answer(fd, expect_question(&talk, fd, "next"), "in time");
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    assert_string_equal(talk.text, "in time");
    end(&talk, fd);
}

/* It may have been done. */
static void test_lost_after_it_was_sent(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    ask(&talk, "done?", 5, PUMP_PATIENCE_MS);
    expect_question(&talk, fd, "done?");
    close(fd);
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_int_equal(talk.status[0], SKEP_ECLOSED);
    fd = serve(&talk);
    hand_turns(talk.pump, 3);
    assert_int_equal(hand_read(fd, talk.text, 1), -1); /* nothing is asked */
    end(&talk, fd);
}

/* It cannot have been understood: it is asked again, whole, and so is what waited behind it. */
static void test_lost_before_it_was_sent(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    char *got = malloc(SKEP_MAX_FRAME);
    assert_non_null(got);
    ask(&talk, talk.large, LARGE_BYTES, PUMP_PATIENCE_MS);
    ask(&talk, "behind", 6, PUMP_PATIENCE_MS);
    hand_expect(talk.pump, fd, got, LARGE_BYTES / 2);
    close(fd);
    fd = serve(&talk);
    assert_int_equal(hand_expect_frame(talk.pump, fd, got, SKEP_MAX_FRAME), SKEP_MAX_FRAME);
    answer(fd, (unsigned char)got[3], "large");
    answer(fd, expect_question(&talk, fd, "behind"), "small");
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    assert_int_equal(talk.status[0], SKEP_OK);
    assert_int_equal(talk.status[1], SKEP_OK);
    free(got);
    end(&talk, fd);
}

/* The rest of a question that nobody waits for would delay others: its connection ends. Questions sent over it
 * before end with SKEP_ECLOSED; those that waited behind it are sent over the next one. */
static void test_expired_in_the_midst(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    ask(&talk, "before", 6, PUMP_PATIENCE_MS);
    ask(&talk, talk.large, LARGE_BYTES, 50);
    ask(&talk, "behind", 6, PUMP_PATIENCE_MS);
    PUMP_UNTIL(talk.pump, talk.answers == 2);
    assert_int_equal(talk.status[0], SKEP_ECLOSED);
    assert_int_equal(talk.status[1], SKEP_ETIMEDOUT);
    close(fd);
    fd = serve(&talk);
    answer(fd, expect_question(&talk, fd, "behind"), "after all");
    PUMP_UNTIL(talk.pump, talk.answers == 3);
    assert_string_equal(talk.text, "after all");
    end(&talk, fd);
}

/* One that guesses the number of a question that it does not have yet. */
static void test_answered_before_it_was_sent(void **state) {
    struct talk talk;
    int fd = begin(&talk, *state);
    char *got = malloc(SKEP_MAX_FRAME);
    assert_non_null(got);
    ask(&talk, talk.large, LARGE_BYTES, PUMP_PATIENCE_MS);
    answer(fd, 1, "guessed");
    hand_turns(talk.pump, 3);
    assert_int_equal(talk.answers, 0);
    assert_int_equal(hand_expect_frame(talk.pump, fd, got, SKEP_MAX_FRAME), SKEP_MAX_FRAME);
    answer(fd, 1, "known");
    PUMP_UNTIL(talk.pump, talk.answers == 1);
    assert_string_equal(talk.text, "known");
    free(got);
    end(&talk, fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_answers_to_nothing),     PUMP_TEST(test_a_late_answer),
        PUMP_TEST(test_lost_after_it_was_sent), PUMP_TEST(test_lost_before_it_was_sent),
        PUMP_TEST(test_expired_in_the_midst),   PUMP_TEST(test_answered_before_it_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
