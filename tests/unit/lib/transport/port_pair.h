/* SPDX-License-Identifier: MIT
 * Two ports of one process that are connected. */
#ifndef SKEP_TESTS_PORT_PAIR_H
#define SKEP_TESTS_PORT_PAIR_H

#include "lib/pump.h"

#include "contract.h"
#include "transport/transport.h"

enum { CHUNK_BYTES = 256 * 1024, SENT_AT_MOST = 256, /* chunks; far more than may be on the way */ MOVING = 16 };

struct side {
    struct skep__port *port;
    unsigned received, sent, wrong;
    size_t last_bytes;
    char last[64];
    struct skep__peer peer;
    unsigned numbers; /* messages that carried the number that was due */
};

static inline void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct side *side = context;
    unsigned number = 0;
    memcpy(side->last, data, size_bytes < sizeof side->last ? size_bytes : sizeof side->last);
    if (size_bytes >= sizeof number) memcpy(&number, data, sizeof number);
    side->numbers += number == side->received;
    side->received++;
    side->last_bytes = size_bytes;
    side->peer = *peer;
}

static inline void sent(void *context) {
    ((struct side *)context)->sent++;
}

static const struct skep__port_events events = {.received = received, .sent = sent};

struct pair {
    struct skep__hub *hub;
    struct side from, to;
};

static inline struct pair open_pair(struct pump *pump, enum skep__port_kind from, enum skep__port_kind to) {
    struct pair pair = {.hub = NULL};
    assert_int_equal(skep__hub_new(&pair.hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.from.port, pair.hub, from, &events, NULL), SKEP_OK);
    assert_int_equal(skep__port_new(&pair.to.port, pair.hub, to, &events, NULL), SKEP_OK);
    return pair;
}

/* A pair whose events find it. */
static inline void open_on(struct skep__hub *hub, struct pair *pair) {
    *pair = (struct pair){.hub = hub};
    assert_int_equal(skep__port_new(&pair->from.port, hub, SKEP__PORT_PUSH, &events, &pair->from), SKEP_OK);
    assert_int_equal(skep__port_new(&pair->to.port, hub, SKEP__PORT_PULL, &events, &pair->to), SKEP_OK);
}

static inline void open_connected(struct pump *pump, struct pair *pair, bool dial_from) {
    struct skep__hub *hub = NULL;
    assert_int_equal(skep__hub_new(&hub, &pump->loop), SKEP_OK);
    open_on(hub, pair);
    assert_int_equal(skep__port_listen(dial_from ? pair->to.port : pair->from.port, pump->url), SKEP_OK);
    assert_int_equal(skep__port_dial(dial_from ? pair->from.port : pair->to.port, pump->url), SKEP_OK);
}

static inline void close_pair(struct pair *pair) {
    skep__port_free(&pair->from.port);
    skep__port_free(&pair->to.port);
    assert_null(pair->from.port);
    skep__port_free(&pair->from.port);
    skep__hub_free(&pair->hub);
    assert_null(pair->hub);
    skep__hub_free(&pair->hub);
}

static inline int send_bytes(struct skep__port *port, const void *data, size_t size_bytes) {
    struct skep_frame frame = {0};
    int status = skep__frame_append(&frame, data, size_bytes);
    if (status == SKEP_OK) status = skep__port_send(port, &frame);
    skep__frame_free(&frame);
    return status;
}

static inline void send_and_wait(struct pump *pump, struct pair *pair, const void *data, size_t size_bytes) {
    unsigned before = pair->to.received;
    assert_int_equal(send_bytes(pair->from.port, data, size_bytes), SKEP_OK);
    PUMP_UNTIL(pump, pair->to.received > before && !skep__port_is_sending(pair->from.port, true));
}

/* NNG 1.5 may never finish with a connection that ends while a frame is in the middle of it: these tests let it come to
 * rest. */
static inline void let_rest(struct pump *pump) {
    uint64_t since_ms = uv_now(&pump->loop);
    PUMP_LOOK_UNTIL(pump, uv_now(&pump->loop) - since_ms > 100);
}

/* What is sent while a connection ends may be lost with it. */
static inline bool send_again(struct pair *pair) {
    if (!skep__port_is_sending(pair->from.port, true))
        assert_int_equal(send_bytes(pair->from.port, "next", 4), SKEP_OK);
    return true;
}

#endif
