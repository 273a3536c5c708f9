/* SPDX-License-Identifier: MIT
 * Rolling reload and the restart of one worker: the order of things, what aborts it, and who runs what then. */
#include "hive.h"
#include "serve.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum { FAILED = 3 /* exit status of a worker that does not start */ };

/* --- workers: the first argument is what a new program is; without one it is the old. They are told apart by where
 * they listen: what else they said could be lost, since NNG may be deaf for a while after one that died at its start
 * --- */

static void be_old(skep_worker *worker) {
    serve_on(worker, "tcp://127.0.0.1:0");
}

static void be_new(skep_worker *worker) {
    be_old(worker);
    serve_on(worker, "tcp://127.0.0.2:0");
}

static void fail_at_start(skep_worker *worker) {
    (void)worker;
    _exit(FAILED);
}

/* The first of the new workers starts, the next does not. */
static void fail_unless_third(skep_worker *worker) {
    if (skep_worker_id(worker) != 3) _exit(FAILED);
    be_new(worker);
}

static void hang(skep_worker *worker) {
    (void)worker;
    for (;;) pause();
}

static void hang_unless_third(skep_worker *worker) {
    if (skep_worker_id(worker) != 3) hang(worker);
    be_new(worker);
}

/* Two are started at once: one fails when the other is there for certain, since it is the later one. */
static void fail_or_hang(skep_worker *worker) {
    if (skep_worker_id(worker) == 4) _exit(FAILED);
    hang(worker);
}

/* Starts when the gate, a FIFO, is opened, or is gone. */
static void start_late(skep_worker *worker) {
    const char *path = getenv("SKEP_TEST_GATE");
    int gate = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (gate >= 0) close(gate);
    be_new(worker);
}

static void accept_and_start_late(skep_worker *worker) {
    be_old(worker);
    hang(worker);
}

static const struct role roles[] = {
    {"old", be_old},
    {"new", be_new},
    {"fail", fail_at_start},
    {"fail-unless-third", fail_unless_third},
    {"hang", hang},
    {"hang-unless-third", hang_unless_third},
    {"fail-or-hang", fail_or_hang},
    {"late", start_late},
    {"listen-and-hang", accept_and_start_late},
    {NULL, NULL},
};

/* --- the primary's side --- */

static const skep_settings usual = {.respawn = true};

static void begin(struct hive *hive, const skep_settings *settings, unsigned workers, const char *variable) {
    hive_start(hive, settings);
    for (unsigned i = 0; i < workers; i++) hive_fork(hive, "old", variable);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == workers);
}

static int reload_onto(struct hive *hive, const char *role, unsigned at_once) {
    const skep_reload_options options = {.args = (const char *const[]){role, NULL}, .at_once = at_once};
    return skep_cluster_reload(hive->cluster, role != NULL ? &options : NULL);
}

static const struct seen *phase(const struct hive *hive, const char *name) {
    for (size_t i = 0; i < hive->count; i++)
        if (hive->log[i].kind == SKEP_EVENT_RELOAD && strcmp(hive->log[i].phase, name) == 0) return &hive->log[i];
    return NULL;
}

static void await(struct hive *hive, const char *name) {
    HIVE_UNTIL(hive, phase(hive, name) != NULL);
}

static void expect_phase(const struct hive *hive, const char *name, uint32_t step, uint32_t steps, const char *reason) {
    const struct seen *seen = phase(hive, name);
    assert_non_null(seen);
    assert_string_equal(seen->reason, reason);
    assert_int_equal(seen->step, step);
    assert_int_equal(seen->steps, steps);
}

/* The first is told before the second. */
static void expect_order(const struct hive *hive, enum skep_event_kind first, uint32_t a, enum skep_event_kind second,
                         uint32_t b) {
    assert_non_null(hive_find(hive, first, a));
    assert_non_null(hive_find(hive, second, b));
    assert_true(hive_find(hive, first, a) < hive_find(hive, second, b));
}

static void expect_exit(struct hive *hive, uint32_t id, const char *reason) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->reason, reason);
}

static const char *program_of(struct hive *hive, uint32_t id) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, id) != NULL);
    return hive_count(hive, SKEP_EVENT_LISTENING, id) == 2 ? "new" : "old";
}

/* Kills a worker; the id of its replacement is known. */
static void kill_for(struct hive *hive, uint32_t id, uint32_t replacement) {
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, id), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, replacement) != NULL);
}

/* --- done --- */

static void test_each_is_ready_before_the_old_one_leaves(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_OK);
    assert_null(phase(hive, "begun"));
    await(hive, "done");
    for (uint32_t id = 1; id <= 3; id++) {
        expect_exit(hive, id, "voluntary");
        assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->delay_ms, -1);
        expect_order(hive, SKEP_EVENT_READY, id + 3, SKEP_EVENT_DRAIN, id);
        assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, id + 3)), id - 1);
        if (id < 3) expect_order(hive, SKEP_EVENT_READY, id + 3, SKEP_EVENT_FORK, id + 4);
    }
    expect_phase(hive, "begun", 0, 3, "replacing 3 workers");
    expect_phase(hive, "step", 1, 3, "worker 4 replaces worker 1");
    expect_phase(hive, "done", 3, 3, "3 workers replaced");
    assert_int_equal(phase(hive, "step")->worker, 4);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 5);
    assert_int_equal(skep_child_count(hive->cluster), 3);
}

static void test_some_at_a_time(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    assert_int_equal(reload_onto(hive, "new", 2), SKEP_OK);
    await(hive, "done");
    expect_order(hive, SKEP_EVENT_FORK, 5, SKEP_EVENT_READY, 4);
    assert_true(hive_find(hive, SKEP_EVENT_FORK, 6) > phase(hive, "step"));
}

static void test_the_new_program_is_that_of_later_replacements(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 1, NULL);
    assert_string_equal(program_of(hive, 1), "old");
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
    assert_string_equal(program_of(hive, 2), "new");
    assert_string_equal(skep_cluster_settings(hive->cluster)->args[0], "new");
    kill_for(hive, 2, 3);
    assert_string_equal(program_of(hive, 3), "new");
}

static void test_another_reload_afterwards(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(reload_onto(hive, round % 2 == 1 ? "new" : "old", 0), SKEP_OK);
        HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_RELOAD, 0) == (size_t)round * 4);
    }
    assert_string_equal(program_of(hive, 8), "new");
}

static void test_one_worker(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    skep_child *second = skep_child_by_id(hive->cluster, 2);
    assert_int_equal(skep_child_restart(second), SKEP_OK);
    await(hive, "done");
    assert_int_equal(skep_child_restart(second), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(hive->cluster), "worker 2 is leaving");
    expect_exit(hive, 2, "voluntary");
    expect_phase(hive, "done", 1, 1, "1 worker replaced");
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 4)), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 0), 1);
    assert_string_equal(program_of(hive, 4), "old");
}

static void test_a_crash_loop_is_mended(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &usual);
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 2); /* the next try is due in more than 100 ms */
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
    expect_phase(hive, "step", 1, 1, "worker 3 fills an empty place");
    assert_string_equal(program_of(hive, 3), "new");
    assert_int_equal(skep_child_count(hive->cluster), 1);
}

/* --- aborted --- */

static void expect_nobody_left(struct hive *hive, uint32_t workers) {
    for (uint32_t id = 1; id <= workers; id++) {
        assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, id)), "ready");
        assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, id), 0);
    }
}

static void test_a_program_that_does_not_start(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "worker 3 exited with status 3 before it was ready");
    assert_int_equal(phase(hive, "aborted")->worker, 3);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->delay_ms, -1);
    expect_nobody_left(hive, 2);
    kill_for(hive, 1, 4);
    assert_string_equal(program_of(hive, 4), "old");
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 4);
}

static void test_a_program_that_is_not_there(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = "/no/such/program"}), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "/no/such/program: program not found");
    assert_int_equal(phase(hive, "aborted")->worker, 0);
    expect_nobody_left(hive, 2);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
}

static void test_a_program_that_never_gets_ready(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 1, NULL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.respawn = true, .ready_timeout_ms = 100}), 0);
    assert_int_equal(reload_onto(hive, "hang", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 1, "worker 2 was not ready after 100 ms");
    expect_exit(hive, 2, "not-ready");
    expect_nobody_left(hive, 1);
}

/* What was replaced already goes on, and is replaced back when it ends. */
static void test_a_failure_half_way(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail-unless-third", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 1, 2, "worker 4 exited with status 3 before it was ready");
    expect_exit(hive, 1, "voluntary");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 2)), "ready");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 3)), "ready");
    kill_for(hive, 3, 5);
    assert_string_equal(program_of(hive, 5), "old");
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 5)), 0);
}

static void test_a_crash_after_ready(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "hang-unless-third", 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_FORK, 4) != NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 3), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "worker 3 was killed by SIGKILL after it was ready");
    expect_exit(hive, 4, "reload");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, 5) != NULL);
    assert_string_equal(program_of(hive, 5), "old");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 2)), "ready");
}

static void test_the_others_of_a_failing_generation_are_killed(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail-or-hang", 2), SKEP_OK);
    await(hive, "aborted");
    expect_exit(hive, 3, "reload");
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->signal, SIGKILL);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 2);
    expect_nobody_left(hive, 2);
}

/* It may have accepted connections from the socket that it shares: it finishes them. */
static void test_one_that_listens_already_may_finish(void **state) {
    struct hive *hive = *state;
    begin(hive, &(skep_settings){.respawn = true, .policy = SKEP_POLICY_SHARED, .drain_timeout_ms = 100}, 2, NULL);
    assert_int_equal(reload_onto(hive, "listen-and-hang", 2), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_LISTENING, 3) != NULL);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_FORK, 4) != NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 4), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 3) != NULL);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 3), 1);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->signal, SIGTERM);
    expect_nobody_left(hive, 2);
}

static void test_an_empty_place_stays_due(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &usual);
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 2);
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 1, "worker 3 exited with status 3 before it was ready");
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 4);
}

/* --- what happens meanwhile: a new worker starts when the gate opens --- */

static void make_gate(const struct hive *hive, char path[64], char variable[80]) {
    snprintf(path, 64, "%s/gate", hive->dir);
    snprintf(variable, 80, "SKEP_TEST_GATE=%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void open_gate(const char *path) {
    int gate = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    assert_true(gate >= 0);
    assert_int_equal(unlink(path), 0);
    close(gate);
}

/* A reload onto a program of which worker count + 1 waits at the gate. */
static void reach_gate_with(struct hive *hive, const skep_settings *settings, unsigned count, char path[64]) {
    char variable[80];
    make_gate(hive, path, variable);
    begin(hive, settings, count, variable);
    assert_int_equal(reload_onto(hive, "late", 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_ONLINE, count + 1) != NULL);
}

static void reach_gate(struct hive *hive, unsigned count, char path[64]) {
    reach_gate_with(hive, &usual, count, path);
}

static void test_one_at_a_time(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_EUNDERWAY);
    assert_string_equal(skep_cluster_why(hive->cluster), "a reload is under way: 0 of 2 workers");
    assert_int_equal(skep_child_restart(skep_child_by_id(hive->cluster, 1)), SKEP_EUNDERWAY);
    open_gate(gate);
    await(hive, "done");
    assert_string_equal(program_of(hive, 4), "new");
}

static void test_the_old_one_ends_meanwhile(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    expect_exit(hive, 1, "crashed");
    open_gate(gate);
    await(hive, "done");
    expect_phase(hive, "step", 1, 1, "worker 2 fills an empty place");
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 2);
    assert_int_equal(skep_child_count(hive->cluster), 1);
}

/* The place is the new one's, and no one else's. */
static void test_the_old_one_ends_for_good_meanwhile(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate_with(hive, &(skep_settings){.respawn = false}, 1, gate);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    expect_exit(hive, 1, "crashed");
    open_gate(gate);
    await(hive, "done");
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    hive_fork(hive, "old", NULL);
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 3)), 1);
}

static void test_the_old_one_ends_and_the_new_one_fails(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    expect_exit(hive, 1, "crashed");
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 2), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, 3) != NULL);
    assert_string_equal(program_of(hive, 3), "old");
    unlink(gate);
}

/* Who drains a worker wants one fewer. */
static void test_the_old_one_is_drained_meanwhile(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    expect_exit(hive, 1, "voluntary");
    expect_exit(hive, 3, "reload");
    open_gate(gate);
    await(hive, "done");
    expect_phase(hive, "done", 1, 1, "1 worker replaced");
    expect_exit(hive, 2, "voluntary");
    assert_int_equal(skep_child_count(hive->cluster), 1);
}

static void test_a_worker_whose_turn_comes_is_replaced_as_it_was(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    kill_for(hive, 2, 4);
    assert_string_equal(program_of(hive, 4), "old");
    open_gate(gate);
    await(hive, "done");
    assert_string_equal(program_of(hive, 5), "new");
    expect_exit(hive, 4, "voluntary");
}

static void test_a_stop_ends_it_quietly(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    skep_cluster_stop(hive->cluster, false);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_ESTATE);
    hive_run_dry(hive);
    assert_null(phase(hive, "aborted"));
    expect_exit(hive, 3, "reload");
    unlink(gate);
}

static void stop_it(skep_cluster *cluster, const skep_event *event, void *context) {
    const char *wanted = context;
    if (strcmp(event->phase, wanted) == 0) skep_cluster_stop(cluster, false);
}

static void check_stop_at(struct hive *hive, const char *wanted) {
    begin(hive, &usual, 2, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_RELOAD, stop_it, (void *)wanted), SKEP_OK);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    hive_run_dry(hive);
    assert_non_null(phase(hive, wanted));
    assert_null(phase(hive, "aborted"));
}

static void test_a_stop_when_it_has_begun(void **state) {
    check_stop_at(*state, "begun");
}

static void test_a_stop_at_a_step(void **state) {
    check_stop_at(*state, "step");
}

static void test_a_stop_when_it_is_done(void **state) {
    check_stop_at(*state, "done");
}

static void test_a_free_in_the_midst(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    unlink(gate);
}

/* --- no reload --- */

static void test_what_is_refused(void **state) {
    struct hive *hive = *state;
    static char long_path[8192];
    memset(long_path, 'x', sizeof long_path - 1);
    hive_start(hive, &usual);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(hive->cluster), "no worker is wanted");
    skep_child *child = hive_fork_ready(hive, "old", NULL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = ""}), SKEP_EINVAL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = long_path}), SKEP_EINVAL);
    skep_child_disconnect(child);
    assert_int_equal(skep_child_restart(child), SKEP_ESTATE);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_ESTATE);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 0);
}

int main(int argc, char **argv) {
    if (skep_is_worker() && argc > 1) setenv("SKEP_TEST_ROLE", argv[1], 1);
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_each_is_ready_before_the_old_one_leaves),
        HIVE_TEST(test_some_at_a_time),
        HIVE_TEST(test_the_new_program_is_that_of_later_replacements),
        HIVE_TEST(test_another_reload_afterwards),
        HIVE_TEST(test_one_worker),
        HIVE_TEST(test_a_crash_loop_is_mended),
        HIVE_TEST(test_a_program_that_does_not_start),
        HIVE_TEST(test_a_program_that_is_not_there),
        HIVE_TEST(test_a_program_that_never_gets_ready),
        HIVE_TEST(test_a_failure_half_way),
        HIVE_TEST(test_a_crash_after_ready),
        HIVE_TEST(test_the_others_of_a_failing_generation_are_killed),
        HIVE_TEST(test_one_that_listens_already_may_finish),
        HIVE_TEST(test_an_empty_place_stays_due),
        HIVE_TEST(test_one_at_a_time),
        HIVE_TEST(test_the_old_one_ends_meanwhile),
        HIVE_TEST(test_the_old_one_ends_for_good_meanwhile),
        HIVE_TEST(test_the_old_one_ends_and_the_new_one_fails),
        HIVE_TEST(test_the_old_one_is_drained_meanwhile),
        HIVE_TEST(test_a_worker_whose_turn_comes_is_replaced_as_it_was),
        HIVE_TEST(test_a_stop_ends_it_quietly),
        HIVE_TEST(test_a_stop_when_it_has_begun),
        HIVE_TEST(test_a_stop_at_a_step),
        HIVE_TEST(test_a_stop_when_it_is_done),
        HIVE_TEST(test_a_free_in_the_midst),
        HIVE_TEST(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
