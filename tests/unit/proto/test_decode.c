/* SPDX-License-Identifier: MIT
 * Decoding: every command there and back, what is borrowed, what stays as it was. What peers do wrong has a file of its
 * own, test_decode_refusals.c. */
#include "proto/reading.h"

/* --- There and back --- */

static void check_round_trip(enum skep_command_id id, uint32_t optional, enum sample_size size) {
    struct skep_command in = sample(id, optional, size), out;
    struct skep_frame frame = {0};
    struct reading reading;
    bool more = false;
    assert_int_equal(skep__frame_add(&frame, &in), SKEP_OK);
    assert_int_equal(begin(&reading, sample_channel(id), frame.data, frame.size_bytes), SKEP_OK);
    memset(&out, 0xa5, sizeof out);
    if (skep__reader_next(&reading.reader, &out, &more) != SKEP_OK)
        fail_msg("%s: %s", skep__spec(id)->name, reading.reader.why);
    assert_true(more);
    assert_true(sample_same(&in, &out));
    assert_int_equal(skep__reader_next(&reading.reader, &out, &more), SKEP_OK);
    assert_false(more);
    assert_int_equal(reading.reader.unknown, 0);
    end(&reading);
    skep__frame_free(&frame);
}

/* Every command, smallest and largest, with none, all, each one and all but one of its optional fields. */
static void test_every_command_there_and_back(void **state) {
    (void)state;
    for (unsigned i = 0; i < SKEP_COMMAND_COUNT; i++) {
        enum skep_command_id id = (enum skep_command_id)i;
        uint32_t all = sample_optional(id);
        for (unsigned size = 0; size < SAMPLE_SIZES; size++) {
            check_round_trip(id, 0, (enum sample_size)size);
            check_round_trip(id, all, (enum sample_size)size);
            for (uint32_t bit = 1; bit != 0 && bit <= all; bit <<= 1) {
                if (!(all & bit)) continue;
                check_round_trip(id, bit, (enum sample_size)size);
                check_round_trip(id, all & ~bit, (enum sample_size)size);
            }
        }
    }
}

/* All commands of a channel in one frame, twice: order is kept, the guess of the next command misleads nobody. */
static void check_channel(enum skep_channel channel) {
    struct skep_frame frame = {0};
    struct reading reading;
    struct skep_command out;
    bool more;
    for (unsigned i = 0; i < 2 * SKEP_COMMAND_COUNT; i++) {
        enum skep_command_id id = (enum skep_command_id)(i % SKEP_COMMAND_COUNT);
        if (!(skep__spec(id)->channels & channel)) continue;
        struct skep_command in = sample(id, i < SKEP_COMMAND_COUNT ? 0 : UINT32_MAX, SAMPLE_USUAL);
        assert_int_equal(skep__frame_add(&frame, &in), SKEP_OK);
    }
    assert_int_equal(begin(&reading, channel, frame.data, frame.size_bytes), SKEP_OK);
    for (unsigned i = 0; i < 2 * SKEP_COMMAND_COUNT; i++) {
        enum skep_command_id id = (enum skep_command_id)(i % SKEP_COMMAND_COUNT);
        if (!(skep__spec(id)->channels & channel)) continue;
        struct skep_command in = sample(id, i < SKEP_COMMAND_COUNT ? 0 : UINT32_MAX, SAMPLE_USUAL);
        assert_int_equal(skep__reader_next(&reading.reader, &out, &more), SKEP_OK);
        assert_true(more);
        assert_true(sample_same(&in, &out));
    }
    assert_int_equal(skep__reader_next(&reading.reader, &out, &more), SKEP_OK);
    assert_false(more);
    end(&reading);
    skep__frame_free(&frame);
}

static void test_frames_of_every_channel(void **state) {
    (void)state;
    for (unsigned channel = 1; channel < SKEP_CHANNELS_END; channel <<= 1) check_channel((enum skep_channel)channel);
}

/* Each command is refused on each channel that is not its own. */
static void test_wrong_channels(void **state) {
    (void)state;
    for (unsigned i = 0; i < SKEP_COMMAND_COUNT; i++) {
        struct skep_frame frame = {0};
        struct skep_command in = sample((enum skep_command_id)i, 0, SAMPLE_SMALLEST);
        assert_int_equal(skep__frame_add(&frame, &in), SKEP_OK);
        for (unsigned channel = 1; channel < SKEP_CHANNELS_END; channel <<= 1) {
            if (skep__spec(in.id)->channels & channel)
                assert_reads((enum skep_channel)channel, frame.data, frame.size_bytes, 1, 0);
            else
                assert_refused((enum skep_channel)channel, frame.data, frame.size_bytes,
                               "a command of another channel");
        }
        skep__frame_free(&frame);
    }
}

/* --- Outputs and borrowing --- */

static void test_failure_leaves_the_outputs(void **state) {
    (void)state;
    static const char data[] = "\x82" INCREMENT "\xa1n\x07\x83" MESSAGE "\xa4"
                               "name\xa1x\xa2"
                               "to\xc0";
    struct reading reading;
    struct skep_command command, before;
    bool more = false;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_OUTBOX, data, sizeof data - 1), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    assert_true(more);
    assert_int_equal(command.id, SKEP_COMMAND_incrementRequestCount);
    assert_int_equal(command.incrementRequestCount.n, 7);
    memset(&command, 0x5a, sizeof command);
    before = command;
    more = false;
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_EPROTO);
    assert_memory_equal(&command, &before, sizeof command);
    assert_false(more);
    end(&reading);
}

static void test_bytes_are_borrowed_from_the_frame(void **state) {
    (void)state;
    static const char data[] = "\x83" MESSAGE "\xa4"
                               "name\xa2"
                               "hi\xa4"
                               "data\xc4\x03"
                               "abc";
    struct reading reading;
    struct skep_command command;
    bool more;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_INBOX, data, sizeof data - 1), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    const char *from = (const char *)reading.data, *to = from + sizeof data - 1;
    assert_true(command.message.name.data > from && command.message.name.data < to);
    assert_ptr_equal(command.message.data.data, to - 3);
    assert_int_equal(command.message.data.size_bytes, 3);
    end(&reading);
}

static void test_items_are_borrowed_from_the_frame(void **state) {
    (void)state;
    static const char data[] = "\x84" CMD "\xa9"
                               "completed\xa8"
                               "delivery\x07\xa1n\x02\xa7"
                               "results\x92\xc4\x03"
                               "abc\xa0";
    struct reading reading;
    struct skep_command command;
    bool more;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_OUTBOX, data, sizeof data - 1), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    const struct skep_list *results = &command.completed.results;
    assert_int_equal(results->count, 2);
    const char *end_of_frame = (const char *)reading.data + sizeof data - 1;
    assert_ptr_equal(skep__list_at(results, 0).data, end_of_frame - 4);
    assert_int_equal(skep__list_at(results, 0).size_bytes, 3);
    assert_int_equal(skep__list_at(results, 1).size_bytes, 0);
    end(&reading);
}

/* What was decoded is encoded again as it is: the broker passes lists on. */
static void test_decoded_lists_are_encoded_again(void **state) {
    (void)state;
    struct skep_frame first = {0}, second = {0};
    struct skep_command in = sample(SKEP_COMMAND_submit, UINT32_MAX, SAMPLE_LARGEST), out;
    struct reading reading;
    bool more;
    assert_int_equal(skep__frame_add(&first, &in), SKEP_OK);
    assert_int_equal(begin(&reading, SKEP_CHANNEL_INTAKE, first.data, first.size_bytes), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &out, &more), SKEP_OK);
    assert_int_equal(skep__frame_add(&second, &out), SKEP_OK);
    assert_int_equal(second.size_bytes, first.size_bytes);
    assert_memory_equal(second.data, first.data, first.size_bytes);
    end(&reading);
    skep__frame_free(&first);
    skep__frame_free(&second);
}

/* command_bytes marks where each command begins, so that it can be passed on as it came. */
static void test_where_a_command_begins(void **state) {
    (void)state;
    static const char data[] = "\x81" CMD "\xa1x\x81" INCREMENT "\x82" INCREMENT "\xa1n\x02";
    struct reading reading;
    struct skep_command command;
    bool more;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_OUTBOX, data, sizeof data - 1), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    assert_int_equal(reading.reader.command_bytes, 7);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    assert_int_equal(reading.reader.command_bytes, 7 + 27);
    assert_int_equal(reading.reader.offset_bytes, sizeof data - 1);
    end(&reading);
}

/* A reader goes on with the next frame after a bad one, and its count of unknowns grows on. */
static void test_reader_is_used_again(void **state) {
    (void)state;
    static const char bad[] = "\x82" INCREMENT "\xa1n\xc0", good[] = "\x82" INCREMENT "\xa1x\x01";
    struct reading reading;
    unsigned count;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_OUTBOX, bad, sizeof bad - 1), SKEP_OK);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(skep__reader_begin(&reading.reader, bad, sizeof bad - 1), SKEP_OK);
        assert_int_equal(read_all(&reading, &count), SKEP_EPROTO);
        assert_int_equal(skep__reader_begin(&reading.reader, "\xc1", 1), SKEP_EPROTO);
        assert_int_equal(skep__reader_begin(&reading.reader, good, sizeof good - 1), SKEP_OK);
        assert_int_equal(read_all(&reading, &count), SKEP_OK);
        assert_int_equal(count, 1);
        assert_int_equal(reading.reader.unknown, i);
    }
    end(&reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_there_and_back),
        cmocka_unit_test(test_frames_of_every_channel),
        cmocka_unit_test(test_wrong_channels),
        cmocka_unit_test(test_failure_leaves_the_outputs),
        cmocka_unit_test(test_bytes_are_borrowed_from_the_frame),
        cmocka_unit_test(test_items_are_borrowed_from_the_frame),
        cmocka_unit_test(test_decoded_lists_are_encoded_again),
        cmocka_unit_test(test_where_a_command_begins),
        cmocka_unit_test(test_reader_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
