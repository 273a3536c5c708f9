/* SPDX-License-Identifier: MIT
 * What workers say in the outbox, and their inboxes when these have drained. */
#include "hive/private.h"

void skep__inbox_drained(void *context) {
    skep_child *child = context;
    skep__messages_inbox_drained(child);
    skep__jobs_inbox_drained(child->holder);
}

/* A worker's own words. Errors: SKEP_EPROTO, with *why. */
static int take_from_child(skep_child *child, const struct skep_command *command, const char **why) {
    switch (command->id) {
    case SKEP_COMMAND_message: skep__worker_message(child, &command->message); break;
    case SKEP_COMMAND_reply: skep__worker_reply(child, &command->reply); break;
    case SKEP_COMMAND_newsSince: skep__worker_news_since(child, command->newsSince.seq); break;
    case SKEP_COMMAND_completed: return skep__jobs_completed(child->holder, &command->completed, why);
    case SKEP_COMMAND_retry: skep__jobs_retried(child->holder, &command->retry); break;
    case SKEP_COMMAND_fail: skep__jobs_failed(child->holder, &command->fail); break;
    case SKEP_COMMAND_released: skep__jobs_released(child->holder, &command->released); break;
    case SKEP_COMMAND_extend: skep__jobs_extended(child->holder, &command->extend); break;
    default: break;
    }
    return SKEP_OK;
}

struct sender {
    skep_cluster *cluster;
    skep_child *child; /* NULL: a stranger, or a worker that is gone */
    const char **why;  /* what is wrong with a command */
};

static int take_command(void *context, const struct skep_command *command) {
    const struct sender *sender = context;
    skep_cluster *cluster = sender->cluster;
    skep_child *child = sender->child;
    skep__trace_command(cluster->trace, SKEP__TRACE_WIRE, "<", child != NULL ? child->id : 0, command);
    if (command->id == SKEP_COMMAND_incrementRequestCount)
        skep__count_requests(cluster, child, &command->incrementRequestCount);
    else if (command->id == SKEP_COMMAND_incrementCount) skep__count_named(cluster, child, &command->incrementCount);
    else if (command->id == SKEP_COMMAND_handled) return skep__handled(cluster, child, &command->handled, sender->why);
    else if (child != NULL) return take_from_child(child, command, sender->why);
    return SKEP_OK;
}

static void bad_frame(skep_cluster *cluster, skep_child *child, const struct skep__peer *peer, const char *why) {
    if (child != NULL) {
        skep__child_bad_frame(child, "outbox", why);
        return;
    }
    cluster->hive->bad_frames++;
    skep__emit_error(cluster, NULL, "malformed frame in the outbox from process %d (%s); %s", (int)peer->pid, why,
                     skep__port_blame(cluster->hive->outbox, peer->pipe) ? "ignored from now on" : "dropped");
}

void skep__outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_cluster *cluster = context;
    struct skep_reader *reader = &cluster->hive->outbox_reader;
    skep_child *child = skep__child_by_pid(cluster, peer->pid);
    if (child != NULL ? child->discarding : skep__counts_are_final(cluster, peer->pid)) return;
    struct sender sender = {.cluster = cluster, .child = child, .why = &reader->why};
    int status = skep__reader_read(reader, data, size_bytes, take_command, &sender);
    if (child != NULL) skep__jobs_dispatch_to(child->holder);
    skep__sessions_flush(cluster);
    if (status != SKEP_OK) bad_frame(cluster, child, peer, reader->why);
}
