/* SPDX-License-Identifier: MIT
 * A worker's link: descriptors that come with its messages are closed, whatever becomes of the messages. */
#include "hatch.h"

#include "life.h"

/* A worker without a process, and its end of the link. */
struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
    int link;
};

static void open_bench(struct bench *bench, struct pump *pump) {
    int ends[2];
    *bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, NULL)};
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    bench->child = hatch_child(bench->cluster, 0);
    bench->child->exited = true; /* nothing that could be killed */
    assert_int_equal(skep__link_pair(ends), SKEP_OK);
    bench->child->link = ends[0];
    bench->link = ends[1];
}

static void close_bench(struct bench *bench) {
    close(bench->link);
    close(bench->child->link);
    hatch_free_child(bench->child);
    hatch_free(bench->pump, &bench->cluster);
}

/* Sends a message with the only descriptor of a pipe's writing end, lets the broker read it; true if that has ended. */
static bool is_closed_after(struct bench *bench, const char *data, size_t size_bytes) {
    int pipes[2];
    char byte;
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(skep__link_send(bench->link, data, size_bytes, &pipes[1], 1), SKEP_OK);
    close(pipes[1]);
    assert_int_equal(skep__read_link(bench->child), SKEP_OK);
    bool closed = read(pipes[0], &byte, 1) == 0;
    close(pipes[0]);
    return closed;
}

static void test_descriptors_are_closed(void **state) {
    static const char ready[] = "\x81\xa3"
                                "cmd\xa5"
                                "ready";
    struct bench bench;
    open_bench(&bench, *state);
    bench.child->greeted = true;
    assert_true(is_closed_after(&bench, ready, sizeof ready - 1));
    assert_int_equal(bench.cluster->bad_frames, 0);
    assert_true(is_closed_after(&bench, "\xc1", 1));
    assert_int_equal(bench.cluster->bad_frames, 1);
    bench.child->discarding = true;
    assert_true(is_closed_after(&bench, ready, sizeof ready - 1));
    assert_true(is_closed_after(&bench, "\xc1", 1));
    assert_int_equal(bench.cluster->bad_frames, 1);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_descriptors_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
