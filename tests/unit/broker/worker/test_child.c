/* SPDX-License-Identifier: MIT
 * A worker's link: descriptors that come with its messages are closed, whatever becomes of the messages; its end is
 * seen, whatever was left unread. A worker that cannot be watched is not kept. */
#include "broker/hatch.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sys/wait.h>

#include "hive/private.h"
#include "worker/private.h"

/* Stands in the way of libuv's, so that the kernel may not be able to watch more: how many calls still succeed. */
static unsigned watches = UINT_MAX;

int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd) {
    int (*init)(uv_loop_t *, uv_poll_t *, int);
    *(void **)&init = dlsym(RTLD_NEXT, "uv_poll_init");
    return watches-- == 0 ? UV_ENOMEM : init(loop, poll, fd);
}

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
    if (bench->link >= 0) close(bench->link);
    if (bench->child->link >= 0) close(bench->child->link);
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

static const char ready[] = "\x81\xa3"
                            "cmd\xa5"
                            "ready";

static void test_descriptors_are_closed(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    bench.child->progress->hello_received = true;
    assert_true(is_closed_after(&bench, ready, sizeof ready - 1));
    assert_int_equal(bench.cluster->workers->bad_frames, 0);
    assert_true(is_closed_after(&bench, "\xc1", 1));
    assert_int_equal(bench.cluster->workers->bad_frames, 1);
    bench.child->discarding = true;
    assert_true(is_closed_after(&bench, ready, sizeof ready - 1));
    assert_true(is_closed_after(&bench, "\xc1", 1));
    assert_int_equal(bench.cluster->workers->bad_frames, 1);
    close_bench(&bench);
}

/* A worker that closes its end with messages unread leaves an error on the broker's. */
static void test_the_end_of_a_link_that_was_not_read(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    skep_child *child = bench.child;
    assert_int_equal(uv_poll_init(&bench.pump->loop, &child->process->link_poll, child->link), 0);
    child->process->link_poll.data = child;
    skep__link_send_waiting(child);
    child->progress->hello_received = true;
    struct skep_command drain = {.id = SKEP_COMMAND_drain, .drain = {.has = 0}};
    assert_int_equal(skep__notify(child, &drain, -1), SKEP_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(skep__link_send(bench.link, "\xc1", 1, NULL, 0), SKEP_OK); /* counted, if they are read */
    close(bench.link);
    bench.link = -1;
    PUMP_UNTIL(bench.pump, child->link < 0);
    assert_int_equal(bench.cluster->workers->bad_frames, 3);
    assert_int_equal(child->state, SKEP__CHILD_DRAINING);
    close_bench(&bench);
}

/* --- what the kernel cannot watch --- */

static unsigned count_descriptors(void) {
    unsigned count = 0;
    DIR *entries = opendir("/proc/self/fd");
    assert_non_null(entries);
    while (readdir(entries) != NULL) count++;
    closedir(entries);
    return count;
}

static void assert_not_forked(struct pump *pump, skep_cluster *cluster) {
    skep_child *child = NULL;
    unsigned before = count_descriptors();
    assert_int_equal(skep_fork(cluster, NULL, &child), SKEP_ENOMEM);
    pump_turns(pump, 2);
    assert_null(child);
    assert_int_equal(skep_child_count(cluster), 0);
    assert_int_equal(count_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Its outputs, inbox, process and link. */
static void test_a_worker_that_cannot_be_watched(void **state) {
    enum { WATCHED = 5 };
    struct pump *pump = *state;
    skep_settings settings = {.exec = "sleep", .args = (const char *const[]){"1000", NULL}, .capture = true};
    skep_cluster *cluster = hatch_cluster(pump, &settings);
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    for (unsigned i = 0; i < WATCHED; i++) {
        watches = i;
        assert_not_forked(pump, cluster);
    }
    watches = WATCHED;
    assert_int_equal(skep_fork(cluster, NULL, NULL), SKEP_OK);
    assert_int_equal(watches, 0);
    watches = UINT_MAX;
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_descriptors_are_closed),
        PUMP_TEST(test_the_end_of_a_link_that_was_not_read),
        PUMP_TEST(test_a_worker_that_cannot_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
