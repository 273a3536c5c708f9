/* SPDX-License-Identifier: MIT
 * Asking and reading news without a loop, against a server and a publisher on a loop of another thread. */
#include "lib/pump.h"

#include "transport/ask.h"
#include "transport/news_reader.h"
#include "transport/transport.h"

/* --- the other side, on its own thread --- */

enum { NEWS = 5 };

struct broker {
    char dir[48];
    char control_url[80], news_url[80];
    uv_thread_t thread;
    uv_barrier_t started;
    uv_loop_t loop;
    uv_async_t stop;
    struct skep__hub *hub;
    struct skep__server *server;
    struct skep__port *news;
    struct skep_reader reader;
    struct skep__call *kept; /* a request that is answered with the next one */
    uint64_t next_news;
};

static void add(struct skep_frame *frame, const struct skep_command *command) {
    if (skep__frame_add(frame, command) != SKEP_OK) abort();
}

static void answer(struct skep__call *call, const struct skep_frame *frame) {
    skep__call_answer(call, frame->data, frame->size_bytes);
}

static void answer_done(struct skep__call *call, unsigned times) {
    struct skep_command command = {.id = SKEP_COMMAND_done};
    struct skep_frame frame = {0};
    for (unsigned i = 0; i < times; i++) add(&frame, &command);
    answer(call, &frame);
    skep__frame_free(&frame);
}

static void answer_failed(struct skep__call *call) {
    struct skep_command command = {.id = SKEP_COMMAND_failed,
                                   .failed = {.status = SKEP_EBUSY, .reason = {"too busy for that", 17}}};
    struct skep_frame frame = {0};
    add(&frame, &command);
    answer(call, &frame);
    skep__frame_free(&frame);
}

static void publish(struct broker *broker, unsigned count) {
    struct skep_frame frame = {0};
    for (unsigned i = 0; i < count; i++) {
        struct skep_command command = {.id = SKEP_COMMAND_broadcast,
                                       .broadcast = {.seq = ++broker->next_news, .name = {"news", 4}}};
        add(&frame, &command);
    }
    if (skep__port_send(broker->news, &frame) != SKEP_OK) abort();
    skep__frame_free(&frame);
}

static void publish_bytes(struct broker *broker, const char *data, size_t size_bytes) {
    struct skep_frame frame = {0};
    if (skep__frame_append(&frame, data, size_bytes) != SKEP_OK) abort();
    if (skep__port_send(broker->news, &frame) != SKEP_OK) abort();
    skep__frame_free(&frame);
}

/* status: three answers; stop: failed; stop now: rubbish; newsSince N: 0 nothing yet, 1 publishes, 2 publishes rubbish.
 */
static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    struct broker *broker = context;
    struct skep_command command;
    bool more = false;
    int status = skep__reader_begin(&broker->reader, data, size_bytes);
    if (status == SKEP_OK) status = skep__reader_next(&broker->reader, &command, &more);
    if (status != SKEP_OK || !more) abort();
    if (command.id == SKEP_COMMAND_status) {
        answer_done(call, 3);
    } else if (command.id == SKEP_COMMAND_stop) {
        if (SKEP_HAS(stop, &command.stop, now)) skep__call_answer(call, "\xc1", 1);
        else answer_failed(call);
    } else if (command.newsSince.seq == 0) {
        broker->kept = call;
    } else {
        if (broker->kept != NULL) answer_done(broker->kept, 1);
        broker->kept = NULL;
        if (command.newsSince.seq == 1) publish(broker, NEWS);
        else publish_bytes(broker, "\xc1", 1);
        answer_done(call, 1);
    }
}

static void stop_broker(uv_async_t *async) {
    struct broker *broker = async->data;
    skep__server_free(&broker->server);
    skep__port_free(&broker->news);
    skep__hub_free(&broker->hub);
    uv_close((uv_handle_t *)async, NULL);
}

static void run_broker(void *context) {
    static const struct skep__server_events server_events = {.called = called};
    static const struct skep__port_events no_events = {.received = NULL};
    struct broker *broker = context;
    uv_loop_init(&broker->loop);
    uv_async_init(&broker->loop, &broker->stop, stop_broker);
    broker->stop.data = broker;
    int status = skep__reader_init(&broker->reader, SKEP_CHANNEL_ASK);
    if (status == SKEP_OK) status = skep__hub_new(&broker->hub, &broker->loop);
    if (status == SKEP_OK)
        status = skep__server_new(&broker->server, broker->hub, broker->control_url, &server_events, broker);
    if (status == SKEP_OK) status = skep__port_new(&broker->news, broker->hub, SKEP__PORT_PUB, &no_events, broker);
    if (status == SKEP_OK) status = skep__port_listen(broker->news, broker->news_url);
    if (status != SKEP_OK) abort();
    uv_barrier_wait(&broker->started);
    uv_run(&broker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&broker->loop);
    skep__reader_free(&broker->reader);
}

static int setup(void **state) {
    struct broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) return -1;
    snprintf(broker->dir, sizeof broker->dir, "/tmp/skep-test-XXXXXX");
    if (mkdtemp(broker->dir) == NULL) return -1;
    snprintf(broker->control_url, sizeof broker->control_url, "ipc://%s/control", broker->dir);
    snprintf(broker->news_url, sizeof broker->news_url, "ipc://%s/news", broker->dir);
    uv_barrier_init(&broker->started, 2);
    *state = broker;
    if (uv_thread_create(&broker->thread, run_broker, broker) != 0) return -1;
    uv_barrier_wait(&broker->started);
    return 0;
}

static void end_broker(struct broker *broker) {
    uv_async_send(&broker->stop);
    uv_thread_join(&broker->thread);
}

static int teardown(void **state) {
    struct broker *broker = *state;
    end_broker(broker);
    uv_barrier_destroy(&broker->started);
    pump_remove(broker->dir);
    free(broker);
    return 0;
}

static int teardown_ended(void **state) {
    struct broker *broker = *state;
    uv_barrier_destroy(&broker->started);
    pump_remove(broker->dir);
    free(broker);
    return 0;
}

/* --- asking --- */

static const struct skep_command status_command = {.id = SKEP_COMMAND_status};
static const struct skep_command stop_command = {.id = SKEP_COMMAND_stop};

static struct skep_command since(uint64_t seq) {
    return (struct skep_command){.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = seq}};
}

static void count_done(const struct skep_command *command, void *context) {
    *(unsigned *)context += command->id == SKEP_COMMAND_done;
}

static int ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms, unsigned *done, char *why) {
    *done = 0;
    return skep__ask(asker, command, timeout_ms, count_done, done, why);
}

static void test_asking(void **state) {
    const struct broker *broker = *state;
    skep__asker *asker = NULL;
    char why[SKEP_MAX_REASON + 1];
    unsigned done;
    assert_int_equal(skep__asker_new(&asker, broker->control_url), SKEP_OK);
    assert_int_equal(ask(asker, &status_command, 5000, &done, why), SKEP_OK);
    assert_int_equal(done, 3);
    assert_string_equal(why, "");
    assert_int_equal(ask(asker, &stop_command, 5000, &done, why), SKEP_EBUSY);
    assert_string_equal(why, "too busy for that");
    assert_int_equal(done, 0);
    struct skep_command now = stop_command;
    SKEP_SET(stop, &now.stop, now, true);
    assert_int_equal(ask(asker, &now, 5000, &done, why), SKEP_EPROTO);
    assert_string_equal(why, skep_strerror(SKEP_EPROTO));
    assert_int_equal(ask(asker, &status_command, 5000, &done, why), SKEP_OK);
    assert_int_equal(done, 3);
    skep__asker_free(&asker);
    assert_null(asker);
    skep__asker_free(&asker);
}

static void test_no_answer(void **state) {
    const struct broker *broker = *state;
    skep__asker *asker = NULL;
    char why[SKEP_MAX_REASON + 1];
    unsigned done;
    struct skep_command command = since(0);
    assert_int_equal(skep__asker_new(&asker, broker->control_url), SKEP_OK);
    assert_int_equal(ask(asker, &command, 50, &done, why), SKEP_ETIMEDOUT);
    assert_string_equal(why, skep_strerror(SKEP_ETIMEDOUT));
    command = since(1); /* answers the other one too, which nobody waits for any more */
    assert_int_equal(ask(asker, &command, 5000, &done, why), SKEP_OK);
    assert_int_equal(done, 1);
    assert_int_equal(ask(asker, &status_command, 5000, &done, why), SKEP_OK);
    assert_int_equal(done, 3);
    skep__asker_free(&asker);
}

/* Several ask at a time; one that waits does not hold up the others. */
static void test_several_ask(void **state) {
    const struct broker *broker = *state;
    skep__asker *askers[6];
    char why[SKEP_MAX_REASON + 1];
    unsigned done;
    struct skep_command command = since(0);
    for (unsigned i = 0; i < 6; i++) assert_int_equal(skep__asker_new(&askers[i], broker->control_url), SKEP_OK);
    assert_int_equal(ask(askers[0], &command, 50, &done, why), SKEP_ETIMEDOUT);
    for (unsigned i = 1; i < 6; i++) assert_int_equal(ask(askers[i], &status_command, 5000, &done, why), SKEP_OK);
    for (unsigned i = 0; i < 6; i++) skep__asker_free(&askers[i]);
}

static void test_nobody_to_ask(void **state) {
    skep__asker *asker = NULL;
    skep__news_reader *reader = NULL;
    (void)state;
    assert_int_equal(skep__asker_new(&asker, "ipc:///no/such/socket"), SKEP_ECLOSED);
    assert_int_equal(skep__news_reader_new(&reader, "ipc:///no/such/socket"), SKEP_ECLOSED);
    assert_null(asker);
    assert_null(reader);
    skep__news_reader_free(&reader);
}

/* --- news --- */

static void check_news(const struct skep_command *command, void *context) {
    uint64_t *next = context;
    if (command->id == SKEP_COMMAND_broadcast && command->broadcast.seq == *next) (*next)++;
}

/* Has the broker say something until the reader hears of it: it may subscribe a little later than it has dialled. */
static int hear(const struct broker *broker, skep__news_reader *reader, uint64_t what, uint64_t *next) {
    skep__asker *asker;
    char why[SKEP_MAX_REASON + 1];
    unsigned done;
    struct skep_command command = since(what);
    int status = SKEP_ETIMEDOUT;
    assert_int_equal(skep__asker_new(&asker, broker->control_url), SKEP_OK);
    for (unsigned tries = 0; tries < 100 && status == SKEP_ETIMEDOUT; tries++) {
        assert_int_equal(ask(asker, &command, 5000, &done, why), SKEP_OK);
        status = skep__news_read(reader, 100, check_news, next);
    }
    skep__asker_free(&asker);
    return status;
}

static void test_news(void **state) {
    struct broker *broker = *state;
    skep__news_reader *reader = NULL;
    uint64_t next = 1;
    assert_int_equal(skep__news_reader_new(&reader, broker->news_url), SKEP_OK);
    assert_int_equal(skep__news_read(reader, 60, check_news, &next), SKEP_ETIMEDOUT);
    assert_int_equal(hear(broker, reader, 1, &next), SKEP_OK);
    assert_int_equal(next, 1 + NEWS);
    assert_int_equal(hear(broker, reader, 2, &next), SKEP_EPROTO);
    assert_int_equal(hear(broker, reader, 1, &next), SKEP_OK);
    assert_int_equal(next, 1 + 2 * NEWS);
    skep__news_reader_free(&reader);
    assert_null(reader);
}

static void test_the_end(void **state) {
    struct broker *broker = *state;
    skep__news_reader *reader = NULL;
    skep__asker *asker = NULL;
    char why[SKEP_MAX_REASON + 1];
    unsigned done;
    uint64_t next = 1;
    assert_int_equal(skep__asker_new(&asker, broker->control_url), SKEP_OK);
    assert_int_equal(skep__news_reader_new(&reader, broker->news_url), SKEP_OK);
    assert_int_equal(hear(broker, reader, 1, &next), SKEP_OK);
    end_broker(broker);
    assert_int_equal(skep__news_read(reader, PUMP_PATIENCE_MS, check_news, &next), SKEP_ECLOSED);
    assert_int_equal(ask(asker, &status_command, PUMP_PATIENCE_MS, &done, why), SKEP_ECLOSED); /* without waiting */
    skep__news_reader_free(&reader);
    skep__asker_free(&asker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_ask, setup, teardown),
        cmocka_unit_test(test_nobody_to_ask),
        cmocka_unit_test_setup_teardown(test_news, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end, setup, teardown_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
