/* SPDX-License-Identifier: MIT
 * What peers may make a hub keep: a message has no time limit, so what has come of it is kept for as long as its sender
 * likes. It is counted by process, and all connections of one count together. */
#include "transport/loop.h"

enum {
    SENDER_BYTES = 64 * 1024 * 1024, /* of unfinished messages from one process */
    HUB_BYTES = 256 * 1024 * 1024    /* from all of them */
};

static struct skep__sender *sender_of(struct skep__loop_hub *hub, pid_t pid) {
    struct skep__sender *sender;
    HASH_FIND(hh, hub->senders, &pid, sizeof pid, sender);
    if (sender != NULL) return sender;
    sender = skep__hub_alloc(&hub->common, sizeof *sender);
    if (sender == NULL) return NULL;
    sender->pid = pid;
    LIST_INIT(&sender->pipes);
    HASH_ADD(hh, hub->senders, pid, sizeof sender->pid, sender);
    if (SKEP_IS_ADDED(sender, hh)) return sender;
    free(sender);
    return NULL;
}

int skep__sender_join(struct skep__pipe *pipe) {
    pipe->sender = sender_of(pipe->hub, pipe->peer.pid);
    if (pipe->sender == NULL) return SKEP_ENOMEM;
    LIST_INSERT_HEAD(&pipe->sender->pipes, pipe, sender_entry);
    return SKEP_OK;
}

static void count(struct skep__pipe *pipe, size_t unfinished_bytes) {
    size_t more_bytes = unfinished_bytes - pipe->unfinished_bytes; /* modulo: it may be less */
    pipe->unfinished_bytes = unfinished_bytes;
    pipe->sender->unfinished_bytes += more_bytes;
    pipe->hub->unfinished_bytes += more_bytes;
}

void skep__sender_leave(struct skep__pipe *pipe) {
    struct skep__sender *sender = pipe->sender;
    if (sender == NULL) return;
    count(pipe, 0);
    LIST_REMOVE(pipe, sender_entry);
    pipe->sender = NULL;
    if (!LIST_EMPTY(&sender->pipes)) return;
    HASH_DEL(pipe->hub->senders, sender);
    free(sender);
}

struct skep__pipe *skep__sender_excess(struct skep__loop_hub *hub) {
    if (hub->unfinished_bytes <= HUB_BYTES) return NULL;
    const struct skep__sender *most = hub->senders;
    for (const struct skep__sender *sender = most; sender != NULL; sender = sender->hh.next)
        if (sender->unfinished_bytes > most->unfinished_bytes) most = sender;
    struct skep__pipe *pipe, *greatest = LIST_FIRST(&most->pipes);
    LIST_FOREACH(pipe, &most->pipes, sender_entry)
    if (pipe->unfinished_bytes > greatest->unfinished_bytes) greatest = pipe;
    count(greatest, 0);
    greatest->reader.why = "unfinished messages of all processes over 256 MiB, most of them from this one";
    return greatest;
}

int skep__sender_count(struct skep__pipe *pipe) {
    count(pipe, pipe->reader.room_bytes);
    if (pipe->sender->unfinished_bytes <= SENDER_BYTES) return SKEP_OK;
    pipe->reader.why = "unfinished messages of this process over 64 MiB";
    return SKEP_EPROTO;
}
