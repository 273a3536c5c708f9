/* SPDX-License-Identifier: MIT
 * How a worker is made to end: it is asked to leave, signalled or killed. */
#include <errno.h>
#include <signal.h>

#include "worker/private.h"

enum { BAD_FRAMES_MS = 60000 /* three malformed frames within this end a worker */ };

void skep__child_kill(skep_child *child, const char *reason) {
    if (child->reason == NULL) child->reason = reason;
    if (!child->exited) kill(child->pid, SIGKILL);
}

void skep__child_discard(skep_child *child, const char *reason) {
    child->discarding = true;
    skep__child_kill(child, reason);
}

int skep__child_signal(skep_child *child, int signal, int value) {
    if (child->exited) return SKEP_ESTATE;
    int failed =
        value != 0 ? sigqueue(child->pid, signal, (union sigval){.sival_int = value}) : kill(child->pid, signal);
    if (failed == 0) return SKEP_OK;
    return errno == EINVAL ? SKEP_EINVAL : SKEP_ESTATE;
}

void skep_child_disconnect(skep_child *child) {
    if (!child->exited) child->cluster->workers->events->dismissed(child);
}

void skep__child_bad_frame(skep_child *child, const char *channel, const char *why) {
    uint64_t now_ms = uv_now(child->cluster->loop);
    struct skep__process *process = child->process;
    uint64_t *before_ms = &process->bad_frame_ms[process->bad_frames % 2]; /* of the last but one */
    bool third = process->bad_frames >= 2 && now_ms - *before_ms <= BAD_FRAMES_MS;
    *before_ms = now_ms;
    process->bad_frames++;
    child->cluster->workers->bad_frames++;
    skep__emit_error(child->cluster, child, "malformed frame on its %s (%s); dropped", channel, why);
    if (third) skep__child_discard(child, "protocol");
}

int skep_child_kill(skep_child *child, int signal) {
    return skep__child_signal(child, signal, signal == SIGTERM ? SKEP_TERM_NOW : 0);
}
