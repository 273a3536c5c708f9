/* SPDX-License-Identifier: MIT
 * Clients and a broker in another process: found by directory, name and URL; stopped, killed and started anew under
 * them. This program is the client, the broker and its workers. */
#include "stand.h"

enum { SHORT_MS = 20 };

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

/* --- finding --- */

static void expect_echo(skep_client *client) {
    void *result = NULL;
    size_t size_bytes = 0;
    assert_int_equal(skep_result_wait(client, "echo", "hello", 5, NULL, STAND_PATIENCE_MS, &result, &size_bytes),
                     SKEP_OK);
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
    stand_start(stand, 1);
    expect_echo(stand->client);
    skep_client_free(&stand->client);
    find_url(stand, url, sizeof url);
    stand_join(stand, &(skep_client_options){.url = url});
    expect_echo(stand->client);
}

static void test_a_broker_is_found_by_name(void **state) {
    struct stand *stand = *state;
    char path[80];
    setenv("XDG_RUNTIME_DIR", stand->dir, 1);
    unsetenv("SKEP_DIR");
    stand_start_broker(stand, "meadow", 1);
    stand_join(stand, &(skep_client_options){.name = "meadow"});
    expect_echo(stand->client);
    skep_client_free(&stand->client);
    assert_int_equal(skep_client_new(&stand->client, &(skep_client_options){.name = "desert"}), SKEP_ENOBROKER);
    assert_int_equal(kill(stand->broker, SIGTERM), 0);
    unsetenv("XDG_RUNTIME_DIR");
    stand_kill_broker(stand);
    snprintf(path, sizeof path, "%s/skep/meadow", stand->dir);
    stand_remove_files(path);
    snprintf(path, sizeof path, "%s/skep", stand->dir);
    stand_remove_files(path);
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
    assert_int_equal(skep_status_wait(stand->client, STAND_PATIENCE_MS, note_status, &info), SKEP_OK);
    return info.requests;
}

static void test_the_blocking_face(void **state) {
    struct stand *stand = *state;
    void *reply = NULL;
    size_t size_bytes;
    uint64_t id = 0;
    skep_broker_info info = {0};
    stand_start(stand, 2);
    assert_int_equal(skep_submit_wait(stand->client, "nobody", "x", 1, NULL, STAND_PATIENCE_MS, &id), SKEP_OK);
    assert_int_equal(id, 1);
    assert_int_equal(skep_result_wait(stand->client, "nobody", "x", 1, NULL, SHORT_MS, &reply, &size_bytes),
                     SKEP_ETIMEDOUT);
    assert_int_equal(skep_result_wait(stand->client, "refuse", "x", 1, NULL, STAND_PATIENCE_MS, &reply, &size_bytes),
                     SKEP_EDEAD);
    assert_non_null(strstr(skep_client_why(stand->client), "not this one"));
    assert_null(reply);
    assert_int_equal(skep_request_wait(stand->client, 2, NULL, "ask", "x", 1, STAND_PATIENCE_MS, &reply, &size_bytes),
                     SKEP_OK);
    assert_string_equal(reply, "2 ask");
    free(reply);
    for (unsigned i = 0; i < 2; i++) { /* by name, in turn */
        assert_int_equal(
            skep_request_wait(stand->client, 0, "bee", "ask", "x", 1, STAND_PATIENCE_MS, &reply, &size_bytes), SKEP_OK);
        assert_memory_equal(reply, i == 0 ? "1" : "2", 1);
        free(reply);
    }
    reply = NULL;
    assert_int_equal(skep_request_wait(stand->client, 1, NULL, "mute", "x", 1, SHORT_MS, &reply, &size_bytes),
                     SKEP_ETIMEDOUT);
    assert_int_equal(skep_request_wait(stand->client, 9, NULL, "ask", "x", 1, STAND_PATIENCE_MS, &reply, &size_bytes),
                     SKEP_ENOWORKER);
    assert_int_equal(skep_status_wait(stand->client, STAND_PATIENCE_MS, note_status, &info), SKEP_OK);
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
    stand_start(stand, 2);
    STAND_UNTIL(stand, stand->joined == 1);
    assert_int_equal(skep_client_watch(stand->client, on_news, stand), SKEP_OK);
    skep_on_client_undelivered(stand->client, on_undelivered, &undelivered);
    assert_int_equal(skep_client_send(stand->client, 9, NULL, "m", NULL, 0), SKEP_OK);
    STAND_UNTIL(stand, undelivered != SKEP_OK);
    assert_int_equal(undelivered, SKEP_ENOWORKER);
    assert_int_equal(skep_client_broadcast(stand->client, "all", NULL, 0), SKEP_OK);
    STAND_UNTIL(stand, stand->heard == 2); /* both have, and say so to all */
    assert_int_equal(stand->status, SKEP_OK);
    assert_true(stand->news >= 3);
}

/* --- a broker that stands still, or is killed --- */

static void test_a_broker_that_stands_still(void **state) {
    struct stand *stand = *state;
    unsigned count = 0;
    stand_start(stand, 1);
    STAND_UNTIL(stand, stand->joined == 1);
    assert_int_equal(kill(stand->broker, SIGSTOP), 0);
    while (stand_submit(stand, "echo", STAND_LARGE_BYTES) == SKEP_OK) count++;
    assert_in_range(count, 4 * 1024 * 1024 / STAND_LARGE_BYTES, 5 * 1024 * 1024 / STAND_LARGE_BYTES);
    assert_int_equal(stand_submit(stand, "echo", STAND_LARGE_BYTES), SKEP_EAGAIN);
    assert_int_equal(skep_client_drain_wait(stand->client, SHORT_MS), SKEP_ETIMEDOUT);
    assert_int_equal(skep_client_unaccepted(stand->client), count);
    assert_int_equal(kill(stand->broker, SIGCONT), 0);
    assert_int_equal(skep_client_drain_wait(stand->client, STAND_PATIENCE_MS), SKEP_OK);
    assert_int_equal(stand_submit(stand, "echo", STAND_LARGE_BYTES), SKEP_OK);
    stand_wait_for(stand, true);
    assert_int_equal(stand->accepted, count + 1);
    assert_int_equal(stand->done, count + 1);
    assert_int_equal(submitted(stand), count + 1);
    assert_int_equal(stand->lost, 0);
}

/* What the old broker had accepted is lost with it, and the client is told; what it had not is submitted to the new
 * one, once. */
static void test_a_broker_is_killed_and_comes_back(void **state) {
    struct stand *stand = *state;
    stand_start(stand, 0);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(stand_submit(stand, "echo", 10), SKEP_OK);
    stand_wait_for(stand, false);
    assert_int_equal(stand->accepted, 5);
    assert_int_equal(kill(stand->broker, SIGSTOP), 0);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(stand_submit(stand, "echo", 10), SKEP_OK);
    assert_int_equal(skep_client_run_wait(stand->client, SHORT_MS), SKEP_OK); /* they are on their way */
    stand_kill_broker(stand);
    stand_start_broker(stand, stand->dir, 1);
    stand_wait_for(stand, true);
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
    stand_start(stand, 1);
    for (unsigned round = 1; round <= 4; round++) {
        for (unsigned i = 0; i < 500; i++) assert_int_equal(stand_submit(stand, "echo", 100), SKEP_OK);
        STAND_UNTIL(stand, stand->accepted > (round - 1) * 500);
        stand_kill_broker(stand);
        stand_start_broker(stand, stand->dir, 1);
        stand_wait_for(stand, true);
        assert_int_equal(stand->outcomes, round * 500); /* one for each, whatever became of it */
        assert_int_equal(stand->done + stand->closed, round * 500);
        assert_int_equal(stand->accepted, round * 500);
    }
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    if (getenv("CLIENTS_BROKER") != NULL) return stand_play_broker(getenv("CLIENTS_BROKER"));
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
