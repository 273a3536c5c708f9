/* SPDX-License-Identifier: MIT
 * A broker in a process of its own, which is this program once more, and a client that a test can wait with. */
#ifndef SKEP_TESTS_STAND_H
#define SKEP_TESTS_STAND_H

#include "hive.h"
#include "roles.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <skep/client.h>
#include <sys/wait.h>

enum { STAND_PATIENCE_MS = HIVE_PATIENCE_MS, STAND_LARGE_BYTES = 64 * 1024 };

/* --- the broker --- */

/* Says so on its standard output when its workers are ready. */
static inline void stand_say_ready(skep_cluster *cluster, const skep_event *event, void *context) {
    unsigned *left = context;
    (void)cluster;
    (void)event;
    if (--*left == 0 && write(STDOUT_FILENO, "r", 1) != 1) _exit(ROLE_BROKEN);
}

static inline int stand_play_broker(const char *dir) {
    static const char *const env[] = {"SKEP_TEST_ROLE=echo", "SKEP_TEST_NAME=bee", NULL};
    unsigned workers = (unsigned)strtoul(getenv("CLIENTS_WORKERS"), NULL, 10), left = workers;
    skep_cluster *cluster;
    role_need(skep_cluster_new(&cluster, NULL), "cluster");
    skep_settings settings = {.dir = dir[0] == '/' ? dir : NULL, .name = dir};
    role_need(skep_setup_primary(cluster, &settings), "settings");
    role_need(skep_on(cluster, SKEP_EVENT_READY, stand_say_ready, &left), "on");
    role_need(skep_cluster_stop_on_signals(cluster), "signals");
    role_need(skep_cluster_start(cluster), skep_cluster_why(cluster));
    for (unsigned i = 0; i < workers; i++) role_need(skep_fork(cluster, env, NULL), "fork");
    uv_timer_t stays; /* also without workers */
    uv_timer_init(skep_cluster_loop(cluster), &stays);
    uv_timer_start(&stays, hive_tick, 3600 * 1000, 0);
    if (workers == 0 && write(STDOUT_FILENO, "r", 1) != 1) return ROLE_BROKEN;
    return skep_cluster_run(cluster);
}

/* --- the client's side --- */

struct stand {
    char dir[48];
    pid_t broker;
    skep_client *client;
    unsigned accepted, outcomes, done, closed, drained;
    int status; /* the last */
    unsigned joined, lost;
    unsigned news, heard;
};

static inline void stand_expect_ready(int fd) {
    char byte = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, STAND_PATIENCE_MS), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'r');
    close(fd);
}

static inline void stand_start_broker(struct stand *stand, const char *where, unsigned workers) {
    int ends[2];
    char count[16];
    snprintf(count, sizeof count, "%u", workers);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    setenv("CLIENTS_BROKER", where, 1);
    setenv("CLIENTS_WORKERS", count, 1);
    stand->broker = fork();
    if (stand->broker == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "clients", (char *)NULL);
        _exit(ROLE_BROKEN);
    }
    close(ends[1]);
    assert_true(stand->broker > 0);
    unsetenv("CLIENTS_BROKER");
    stand_expect_ready(ends[0]);
}

static inline void stand_kill_broker(struct stand *stand) {
    if (stand->broker <= 0) return;
    kill(stand->broker, SIGKILL);
    waitpid(stand->broker, NULL, 0);
    stand->broker = 0;
}

static inline void stand_on_accepted(skep_client *client, int status, uint64_t id, void *context) {
    struct stand *stand = context;
    (void)client;
    (void)id;
    stand->accepted += status == SKEP_OK;
    stand->status = status;
}

static inline void stand_on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct stand *stand = context;
    (void)client;
    stand->outcomes++;
    stand->done += outcome->status == SKEP_OK;
    stand->closed += outcome->status == SKEP_ECLOSED;
}

static inline void stand_on_state(skep_client *client, int status, void *context) {
    struct stand *stand = context;
    (void)client;
    if (status == SKEP_OK) stand->joined++;
    else stand->lost++;
}

static inline void stand_on_drain(skep_client *client, void *context) {
    (void)client;
    ((struct stand *)context)->drained++;
}

static inline void stand_join(struct stand *stand, const skep_client_options *options) {
    assert_int_equal(skep_client_new(&stand->client, options), SKEP_OK);
    skep_on_client_state(stand->client, stand_on_state, stand);
    skep_on_client_drain(stand->client, stand_on_drain, stand);
}

static inline void stand_start(struct stand *stand, unsigned workers) {
    stand_start_broker(stand, stand->dir, workers);
    stand_join(stand, &(skep_client_options){.dir = stand->dir});
}

/* Runs the client's loop until something is so. */
#define STAND_UNTIL(stand, condition)                                                   \
    for (uint64_t deadline_ns_ = hive_deadline_ns(); !(condition);) {                   \
        if (uv_hrtime() > deadline_ns_) fail_msg("waited in vain for: %s", #condition); \
        assert_int_equal(skep_client_run_wait((stand)->client, HIVE_LOOK_MS), SKEP_OK); \
    }

static inline int stand_submit(struct stand *stand, const char *queue, size_t size_bytes) {
    static const char data[STAND_LARGE_BYTES];
    return skep_submit(stand->client, queue, data, size_bytes, NULL, stand_on_accepted, stand_on_outcome, stand);
}

static inline void stand_wait_for(struct stand *stand, bool outcomes) {
    assert_int_equal(skep_client_wait(stand->client, outcomes, STAND_PATIENCE_MS), SKEP_OK);
}

static inline int stand_setup(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL) return -1;
    snprintf(stand->dir, sizeof stand->dir, "/tmp/skep-test-XXXXXX");
    *state = stand;
    return mkdtemp(stand->dir) != NULL ? 0 : -1;
}

static inline void stand_remove_files(const char *dir) {
    DIR *entries = opendir(dir);
    if (entries == NULL) return;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
    rmdir(dir);
}

static inline int stand_teardown(void **state) {
    struct stand *stand = *state;
    skep_client_free(&stand->client);
    stand_kill_broker(stand);
    stand_remove_files(stand->dir);
    free(stand);
    return 0;
}

#define STAND_TEST(function) cmocka_unit_test_setup_teardown(function, stand_setup, stand_teardown)

#endif
