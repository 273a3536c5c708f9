/* SPDX-License-Identifier: MIT
 * Stopping by signals, and steering as gunicorn and nginx have it. Those that steer are blocked, and read from a
 * descriptor, instead of caught: a terminal sends SIGTTOU and SIGTTIN to background processes that write to it or read
 * from it, but not to those that block them; a broker whose log goes to such a terminal would lose a worker with each
 * line, and never get it written. */
#include <contract.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/signal_text.h"
#include "control/private.h"

static const int stop_signals[SKEP__STOP_SIGNALS] = {SIGINT, SIGTERM, SIGQUIT};

/* --- stopping --- */

/* SIGQUIT does not kill, nor does it count: to users of nginx it is the graceful one, and of signals that wait together
 * the kernel gives the one with the smallest number first, whichever came first. */
static bool kills(const skep_cluster *cluster, int signal) {
    return signal != SIGQUIT && cluster->control->stop_signalled;
}

static void stop_by(skep_cluster *cluster, int signal) {
    struct skep__control *control = cluster->control;
    bool now = kills(cluster, signal);
    control->stop_signalled = control->stop_signalled || signal != SIGQUIT;
    skep_cluster_stop(cluster, now);
}

static void signalled(uv_signal_t *handle, int number) {
    stop_by(handle->data, number);
}

static sigset_t set_of_stopping(void) {
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < SKEP__STOP_SIGNALS; i++) sigaddset(&set, stop_signals[i]);
    return set;
}

/* Returns an error of libuv's, or 0. */
static int catch_next(skep_cluster *cluster) {
    struct skep__control *control = cluster->control;
    uv_signal_t *handle = &control->signals[control->signal_count];
    int error = uv_signal_init(cluster->loop, handle);
    if (error != 0) return error;
    handle->data = cluster;
    uv_unref((uv_handle_t *)handle);
    return uv_signal_start(handle, signalled, stop_signals[control->signal_count++]);
}

int skep_cluster_stop_on_signals(skep_cluster *cluster) {
    sigset_t wanted = set_of_stopping();
    if (cluster->control->signal_count == SKEP__STOP_SIGNALS) return SKEP_OK;
    while (cluster->control->signal_count < SKEP__STOP_SIGNALS) {
        int error = catch_next(cluster);
        if (error != 0) return skep_status_of_errno(-error);
    }
    /* The parent process may have blocked them. */
    skep__signal_mask_change(&cluster->control->mask, SIG_UNBLOCK, &wanted);
    return SKEP_OK;
}

/* --- steering --- */

/* Which group's is what a signal cannot say: the first's. */
static int scale_by(skep_cluster *cluster, bool up) {
    skep_group *group = skep_cluster_group(cluster);
    unsigned wanted = skep_group_wanted(group);
    if (up) return skep__scale(group, wanted + 1);
    return wanted > 0 ? skep__scale(group, wanted - 1) : SKEP_OK;
}

/* Each group by itself; returns the latest failure. One without workers has nothing to reload. */
static int reload_all(skep_cluster *cluster) {
    int status = SKEP_OK;
    for (skep_group *group = NULL; (group = skep_group_next(cluster, group)) != NULL;) {
        if (cluster->group_count > 1 && skep_group_wanted(group) == 0) continue;
        int its = skep_group_reload(group, NULL);
        if (its != SKEP_OK) status = its;
    }
    return status;
}

static const char *effect_of(const skep_cluster *cluster, int signal) {
    if (signal == SIGHUP) return "reloading";
    if (signal == SIGTTIN) return "one worker more";
    if (signal == SIGTTOU) return "one worker fewer";
    if (!cluster->stopping) return "stopping";
    if (kills(cluster, signal)) return "killing the workers";
    return signal == SIGQUIT ? "already stopping" : "already stopping; the next one kills the workers";
}

static void say_signal(skep_cluster *cluster, const struct signalfd_siginfo *info) {
    char text[SKEP_MAX_REASON + 1], received[SKEP__RECEIVED_BYTES];
    skep__received_text(info, received);
    snprintf(text, sizeof text, "%s: %s", received, effect_of(cluster, (int)info->ssi_signo));
    skep__emit_reason(cluster, SKEP_EVENT_SIGNAL, NULL, text);
}

static void steer(skep_cluster *cluster, int signal) {
    sigset_t stopping = set_of_stopping();
    if (sigismember(&stopping, signal)) {
        stop_by(cluster, signal);
        return;
    }
    int status = signal == SIGHUP ? reload_all(cluster) : scale_by(cluster, signal == SIGTTIN);
    if (status == SKEP_OK) return;
    const char *why = cluster->why[0] != '\0' ? cluster->why : skep_strerror(status);
    char name[SKEP__SIGNAL_BYTES];
    skep__signal_text(signal, name);
    skep__emit_error(cluster, NULL, "%s: %s", name, why);
}

static bool next_signal(const skep_cluster *cluster, struct signalfd_siginfo *signal) {
    return read(cluster->control->steering_fd, signal, sizeof *signal) == sizeof *signal;
}

static void readable(uv_poll_t *poll, int status, int events) {
    struct signalfd_siginfo signal;
    skep_cluster *cluster = poll->data;
    (void)status, (void)events;
    while (next_signal(cluster, &signal)) {
        say_signal(cluster, &signal);
        cluster->why[0] = '\0';
        steer(cluster, (int)signal.ssi_signo);
    }
}

/* Those that stop are read here too, because only this tells who sent them. If another thread of the program gets one,
 * the handler of skep_cluster_stop_on_signals does the same without that. */
int skep_cluster_steer_on_signals(skep_cluster *cluster) {
    struct skep__control *control = cluster->control;
    sigset_t signals;
    if (control->steers) return SKEP_OK;
    sigemptyset(&signals);
    if (control->signal_count > 0) signals = set_of_stopping();
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTTIN);
    sigaddset(&signals, SIGTTOU);
    control->steering_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (control->steering_fd < 0)
        return skep__broker_fail(cluster, skep_status_of_errno(errno), "cannot watch signals: %s", strerror(errno));
    int error = uv_poll_init(cluster->loop, &control->steering, control->steering_fd);
    if (error != 0) {
        close(control->steering_fd);
        return skep__broker_fail(cluster, skep_status_of_errno(-error), "cannot watch signals: %s", uv_strerror(error));
    }
    control->steering.data = cluster;
    uv_unref((uv_handle_t *)&control->steering);
    uv_poll_start(&control->steering, UV_READABLE, readable);
    skep__signal_mask_change(&control->mask, SIG_BLOCK, &signals);
    control->steers = true;
    return SKEP_OK;
}

/* --- closing --- */

static void close_steering(skep_cluster *cluster) {
    struct signalfd_siginfo signal;
    if (!cluster->control->steers) return;
    while (next_signal(cluster, &signal)) continue;
    uv_poll_stop(&cluster->control->steering);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->control->steering);
    close(cluster->control->steering_fd);
}

/* What waits must not take effect in the midst of this: it is read, or caught by libuv as long as its handler is there.
 */
void skep__signals_close(skep_cluster *cluster) {
    struct skep__control *control = cluster->control;
    close_steering(cluster);
    skep__signal_mask_restore(&control->mask);
    for (unsigned i = 0; i < control->signal_count; i++)
        skep__handle_close(&cluster->handles, (uv_handle_t *)&control->signals[i]);
}
