/* SPDX-License-Identifier: MIT
 * Encoding: the bytes on the wire, limits at their edges, frames that grow, frames as they were after a failure. */
#include "proto/sample.h"

/* A test asks for more memory than there is; the sanitizer shall let that fail as malloc does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static void assert_frame(const struct skep_frame *frame, const char *bytes, size_t size_bytes) {
    assert_int_equal(frame->size_bytes, size_bytes);
    assert_memory_equal(frame->data, bytes, size_bytes);
}

#define ASSERT_FRAME(frame, literal) assert_frame(frame, literal, sizeof(literal) - 1)

static void test_as_in_the_seeds(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    struct skep_command increment = {.id = SKEP_COMMAND_incrementRequestCount};
    struct skep_command count = {.id = SKEP_COMMAND_requestCount, .requestCount.requestCount = 7};
    assert_int_equal(skep__frame_add(&frame, &increment), SKEP_OK);
    ASSERT_FRAME(&frame, "\x81\xa3"
                         "cmd\xb5"
                         "incrementRequestCount");
    skep__frame_clear(&frame);
    assert_int_equal(skep__frame_add(&frame, &count), SKEP_OK);
    ASSERT_FRAME(&frame, "\x82\xa3"
                         "cmd\xac"
                         "requestCount\xac"
                         "requestCount\x07");
    skep__frame_free(&frame);
    assert_null(frame.data);
}

static void test_each_type(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    struct skep_command message = {.id = SKEP_COMMAND_message, .message.name = {"hi", 2}};
    SKEP_SET(message, &message.message, data, ((struct skep_bytes){"\x00\xff", 2}));
    SKEP_SET(message, &message.message, to, 300);
    SKEP_SET(message, &message.message, toAll, true);
    assert_int_equal(skep__frame_add(&frame, &message), SKEP_OK);
    ASSERT_FRAME(&frame, "\x85\xa3"
                         "cmd\xa7"
                         "message\xa4"
                         "name\xa2"
                         "hi\xa4"
                         "data\xc4\x02\x00\xff\xa2"
                         "to\xcd\x01\x2c\xa5"
                         "toAll\xc3");
    skep__frame_free(&frame);
}

static void test_lists(void **state) {
    (void)state;
    struct skep_frame frame = {0}, items = {0};
    struct skep_command finished = {.id = SKEP_COMMAND_finished, .finished.number = 1};
    assert_int_equal(skep__frame_add(&frame, &finished), SKEP_OK); /* an empty list needs no memory */
    ASSERT_FRAME(&frame, "\x83\xa3"
                         "cmd\xa8"
                         "finished\xa6"
                         "number\x01\xa7"
                         "results\x90");
    skep__frame_clear(&frame);
    assert_int_equal(skep__list_add(&items, "abc", 3), SKEP_OK);
    assert_int_equal(skep__list_add(&items, NULL, 0), SKEP_OK);
    finished.finished.results = skep__list_of(&items, 2);
    assert_int_equal(skep__frame_add(&frame, &finished), SKEP_OK);
    ASSERT_FRAME(&frame, "\x83\xa3"
                         "cmd\xa8"
                         "finished\xa6"
                         "number\x01\xa7"
                         "results\x92\xc4\x03"
                         "abc\xc4\x00");
    skep__frame_free(&items);
    skep__frame_free(&frame);
}

/* Items of a list that was decoded may be too large for another field. */
static void test_decoded_items_over_the_limit(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    msgpack_object item = {.type = MSGPACK_OBJECT_BIN, .via.bin = {SKEP_MAX_NAME, sample_text()}};
    struct skep_command submit = sample(SKEP_COMMAND_submit, 0, SAMPLE_SMALLEST);
    SKEP_SET(submit, &submit.submit, keys, ((struct skep_list){.count = 1, .items = &item}));
    assert_int_equal(skep__frame_add(&frame, &submit), SKEP_OK);
    skep__frame_clear(&frame);
    item.via.bin.size++;
    assert_int_equal(skep__frame_add(&frame, &submit), SKEP_ETOOBIG);
    assert_int_equal(frame.size_bytes, 0);
    skep__frame_free(&frame);
}

/* An item that there is no memory for leaves those before it. */
static void test_no_memory_leaves_the_list(void **state) {
    (void)state;
    struct skep_frame items = {0};
    assert_int_equal(skep__list_add(&items, "a", 1), SKEP_OK);
    assert_int_equal(skep__list_add(&items, "", (size_t)1 << 60), SKEP_ENOMEM);
    ASSERT_FRAME(&items, "\xc4\x01"
                         "a");
    skep__frame_free(&items);
}

/* Commands stand back to back in the order they were added. */
static void test_back_to_back(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    struct skep_command ready = {.id = SKEP_COMMAND_ready};
    assert_int_equal(skep__frame_add(&frame, &ready), SKEP_OK);
    assert_int_equal(skep__frame_append(&frame, "\x80", 1), SKEP_OK);
    assert_int_equal(skep__frame_append(&frame, NULL, 0), SKEP_OK);
    assert_int_equal(skep__frame_add(&frame, &ready), SKEP_OK);
    ASSERT_FRAME(&frame, "\x81\xa3"
                         "cmd\xa5"
                         "ready\x80\x81\xa3"
                         "cmd\xa5"
                         "ready");
    skep__frame_free(&frame);
}

static void test_bytes_that_are_not_there(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    struct skep_command message = {.id = SKEP_COMMAND_message, .message.name = {NULL, 0}};
    SKEP_SET(message, &message.message, data, ((struct skep_bytes){NULL, 0}));
    assert_int_equal(skep__frame_add(&frame, &message), SKEP_OK);
    ASSERT_FRAME(&frame, "\x83\xa3"
                         "cmd\xa7"
                         "message\xa4"
                         "name\xa0\xa4"
                         "data\xc4\x00");
    skep__frame_free(&frame);
}

static void test_clear_keeps_memory(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_append(&frame, sample_text(), 10000), SKEP_OK);
    const char *data = frame.data;
    size_t capacity_bytes = frame.capacity_bytes;
    assert_true(capacity_bytes >= 10000);
    skep__frame_clear(&frame);
    assert_int_equal(frame.size_bytes, 0);
    assert_ptr_equal(frame.data, data);
    assert_int_equal(frame.capacity_bytes, capacity_bytes);
    skep__frame_free(&frame);
}

static void test_grows_over_every_size(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(skep__frame_append(&frame, sample_text() + i, 1), SKEP_OK);
        assert_true(frame.size_bytes <= frame.capacity_bytes);
    }
    assert_frame(&frame, sample_text(), 3000);
    skep__frame_free(&frame);
}

/* Its memory is what it holds, and not up to twice as much. */
static void test_a_large_field_costs_its_size(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    char *large = calloc(1, SKEP_MAX_PAYLOAD);
    assert_non_null(large);
    assert_int_equal(skep__frame_append(&frame, "head", 4), SKEP_OK);
    assert_int_equal(skep__frame_append(&frame, large, SKEP_MAX_PAYLOAD), SKEP_OK);
    assert_in_range(frame.capacity_bytes, frame.size_bytes, frame.size_bytes + 1024);
    assert_int_equal(skep__frame_append(&frame, "tail", 4), SKEP_OK);
    assert_in_range(frame.capacity_bytes, frame.size_bytes, frame.size_bytes + 1024);
    free(large);
    skep__frame_free(&frame);
}

static void test_no_memory_leaves_the_frame(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_append(&frame, "abc", 3), SKEP_OK);
    struct skep_frame before = frame;
    const size_t impossible[] = {(size_t)1 << 60, SIZE_MAX / 2 - 3, SIZE_MAX / 2, SIZE_MAX - 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        assert_int_equal(skep__frame_append(&frame, "", impossible[i]), SKEP_ENOMEM);
        assert_memory_equal(&frame, &before, sizeof frame);
    }
    ASSERT_FRAME(&frame, "abc");
    skep__frame_free(&frame);
}

/* A sample with one field just over its limit; false if there is nothing over the limit. */
static bool exceed(struct skep_command *command, const struct skep_field *field) {
    if (field->type == SKEP_TYPE_BOOL || field->limit == UINT64_MAX) return false;
    if (field->type == SKEP_TYPE_UINT) *(uint64_t *)sample_place(command, field) = field->limit + 1;
    else if (field->type == SKEP_TYPE_LIST)
        *(struct skep_list *)sample_place(command, field) = (struct skep_list){.count = SKEP_MAX_LIST + 1};
    else
        *(struct skep_bytes *)sample_place(command, field) =
            (struct skep_bytes){sample_text(), (size_t)field->limit + 1};
    return true;
}

static void check_limits(enum skep_command_id id) {
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_append(&frame, "before", 6), SKEP_OK);
    const struct skep_field *fields = skep__spec(id)->fields;
    for (const struct skep_field *field = fields; field->name != NULL; field++) {
        struct skep_command command = sample(id, UINT32_MAX, SAMPLE_SMALLEST);
        if (!exceed(&command, field)) continue;
        assert_int_equal(skep__frame_add(&frame, &command), SKEP_ETOOBIG);
        ASSERT_FRAME(&frame, "before");
    }
    struct skep_command largest = sample(id, UINT32_MAX, SAMPLE_LARGEST);
    assert_int_equal(skep__frame_add(&frame, &largest), SKEP_OK);
    skep__frame_free(&frame);
}

static void test_limits_at_their_edges(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) check_limits((enum skep_command_id)id);
}

/* An optional field that is not marked does not travel, whatever stands in the struct, limit or not. */
static void test_unmarked_fields_stay(void **state) {
    (void)state;
    struct skep_frame frame = {0};
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = {.request = 1, .status = UINT64_MAX, .to = 9}};
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    ASSERT_FRAME(&frame, "\x82\xa3"
                         "cmd\xa5"
                         "reply\xa7"
                         "request\x01");
    skep__frame_free(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_in_the_seeds),
        cmocka_unit_test(test_each_type),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_decoded_items_over_the_limit),
        cmocka_unit_test(test_no_memory_leaves_the_list),
        cmocka_unit_test(test_back_to_back),
        cmocka_unit_test(test_bytes_that_are_not_there),
        cmocka_unit_test(test_clear_keeps_memory),
        cmocka_unit_test(test_grows_over_every_size),
        cmocka_unit_test(test_a_large_field_costs_its_size),
        cmocka_unit_test(test_no_memory_leaves_the_frame),
        cmocka_unit_test(test_limits_at_their_edges),
        cmocka_unit_test(test_unmarked_fields_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
