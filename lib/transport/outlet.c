/* SPDX-License-Identifier: MIT
 * Adaptive frames: see outlet.h and docs/design.md. */
#include "transport/outlet.h"

#include <stdlib.h>

struct full_frame {
    STAILQ_ENTRY(full_frame) entry;
    struct skep_frame frame;
};

struct skep__outlet {
    struct skep__flush flush; /* first member */
    struct skep__outlet_options options;
    struct skep__port *port;
    struct skep_frame filling;
    STAILQ_HEAD(, full_frame) full; /* closed frames, older than the one being filled */
    size_t waiting_bytes;           /* in full and filling */
    bool under_way;                 /* a frame was sent; whether it has left is looked up when it matters */
    bool finished;                  /* nothing more is taken */
    bool tell_drained;              /* a callback is due when everything has been sent */
};

/* Whether a frame is under way; if so, frame_sent follows. */
static bool is_under_way(struct skep__outlet *outlet) {
    if (outlet->under_way) outlet->under_way = skep__port_is_sending(outlet->port, true);
    return outlet->under_way;
}

/* The frame is empty afterwards. */
static bool send_frame(struct skep__outlet *outlet, struct skep_frame *frame) {
    size_t size_bytes = frame->size_bytes;
    if (skep__port_send(outlet->port, frame) != SKEP_OK) {
        skep__flusher_mark(outlet->options.flusher, &outlet->flush); /* memory may be back on the next turn */
        return false;
    }
    outlet->under_way = true;
    outlet->waiting_bytes -= size_bytes;
    return true;
}

static bool next_frame(struct skep__outlet *outlet) {
    struct full_frame *oldest = STAILQ_FIRST(&outlet->full);
    if (oldest == NULL) return send_frame(outlet, &outlet->filling);
    if (!send_frame(outlet, &oldest->frame)) return false;
    STAILQ_REMOVE_HEAD(&outlet->full, entry);
    skep__frame_free(&oldest->frame);
    free(oldest);
    return true;
}

/* Behind a frame that is under way there is room for one that is full; others grow meanwhile. */
static bool may_send(struct skep__outlet *outlet) {
    if (!is_under_way(outlet)) return true;
    return !STAILQ_EMPTY(&outlet->full) && skep__port_has_room(outlet->port);
}

/* Without memory it stops, and is marked to go on. */
static void send_what_may(struct skep__outlet *outlet) {
    while (outlet->waiting_bytes > 0 && may_send(outlet) && next_frame(outlet)) continue;
}

static void flush_outlet(struct skep__flush *flush) {
    struct skep__outlet *outlet = (struct skep__outlet *)flush;
    send_what_may(outlet);
    if (!outlet->tell_drained || outlet->waiting_bytes > 0 || is_under_way(outlet)) return;
    outlet->tell_drained = false;
    if (outlet->options.drained != NULL) outlet->options.drained(outlet->options.context);
}

static void frame_sent(void *context) {
    struct skep__outlet *outlet = context;
    flush_outlet(&outlet->flush);
}

static void finished(void *context) {
    struct skep__outlet *outlet = context;
    if (outlet->options.finished != NULL) outlet->options.finished(outlet->options.context);
}

static void connected(void *context, const struct skep__peer *peer) {
    struct skep__outlet *outlet = context;
    if (outlet->options.connected != NULL) outlet->options.connected(outlet->options.context, peer);
}

static void disconnected(void *context, const struct skep__peer *peer) {
    struct skep__outlet *outlet = context;
    if (outlet->options.disconnected != NULL) outlet->options.disconnected(outlet->options.context, peer);
}

static void peer_refused(void *context, pid_t pid, uid_t uid) {
    struct skep__outlet *outlet = context;
    if (outlet->options.refused != NULL) outlet->options.refused(outlet->options.context, pid, uid);
}

int skep__outlet_new(struct skep__outlet **out, const struct skep__outlet_options *options) {
    static const struct skep__port_events events = {.sent = frame_sent,
                                                    .finished = finished,
                                                    .connected = connected,
                                                    .disconnected = disconnected,
                                                    .refused = peer_refused};
    struct skep__outlet *outlet = calloc(1, sizeof *outlet);
    if (outlet == NULL) return SKEP_ENOMEM;
    outlet->flush.flush = flush_outlet;
    outlet->options = *options;
    if (options->high_water_bytes == 0) outlet->options.high_water_bytes = SKEP_HIGH_WATER;
    STAILQ_INIT(&outlet->full);
    int status = skep__port_new(&outlet->port, options->hub, options->kind, &events, outlet);
    if (status == SKEP_OK) *out = outlet;
    else free(outlet);
    return status;
}

void skep__outlet_only(struct skep__outlet *outlet, pid_t pid) {
    skep__port_only(outlet->port, pid);
}

int skep__outlet_listen(struct skep__outlet *outlet, const char *url) {
    return skep__port_listen(outlet->port, url);
}

int skep__outlet_dial(struct skep__outlet *outlet, const char *url) {
    return skep__port_dial_soon(outlet->port, url);
}

/* Sets a frame aside that is large enough, so that the next begins. */
static int close_full_frame(struct skep__outlet *outlet) {
    if (outlet->filling.size_bytes < SKEP_FULL_FRAME) return SKEP_OK;
    struct full_frame *full = malloc(sizeof *full);
    if (full == NULL) return SKEP_ENOMEM;
    full->frame = outlet->filling;
    outlet->filling = (struct skep_frame){0};
    STAILQ_INSERT_TAIL(&outlet->full, full, entry);
    return SKEP_OK;
}

bool skep__outlet_has_room(struct skep__outlet *outlet) {
    bool has_room = outlet->waiting_bytes <= outlet->options.high_water_bytes;
    outlet->tell_drained = outlet->tell_drained || !has_room;
    return has_room;
}

size_t skep__outlet_waiting_bytes(const struct skep__outlet *outlet) {
    return outlet->waiting_bytes;
}

static int begin_add(struct skep__outlet *outlet) {
    if (outlet->finished) return SKEP_ECLOSED;
    return skep__outlet_has_room(outlet) ? close_full_frame(outlet) : SKEP_EAGAIN;
}

/* What has borrowed something leaves before what it was borrowed from may go away. */
static int send_lent(struct skep__outlet *outlet, size_t before_bytes) {
    int status = skep__port_send(outlet->port, &outlet->filling);
    outlet->filling.loans = NULL;
    if (status != SKEP_OK) {
        outlet->filling.size_bytes = before_bytes;
        return status;
    }
    outlet->waiting_bytes -= before_bytes;
    outlet->under_way = true;
    return SKEP_OK;
}

/* Packs into the frame that is being filled. */
static int pack(struct skep__outlet *outlet, const struct skep_command *command) {
    struct skep_loans loans;
    size_t before_bytes = outlet->filling.size_bytes;
    bool may_leave = STAILQ_EMPTY(&outlet->full) && !is_under_way(outlet);
    loans.count = 0;
    loans.size_bytes = 0;
    outlet->filling.loans = may_leave ? &loans : NULL;
    int status = skep__frame_add(&outlet->filling, command);
    if (status == SKEP_OK && loans.count > 0) return send_lent(outlet, before_bytes);
    outlet->filling.loans = NULL;
    outlet->waiting_bytes += outlet->filling.size_bytes - before_bytes;
    return status;
}

static int pack_and_mark(struct skep__outlet *outlet, const struct skep_command *command) {
    int status = pack(outlet, command);
    skep__flusher_mark(outlet->options.flusher, &outlet->flush);
    return status;
}

int skep__outlet_add(struct skep__outlet *outlet, const struct skep_command *command) {
    int status = begin_add(outlet);
    return status == SKEP_OK ? pack_and_mark(outlet, command) : status;
}

int skep__outlet_add_quietly(struct skep__outlet *outlet, const struct skep_command *command) {
    int status = begin_add(outlet);
    return status == SKEP_OK ? pack(outlet, command) : status;
}

int skep__outlet_add_answer(struct skep__outlet *outlet, const struct skep_command *command) {
    int status = outlet->finished ? SKEP_ECLOSED : close_full_frame(outlet);
    return status == SKEP_OK ? pack_and_mark(outlet, command) : status;
}

int skep__outlet_append(struct skep__outlet *outlet, const void *data, size_t size_bytes) {
    int status = begin_add(outlet);
    if (status != SKEP_OK) return status;
    status = skep__frame_append(&outlet->filling, data, size_bytes);
    if (status == SKEP_OK) outlet->waiting_bytes += size_bytes;
    skep__flusher_mark(outlet->options.flusher, &outlet->flush);
    return status;
}

bool skep__outlet_flush(struct skep__outlet *outlet) {
    if (skep__port_push(outlet->port)) send_what_may(outlet);
    if (outlet->waiting_bytes > 0 || outlet->tell_drained) skep__flusher_mark(outlet->options.flusher, &outlet->flush);
    return outlet->waiting_bytes == 0 && skep__port_push(outlet->port);
}

bool skep__outlet_finish(struct skep__outlet *outlet) {
    outlet->finished = skep__port_finish(outlet->port);
    return outlet->finished;
}

bool skep__outlet_is_empty(struct skep__outlet *outlet) {
    bool empty = outlet->waiting_bytes == 0 && !is_under_way(outlet);
    outlet->tell_drained = outlet->tell_drained || !empty;
    return empty;
}

void skep__outlet_free(struct skep__outlet **out) {
    struct skep__outlet *outlet = *out;
    if (outlet == NULL) return;
    skep__flusher_unmark(outlet->options.flusher, &outlet->flush);
    skep__port_free(&outlet->port);
    for (struct full_frame *full; (full = STAILQ_FIRST(&outlet->full)) != NULL;) {
        STAILQ_REMOVE_HEAD(&outlet->full, entry);
        skep__frame_free(&full->frame);
        free(full);
    }
    skep__frame_free(&outlet->filling);
    free(outlet);
    *out = NULL;
}
