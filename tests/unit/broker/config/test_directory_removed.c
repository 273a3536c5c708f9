/* SPDX-License-Identifier: MIT
 * The instance's directory, removed while its broker runs. */
#include "broker/place.h"

/* A broker whose directory was removed leaves another one's alone, which has the same generation; it makes nothing
 * there, and says why. */
static void test_removed_and_made_again(void **state) {
    struct place first, second;
    char why[200];
    open_place(&first, *state, "twice");
    expect_taken(&first);
    assert_int_equal(skep__directory_check(first.cluster), SKEP_OK);
    make_socket(&first, "control.1");
    pump_remove(first.dir);
    assert_int_equal(skep__directory_check(first.cluster), SKEP_EDIR);
    snprintf(why, sizeof why, "%s: directory cannot be used: it was removed", first.dir);
    assert_string_equal(skep_cluster_why(first.cluster), why);

    open_place(&second, *state, "twice");
    expect_taken(&second);
    make_socket(&second, "control.1");
    assert_int_equal(skep__directory_check(first.cluster), SKEP_EDIR);
    snprintf(why, sizeof why, "%s: directory cannot be used: it was removed, and another one is in its place",
             first.dir);
    assert_string_equal(skep_cluster_why(first.cluster), why);
    first.cluster->directory->ephemeral = true;
    skep__directory_release(first.cluster);
    hatch_free(first.pump, &first.cluster);
    assert_true(exists(&second, "control.1"));
    assert_true(exists(&second, "lock"));
    assert_int_equal(skep__directory_check(second.cluster), SKEP_OK);
    skep__directory_release(second.cluster);
    assert_false(exists(&second, "control.1"));
    close_place(&second);
}

/* The directory is removed by another program, and stays its broker's. */
static void test_without_its_lock(void **state) {
    struct place place;
    char path[128];
    open_place(&place, *state, "unlocked");
    expect_taken(&place);
    make_socket(&place, "control.1");
    snprintf(path, sizeof path, "%s/lock", place.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(skep__directory_check(place.cluster), SKEP_OK);
    skep__directory_release(place.cluster);
    assert_false(exists(&place, "control.1"));
    close_place(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_removed_and_made_again),
        PUMP_TEST(test_without_its_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
