/* SPDX-License-Identifier: MIT
 * What a worker says on its link, until its process has ended. */
#include <inttypes.h>

#include "hive/private.h"

enum { LAST_WORDS = 1024 /* messages read after the end; a child of the worker's may go on writing */ };

static void reject(skep_child *child, int status, const char *reason) {
    struct skep_command command = {.id = SKEP_COMMAND_reject,
                                   .reject = {.status = (uint64_t)status, .reason = skep__text(reason)}};
    skep__emit_error(child->cluster, child, "%s", reason);
    child->discarding = true;
    if (skep__notify(child, &command, -1) != SKEP_OK) skep__child_kill(child, "protocol");
    child->reason = "protocol";
}

static void hello(skep_child *child, const struct skep_command_hello *h) {
    char reason[SKEP_MAX_REASON + 1];
    if (child->progress->hello_received) return; /* once is enough */
    child->progress->hello_received = true;
    if (h->protocol != SKEP_PROTOCOL) {
        snprintf(reason, sizeof reason, "it speaks protocol %" PRIu64 ", this broker %d", h->protocol, SKEP_PROTOCOL);
        reject(child, SKEP_EVERSION, reason);
        return;
    }
    if (h->pid != (uint64_t)child->pid) { /* its outbox could not be attributed to it */
        snprintf(reason, sizeof reason, "process %" PRIu64 " sent hello, but %d was started", h->pid, (int)child->pid);
        reject(child, SKEP_EPROTO, reason);
        return;
    }
    if (!skep__admission_allows(child, reason)) {
        reject(child, SKEP_EACCES, reason);
        return;
    }
    if (SKEP_HAS(hello, h, name)) skep__copy_text(child->name, sizeof child->name, &h->name);
    skep__life(child, SKEP__SIGNAL_HELLO);
}

static void handle_asked(skep_child *child, const struct skep_command_handle *handle) {
    int status = skep__jobs_handle(child->holder, handle);
    if (status == SKEP_ENOMEM && skep__memory_lacks(child->cluster)) status = skep__jobs_handle(child->holder, handle);
    if (status != SKEP_OK)
        skep__emit_error(child->cluster, child, "cannot handle queue %.*s: %s", (int)handle->queue.size_bytes,
                         handle->queue.data, skep_strerror(status));
}

static void disconnect_asked(skep_child *child, const struct skep_command_disconnect *disconnect) {
    if (disconnect->replace) skep__child_stand_down(child);
    else skep__child_leave(child);
}

static bool listens_to(const skep_child *child) {
    return child->link >= 0 && !child->discarding;
}

static int take_command(void *context, const struct skep_command *command) {
    skep_child *child = context;
    if (!listens_to(child)) return SKEP_OK; /* because of what came before it in the frame */
    skep__trace_command(child->cluster->trace, SKEP__TRACE_LINK, "<", child->id, command);
    if (!child->progress->hello_received && command->id != SKEP_COMMAND_hello) {
        skep__child_bad_frame(child, "link", "a command before hello");
        return SKEP_OK;
    }
    switch (command->id) {
    case SKEP_COMMAND_hello: hello(child, &command->hello); break;
    case SKEP_COMMAND_ready:
        child->progress->said_ready = true;
        skep__channels_check(child);
        break;
    case SKEP_COMMAND_listen: skep__listen_asked(child, &command->listen); break;
    case SKEP_COMMAND_unlisten: skep__unlisten_asked(child, command->unlisten.listener); break;
    case SKEP_COMMAND_taken: skep__taken(child, &command->taken); break;
    case SKEP_COMMAND_refused: skep__refused(child, command->refused.connection); break;
    case SKEP_COMMAND_handle: handle_asked(child, &command->handle); break;
    case SKEP_COMMAND_disconnect: disconnect_asked(child, &command->disconnect); break;
    default: break;
    }
    return SKEP_OK;
}

static void take_message(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    struct skep__link_message *message = cluster->hive->link_message;
    struct skep_reader *reader = &cluster->hive->link_reader;
    int status = message->truncated
                     ? SKEP_EPROTO
                     : skep__reader_read(reader, message->data, message->size_bytes, take_command, child);
    if (message->truncated) reader->why = "too long";
    if (status != SKEP_OK && listens_to(child)) skep__child_bad_frame(child, "link", reader->why);
}

int skep__read_link(skep_child *child) {
    struct skep__link_message *message = child->cluster->hive->link_message;
    skep__emit_due(child->cluster);
    int status = skep__link_receive(child->link, message);
    /* Workers have no descriptors to give: they are closed even if the message is ignored. */
    for (unsigned i = 0; status == SKEP_OK && i < message->fd_count; i++) close(message->fds[i]);
    if (status == SKEP_OK && !child->discarding) take_message(child);
    if (status == SKEP_OK || status == SKEP_EAGAIN || child->link < 0) return status;
    skep__port_read(child->cluster->hive->outbox, child->pid); /* what it sent before it closed the link */
    if (child->link >= 0) skep__life(child, SKEP__SIGNAL_LINK_END);
    return status;
}

/* Its last messages are read: first those on the link, whose end closes it, then those on its outbox. */
void skep__worker_ended(skep_child *child) {
    for (unsigned i = 0; i < LAST_WORDS && child->link >= 0 && skep__read_link(child) == SKEP_OK; i++) continue;
    skep__port_read(child->cluster->hive->outbox, child->pid);
    skep__output_finish(child);
    skep__life(child, SKEP__SIGNAL_EXIT);
}
