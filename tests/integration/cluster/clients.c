/* SPDX-License-Identifier: MIT
 * Clients and a broker in another process: found by directory, name and URL; stopped, killed and started anew under
 * them. This program is the client, the broker and its workers. */
#include "hive.h"
#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <skep/client.h>
#include <sys/wait.h>

enum { PATIENCE_MS = HIVE_PATIENCE_MS, LARGE_BYTES = 64 * 1024, SHORT_MS = 20 };

/* --- workers --- */

static skep_verdict echo(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)context;
    role_need(skep_job_result(job, job->data, job->size_bytes < 64 ? job->size_bytes : 64), "result");
    return SKEP_DONE;
}

static skep_verdict refuse(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)context;
    skep_job_reason(job, "not this one");
    return SKEP_FAILED;
}

/* Answers with its id and what it was asked; tells all when it is told to. */
static void got(skep_worker *worker, const skep_message *message, void *context) {
    char text[64];
    (void)context;
    int length = snprintf(text, sizeof text, "%u %s", skep_worker_id(worker), message->name);
    if (message->request == 0)
        role_need(skep_broadcast(worker, message->broadcast ? "heard" : "got", text, (size_t)length), "broadcast");
    else if (strcmp(message->name, "mute") != 0)
        role_need(skep_reply(worker, message->from, message->request, SKEP_OK, text, (size_t)length), "reply");
}

/* What it broadcasts comes back to it: it must not answer that. */
static void got_from_others(skep_worker *worker, const skep_message *message, void *context) {
    if (!message->broadcast || message->from == 0) got(worker, message, context);
}

static void begin_echo(skep_worker *worker) {
    role_need(skep_on_job(worker, "echo", echo, NULL), "echo");
    role_need(skep_on_job(worker, "refuse", refuse, NULL), "refuse");
    skep_on_message(worker, got_from_others, NULL);
    role_need(skep_subscribe(worker), "subscribe");
}

static const struct role roles[] = {{"echo", begin_echo}, {NULL, NULL}};

/* --- the broker --- */

/* Says so on its standard output when its workers are ready. */
static void say_ready(skep_cluster *cluster, const skep_event *event, void *context) {
    unsigned *left = context;
    (void)cluster;
    (void)event;
    if (--*left == 0 && write(STDOUT_FILENO, "r", 1) != 1) _exit(ROLE_BROKEN);
}

static int play_broker(const char *dir) {
    static const char *const env[] = {"SKEP_TEST_ROLE=echo", "SKEP_TEST_NAME=bee", NULL};
    unsigned workers = (unsigned)strtoul(getenv("CLIENTS_WORKERS"), NULL, 10), left = workers;
    skep_cluster *cluster;
    role_need(skep_cluster_new(&cluster, NULL), "cluster");
    skep_settings settings = {.dir = dir[0] == '/' ? dir : NULL, .name = dir};
    role_need(skep_setup_primary(cluster, &settings), "settings");
    role_need(skep_on(cluster, SKEP_EVENT_READY, say_ready, &left), "on");
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

static void expect_ready(int fd) {
    char byte = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'r');
    close(fd);
}

static void start_broker(struct stand *stand, const char *where, unsigned workers) {
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
    expect_ready(ends[0]);
}

static void kill_broker(struct stand *stand) {
    if (stand->broker <= 0) return;
    kill(stand->broker, SIGKILL);
    waitpid(stand->broker, NULL, 0);
    stand->broker = 0;
}

static void on_accepted(skep_client *client, int status, uint64_t id, void *context) {
    struct stand *stand = context;
    (void)client;
    (void)id;
    stand->accepted += status == SKEP_OK;
    stand->status = status;
}

static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct stand *stand = context;
    (void)client;
    stand->outcomes++;
    stand->done += outcome->status == SKEP_OK;
    stand->closed += outcome->status == SKEP_ECLOSED;
}

static void on_state(skep_client *client, int status, void *context) {
    struct stand *stand = context;
    (void)client;
    if (status == SKEP_OK) stand->joined++;
    else stand->lost++;
}

static void on_drain(skep_client *client, void *context) {
    (void)client;
    ((struct stand *)context)->drained++;
}

static void join(struct stand *stand, const skep_client_options *options) {
    assert_int_equal(skep_client_new(&stand->client, options), SKEP_OK);
    skep_on_client_state(stand->client, on_state, stand);
    skep_on_client_drain(stand->client, on_drain, stand);
}

static void start(struct stand *stand, unsigned workers) {
    start_broker(stand, stand->dir, workers);
    join(stand, &(skep_client_options){.dir = stand->dir});
}

/* Runs the client's loop until something is so. */
#define UNTIL(stand, condition)                                                         \
    for (uint64_t deadline_ns_ = hive_deadline_ns(); !(condition);) {                   \
        if (uv_hrtime() > deadline_ns_) fail_msg("waited in vain for: %s", #condition); \
        assert_int_equal(skep_client_run_wait((stand)->client, HIVE_LOOK_MS), SKEP_OK); \
    }

static int submit(struct stand *stand, const char *queue, size_t size_bytes) {
    static const char data[LARGE_BYTES];
    return skep_submit(stand->client, queue, data, size_bytes, NULL, on_accepted, on_outcome, stand);
}

static void wait_for(struct stand *stand, bool outcomes) {
    assert_int_equal(skep_client_wait(stand->client, outcomes, PATIENCE_MS), SKEP_OK);
}

static int setup(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL) return -1;
    snprintf(stand->dir, sizeof stand->dir, "/tmp/skep-test-XXXXXX");
    *state = stand;
    return mkdtemp(stand->dir) != NULL ? 0 : -1;
}

static void remove_files(const char *dir) {
    DIR *entries = opendir(dir);
    if (entries == NULL) return;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
    rmdir(dir);
}

static int teardown(void **state) {
    struct stand *stand = *state;
    skep_client_free(&stand->client);
    kill_broker(stand);
    remove_files(stand->dir);
    free(stand);
    return 0;
}

/* --- finding --- */

static void expect_echo(skep_client *client) {
    void *result = NULL;
    size_t size_bytes = 0;
    assert_int_equal(skep_result_wait(client, "echo", "hello", 5, NULL, PATIENCE_MS, &result, &size_bytes), SKEP_OK);
    assert_int_equal(size_bytes, 5);
    assert_string_equal(result, "hello");
    free(result);
}

static void find_url(const struct stand *stand, char *url, size_t capacity_bytes) {
    DIR *entries = opendir(stand->dir);
    assert_non_null(entries);
    for (const struct dirent *e; (e = readdir(entries)) != NULL;)
        if (strncmp(e->d_name, "control.", 8) == 0)
            snprintf(url, capacity_bytes, "ipc://%s/%.40s", stand->dir, e->d_name);
    closedir(entries);
}

static void test_a_broker_is_found_by_directory_and_url(void **state) {
    struct stand *stand = *state;
    char url[128] = "";
    start(stand, 1);
    expect_echo(stand->client);
    skep_client_free(&stand->client);
    find_url(stand, url, sizeof url);
    join(stand, &(skep_client_options){.url = url});
    expect_echo(stand->client);
}

static void test_a_broker_is_found_by_name(void **state) {
    struct stand *stand = *state;
    char path[80];
    setenv("XDG_RUNTIME_DIR", stand->dir, 1);
    unsetenv("SKEP_DIR");
    start_broker(stand, "meadow", 1);
    join(stand, &(skep_client_options){.name = "meadow"});
    expect_echo(stand->client);
    skep_client_free(&stand->client);
    assert_int_equal(skep_client_new(&stand->client, &(skep_client_options){.name = "desert"}), SKEP_ENOBROKER);
    assert_int_equal(kill(stand->broker, SIGTERM), 0);
    unsetenv("XDG_RUNTIME_DIR");
    kill_broker(stand);
    snprintf(path, sizeof path, "%s/skep/meadow", stand->dir);
    remove_files(path);
    snprintf(path, sizeof path, "%s/skep", stand->dir);
    remove_files(path);
}

/* --- the blocking face --- */

static void note_status(skep_client *client, int status, const skep_broker_info *info, void *context) {
    skep_broker_info *copy = context;
    (void)client;
    if (status != SKEP_OK) return;
    *copy = *info;
    copy->workers = NULL; /* borrowed */
    for (size_t i = 0; i < info->queue_count; i++) copy->requests += info->queues[i].submitted;
    copy->queues = NULL;
}

/* How many jobs the broker was ever given; nothing here counts requests. */
static uint64_t submitted(struct stand *stand) {
    skep_broker_info info = {0};
    assert_int_equal(skep_status_wait(stand->client, PATIENCE_MS, note_status, &info), SKEP_OK);
    return info.requests;
}

static void test_the_blocking_face(void **state) {
    struct stand *stand = *state;
    void *reply = NULL;
    size_t size_bytes;
    uint64_t id = 0;
    skep_broker_info info = {0};
    start(stand, 2);
    assert_int_equal(skep_submit_wait(stand->client, "nobody", "x", 1, NULL, PATIENCE_MS, &id), SKEP_OK);
    assert_int_equal(id, 1);
    assert_int_equal(skep_result_wait(stand->client, "nobody", "x", 1, NULL, SHORT_MS, &reply, &size_bytes),
                     SKEP_ETIMEDOUT);
    assert_int_equal(skep_result_wait(stand->client, "refuse", "x", 1, NULL, PATIENCE_MS, &reply, &size_bytes),
                     SKEP_EDEAD);
    assert_non_null(strstr(skep_client_why(stand->client), "not this one"));
    assert_null(reply);
    assert_int_equal(skep_request_wait(stand->client, 2, NULL, "ask", "x", 1, PATIENCE_MS, &reply, &size_bytes),
                     SKEP_OK);
    assert_string_equal(reply, "2 ask");
    free(reply);
    for (unsigned i = 0; i < 2; i++) { /* by name, in turn */
        assert_int_equal(skep_request_wait(stand->client, 0, "bee", "ask", "x", 1, PATIENCE_MS, &reply, &size_bytes),
                         SKEP_OK);
        assert_memory_equal(reply, i == 0 ? "1" : "2", 1);
        free(reply);
    }
    reply = NULL;
    assert_int_equal(skep_request_wait(stand->client, 1, NULL, "mute", "x", 1, SHORT_MS, &reply, &size_bytes),
                     SKEP_ETIMEDOUT);
    assert_int_equal(skep_request_wait(stand->client, 9, NULL, "ask", "x", 1, PATIENCE_MS, &reply, &size_bytes),
                     SKEP_ENOWORKER);
    assert_int_equal(skep_status_wait(stand->client, PATIENCE_MS, note_status, &info), SKEP_OK);
    assert_int_equal(info.worker_count, 2);
    assert_int_equal(info.queue_count, 3); /* echo, refuse, nobody */
    assert_int_equal(info.pid, stand->broker);
}

/* --- messages and news --- */

static void on_news(skep_client *client, const skep_news *news, void *context) {
    struct stand *stand = context;
    (void)client;
    stand->news++;
    if (news->lost > 0) stand->status = SKEP_ESYS;
    stand->heard += strcmp(news->event, "broadcast") == 0 && strcmp(news->name, "heard") == 0;
}

static void on_undelivered(skep_client *client, uint32_t worker, const char *name, int status, void *context) {
    (void)client;
    (void)name;
    *(int *)context = worker == 9 ? status : SKEP_ESYS;
}

static void test_messages_and_news(void **state) {
    struct stand *stand = *state;
    int undelivered = SKEP_OK;
    start(stand, 2);
    UNTIL(stand, stand->joined == 1);
    assert_int_equal(skep_client_watch(stand->client, on_news, stand), SKEP_OK);
    skep_on_client_undelivered(stand->client, on_undelivered, &undelivered);
    assert_int_equal(skep_client_send(stand->client, 9, NULL, "m", NULL, 0), SKEP_OK);
    UNTIL(stand, undelivered != SKEP_OK);
    assert_int_equal(undelivered, SKEP_ENOWORKER);
    assert_int_equal(skep_client_broadcast(stand->client, "all", NULL, 0), SKEP_OK);
    UNTIL(stand, stand->heard == 2); /* both have, and say so to all */
    assert_int_equal(stand->status, SKEP_OK);
    assert_true(stand->news >= 3);
}

/* --- a broker that stands still, or is killed --- */

static void test_a_broker_that_stands_still(void **state) {
    struct stand *stand = *state;
    unsigned count = 0;
    start(stand, 1);
    UNTIL(stand, stand->joined == 1);
    assert_int_equal(kill(stand->broker, SIGSTOP), 0);
    while (submit(stand, "echo", LARGE_BYTES) == SKEP_OK) count++;
    assert_in_range(count, 4 * 1024 * 1024 / LARGE_BYTES, 5 * 1024 * 1024 / LARGE_BYTES);
    assert_int_equal(submit(stand, "echo", LARGE_BYTES), SKEP_EAGAIN);
    assert_int_equal(skep_client_drain_wait(stand->client, SHORT_MS), SKEP_ETIMEDOUT);
    assert_int_equal(skep_client_unaccepted(stand->client), count);
    assert_int_equal(kill(stand->broker, SIGCONT), 0);
    assert_int_equal(skep_client_drain_wait(stand->client, PATIENCE_MS), SKEP_OK);
    assert_int_equal(submit(stand, "echo", LARGE_BYTES), SKEP_OK);
    wait_for(stand, true);
    assert_int_equal(stand->accepted, count + 1);
    assert_int_equal(stand->done, count + 1);
    assert_int_equal(submitted(stand), count + 1);
    assert_int_equal(stand->lost, 0);
}

/* What the old broker had accepted is lost with it, and the client is told; what it had not is submitted to the new
 * one, once. */
static void test_a_broker_is_killed_and_comes_back(void **state) {
    struct stand *stand = *state;
    start(stand, 0);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(submit(stand, "echo", 10), SKEP_OK);
    wait_for(stand, false);
    assert_int_equal(stand->accepted, 5);
    assert_int_equal(kill(stand->broker, SIGSTOP), 0);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(submit(stand, "echo", 10), SKEP_OK);
    assert_int_equal(skep_client_run_wait(stand->client, SHORT_MS), SKEP_OK); /* they are on their way */
    kill_broker(stand);
    start_broker(stand, stand->dir, 1);
    wait_for(stand, true);
    assert_int_equal(stand->lost, 1);
    assert_int_equal(stand->joined, 2);
    assert_int_equal(stand->accepted, 8);
    assert_int_equal(stand->outcomes, 8);
    assert_int_equal(stand->closed, 5);
    assert_int_equal(stand->done, 3);
    assert_int_equal(submitted(stand), 3);
    expect_echo(stand->client);
}

static void test_a_broker_is_killed_again_and_again(void **state) {
    struct stand *stand = *state;
    start(stand, 1);
    for (unsigned round = 1; round <= 4; round++) {
        for (unsigned i = 0; i < 500; i++) assert_int_equal(submit(stand, "echo", 100), SKEP_OK);
        UNTIL(stand, stand->accepted > (round - 1) * 500);
        kill_broker(stand);
        start_broker(stand, stand->dir, 1);
        wait_for(stand, true);
        assert_int_equal(stand->outcomes, round * 500); /* one for each, whatever became of it */
        assert_int_equal(stand->done + stand->closed, round * 500);
        assert_int_equal(stand->accepted, round * 500);
    }
}

#define STAND_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    if (getenv("CLIENTS_BROKER") != NULL) return play_broker(getenv("CLIENTS_BROKER"));
    const struct CMUnitTest tests[] = {
        STAND_TEST(test_a_broker_is_found_by_directory_and_url),
        STAND_TEST(test_a_broker_is_found_by_name),
        STAND_TEST(test_the_blocking_face),
        STAND_TEST(test_messages_and_news),
        STAND_TEST(test_a_broker_that_stands_still),
        STAND_TEST(test_a_broker_is_killed_and_comes_back),
        STAND_TEST(test_a_broker_is_killed_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
