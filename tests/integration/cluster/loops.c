/* SPDX-License-Identifier: MIT
 * Loops and handles of the user's own, on both sides; and joining where there is no broker to join. */
#include "hive.h"
#include "roles.h"

#include <signal.h>
#include <sys/socket.h>

/* --- workers --- */

static void tick(uv_timer_t *timer) {
    skep_worker *worker = timer->data;
    static unsigned ticks;
    if (++ticks == 3) role_tell(worker, "ticked", "3 times");
}

static void start_ticking(uv_timer_t *timer, skep_worker *worker) {
    uv_timer_init(skep_worker_loop(worker), timer);
    timer->data = worker;
    uv_timer_start(timer, tick, 1, 1);
}

static void stop_ticking(skep_worker *worker, void *timer) {
    (void)worker;
    uv_close(timer, NULL);
}

/* Its timer runs on the worker's loop, which ends when that has closed. */
static void use_the_workers_loop(skep_worker *worker) {
    static uv_timer_t timer;
    start_ticking(&timer, worker);
    skep_on_leave(worker, stop_ticking, &timer);
}

static const struct role roles[] = {{"idle", role_idle}, {"workers-loop", use_the_workers_loop}, {NULL, NULL}};

/* Exit status 0: joined on a loop of its own, was asked to leave, and left nothing in the loop. */
static int play_on_own_loop(void) {
    uv_loop_t loop;
    uv_timer_t timer;
    skep_worker *worker;
    uv_loop_init(&loop);
    role_need(skep_worker_new(&worker, &(skep_worker_options){.loop = &loop, .name = "own"}), "join");
    if (skep_worker_loop(worker) != &loop) return 1;
    start_ticking(&timer, worker);
    skep_on_leave(worker, stop_ticking, &timer);
    role_need(skep_worker_ready(worker), "ready");
    role_need(skep_worker_ready(worker), "ready again");
    uv_run(&loop, UV_RUN_DEFAULT);
    if (skep_worker_is_connected(worker)) return 2;
    skep_worker_free(&worker);
    if (worker != NULL) return 3;
    skep_worker_free(&worker);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? 0 : 4;
}

/* Exit status 0: freed without draining, in the middle of things. */
static int play_leaving_at_once(void) {
    skep_worker *worker;
    role_need(skep_worker_new(&worker, NULL), "join");
    role_need(skep_worker_ready(worker), "ready");
    role_need(skep_subscribe(worker), "subscribe");
    skep_count(worker, "requests", 1);
    skep_worker_free(&worker);
    return worker == NULL ? 0 : 1;
}

/* Exit status: the status of joining. */
static int play_joining(void) {
    skep_worker *worker = NULL;
    int status = skep_worker_new(&worker, &(skep_worker_options){.handshake_timeout_ms = 100});
    return worker == NULL ? status : 100;
}

/* Exit status: of making a primary within a worker. */
static int play_primary(void) {
    skep_cluster *cluster = NULL;
    int status = skep_cluster_new(&cluster, NULL);
    return cluster == NULL ? status : 100;
}

static int play(void) {
    const char *role = getenv("SKEP_TEST_ROLE");
    if (strcmp(role, "own-loop") == 0) return play_on_own_loop();
    if (strcmp(role, "at-once") == 0) return play_leaving_at_once();
    if (strcmp(role, "join") == 0) return play_joining();
    if (strcmp(role, "primary") == 0) return play_primary();
    return role_play(roles);
}

/* --- loops --- */

static void test_the_workers_loop(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "workers-loop", NULL);
    HIVE_UNTIL(hive, hive_message(hive, 1, "ticked") != NULL);
    skep_child_disconnect(child);
    hive_run_dry(hive);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->reason, "voluntary");
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
}

static void test_a_loop_of_the_workers_user(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "own-loop", NULL);
    HIVE_UNTIL(hive, hive_message(hive, 1, "ticked") != NULL);
    skep_child_disconnect(child);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_READY, 1), 1);
}

static void test_a_worker_that_is_freed_at_once(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "at-once", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->reason, "exited");
}

static void test_no_primary_in_a_worker(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "primary", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, SKEP_ESTATE);
}

struct primary {
    skep_cluster *cluster;
    unsigned ticks;
    int exit_code;
};

static void count_tick(uv_timer_t *timer) {
    struct primary *primary = timer->data;
    if (++primary->ticks == 3) skep_cluster_stop(primary->cluster, false);
}

static void note_exit(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    ((struct primary *)context)->exit_code = event->code;
}

static void start_counting(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    (void)event;
    uv_timer_start(context, count_tick, 1, 1);
}

/* The user's loop has the user's timer beside the cluster, and nothing of the cluster's once that is freed. */
static void test_a_loop_of_the_primarys_user(void **state) {
    struct hive *hive = *state;
    struct primary primary = {.exit_code = -1};
    uv_loop_t loop;
    uv_timer_t timer;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &timer);
    timer.data = &primary;
    uv_unref((uv_handle_t *)&timer);
    assert_int_equal(skep_cluster_new(&primary.cluster, &loop), SKEP_OK);
    assert_ptr_equal(skep_cluster_loop(primary.cluster), &loop);
    assert_int_equal(skep_setup_primary(primary.cluster, &(skep_settings){.dir = hive->dir}), SKEP_OK);
    assert_int_equal(skep_on(primary.cluster, SKEP_EVENT_READY, start_counting, &timer), SKEP_OK);
    assert_int_equal(skep_on(primary.cluster, SKEP_EVENT_EXIT, note_exit, &primary), SKEP_OK);
    assert_int_equal(skep_fork(primary.cluster, (const char *const[]){"SKEP_TEST_ROLE=idle", NULL}, NULL), SKEP_OK);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(primary.exit_code, 0);
    assert_true(primary.ticks >= 3);
    skep_cluster_free(&primary.cluster);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The same with workers, listeners, waiting requests and due events left. */
static void test_free_in_the_middle(void **state) {
    struct hive *hive = *state;
    uv_loop_t loop;
    skep_cluster *cluster;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(skep_cluster_new(&cluster, &loop), SKEP_OK);
    assert_int_equal(skep_setup_primary(cluster, &(skep_settings){.dir = hive->dir, .respawn = true}), SKEP_OK);
    assert_int_equal(skep_cluster_stop_on_signals(cluster), SKEP_OK);
    assert_int_equal(skep_cluster_listen(cluster, "web", "tcp://127.0.0.1:0", NULL), SKEP_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(skep_fork(cluster, (const char *const[]){"SKEP_TEST_ROLE=idle", NULL}, NULL), SKEP_OK);
    assert_int_equal(skep_child_send(skep_child_next(cluster, NULL), "to nobody", NULL, 0), SKEP_OK);
    uv_run(&loop, UV_RUN_ONCE);
    skep_cluster_free(&cluster);
    skep_cluster_free(&cluster);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- joining --- */

struct started {
    uv_process_t process;
    int64_t status;
};

static void ended(uv_process_t *process, int64_t status, int signal) {
    struct started *started = process->data;
    started->status = signal == 0 ? status : -signal;
    uv_close((uv_handle_t *)process, NULL);
}

/* Starts this program as if a broker had, with a descriptor (-1: none) as its link; its exit status. */
static int join_over(int link) {
    uv_loop_t loop;
    struct started started = {.status = -1};
    uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = 1},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2},
                                     {.flags = link >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = link}};
    char *args[] = {(char *)"/proc/self/exe", NULL};
    char *env[] = {(char *)"SKEP_WORKER_ID=5", (char *)"SKEP_TEST_ROLE=join", NULL};
    uv_process_options_t options = {
        .file = args[0], .args = args, .env = env, .stdio = stdio, .stdio_count = 4, .exit_cb = ended};
    uv_loop_init(&loop);
    started.process.data = &started;
    if (uv_spawn(&loop, &started.process, &options) != 0) started.status = -1;
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return (int)started.status;
}

static void test_joining_nobody(void **state) {
    int pair[2];
    (void)state;
    assert_int_equal(join_over(-1), SKEP_ENOTWORKER);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(join_over(pair[1]), SKEP_ETIMEDOUT);
    assert_int_equal(send(pair[0], "rubbish", 7, 0), 7);
    assert_int_equal(join_over(pair[1]), SKEP_EPROTO);
    close(pair[0]);
    assert_int_equal(join_over(pair[1]), SKEP_ECLOSED);
    close(pair[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(join_over(pair[1]), SKEP_ENOTWORKER);
    close(pair[0]);
    close(pair[1]);
}

static void test_no_worker_in_a_primary(void **state) {
    skep_worker *worker = NULL;
    (void)state;
    assert_int_equal(skep_worker_new(&worker, NULL), SKEP_ENOTWORKER);
    assert_null(worker);
    skep_worker_free(&worker);
}

int main(void) {
    if (skep_is_worker()) return play();
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_the_workers_loop),
        HIVE_TEST(test_a_loop_of_the_workers_user),
        HIVE_TEST(test_a_worker_that_is_freed_at_once),
        HIVE_TEST(test_no_primary_in_a_worker),
        HIVE_TEST(test_a_loop_of_the_primarys_user),
        HIVE_TEST(test_free_in_the_middle),
        cmocka_unit_test(test_joining_nobody),
        cmocka_unit_test(test_no_worker_in_a_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
