/* SPDX-License-Identifier: MIT
 * Signals that stop and steer: what each does, what becomes of those that come last, and what the program has back. */
#include "broker/hatch.h"

#include <signal.h>

static const int all[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTTIN, SIGTTOU};
enum { SIGNALS = sizeof all / sizeof *all, STOPPING = 3 };

static void set_blocked(bool blocked) {
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < SIGNALS; i++) sigaddset(&set, all[i]);
    assert_int_equal(pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

/* How many of all are in a set. */
static unsigned count(const sigset_t *set) {
    unsigned n = 0;
    for (unsigned i = 0; i < SIGNALS; i++) n += sigismember(set, all[i]) == 1;
    return n;
}

static unsigned count_blocked(void) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return count(&now);
}

static unsigned count_pending(void) {
    sigset_t now;
    sigpending(&now);
    return count(&now);
}

/* --- what they do --- */

struct heard {
    unsigned count;
    char reasons[8][SKEP_MAX_REASON + 1]; /* without the sender */
};

static void hear(skep_cluster *cluster, const skep_event *event, void *context) {
    struct heard *heard = context;
    const char *effect = strstr(event->reason, ": ");
    (void)cluster;
    if (heard->count == 8 || effect == NULL) return;
    snprintf(heard->reasons[heard->count++], sizeof heard->reasons[0], "%.*s%s", (int)strcspn(event->reason, " "),
             event->reason, effect);
}

static skep_cluster *listening(struct pump *pump, struct heard *heard) {
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    *heard = (struct heard){.count = 0};
    assert_int_equal(skep_on(cluster, SKEP_EVENT_SIGNAL, hear, heard), SKEP_OK);
    assert_int_equal(skep_cluster_stop_on_signals(cluster), SKEP_OK);
    assert_int_equal(skep_cluster_steer_on_signals(cluster), SKEP_OK);
    return cluster;
}

/* Two that wait together come by their numbers. */
static void check_together(struct pump *pump, int first, int second) {
    struct heard heard;
    skep_cluster *cluster = listening(pump, &heard);
    raise(first);
    raise(second);
    PUMP_UNTIL(pump, heard.count == 2);
    assert_string_equal(heard.reasons[0], "SIGQUIT: stopping");
    assert_string_equal(heard.reasons[1], "SIGTERM: already stopping; the next one kills the workers");
    raise(SIGQUIT);
    PUMP_UNTIL(pump, heard.count == 3);
    assert_string_equal(heard.reasons[2], "SIGQUIT: already stopping");
    raise(SIGINT);
    PUMP_UNTIL(pump, heard.count == 4);
    assert_string_equal(heard.reasons[3], "SIGINT: killing the workers");
    hatch_free(pump, &cluster);
}

static void test_sigquit_neither_kills_nor_counts(void **state) {
    check_together(*state, SIGTERM, SIGQUIT);
    check_together(*state, SIGQUIT, SIGTERM);
}

static void test_the_second_one_kills(void **state) {
    struct pump *pump = *state;
    struct heard heard;
    skep_cluster *cluster = listening(pump, &heard);
    raise(SIGINT);
    PUMP_UNTIL(pump, heard.count == 1);
    raise(SIGTERM);
    PUMP_UNTIL(pump, heard.count == 2);
    assert_string_equal(heard.reasons[0], "SIGINT: stopping");
    assert_string_equal(heard.reasons[1], "SIGTERM: killing the workers");
    hatch_free(pump, &cluster);
}

/* It stops already, but no signal said so. */
static void test_one_after_another_stop_does_not_kill(void **state) {
    struct pump *pump = *state;
    struct heard heard;
    skep_cluster *cluster = listening(pump, &heard);
    skep_cluster_stop(cluster, false);
    raise(SIGTERM);
    PUMP_UNTIL(pump, heard.count == 1);
    assert_string_equal(heard.reasons[0], "SIGTERM: already stopping; the next one kills the workers");
    hatch_free(pump, &cluster);
}

static void test_asking_twice(void **state) {
    struct pump *pump = *state;
    struct heard heard;
    skep_cluster *cluster = listening(pump, &heard);
    assert_int_equal(skep_cluster_stop_on_signals(cluster), SKEP_OK);
    assert_int_equal(skep_cluster_steer_on_signals(cluster), SKEP_OK);
    raise(SIGTERM);
    PUMP_UNTIL(pump, heard.count == 1); /* it is still read, and so its sender is known */
    hatch_free(pump, &cluster);
}

/* --- the last ones --- */

enum { STOP_FIRST, STEER_FIRST, STOP_ONLY, STEER_ONLY, WAYS };

static void take_signals(skep_cluster *cluster, int way) {
    if (way == STEER_FIRST || way == STEER_ONLY) assert_int_equal(skep_cluster_steer_on_signals(cluster), SKEP_OK);
    if (way != STEER_ONLY) assert_int_equal(skep_cluster_stop_on_signals(cluster), SKEP_OK);
    if (way == STOP_FIRST) assert_int_equal(skep_cluster_steer_on_signals(cluster), SKEP_OK);
}

/* All that the cluster takes, when nobody reads them any more: this process lives on. */
static void check_the_last(struct pump *pump, int way, bool blocked) {
    set_blocked(blocked);
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    take_signals(cluster, way);
    for (unsigned i = 0; i < SIGNALS; i++)
        if (i < STOPPING ? way != STEER_ONLY : way != STOP_ONLY) raise(all[i]);
    skep_cluster_free(&cluster);
    assert_int_equal(count_blocked(), blocked ? SIGNALS : 0);
    assert_int_equal(count_pending(), 0);
    for (unsigned i = 0; i < SIGNALS; i++) {
        struct sigaction action;
        assert_int_equal(sigaction(all[i], NULL, &action), 0);
        assert_ptr_equal(action.sa_handler, SIG_DFL);
    }
    pump_turns(pump, 3);
}

static void test_what_comes_last_has_no_effect(void **state) {
    for (int way = 0; way < WAYS; way++) {
        check_the_last(*state, way, false);
        check_the_last(*state, way, true);
    }
    set_blocked(false);
}

/* A cluster with a loop of its own */
static void test_what_comes_last_has_no_effect_on_its_own_loop(void **state) {
    skep_cluster *cluster = NULL;
    (void)state;
    assert_int_equal(skep_cluster_new(&cluster, NULL), SKEP_OK);
    take_signals(cluster, STOP_FIRST);
    for (unsigned i = 0; i < SIGNALS; i++) raise(all[i]);
    skep_cluster_free(&cluster);
    assert_int_equal(count_blocked() + count_pending(), 0);
}

/* SIGCHLD is a cluster's, too, if it adopts processes. */
static void test_adopting_gives_its_signal_back(void **state) {
    struct pump *pump = *state;
    sigset_t child, now;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, NULL);
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.adopt = true});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGCHLD), 0);
    hatch_free(pump, &cluster);
    pthread_sigmask(SIG_UNBLOCK, &child, &now);
    assert_int_equal(sigismember(&now, SIGCHLD), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_sigquit_neither_kills_nor_counts),
        PUMP_TEST(test_the_second_one_kills),
        PUMP_TEST(test_one_after_another_stop_does_not_kill),
        PUMP_TEST(test_asking_twice),
        PUMP_TEST(test_what_comes_last_has_no_effect),
        PUMP_TEST(test_what_comes_last_has_no_effect_on_its_own_loop),
        PUMP_TEST(test_adopting_gives_its_signal_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
