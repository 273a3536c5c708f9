/* SPDX-License-Identifier: MIT
 * A primary under test: its directory, the record of its events, and waiting for them with a deadline. Assertions stand
 * outside of callbacks only: a failed one jumps out of the test, and shall not jump out of the loop. */
#ifndef SKEP_TESTS_HIVE_H
#define SKEP_TESTS_HIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <skep/cluster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HIVE_PATIENCE_MS = 10000, HIVE_LOOK_MS = 5 };

/* An event as it was seen, its strings copied */
struct seen {
    enum skep_event_kind kind;
    uint32_t worker; /* 0: none */
    int code, signal, address_type, fd;
    uint16_t port;
    uint64_t uptime_ms, request;
    int64_t delay_ms;
    size_t size_bytes;
    bool connected, dead; /* the worker, when the event came */
    int after_disconnect;
    char state[16];
    uint32_t step, steps, requests;
    char phase[16], reason[256], url[256], address[128], name[72], group[72];
    char text[256]; /* the beginning of a message's data */
};

struct hive {
    skep_cluster *cluster;
    uv_timer_t timer;
    struct seen *log;
    size_t count, capacity;
    bool quiet; /* messages are not recorded */
    char dir[48];
};

/* --- the record --- */

static inline void hive_copy(char *to, size_t capacity_bytes, const char *from) {
    snprintf(to, capacity_bytes, "%s", from != NULL ? from : "");
}

static inline struct seen *hive_new_entry(struct hive *hive) {
    if (hive->count == hive->capacity) {
        hive->capacity = hive->capacity > 0 ? hive->capacity * 2 : 64;
        hive->log = realloc(hive->log, hive->capacity * sizeof *hive->log);
        if (hive->log == NULL) abort();
    }
    return &hive->log[hive->count++];
}

static inline void hive_see_child(struct seen *seen, const skep_child *child) {
    seen->worker = skep_child_id(child);
    seen->connected = skep_child_is_connected(child);
    seen->dead = skep_child_is_dead(child);
    seen->after_disconnect = skep_child_exited_after_disconnect(child);
    hive_copy(seen->state, sizeof seen->state, skep_child_state(child));
}

static inline void hive_see(skep_cluster *cluster, const skep_event *event, void *context) {
    struct hive *hive = context;
    (void)cluster;
    if (hive->quiet && event->kind == SKEP_EVENT_MESSAGE) return;
    struct seen *seen = hive_new_entry(hive);
    *seen = (struct seen){.kind = event->kind,
                          .code = event->code,
                          .signal = event->signal,
                          .address_type = event->address_type,
                          .fd = event->fd,
                          .port = event->port,
                          .uptime_ms = event->uptime_ms,
                          .request = event->request,
                          .requests = event->requests,
                          .delay_ms = event->delay_ms,
                          .step = event->step,
                          .steps = event->steps,
                          .size_bytes = event->size_bytes};
    if (event->child != NULL) hive_see_child(seen, event->child);
    hive_copy(seen->phase, sizeof seen->phase, event->phase);
    hive_copy(seen->reason, sizeof seen->reason, event->reason);
    hive_copy(seen->url, sizeof seen->url, event->url);
    hive_copy(seen->address, sizeof seen->address, event->address);
    hive_copy(seen->name, sizeof seen->name, event->name);
    hive_copy(seen->group, sizeof seen->group, event->group);
    size_t text_bytes = event->size_bytes < sizeof seen->text ? event->size_bytes : sizeof seen->text - 1;
    if (text_bytes > 0) memcpy(seen->text, event->data, text_bytes);
}

/* How many events of a kind were seen, of one worker or (0) of all. */
static inline size_t hive_count(const struct hive *hive, enum skep_event_kind kind, uint32_t worker) {
    size_t count = 0;
    for (size_t i = 0; i < hive->count; i++)
        count += hive->log[i].kind == kind && (worker == 0 || hive->log[i].worker == worker);
    return count;
}

/* The first event of a kind; NULL if there was none. */
static inline const struct seen *hive_find(const struct hive *hive, enum skep_event_kind kind, uint32_t worker) {
    for (size_t i = 0; i < hive->count; i++)
        if (hive->log[i].kind == kind && (worker == 0 || hive->log[i].worker == worker)) return &hive->log[i];
    return NULL;
}

/* The first message of a name. */
static inline const struct seen *hive_message(const struct hive *hive, uint32_t worker, const char *name) {
    for (size_t i = 0; i < hive->count; i++) {
        const struct seen *seen = &hive->log[i];
        if (seen->kind != SKEP_EVENT_MESSAGE || strcmp(seen->name, name) != 0) continue;
        if (worker == 0 || seen->worker == worker) return seen;
    }
    return NULL;
}

static inline size_t hive_messages(const struct hive *hive, uint32_t worker, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < hive->count; i++) {
        const struct seen *seen = &hive->log[i];
        count += seen->kind == SKEP_EVENT_MESSAGE && strcmp(seen->name, name) == 0 &&
                 (worker == 0 || seen->worker == worker);
    }
    return count;
}

static inline void hive_print(const struct hive *hive) {
    for (size_t i = 0; i < hive->count; i++) {
        const struct seen *seen = &hive->log[i];
        print_message("  worker %u: %s %s%s%s %s code %d signal %d\n", seen->worker, skep_event_name(seen->kind),
                      seen->name, seen->reason, seen->url, seen->text, seen->code, seen->signal);
    }
}

/* --- waiting --- */

static inline uint64_t hive_deadline_ns(void) {
    return uv_hrtime() + HIVE_PATIENCE_MS * UINT64_C(1000000);
}

static inline void hive_tick(uv_timer_t *timer) {
    (void)timer;
}

static inline void hive_turn(struct hive *hive, uint64_t deadline_ns, uint64_t repeat_ms, const char *what) {
    uint64_t now_ns = uv_hrtime();
    if (now_ns >= deadline_ns) {
        hive_print(hive);
        fail_msg("waited in vain for: %s", what);
    }
    uv_update_time(skep_cluster_loop(hive->cluster));
    uv_timer_start(&hive->timer, hive_tick, repeat_ms != 0 ? repeat_ms : (deadline_ns - now_ns) / 1000000 + 1, 0);
    uv_run(skep_cluster_loop(hive->cluster), UV_RUN_ONCE);
    uv_timer_stop(&hive->timer);
}

/* Runs the loop until something is so that an event brings about. */
#define HIVE_UNTIL(hive, condition) \
    for (uint64_t deadline_ns_ = hive_deadline_ns(); !(condition);) hive_turn(hive, deadline_ns_, 0, #condition)

/* The same for what brings no event: looks every few milliseconds. */
#define HIVE_LOOK_UNTIL(hive, condition)                            \
    for (uint64_t deadline_ns_ = hive_deadline_ns(); !(condition);) \
    hive_turn(hive, deadline_ns_, HIVE_LOOK_MS, #condition)

static inline void hive_stop_in_vain(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

/* Runs the loop until nothing keeps it: every worker is gone and every event was told. */
static inline void hive_run_dry(struct hive *hive) {
    uv_timer_start(&hive->timer, hive_stop_in_vain, HIVE_PATIENCE_MS, 0);
    uv_unref((uv_handle_t *)&hive->timer);
    assert_int_equal(skep_cluster_run(hive->cluster), SKEP_OK);
    bool in_vain = !uv_is_active((uv_handle_t *)&hive->timer);
    uv_ref((uv_handle_t *)&hive->timer);
    uv_timer_stop(&hive->timer);
    if (in_vain) hive_print(hive);
    assert_false(in_vain);
}

/* --- beginning and ending --- */

static inline void hive_listen(struct hive *hive) {
    for (enum skep_event_kind kind = 0; kind < SKEP_EVENT_KINDS; kind++)
        assert_int_equal(skep_on(hive->cluster, kind, hive_see, hive), SKEP_OK);
}

/* A primary with settings (NULL: none), its directory aside. */
static inline void hive_start(struct hive *hive, const skep_settings *settings) {
    skep_settings own = settings != NULL ? *settings : (skep_settings){0};
    assert_int_equal(skep_cluster_new(&hive->cluster, NULL), SKEP_OK);
    uv_timer_init(skep_cluster_loop(hive->cluster), &hive->timer);
    hive_listen(hive);
    own.dir = hive->dir;
    assert_int_equal(skep_setup_primary(hive->cluster, &own), SKEP_OK);
}

/* Forks a worker that plays a role of roles.h, with one more variable (NULL: none). */
static inline skep_child *hive_fork(struct hive *hive, const char *role, const char *variable) {
    char text[64];
    skep_child *child = NULL;
    snprintf(text, sizeof text, "SKEP_TEST_ROLE=%s", role);
    int status = skep_fork(hive->cluster, (const char *const[]){text, variable, NULL}, &child);
    if (status != SKEP_OK) fail_msg("fork: %s", skep_cluster_why(hive->cluster));
    return child;
}

/* The same, and waits until it is ready. */
static inline skep_child *hive_fork_ready(struct hive *hive, const char *role, const char *variable) {
    skep_child *child = hive_fork(hive, role, variable);
    uint32_t id = skep_child_id(child);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, id) != NULL);
    return child;
}

/* Files in a directory other than the lock; -1: there is no such directory. */
static inline int hive_files(const char *dir) {
    int count = 0;
    DIR *entries = opendir(dir);
    if (entries == NULL) return -1;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;)
        count += e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0;
    closedir(entries);
    return count;
}

static inline void hive_end(struct hive *hive) {
    if (hive->cluster == NULL) return;
    uv_close((uv_handle_t *)&hive->timer, NULL);
    skep_cluster_free(&hive->cluster);
}

/* For cmocka_unit_test_setup_teardown: *state is the hive, which the test starts. */
static inline int hive_setup(void **state) {
    struct hive *hive = calloc(1, sizeof *hive);
    if (hive == NULL) return -1;
    snprintf(hive->dir, sizeof hive->dir, "/tmp/skep-test-XXXXXX");
    *state = hive;
    return mkdtemp(hive->dir) != NULL ? 0 : -1;
}

/* Ends what the test left, and sees that no file stays. */
static inline int hive_teardown(void **state) {
    struct hive *hive = *state;
    char lock[64];
    hive_end(hive);
    int left = hive_files(hive->dir);
    snprintf(lock, sizeof lock, "%s/lock", hive->dir);
    unlink(lock);
    bool removed = rmdir(hive->dir) == 0;
    free(hive->log);
    free(hive);
    return left == 0 && removed ? 0 : -1;
}

#define HIVE_TEST(function) cmocka_unit_test_setup_teardown(function, hive_setup, hive_teardown)

#endif
