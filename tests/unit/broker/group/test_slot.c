/* SPDX-License-Identifier: MIT
 * Places for workers. */
#include "broker/hatch.h"

static void test_the_lowest_free_place(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    struct skep__slot *slots[3], *slot;
    skep_child *child = hatch_child(cluster, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slots[i]), SKEP_OK);
        assert_int_equal(slots[i]->index, i);
        slots[i]->child = child;
        slots[i]->wanted = true;
    }
    skep__slot_give_up(slots[2]);
    slots[0]->child = NULL; /* its worker is to come */
    assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slot), SKEP_OK);
    assert_ptr_equal(slot, slots[2]);
    skep__slot_give_up(slots[0]);
    assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slot), SKEP_OK);
    assert_ptr_equal(slot, slots[0]);
    assert_int_equal(skep_cluster_group(cluster)->slot_count, 3);
    slots[1]->child = NULL;
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

static void test_environment_is_copied(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    struct skep__slot *slot;
    char variable[] = "A=1";
    const char *env[] = {variable, "B=2", NULL};
    assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slot), SKEP_OK);
    assert_int_equal(skep__slot_set_env(slot, env), SKEP_OK);
    variable[2] = '9';
    assert_string_equal(slot->env[0], "A=1");
    assert_string_equal(slot->env[1], "B=2");
    assert_null(slot->env[2]);
    assert_int_equal(skep__slot_set_env(slot, NULL), SKEP_OK);
    assert_null(slot->env[0]);
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_the_lowest_free_place),
        PUMP_TEST(test_environment_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
