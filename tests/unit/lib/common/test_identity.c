/* SPDX-License-Identifier: MIT
 * Identity is read before main(), so each case is this program started again with another environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <skep/skep.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/identity.h"
#include "contract.h"

enum { LINE_BYTES = 160 };

/* What the program started again says: worker, generation, whether it is one, and what is left in the environment. */
static int tell(void) {
    const char *worker = getenv(SKEP_ENV_WORKER_ID), *generation = getenv(SKEP_ENV_GENERATION);
    printf("%u %" PRIu64 " %s %s %s\n", skep__identity_worker(), skep__identity_generation(),
           skep_is_worker() && !skep_is_primary() ? "worker" : "primary", worker != NULL ? worker : "-",
           generation != NULL ? generation : "-");
    return skep_is_worker() != skep_is_primary() ? 0 : 1;
}

static void ask(char *const *env, char line[LINE_BYTES]) {
    int output[2], status;
    pid_t pid;
    char *const args[] = {(char *)"test_identity", (char *)"tell", NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(output), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, args, env), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(output[1]);
    FILE *file = fdopen(output[0], "r");
    assert_non_null(fgets(line, LINE_BYTES, file));
    fclose(file);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void expect(const char *worker, const char *generation, const char *expected) {
    char line[LINE_BYTES], variables[2][64];
    char *env[3] = {NULL, NULL, NULL};
    size_t used = 0;
    snprintf(variables[0], sizeof variables[0], SKEP_ENV_WORKER_ID "=%s", worker != NULL ? worker : "");
    snprintf(variables[1], sizeof variables[1], SKEP_ENV_GENERATION "=%s", generation != NULL ? generation : "");
    if (worker != NULL) env[used++] = variables[0];
    if (generation != NULL) env[used++] = variables[1];
    ask(env, line);
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, expected);
}

static void test_primary(void **state) {
    (void)state;
    expect(NULL, NULL, "0 0 primary - -");
    expect(NULL, "3", "0 3 primary - -");
    assert_true(skep_is_primary());
    assert_false(skep_is_worker());
}

static void test_worker(void **state) {
    (void)state;
    expect("7", "12", "7 12 worker - -");
    expect("4294967295", "18446744073709551615", "4294967295 18446744073709551615 worker - -");
}

static void test_nonsense(void **state) {
    (void)state;
    expect("0", "", "0 0 primary - -");
    expect("", NULL, "0 0 primary - -");
    expect("many", "x", "0 0 primary - -");
    expect("4294967296", "1", "0 1 primary - -");
    expect("-1", NULL, "0 0 primary - -");
}

static void test_version(void **state) {
    (void)state;
    assert_string_equal(skep_version(), SKEP_VERSION);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "tell") == 0) return tell();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_primary),
        cmocka_unit_test(test_worker),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
