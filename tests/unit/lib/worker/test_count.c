/* SPDX-License-Identifier: MIT
 * Counting: sums travel together, nothing is lost on the way, names are bounded, and the page has it all at once. */
#include "lib/pump.h"

#include "worker/private.h"

/* A worker that can count and nothing else, and the other end of its outbox. */
struct counting {
    struct pump *pump;
    skep_worker worker;
    struct skep_page page;
    struct skep__port *inlet;
    struct skep_reader reader;
    unsigned frames, commands, wrong;
    uint64_t requests, others;
    char other_name[SKEP_MAX_NAME + 1];
};

static void take(struct counting *counting, const struct skep_command *command) {
    counting->commands++;
    if (command->id == SKEP_COMMAND_incrementRequestCount) {
        counting->requests += command->incrementRequestCount.n;
    } else if (command->id == SKEP_COMMAND_incrementCount) {
        const struct skep_bytes *name = &command->incrementCount.name;
        counting->others += command->incrementCount.n;
        memcpy(counting->other_name, name->data, name->size_bytes);
        counting->other_name[name->size_bytes] = '\0';
    } else {
        counting->wrong++;
    }
}

static void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct counting *counting = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    counting->frames++;
    int status = skep__reader_begin(&counting->reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(&counting->reader, &command, &more);
        if (status == SKEP_OK && more) take(counting, &command);
    }
    counting->wrong += status != SKEP_OK;
}

static struct counting *open_counting(struct pump *pump) {
    struct counting *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->pump = pump;
    c->worker.loop = &pump->loop;
    c->worker.page = &c->page;
    assert_int_equal(skep__hub_new(&c->worker.hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__flusher_new(&c->worker.flusher, &pump->loop), SKEP_OK);
    struct skep__outlet_options options = {
        .hub = c->worker.hub, .flusher = c->worker.flusher, .kind = SKEP__PORT_PUSH, .context = c};
    assert_int_equal(skep__outlet_new(&c->worker.outbox, &options), SKEP_OK);
    assert_int_equal(skep__outlet_listen(c->worker.outbox, pump->url), SKEP_OK);
    assert_int_equal(skep__reader_init(&c->reader, SKEP_CHANNEL_OUTBOX), SKEP_OK);
    uv_timer_init(&pump->loop, &c->worker.timers[SKEP__TIMER_COUNTS]);
    c->worker.timers[SKEP__TIMER_COUNTS].data = &c->worker;
    return c;
}

static void connect_inlet(struct counting *c) {
    static const struct skep__port_events events = {.received = received};
    assert_int_equal(skep__port_new(&c->inlet, c->worker.hub, SKEP__PORT_PULL, &events, c), SKEP_OK);
    assert_int_equal(skep__port_dial(c->inlet, c->pump->url), SKEP_OK);
}

static void close_counting(struct counting *c) {
    assert_int_equal(c->wrong, 0);
    uv_close((uv_handle_t *)&c->worker.timers[SKEP__TIMER_COUNTS], NULL);
    skep__outlet_free(&c->worker.outbox);
    skep__port_free(&c->inlet);
    skep__flusher_free(&c->worker.flusher);
    skep__hub_free(&c->worker.hub);
    skep__reader_free(&c->reader);
    pump_turns(c->pump, 2);
    free(c);
}

static void test_sums_travel_together(void **state) {
    struct counting *c = open_counting(*state);
    connect_inlet(c);
    for (unsigned i = 0; i < 1000; i++) {
        skep_count(&c->worker, "requests", 1);
        skep_count(&c->worker, "other", 2);
    }
    assert_int_equal(c->commands, 0);
    PUMP_UNTIL(*state, c->requests == 1000 && c->others == 2000);
    assert_int_equal(c->commands, 2);
    assert_int_equal(c->frames, 1);
    assert_string_equal(c->other_name, "other");
    skep_count(&c->worker, "requests", 5);
    PUMP_UNTIL(*state, c->requests == 1005);
    assert_int_equal(c->commands, 3);
    close_counting(c);
}

static void test_nothing_to_send(void **state) {
    struct counting *c = open_counting(*state);
    connect_inlet(c);
    skep_count(&c->worker, "requests", 0);
    skep__worker_send_counts(&c->worker);
    assert_true(skep__outlet_is_empty(c->worker.outbox));
    assert_false(c->worker.unconfirmed);
    skep_count(&c->worker, "requests", 1);
    skep__worker_send_counts(&c->worker); /* at once, as when leaving */
    assert_true(c->worker.unconfirmed);
    PUMP_UNTIL(*state, c->requests == 1);
    assert_int_equal(c->commands, 1);
    close_counting(c);
}

/* More than one command can carry. */
static void test_large_sums(void **state) {
    struct counting *c = open_counting(*state);
    connect_inlet(c);
    for (unsigned i = 0; i < 3; i++) skep_count(&c->worker, "requests", UINT32_MAX);
    PUMP_UNTIL(*state, c->requests == 3 * (uint64_t)UINT32_MAX);
    assert_int_equal(c->commands, 3);
    close_counting(c);
}

/* What cannot leave stays, and leaves later. */
static void test_a_full_outbox(void **state) {
    static char data[SKEP_FULL_FRAME];
    struct counting *c = open_counting(*state);
    struct skep_command command = {.id = SKEP_COMMAND_incrementCount, .incrementCount = {.name = {"filler", 6}}};
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    size_t used = 0;
    for (; used + frame.size_bytes <= sizeof data; used += frame.size_bytes)
        memcpy(data + used, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
    while (skep__outlet_append(c->worker.outbox, data, used) == SKEP_OK) continue;
    skep_count(&c->worker, "requests", 9);
    skep__worker_send_counts(&c->worker);
    assert_int_equal(c->worker.counters[0].unreported, 9);
    connect_inlet(c);
    PUMP_UNTIL(*state, c->requests == 9);
    assert_int_equal(c->worker.counters[0].unreported, 0);
    close_counting(c);
}

static void test_names(void **state) {
    struct counting *c = open_counting(*state);
    char name[SKEP_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[SKEP_MAX_NAME + 1] = '\0';
    skep_count(&c->worker, name, 1);
    skep_count(&c->worker, "", 1);
    assert_int_equal(c->worker.counter_count, 0);
    name[SKEP_MAX_NAME] = '\0';
    skep_count(&c->worker, name, 1);
    assert_int_equal(c->worker.counter_count, 1);
    connect_inlet(c);
    PUMP_UNTIL(*state, c->others == 1);
    assert_string_equal(c->other_name, name);
    close_counting(c);
}

static void test_as_many_as_there_may_be(void **state) {
    struct counting *c = open_counting(*state);
    char name[16];
    for (unsigned i = 0; i < SKEP_MAX_COUNTERS + 10; i++) {
        snprintf(name, sizeof name, "counter %u", i);
        skep_count(&c->worker, name, 1);
        skep_count(&c->worker, name, 1);
    }
    assert_int_equal(c->worker.counter_count, SKEP_MAX_COUNTERS);
    connect_inlet(c);
    PUMP_UNTIL(*state, c->commands == SKEP_MAX_COUNTERS);
    assert_int_equal(c->others, 2 * SKEP_MAX_COUNTERS);
    close_counting(c);
}

/* --- the page --- */

static void test_the_page_has_the_sums_at_once(void **state) {
    struct counting *c = open_counting(*state);
    for (unsigned i = 1; i <= 10; i++) {
        skep_count(&c->worker, "requests", 1);
        skep_count(&c->worker, "cats", UINT32_MAX);
        skep_count(&c->worker, "dogs", 2);
        assert_int_equal(c->page.requests, i);
        assert_int_equal(c->page.counters[0].count, i * (uint64_t)UINT32_MAX);
        assert_int_equal(c->page.counters[1].count, 2 * i);
    }
    assert_int_equal(c->page.counter_count, 2);
    assert_string_equal(c->page.counters[0].name, "cats");
    assert_string_equal(c->page.counters[1].name, "dogs");
    close_counting(c);
}

/* They are sums of all, not of what waits to be sent. */
static void test_the_page_after_reports(void **state) {
    struct counting *c = open_counting(*state);
    connect_inlet(c);
    skep_count(&c->worker, "cats", 2);
    PUMP_UNTIL(*state, c->others == 2);
    skep_count(&c->worker, "cats", 3);
    PUMP_UNTIL(*state, c->others == 5);
    assert_int_equal(c->page.counters[0].count, 5);
    assert_int_equal(c->page.requests, 0);
    close_counting(c);
}

/* The longest names, on as many counters as there may be: all of them have room. */
static void test_a_full_page(void **state) {
    struct counting *c = open_counting(*state);
    char name[SKEP_MAX_NAME + 1];
    memset(name, 'n', sizeof name);
    name[SKEP_MAX_NAME] = '\0';
    for (unsigned i = 0; i < SKEP_MAX_COUNTERS + 1; i++) {
        name[0] = (char)('0' + i);
        skep_count(&c->worker, name, i + 1);
    }
    skep_count(&c->worker, "requests", 1); /* one too many */
    assert_int_equal(c->page.counter_count, SKEP_MAX_COUNTERS);
    assert_int_equal(c->page.counters[SKEP_MAX_COUNTERS - 1].count, SKEP_MAX_COUNTERS);
    name[0] = (char)('0' + SKEP_MAX_COUNTERS - 1);
    assert_string_equal(c->page.counters[SKEP_MAX_COUNTERS - 1].name, name);
    assert_int_equal(c->page.requests, 0);
    close_counting(c);
}

/* Without a link nobody would hear of it: no timer is left behind. */
static void test_after_leaving(void **state) {
    struct counting *c = open_counting(*state);
    c->worker.link = -1;
    skep_count(&c->worker, "requests", 1);
    assert_false(uv_is_active((uv_handle_t *)&c->worker.timers[SKEP__TIMER_COUNTS]));
    assert_int_equal(c->page.requests, 1);
    close_counting(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_sums_travel_together),
        PUMP_TEST(test_nothing_to_send),
        PUMP_TEST(test_large_sums),
        PUMP_TEST(test_a_full_outbox),
        PUMP_TEST(test_names),
        PUMP_TEST(test_as_many_as_there_may_be),
        PUMP_TEST(test_the_page_has_the_sums_at_once),
        PUMP_TEST(test_the_page_after_reports),
        PUMP_TEST(test_a_full_page),
        PUMP_TEST(test_after_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
