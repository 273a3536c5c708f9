/* SPDX-License-Identifier: MIT
 * Signals read from a descriptor: it tells who sent them. A fault of the program's own still ends it, though the signal
 * is blocked: the kernel sees to that. */
#include <signal.h>
#include <sys/signalfd.h>

#include "command/run/run.h"
#include "common/signal_text.h"

enum { MOST_AT_ONCE = 16 };

static const int clusters[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU};

/* Those that end nothing, and those that a process gets for faults and from abort */
static const int others[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGURG, SIGWINCH,
                             SIGKILL, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGABRT};

/* A profiler that was loaded with the program, say, handles its own. */
static bool is_handled(int signal) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action) != 0) return true; /* the C library's own */
    return (action.sa_flags & SA_SIGINFO) || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

static void choose(sigset_t *set) {
    sigfillset(set);
    for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) sigdelset(set, clusters[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) sigdelset(set, others[i]);
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        if (is_handled(signal)) sigdelset(set, signal);
}

/* The cluster lets them through, or reads them, as long as it is there; what comes later, up to the last line of the
 * log, must not end the process. */
static void block_clusters(void) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) sigaddset(&set, clusters[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A write that failed has been seen where it was made. */
static bool is_of_own_writing(const struct signalfd_siginfo *info) {
    bool of_writing = info->ssi_signo == SIGPIPE || info->ssi_signo == SIGXFSZ;
    return of_writing && info->ssi_pid == (uint32_t)getpid();
}

static void take(struct signals *signals, const struct signalfd_siginfo *info) {
    char received[SKEP__RECEIVED_BYTES];
    if (is_of_own_writing(info)) return;
    skep__received_text(info, received);
    log_broker(signals->log, "%s: %s", received,
               info->ssi_signo == SIGUSR1   ? "reopening the log"
               : info->ssi_signo == SIGUSR2 ? "ignored: it is reserved for replacing the broker itself, which is not "
                                              "possible yet; SIGHUP replaces the workers"
                                            : "ignored; SIGTERM stops the broker");
    if (info->ssi_signo == SIGUSR1) log_reopen(signals->log);
}

static void readable(uv_poll_t *poll, int status, int events) {
    struct signals *signals = poll->data;
    struct signalfd_siginfo infos[MOST_AT_ONCE];
    (void)status, (void)events;
    ssize_t n = read(signals->fd, infos, sizeof infos);
    for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof *infos; i++) take(signals, &infos[i]);
}

int signals_begin(struct signals *signals, uv_loop_t *loop, struct log *log) {
    sigset_t set;
    choose(&set);
    signals->log = log;
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0) return skep_status_of_errno(errno);
    sigprocmask(SIG_BLOCK, &set, NULL);
    block_clusters();
    if (uv_poll_init(loop, &signals->poll, signals->fd) != 0) {
        close(signals->fd);
        return SKEP_ESYS;
    }
    signals->poll.data = signals;
    uv_unref((uv_handle_t *)&signals->poll);
    uv_poll_start(&signals->poll, UV_READABLE, readable);
    return SKEP_OK;
}

void signals_end(struct signals *signals) {
    uv_poll_stop(&signals->poll);
    uv_close((uv_handle_t *)&signals->poll, NULL);
    close(signals->fd);
}
