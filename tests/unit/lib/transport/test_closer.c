/* SPDX-License-Identifier: MIT
 * Closing behind the loop's back: on threads without signals, waited for as long as is fair, outliving their owner. */
#include "lib/pump.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "transport/closer.h"

/* Stands in the way of the system's, so that there may be no more threads. */
static bool no_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return no_threads ? EAGAIN : create(thread, attributes, run, argument);
}

struct bench {
    struct skep__closers closers; /* first member */
    sem_t go, unused;
    atomic_uint closed;
    pthread_t thread; /* of the latest closing */
    sigset_t blocked; /* there */
};

static void now_unused(struct skep__closers *closers) {
    sem_post(&((struct bench *)closers)->unused);
}

static void open_bench(struct bench *bench) {
    memset(bench, 0, sizeof *bench);
    sem_init(&bench->go, 0, 0);
    sem_init(&bench->unused, 0, 0);
    skep__closers_init(&bench->closers, now_unused);
}

static bool is_unused(struct bench *bench) {
    return sem_trywait(&bench->unused) == 0;
}

static void close_bench(struct bench *bench) {
    sem_destroy(&bench->go);
    sem_destroy(&bench->unused);
}

static void close_at_once(void *what) {
    struct bench *bench = what;
    bench->thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &bench->blocked);
    atomic_fetch_add(&bench->closed, 1);
}

static void close_when_told(void *what) {
    struct bench *bench = what;
    while (sem_wait(&bench->go) != 0) continue;
    atomic_fetch_add(&bench->closed, 1);
}

static void test_elsewhere(void **state) {
    struct bench bench;
    sigset_t after;
    (void)state;
    open_bench(&bench);
    skep__closers_start(&bench.closers, close_at_once, &bench);
    skep__closers_wait(&bench.closers, PUMP_PATIENCE_MS);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(atomic_load(&bench.closed), 1);
    assert_false(pthread_equal(bench.thread, pthread_self()));
    assert_true(sigismember(&bench.blocked, SIGTERM));
    assert_false(sigismember(&after, SIGTERM));
    skep__closers_release(&bench.closers);
    assert_true(is_unused(&bench));
    close_bench(&bench);
}

/* Those that hang hold neither the caller nor the others up. */
static void test_two_hang(void **state) {
    struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 2; i++) skep__closers_start(&bench.closers, close_when_told, &bench);
    for (unsigned i = 0; i < 50; i++) skep__closers_start(&bench.closers, close_at_once, &bench);
    for (unsigned i = 0; i < 1000 && atomic_load(&bench.closed) < 50; i++) skep__closers_wait(&bench.closers, 10);
    assert_int_equal(atomic_load(&bench.closed), 50);
    skep__closers_release(&bench.closers);
    sem_post(&bench.go);
    for (unsigned i = 0; i < 1000 && atomic_load(&bench.closed) < 51; i++) skep__closers_wait(&bench.closers, 10);
    assert_false(is_unused(&bench)); /* the other one uses it */
    sem_post(&bench.go);
    while (sem_wait(&bench.unused) != 0) continue;
    assert_int_equal(atomic_load(&bench.closed), 52);
    close_bench(&bench);
}

static void test_waiting_has_an_end(void **state) {
    struct bench bench;
    (void)state;
    open_bench(&bench);
    skep__closers_wait(&bench.closers, 60000); /* for nobody */
    skep__closers_start(&bench.closers, close_when_told, &bench);
    uint64_t since_ns = uv_hrtime();
    skep__closers_wait(&bench.closers, 1030);
    assert_true(uv_hrtime() - since_ns >= UINT64_C(1030) * 1000000);
    assert_int_equal(atomic_load(&bench.closed), 0);
    sem_post(&bench.go);
    skep__closers_wait(&bench.closers, PUMP_PATIENCE_MS);
    assert_int_equal(atomic_load(&bench.closed), 1);
    skep__closers_release(&bench.closers);
    assert_true(is_unused(&bench));
    close_bench(&bench);
}

/* Nothing is left undone for want of a thread. */
static void test_no_threads(void **state) {
    struct bench bench;
    (void)state;
    open_bench(&bench);
    no_threads = true;
    skep__closers_start(&bench.closers, close_at_once, &bench);
    no_threads = false;
    assert_int_equal(atomic_load(&bench.closed), 1);
    assert_true(pthread_equal(bench.thread, pthread_self()));
    skep__closers_release(&bench.closers);
    assert_true(is_unused(&bench));
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_two_hang),
        cmocka_unit_test(test_waiting_has_an_end),
        cmocka_unit_test(test_no_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
