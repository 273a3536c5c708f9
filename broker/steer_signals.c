/* SPDX-License-Identifier: MIT
 * Steering by signals, as gunicorn and nginx have it. They are blocked, and read from a descriptor, instead of caught:
 * a terminal sends SIGTTOU and SIGTTIN to background processes that write to it or read from it, but not to those that
 * block them; a broker whose log goes to such a terminal would lose a worker with each line, and never get it written.
 */
#include <contract.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "event.h"
#include "steer_signals.h"

static int scale_by(skep_cluster *cluster, bool up) {
    unsigned wanted = skep_cluster_wanted(cluster);
    if (up) return skep_cluster_scale(cluster, wanted + 1);
    return wanted > 0 ? skep_cluster_scale(cluster, wanted - 1) : SKEP_OK;
}

static void steer(skep_cluster *cluster, int signal) {
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

int skep_cluster_steer_on_signals(skep_cluster *cluster) {
    sigset_t signals;
    if (cluster->steers) return SKEP_OK;
    sigemptyset(&signals);
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
    if (!cluster->steers) return;
    uv_poll_stop(&cluster->steering);
    uv_close((uv_handle_t *)&cluster->steering, skep__broker_handle_closed);
    close(cluster->steering_fd);
}
