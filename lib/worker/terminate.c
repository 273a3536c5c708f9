/* SPDX-License-Identifier: MIT
 * A plain SIGTERM asks the worker to leave: a service manager such as systemd sends it to the broker and to every
 * worker at once, and unfinished work should be finished then.
 *
 * A handler belongs to the process, as the worker does, of which there is one: hence the global. A handler that the
 * program had before stays; one that it sets later takes this one's place. It is caught and not blocked, since what the
 * program starts would inherit that. */
#include <contract.h>
#include <errno.h>
#include <signal.h>

#include "worker/private.h"

static skep_worker *guarded; /* that the signal asks to leave, or NULL */
static pid_t guarded_pid;

/* Signals that end the process: from the broker, after the drain timeout; from the process itself; in a forked copy. */
static bool is_final(const siginfo_t *info) {
    bool by_broker = info->si_code == SI_QUEUE && info->si_value.sival_int == SKEP_TERM_NOW;
    pid_t own = getpid();
    return by_broker || info->si_pid == own || own != guarded_pid;
}

static void on_sigterm(int number, siginfo_t *info, void *context) {
    (void)context;
    int error = errno;
    skep_worker *worker = __atomic_load_n(&guarded, __ATOMIC_ACQUIRE);
    if (worker == NULL || is_final(info)) {
        signal(number, SIG_DFL);
        raise(number); /* the default action follows when the handler returns */
    } else {
        __atomic_store_n(&worker->terminated, true, __ATOMIC_RELAXED);
        uv_async_send(&worker->terminate);
    }
    errno = error;
}

static void asked(uv_async_t *async) {
    skep__worker_heed(async->data);
}

int skep__worker_catch_sigterm(skep_worker *worker) {
    struct sigaction before, ours = {.sa_sigaction = on_sigterm, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (sigaction(SIGTERM, NULL, &before) != 0 || before.sa_flags & SA_SIGINFO || before.sa_handler != SIG_DFL)
        return SKEP_OK;
    if (uv_async_init(worker->loop, &worker->terminate, asked) != 0) return SKEP_ESYS;
    worker->terminate.data = worker;
    worker->open_handles++;
    uv_unref((uv_handle_t *)&worker->terminate);
    guarded_pid = getpid();
    __atomic_store_n(&guarded, worker, __ATOMIC_RELEASE);
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGTERM, &ours, NULL) == 0 ? SKEP_OK : SKEP_ESYS;
}

/* The program may have set a handler of its own meanwhile. */
void skep__worker_release_sigterm(skep_worker *worker) {
    struct sigaction now;
    if (guarded != worker) return;
    if (sigaction(SIGTERM, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigterm)
        signal(SIGTERM, SIG_DFL);
    __atomic_store_n(&guarded, NULL, __ATOMIC_RELEASE);
}
