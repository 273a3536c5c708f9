/* SPDX-License-Identifier: MIT
 * What happens while a reload is under way: workers end or are drained, the cluster stops. A new worker starts when the
 * gate opens. */
#include "renewal.h"

#include <sys/stat.h>

/* --- the gate --- */

static void make_gate(const struct hive *hive, char path[64], char variable[80]) {
    snprintf(path, 64, "%s.gate", hive->dir);
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
    assert_int_equal(skep_child_restart(skep_child_by_id(hive->cluster, 1)), SKEP_EUNDERWAY);
    assert_string_equal(skep_cluster_why(hive->cluster), "a reload is under way: 0 of 2 workers");
    assert_int_equal(skep_cluster_scale(hive->cluster, 3), SKEP_EUNDERWAY);
    open_gate(gate);
    await(hive, "done");
    assert_string_equal(program_of(hive, 4), "new");
}

/* How many events of a reload had this phase. */
static unsigned phases(const struct hive *hive, const char *name) {
    unsigned count = 0;
    for (size_t i = 0; i < hive->count; i++)
        count += hive->log[i].kind == SKEP_EVENT_RELOAD && strcmp(hive->log[i].phase, name) == 0;
    return count;
}

/* Three more that are asked for meanwhile are one, which does what the later ones say. */
static void test_the_next_one_follows(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 2, gate);
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    assert_int_equal(reload_onto(hive, "old", 2), SKEP_OK);
    assert_int_equal(skep_cluster_reload(hive->cluster, NULL), SKEP_OK);
    HIVE_UNTIL(hive, phases(hive, "pending") == 3);
    expect_phase(hive, "pending", 0, 2, "it begins when the current one has ended");
    assert_int_equal(phases(hive, "replaced"), 1);
    assert_int_equal(phases(hive, "begun"), 1);
    open_gate(gate);
    HIVE_UNTIL(hive, phases(hive, "done") == 2);
    assert_int_equal(phases(hive, "begun"), 2);
    assert_int_equal(phases(hive, "aborted"), 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 6);
    assert_string_equal(program_of(hive, 5), "old");
}

/* The phases of a reload that are about a request, in their order, such as "pending replaced ". */
static const char *phases_of(const struct hive *hive, uint64_t request, char text[256]) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < hive->count; i++) {
        const struct seen *seen = &hive->log[i];
        if (seen->kind != SKEP_EVENT_RELOAD || request < seen->request || request >= seen->request + seen->requests)
            continue;
        used += (size_t)snprintf(text + used, 256 - used, "%s ", seen->phase);
    }
    return text;
}

static void test_each_event_says_which_requests_it_is_about(void **state) {
    struct hive *hive = *state;
    char gate[64], text[256];
    reach_gate(hive, 2, gate);
    assert_int_equal(skep_cluster_reload_request(hive->cluster), 1);
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    assert_int_equal(skep_cluster_reload(hive->cluster, NULL), SKEP_OK);
    assert_int_equal(reload_onto(hive, "old", 0), SKEP_OK);
    assert_int_equal(skep_cluster_reload(hive->cluster, NULL), SKEP_OK);
    assert_int_equal(skep_cluster_reload_request(hive->cluster), 5);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = ""}), SKEP_EINVAL);
    open_gate(gate);
    HIVE_UNTIL(hive, phases(hive, "done") == 2);
    assert_string_equal(phases_of(hive, 1, text), "begun step step done ");
    assert_string_equal(phases_of(hive, 2, text), "pending replaced ");
    assert_string_equal(phases_of(hive, 3, text), "pending replaced ");
    assert_string_equal(phases_of(hive, 4, text), "pending begun step step done ");
    assert_string_equal(phases_of(hive, 5, text), "pending begun step step done ");
    assert_string_equal(phases_of(hive, 6, text), "");
    assert_int_equal(skep_child_restart(skep_child_by_id(hive->cluster, 5)), SKEP_OK);
    assert_int_equal(skep_cluster_reload_request(hive->cluster), 6);
    HIVE_UNTIL(hive, phases(hive, "done") == 3);
    assert_string_equal(phases_of(hive, 6, text), "begun step done ");
}

/* At the first end */
static void ask_for_new(skep_cluster *cluster, const skep_event *event, void *context) {
    const skep_reload_options options = {.args = (const char *const[]){"new", NULL}};
    int *status = context;
    if (strcmp(event->phase, "done") != 0 || *status != SKEP_EAGAIN) return;
    *status = skep_cluster_reload(cluster, &options);
}

/* A callback asks for another one: it comes after the one that was asked for before. */
static void test_what_is_asked_for_at_the_end_comes_last(void **state) {
    struct hive *hive = *state;
    char gate[64], text[256];
    int status = SKEP_EAGAIN;
    reach_gate(hive, 1, gate);
    assert_int_equal(reload_onto(hive, "old", 0), SKEP_OK);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_RELOAD, ask_for_new, &status), SKEP_OK);
    open_gate(gate);
    HIVE_UNTIL(hive, phases(hive, "done") == 3);
    assert_int_equal(status, SKEP_OK);
    assert_string_equal(phases_of(hive, 2, text), "pending begun step done ");
    assert_string_equal(phases_of(hive, 3, text), "pending begun step done ");
    assert_string_equal(program_of(hive, 3), "old");
    assert_string_equal(program_of(hive, 4), "new");
}

/* It begins although the one before was aborted, and not if the cluster stops. */
static void test_the_next_one_follows_an_abort(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 2), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    await(hive, "done");
    assert_string_equal(program_of(hive, 3), "new");
    open_gate(gate);
}

/* No worker is wanted by then: that it comes to nothing is told. */
static void test_the_next_one_comes_to_nothing(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(skep_cluster_reload(hive->cluster, NULL), SKEP_OK);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    HIVE_UNTIL(hive, phases(hive, "aborted") == 2);
    assert_int_equal(phases(hive, "begun"), 2);
    open_gate(gate);
}

static void test_the_next_one_when_it_stops(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(skep_cluster_reload(hive->cluster, NULL), SKEP_OK);
    open_gate(gate);
    skep_cluster_stop(hive->cluster, false);
    assert_int_equal(skep_cluster_run(hive->cluster), SKEP_OK);
    assert_int_equal(phases(hive, "begun"), 1);
    assert_int_equal(skep_child_count(hive->cluster), 0);
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

/* Nobody is replaced here, but the place has its new worker: the next one gets another. */
static void test_the_old_one_ends_for_good_meanwhile(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate_with(hive, &(skep_settings){0}, 1, gate);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    expect_exit(hive, 1, "crashed");
    open_gate(gate);
    await(hive, "done");
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    assert_int_equal(skep_cluster_scale(hive->cluster, 2), SKEP_OK);
    assert_int_equal(skep_child_count(hive->cluster), 2);
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

static void send_away(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    skep_child_disconnect(event->child);
}

/* It does not get the place only to leave it. */
static void test_the_new_one_is_sent_away_when_it_is_ready(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 1, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_READY, send_away, NULL), SKEP_OK);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 1, "worker 2 exited with status 0 after it was ready");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 1)), "ready");
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
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

/* Its program was not tried, and nobody is to run it. */
static void test_the_only_one_is_drained_meanwhile(void **state) {
    struct hive *hive = *state;
    char gate[64];
    reach_gate(hive, 1, gate);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 0, "no worker is left to replace");
    unlink(gate);
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

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_one_at_a_time),
        HIVE_TEST(test_the_next_one_follows),
        HIVE_TEST(test_each_event_says_which_requests_it_is_about),
        HIVE_TEST(test_what_is_asked_for_at_the_end_comes_last),
        HIVE_TEST(test_the_next_one_follows_an_abort),
        HIVE_TEST(test_the_next_one_comes_to_nothing),
        HIVE_TEST(test_the_next_one_when_it_stops),
        HIVE_TEST(test_the_old_one_ends_meanwhile),
        HIVE_TEST(test_the_old_one_ends_for_good_meanwhile),
        HIVE_TEST(test_the_old_one_ends_and_the_new_one_fails),
        HIVE_TEST(test_the_new_one_is_sent_away_when_it_is_ready),
        HIVE_TEST(test_the_old_one_is_drained_meanwhile),
        HIVE_TEST(test_the_only_one_is_drained_meanwhile),
        HIVE_TEST(test_a_worker_whose_turn_comes_is_replaced_as_it_was),
        HIVE_TEST(test_a_stop_ends_it_quietly),
        HIVE_TEST(test_a_stop_when_it_has_begun),
        HIVE_TEST(test_a_stop_at_a_step),
        HIVE_TEST(test_a_stop_when_it_is_done),
        HIVE_TEST(test_a_free_in_the_midst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv) {
    return reload_main(argc, argv, run_all);
}
