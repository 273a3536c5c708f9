/* SPDX-License-Identifier: MIT
 * The same scenes under a mock broker and under a real one: what submitters are told, which tells what handlers saw,
 * and what queues count must be the same. */
#include "acts.h"
#include "stages.h"

enum { MANY_JOBS = 4200 /* more than there are claims on a worker's page */, LOT = 100 };

/* ===== Workers ===== */

static skep_client *inside;

static void handed_on(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    role_need(skep_job_result(context, outcome->data, outcome->size_bytes), "result");
    skep_job_complete(context, outcome->status == SKEP_OK ? SKEP_DONE : SKEP_FAILED);
}

/* Hands it on to another queue, by the worker's own client. */
static skep_verdict hand_on(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)context;
    role_need(skep_submit(inside, "one", job->data, job->size_bytes, NULL, NULL, handed_on, job), "submit");
    return SKEP_KEEP;
}

static void leave(skep_worker *worker, void *context) {
    (void)worker;
    (void)context;
    skep_client_free(&inside);
}

static void begin_passing(skep_worker *worker) {
    begin(worker);
    role_need(skep_client_new(&inside, &(skep_client_options){.worker = worker}), "client");
    role_need(skep_on_job(worker, "first", hand_on, NULL), "first");
    skep_on_leave(worker, leave, NULL);
}

/* ask: whether it has heard a broadcast. relay: what the second worker says to that. mute: nothing, and it ends. */
static unsigned heard;
static uint64_t relayed;

static void relay(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    (void)context;
    role_need(skep_reply(worker, 0, relayed, status, data, size_bytes), "reply");
}

static void listen_to(skep_worker *worker, const skep_message *message, void *context) {
    char text[TEXT_BYTES];
    (void)context;
    heard += message->broadcast;
    if (message->request == 0) return;
    if (strcmp(message->name, "mute") == 0) _exit(0);
    relayed = message->request;
    if (strcmp(message->name, "relay") == 0) {
        role_need(skep_request(worker, 2, "ask", NULL, 0, 0, relay, NULL), "request");
        return;
    }
    int size = snprintf(text, sizeof text, "worker %u has heard %s", skep_worker_id(worker),
                        heard > 0 ? "something" : "nothing");
    role_need(skep_reply(worker, message->from, message->request, SKEP_OK, text, (size_t)size), "reply");
}

static void begin_talking(skep_worker *worker) {
    begin(worker);
    skep_on_message(worker, listen_to, NULL);
    role_need(skep_subscribe(worker), "subscribe");
}

static const struct role roles[] = {
    {"talking", begin_talking}, {"plain", begin}, {"passing", begin_passing}, {NULL, NULL}};

static void play_retries(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "one", "retry 2", NULL);
    finish(stage);
    submit(stage, "one", "retry 9", &(skep_job_options){.attempts = 2});
    submit(stage, "one", "retry 9", NULL);
    submit(stage, "one", "fail", NULL);
    submit(stage, "one", "plain", NULL);
    finish(stage);
}

static void test_retries(void **state) {
    compare(*state, play_retries, &(struct terms){0}); /* with the settings that are so by default */
}

static void play_leases(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "many", "hold 1", NULL);
    finish(stage);
    submit(stage, "many", "hold 9", NULL);
    finish(stage);
    submit(stage, "many", "hold 1", &(skep_job_options){.lease_ms = 100});
    finish(stage);
    submit(stage, "many", "late", NULL);
    finish(stage);
}

static void test_ends_of_leases(void **state) {
    compare(*state, play_leases, &(struct terms){.lease_ms = 300, .attempts = 3});
}

static void play_deaths(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "one", "die 1", NULL);
    finish(stage);
    submit(stage, "one", "die 9", NULL);
    submit(stage, "one", "plain", NULL); /* waits behind it, and has nothing to do with it */
    finish(stage);
    submit(stage, "one", "exit 9", NULL);
    finish(stage);
}

static void test_deaths_of_workers(void **state) {
    compare(*state, play_deaths, &(struct terms){.deaths = 2});
}

static void play_keys(struct stage *stage) {
    const skep_job_options key = {.key = "k"}, other = {.key = "other"};
    submit(stage, "one", "plain", &key);
    submit(stage, "one", "another", &key);
    submit(stage, "one", "plain", &other);
    wait_for(stage, all_accepted, stage, "all accepted");
    submit(stage, "one", "later", &key);
    wait_for(stage, all_accepted, stage, "all accepted");
    add_worker(stage, "plain");
    finish(stage);
    submit(stage, "many", "plain", &key); /* of another queue */
    finish(stage);
    submit(stage, "one", "too late", &key);
    finish(stage);
}

static void test_keys(void **state) {
    compare(*state, play_keys, &(struct terms){0});
}

/* All wait before there is a worker, which does one at a time. */
static void play_order(struct stage *stage) {
    const skep_job_options urgent = {.priority = -3}, last = {.priority = 3};
    submit(stage, "one", "last", &last);
    submit(stage, "one", "first", NULL);
    submit(stage, "one", "urgent", &urgent);
    submit(stage, "one", "second", NULL);
    submit(stage, "one", "retry 1", &urgent); /* behind the others of its priority when it comes again */
    submit(stage, "one", "urgent too", &urgent);
    wait_for(stage, all_accepted, stage, "all accepted");
    add_worker(stage, "plain");
    finish(stage);
}

static void test_priorities(void **state) {
    const skep_queue_options options = {.job_credit = 1}; /* what was sent ahead has its order already */
    compare(*state, play_order, &(struct terms){.queue = "one", .options = options});
}

static void play_delays(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "one", "first", &(skep_job_options){.delay_ms = 300});
    submit(stage, "one", "urgent", &(skep_job_options){.delay_ms = 300, .priority = -1});
    submit(stage, "one", "second", &(skep_job_options){.delay_ms = 300});
    submit(stage, "one", "sooner", &(skep_job_options){.delay_ms = 100});
    submit(stage, "one", "at once", NULL);
    submit(stage, "nobody's", "expires", &(skep_job_options){.ttl_ms = 100});
    submit(stage, "nobody's", "expires before its time", &(skep_job_options){.ttl_ms = 100, .delay_ms = 200});
    finish(stage);
}

static void test_delays_and_expiry(void **state) {
    compare(*state, play_delays, &(struct terms){0});
}

static void play_queue(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "many", "retry 9", NULL);
    finish(stage);
    submit(stage, "many", "hold 9", NULL);
    finish(stage);
    submit(stage, "one", "retry 2", NULL);
    finish(stage);
}

static void test_settings_of_a_queue(void **state) {
    const skep_queue_options options = {.lease_ms = 100, .attempts = 2, .backoff_ms = 50, .backoff_max_ms = 100};
    compare(*state, play_queue, &(struct terms){.queue = "many", .options = options});
}

/* One is held for long; what waits behind it is done by the worker that comes. */
static void play_taking_back(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "one", "hold 1", NULL);
    submit(stage, "one", "first", NULL);
    submit(stage, "one", "second", NULL);
    wait_for(stage, all_accepted, stage, "all accepted");
    stage->left--; /* the held one */
    add_worker(stage, "plain");
    finish(stage);
}

static void test_taking_back(void **state) {
    compare(*state, play_taking_back, &(struct terms){0});
}

static void lot_ended(skep_client *client, const skep_outcome *outcome, void *context) {
    unsigned *left = context;
    (void)client;
    *left -= outcome->status == SKEP_OK;
}

static bool is_zero(void *count) {
    return *(const unsigned *)count == 0;
}

/* One is held, and one waits behind it, while the same worker does more of another queue than it has claims. */
static void play_many(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "one", "hold 1", NULL);
    submit(stage, "one", "waits", NULL);
    wait_for(stage, all_accepted, stage, "all accepted");
    for (unsigned done = 0; done < MANY_JOBS; done += LOT) {
        unsigned left = LOT;
        for (unsigned i = 0; i < LOT; i++)
            need(stage, skep_submit(stage->client, "many", "x", 1, NULL, NULL, lot_ended, &left), "submit");
        wait_for(stage, is_zero, &left, "many to be done");
    }
    submit(stage, "many", "free", NULL);
    finish(stage);
}

static void test_more_deliveries_than_claims(void **state) {
    compare(*state, play_many, &(struct terms){.lease_ms = 3600000});
}

static void play_passing(struct stage *stage) {
    add_worker(stage, "passing");
    submit(stage, "first", "retry 1", NULL);
    finish(stage);
}

static void test_a_client_of_a_worker(void **state) {
    compare(*state, play_passing, &(struct terms){0});
}

/* It hears broadcasts once its subscription has come to the broker. */
static void broadcast_to(struct stage *stage, uint32_t worker) {
    const struct told *told = &stage->told[stage->count];
    uint64_t deadline_ns = hive_deadline_ns();
    do {
        need(stage, skep_client_broadcast(stage->client, "all", "x", 1), "broadcast");
        ask(stage, worker, NULL, "ask");
        wait_for(stage, all_ended, stage, "the reply");
        stage->count--;
    } while (strstr(told->text, "nothing") != NULL && uv_hrtime() < deadline_ns);
    stage->count++;
}

/* Workers that leave are not to be blamed on their jobs, but so many are enough. */
static void play_interruptions(struct stage *stage) {
    add_worker(stage, "plain");
    submit(stage, "many", "quit 1", NULL);
    finish(stage);
    add_worker(stage, "plain");
    add_worker(stage, "plain");
    submit(stage, "one", "quit 1", NULL);
    finish(stage);
}

static void test_interruptions(void **state) {
    const skep_queue_options options = {.interruptions = 1};
    compare(*state, play_interruptions, &(struct terms){.queue = "many", .options = options});
}

static void play_messages(struct stage *stage) {
    add_worker(stage, "talking");
    add_worker(stage, "talking");
    skep_on_client_undelivered(stage->client, not_delivered, stage);
    broadcast_to(stage, 1);
    broadcast_to(stage, 2);
    need(stage, skep_client_send(stage->client, 1, NULL, "one", "x", 1), "send");
    need(stage, skep_client_send(stage->client, 9, NULL, "nobody", "x", 1), "send");
    ask(stage, 1, NULL, "relay");
    finish(stage);
    ask(stage, 9, NULL, "ask");
    ask(stage, 0, "no such name", "ask");
    ask(stage, 0, NULL, "ask");
    finish(stage);
    ask(stage, 2, NULL, "mute");
    finish(stage);
}

static void test_messages(void **state) {
    compare(*state, play_messages, &(struct terms){0});
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_retries),     HIVE_TEST(test_ends_of_leases),      HIVE_TEST(test_deaths_of_workers),
        HIVE_TEST(test_keys),        HIVE_TEST(test_priorities),          HIVE_TEST(test_delays_and_expiry),
        HIVE_TEST(test_taking_back), HIVE_TEST(test_settings_of_a_queue), HIVE_TEST(test_a_client_of_a_worker),
        HIVE_TEST(test_messages),    HIVE_TEST(test_interruptions),       HIVE_TEST(test_more_deliveries_than_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
