/* SPDX-License-Identifier: MIT
 * Notices to workers when there is no memory: a worker is asked to leave, not killed. */
#include "broker/shortage.h"

#include <sys/socket.h>

static unsigned count_notices(int link) {
    char bytes[256];
    unsigned count = 0;
    while (recv(link, bytes, sizeof bytes, MSG_DONTWAIT) > 0) count++;
    return count;
}

static skep_child *open_child(skep_cluster *cluster, int ends[2]) {
    skep_child *child = hatch_child(cluster, 0);
    assert_int_equal(skep__link_pair(ends), SKEP_OK);
    child->link = ends[0];
    child->process->link_events = UV_READABLE; /* nobody polls it */
    child->exited = true;                      /* nobody is to be killed */
    return child;
}

static void close_child(skep_child *child, const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
    hatch_free_child(child);
}

static void test_a_notice_is_worth_the_reserve(void **state) {
    struct pump *pump = *state;
    int ends[2];
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    skep_child *child = open_child(cluster, ends);
    struct skep_command drain = {.id = SKEP_COMMAND_drain};
    drain.drain.has = 0;
    shortage_begin(cluster);
    skep__tell(child, &drain);
    shortage_end();
    assert_null(cluster->memory.block);
    assert_null(child->reason);
    assert_int_equal(count_notices(ends[1]), 1);
    close_child(child, ends);
    hatch_free(pump, &cluster);
}

static void test_a_notice_without_any_memory(void **state) {
    struct pump *pump = *state;
    int ends[2];
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    skep_child *child = open_child(cluster, ends);
    struct skep_command drain = {.id = SKEP_COMMAND_drain};
    drain.drain.has = 0;
    scarce_has = scarce_nothing;
    int status = skep__notify(child, &drain, -1);
    scarce_has = NULL;
    assert_int_equal(status, SKEP_ENOMEM);
    assert_int_equal(child->taker->notice_count, 0);
    assert_int_equal(count_notices(ends[1]), 0);
    close_child(child, ends);
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(test_a_notice_is_worth_the_reserve),
        SHORTAGE_TEST(test_a_notice_without_any_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
