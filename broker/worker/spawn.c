/* SPDX-License-Identifier: MIT
 * fork and exec of a worker. Not uv_spawn, because of what a worker needs between the two: the parent-death signal, a
 * process group of its own (the terminal's Ctrl-C is for the broker, which drains its workers), no descriptor but the
 * link and the page. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "worker/private.h"

static_assert(SKEP_EXTRA_FD == SKEP_PAGE_FD + 1, "they follow the link and the page");

enum stage { STAGE_SETUP, STAGE_CWD, STAGE_IDS, STAGE_REACH, STAGE_EXEC };

/* What the child writes to the parent if it cannot become a worker */
struct report {
    enum stage stage;
    int error;
};

struct plan {
    const skep_settings *settings;
    const struct skep__program *program;
    const char *dir; /* the instance's */
    char **argv;
    char **envp;
    char own[3][SKEP__MARK_BYTES]; /* SKEP_WORKER_ID, SKEP_GENERATION and the mark, part of envp */
    int link;                      /* the worker's end */
    int page;
    int report;
    int output[2]; /* its stdout and stderr; -1: as the settings say */
    pid_t parent;
    struct rlimit files;
};

/* --- in the child, which shares the broker's memory until exec: nothing that takes locks or memory, or changes what is
 * not the plan's --- */

static void fail(const struct plan *plan, enum stage stage) {
    struct report report = {.stage = stage, .error = errno};
    ssize_t n = write(plan->report, &report, sizeof report);
    _exit(n == sizeof report ? 127 : 126);
}

/* The broker has blocked them all, so that none of its handlers runs here. */
static void reset_signals(void) {
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int s = 1; s < NSIG; s++) sigaction(s, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A copy that is out of the way: each descriptor may have one of the numbers that are to be given. */
static int move_away(const struct plan *plan, int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, SKEP_EXTRA_FD + (int)plan->settings->extra_count + 1);
}

static bool set_stdio(const struct plan *plan, int null) {
    const skep_settings *settings = plan->settings;
    const int inherited[3] = {-1, settings->silent ? -1 : STDOUT_FILENO, settings->silent ? -1 : STDERR_FILENO};
    const int captured[3] = {-1, plan->output[0], plan->output[1]};
    const int *usual = plan->output[0] >= 0 ? captured : inherited;
    const int *wanted = settings->stdio != NULL ? settings->stdio : usual;
    int copies[3];
    for (int i = 0; i < 3; i++) {
        copies[i] = move_away(plan, wanted[i] >= 0 ? wanted[i] : null);
        if (copies[i] < 0 && wanted == usual) copies[i] = move_away(plan, null); /* the broker has none */
        if (copies[i] < 0) return false;
    }
    return dup2(copies[0], 0) >= 0 && dup2(copies[1], 1) >= 0 && dup2(copies[2], 2) >= 0;
}

static bool move_extra_away(const struct plan *plan, int null, int copies[SKEP__MOST_EXTRA]) {
    const skep_settings *settings = plan->settings;
    for (unsigned i = 0; i < settings->extra_count; i++) {
        copies[i] = move_away(plan, settings->extra_stdio[i] >= 0 ? settings->extra_stdio[i] : null);
        if (copies[i] < 0) return false;
    }
    return true;
}

/* The link becomes descriptor 3 and the page 4; those of the user's follow, and the report; all others are closed. */
static bool arrange_descriptors(struct plan *plan) {
    int extra[SKEP__MOST_EXTRA];
    int count = (int)plan->settings->extra_count, report_fd = SKEP_EXTRA_FD + count;
    int null = move_away(plan, open("/dev/null", O_RDWR | O_CLOEXEC));
    int link = move_away(plan, plan->link);
    int page = move_away(plan, plan->page);
    int report = move_away(plan, plan->report);
    if (null < 0 || link < 0 || page < 0 || report < 0) return false;
    plan->report = report; /* its number may be one of those that are given now */
    if (!move_extra_away(plan, null, extra) || !set_stdio(plan, null)) return false;
    if (dup2(link, SKEP_LINK_FD) < 0 || dup2(page, SKEP_PAGE_FD) < 0) return false;
    for (int i = 0; i < count; i++)
        if (dup2(extra[i], SKEP_EXTRA_FD + i) < 0) return false;
    if (dup3(report, report_fd, O_CLOEXEC) < 0) return false;
    plan->report = report_fd;
    return syscall(SYS_close_range, report_fd + 1, ~0u, 0) == 0;
}

/* By system calls: the library's functions would change the broker's threads too. */
static bool set_ids(const struct skep__program *program) {
    bool is_already = geteuid() != 0 && program->uid == geteuid() && program->gid == getegid();
    if (!program->set_ids || is_already) return true;
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setgid, program->gid) == 0 &&
           syscall(SYS_setuid, program->uid) == 0;
}

__attribute__((noinline)) _Noreturn static void become_worker(struct plan *plan) {
    reset_signals();
    setpgid(0, 0);
    if (!arrange_descriptors(plan) || setrlimit(RLIMIT_NOFILE, &plan->files) != 0) fail(plan, STAGE_SETUP);
    if (plan->program->set_umask) umask(plan->program->umask);
    if (plan->program->cwd != NULL && chdir(plan->program->cwd) != 0) fail(plan, STAGE_CWD);
    if (!set_ids(plan->program)) fail(plan, STAGE_IDS);
    if (plan->program->set_ids && access(plan->dir, X_OK) != 0) fail(plan, STAGE_REACH);
    /* The signal follows the death of the thread that forked, the loop's; it is lost if that happened before. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan->parent) _exit(0);
    execvpe(plan->program->exec, plan->argv, plan->envp);
    fail(plan, STAGE_EXEC);
    abort();
}

/* --- in the broker --- */

static size_t count(char *const *list) {
    size_t n = 0;
    while (list != NULL && list[n] != NULL) n++;
    return n;
}

static void set_variable(char **envp, size_t *used, char *variable) {
    size_t length = strcspn(variable, "=");
    for (size_t i = 0; i < *used; i++) {
        if (strncmp(variable, envp[i], length) != 0 || envp[i][length] != '=') continue;
        envp[i] = variable;
        return;
    }
    envp[(*used)++] = variable;
}

static int plan_env(skep_cluster *cluster, struct plan *plan, uint32_t id, char *const *env) {
    char *const *program_env = (char *const *)plan->program->env;
    size_t used = 0;
    plan->envp = calloc(count(environ) + count(program_env) + count(env) + 4, sizeof *plan->envp);
    if (plan->envp == NULL) return SKEP_ENOMEM;
    for (char **v = environ; v != NULL && *v != NULL; v++) plan->envp[used++] = *v;
    for (size_t i = 0; i < count(program_env); i++) set_variable(plan->envp, &used, program_env[i]);
    for (size_t i = 0; env != NULL && env[i] != NULL; i++) set_variable(plan->envp, &used, env[i]);
    snprintf(plan->own[0], sizeof plan->own[0], SKEP_ENV_WORKER_ID "=%u", id);
    snprintf(plan->own[1], sizeof plan->own[1], SKEP_ENV_GENERATION "=%" PRIu64, cluster->instance.generation);
    skep__mark(cluster, id, plan->own[2]);
    for (size_t i = 0; i < sizeof plan->own / sizeof *plan->own; i++) set_variable(plan->envp, &used, plan->own[i]);
    return SKEP_OK;
}

static int plan_argv(struct plan *plan) {
    const struct skep__program *program = plan->program;
    size_t n = count((char *const *)program->args);
    plan->argv = calloc(n + 2, sizeof *plan->argv);
    if (plan->argv == NULL) return SKEP_ENOMEM;
    plan->argv[0] = (char *)program->exec;
    for (size_t i = 0; i < n; i++) plan->argv[i + 1] = (char *)program->args[i];
    return SKEP_OK;
}

/* Of fork and, if the worker is another user's, exec: what the kernel says means many things; here it is a limit of
 * processes. */
static int no_process(skep_cluster *cluster, const char *what, int error) {
    if (error != EAGAIN)
        return skep__broker_fail(cluster, skep_status_of_errno(error), "%s: %s", what, strerror(error));
    return skep__broker_fail(cluster, SKEP_ENPROC, "%s: out of processes, by the limit of the user or of the system",
                             what);
}

/* A path that is not absolute is looked up from the workers' directory; a name in PATH. */
static int not_found(skep_cluster *cluster, const struct skep__program *program) {
    const char *exec = program->exec, *path = strncmp(exec, "./", 2) == 0 ? exec + 2 : exec;
    if (exec[0] == '/' || strchr(exec, '/') == NULL || program->cwd == NULL)
        return skep__broker_fail(cluster, SKEP_ENOTFOUND, "%s: program not found", exec);
    return skep__broker_fail(cluster, SKEP_ENOTFOUND, "%s: program not found, looked for %s/%s", exec, program->cwd,
                             path);
}

static int explain(skep_cluster *cluster, const struct skep__program *program, const struct report *report) {
    const char *exec = program->exec;
    const char *why = strerror(report->error);
    switch (report->stage) {
    case STAGE_EXEC:
        if (report->error == ENOENT || report->error == ENOTDIR) return not_found(cluster, program);
        if (report->error == EAGAIN || report->error == ENOMEM) return no_process(cluster, exec, report->error);
        return skep__broker_fail(cluster, SKEP_ENOTEXEC, "%s: program cannot be executed: %s", exec, why);
    case STAGE_CWD:
        return skep__broker_fail(cluster, SKEP_ESYS, "%s: cannot be the working directory: %s", program->cwd, why);
    case STAGE_IDS:
        return skep__broker_fail(cluster, SKEP_EACCES, "cannot become user %u, group %u: %s", program->uid,
                                 program->gid, why);
    case STAGE_REACH:
        return skep__broker_fail(cluster, SKEP_EACCES, "%s: user %u of the workers cannot reach this directory: %s",
                                 cluster->instance.dir, program->uid, why);
    case STAGE_SETUP: break;
    }
    return skep__broker_fail(cluster, skep_status_of_errno(report->error), "cannot set up a worker: %s", why);
}

/* The report's pipe closes when exec succeeds. */
static int await_exec(skep_cluster *cluster, const struct skep__program *program, int pipe, pid_t pid) {
    struct report report;
    ssize_t n;
    do n = read(pipe, &report, sizeof report);
    while (n < 0 && errno == EINTR);
    if (n != sizeof report) return SKEP_OK;
    waitpid(pid, NULL, 0);
    return explain(cluster, program, &report);
}

static int fork_worker(skep_cluster *cluster, struct plan *plan, struct skep__spawned *spawned) {
    int pipe[2];
    sigset_t all, before;
    if (pipe2(pipe, O_CLOEXEC) != 0)
        return skep__broker_fail(cluster, skep_status_of_errno(errno), "fork: %s", strerror(errno));
    plan->report = pipe[1];
    plan->parent = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* vfork takes half a millisecond less than fork; what the child may do is said above.
     * NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    pid_t pid = vfork();
    if (pid == 0) become_worker(plan);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(pipe[1]);
    int status = pid > 0 ? await_exec(cluster, plan->program, pipe[0], pid) : no_process(cluster, "fork", error);
    close(pipe[0]);
    if (status != SKEP_OK) return status;
    spawned->pid = pid;
    spawned->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (spawned->pidfd >= 0) return SKEP_OK;
    error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return skep__broker_fail(cluster, skep_status_of_errno(error), "pidfd_open: %s", strerror(error));
}

static void close_all(const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0) close(fds[i]);
}

/* Only the broker's ends do not block: to the worker it is a pipe like any other. */
static int open_pipes(int ours[2], int theirs[2]) {
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return skep_status_of_errno(errno);
        ours[i] = ends[0];
        theirs[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return skep_status_of_errno(errno);
    }
    return SKEP_OK;
}

/* The soft limit that the broker was started with, unless the hard one has been lowered since. */
static struct rlimit files_of_worker(const skep_cluster *cluster) {
    struct rlimit now = cluster->workers->files;
    getrlimit(RLIMIT_NOFILE, &now);
    now.rlim_cur = cluster->workers->files.rlim_cur < now.rlim_max ? cluster->workers->files.rlim_cur : now.rlim_max;
    return now;
}

int skep__spawn(const skep_child *child, const struct skep__start *start, struct skep__spawned *spawned) {
    skep_cluster *cluster = child->cluster;
    struct plan plan = {
        .settings = start->terms->settings,
        .program = start->program,
        .dir = cluster->instance.dir,
        .page = -1,
        .output = {-1, -1},
        .files = files_of_worker(cluster),
    };
    int link[2] = {-1, -1};
    bool is_captured = plan.settings->capture && !plan.settings->silent && plan.settings->stdio == NULL;
    *spawned = (struct skep__spawned){.output = {-1, -1}};
    int status = is_captured ? open_pipes(spawned->output, plan.output) : SKEP_OK;
    if (status == SKEP_OK) status = skep__page_new(&spawned->page, &plan.page);
    if (status == SKEP_OK) status = skep__link_pair(link);
    if (status == SKEP_OK) status = plan_env(cluster, &plan, child->id, start->env);
    if (status == SKEP_OK) status = plan_argv(&plan);
    spawned->link = link[0];
    plan.link = link[1];
    if (status != SKEP_OK) skep__broker_fail(cluster, status, "fork: %s", skep_strerror(status));
    else status = fork_worker(cluster, &plan, spawned);
    close_all((int[]){plan.link, plan.page, plan.output[0], plan.output[1]}, 4);
    free(plan.argv);
    free(plan.envp);
    if (status == SKEP_OK) return SKEP_OK;
    close_all((int[]){spawned->link, spawned->output[0], spawned->output[1]}, 3);
    skep__page_free(&spawned->page);
    return status;
}
