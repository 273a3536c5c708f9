/* SPDX-License-Identifier: MIT
 * Replays the seed corpora of tests/fuzz through the fuzzers' own checks, with whatever compiler there is. */
#include <dirent.h>
#include <stdio.h>

#include "proto/sample.h"

#define LLVMFuzzerTestOneInput fuzz_frame
#define must must_frame
#define check_print check_frame_print
#include "../../fuzz/fuzz_frame.c"
#undef LLVMFuzzerTestOneInput
#undef must
#undef check_print
#define LLVMFuzzerTestOneInput fuzz_url
#include "../../fuzz/fuzz_url.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_histogram
#define must must_histogram
#include "../../fuzz/fuzz_histogram.c"
#undef LLVMFuzzerTestOneInput
#undef must

typedef int (*fuzzer)(const uint8_t *data, size_t size_bytes);

static void replay_file(const char *path, fuzzer fuzz) {
    static uint8_t data[64 * 1024];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size_bytes = fread(data, 1, sizeof data, file);
    assert_int_equal(fclose(file), 0);
    uint8_t *copy = sample_copy(data, size_bytes);
    print_message("%s\n", path); /* the last one printed is the one that aborts */
    assert_int_equal(fuzz(copy, size_bytes), 0);
    free(copy);
}

static unsigned replay_folder(const char *folder, fuzzer fuzz) {
    unsigned count = 0;
    DIR *entries = opendir(folder);
    if (entries == NULL) fail_msg("cannot open %s", folder);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        replay_file(path, fuzz);
        count++;
    }
    closedir(entries);
    return count;
}

static void replay(const char *name, fuzzer fuzz, unsigned at_least) {
    const char *source = getenv("SKEP_SOURCE");
    char folder[2048];
    if (source == NULL) skip();
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source, name);
    assert_true(replay_folder(folder, fuzz) >= at_least);
}

static void test_frames(void **state) {
    (void)state;
    replay("frame", fuzz_frame, SKEP_COMMAND_COUNT); /* a seed for each command at least */
}

static void test_urls(void **state) {
    (void)state;
    replay("url", fuzz_url, 10);
}

static void test_histograms(void **state) {
    (void)state;
    replay("histogram", fuzz_histogram, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_frames), cmocka_unit_test(test_histograms),
                                       cmocka_unit_test(test_urls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
