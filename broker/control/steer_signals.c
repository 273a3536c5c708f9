/* SPDX-License-Identifier: MIT
 * Steering by signals, as gunicorn and nginx have it. They are blocked, and read from a descriptor, instead of caught:
 * a terminal sends SIGTTOU and SIGTTIN to background processes that write to it or read from it, but not to those that
 * block them; a broker whose log goes to such a terminal would lose a worker with each line, and never get it written.
 */
#include <contract.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/steer_signals.h"
#include "journal/event.h"

static int scale_by(skep_cluster *cluster, bool up) {
    unsigned wanted = skep_cluster_wanted(cluster);
    if (up) return skep_cluster_scale(cluster, wanted + 1);
    return wanted > 0 ? skep_cluster_scale(cluster, wanted - 1) : SKEP_OK;
}

static bool stops(int signal) {
    return signal == SIGINT || signal == SIGTERM || signal == SIGQUIT;
}

static const char *effect_of(const skep_cluster *cluster, int signal) {
    if (signal == SIGHUP) return "reloading";
    if (signal == SIGTTIN) return "one worker more";
    if (signal == SIGTTOU) return "one worker fewer";
    if (!cluster->stopping) return "stopping";
    return signal == SIGQUIT ? "already stopping" : "killing the workers";
}

/* Who sent it is said if it was a process that can be seen from here; the kernel sends those of a terminal. */
static void say_signal(skep_cluster *cluster, const struct signalfd_siginfo *info) {
    char text[SKEP_MAX_REASON + 1], sender[32] = "";
    bool was_sent = info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE || info->ssi_code == SI_TKILL;
    if (was_sent && info->ssi_pid != 0) snprintf(sender, sizeof sender, " from pid %" PRIu32, info->ssi_pid);
    skep_event event = skep__event(SKEP_EVENT_SIGNAL, NULL);
    snprintf(text, sizeof text, "SIG%s%s: %s", sigabbrev_np((int)info->ssi_signo), sender,
             effect_of(cluster, (int)info->ssi_signo));
    event.reason = text;
    skep__emit(cluster, &event);
}

static void steer(skep_cluster *cluster, int signal) {
    if (stops(signal)) {
        skep__cluster_stop_by(cluster, signal);
        return;
    }
    int status = signal == SIGHUP ? skep_cluster_reload(cluster, NULL) : scale_by(cluster, signal == SIGTTIN);
    if (status == SKEP_OK) return;
    const char *why = cluster->why[0] != '\0' ? cluster->why : skep_strerror(status);
    skep__emit_error(cluster, NULL, "SIG%s: %s", sigabbrev_np(signal), why);
}

static void readable(uv_poll_t *poll, int status, int events) {
    struct signalfd_siginfo signal;
    skep_cluster *cluster = poll->data;
    (void)status;
    (void)events;
    while (read(cluster->steering_fd, &signal, sizeof signal) == sizeof signal) {
        say_signal(cluster, &signal);
        cluster->why[0] = '\0';
        steer(cluster, (int)signal.ssi_signo);
    }
}

/* Returns an error of libuv's, or 0. */
static int watch(skep_cluster *cluster) {
    int status = uv_poll_init(cluster->loop, &cluster->steering, cluster->steering_fd);
    if (status != 0) return status;
    cluster->steering.data = cluster;
    cluster->open_handles++;
    uv_unref((uv_handle_t *)&cluster->steering);
    uv_poll_start(&cluster->steering, UV_READABLE, readable);
    return 0;
}

/* Those that stop are read here too, because only this tells who sent them. If another thread of the program gets one,
 * the handler of skep_cluster_stop_on_signals does the same without that. */
static void add_stopping(sigset_t *signals) {
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGQUIT);
}

int skep_cluster_steer_on_signals(skep_cluster *cluster) {
    sigset_t signals;
    if (cluster->steers) return SKEP_OK;
    sigemptyset(&signals);
    if (cluster->has_signals) add_stopping(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTTIN);
    sigaddset(&signals, SIGTTOU);
    cluster->steering_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (cluster->steering_fd < 0)
        return skep__broker_fail(cluster, skep_status_of_errno(errno), "cannot watch signals: %s", strerror(errno));
    int status = watch(cluster);
    if (status != 0) {
        close(cluster->steering_fd);
        return skep__broker_fail(cluster, skep_status_of_errno(-status), "cannot watch signals: %s",
                                 uv_strerror(status));
    }
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    cluster->steers = true;
    return SKEP_OK;
}

void skep__steering_close(skep_cluster *cluster) {
    sigset_t stopping;
    if (!cluster->steers) return;
    sigemptyset(&stopping);
    if (cluster->has_signals) add_stopping(&stopping);
    pthread_sigmask(SIG_UNBLOCK, &stopping, NULL);
    uv_poll_stop(&cluster->steering);
    uv_close((uv_handle_t *)&cluster->steering, skep__broker_handle_closed);
    close(cluster->steering_fd);
}
