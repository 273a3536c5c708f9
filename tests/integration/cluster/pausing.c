/* SPDX-License-Identifier: MIT
 * Pausing: the primary lets a listener accept nothing and a queue hand out nothing, for a while. */
#include "serve.h"

enum { WORKERS = 2, WAITING = 6, JOBS = 50 };

/* --- workers --- */

static void answer(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    role_need(skep_reply(worker, message->from, message->request, SKEP_OK, NULL, 0), "reply");
}

static void serve_and_answer(skep_worker *worker) {
    skep_on_message(worker, answer, NULL);
    serve_begin(worker);
}

static skep_verdict do_at_once(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)job;
    (void)context;
    return SKEP_DONE;
}

static void begin_jobs(skep_worker *worker) {
    role_need(skep_on_job(worker, "q", do_at_once, NULL), "q");
}

static const struct role roles[] = {{"serve", serve_and_answer}, {"jobs", begin_jobs}, {NULL, NULL}};

/* --- listeners --- */

static void note_reply(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    unsigned *replies = context;
    (void)cluster;
    (void)data;
    (void)size_bytes;
    *replies += status == SKEP_OK;
}

/* Each worker answers, twice: by then it has read its link, too. */
static void turn(struct hive *hive) {
    for (unsigned round = 0; round < 2; round++) {
        unsigned replies = 0;
        for (uint32_t id = 1; id <= WORKERS; id++)
            assert_int_equal(skep_child_request(skep_child_by_id(hive->cluster, id), "turn", NULL, 0, HIVE_PATIENCE_MS,
                                                note_reply, &replies),
                             SKEP_OK);
        HIVE_UNTIL(hive, replies == WORKERS);
    }
}

static void assert_unanswered(const int clients[WAITING]) {
    char byte;
    for (unsigned i = 0; i < WAITING; i++) assert_int_equal(recv(clients[i], &byte, 1, MSG_DONTWAIT), -1);
}

static void pause_and_resume(struct hive *hive, enum skep_policy policy) {
    int clients[WAITING];
    char url[256], text[64];
    hive_start(hive, &(skep_settings){.policy = policy});
    serve_fork(hive, WORKERS, NULL);
    snprintf(url, sizeof url, "%s", serve_url_of(hive, 1, "url"));
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, url, true), SKEP_OK);
    turn(hive);
    for (unsigned i = 0; i < WAITING; i++) assert_true((clients[i] = client_connect(url)) >= 0);
    turn(hive);
    assert_unanswered(clients);
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, url, false), SKEP_OK);
    for (unsigned i = 0; i < WAITING; i++) {
        client_read(hive, clients[i], text, sizeof text);
        assert_in_range(strtoul(text, NULL, 10), 1, WORKERS);
    }
    assert_int_equal(hive_count(hive, SKEP_EVENT_PAUSE, 0), 1);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_RESUME, 0) == 1);
    assert_string_equal(hive_find(hive, SKEP_EVENT_RESUME, 0)->url, url);
}

static void test_round_robin(void **state) {
    pause_and_resume(*state, SKEP_POLICY_ROUND_ROBIN);
}

static void test_shared(void **state) {
    pause_and_resume(*state, SKEP_POLICY_SHARED);
}

static void test_reuseport(void **state) {
    pause_and_resume(*state, SKEP_POLICY_REUSEPORT);
}

/* While it rests it outlives its workers; afterwards there is nobody for those who connect. */
static void test_without_workers(void **state) {
    struct hive *hive = *state;
    char url[256];
    hive_start(hive, NULL);
    serve_fork(hive, 1, NULL);
    snprintf(url, sizeof url, "%s", serve_url_of(hive, 1, "url"));
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, url, true), SKEP_OK);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    int client = client_connect(url);
    assert_true(client >= 0);
    close(client);
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, url, false), SKEP_OK);
    assert_int_equal(client_connect(url), -ECONNREFUSED);
}

/* Workers that come while it rests know it before they accept. */
static void test_newcomers(void **state) {
    struct hive *hive = *state;
    const char *bound = NULL;
    int clients[WAITING];
    char text[64];
    hive_start(hive, &(skep_settings){.policy = SKEP_POLICY_SHARED});
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "tcp://127.0.0.1:0", &bound), SKEP_OK);
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, "web", true), SKEP_OK);
    for (unsigned i = 0; i < WAITING; i++) assert_true((clients[i] = client_connect(bound)) >= 0);
    serve_fork(hive, WORKERS, "LISTEN=web");
    turn(hive);
    assert_unanswered(clients);
    assert_int_equal(skep_cluster_pause_listener(hive->cluster, "web", false), SKEP_OK);
    for (unsigned i = 0; i < WAITING; i++) client_read(hive, clients[i], text, sizeof text);
}

/* --- queues --- */

static void count_outcome(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes,
                          void *context) {
    unsigned *done = context;
    (void)cluster;
    (void)id;
    (void)data;
    (void)size_bytes;
    *done += status == SKEP_OK;
}

static void submit(struct hive *hive, unsigned *done) {
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(skep_cluster_submit(hive->cluster, "q", "x", 1, NULL, NULL, count_outcome, done), SKEP_OK);
}

static void test_a_queue(void **state) {
    struct hive *hive = *state;
    unsigned before = 0, meanwhile = 0;
    hive_start(hive, NULL);
    assert_int_equal(skep_cluster_pause_queue(hive->cluster, "q", true), SKEP_ENOQUEUE);
    hive_fork_ready(hive, "jobs", NULL);
    submit(hive, &before);
    HIVE_UNTIL(hive, before == JOBS);
    assert_int_equal(skep_cluster_pause_queue(hive->cluster, "q", true), SKEP_OK);
    submit(hive, &meanwhile);
    hive_fork_ready(hive, "jobs", NULL); /* one more that could do them */
    assert_int_equal(meanwhile, 0);
    assert_int_equal(skep_cluster_pause_queue(hive->cluster, "q", false), SKEP_OK);
    HIVE_UNTIL(hive, meanwhile == JOBS);
    assert_int_equal(hive_count(hive, SKEP_EVENT_PAUSE, 0), 1);
    assert_string_equal(hive_find(hive, SKEP_EVENT_PAUSE, 0)->reason, "queue q hands out nothing until it is resumed");
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_round_robin),     HIVE_TEST(test_shared),    HIVE_TEST(test_reuseport),
        HIVE_TEST(test_without_workers), HIVE_TEST(test_newcomers), HIVE_TEST(test_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
