/* SPDX-License-Identifier: MIT
 * The same scenes under a mock broker and under a real one: what submitters are told, which tells what handlers saw,
 * and what queues count must be the same. Real time passes under the one, the mock's clock under the other. */
#include "hive.h"
#include "roles.h"

#include <signal.h>
#include <skep/client.h>
#include <skep/mock.h>

enum { MAX_JOBS = 16, TEXT_BYTES = 192, QUEUES_BYTES = 512, TURN_MS = 10, STEP_MS = 50 };

/* ===== Workers: a job's payload says what is done with it ===== */

static unsigned handled;
static skep_job *kept;
static skep_client *inside;

static skep_verdict say(skep_job *job) {
    char text[TEXT_BYTES];
    int size = snprintf(text, sizeof text, "as number %u, attempt %u%s", handled, job->attempt,
                        job->redelivered ? ", redelivered" : "");
    role_need(skep_job_result(job, text, (size_t)size), "result");
    return SKEP_DONE;
}

static skep_verdict misbehave(skep_job *job, const char *how) {
    if (strcmp(how, "die") == 0) raise(SIGKILL);
    if (strcmp(how, "exit") == 0) _exit(3);
    if (strcmp(how, "hold") == 0) {
        kept = job;
        return SKEP_KEEP;
    }
    skep_job_reason(job, "again");
    return SKEP_RETRY;
}

/* retry N, die N, exit N, hold N: so in the first N attempts, and done in the next one. late: when the lease has ended
 * and another attempt has begun, the first one is answered. */
static skep_verdict act(skep_worker *worker, skep_job *job, void *context) {
    char text[TEXT_BYTES] = "", how[TEXT_BYTES] = "";
    unsigned times = 0;
    (void)worker;
    (void)context;
    memcpy(text, job->data, job->size_bytes < sizeof text ? job->size_bytes : sizeof text - 1);
    handled++;
    if (sscanf(text, "%191s %u", how, &times) == 2) return job->attempt <= times ? misbehave(job, how) : say(job);
    if (strcmp(how, "late") == 0 && job->attempt == 1) return misbehave(job, "hold");
    if (strcmp(how, "late") == 0) skep_job_complete(kept, SKEP_DONE);
    if (strcmp(how, "fail") == 0) {
        skep_job_reason(job, "no such file");
        return SKEP_FAILED;
    }
    return say(job);
}

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

static void begin(skep_worker *worker) {
    role_need(skep_on_job(worker, "one", act, NULL), "one");
    role_need(skep_on_job(worker, "many", act, NULL), "many");
    role_need(skep_job_concurrency(worker, "many", 8), "concurrency");
}

static void begin_passing(skep_worker *worker) {
    begin(worker);
    role_need(skep_client_new(&inside, &(skep_client_options){.worker = worker}), "client");
    role_need(skep_on_job(worker, "first", hand_on, NULL), "first");
    skep_on_leave(worker, leave, NULL);
}

static const struct role roles[] = {{"plain", begin}, {"passing", begin_passing}, {NULL, NULL}};

/* ===== Stages ===== */

struct told {
    struct stage *stage;
    char payload[TEXT_BYTES];
    char text[TEXT_BYTES * 3]; /* "": not yet */
};

struct stage {
    struct hive *hive;
    skep_mock *mock; /* NULL: the broker is a real one */
    skep_client *client;
    struct told told[MAX_JOBS];
    size_t count, left;
    char queues[QUEUES_BYTES];
};

/* How a broker is set up */
struct terms {
    unsigned lease_ms, attempts, deaths;
    const char *queue; /* that has options; NULL: none */
    skep_queue_options options;
};

static void need(const struct stage *stage, int status, const char *what) {
    if (status == SKEP_OK) return;
    fail_msg("%s: %s: %s\n%s", stage->mock != NULL ? "mock" : "real", what, skep_strerror(status),
             stage->mock != NULL ? skep_mock_why(stage->mock) : skep_cluster_why(stage->hive->cluster));
}

static void open_mock(struct stage *stage, const struct terms *terms) {
    skep_mock_options options = {
        .lease_ms = terms->lease_ms, .attempts = terms->attempts, .deaths = terms->deaths, .respawn = true};
    need(stage, skep_mock_broker_new(&stage->mock, &options), "mock");
    if (terms->queue != NULL) need(stage, skep_mock_setup_queue(stage->mock, terms->queue, &terms->options), "queue");
}

static void open_real(struct stage *stage, const struct terms *terms) {
    hive_start(stage->hive,
               &(skep_settings){
                   .lease_ms = terms->lease_ms, .attempts = terms->attempts, .deaths = terms->deaths, .respawn = true});
    skep_cluster *cluster = stage->hive->cluster;
    if (terms->queue != NULL) need(stage, skep_setup_queue(cluster, terms->queue, &terms->options), "queue");
    need(stage, skep_cluster_start(cluster), "start");
}

static void open_stage(struct stage *stage, struct hive *hive, bool mocked, const struct terms *terms) {
    *stage = (struct stage){.hive = hive};
    if (mocked) open_mock(stage, terms);
    else open_real(stage, terms);
    skep_client_options options = {.dir = mocked ? skep_mock_broker_dir(stage->mock) : skep_cluster_dir(hive->cluster),
                                   .loop = mocked ? skep_mock_loop(stage->mock) : skep_cluster_loop(hive->cluster)};
    need(stage, skep_client_new(&stage->client, &options), "client");
}

static void close_stage(struct stage *stage) {
    skep_client_free(&stage->client);
    if (stage->mock == NULL) hive_end(stage->hive);
    skep_mock_broker_free(&stage->mock);
}

static void add_worker(struct stage *stage, const char *role) {
    char text[64];
    uint32_t worker;
    snprintf(text, sizeof text, "SKEP_TEST_ROLE=%s", role);
    const char *const argv[] = {"/proc/self/exe", NULL}, *const env[] = {text, NULL};
    if (stage->mock == NULL) {
        hive_fork_ready(stage->hive, role, NULL);
        return;
    }
    need(stage, skep_mock_broker_spawn(stage->mock, argv, env, &worker), "spawn");
    need(stage, skep_mock_expect_ready(stage->mock, worker, HIVE_PATIENCE_MS), "ready");
}

/* Time passes by itself, or by steps when nothing else happens. */
static void wait_for(struct stage *stage, skep_mock_cb is_so, void *context, const char *what) {
    uint64_t deadline_ns = hive_deadline_ns();
    while (!is_so(context)) {
        if (stage->mock == NULL) {
            hive_turn(stage->hive, deadline_ns, HIVE_LOOK_MS, what);
            continue;
        }
        if (uv_hrtime() > deadline_ns) fail_msg("waited in vain for: %s", what);
        if (skep_mock_run_until(stage->mock, is_so, context, what, TURN_MS) == SKEP_ETIMEDOUT)
            skep_mock_advance(stage->mock, STEP_MS);
    }
}

/* ===== What is seen ===== */

static void ended(skep_client *client, const skep_outcome *outcome, void *context) {
    struct told *told = context;
    (void)client;
    snprintf(told->text, sizeof told->text, "%s: %s %s%s%s%.*s", told->payload, skep_strerror(outcome->status),
             outcome->cause, outcome->cause[0] != '\0' ? ": " : "", outcome->reason, (int)outcome->size_bytes,
             (const char *)outcome->data);
    told->stage->left--;
}

static void submit(struct stage *stage, const char *queue, const char *payload, const skep_job_options *options) {
    struct told *told = &stage->told[stage->count++];
    told->stage = stage;
    stage->left++;
    snprintf(told->payload, sizeof told->payload, "%s", payload);
    int status = skep_submit(stage->client, queue, payload, strlen(payload), options, NULL, ended, told);
    need(stage, status, "submit");
}

static bool all_ended(void *context) {
    const struct stage *stage = context;
    return stage->left == 0;
}

static bool all_accepted(void *context) {
    const struct stage *stage = context;
    return skep_client_unaccepted(stage->client) == 0;
}

static bool has_queues(void *context) {
    const struct stage *stage = context;
    return stage->queues[0] != '\0';
}

static void note_queues(skep_client *client, int status, const skep_broker_info *info, void *context) {
    char *text = context;
    (void)client;
    snprintf(text, QUEUES_BYTES, "%s", status == SKEP_OK ? "queues:" : skep_strerror(status));
    for (size_t i = 0; status == SKEP_OK && i < info->queue_count; i++) {
        const skep_queue_info *q = &info->queues[i];
        size_t used = strlen(text);
        if (q->submitted == 0) continue;
        snprintf(text + used, QUEUES_BYTES - used,
                 " %s%s: %d ready, %d reserved, %d delayed, %d dead, %d submitted, %d done, %d redelivered", q->name,
                 q->unhandled ? " (unhandled)" : "", (int)q->ready, (int)q->reserved, (int)q->delayed, (int)q->dead,
                 (int)q->submitted, (int)q->done, (int)q->redelivered);
    }
}

static void finish(struct stage *stage) {
    wait_for(stage, all_ended, stage, "all outcomes");
    stage->queues[0] = '\0';
    need(stage, skep_client_status(stage->client, note_queues, stage->queues), "status");
    wait_for(stage, has_queues, stage, "the queues");
}

/* ===== Scenes ===== */

typedef void scene(struct stage *stage);

static void compare(struct hive *hive, scene *play, const struct terms *terms) {
    struct stage mocked, real;
    open_stage(&mocked, hive, true, terms);
    play(&mocked);
    close_stage(&mocked);
    open_stage(&real, hive, false, terms);
    play(&real);
    close_stage(&real);
    assert_int_equal(mocked.count, real.count);
    for (size_t i = 0; i < real.count; i++) assert_string_equal(mocked.told[i].text, real.told[i].text);
    assert_string_equal(mocked.queues, real.queues);
    for (size_t i = 0; i < real.count; i++) print_message("  %s\n", real.told[i].text);
    print_message("  %s\n", real.queues);
}

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
    submit(stage, "many", "hold 1", &(skep_job_options){.lease_ms = 100});
    finish(stage);
    submit(stage, "many", "late", NULL);
    finish(stage);
}

static void test_ends_of_leases(void **state) {
    compare(*state, play_leases, &(struct terms){.lease_ms = 200, .attempts = 3});
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
    compare(*state, play_order, &(struct terms){0});
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
    submit(stage, "many", "hold 9", NULL);
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

static void play_passing(struct stage *stage) {
    add_worker(stage, "passing");
    submit(stage, "first", "retry 1", NULL);
    finish(stage);
}

static void test_a_client_of_a_worker(void **state) {
    compare(*state, play_passing, &(struct terms){0});
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_retries),     HIVE_TEST(test_ends_of_leases),      HIVE_TEST(test_deaths_of_workers),
        HIVE_TEST(test_keys),        HIVE_TEST(test_priorities),          HIVE_TEST(test_delays_and_expiry),
        HIVE_TEST(test_taking_back), HIVE_TEST(test_settings_of_a_queue), HIVE_TEST(test_a_client_of_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
