/* SPDX-License-Identifier: MIT
 * What workers write, as a primary hears it by skep_on_log. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

/* --- workers --- */

static void write_and_exit(skep_worker *worker) {
    (void)worker;
    static const char out[] = "one\n\0two\nno end";
    static char long_line[5000];
    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\n';
    if (write(1, out, sizeof out - 1) < 0 || write(2, long_line, sizeof long_line) < 0) _exit(ROLE_BROKEN);
    _exit(7);
}

/* It hears what it wrote: the descriptors are pipes of its own. */
static void write_on(skep_worker *worker) {
    char text[64] = "", link[64];
    ssize_t n = readlink("/proc/self/fd/1", link, sizeof link - 1);
    if (n > 0) snprintf(text, sizeof text, "%.*s", n > 4 ? 4 : (int)n, link);
    role_tell(worker, "stdout", text);
    if (write(1, "here\n", 5) != 5) _exit(ROLE_BROKEN);
}

static const struct role roles[] = {{"exit", write_and_exit}, {"go-on", write_on}, {NULL, NULL}};

/* --- the primary --- */

enum { LINES = 8 };

struct record {
    struct hive *hive;
    skep_log_line lines[LINES];
    char text[LINES][16];
    uint32_t workers[LINES];
    size_t count;
    size_t exits_before; /* events of exits that had come with the last line */
};

static void see(skep_cluster *cluster, const skep_log_line *line, void *context) {
    (void)cluster;
    struct record *record = context;
    if (record->count == LINES) return;
    size_t shown = line->size_bytes < sizeof record->text[0] ? line->size_bytes : sizeof record->text[0];
    memcpy(record->text[record->count], line->data, shown);
    record->workers[record->count] = skep_child_id(line->child);
    record->lines[record->count++] = *line;
    record->exits_before = hive_count(record->hive, SKEP_EVENT_EXIT, 0);
}

static const skep_log_line *find(const struct record *record, const char *text, size_t size_bytes) {
    for (size_t i = 0; i < record->count; i++)
        if (record->lines[i].size_bytes == size_bytes && memcmp(record->text[i], text, size_bytes) == 0)
            return &record->lines[i];
    return NULL;
}

static void test_lines_come_before_the_exit(void **state) {
    struct hive *hive = *state;
    struct record record = {.hive = hive};
    hive_start(hive, &(skep_settings){.capture = true});
    skep_on_log(hive->cluster, see, &record);
    skep_child *child = hive_fork(hive, "exit", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 7);
    assert_int_equal(record.count, 4);
    assert_int_equal(record.exits_before, 0);
    const skep_log_line *one = find(&record, "one", 3);
    assert_non_null(one);
    assert_int_equal(one->stream, 1);
    assert_true(one->time_ms > 1500000000000u);
    assert_ptr_equal(one->child, child);
    assert_non_null(find(&record, "\0two", 4));
    assert_non_null(find(&record, "no end", 6));
    for (size_t i = 0; i < record.count; i++)
        if (record.lines[i].stream == 2) {
            assert_int_equal(record.lines[i].size_bytes, 4096);
            assert_int_equal(record.lines[i].cut_bytes, 4999 - 4096);
        }
}

static void expect_stdout(struct hive *hive, uint32_t worker, const char *text) {
    HIVE_UNTIL(hive, hive_message(hive, worker, "stdout") != NULL);
    assert_string_equal(hive_message(hive, worker, "stdout")->text, text);
}

/* silent and descriptors of one's own come first. */
static void test_who_is_captured(void **state) {
    struct hive *hive = *state;
    struct record record = {.hive = hive};
    hive_start(hive, &(skep_settings){.capture = true});
    skep_on_log(hive->cluster, see, &record);
    hive_fork(hive, "go-on", NULL);
    expect_stdout(hive, 1, "pipe");
    HIVE_LOOK_UNTIL(hive, record.count == 1);
    assert_int_equal(record.workers[0], 1);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.capture = true, .silent = true}), SKEP_OK);
    hive_fork(hive, "go-on", NULL);
    expect_stdout(hive, 2, "/dev");
    const int stdio[] = {-1, -1, -1};
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.capture = true, .stdio = stdio}), SKEP_OK);
    hive_fork(hive, "go-on", NULL);
    expect_stdout(hive, 3, "/dev");
    skep_on_log(hive->cluster, NULL, NULL);
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.capture = true}), SKEP_OK);
    hive_fork(hive, "exit", NULL);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 4) != NULL);
    assert_int_equal(record.count, 1);
}

/* With a worker that writes and a pipe that is full of it. */
static void test_freed_in_between(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){
                         .exec = "sh", .args = (const char *const[]){"-c", "echo x; exec yes", NULL}, .capture = true});
    struct record record = {.hive = hive};
    skep_on_log(hive->cluster, see, &record);
    hive_fork(hive, "", NULL);
    HIVE_LOOK_UNTIL(hive, record.count == LINES);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_lines_come_before_the_exit),
        HIVE_TEST(test_who_is_captured),
        HIVE_TEST(test_freed_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
