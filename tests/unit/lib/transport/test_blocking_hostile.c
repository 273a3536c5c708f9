/* SPDX-License-Identifier: MIT
 * Asking without a loop, of somebody by hand who answers what was not asked, or not as SP does. */
#include "lib/transport/by_hand.h"

#include "transport/ask.h"

enum { TIMEOUT_MS = 200 };

struct liar {
    struct pump *pump;
    int listener;
    uv_thread_t thread;
    const char *bytes; /* sent again and again until the asker has gone */
    size_t size_bytes;
};

static void lie(void *context) {
    const struct liar *liar = context;
    int fd;
    while ((fd = accept(liar->listener, NULL, NULL)) < 0) usleep(1000);
    ssize_t n = send(fd, "\0SP\0\0\x31\0\0", SKEP__SP_GREETING_BYTES, MSG_NOSIGNAL);
    while (n > 0) n = send(fd, liar->bytes, liar->size_bytes, MSG_NOSIGNAL);
    close(fd);
}

static void note(const struct skep_command *command, void *context) {
    (void)command;
    ++*(unsigned *)context;
}

static int ask_liar(struct pump *pump, const char *bytes, size_t size_bytes) {
    struct liar liar = {.pump = pump, .listener = hand_listen(pump), .bytes = bytes, .size_bytes = size_bytes};
    const struct skep_command question = {.id = SKEP_COMMAND_status};
    skep__asker *asker = NULL;
    char why[SKEP_MAX_REASON + 1];
    unsigned noted = 0;
    assert_int_equal(uv_thread_create(&liar.thread, lie, &liar), 0);
    assert_int_equal(skep__asker_new(&asker, pump->url), SKEP_OK);
    int status = skep__ask(asker, &question, TIMEOUT_MS, note, &noted, why);
    assert_int_equal(noted, 0);
    skep__asker_free(&asker);
    uv_thread_join(&liar.thread);
    close(liar.listener);
    return status;
}

/* However many they are. */
static void test_answers_to_other_questions(void **state) {
    static const char other[] = "\1\0\0\0\0\0\0\0\5\x80\0\0\x63?";
    enum { OTHER_BYTES = sizeof other - 1, MANY = 5000 /* so that they come faster than they are read */ };
    static char many[MANY * OTHER_BYTES];
    uint64_t since_ns = uv_hrtime();
    for (unsigned i = 0; i < MANY; i++) memcpy(many + (size_t)i * OTHER_BYTES, other, OTHER_BYTES);
    assert_int_equal(ask_liar(*state, many, sizeof many), SKEP_ETIMEDOUT);
    assert_true(uv_hrtime() - since_ns < UINT64_C(5000000000));
}

static void test_wrong_heads(void **state) {
    static const char longest[] = "\1\xff\xff\xff\xff\xff\xff\xff\xff", over[] = "\1\0\0\0\0\0\x40\0\1";
    static const char no_message[] = "\2\0\0\0\0\0\0\0\1";
    assert_int_equal(ask_liar(*state, longest, 9), SKEP_EPROTO);
    assert_int_equal(ask_liar(*state, over, 9), SKEP_EPROTO);
    assert_int_equal(ask_liar(*state, no_message, 9), SKEP_EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {PUMP_TEST(test_answers_to_other_questions), PUMP_TEST(test_wrong_heads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
