/* SPDX-License-Identifier: MIT
 * A loop under test, a folder for its sockets, and waiting with a deadline. */
#ifndef SKEP_TESTS_PUMP_H
#define SKEP_TESTS_PUMP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { PUMP_PATIENCE_MS = 10000, PUMP_LOOK_MS = 5 };

struct pump {
    uv_loop_t loop;
    uv_timer_t timer;
    char dir[48];
    char url[80]; /* of a socket in it */
};

static inline void pump_expired(uv_timer_t *timer) {
    (void)timer;
}

static inline void pump_turn(struct pump *pump, uint64_t deadline_ns, uint64_t look_ms, const char *what) {
    uint64_t now_ns = uv_hrtime();
    if (now_ns >= deadline_ns) fail_msg("waited in vain for: %s", what);
    uv_update_time(&pump->loop);
    uv_timer_start(&pump->timer, pump_expired, look_ms != 0 ? look_ms : (deadline_ns - now_ns) / 1000000 + 1, 0);
    uv_run(&pump->loop, UV_RUN_ONCE);
    uv_timer_stop(&pump->timer);
}

/* Runs the loop until something is so. */
#define PUMP_UNTIL(pump, condition)                                                                 \
    for (uint64_t deadline_ns_ = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000); !(condition);) \
    pump_turn(pump, deadline_ns_, 0, #condition)

/* The same for what does not wake the loop: looks every few milliseconds. */
#define PUMP_LOOK_UNTIL(pump, condition)                                                            \
    for (uint64_t deadline_ns_ = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000); !(condition);) \
    pump_turn(pump, deadline_ns_, PUMP_LOOK_MS, #condition)

/* Turns of the loop that wait for nothing. */
static inline void pump_turns(struct pump *pump, unsigned count) {
    for (unsigned i = 0; i < count; i++) uv_run(&pump->loop, UV_RUN_NOWAIT);
}

/* The loop stands still: what it does in place of turning takes this long. */
static inline void pump_stall(unsigned ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0) continue;
}

static inline int pump_setup(void **state) {
    struct pump *pump = calloc(1, sizeof *pump);
    if (pump == NULL || uv_loop_init(&pump->loop) != 0) return -1;
    uv_timer_init(&pump->loop, &pump->timer);
    snprintf(pump->dir, sizeof pump->dir, "/tmp/skep-test-XXXXXX");
    if (mkdtemp(pump->dir) == NULL) return -1;
    snprintf(pump->url, sizeof pump->url, "ipc://%s/socket", pump->dir);
    *state = pump;
    return 0;
}

static inline void pump_remove(const char *dir) {
    DIR *entries = opendir(dir);
    if (entries == NULL) return;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
    rmdir(dir);
}

/* The test has freed what it made: nothing of it may be left in the loop. */
static inline int pump_teardown(void **state) {
    struct pump *pump = *state;
    uv_close((uv_handle_t *)&pump->timer, NULL);
    uv_run(&pump->loop, UV_RUN_NOWAIT);
    pump_turns(pump, 2);
    int left = uv_loop_close(&pump->loop);
    if (left != 0) uv_print_all_handles(&pump->loop, stderr);
    pump_remove(pump->dir);
    free(pump);
    return left == 0 ? 0 : -1;
}

#define PUMP_TEST(function) cmocka_unit_test_setup_teardown(function, pump_setup, pump_teardown)

#endif
