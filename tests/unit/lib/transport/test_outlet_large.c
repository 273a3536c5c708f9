/* SPDX-License-Identifier: MIT
 * Outlets and large payloads: they are written from where they lie, so what is there afterwards must not matter. */
#include "chance.h"
#include "lib/pump.h"

#include "contract.h"
#include "transport/outlet.h"

enum { MESSAGES = 60, LARGEST = 700 * 1024 /* more than a socket takes at once */ };

struct bench {
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__outlet *outlet;
    struct skep__port *inlet;
    struct skep_reader reader;
    unsigned received, drained;
    size_t sizes_bytes[MESSAGES];
};

static char byte_of(unsigned number, size_t at) {
    return (char)((size_t)number * 31 + at * 7 + at / 4099);
}

static void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct bench *bench = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    assert_int_equal(skep__reader_begin(&bench->reader, data, size_bytes), SKEP_OK);
    for (;;) {
        assert_int_equal(skep__reader_next(&bench->reader, &command, &more), SKEP_OK);
        if (!more) return;
        unsigned number = bench->received++;
        assert_int_equal(command.message.data.size_bytes, bench->sizes_bytes[number]);
        for (size_t i = 0; i < command.message.data.size_bytes; i++)
            if (command.message.data.data[i] != byte_of(number, i)) fail_msg("message %u differs at %zu", number, i);
    }
}

static void drained(void *context) {
    ((struct bench *)context)->drained++;
}

static void open_bench(struct bench *bench, struct pump *pump) {
    static const struct skep__port_events events = {.received = received};
    *bench = (struct bench){.hub = NULL};
    assert_int_equal(skep__hub_new(&bench->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__flusher_new(&bench->flusher, &pump->loop), SKEP_OK);
    struct skep__outlet_options options = {.hub = bench->hub,
                                           .flusher = bench->flusher,
                                           .kind = SKEP__PORT_PUSH,
                                           .high_water_bytes = (size_t)MESSAGES * LARGEST,
                                           .drained = drained,
                                           .context = bench};
    assert_int_equal(skep__outlet_new(&bench->outlet, &options), SKEP_OK);
    assert_int_equal(skep__port_new(&bench->inlet, bench->hub, SKEP__PORT_PULL, &events, bench), SKEP_OK);
    assert_int_equal(skep__port_listen(bench->inlet, pump->url), SKEP_OK);
    assert_int_equal(skep__reader_init(&bench->reader, SKEP_CHANNEL_OUTBOX), SKEP_OK);
}

static void close_bench(struct bench *bench) {
    skep__outlet_free(&bench->outlet);
    skep__port_free(&bench->inlet);
    skep__reader_free(&bench->reader);
    skep__flusher_free(&bench->flusher);
    skep__hub_free(&bench->hub);
}

/* The payload is overwritten as soon as it was given. */
static void give_all(struct bench *bench, uint64_t seed) {
    char *payload = malloc(LARGEST);
    assert_non_null(payload);
    for (unsigned number = 0; number < MESSAGES; number++) {
        size_t size_bytes = chance(&seed, number % 3 == 0 ? 200 : LARGEST);
        struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = {"large", 5}}};
        bench->sizes_bytes[number] = size_bytes;
        for (size_t i = 0; i < size_bytes; i++) payload[i] = byte_of(number, i);
        SKEP_SET(message, &command.message, data, ((struct skep_bytes){payload, size_bytes}));
        assert_int_equal(skep__outlet_add(bench->outlet, &command), SKEP_OK);
        memset(payload, '?', size_bytes);
    }
    free(payload);
}

static void test_all_at_once(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    assert_int_equal(skep__outlet_dial(bench.outlet, ((struct pump *)*state)->url), SKEP_OK);
    give_all(&bench, 11);
    assert_false(skep__outlet_is_empty(bench.outlet));
    PUMP_UNTIL(*state, bench.received == MESSAGES && bench.drained > 0);
    close_bench(&bench);
}

static void test_before_anybody_listens(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    give_all(&bench, 12);
    assert_int_equal(skep__outlet_dial(bench.outlet, ((struct pump *)*state)->url), SKEP_OK);
    PUMP_UNTIL(*state, bench.received == MESSAGES);
    close_bench(&bench);
}

/* One that fits leaves inside the call, with what was packed before it. */
static void test_one_leaves_at_once(void **state) {
    struct bench bench;
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = {"large", 5}}};
    static char payload[64 * 1024];
    open_bench(&bench, *state);
    assert_int_equal(skep__outlet_dial(bench.outlet, ((struct pump *)*state)->url), SKEP_OK);
    PUMP_UNTIL(*state, skep__outlet_is_empty(bench.outlet));
    assert_int_equal(skep__outlet_add(bench.outlet, &command), SKEP_OK);
    assert_true(skep__outlet_waiting_bytes(bench.outlet) > 0);
    bench.sizes_bytes[1] = sizeof payload;
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = byte_of(1, i);
    SKEP_SET(message, &command.message, data, ((struct skep_bytes){payload, sizeof payload}));
    assert_int_equal(skep__outlet_add(bench.outlet, &command), SKEP_OK);
    assert_int_equal(skep__outlet_waiting_bytes(bench.outlet), 0);
    PUMP_UNTIL(*state, bench.received == 2);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_all_at_once),
        PUMP_TEST(test_before_anybody_listens),
        PUMP_TEST(test_one_leaves_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
