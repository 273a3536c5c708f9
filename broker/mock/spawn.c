/* SPDX-License-Identifier: MIT
 * A mock broker's worker programs: started, and started again. posix_spawn, since NNG, if it is
 * used, does not survive a fork. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/container.h"
#include "mock/private.h"

enum { OUT_OF_THE_WAY_FD = 10, MAX_DOUBLINGS = 6 };

/* --- the program --- */

static size_t length_of(const char *const *list) {
    size_t n = 0;
    while (list != NULL && list[n] != NULL) n++;
    return n;
}

static void free_list(char **list) {
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) free(list[i]);
    free(list);
}

/* room more entries can be added. */
static char **copy_list(const char *const *list, size_t room) {
    size_t n = length_of(list);
    char **copy = calloc(n + room + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] != NULL) continue;
        free_list(copy);
        return NULL;
    }
    return copy;
}

void skep__mock_free_program(struct skep__mock_program *program) {
    if (program == NULL) return;
    free_list(program->argv);
    free_list(program->env);
    free(program);
}

static struct skep__mock_program *new_program(const char *const *argv, const char *const *env) {
    struct skep__mock_program *program = calloc(1, sizeof *program);
    if (program == NULL) return NULL;
    program->argv = copy_list(argv, 0);
    program->env = copy_list(env, 0);
    if (program->argv != NULL && program->env != NULL) return program;
    skep__mock_free_program(program);
    return NULL;
}

/* --- its environment: the test's, the program's, the worker's; of two with one name the later one counts --- */

static bool same_variable(const char *a, const char *b) {
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length) == 0 && b[length] == '=';
}

static void set_variable(const char **env, size_t *used, const char *variable) {
    for (size_t i = 0; i < *used; i++) {
        if (!same_variable(variable, env[i])) continue;
        env[i] = variable;
        return;
    }
    env[(*used)++] = variable;
}

static const char **make_env(const struct skep__mock_program *program, const char *worker, const char *generation) {
    size_t used = 0, own = length_of((const char *const *)environ);
    const char **env = calloc(own + length_of((const char *const *)program->env) + 3, sizeof *env);
    if (env == NULL) return NULL;
    for (; used < own; used++) env[used] = environ[used];
    for (char **v = program->env; *v != NULL; v++) set_variable(env, &used, *v);
    set_variable(env, &used, worker);
    set_variable(env, &used, generation);
    return env;
}

/* --- starting --- */

static int status_of_spawn(int error) {
    if (error == 0) return SKEP_OK;
    if (error == ENOENT || error == ENOTDIR) return SKEP_ENOTFOUND;
    if (error == EACCES || error == ENOEXEC) return SKEP_ENOTEXEC;
    return error == EAGAIN ? SKEP_ENPROC : skep_status_of_errno(error);
}

/* Its signals are as usual whatever the test does with its own; no descriptor but those of a worker is left open. */
static int spawn(char **argv, const char **env, int link, int page, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, link, SKEP_LINK_FD);
    posix_spawn_file_actions_adddup2(&actions, page, SKEP_PAGE_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, SKEP_PAGE_FD + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, (char **)env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* Copies with high numbers, lest one of them is overwritten by the other. */
static int spawn_with(struct skep__mock_worker *worker, const char **env, int link) {
    int high_link = fcntl(link, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY_FD);
    int high_page = fcntl(worker->page_fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY_FD);
    int error =
        high_link < 0 || high_page < 0 ? errno : spawn(worker->program->argv, env, high_link, high_page, &worker->pid);
    if (high_link >= 0) close(high_link);
    if (high_page >= 0) close(high_page);
    return error;
}

static void program_ended(uv_poll_t *poll, int status, int events);

static int watch_program(struct skep__mock_worker *worker) {
    worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
    if (worker->pidfd < 0) return skep_status_of_errno(errno);
    int error = uv_poll_init(worker->mock->loop, &worker->exit_poll, worker->pidfd);
    if (error != 0) {
        close(worker->pidfd);
        worker->pidfd = -1;
        return skep_status_of_errno(-error);
    }
    worker->mock->open_handles++;
    worker->exit_poll.data = worker;
    uv_poll_start(&worker->exit_poll, UV_READABLE, program_ended);
    uv_unref((uv_handle_t *)&worker->exit_poll);
    return SKEP_OK;
}

static int start(skep_mock *mock, struct skep__mock_program *program, uint32_t *out) {
    struct skep__mock_worker *worker;
    char id[48], generation[] = SKEP_ENV_GENERATION "=1";
    int link;
    int status = skep__mock_add_worker(mock, &worker, &link);
    if (status != SKEP_OK) return status;
    snprintf(id, sizeof id, SKEP_ENV_WORKER_ID "=%u", worker->id);
    const char **env = make_env(program, id, generation);
    worker->program = program;
    int error = env != NULL ? spawn_with(worker, env, link) : ENOMEM;
    free(env);
    close(link);
    status = status_of_spawn(error);
    if (status == SKEP_OK) status = watch_program(worker);
    if (status == SKEP_OK) {
        program->starts++;
        *out = worker->id;
        return SKEP_OK;
    }
    worker->program = NULL;
    skep__mock_end_program(worker);
    skep__mock_drop_link(worker);
    skep__mock_explain(mock, "%s: %s", program->argv[0], error != 0 ? strerror(error) : skep_strerror(status));
    return skep__mock_failed(mock, status);
}

int skep_mock_broker_spawn(skep_mock *mock, const char *const *argv, const char *const *env, uint32_t *id) {
    struct skep__mock_program *program = new_program(argv, env);
    if (program == NULL) return SKEP_ENOMEM;
    int status = start(mock, program, id);
    if (status != SKEP_OK) skep__mock_free_program(program);
    return status;
}

pid_t skep_mock_pid(const skep_mock *mock, uint32_t id) {
    const struct skep__mock_worker *worker = skep__mock_find_worker(mock, id);
    return worker != NULL ? worker->pid : 0;
}

/* --- ending --- */

static void reap(struct skep__mock_worker *worker) {
    int status;
    pid_t pid;
    do pid = waitpid(worker->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    worker->exited = true;
    if (pid == worker->pid && WIFEXITED(status)) worker->code = WEXITSTATUS(status);
    if (pid == worker->pid && WIFSIGNALED(status)) worker->signal = WTERMSIG(status);
    worker->pid = 0;
}

static void stop_watching(struct skep__mock_worker *worker) {
    if (worker->pidfd < 0) return;
    uv_poll_stop(&worker->exit_poll);
    skep__mock_close_handle(worker->mock, (uv_handle_t *)&worker->exit_poll);
    close(worker->pidfd);
    worker->pidfd = -1;
}

void skep__mock_end_program(struct skep__mock_worker *worker) {
    stop_watching(worker);
    if (worker->pid == 0) return;
    kill(worker->pid, SIGKILL);
    reap(worker);
}

/* --- starting again --- */

static uint64_t backoff_ms(const skep_mock *mock, const struct skep__mock_program *program) {
    unsigned doublings = program->starts - 1 < MAX_DOUBLINGS ? program->starts - 1 : MAX_DOUBLINGS;
    return (uint64_t)mock->options.backoff_ms << doublings;
}

static void start_again(struct skep__alarm *alarm) {
    struct skep__mock_worker *worker = SKEP_CONTAINER(alarm, struct skep__mock_worker, respawn);
    struct skep__mock_program *program = worker->program;
    if (start(worker->mock, program, &worker->successor) == SKEP_OK) worker->program = NULL;
    else skep__mock_note(worker->mock, "cannot start %s again", program->argv[0]);
}

static void start_later(struct skep__mock_worker *worker) {
    skep_mock *mock = worker->mock;
    if (skep__alarm_set(mock->clock, &worker->respawn, backoff_ms(mock, worker->program), start_again) != SKEP_OK)
        skep__mock_note(mock, "cannot start %s again: no memory", worker->program->argv[0]);
}

/* --- the end of a program --- */

static void program_ended(uv_poll_t *poll, int status, int events) {
    struct skep__mock_worker *worker = poll->data;
    skep_mock *mock = worker->mock;
    char text[SKEP__MOCK_SUBJECT_BYTES];
    (void)status;
    (void)events;
    stop_watching(worker);
    skep__mock_read_link(worker);  /* what it said last */
    skep__mock_link_ended(worker); /* something that it has started may have the link, too */
    reap(worker);
    skep__mock_count_unreported(worker);
    skep__jobs_worker_ended(worker->holder);
    skep__mock_note(mock, "< %s", skep__mock_describe_worker(worker, text));
    if (mock->options.respawn && !worker->draining) start_later(worker);
}
