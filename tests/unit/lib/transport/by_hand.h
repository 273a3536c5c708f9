/* SPDX-License-Identifier: MIT
 * A peer by hand: a plain Unix socket, and whatever bytes a test wants it to send. */
#ifndef SKEP_TESTS_BY_HAND_H
#define SKEP_TESTS_BY_HAND_H

#include "lib/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "transport/loop.h"

static inline struct sockaddr_un hand_address(const struct pump *pump) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", pump->url + strlen("ipc://"));
    return address;
}

static inline int hand_socket(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_not_equal(fd, -1);
    return fd;
}

/* Turns that wait for nothing, though nothing else keeps the loop alive. */
static inline void hand_turns(struct pump *pump, unsigned count) {
    uv_timer_start(&pump->timer, pump_expired, PUMP_PATIENCE_MS, 0);
    pump_turns(pump, count);
    uv_timer_stop(&pump->timer);
}

/* Connected; nothing has been sent. */
static inline int hand_connect(const struct pump *pump) {
    struct sockaddr_un address = hand_address(pump);
    int fd = hand_socket();
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Does not wait in accept. */
static inline int hand_listen(const struct pump *pump) {
    struct sockaddr_un address = hand_address(pump);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static inline void hand_send(int fd, const void *data, size_t size_bytes) {
    for (size_t sent_bytes = 0; sent_bytes < size_bytes;) {
        ssize_t n = send(fd, (const char *)data + sent_bytes, size_bytes - sent_bytes, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent_bytes += (size_t)n;
    }
}

static inline void hand_greet(int fd, enum skep__sp_protocol protocol) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    skep__sp_greeting(greeting, protocol);
    hand_send(fd, greeting, sizeof greeting);
}

static inline void hand_head(int fd, uint64_t size_bytes) {
    unsigned char head[SKEP__SP_HEAD_BYTES];
    skep__sp_head(head, (size_t)size_bytes);
    hand_send(fd, head, sizeof head);
}

static inline void hand_frame(int fd, const void *body, size_t size_bytes) {
    hand_head(fd, size_bytes);
    hand_send(fd, body, size_bytes);
}

/* What has come, up to so much; 0 at the end of the connection, -1 if there is nothing now. */
static inline ssize_t hand_read(int fd, void *data, size_t size_bytes) {
    ssize_t n = recv(fd, data, size_bytes, MSG_DONTWAIT);
    return n < 0 && errno == ECONNRESET ? 0 : n;
}

/* Takes what has come, and forgets it. True at the end of the connection. */
static inline bool hand_has_ended(int fd) {
    char rest[4096];
    ssize_t n;
    while ((n = hand_read(fd, rest, sizeof rest)) > 0) continue;
    return n == 0;
}

/* Reads exactly so many bytes while the loop runs. */
static inline void hand_expect(struct pump *pump, int fd, void *data, size_t size_bytes) {
    size_t come_bytes = 0;
    ssize_t n = 1;
    uint64_t deadline_ns = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000);
    while (come_bytes < size_bytes && n != 0) {
        n = hand_read(fd, (char *)data + come_bytes, size_bytes - come_bytes);
        if (n > 0) come_bytes += (size_t)n;
        else if (n < 0) pump_turn(pump, deadline_ns, 1, "bytes from the peer");
    }
    assert_int_equal(come_bytes, size_bytes);
}

/* Reads a frame while the loop runs; its size. */
static inline size_t hand_expect_frame(struct pump *pump, int fd, void *body, size_t capacity_bytes) {
    unsigned char head[SKEP__SP_HEAD_BYTES];
    uint64_t size_bytes = 0;
    hand_expect(pump, fd, head, sizeof head);
    assert_int_equal(head[0], 1);
    for (unsigned i = 1; i < sizeof head; i++) size_bytes = size_bytes << 8 | head[i];
    assert_true(size_bytes <= capacity_bytes);
    hand_expect(pump, fd, body, (size_t)size_bytes);
    return (size_t)size_bytes;
}

/* Lets the hub's ticks follow each other at once: who is late for seconds is so for milliseconds. */
static inline void hand_hurry(struct skep__hub *common) {
    struct skep__loop_hub *hub = (struct skep__loop_hub *)common;
    if (!uv_is_active((uv_handle_t *)&hub->timer)) return;
    uv_timer_set_repeat(&hub->timer, 1);
    assert_int_equal(uv_timer_again(&hub->timer), 0);
}

/* Turns that the loop makes in a tenth of a second in which nothing happens: a few, unless it spins. */
static inline unsigned hand_count_turns(struct pump *pump) {
    uint64_t end_ns = uv_hrtime() + UINT64_C(100000000);
    unsigned turns = 0;
    uv_update_time(&pump->loop);
    uv_timer_start(&pump->timer, pump_expired, 200, 0);
    for (; uv_hrtime() < end_ns; turns++) uv_run(&pump->loop, UV_RUN_ONCE);
    uv_timer_stop(&pump->timer);
    return turns;
}

#endif
