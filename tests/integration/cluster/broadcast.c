/* SPDX-License-Identifier: MIT
 * Broadcasts that a subscriber missed are fetched again: it sees each once and in order. */
#include "hive.h"
#include "roles.h"

#include <signal.h>
#include <sys/wait.h>

enum {
    MANY = 300, /* more frames than wait for a subscriber */
    SMALL_BYTES = 4 * 1024,
    LARGE_BYTES = 32 * 1024 /* of which fewer than MANY are kept */
};

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

static void broadcast_number(struct hive *hive, unsigned number, size_t size_bytes) {
    static char data[LARGE_BYTES];
    memcpy(data, &number, sizeof number);
    assert_int_equal(skep_cluster_broadcast(hive->cluster, "number", data, size_bytes), SKEP_OK);
}

static unsigned heard_until(struct hive *hive, uint32_t worker, const char *end) {
    assert_int_equal(skep_cluster_broadcast(hive->cluster, end, NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, worker, end) != NULL);
    return (unsigned)atoi(hive_message(hive, worker, end)->text);
}

/* Each number in a frame of its own, and the next when the witness has heard it: so all have left when this returns,
 * and a subscriber that is behind by all of them has lost some. */
static void broadcast_many(struct hive *hive, uint32_t witness, unsigned first, size_t size_bytes) {
    for (unsigned i = first; i < first + MANY; i++) {
        char end[32];
        broadcast_number(hive, i, size_bytes);
        snprintf(end, sizeof end, "heard %u", i);
        heard_until(hive, witness, end);
    }
}

/* Returns when all threads of the process stand still: the others run until the one that the kernel told has had a
 * turn. */
static void stop(skep_child *child) {
    siginfo_t info;
    assert_int_equal(skep_child_kill(child, SIGSTOP), SKEP_OK);
    assert_int_equal(waitid(P_PID, (id_t)skep_child_pid(child), &info, WSTOPPED | WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_code, CLD_STOPPED);
}

static void miss_many(struct hive *hive, skep_child *child, uint32_t witness, unsigned first, size_t size_bytes) {
    stop(child);
    broadcast_many(hive, witness, first, size_bytes);
    assert_int_equal(skep_child_kill(child, SIGCONT), SKEP_OK);
}

/* A sleeper, worker 1, and a witness, worker 2, both of a role; the former. */
static skep_child *start_two(struct hive *hive, const char *role) {
    hive_start(hive, NULL);
    skep_child *sleeper = hive_fork_ready(hive, role, NULL);
    hive_fork_ready(hive, role, NULL);
    assert_int_equal(heard_until(hive, 1, "before"), 0);
    assert_int_equal(heard_until(hive, 2, "here"), 0);
    return sleeper;
}

static void test_a_sleeper_hears_all_of_it(void **state) {
    struct hive *hive = *state;
    skep_child *sleeper = start_two(hive, "subscribe");
    miss_many(hive, sleeper, 2, 0, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 1, "once"), MANY);
    miss_many(hive, sleeper, 2, MANY, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 1, "twice"), 2 * MANY);
    assert_int_equal(hive_messages(hive, 0, "wrong"), 0);
    assert_int_equal(hive_messages(hive, 1, "once"), 1);
}

/* The others do not wait for the sleeper. */
static void test_others_hear_meanwhile(void **state) {
    struct hive *hive = *state;
    skep_child *sleeper = start_two(hive, "subscribe");
    stop(sleeper);
    broadcast_many(hive, 2, 0, SMALL_BYTES);
    assert_int_equal(heard_until(hive, 2, "meanwhile"), MANY);
    assert_null(hive_message(hive, 1, "meanwhile"));
    assert_int_equal(skep_child_kill(sleeper, SIGCONT), SKEP_OK);
    assert_int_equal(heard_until(hive, 1, "later"), MANY);
    assert_int_equal(hive_messages(hive, 0, "wrong"), 0);
}

/* What is too old is lost; what follows is heard, in order. */
static void test_what_is_no_longer_kept(void **state) {
    struct hive *hive = *state;
    skep_child *sleeper = start_two(hive, "gaps");
    miss_many(hive, sleeper, 2, 0, LARGE_BYTES);
    unsigned first = heard_until(hive, 1, "after");
    assert_in_range(first, 1, MANY - 1);
    broadcast_many(hive, 1, MANY, 4);
    assert_int_equal(heard_until(hive, 1, "again"), first + MANY);
    assert_int_equal(hive_messages(hive, 0, "wrong"), 0);
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
