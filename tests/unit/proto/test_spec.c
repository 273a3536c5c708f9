/* SPDX-License-Identifier: MIT
 * The command table itself, and that docs/protocol.md names everything in it. */
#include <stdio.h>

#include "proto/sample.h"

static unsigned count_fields(const struct skep_spec *spec) {
    unsigned count = 0;
    while (spec->fields[count].name != NULL) count++;
    return count;
}

static void check_field(const struct skep_field *field) {
    assert_int_equal(field->name_size_bytes, strlen(field->name));
    assert_in_range(field->name_size_bytes, 1, 31); /* one byte of header on the wire */
    assert_true(strcmp(field->name, "cmd") != 0);
    assert_true(strlen(field->doc) > 0);
    assert_true(field->type <= SKEP_TYPE_LIST);
    assert_true(field->limit > 0);
    if (field->type == SKEP_TYPE_BOOL) assert_int_equal(field->limit, 1);
    if (field->type == SKEP_TYPE_STR) assert_in_range(field->limit, 1, SKEP_MAX_PATH);
    if (field->type == SKEP_TYPE_BIN || field->type == SKEP_TYPE_LIST)
        assert_in_range(field->limit, 1, SKEP_MAX_PAYLOAD);
}

static void test_rows_are_sound(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        const struct skep_spec *spec = skep__spec((enum skep_command_id)id);
        assert_int_equal(spec->name_size_bytes, strlen(spec->name));
        assert_in_range(spec->name_size_bytes, 1, 31);
        assert_true(strlen(spec->doc) > 0 && strlen(spec->answer) > 0);
        assert_true(spec->channels != 0);
        assert_true(spec->channels < SKEP_CHANNELS_END);
        assert_true(count_fields(spec) <= 32); /* bits of has */
        for (const struct skep_field *field = spec->fields; field->name != NULL; field++) check_field(field);
    }
}

static void test_names_are_unique(void **state) {
    (void)state;
    for (unsigned a = 0; a < SKEP_COMMAND_COUNT; a++) {
        const struct skep_spec *spec = skep__spec((enum skep_command_id)a);
        for (unsigned b = 0; b < a; b++) assert_string_not_equal(spec->name, skep__spec((enum skep_command_id)b)->name);
        for (unsigned i = 0; i < count_fields(spec); i++)
            for (unsigned j = 0; j < i; j++) assert_string_not_equal(spec->fields[i].name, spec->fields[j].name);
    }
}

static bool ends_in(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* One job, one end: not how something is now. */
static bool is_a_record(enum skep_command_id id) {
    return id == SKEP_COMMAND_jobStatus || id == SKEP_COMMAND_exitStatus;
}

static void check_kind(enum skep_command_id id, unsigned at) {
    const struct skep_spec *spec = skep__spec(id);
    const struct skep_field *field = &spec->fields[at];
    bool is_wanted = ends_in(spec->name, "Status") && !is_a_record(id) && field->type == SKEP_TYPE_UINT;
    enum skep_kind kind = skep__kind(id, at);
    if (is_wanted != (kind != SKEP_KIND_UNKNOWN)) fail_msg("%s.%s: its row in kinds.def", spec->name, field->name);
    if (is_wanted && ends_in(field->doc, ", ever") && kind != SKEP_KIND_COUNTER)
        fail_msg("%s.%s: what is counted for ever is a counter", spec->name, field->name);
}

static void test_numbers_of_statuses_have_a_kind(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++)
        for (unsigned at = 0; skep__spec((enum skep_command_id)id)->fields[at].name != NULL; at++)
            check_kind((enum skep_command_id)id, at);
}

/* Fields do not overlap within their struct: each written, all read back. */
static void test_fields_have_places_of_their_own(void **state) {
    (void)state;
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        const struct skep_field *fields = skep__spec((enum skep_command_id)id)->fields;
        struct skep_command all = sample((enum skep_command_id)id, UINT32_MAX, SAMPLE_LARGEST);
        for (const struct skep_field *field = fields; field->name != NULL; field++) {
            struct skep_command one = sample((enum skep_command_id)id, 0, SAMPLE_SMALLEST);
            sample_fill_field(&one, field, SAMPLE_LARGEST);
            assert_true(sample_same_field(field, sample_place(&all, field), sample_place(&one, field)));
        }
    }
}

static void test_macros_agree_with_the_table(void **state) {
    (void)state;
    assert_string_equal(skep__spec(SKEP_COMMAND_hello)->name, "hello");
    assert_string_equal(skep__spec(SKEP_COMMAND_counterStatus)->name, "counterStatus");
    assert_string_equal(skep__spec(SKEP_COMMAND_message)->fields[SKEP_AT_message_toName].name, "toName");
    struct skep_command command = {.id = SKEP_COMMAND_message};
    assert_int_equal(SKEP_HAS(message, &command.message, toName), 0);
    SKEP_SET(message, &command.message, toName, ((struct skep_bytes){"x", 1}));
    assert_int_equal(SKEP_HAS(message, &command.message, toName), 1);
    assert_int_equal(command.message.has, 1u << SKEP_AT_message_toName);
}

static void test_channel_names(void **state) {
    (void)state;
    assert_string_equal(skep__channel_name(SKEP_CHANNEL_LINK_UP), "link up");
    for (unsigned a = 1; a < SKEP_CHANNELS_END; a <<= 1)
        for (unsigned b = 1; b < a; b <<= 1)
            assert_string_not_equal(skep__channel_name((enum skep_channel)a), skep__channel_name((enum skep_channel)b));
    assert_string_equal(skep__channel_name((enum skep_channel)SKEP_CHANNELS_END), "?");
}

/* --- docs/protocol.md --- */

/* The whole file, terminated; the caller frees. NULL if the sources are not there. */
static char *read_page(void) {
    const char *source = getenv("SKEP_SOURCE");
    char path[4096];
    if (source == NULL) return NULL;
    snprintf(path, sizeof path, "%s/docs/protocol.md", source);
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("cannot open %s", path);
    static const size_t capacity_bytes = 1024UL * 1024;
    char *page = calloc(1, capacity_bytes);
    assert_non_null(page);
    assert_true(fread(page, 1, capacity_bytes - 1, file) > 0);
    fclose(file);
    return page;
}

static void assert_named(const char *page, const char *name) {
    char quoted[128];
    snprintf(quoted, sizeof quoted, "`%s`", name);
    if (strstr(page, quoted) == NULL) fail_msg("docs/protocol.md does not name %s", quoted);
}

static void test_page_names_everything(void **state) {
    (void)state;
    char *page = read_page();
    if (page == NULL) skip();
    for (unsigned id = 0; id < SKEP_COMMAND_COUNT; id++) {
        const struct skep_spec *spec = skep__spec((enum skep_command_id)id);
        assert_named(page, spec->name);
        for (const struct skep_field *field = spec->fields; field->name != NULL; field++)
            assert_named(page, field->name);
    }
    static const char *const statuses[] = {
#define ERROR(name, value, exit_status, text) #name,
#include <skep/errors.def>
#undef ERROR
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) assert_named(page, statuses[i]);
    free(page);
}

static void test_page_states_limits(void **state) {
    (void)state;
    char *page = read_page();
    if (page == NULL) skip();
    static const struct {
        const char *before;
        int value;
        const char *after;
    } limits[] = {
        {"protocol version is **", SKEP_PROTOCOL, "**"},
        {"descriptor ", SKEP_LINK_FD, ""},
        {"descriptor ", SKEP_PAGE_FD, ""},
        {"| name | ", SKEP_MAX_NAME, " bytes |"},
        {"| URL | ", SKEP_MAX_URL, " bytes |"},
        {"| reason | ", SKEP_MAX_REASON, " bytes |"},
        {"| payload | ", SKEP_MAX_PAYLOAD, " bytes |"},
        {"| frame, received | ", SKEP_MAX_FRAME, " bytes |"},
        {"| frame, sent | ", SKEP_FULL_FRAME, " bytes |"},
        {"| nesting | ", SKEP_MAX_DEPTH, " levels |"},
        {"| list | ", SKEP_MAX_LIST, " items |"},
        {"| values | ", 2 * SKEP_MAX_LIST + 256, " in one command |"},
        {"| counters | ", SKEP_MAX_COUNTERS, " in one worker |"},
        {"| jobs shown | ", SKEP_MAX_PEEK, " in one answer |"},
        {"| payload shown | ", SKEP_MAX_SNIPPET, " bytes |"},
        {"| queues | ", SKEP_MAX_QUEUES, " in one broker |"},
        {"| histogram | ", SKEP_MAX_TIMES, " bytes |"},
        {"| page | ", SKEP_PAGE_BYTES, " bytes |"},
        {"| link message | ", SKEP_MAX_LINK, " bytes |"},
        {"| descriptors | ", SKEP_MAX_BATCH, " in one link message |"},
        {"| directory | ", SKEP_MAX_DIR, " bytes |"},
        {"exit status ", SKEP_EXIT_UNSTARTABLE, ""},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char wanted[128];
        snprintf(wanted, sizeof wanted, "%s%d%s", limits[i].before, limits[i].value, limits[i].after);
        if (strstr(page, wanted) == NULL) fail_msg("docs/protocol.md does not say: %s", wanted);
    }
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sound),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_numbers_of_statuses_have_a_kind),
        cmocka_unit_test(test_fields_have_places_of_their_own),
        cmocka_unit_test(test_macros_agree_with_the_table),
        cmocka_unit_test(test_channel_names),
        cmocka_unit_test(test_page_names_everything),
        cmocka_unit_test(test_page_states_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
