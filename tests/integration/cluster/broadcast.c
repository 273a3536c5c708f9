/* SPDX-License-Identifier: MIT
 * Broadcasts that a subscriber missed are fetched again: it sees each once and in order. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

enum { MANY = 300, SMALL_BYTES = 4 * 1024, LARGE_BYTES = 32 * 1024 /* of which fewer than MANY are kept */ };

/* --- workers --- */

struct hearing {
    bool gaps_allowed;
    unsigned next; /* number that comes next, or any later one */
    unsigned heard;
};

static void heard(skep_worker *worker, const skep_message *message, void *context) {
    struct hearing *hearing = context;
    unsigned number = 0;
    if (message->size_bytes == 0) {
        role_tell_number(worker, message->name, hearing->heard);
        return;
    }
    memcpy(&number, message->data, sizeof number);
    if (hearing->gaps_allowed ? number < hearing->next : number != hearing->next)
        role_tell_number(worker, "wrong", number);
    hearing->next = number + 1;
    hearing->heard++;
}

static void subscribe(skep_worker *worker) {
    static struct hearing hearing;
    skep_on_message(worker, heard, &hearing);
    role_need(skep_subscribe(worker), "subscribe");
}

static void subscribe_with_gaps(skep_worker *worker) {
    static struct hearing hearing = {.gaps_allowed = true};
    skep_on_message(worker, heard, &hearing);
    role_need(skep_subscribe(worker), "subscribe");
}

static const struct role roles[] = {{"subscribe", subscribe}, {"gaps", subscribe_with_gaps}, {NULL, NULL}};

/* --- the primary's side --- */

/* One frame each, so that a subscriber that is behind loses some: the loop turns in between. */
static void broadcast_many(struct hive *hive, unsigned first, size_t size_bytes) {
    static char data[LARGE_BYTES];
    for (unsigned i = first; i < first + MANY; i++) {
        memcpy(data, &i, sizeof i);
        assert_int_equal(skep_cluster_broadcast(hive->cluster, "number", data, size_bytes), SKEP_OK);
        uv_run(skep_cluster_loop(hive->cluster), UV_RUN_NOWAIT);
        uv_run(skep_cluster_loop(hive->cluster), UV_RUN_NOWAIT);
    }
}

static unsigned heard_until(struct hive *hive, uint32_t worker, const char *end) {
    assert_int_equal(skep_cluster_broadcast(hive->cluster, end, NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, worker, end) != NULL);
    return (unsigned)atoi(hive_message(hive, worker, end)->text);
}

static void miss_many(struct hive *hive, skep_child *child, unsigned first, size_t size_bytes) {
    assert_int_equal(skep_child_kill(child, SIGSTOP), SKEP_OK);
    broadcast_many(hive, first, size_bytes);
    assert_int_equal(skep_child_kill(child, SIGCONT), SKEP_OK);
}

static void test_a_sleeper_hears_all_of_it(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "subscribe", NULL);
    assert_int_equal(heard_until(hive, 1, "before"), 0);
    miss_many(hive, child, 0, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 1, "once"), MANY);
    miss_many(hive, child, MANY, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 1, "twice"), 2 * MANY);
    assert_int_equal(hive_messages(hive, 1, "wrong"), 0);
    assert_int_equal(hive_messages(hive, 1, "once"), 1);
}

/* The others do not wait for the sleeper. */
static void test_others_hear_meanwhile(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *sleeper = hive_fork_ready(hive, "subscribe", NULL);
    hive_fork_ready(hive, "subscribe", NULL);
    assert_int_equal(heard_until(hive, 1, "before"), 0);
    assert_int_equal(heard_until(hive, 2, "here"), 0);
    assert_int_equal(skep_child_kill(sleeper, SIGSTOP), SKEP_OK);
    broadcast_many(hive, 0, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 2, "meanwhile"), MANY);
    assert_null(hive_message(hive, 1, "meanwhile"));
    assert_int_equal(skep_child_kill(sleeper, SIGCONT), SKEP_OK);
    assert_int_equal(heard_until(hive, 1, "later"), MANY);
    assert_int_equal(hive_messages(hive, 0, "wrong"), 0);
}

/* What is too old is lost; what follows is heard, in order. */
static void test_what_is_no_longer_kept(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "gaps", NULL);
    assert_int_equal(heard_until(hive, 1, "before"), 0);
    miss_many(hive, child, 0, LARGE_BYTES);
    unsigned first = heard_until(hive, 1, "after");
    assert_in_range(first, 1, MANY - 1);
    broadcast_many(hive, MANY, 4);
    assert_int_equal(heard_until(hive, 1, "again"), first + MANY);
    assert_int_equal(hive_messages(hive, 1, "wrong"), 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_sleeper_hears_all_of_it),
        HIVE_TEST(test_others_hear_meanwhile),
        HIVE_TEST(test_what_is_no_longer_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
