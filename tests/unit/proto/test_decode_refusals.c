/* SPDX-License-Identifier: MIT
 * Decoding of what a peer may do wrong, and of what only looks wrong. */
#include "proto/reading.h"

#define RESULTS            \
    CMD "\xa9"             \
        "completed\xa8"    \
        "delivery\x07\xa7" \
        "results"

static void check_truncated(enum skep_command_id id) {
    struct skep_frame frame = {0};
    struct skep_command in = sample(id, UINT32_MAX, SAMPLE_USUAL);
    assert_int_equal(skep__frame_add(&frame, &in), SKEP_OK);
    for (size_t i = 0; i < frame.size_bytes; i++)
        assert_refused(sample_channel(id), frame.data, i, "not complete MessagePack maps");
    skep__frame_free(&frame);
}

static void test_truncated_at_every_byte(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) check_truncated((enum skep_command_id)id);
}

static void test_structure(void **state) {
    (void)state;
    REFUSED(OUTBOX, "", "not complete MessagePack maps");
    REFUSED(OUTBOX, "\xdd\x05\x00\x00\x00", "not complete MessagePack maps");
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xdd\x05\x00\x00\x00", "not complete MessagePack maps");
    REFUSED(OUTBOX, "\x81" INCREMENT "\xc0", "not complete MessagePack maps");
    REFUSED(OUTBOX, "\x91\x81" INCREMENT, "not complete MessagePack maps");
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x01", "not complete MessagePack maps");
    READS(OUTBOX, "\x82" INCREMENT "\xa1x\x91\x91\x91\x91\x91\x91\x91\x01", 1, 1);
}

static void test_cmd(void **state) {
    (void)state;
    REFUSED(OUTBOX, "\x80", "a map without cmd");
    REFUSED(OUTBOX, "\x81\xa1n\x01", "a map without cmd");
    REFUSED(OUTBOX,
            "\x81\xa3"
            "Cmd\xb5"
            "incrementRequestCount",
            "a map without cmd");
    REFUSED(OUTBOX,
            "\x81\xc4\x03"
            "cmd\xb5"
            "incrementRequestCount",
            "a map without cmd");
    REFUSED(OUTBOX, "\x81" CMD "\x01", "cmd is not a string");
    REFUSED(OUTBOX, "\x81" CMD "\xc0", "cmd is not a string");
    REFUSED(OUTBOX,
            "\x81" CMD "\xc4\x04"
            "stop",
            "cmd is not a string");
    READS(OUTBOX, "\x82\xa1n\x05" INCREMENT, 1, 0); /* cmd need not come first */
}

static void test_unknown_is_skipped_and_counted(void **state) {
    (void)state;
    READS(OUTBOX,
          "\x81" CMD "\xa4"
          "nope",
          0, 1);
    READS(OUTBOX, "\x81" CMD "\xa0", 0, 1);
    READS(OUTBOX,
          "\x82" CMD "\xa4"
          "nope\xa1x\x93\x01\x02\x03\x81" INCREMENT "\x81" CMD "\xa4"
          "nope",
          1, 2);
    READS(OUTBOX,
          "\x81" CMD "\xb6"
          "incrementRequestCountX",
          0, 1);
    READS(OUTBOX,
          "\x81" CMD "\xb4"
          "incrementRequestCoun",
          0, 1);
    READS(OUTBOX, "\x83" INCREMENT "\xa1x\x01\xa1y\x81\x01\x02", 1, 2);
    READS(OUTBOX, "\x83" INCREMENT "\x01\x01\xc0\xc0", 1, 2); /* keys that are no strings */
}

static void test_needed(void **state) {
    (void)state;
    REFUSED(OUTBOX, "\x81" COUNT, "a required field is missing");
    REFUSED(OUTBOX, "\x82" COUNT "\xa1n\x01", "a required field is missing");
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "Name\xa1x",
            "a required field is missing");
    READS(OUTBOX,
          "\x82" COUNT "\xa4"
          "name\xa1x",
          1, 0);
}

static void test_types(void **state) {
    (void)state;
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xff", "n"); /* -1 */
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xc0", "n"); /* nil */
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xc3", "n"); /* true */
    REFUSED(OUTBOX,
            "\x82" INCREMENT "\xa1n\xa1"
            "1",
            "n");                                                       /* "1" */
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xca\x3f\x80\x00\x00", "n"); /* 1.0 */
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\x91\x01", "n");
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xd4t1", "n");
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "name\x01",
            "name");
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "name\xc0",
            "name");
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "name\xd4tx",
            "name");
    REFUSED(ASK,
            "\x82" STOP "\xa3"
            "now\x01",
            "now");
    REFUSED(ASK,
            "\x82" STOP "\xa3"
            "now\xc0",
            "now");
    REFUSED(ASK,
            "\x82" STOP "\xa3"
            "now\xa4"
            "true",
            "now");
    READS(ASK,
          "\x82" STOP "\xa3"
          "now\xc2",
          1, 0);
}

/* Encoders differ in how they write a small number: all forms are one. */
static void test_forms_of_numbers(void **state) {
    (void)state;
    READS(OUTBOX, "\x82" INCREMENT "\xa1n\x01", 1, 0);
    READS(OUTBOX, "\x82" INCREMENT "\xa1n\xcc\x01", 1, 0);
    READS(OUTBOX, "\x82" INCREMENT "\xa1n\xcf\x00\x00\x00\x00\x00\x00\x00\x01", 1, 0);
    READS(OUTBOX, "\x82" INCREMENT "\xa1n\xd0\x01", 1, 0);
    READS(OUTBOX, "\x82" INCREMENT "\xa1n\xd3\x00\x00\x00\x00\x00\x00\x00\x01", 1, 0);
    REFUSED(OUTBOX, "\x82" INCREMENT "\xa1n\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "n");
}

static void test_lists(void **state) {
    (void)state;
    READS(OUTBOX, "\x83" RESULTS "\x90", 1, 0);
    READS(OUTBOX, "\x83" RESULTS "\x92\xc4\x01x\xa1y", 1, 0); /* str and bin serve for either */
    READS(OUTBOX, "\x83" RESULTS "\x91\xa1\x00", 1, 0);       /* a zero is a byte as others */
    READS(OUTBOX, "\x83" RESULTS "\xdd\x00\x00\x00\x01\xa1x", 1, 0);
    REFUSED(OUTBOX, "\x83" RESULTS "\xc4\x01x", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\xa1x", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\x80", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\xc0", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\x01", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\x92\xa1x\x01", "results"); /* an item of another type */
    REFUSED(OUTBOX, "\x83" RESULTS "\x92\xc0\xa1x", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\x91\x91\xa1x", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\x91\xd4tx", "results");
    REFUSED(OUTBOX, "\x83" RESULTS "\xdd\x05\x00\x00\x00", "not complete MessagePack maps");
}

/* completed with so many results of one byte */
static struct outcome read_results(uint32_t count) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_sbuffer_write(&buffer, "\x83" RESULTS, sizeof RESULTS);
    msgpack_pack_array(&packer, count);
    for (uint32_t i = 0; i < count; i++) msgpack_pack_bin_with_body(&packer, "x", 1);
    struct outcome outcome = read_bytes(SKEP_CHANNEL_OUTBOX, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return outcome;
}

static void test_items_of_a_list(void **state) {
    (void)state;
    assert_int_equal(read_results(SKEP_MAX_LIST).status, SKEP_OK);
    struct outcome over = read_results(SKEP_MAX_LIST + 1);
    assert_int_equal(over.status, SKEP_EPROTO);
    assert_string_equal(over.why, "results");
}

/* str and bin serve for either, but text holds no zero. */
static void test_text_and_bytes(void **state) {
    (void)state;
    READS(OUTBOX,
          "\x82" COUNT "\xa4"
          "name\xc4\x01x",
          1, 0);
    READS(OUTBOX,
          "\x83" MESSAGE "\xa4"
          "name\xa1x\xa4"
          "data\xa3"
          "a\x00"
          "b",
          1, 0);
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "name\xa3"
            "a\x00"
            "b",
            "name");
    REFUSED(OUTBOX,
            "\x82" COUNT "\xa4"
            "name\xa1\x00",
            "name");
    READS(OUTBOX,
          "\x82" COUNT "\xa4"
          "name\xa0",
          1, 0);
}

static void test_repeated_fields(void **state) {
    (void)state;
    static const char data[] = "\x83" REFUSED_COMMAND "\xaa"
                               "connection\x01\xaa"
                               "connection\x02";
    struct reading reading;
    struct skep_command command;
    bool more;
    assert_int_equal(begin(&reading, SKEP_CHANNEL_LINK_UP, data, sizeof data - 1), SKEP_OK);
    assert_int_equal(skep__reader_next(&reading.reader, &command, &more), SKEP_OK);
    assert_int_equal(command.refused.connection, 2);
    end(&reading);
    READS(LINK_UP,
          "\x82" READY CMD "\xa4"
          "nope",
          1, 0); /* the first cmd counts */
}

/* The second item is of the size given. */
static void pack_list_of_two(msgpack_packer *packer, size_t size_bytes) {
    msgpack_pack_array(packer, 2);
    msgpack_pack_bin_with_body(packer, "x", 1);
    msgpack_pack_bin_with_body(packer, sample_text(), size_bytes);
}

/* A field one over its limit, encoded by msgpack-c, since Skep's own encoder refuses. */
static void pack_over_limit(msgpack_sbuffer *buffer, const struct skep_spec *spec, const struct skep_field *over,
                            uint64_t by) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    unsigned count = 1;
    for (const struct skep_field *f = spec->fields; f->name != NULL; f++) count += f->needed || f == over;
    msgpack_pack_map(&packer, count);
    msgpack_pack_str_with_body(&packer, "cmd", 3);
    msgpack_pack_str_with_body(&packer, spec->name, spec->name_size_bytes);
    for (const struct skep_field *f = spec->fields; f->name != NULL; f++) {
        if (!f->needed && f != over) continue;
        uint64_t value = f == over ? f->limit + by : 0;
        msgpack_pack_str_with_body(&packer, f->name, f->name_size_bytes);
        if (f->type == SKEP_TYPE_UINT) msgpack_pack_uint64(&packer, value);
        else if (f->type == SKEP_TYPE_BOOL) msgpack_pack_true(&packer);
        else if (f->type == SKEP_TYPE_LIST) pack_list_of_two(&packer, (size_t)value);
        else msgpack_pack_str_with_body(&packer, sample_text(), (size_t)value);
    }
}

static void check_limit(enum skep_command_id id, const struct skep_field *field) {
    msgpack_sbuffer at, over;
    if (field->type == SKEP_TYPE_BOOL || field->limit == UINT64_MAX) return;
    msgpack_sbuffer_init(&at);
    msgpack_sbuffer_init(&over);
    pack_over_limit(&at, skep__spec(id), field, 0);
    pack_over_limit(&over, skep__spec(id), field, 1);
    assert_reads(sample_channel(id), at.data, at.size, 1, 0);
    assert_refused(sample_channel(id), over.data, over.size, field->name);
    msgpack_sbuffer_destroy(&at);
    msgpack_sbuffer_destroy(&over);
}

static void test_limits_at_their_edges(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        const struct skep_field *fields = skep__spec((enum skep_command_id)id)->fields;
        for (const struct skep_field *field = fields; field->name != NULL; field++)
            check_limit((enum skep_command_id)id, field);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated_at_every_byte),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_cmd),
        cmocka_unit_test(test_unknown_is_skipped_and_counted),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_forms_of_numbers),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_items_of_a_list),
        cmocka_unit_test(test_text_and_bytes),
        cmocka_unit_test(test_repeated_fields),
        cmocka_unit_test(test_limits_at_their_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
