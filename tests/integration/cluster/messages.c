/* SPDX-License-Identifier: MIT
 * Messages between workers, and between them and the primary: sent, asked, answered, to all. */
#include "agent.h"
#include "hive.h"

#include <signal.h>
#include <time.h>

/* --- workers --- */

static void exit_with_answer(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    (void)worker;
    (void)data;
    (void)size_bytes;
    (void)context;
    _exit(status);
}

static void ask_and_exit(skep_worker *worker) {
    role_need(skep_request(worker, 0, "question", "?", 1, 0, exit_with_answer, NULL), "request");
}

/* A user who is busy for longer than a question of 50 ms may take. */
static void be_busy(void) {
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static bool took_50_ms(uint64_t began_ns) {
    return uv_hrtime() - began_ns > 48 * UINT64_C(1000000); /* timers count whole milliseconds */
}

static void exit_if_it_took_50_ms(skep_worker *worker, int status, const void *data, size_t size_bytes,
                                  void *began_ns) {
    (void)worker;
    (void)data;
    (void)size_bytes;
    _exit(status == SKEP_ETIMEDOUT && took_50_ms(*(uint64_t *)began_ns) ? 0 : 1);
}

static void ask_after_being_busy(skep_worker *worker) {
    static uint64_t began_ns;
    be_busy();
    began_ns = uv_hrtime();
    role_need(skep_request(worker, 0, "question", "?", 1, 50, exit_if_it_took_50_ms, &began_ns), "request");
}

/* Runs on after its link has closed, and tries every way of sending then. */
static void send_when_closed(uv_timer_t *timer) {
    skep_worker *worker = timer->data;
    if (skep_worker_is_connected(worker)) return;
    int sums = skep_send(worker, "late", NULL, 0) + skep_send_to(worker, 1, "late", NULL, 0) +
               skep_send_to_name(worker, "a", "late", NULL, 0) + skep_broadcast(worker, "late", NULL, 0) +
               skep_request(worker, 0, "late", NULL, 0, 0, exit_with_answer, NULL) + skep_subscribe(worker);
    skep_count(worker, "requests", 1);
    _exit(sums == 6 * SKEP_ECLOSED && skep_reply(worker, 0, 1, SKEP_OK, NULL, 0) == SKEP_ECLOSED ? 0 : 1);
}

static void send_after_leaving(skep_worker *worker) {
    static uv_timer_t timer;
    uv_timer_init(skep_worker_loop(worker), &timer);
    timer.data = worker;
    uv_timer_start(&timer, send_when_closed, 1, 1);
    skep_disconnect(worker);
}

static void wait_for_release(uv_signal_t *handle, int number) {
    (void)number;
    uv_close((uv_handle_t *)handle, NULL);
}

/* Its process stays when its link has closed, until SIGUSR1 comes. */
static void linger(skep_worker *worker) {
    static uv_signal_t handle;
    uv_signal_init(skep_worker_loop(worker), &handle);
    uv_signal_start(&handle, wait_for_release, SIGUSR1);
    skep_disconnect(worker);
}

static const struct role roles[] = {
    {"agent", agent_begin},       {"deaf", role_idle}, {"ask", ask_and_exit}, {"ask-late", ask_after_being_busy},
    {"late", send_after_leaving}, {"linger", linger},  {NULL, NULL},
};

/* --- the primary's side --- */

struct answer {
    unsigned times;
    int status;
    size_t size_bytes;
    char text[64];
};

static void answered(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    struct answer *answer = context;
    (void)cluster;
    answer->times++;
    answer->status = status;
    answer->size_bytes = size_bytes;
    if (size_bytes > 0)
        memcpy(answer->text, data, size_bytes < sizeof answer->text ? size_bytes : sizeof answer->text - 1);
}

static void tell(skep_child *child, const char *name, const char *text) {
    assert_int_equal(skep_child_send(child, name, text, strlen(text)), SKEP_OK);
}

static struct answer ask(struct hive *hive, skep_child *child, const char *name, unsigned timeout_ms) {
    struct answer answer = {0};
    assert_int_equal(skep_child_request(child, name, "data", 4, timeout_ms, answered, &answer), SKEP_OK);
    assert_int_equal(answer.times, 0);
    HIVE_UNTIL(hive, answer.times > 0);
    return answer;
}

/* Waits until a worker has told the primary this, and nothing else of that name before. */
static void expect_told(struct hive *hive, uint32_t worker, const char *name, const char *text) {
    HIVE_UNTIL(hive, hive_message(hive, worker, name) != NULL);
    assert_string_equal(hive_message(hive, worker, name)->text, text);
}

/* Two agents, ids 1 and 2, named a and b. */
static void start_agents(struct hive *hive, skep_child **a, skep_child **b) {
    hive_start(hive, &(skep_settings){.interval_ms = 200});
    *a = hive_fork_ready(hive, "agent", "SKEP_TEST_NAME=a");
    *b = hive_fork_ready(hive, "agent", "SKEP_TEST_NAME=b");
}

static void test_to_a_worker_and_back(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "agent", NULL); /* what is sent before it is ready waits */
    tell(child, "first", "1");
    assert_int_equal(skep_child_send(child, "empty", NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "got") == 2);
    assert_string_equal(hive_message(hive, 1, "got")->text, "0 first 1");
    assert_string_equal((hive_message(hive, 1, "got") + 1)->text, "0 empty ");
}

static void test_requests_of_the_primary(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "agent", NULL);
    struct answer answer = ask(hive, child, "echo", 0);
    assert_int_equal(answer.status, SKEP_OK);
    assert_string_equal(answer.text, "data");
    assert_int_equal(answer.size_bytes, 4);
    assert_int_equal(ask(hive, child, "refuse", 0).status, SKEP_EACCES);
    assert_int_equal(ask(hive, child, "keep", 50).status, SKEP_ETIMEDOUT);
    assert_int_equal(ask(hive, hive_fork(hive, "deaf", NULL), "echo", 0).status, SKEP_ENOHANDLER);
    answer = ask(hive, child, "die", 0);
    assert_int_equal(answer.status, SKEP_ENOWORKER);
    assert_int_equal(answer.size_bytes, 0);
}

/* Many at a time, each answered once, in whatever order. */
static void test_many_requests(void **state) {
    enum { MANY = 300 };
    static struct answer answers[MANY];
    struct hive *hive = *state;
    hive_start(hive, NULL);
    memset(answers, 0, sizeof answers);
    skep_child *child = hive_fork(hive, "agent", NULL);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(skep_child_request(child, "echo", &i, sizeof i, 0, answered, &answers[i]), SKEP_OK);
    struct answer last = ask(hive, child, "echo", 0);
    assert_int_equal(last.status, SKEP_OK);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(answers[i].times, 1);
        assert_memory_equal(answers[i].text, &i, sizeof i);
    }
}

static void test_requests_of_workers(void **state) {
    struct hive *hive = *state;
    skep_child *a, *b;
    start_agents(hive, &a, &b);
    tell(a, "do-request", "0 question what");
    HIVE_UNTIL(hive, hive_message(hive, 1, "question") != NULL);
    const struct seen *question = hive_message(hive, 1, "question");
    assert_string_equal(question->text, "what");
    uint64_t request = question->request;
    assert_true(request != 0);
    assert_int_equal(skep_child_reply(b, request, SKEP_OK, "not mine", 8), SKEP_OK); /* b never asked */
    assert_int_equal(skep_child_reply(a, request, SKEP_ESTATE, "that", 4), SKEP_OK);
    assert_int_equal(skep_child_reply(a, request, SKEP_OK, "again", 5), SKEP_OK);
    expect_told(hive, 1, "replied", "ESTATE that");
    assert_int_equal(ask(hive, a, "echo", 0).status, SKEP_OK);
    assert_int_equal(ask(hive, b, "echo", 0).status, SKEP_OK);
    assert_int_equal(hive_messages(hive, 0, "replied"), 1);
}

/* The worker lives on: one that exits takes with it what has not left it yet. */
static void test_a_request_that_nobody_answers(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    tell(hive_fork(hive, "agent", NULL), "do-request-50ms", "0 question what");
    expect_told(hive, 1, "replied", "ETIMEDOUT ");
    HIVE_UNTIL(hive, hive_message(hive, 1, "question") != NULL);
}

static void test_the_time_before_a_request_does_not_count(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "agent", NULL);
    be_busy();
    uint64_t began_ns = uv_hrtime();
    assert_int_equal(ask(hive, child, "keep", 50).status, SKEP_ETIMEDOUT);
    assert_true(took_50_ms(began_ns));
    hive_fork(hive, "ask-late", NULL);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 2)->code, 0);
}

static void note_exit(skep_cluster *cluster, const skep_event *event, void *code) {
    (void)cluster;
    *(int *)code = event->code;
}

/* A primary without a callback for messages. */
static void test_a_request_that_nobody_handles(void **state) {
    struct hive *hive = *state;
    skep_cluster *cluster;
    int code = -1;
    assert_int_equal(skep_cluster_new(&cluster, NULL), SKEP_OK);
    assert_int_equal(skep_setup_primary(cluster, &(skep_settings){.dir = hive->dir}), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_EXIT, note_exit, &code), SKEP_OK);
    assert_int_equal(skep_fork(cluster, (const char *const[]){"SKEP_TEST_ROLE=ask", NULL}, NULL), SKEP_OK);
    assert_int_equal(skep_cluster_run(cluster), SKEP_OK);
    assert_int_equal(code, SKEP_ENOHANDLER);
    skep_cluster_free(&cluster);
}

/* --- worker to worker --- */

static void test_to_a_worker_by_id(void **state) {
    struct hive *hive = *state;
    skep_child *a, *b;
    start_agents(hive, &a, &b);
    tell(a, "do-send-to", "2 note hi");
    expect_told(hive, 2, "got", "1 note hi");
    tell(b, "do-send-to", "2 note self");
    HIVE_UNTIL(hive, hive_messages(hive, 2, "got") == 2);
    assert_string_equal((hive_message(hive, 2, "got") + 1)->text, "2 note self");
    tell(a, "do-send-to", "9 note lost");
    expect_told(hive, 1, "undelivered", "9 note ENOWORKER");
    assert_int_equal(hive_messages(hive, 0, "note"), 0); /* none of them was for the primary */
}

static void test_to_a_worker_by_name(void **state) {
    struct hive *hive = *state;
    skep_child *a, *b;
    start_agents(hive, &a, &b);
    hive_fork_ready(hive, "agent", "SKEP_TEST_NAME=b");
    for (unsigned i = 0; i < 6; i++) tell(a, "do-send-name", "b note hi");
    HIVE_UNTIL(hive, hive_messages(hive, 0, "got") == 6);
    assert_int_equal(hive_messages(hive, 2, "got"), 3);
    assert_int_equal(hive_messages(hive, 3, "got"), 3);
    assert_string_equal(hive_message(hive, 3, "got")->text, "1 note hi");
    tell(a, "do-send-name", "nobody note lost");
    expect_told(hive, 1, "undelivered", "0 note ENOWORKER");
}

static const char *request_outcome(struct hive *hive, skep_child *child, const char *how, const char *words) {
    size_t before = hive->count;
    tell(child, how, words);
    for (;; before++) {
        HIVE_UNTIL(hive, hive->count > before);
        if (strcmp(hive->log[before].name, "replied") == 0) return hive->log[before].text;
    }
}

static void test_requests_between_workers(void **state) {
    struct hive *hive = *state;
    skep_child *a, *b;
    start_agents(hive, &a, &b);
    hive_fork_ready(hive, "deaf", "SKEP_TEST_NAME=d");
    assert_string_equal(request_outcome(hive, a, "do-request", "2 echo this"), "OK this");
    assert_string_equal(request_outcome(hive, a, "do-request", "2 refuse this"), "EACCES this");
    assert_string_equal(request_outcome(hive, a, "do-request-name", "b echo that"), "OK that");
    assert_string_equal(request_outcome(hive, a, "do-request-name", "nobody echo"), "ENOWORKER ");
    assert_string_equal(request_outcome(hive, a, "do-request", "9 echo"), "ENOWORKER ");
    assert_string_equal(request_outcome(hive, a, "do-request", "3 echo"), "ENOHANDLER ");
    assert_string_equal(request_outcome(hive, a, "do-request-50ms", "2 keep"), "ETIMEDOUT ");
    assert_string_equal(request_outcome(hive, a, "do-request-50ms", "2 die"), "ETIMEDOUT ");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    assert_string_equal(request_outcome(hive, a, "do-request", "2 echo"), "ENOWORKER ");
    assert_int_equal(hive_messages(hive, 0, "undelivered"), 0);
}

/* --- to all --- */

static void subscribe(struct hive *hive, skep_child *child) {
    assert_int_equal(ask(hive, child, "do-subscribe", 0).status, SKEP_OK);
}

static void test_broadcasts(void **state) {
    struct hive *hive = *state;
    skep_child *a, *b;
    start_agents(hive, &a, &b);
    skep_child *c = hive_fork_ready(hive, "agent", NULL); /* does not subscribe */
    subscribe(hive, a);
    subscribe(hive, b);
    subscribe(hive, b);
    assert_int_equal(skep_cluster_broadcast(hive->cluster, "all", "hands", 5), SKEP_OK);
    tell(a, "do-broadcast", "- news text");
    HIVE_UNTIL(hive, hive_messages(hive, 1, "heard") == 2 && hive_messages(hive, 2, "heard") == 2);
    assert_string_equal(hive_message(hive, 1, "heard")->text, "0 all hands");
    assert_string_equal(hive_message(hive, 2, "heard")->text, "0 all hands");
    assert_int_equal(ask(hive, c, "echo", 0).status, SKEP_OK);
    assert_int_equal(hive_messages(hive, 3, "heard"), 0);
    assert_int_equal(hive_messages(hive, 0, "heard"), 4);
}

static void test_no_broadcast_before_the_start(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    assert_int_equal(skep_cluster_broadcast(hive->cluster, "all", NULL, 0), SKEP_ESTATE);
}

/* --- closed --- */

static void test_sends_of_a_worker_that_has_left(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "late", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_MESSAGE, 0), 0);
}

static void test_sends_to_a_worker_that_has_left(void **state) {
    struct hive *hive = *state;
    struct answer answer = {0};
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "linger", NULL);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_DISCONNECT, 1) != NULL);
    assert_false(skep_child_is_dead(child));
    assert_int_equal(skep_child_send(child, "late", NULL, 0), SKEP_ECLOSED);
    assert_int_equal(skep_child_request(child, "late", NULL, 0, 0, answered, &answer), SKEP_ECLOSED);
    assert_int_equal(skep_child_reply(child, 1, SKEP_OK, NULL, 0), SKEP_ECLOSED);
    assert_int_equal(skep_child_send_request_count(child), SKEP_ECLOSED);
    assert_int_equal(skep_child_kill(child, SIGUSR1), SKEP_OK);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    assert_int_equal(answer.times, 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_to_a_worker_and_back),
        HIVE_TEST(test_requests_of_the_primary),
        HIVE_TEST(test_many_requests),
        HIVE_TEST(test_requests_of_workers),
        HIVE_TEST(test_a_request_that_nobody_answers),
        HIVE_TEST(test_the_time_before_a_request_does_not_count),
        HIVE_TEST(test_a_request_that_nobody_handles),
        HIVE_TEST(test_to_a_worker_by_id),
        HIVE_TEST(test_to_a_worker_by_name),
        HIVE_TEST(test_requests_between_workers),
        HIVE_TEST(test_broadcasts),
        HIVE_TEST(test_no_broadcast_before_the_start),
        HIVE_TEST(test_sends_of_a_worker_that_has_left),
        HIVE_TEST(test_sends_to_a_worker_that_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
