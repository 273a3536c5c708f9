/* SPDX-License-Identifier: MIT
 * Outlets: how commands become frames. */
#include "lib/pump.h"

#include "transport/outlet.h"

enum { FRAMES = 512, COMMAND_BYTES = 1000 };

/* The other end: what arrived, frame by frame. */
struct inlet {
    struct skep__port *port;
    size_t frames;
    size_t sizes_bytes[FRAMES];
    unsigned commands_of[FRAMES];
    unsigned commands, wrong;
    struct skep_reader reader;
};

struct bench {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__outlet *outlet;
    struct inlet inlet;
    unsigned drained;
};

static void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct inlet *inlet = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    size_t frame = inlet->frames++ % FRAMES;
    inlet->sizes_bytes[frame] = size_bytes;
    inlet->commands_of[frame] = 0;
    int status = skep__reader_begin(&inlet->reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(&inlet->reader, &command, &more);
        if (status != SKEP_OK || !more) break;
        inlet->wrong += command.id != SKEP_COMMAND_newsSince || command.newsSince.seq != inlet->commands;
        inlet->commands++;
        inlet->commands_of[frame]++;
    }
    inlet->wrong += status != SKEP_OK;
}

static void drained(void *context) {
    ((struct bench *)context)->drained++;
}

static void open_bench(struct bench *bench, struct pump *pump, enum skep__port_kind kind) {
    *bench = (struct bench){.pump = pump};
    assert_int_equal(skep__hub_new(&bench->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__flusher_new(&bench->flusher, &pump->loop), SKEP_OK);
    struct skep__outlet_options options = {
        .hub = bench->hub, .flusher = bench->flusher, .kind = kind, .drained = drained, .context = bench};
    assert_int_equal(skep__outlet_new(&bench->outlet, &options), SKEP_OK);
    assert_int_equal(skep__outlet_listen(bench->outlet, pump->url), SKEP_OK);
    assert_int_equal(skep__reader_init(&bench->inlet.reader, SKEP_CHANNEL_OUTBOX), SKEP_OK);
}

static void connect_inlet(struct bench *bench) {
    static const struct skep__port_events events = {.received = received};
    assert_int_equal(skep__port_new(&bench->inlet.port, bench->hub, SKEP__PORT_PULL, &events, &bench->inlet), SKEP_OK);
    assert_int_equal(skep__port_dial(bench->inlet.port, bench->pump->url), SKEP_OK);
}

static void close_bench(struct bench *bench) {
    skep__outlet_free(&bench->outlet);
    assert_null(bench->outlet);
    skep__outlet_free(&bench->outlet);
    skep__port_free(&bench->inlet.port);
    skep__reader_free(&bench->inlet.reader);
    skep__flusher_free(&bench->flusher);
    skep__hub_free(&bench->hub);
}

static int add(struct bench *bench, unsigned number) {
    struct skep_command command = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = number}};
    return skep__outlet_add(bench->outlet, &command);
}

static int answer(struct bench *bench, unsigned number) {
    struct skep_command command = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = number}};
    return skep__outlet_add_answer(bench->outlet, &command);
}

/* The same as add, with an unknown field that makes it larger. */
static int append_large(struct bench *bench, unsigned number) {
    static char data[COMMAND_BYTES + 100];
    struct skep_command command = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = number}};
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    memcpy(data, frame.data, frame.size_bytes);
    assert_int_equal(data[0], (char)0x82); /* a map of two */
    data[0] = (char)0x83;
    size_t used = frame.size_bytes;
    data[used++] = (char)0xa1;
    data[used++] = 'x';
    data[used++] = (char)0xc5;
    data[used++] = (char)(COMMAND_BYTES / 256);
    data[used++] = (char)(COMMAND_BYTES % 256);
    skep__frame_free(&frame);
    return skep__outlet_append(bench->outlet, data, used + COMMAND_BYTES);
}

/* --- frames --- */

static void test_one_iteration_one_frame(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    connect_inlet(&bench);
    PUMP_UNTIL(*state, skep__outlet_is_empty(bench.outlet));
    for (unsigned i = 0; i < 10; i++) assert_int_equal(add(&bench, i), SKEP_OK);
    assert_int_equal(bench.inlet.frames, 0);
    PUMP_UNTIL(*state, bench.inlet.commands == 10);
    assert_int_equal(bench.inlet.frames, 1);
    assert_int_equal(add(&bench, 10), SKEP_OK); /* one alone leaves at once */
    PUMP_UNTIL(*state, bench.inlet.commands == 11);
    assert_int_equal(bench.inlet.frames, 2);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* What is in no hurry leaves when it is asked to: all of it, however many frames that are. */
static void test_what_is_packed_quietly(void **state) {
    struct bench bench;
    struct skep_command command = {.id = SKEP_COMMAND_newsSince};
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    connect_inlet(&bench);
    unsigned count = 0;
    for (; skep__outlet_waiting_bytes(bench.outlet) < 4UL * SKEP_FULL_FRAME; count++) {
        command.newsSince.seq = count;
        assert_int_equal(skep__outlet_add_quietly(bench.outlet, &command), SKEP_OK);
    }
    pump_turns(*state, 5);
    assert_int_equal(bench.inlet.commands, 0);
    skep__outlet_flush(bench.outlet);
    PUMP_UNTIL(*state, bench.inlet.commands == count);
    assert_true(bench.inlet.frames >= 4);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* Without the loop's help: what came before leaves alone. */
static void test_flushing_at_once(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    skep__outlet_flush(bench.outlet); /* nothing to do */
    assert_int_equal(add(&bench, 0), SKEP_OK);
    skep__outlet_flush(bench.outlet);
    assert_int_equal(add(&bench, 1), SKEP_OK);
    skep__outlet_flush(bench.outlet); /* one is under way: until somebody dials */
    assert_int_equal(add(&bench, 2), SKEP_OK);
    connect_inlet(&bench);
    PUMP_UNTIL(*state, bench.inlet.commands == 3);
    assert_int_equal(bench.inlet.frames, 2);
    assert_int_equal(bench.inlet.commands_of[0], 1);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* What is added in later iterations while a frame is under way leaves in the next one. */
static void test_frames_grow_while_one_is_under_way(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    for (unsigned i = 0; i < 20; i++) { /* the first is under way until somebody dials */
        assert_int_equal(add(&bench, i), SKEP_OK);
        pump_turns(*state, 1);
    }
    connect_inlet(&bench);
    PUMP_UNTIL(*state, bench.inlet.commands == 20);
    assert_int_equal(bench.inlet.frames, 2);
    assert_int_equal(bench.inlet.commands_of[0], 1);
    assert_int_equal(bench.inlet.commands_of[1], 19);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

static void test_full_frames_are_cut(void **state) {
    struct bench bench;
    enum { MANY = 1500 };
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    for (unsigned i = 0; i < MANY; i++) assert_int_equal(append_large(&bench, i), SKEP_OK);
    connect_inlet(&bench);
    PUMP_UNTIL(*state, bench.inlet.commands == MANY);
    assert_true(bench.inlet.frames > MANY * COMMAND_BYTES / (SKEP_FULL_FRAME + 2 * COMMAND_BYTES));
    for (size_t i = 0; i + 1 < bench.inlet.frames; i++)
        assert_in_range(bench.inlet.sizes_bytes[i], SKEP_FULL_FRAME, SKEP_FULL_FRAME + 2 * COMMAND_BYTES);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* A command that is refused leaves nothing behind. */
static void test_too_big(void **state) {
    static char data[SKEP_MAX_PAYLOAD + 1];
    struct bench bench;
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = {"large", 5}}};
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    connect_inlet(&bench);
    SKEP_SET(message, &command.message, data, ((struct skep_bytes){data, sizeof data}));
    assert_int_equal(add(&bench, 0), SKEP_OK);
    assert_int_equal(skep__outlet_add(bench.outlet, &command), SKEP_ETOOBIG);
    assert_int_equal(add(&bench, 1), SKEP_OK);
    PUMP_UNTIL(*state, bench.inlet.commands == 2);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* --- backpressure --- */

static unsigned add_until_refused(struct bench *bench, unsigned number) {
    int status;
    while ((status = append_large(bench, number)) == SKEP_OK) {
        number++;
        assert_true(number < 2 * SKEP_HIGH_WATER / COMMAND_BYTES);
    }
    assert_int_equal(status, SKEP_EAGAIN);
    return number;
}

static void test_past_the_high_water_mark(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    unsigned count = add_until_refused(&bench, 0);
    assert_in_range((size_t)count * COMMAND_BYTES, SKEP_HIGH_WATER / 10 * 9, SKEP_HIGH_WATER + 2 * COMMAND_BYTES);
    assert_int_equal(add(&bench, count), SKEP_EAGAIN);
    assert_int_equal(answer(&bench, count++), SKEP_OK); /* answers must not be lost */
    pump_turns(*state, 3);
    assert_int_equal(bench.drained, 0);
    connect_inlet(&bench);
    PUMP_UNTIL(*state, bench.drained > 0);
    assert_true(skep__outlet_is_empty(bench.outlet));
    PUMP_UNTIL(*state, bench.inlet.commands == count);
    assert_int_equal(add(&bench, count), SKEP_OK);
    PUMP_UNTIL(*state, bench.inlet.commands == count + 1);
    pump_turns(*state, 3);
    assert_int_equal(bench.drained, 1);
    assert_int_equal(bench.inlet.wrong, 0);
    close_bench(&bench);
}

/* Who has looked whether it is empty is told when it is. */
static void test_told_when_empty(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    assert_true(skep__outlet_is_empty(bench.outlet));
    assert_int_equal(add(&bench, 0), SKEP_OK);
    assert_false(skep__outlet_is_empty(bench.outlet));
    pump_turns(*state, 2);
    assert_false(skep__outlet_is_empty(bench.outlet));
    assert_int_equal(bench.drained, 0);
    connect_inlet(&bench);
    PUMP_UNTIL(*state, bench.drained == 1);
    assert_true(skep__outlet_is_empty(bench.outlet));
    PUMP_UNTIL(*state, bench.inlet.commands == 1);
    close_bench(&bench);
}

static void test_freed_while_much_waits(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUSH);
    add_until_refused(&bench, 0);
    close_bench(&bench);
    pump_turns(*state, 2);
    assert_int_equal(bench.drained, 0);
}

/* Publishing never waits: who is not there misses it. */
static void test_news_to_nobody(void **state) {
    struct bench bench;
    open_bench(&bench, *state, SKEP__PORT_PUB);
    for (unsigned i = 0; i < 3; i++) {
        add_until_refused(&bench, 0);
        PUMP_UNTIL(*state, skep__outlet_is_empty(bench.outlet));
    }
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_iteration_one_frame),  PUMP_TEST(test_what_is_packed_quietly),
        PUMP_TEST(test_flushing_at_once),         PUMP_TEST(test_frames_grow_while_one_is_under_way),
        PUMP_TEST(test_full_frames_are_cut),      PUMP_TEST(test_too_big),
        PUMP_TEST(test_past_the_high_water_mark), PUMP_TEST(test_told_when_empty),
        PUMP_TEST(test_freed_while_much_waits),   PUMP_TEST(test_news_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
