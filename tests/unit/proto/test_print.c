/* SPDX-License-Identifier: MIT
 * Printing: the form, escapes, and that no buffer is ever overrun. */
#include <stdio.h>

#include "proto/sample.h"

static void assert_printed(const struct skep_command *command, const char *expected) {
    char text[512];
    assert_int_equal(skep__command_print(command, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_form(void **state) {
    (void)state;
    assert_printed(&(struct skep_command){.id = SKEP_COMMAND_ready}, "ready {}");
    assert_printed(
        &(struct skep_command){.id = SKEP_COMMAND_connection, .connection = {.connection = 7, .listener = 1}},
        "connection {connection: 7, listener: 1}");
    struct skep_command stop = {.id = SKEP_COMMAND_stop};
    assert_printed(&stop, "stop {}");
    SKEP_SET(stop, &stop.stop, now, true);
    assert_printed(&stop, "stop {now: true}");
    SKEP_SET(stop, &stop.stop, now, false);
    assert_printed(&stop, "stop {now: false}");
}

static void test_bytes_are_shown_by_size(void **state) {
    (void)state;
    struct skep_command message = {.id = SKEP_COMMAND_message, .message.name = {"hi", 2}};
    SKEP_SET(message, &message.message, data, ((struct skep_bytes){"\x1b[2J secret", 11}));
    SKEP_SET(message, &message.message, request, UINT64_MAX);
    assert_printed(&message, "message {name: \"hi\", data: 11 bytes, request: 18446744073709551615}");
}

static void test_lists_are_shown_by_count(void **state) {
    (void)state;
    struct skep_frame items = {0};
    assert_int_equal(skep__list_add(&items, "secret", 6), SKEP_OK);
    struct skep_command completed = {.id = SKEP_COMMAND_completed, .completed.delivery = 9};
    SKEP_SET(completed, &completed.completed, results, skep__list_of(&items, 1));
    assert_printed(&completed, "completed {delivery: 9, results: 1 items}");
    skep__frame_free(&items);
}

static void print_name(const char *data, size_t size_bytes, char *text, size_t capacity_bytes) {
    struct skep_command command = {.id = SKEP_COMMAND_incrementCount, .incrementCount.name = {data, size_bytes}};
    skep__command_print(&command, text, capacity_bytes);
}

static void test_escapes(void **state) {
    (void)state;
    char text[256];
    print_name("a\x1b[31m\n\r\t\x7f\"\\", 12, text, sizeof text);
    assert_string_equal(text, "incrementCount {name: \"a\\x1b[31m\\x0a\\x0d\\x09\\x7f\\x22\\x5c\"}");
    print_name("caf\xc3\xa9\x00x", 7, text, sizeof text);
    assert_string_equal(text, "incrementCount {name: \"caf\\xc3\\xa9\\x00x\"}");
}

static void test_every_byte_is_safe(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char name = (char)c, text[256];
        print_name(&name, 1, text, sizeof text);
        for (const char *at = text; *at != '\0'; at++) assert_in_range((unsigned char)*at, 0x20, 0x7e);
    }
}

/* Every capacity gives the whole text's beginning, terminated, within the buffer (whose end a sanitizer watches). */
static void check_capacities(const struct skep_command *command) {
    static char whole[64 * 1024];
    size_t length = skep__command_print(command, whole, sizeof whole);
    assert_int_equal(length, strlen(whole));
    for (size_t capacity = 1; capacity <= length + 2; capacity += capacity < 400 ? 1 : 97) {
        char *text = (char *)sample_copy(whole, capacity);
        memset(text, '#', capacity);
        size_t written = skep__command_print(command, text, capacity);
        assert_int_equal(written, length < capacity ? length : capacity - 1);
        assert_int_equal(text[written], '\0');
        assert_memory_equal(text, whole, written);
        free(text);
    }
}

static void test_never_overflows(void **state) {
    (void)state;
    struct skep_command escaped = {.id = SKEP_COMMAND_undelivered, .undelivered.name = {"\x01\x02\x03", 3}};
    check_capacities(&escaped);
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        struct skep_command command = sample((enum skep_command_id)id, UINT32_MAX, SAMPLE_LARGEST);
        check_capacities(&command);
    }
}

static void test_no_room_at_all(void **state) {
    (void)state;
    char text = '#';
    assert_int_equal(skep__command_print(&(struct skep_command){.id = SKEP_COMMAND_ready}, &text, 0), 0);
    assert_int_equal(text, '#');
}

/* Whether a printed command shows a field; other fields' names may end as its does. */
static bool shows(const char *text, const char *name) {
    char first[64], later[64];
    snprintf(first, sizeof first, "{%s: ", name);
    snprintf(later, sizeof later, ", %s: ", name);
    return strstr(text, first) != NULL || strstr(text, later) != NULL;
}

/* Each field that is there is named; each that is not, is not. */
static void test_every_command_names_its_fields(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        const struct skep_spec *spec = skep__spec((enum skep_command_id)id);
        struct skep_command bare = sample((enum skep_command_id)id, 0, SAMPLE_SMALLEST);
        char text[4096];
        skep__command_print(&bare, text, sizeof text);
        assert_memory_equal(text, spec->name, spec->name_size_bytes);
        for (const struct skep_field *field = spec->fields; field->name != NULL; field++)
            assert_int_equal(shows(text, field->name), field->needed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_bytes_are_shown_by_size),
        cmocka_unit_test(test_lists_are_shown_by_count),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_every_byte_is_safe),
        cmocka_unit_test(test_never_overflows),
        cmocka_unit_test(test_no_room_at_all),
        cmocka_unit_test(test_every_command_names_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
