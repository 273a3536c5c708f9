/* SPDX-License-Identifier: MIT
 * Reading takes no memory, whatever a command consists of: a frame that has come can always be read. */
#include "proto/reading.h"
#include "scarce.h"

enum { LONGEST_BYTES = 64 * 1024 };

/* A command with a field that nobody knows: containers in the midst of plain values, as many as may be. */
struct made {
    uint8_t bytes[LONGEST_BYTES];
    size_t size_bytes;
};

static void put(struct made *made, const void *data, size_t size_bytes) {
    assert_true(made->size_bytes + size_bytes <= sizeof made->bytes);
    memcpy(made->bytes + made->size_bytes, data, size_bytes);
    made->size_bytes += size_bytes;
}

/* { "cmd": "ready", 1: [...] }: four values besides those of the list */
static void begin_made(struct made *made, uint8_t tag, unsigned count) {
    const uint8_t head[] = {0x01, tag, (uint8_t)(count >> 8), (uint8_t)count};
    *made = (struct made){.size_bytes = 0};
    put(made, "\x82" READY, 1 + sizeof READY - 1);
    put(made, head, sizeof head);
}

static void read_without_memory(const void *data, size_t size_bytes, uint64_t unknown) {
    struct skep_reader reader;
    struct skep_command command;
    bool more = false;
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_LINK_UP), SKEP_OK);
    for (unsigned times = 0; times < 3; times++) {
        scarce_has = scarce_nothing;
        int begun = skep__reader_begin(&reader, data, size_bytes);
        int status = begun == SKEP_OK ? skep__reader_next(&reader, &command, &more) : begun;
        scarce_has = NULL;
        assert_int_equal(status, SKEP_OK);
        assert_true(more);
        assert_int_equal(command.id, SKEP_COMMAND_ready);
        assert_int_equal(reader.unknown, unknown * (times + 1));
    }
    skep__reader_free(&reader);
}

static void test_as_many_values_as_may_be(void **state) {
    static const uint8_t one = 1;
    struct made made;
    (void)state;
    begin_made(&made, 0xdc, SKEP_MAX_VALUES - 4);
    for (unsigned i = 0; i < SKEP_MAX_VALUES - 4; i++) put(&made, &one, 1);
    read_without_memory(made.bytes, made.size_bytes, 1);
}

static void test_as_many_pairs_as_may_be(void **state) {
    struct made made;
    (void)state;
    begin_made(&made, 0xde, SKEP_MAX_VALUES / 2 - 2);
    for (unsigned i = 0; i < SKEP_MAX_VALUES / 2 - 2; i++) put(&made, "\x01\xa1x", 3);
    read_without_memory(made.bytes, made.size_bytes, 1);
}

/* Each is made for itself. */
static void test_as_many_containers_as_may_be(void **state) {
    struct made made;
    (void)state;
    begin_made(&made, 0xdc, SKEP_MAX_VALUES / 4 - 1);
    for (unsigned i = 0; i < SKEP_MAX_VALUES / 4 - 1; i++) put(&made, "\x91\x81\x01\x02", 4);
    read_without_memory(made.bytes, made.size_bytes, 1);
}

static void test_the_largest_command(void **state) {
    static struct skep_bytes items[SKEP_MAX_LIST];
    struct skep_command in = {.id = SKEP_COMMAND_submit}, out;
    struct skep_frame frame = {0};
    struct skep_reader reader;
    bool more = false;
    (void)state;
    for (unsigned i = 0; i < SKEP_MAX_LIST; i++) items[i] = (struct skep_bytes){"key", 3};
    in.submit = (struct skep_command_submit){
        .queue = {"q", 1}, .number = 1, .jobs = {.count = SKEP_MAX_LIST, .borrowed = items}};
    SKEP_SET(submit, &in.submit, keys, ((struct skep_list){.count = SKEP_MAX_LIST, .borrowed = items}));
    assert_int_equal(skep__frame_add(&frame, &in), SKEP_OK);
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_INTAKE), SKEP_OK);
    scarce_has = scarce_nothing;
    int begun = skep__reader_begin(&reader, frame.data, frame.size_bytes);
    int status = begun == SKEP_OK ? skep__reader_next(&reader, &out, &more) : begun;
    scarce_has = NULL;
    assert_int_equal(status, SKEP_OK);
    assert_int_equal(out.submit.jobs.count, SKEP_MAX_LIST);
    assert_int_equal(out.submit.keys.count, SKEP_MAX_LIST);
    skep__reader_free(&reader);
    skep__frame_free(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_values_as_may_be),
        cmocka_unit_test(test_as_many_pairs_as_may_be),
        cmocka_unit_test(test_as_many_containers_as_may_be),
        cmocka_unit_test(test_the_largest_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
