/* SPDX-License-Identifier: MIT
 * The blocking face: a client with a loop of its own, and a broker on another thread. */
#include "lib/fake_broker.h"

#include <skep/client.h>

struct elsewhere {
    char dir[48];
    uv_thread_t thread;
    uv_barrier_t started;
    uv_loop_t loop;
    uv_async_t stop;
    uv_timer_t death; /* of a job, now and then */
    struct fake *fake;
    bool finishes, ignores_submits, says_duplicate, dies, replies; /* as in fake_broker.h; dies: every job */
    struct skep_command job;                                       /* as there */
    unsigned leaves;                                               /* when it has ended */
};

/* The first job dies as soon as it is there, the first request is answered. */
static void look(uv_timer_t *timer) {
    struct elsewhere *elsewhere = timer->data;
    struct fake *fake = elsewhere->fake;
    struct skep_command died = {.id = SKEP_COMMAND_died, .died = {.number = 1, .cause = fake_bytes("attempts")}};
    struct skep_command reply = {.id = SKEP_COMMAND_reply, .reply = {.request = fake->message.request}};
    SKEP_SET(died, &died.died, reason, fake_bytes("no paper"));
    SKEP_SET(reply, &reply.reply, data, fake_bytes("hello yourself"));
    if (elsewhere->dies && fake->job_count == 1) {
        elsewhere->dies = false;
        fake_return(fake, &died);
    }
    if (elsewhere->replies && fake->messages == 1) {
        elsewhere->replies = false;
        fake_return(fake, &reply);
    }
}

static void stop_broker(uv_async_t *async) {
    struct elsewhere *elsewhere = async->data;
    elsewhere->leaves = elsewhere->fake->leaves;
    fake_free(elsewhere->fake);
    uv_close((uv_handle_t *)&elsewhere->death, NULL);
    uv_close((uv_handle_t *)async, NULL);
}

static void run_broker(void *context) {
    struct elsewhere *elsewhere = context;
    uv_loop_init(&elsewhere->loop);
    uv_async_init(&elsewhere->loop, &elsewhere->stop, stop_broker);
    uv_timer_init(&elsewhere->loop, &elsewhere->death);
    elsewhere->stop.data = elsewhere->death.data = elsewhere;
    uv_timer_start(&elsewhere->death, look, PUMP_LOOK_MS, PUMP_LOOK_MS);
    elsewhere->fake = fake_new(&elsewhere->loop, elsewhere->dir);
    elsewhere->fake->finishes = elsewhere->finishes;
    elsewhere->fake->ignores_submits = elsewhere->ignores_submits;
    elsewhere->fake->says_duplicate = elsewhere->says_duplicate;
    elsewhere->fake->job = elsewhere->job;
    uv_barrier_wait(&elsewhere->started);
    uv_run(&elsewhere->loop, UV_RUN_DEFAULT);
    uv_loop_close(&elsewhere->loop);
}

static skep_client *begin(struct elsewhere *elsewhere) {
    skep_client *client = NULL;
    snprintf(elsewhere->dir, sizeof elsewhere->dir, "/tmp/skep-test-XXXXXX");
    assert_non_null(mkdtemp(elsewhere->dir));
    uv_barrier_init(&elsewhere->started, 2);
    assert_int_equal(uv_thread_create(&elsewhere->thread, run_broker, elsewhere), 0);
    uv_barrier_wait(&elsewhere->started);
    skep_client_options options = {.dir = elsewhere->dir};
    assert_int_equal(skep_client_new(&client, &options), SKEP_OK);
    return client;
}

static void end(struct elsewhere *elsewhere, skep_client *client) {
    skep_client_free(&client);
    uv_async_send(&elsewhere->stop);
    uv_thread_join(&elsewhere->thread);
    uv_barrier_destroy(&elsewhere->started);
    pump_remove(elsewhere->dir);
}

static void count(skep_client *client, int status, uint64_t id, void *context) {
    (void)client;
    (void)id;
    *(unsigned *)context += status == SKEP_OK;
}

static void test_submitting(void **state) {
    struct elsewhere elsewhere = {.finishes = true};
    skep_client *client = begin(&elsewhere);
    uint64_t id = 0;
    void *result = NULL;
    size_t result_bytes = 0;
    (void)state;
    assert_int_equal(skep_submit_wait(client, "mail", "1", 1, NULL, PUMP_PATIENCE_MS, &id), SKEP_OK);
    assert_int_equal(id, 1);
    assert_int_equal(skep_submit_wait(client, "mail", "2", 1, NULL, 0, NULL), SKEP_OK);
    assert_int_equal(skep_submit_wait(client, "", "2", 1, NULL, 0, NULL), SKEP_EINVAL);
    assert_int_equal(skep_result_wait(client, "mail", "abc", 3, NULL, PUMP_PATIENCE_MS, &result, &result_bytes),
                     SKEP_OK);
    assert_int_equal(result_bytes, 3);
    assert_string_equal(result, "abc");
    free(result);
    assert_int_equal(skep_client_run_wait(client, 1), SKEP_OK);
    end(&elsewhere, client);
}

static void test_waiting(void **state) {
    struct elsewhere elsewhere = {.finishes = true};
    skep_client *client = begin(&elsewhere);
    unsigned accepted = 0;
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        int status =
            skep_submit(client, "mail", "0123456789012345678901234567890123456789", 40, NULL, count, NULL, &accepted);
        if (status == SKEP_EAGAIN) {
            assert_int_equal(skep_client_drain_wait(client, PUMP_PATIENCE_MS), SKEP_OK);
            status = skep_submit(client, "mail", "0", 1, NULL, count, NULL, &accepted);
        }
        assert_int_equal(status, SKEP_OK);
    }
    assert_int_equal(skep_client_wait(client, true, 3 * PUMP_PATIENCE_MS), SKEP_OK);
    assert_int_equal(accepted, 100000);
    end(&elsewhere, client);
    assert_int_equal(elsewhere.leaves, 1);
}

static void test_duplicate(void **state) {
    struct elsewhere elsewhere = {.says_duplicate = true};
    skep_client *client = begin(&elsewhere);
    uint64_t id = 0;
    (void)state;
    assert_int_equal(skep_submit_wait(client, "mail", "1", 1, NULL, PUMP_PATIENCE_MS, &id), SKEP_EDUPLICATE);
    assert_int_equal(id, 1);
    end(&elsewhere, client);
}

/* What comes too late finds nobody waiting, also when it is the client's end. */
static void test_waiting_in_vain(void **state) {
    struct elsewhere elsewhere = {.ignores_submits = true};
    skep_client *client = begin(&elsewhere);
    void *result = &elsewhere;
    (void)state;
    assert_int_equal(skep_submit_wait(client, "mail", "1", 1, NULL, 10, NULL), SKEP_ETIMEDOUT);
    assert_int_equal(skep_result_wait(client, "mail", "2", 1, NULL, 10, &result, NULL), SKEP_ETIMEDOUT);
    assert_int_equal(skep_request_wait(client, 1, NULL, "x", NULL, 0, 10, &result, NULL), SKEP_ETIMEDOUT);
    assert_int_equal(skep_client_wait(client, false, 10), SKEP_ETIMEDOUT);
    assert_ptr_equal(result, &elsewhere);
    assert_int_equal(skep_client_unaccepted(client), 2);
    end(&elsewhere, client);
}

static void test_dead_letter(void **state) {
    struct elsewhere elsewhere = {.dies = true};
    skep_client *client = begin(&elsewhere);
    void *result = NULL;
    (void)state;
    assert_int_equal(skep_result_wait(client, "mail", "1", 1, NULL, PUMP_PATIENCE_MS, &result, NULL), SKEP_EDEAD);
    assert_null(result);
    assert_non_null(strstr(skep_client_why(client), "no paper"));
    end(&elsewhere, client);
}

static void test_request(void **state) {
    struct elsewhere elsewhere = {.replies = true};
    skep_client *client = begin(&elsewhere);
    void *reply = NULL;
    size_t reply_bytes;
    (void)state;
    assert_int_equal(skep_request_wait(client, 1, NULL, "hello", NULL, 0, PUMP_PATIENCE_MS, &reply, &reply_bytes),
                     SKEP_OK);
    assert_string_equal(reply, "hello yourself");
    assert_int_equal(reply_bytes, strlen("hello yourself"));
    free(reply);
    end(&elsewhere, client);
}

/* A wait in a callback would run the loop inside itself. */
static void on_status(skep_client *client, int status, const skep_broker_info *info, void *context) {
    *(unsigned *)context += status == SKEP_OK && info->queue_count == 2;
    assert_int_equal(skep_client_wait(client, false, 1), SKEP_ESTATE);
}

static void test_status(void **state) {
    struct elsewhere elsewhere = {.finishes = false};
    skep_client *client = begin(&elsewhere);
    unsigned statuses = 0;
    (void)state;
    assert_int_equal(skep_status_wait(client, PUMP_PATIENCE_MS, on_status, &statuses), SKEP_OK);
    assert_int_equal(statuses, 1);
    end(&elsewhere, client);
}

static void note_state(skep_client *client, int status, const skep_job_info *info, void *context) {
    (void)client;
    if (status == SKEP_OK) snprintf(context, 16, "%s", info->state);
}

static void test_a_single_job(void **state) {
    struct elsewhere elsewhere = {.finishes = true, .job = {.id = SKEP_COMMAND_jobStatus}};
    char text[16] = "";
    void *result = NULL;
    size_t result_bytes = 0;
    (void)state;
    elsewhere.job.jobStatus = (struct skep_command_jobStatus){
        .id = 17, .queue = fake_bytes("mail"), .state = fake_bytes("ready"), .data = fake_bytes("")};
    skep_client *client = begin(&elsewhere);
    assert_int_equal(skep_submit_wait(client, "mail", "1", 1, NULL, PUMP_PATIENCE_MS, NULL), SKEP_OK); /* it is there */
    assert_int_equal(skep_job_status_wait(client, 17, PUMP_PATIENCE_MS, note_state, text), SKEP_OK);
    assert_string_equal(text, "ready");
    assert_int_equal(skep_job_cancel_wait(client, 17, PUMP_PATIENCE_MS), SKEP_EPROTO); /* that is no answer to this */
    assert_int_equal(skep_job_result_wait(client, 17, PUMP_PATIENCE_MS, &result, &result_bytes), SKEP_OK);
    assert_int_equal(result_bytes, 7);
    assert_string_equal(result, "awaited");
    free(result);
    end(&elsewhere, client);
}

static void test_loop_of_the_user(void **state) {
    struct pump *pump = *state;
    struct fake *fake = fake_new(&pump->loop, pump->dir);
    skep_client *client = NULL;
    unsigned statuses = 0;
    void *result;
    skep_client_options options = {.dir = pump->dir, .loop = &pump->loop};
    assert_int_equal(skep_client_new(&client, &options), SKEP_OK);
    assert_int_equal(skep_client_wait(client, true, 1), SKEP_ESTATE);
    assert_int_equal(skep_client_drain_wait(client, 1), SKEP_ESTATE);
    assert_int_equal(skep_client_run_wait(client, 1), SKEP_ESTATE);
    assert_int_equal(skep_submit_wait(client, "q", "x", 1, NULL, 1, NULL), SKEP_ESTATE);
    assert_int_equal(skep_result_wait(client, "q", "x", 1, NULL, 1, &result, NULL), SKEP_ESTATE);
    assert_int_equal(skep_request_wait(client, 1, NULL, "x", NULL, 0, 1, &result, NULL), SKEP_ESTATE);
    assert_int_equal(skep_status_wait(client, 1, on_status, &statuses), SKEP_ESTATE);
    assert_int_equal(skep_client_unaccepted(client), 0);
    skep_client_free(&client);
    fake_free(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submitting),      cmocka_unit_test(test_waiting),     cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_waiting_in_vain), cmocka_unit_test(test_dead_letter), cmocka_unit_test(test_request),
        cmocka_unit_test(test_a_single_job),    cmocka_unit_test(test_status),      PUMP_TEST(test_loop_of_the_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
