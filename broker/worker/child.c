/* SPDX-License-Identifier: MIT
 * A worker as a process: made, watched, reaped, released. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/signal_text.h"
#include "worker/private.h"

enum { UNKNOWN_STATUS = 255 /* of a worker whose exit status is unknown */ };

/* --- the end --- */

void skep__exit_text(const skep_child *child, char text[SKEP__HOW_SIZE]) {
    char signal[SKEP__SIGNAL_BYTES];
    skep__signal_text(child->exit_signal, signal);
    if (child->exit_signal < 0) snprintf(text, SKEP__HOW_SIZE, "exited with status %d", child->exit_code);
    else if (child->reason == NULL) snprintf(text, SKEP__HOW_SIZE, "was killed by %s", signal);
    else snprintf(text, SKEP__HOW_SIZE, "was killed by %s (%s)", signal, child->reason);
}

void skep__child_reap(skep_child *child) {
    int status;
    skep__belongings_end(child, true);
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
    skep__belongings_end(child, is_there);
    if (wait4(child->pid, &exit_status, 0, &child->rusage) < 0)
        exit_status = UNKNOWN_STATUS << 8; /* other code of this process has reaped it */
    skep_cluster *cluster = child->cluster;
    skep__emit_due(cluster);
    child->exited = true;
    child->exit_code = WIFEXITED(exit_status) ? WEXITSTATUS(exit_status) : -1;
    child->exit_signal = WIFSIGNALED(exit_status) ? WTERMSIG(exit_status) : -1;
    uv_poll_stop(poll);
    cluster->workers->events->ended(child);
    skep__orphans_look(cluster);
}

/* --- handles --- */

int skep__process_new(skep_child *child) {
    struct skep__process *process = calloc(1, sizeof *process);
    if (process == NULL) return SKEP_ENOMEM;
    process->child = child;
    process->pidfd = process->guard[0] = process->guard[1] = -1;
    child->process = process;
    return SKEP_OK;
}

void skep__process_free(skep_child *child) {
    free(child->process);
    child->process = NULL;
}

static void free_child(skep_child *child) {
    skep__journal_worker_freed(child);
    skep__process_free(child);
    free(child->program);
    free(child);
}

static void handles_closed(struct skep__handles *handles) {
    free_child(SKEP_CONTAINER(handles, struct skep__process, handles)->child);
}

void skep__child_drop_link(skep_child *child) {
    uv_poll_stop(&child->process->link_poll);
    skep__handle_close(&child->process->handles, (uv_handle_t *)&child->process->link_poll);
    close(child->link);
    child->link = -1;
}

void skep__child_drop_process(skep_child *child) {
    struct skep__process *process = child->process;
    skep__journal_worker_ended(child);
    skep__page_free(&child->page);
    skep__output_close(child);
    skep__watchdog_stop(child);
    uv_poll_stop(&process->pid_poll);
    close(process->pidfd);
    process->handles.closed = handles_closed;
    skep__handle_close(&process->handles, (uv_handle_t *)&process->pid_poll);
}

/* libuv stops polling a socket with an error, and a worker that closed its end with messages unread leaves one: what it
 * sent before is read then, and the end. */
static void link_ready(uv_poll_t *poll, int status, int events) {
    skep_child *child = poll->data;
    const struct skep__worker_events *tell = child->cluster->workers->events;
    while (status < 0 && child->link >= 0 && tell->readable(child) == SKEP_OK) continue;
    if (events & UV_WRITABLE) tell->writable(child);
    if (child->link >= 0 && events & UV_READABLE) (void)tell->readable(child);
}

void skep__child_watch_link(skep_child *child, bool is_full) {
    int events = is_full ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    struct skep__process *process = child->process;
    if (child->link < 0 || process->link_events == events) return;
    process->link_events = events;
    uv_poll_start(&process->link_poll, events, link_ready);
    uv_unref((uv_handle_t *)&process->link_poll);
}

static int open_poll(skep_child *child, uv_poll_t *poll, int fd) {
    poll->data = child;
    return skep_status_of_errno(-uv_poll_init(child->cluster->loop, poll, fd));
}

static int open_polls(skep_child *child) {
    struct skep__process *process = child->process;
    int status = open_poll(child, &process->pid_poll, process->pidfd);
    if (status == SKEP_OK) {
        status = open_poll(child, &process->link_poll, child->link);
        if (status == SKEP_OK) return SKEP_OK;
        skep__handle_close(&process->handles, (uv_handle_t *)&process->pid_poll);
    }
    return skep__broker_fail(child->cluster, status, "cannot watch worker %u: %s", child->id, skep_strerror(status));
}

/* --- making --- */

static void abandon(skep_child *child) {
    struct skep__process *process = child->process;
    skep__output_close(child);
    kill(child->pid, SIGKILL);
    skep__child_reap(child);
    close(process->pidfd);
    close(child->link);
    skep__page_free(&child->page);
    child->cluster->workers->events->unmade(child);
    process->handles.closed = handles_closed;
    if (process->handles.closing == 0) free_child(child);
}

static skep_child *allocate(skep_cluster *cluster, const struct skep__start *start) {
    skep_child *child = calloc(1, sizeof *child);
    if (child == NULL) return NULL;
    child->program = strdup(start->program->exec);
    bool is_there = child->program != NULL && skep__process_new(child) == SKEP_OK;
    if (!is_there || skep__journal_worker_made(child) != SKEP_OK) {
        free_child(child);
        return NULL;
    }
    child->cluster = cluster;
    child->terms = start->terms;
    child->slot = start->slot;
    child->place = start->place;
    child->id = ++cluster->workers->latest;
    child->link = -1;
    child->exit_code = child->exit_signal = -1;
    child->spawned_ms = uv_now(cluster->loop);
    return child;
}

/* The process is the child's from here on. */
static int adopt(skep_child *child, const struct skep__program *program, const struct skep__spawned *spawned) {
    child->pid = spawned->pid;
    child->process->pidfd = spawned->pidfd;
    child->link = spawned->link;
    child->page = spawned->page;
    skep__belongings_guard(child);
    int status = spawned->output[0] >= 0 ? skep__output_new(child, spawned->output) : SKEP_OK;
    if (status != SKEP_OK)
        skep__broker_fail(child->cluster, status, "output of worker %u: %s", child->id, skep_strerror(status));
    if (status == SKEP_OK) status = child->cluster->workers->events->made(child, program);
    if (status == SKEP_OK) status = skep__child_enlist(child);
    if (status != SKEP_OK) return status;
    status = open_polls(child);
    if (status != SKEP_OK) {
        skep__child_unlist(child);
        return status;
    }
    uv_poll_start(&child->process->pid_poll, UV_READABLE, process_ended);
    child->cluster->workers->events->watched(child);
    skep_event event = skep__event(SKEP_EVENT_FORK, child);
    skep__emit_later(child->cluster, &event);
    return SKEP_OK;
}

int skep__child_start(skep_cluster *cluster, const struct skep__start *start, skep_child **out) {
    struct skep__spawned spawned;
    skep_child *child = allocate(cluster, start);
    if (child == NULL) return skep__broker_fail(cluster, SKEP_ENOMEM, "fork: %s", skep_strerror(SKEP_ENOMEM));
    int status = skep__directory_share(cluster, start->program);
    if (status == SKEP_OK) status = skep__spawn(child, start, &spawned);
    if (status != SKEP_OK) {
        free_child(child);
        return status;
    }
    status = adopt(child, start->program, &spawned);
    if (status == SKEP_OK) *out = child;
    else abandon(child);
    return status;
}
