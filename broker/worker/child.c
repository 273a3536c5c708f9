/* SPDX-License-Identifier: MIT
 * A worker as the broker holds it: made, watched, read, released. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/why.h"
#include "common/container.h"
#include "common/text.h"
#include "config/directory.h"
#include "connections/dispatch.h"
#include "connections/handoff.h"
#include "connections/listener.h"
#include "group/reload.h"
#include "hive/admission.h"
#include "jobs/ledger.h"
#include "journal/event.h"
#include "journal/memory.h"
#include "messages/router.h"
#include "worker/belongings.h"
#include "worker/life.h"
#include "worker/output.h"
#include "worker/page.h"
#include "worker/program.h"
#include "worker/watchdog.h"

enum {
    UNKNOWN_STATUS = 255, /* of a worker whose exit status is unknown */
    LAST_WORDS = 1024,    /* messages read after the end; a child of the worker's may go on writing */
    BAD_FRAMES_MS = 60000 /* three malformed frames within this end a worker */
};

/* --- the end --- */

static void take_exit_status(skep_child *child, int status) {
    child->exited = true;
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    child->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* Its last messages are read: those on the link here, those on its outbox next. The link's end closes it. */
static void read_last_words(skep_child *child) {
    for (unsigned i = 0; i < LAST_WORDS && child->link >= 0; i++)
        if (skep__read_link(child) != SKEP_OK) return;
}

void skep__child_reap(skep_child *child) {
    int status;
    skep__group_end(child, true);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) continue;
    child->exited = true;
}

static void process_ended(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    skep_child *child = poll->data;
    siginfo_t ended = {0};
    int exit_status;
    bool is_there = waitid(P_PID, (id_t)child->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0;
    if (is_there && ended.si_pid == 0) return;
    skep__group_end(child, is_there);
    if (wait4(child->pid, &exit_status, 0, &child->rusage) < 0)
        exit_status = UNKNOWN_STATUS << 8; /* other code of this process has reaped it */
    skep__emit_due(child->cluster);
    take_exit_status(child, exit_status);
    uv_poll_stop(poll);
    read_last_words(child);
    skep__port_read(child->cluster->outbox, child->pid);
    skep__output_finish(child);
    skep_cluster *cluster = child->cluster;
    skep__life(child, SKEP__SIGNAL_EXIT);
    skep__orphans_look(cluster);
}

void skep__child_kill(skep_child *child, const char *reason) {
    if (child->reason == NULL) child->reason = reason;
    if (!child->exited) kill(child->pid, SIGKILL);
}

void skep__child_bad_frame(skep_child *child, const char *channel, const char *why) {
    uint64_t now_ms = uv_now(child->cluster->loop);
    uint64_t *slot = &child->bad_frame_ms[child->bad_frames % 2]; /* of the last but one */
    bool third = child->bad_frames >= 2 && now_ms - *slot <= BAD_FRAMES_MS;
    *slot = now_ms;
    child->bad_frames++;
    child->cluster->bad_frames++;
    skep__emit_error(child->cluster, child, "malformed frame on its %s (%s); dropped", channel, why);
    if (!third) return;
    child->discarding = true;
    skep__child_kill(child, "protocol");
}

/* --- link in --- */

static void reject(skep_child *child, int status, const char *reason) {
    struct skep_command command = {.id = SKEP_COMMAND_reject};
    command.reject = (struct skep_command_reject){.status = (uint64_t)status, .reason = skep__text(reason)};
    skep__emit_error(child->cluster, child, "%s", reason);
    child->discarding = true;
    if (skep__notify(child, &command, -1) != SKEP_OK) skep__child_kill(child, "protocol");
    child->reason = "protocol";
}

static void hello(skep_child *child, const struct skep_command_hello *h) {
    char reason[SKEP_MAX_REASON + 1];
    if (child->greeted) return; /* once is enough */
    child->greeted = true;
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
    int status = skep__consumer_add(child, handle);
    if (status == SKEP_ENOMEM && skep__memory_lacks(child->cluster)) status = skep__consumer_add(child, handle);
    if (status != SKEP_OK)
        skep__emit_error(child->cluster, child, "cannot handle queue %.*s: %s", (int)handle->queue.size_bytes,
                         handle->queue.data, skep_strerror(status));
}

static void disconnect_asked(skep_child *child, const struct skep_command_disconnect *disconnect) {
    if (SKEP_HAS(disconnect, disconnect, replace) && disconnect->replace) skep__child_stand_down(child);
    else skep__child_leave(child);
}

static void say_ready(skep_child *child) {
    child->said_ready = true;
    skep__admission_check(child);
}

static bool listens_to(const skep_child *child) {
    return child->link >= 0 && !child->discarding;
}

static int take_command(void *context, const struct skep_command *command) {
    skep_child *child = context;
    if (!listens_to(child)) return SKEP_OK; /* because of what came before it in the frame */
    skep__trace_command(child->cluster->trace, SKEP__TRACE_LINK, "<", child->id, command);
    if (!child->greeted && command->id != SKEP_COMMAND_hello) {
        skep__child_bad_frame(child, "link", "a command before hello");
        return SKEP_OK;
    }
    switch (command->id) {
    case SKEP_COMMAND_hello: hello(child, &command->hello); break;
    case SKEP_COMMAND_ready: say_ready(child); break;
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
    struct skep__link_message *message = cluster->link_message;
    struct skep_reader *reader = &cluster->link_reader;
    int status = message->truncated
                     ? SKEP_EPROTO
                     : skep__reader_read(reader, message->data, message->size_bytes, take_command, child);
    if (message->truncated) reader->why = "too long";
    if (status != SKEP_OK && listens_to(child)) skep__child_bad_frame(child, "link", reader->why);
}

/* Workers have no descriptors to give: they are closed even if the message is ignored. */
static int receive(const skep_child *child) {
    struct skep__link_message *message = child->cluster->link_message;
    int status = skep__link_receive(child->link, message);
    for (unsigned i = 0; status == SKEP_OK && i < message->fd_count; i++) close(message->fds[i]);
    return status;
}

int skep__read_link(skep_child *child) {
    skep__emit_due(child->cluster);
    int status = receive(child);
    if (status == SKEP_OK && !child->discarding) take_message(child);
    if (status == SKEP_OK || status == SKEP_EAGAIN || child->link < 0) return status;
    skep__port_read(child->cluster->outbox, child->pid); /* what it sent before it closed the link */
    if (child->link >= 0) skep__life(child, SKEP__SIGNAL_LINK_END);
    return status;
}

/* --- handles --- */

static void free_child(skep_child *child) {
    free(child->counted);
    free(child->program);
    free(child);
}

static void handle_closed(uv_handle_t *handle) {
    skep_child *child = handle->data;
    if (--child->open_handles > 0 || !child->released) return;
    skep__subscribers_free(&child->subscribers);
    skep__handling_free(&child->handling);
    free_child(child);
}

void skep__child_close_link(skep_child *child) {
    if (child->link < 0) return;
    uv_poll_stop(&child->link_poll);
    uv_close((uv_handle_t *)&child->link_poll, handle_closed);
    close(child->link);
    child->link = -1;
    skep__dispatch_update(child);
    skep__give_back(child);
    skep__listener_adopt(child);
    for (struct skep__seat *seat; (seat = LIST_FIRST(&child->seats)) != NULL;) skep__seat_free(seat);
    if (child->voluntary) skep__listeners_prune(child->cluster, skep__slots_are_filling(child->cluster));
    skep__calls_fail(child);
    skep__ledger_link_ended(child);
    skep__check_disconnected(child->cluster);
}

void skep__child_release(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    skep__forget_due(cluster, child);
    skep__ledger_child_ended(child);
    skep__outlet_free(&child->inbox);
    skep__page_free(&child->page);
    skep__output_close(child);
    skep__tail_free(&child->last_lines);
    uv_poll_stop(&child->pid_poll);
    close(child->pidfd);
    child->released = true;
    skep__alarm_stop(&child->deadline);
    skep__watchdog_stop(child);
    uv_close((uv_handle_t *)&child->pid_poll, handle_closed);
    skep__check_disconnected(cluster);
}

static void flush_link(struct skep__flush *flush) {
    skep__link_watch(SKEP_CONTAINER(flush, skep_child, link_flush));
}

static int open_handle(skep_child *child, uv_poll_t *poll, int fd) {
    poll->data = child;
    int error = uv_poll_init(child->cluster->loop, poll, fd);
    if (error == 0) child->open_handles++;
    return skep_status_of_errno(-error);
}

static int open_handles(skep_child *child) {
    int status = open_handle(child, &child->pid_poll, child->pidfd);
    if (status == SKEP_OK) status = open_handle(child, &child->link_poll, child->link);
    if (status == SKEP_OK) return SKEP_OK;
    return skep__broker_fail(child->cluster, status, "cannot watch worker %u: %s", child->id, skep_strerror(status));
}

static void start_watching(skep_child *child) {
    uv_poll_start(&child->pid_poll, UV_READABLE, process_ended);
    skep__link_watch(child);
    skep__watch_ready(child);
}

/* --- making --- */

static void abandon(skep_child *child) {
    skep__output_close(child);
    kill(child->pid, SIGKILL);
    skep__child_reap(child);
    child->released = true;
    if (child->open_handles > 0) uv_close((uv_handle_t *)&child->pid_poll, handle_closed); /* the first to be opened */
    close(child->pidfd);
    close(child->link);
    skep__page_free(&child->page);
    skep__outlet_free(&child->inbox);
    if (child->open_handles == 0) free_child(child);
}

static skep_child *allocate(skep_cluster *cluster, struct skep__slot *slot, const char *program) {
    skep_child *child = calloc(1, sizeof *child);
    if (child == NULL) return NULL;
    child->program = strdup(program);
    if (child->program == NULL) {
        free(child);
        return NULL;
    }
    child->cluster = cluster;
    child->slot = slot;
    child->id = ++cluster->next_child;
    child->link = -1;
    child->exit_code = child->exit_signal = child->guard[0] = child->guard[1] = -1;
    child->spawned_ms = uv_now(cluster->loop);
    child->link_flush.flush = flush_link;
    STAILQ_INIT(&child->notices);
    STAILQ_INIT(&child->untaken);
    STAILQ_INIT(&child->subscribers);
    LIST_INIT(&child->seats);
    LIST_INIT(&child->consumers);
    child->deliveries.first = child->deliveries.next = 1;
    return child;
}

static int open_output(skep_child *child, const int fds[2]) {
    int status = fds[0] >= 0 ? skep__output_new(child, fds) : SKEP_OK;
    if (status == SKEP_OK) return SKEP_OK;
    return skep__broker_fail(child->cluster, status, "output of worker %u: %s", child->id, skep_strerror(status));
}

/* The process is the child's from here on. */
static int adopt(skep_child *child, const struct skep__program *program, const struct skep__spawned *spawned) {
    child->pid = spawned->pid;
    child->pidfd = spawned->pidfd;
    child->link = spawned->link;
    child->page = spawned->page;
    skep__group_guard(child);
    int status = open_output(child, spawned->output);
    if (status == SKEP_OK)
        status = skep__inbox_open(child, program); /* while the program loads; the welcome names it */
    if (status == SKEP_OK) status = skep__child_enlist(child);
    if (status != SKEP_OK) return status;
    status = open_handles(child);
    if (status != SKEP_OK) {
        skep__child_unlist(child);
        return status;
    }
    start_watching(child);
    skep_event event = skep__event(SKEP_EVENT_FORK, child);
    skep__emit_later(child->cluster, &event);
    return SKEP_OK;
}

static int start(skep_cluster *cluster, struct skep__slot *slot, const struct skep__program *program,
                 skep_child **out) {
    struct skep__spawned spawned;
    skep_child *child = allocate(cluster, slot, program->exec);
    if (child == NULL) return skep__broker_fail(cluster, SKEP_ENOMEM, "fork: %s", skep_strerror(SKEP_ENOMEM));
    int status = skep__directory_share(cluster, program);
    if (status == SKEP_OK) status = skep__spawn(cluster, child->id, program, slot->env, &spawned);
    if (status != SKEP_OK) {
        free_child(child);
        return status;
    }
    status = adopt(child, program, &spawned);
    if (status == SKEP_OK) *out = child;
    else abandon(child);
    return status;
}

static void occupy(struct skep__slot *slot, skep_child *child) {
    slot->child = child;
    slot->wanted = true;
    if (slot->used) {
        slot->restarts++;
        slot->cluster->restarts++;
    }
    slot->used = true;
}

int skep__child_start(skep_cluster *cluster, struct skep__slot *slot, skep_child **out) {
    struct skep__program program = skep__program_of(&cluster->settings);
    skep_child *child = NULL;
    int status = start(cluster, slot, &program, &child);
    if (status != SKEP_OK) return status;
    occupy(slot, child);
    if (out != NULL) *out = child;
    return SKEP_OK;
}

int skep__child_start_successor(struct skep__slot *slot, const struct skep__program *program) {
    return start(slot->cluster, slot, program, &slot->successor);
}
