/* SPDX-License-Identifier: MIT
 * A worker that starts processes, does things to itself, or both, before it says that it is ready; then it answers jobs
 * of the queue "echo" with their payload.
 *
 *   belongings WHAT...
 *
 *   exec      a process in its group                 forked   the same without another program: it has all descriptors
 *   session   a process in a session of its own      daemon   the same, whose parent has ended
 *   bare      as daemon, with an empty environment   brief    as daemon, but it ends at once
 *   user      becomes user 65534                     timer    has a timer that never ends
 *   root DIR  has DIR as its root directory          leave    leaves after a job
 *
 * Of each process it prints "WHAT PID". */
#include <signal.h>
#include <skep/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOMEBODY_ELSE = 65534 };

static char *const sleeper[] = {(char *)"sleep", (char *)"3600", NULL};
static bool leaves;

_Noreturn static void be(const char *what) {
    static char *const nothing[] = {NULL};
    if (strcmp(what, "brief") == 0) _exit(0);
    while (strcmp(what, "forked") == 0) pause();
    if (strcmp(what, "bare") == 0) execve("/bin/sleep", sleeper, nothing);
    execvp(sleeper[0], sleeper);
    _exit(1);
}

static void tell(const char *what, pid_t pid) {
    printf("%s %d\n", what, (int)pid);
    fflush(stdout);
}

static void start(const char *what, bool new_session) {
    pid_t pid = fork();
    if (pid == 0) {
        if (new_session) setsid();
        be(what);
    }
    tell(what, pid);
}

static void start_daemon(const char *what) {
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        start(what, false);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void never(uv_timer_t *timer) {
    (void)timer;
}

static void need(bool well, const char *what) {
    if (well) return;
    perror(what);
    exit(1);
}

static void change(skep_worker *worker, const char *what) {
    static uv_timer_t timer;
    if (strcmp(what, "exec") == 0 || strcmp(what, "forked") == 0) start(what, false);
    if (strcmp(what, "session") == 0) start(what, true);
    if (strcmp(what, "daemon") == 0 || strcmp(what, "bare") == 0 || strcmp(what, "brief") == 0) start_daemon(what);
    if (strcmp(what, "user") == 0) need(setgid(SOMEBODY_ELSE) == 0 && setuid(SOMEBODY_ELSE) == 0, what);
    leaves = leaves || strcmp(what, "leave") == 0;
    if (strcmp(what, "timer") != 0) return;
    uv_timer_init(skep_worker_loop(worker), &timer);
    uv_timer_start(&timer, never, 100, 100);
}

static skep_verdict echo(skep_worker *worker, skep_job *job, void *context) {
    (void)context;
    if (skep_job_result(job, job->data, job->size_bytes) != SKEP_OK) return SKEP_RETRY;
    if (leaves) skep_disconnect(worker);
    return SKEP_DONE;
}

int main(int argc, char **argv) {
    skep_worker *worker = NULL;
    if (argc == 3 && strcmp(argv[1], "root") == 0) need(chroot(argv[2]) == 0 && chdir("/") == 0, "root");
    int status = skep_worker_new(&worker, NULL);
    if (status == SKEP_OK) status = skep_on_job(worker, "echo", echo, NULL);
    for (int i = 1; status == SKEP_OK && i < argc; i++) change(worker, argv[i]);
    if (status == SKEP_OK) status = skep_worker_run(worker);
    skep_worker_free(&worker);
    return skep_exit_status(status);
}
