/* SPDX-License-Identifier: MIT
 * A sending end with adaptive frames: one frame is being filled, one is under way, and one that is full may follow it.
 * Commands packed in one iteration of the loop leave together at its end; while a frame is under way the next grows. */
#pragma once

#include "common/flusher.h"
#include "transport/transport.h"

enum { SKEP_HIGH_WATER = 4 * 1024 * 1024 /* bytes */ };

struct skep__outlet_options {
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    enum skep__port_kind kind;      /* PUSH or PUB */
    size_t high_water_bytes;        /* bytes that may wait before senders are told; 0: SKEP_HIGH_WATER */
    void (*drained)(void *context); /* everything has left, after SKEP_EAGAIN or a look at skep__outlet_is_empty */
    /* As in transport.h */
    void (*finished)(void *context);
    void (*connected)(void *context, const struct skep__peer *peer);
    void (*disconnected)(void *context, const struct skep__peer *peer);
    void (*refused)(void *context, pid_t pid, uid_t uid);
    void *context;
};

struct skep__outlet;

/* Errors: SKEP_ENOMEM, SKEP_ESYS. Free with skep__outlet_free. */
SKEP_MUST_USE int skep__outlet_new(struct skep__outlet **outlet, const struct skep__outlet_options *options);

/* As skep__port_only, skep__port_listen and skep__port_dial_soon */
void skep__outlet_only(struct skep__outlet *outlet, pid_t pid);
SKEP_MUST_USE int skep__outlet_listen(struct skep__outlet *outlet, const char *url);
SKEP_MUST_USE int skep__outlet_dial(struct skep__outlet *outlet, const char *url);

/* Packs a command. One with large fields leaves at once, if nothing is under way, with what was packed before it: its
 * fields are then written from where they lie, and copied only if the socket does not take all of it. Errors:
 * SKEP_EAGAIN (too much waits), SKEP_ETOOBIG, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__outlet_add(struct skep__outlet *outlet, const struct skep_command *command);

/* The same without SKEP_EAGAIN: for answers, whose number the other side bounds and which must not be lost. */
SKEP_MUST_USE int skep__outlet_add_answer(struct skep__outlet *outlet, const struct skep_command *command);

/* The same for a command that is in no hurry: it leaves with what comes next, or at skep__outlet_flush. */
SKEP_MUST_USE int skep__outlet_add_quietly(struct skep__outlet *outlet, const struct skep_command *command);

/* The same for commands that are packed already. */
SKEP_MUST_USE int skep__outlet_append(struct skep__outlet *outlet, const void *data, size_t size_bytes);

/* False if an add would fail with SKEP_EAGAIN; drained is called when everything has left then. */
bool skep__outlet_has_room(struct skep__outlet *outlet);

/* Bytes that have not left. */
size_t skep__outlet_waiting_bytes(const struct skep__outlet *outlet);

/* Sends now what the socket takes, instead of at the end of the iteration; what is left follows by itself. False if
 * something is. */
bool skep__outlet_flush(struct skep__outlet *outlet);

/* As skep__port_finish; only if skep__outlet_is_empty. If true, what is added from then on is refused with
 * SKEP_ECLOSED. */
SKEP_MUST_USE bool skep__outlet_finish(struct skep__outlet *outlet);

/* True if nothing waits and nothing is under way; else drained is called when that is so. */
bool skep__outlet_is_empty(struct skep__outlet *outlet);

/* Drops what waits; sets *outlet to NULL. Not from its own callbacks. */
void skep__outlet_free(struct skep__outlet **outlet);
