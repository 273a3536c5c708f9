/* SPDX-License-Identifier: MIT
 * What belongs to a worker. Three means, since each has a gap:
 *
 * - Its process group, killed when it ends. The kernel kills it when the broker ends: each group owns a pipe of which
 *   the broker holds both ends and which never carries anything; when one end closes, the other one's "input is
 *   possible" is delivered as SIGKILL (F_SETSIG) to its owner (F_SETOWN), the group. That takes no process that
 * watches, and a worker's change of user, which makes the kernel forget a parent-death signal, does not undo it.
 * - A process that has left the group is adopted by the broker when its parent ends (PR_SET_CHILD_SUBREAPER), and known
 *   by its mark. Only what has emptied its environment stays until the broker stops.
 * - What a broker that was killed has left, by the same mark, when the next one starts in its directory.
 *
 * No control groups: moving a process into one takes the kernel some 50 ms or more, in which no process of the machine
 * can be made. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "worker/private.h"

enum {
    END_MS = 1000, /* how long the end of adopted processes is waited for */
    END_STEP_MS = 2
};

struct pids {
    pid_t *pids;
    size_t count;
};

/* --- groups --- */

static bool give_to_group(int fd, pid_t group) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETOWN, -group) == 0 && fcntl(fd, F_SETSIG, SIGKILL) == 0 &&
           fcntl(fd, F_SETFL, flags | O_ASYNC) == 0;
}

/* Both ends: which of them the kernel closes first when the broker ends is not known. */
void skep__belongings_guard(skep_child *child) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    if (give_to_group(ends[0], child->pid) && give_to_group(ends[1], child->pid)) {
        child->process->guard[0] = ends[0];
        child->process->guard[1] = ends[1];
        return;
    }
    close(ends[0]);
    close(ends[1]);
}

/* The number of a group is not reused as long as its worker was not reaped, or a member is left. */
void skep__belongings_end(skep_child *child, bool is_there) {
    if (is_there) kill(-child->pid, SIGKILL);
    for (unsigned i = 0; i < 2; i++) {
        if (child->process->guard[i] >= 0) close(child->process->guard[i]);
        child->process->guard[i] = -1;
    }
}

/* --- marks --- */

struct mark {
    int broker;
    uint64_t generation;
    uint32_t worker;
};

void skep__mark(const skep_cluster *cluster, uint32_t worker, char text[SKEP__MARK_BYTES]) {
    snprintf(text, SKEP__MARK_BYTES, SKEP_ENV_MARK "=%d.%" PRIu64 ".%" PRIu32, (int)getpid(),
             cluster->instance.generation, worker);
}

static bool parse_mark(const char *variable, struct mark *mark) {
    static const char name[] = SKEP_ENV_MARK "=";
    return strncmp(variable, name, sizeof name - 1) == 0 &&
           sscanf(variable + sizeof name - 1, "%d.%" SCNu64 ".%" SCNu32, &mark->broker, &mark->generation,
                  &mark->worker) == 3;
}

static bool read_mark(pid_t pid, struct mark *mark) {
    char path[32], *variable = NULL;
    size_t capacity = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    while (!found && getdelim(&variable, &capacity, '\0', file) > 0) found = parse_mark(variable, mark);
    free(variable);
    fclose(file);
    return found;
}

/* --- children --- */

static bool add(struct pids *pids, pid_t pid) {
    pid_t *larger = realloc(pids->pids, (pids->count + 1) * sizeof *larger);
    if (larger == NULL) return false;
    pids->pids = larger;
    larger[pids->count++] = pid;
    return true;
}

static void add_children_of_thread(struct pids *pids, const char *thread) {
    char path[300];
    int pid;
    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    while (fscanf(file, "%d", &pid) == 1)
        if (!add(pids, pid)) break;
    fclose(file);
}

/* Without memory, or a kernel that lists them, some or all are missing. False, with errno: /proc cannot be read. */
static bool list_children(struct pids *pids) {
    *pids = (struct pids){0};
    DIR *threads = opendir("/proc/self/task");
    if (threads == NULL) return false;
    for (const struct dirent *e; (e = readdir(threads)) != NULL;)
        if (e->d_name[0] != '.') add_children_of_thread(pids, e->d_name);
    closedir(threads);
    return true;
}

static bool has(const pid_t *pids, size_t count, pid_t pid) {
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid) return true;
    return false;
}

static bool is_worker(const skep_cluster *cluster, pid_t pid) {
    return skep__child_by_pid(cluster, pid) != NULL;
}

/* Whether it belongs to one of this broker's workers that has ended. */
static bool is_left_behind(skep_cluster *cluster, pid_t pid) {
    struct mark mark;
    if (!read_mark(pid, &mark) || mark.broker != (int)getpid() || mark.generation != cluster->instance.generation)
        return false;
    const skep_child *child = skep_child_by_id(cluster, mark.worker);
    return child == NULL || child->exited;
}

/* Kills those of the adopted that belong to no worker, or all. Returns how many there are. What they leave behind in
 * turn is adopted when they have ended. */
static size_t kill_orphans(skep_cluster *cluster, bool all) {
    struct pids pids;
    size_t orphans = 0;
    if (!list_children(&pids)) return 0;
    for (size_t i = 0; i < pids.count; i++) {
        pid_t pid = pids.pids[i];
        if (is_worker(cluster, pid) || has(cluster->workers->own_children, cluster->workers->own_child_count, pid))
            continue;
        orphans++;
        if (all || is_left_behind(cluster, pid)) kill(pid, SIGKILL);
    }
    free(pids.pids);
    return orphans;
}

/* A worker that has ended is reaped where its status is read; the others are looked at again then. */
static void reap_orphans(const skep_cluster *cluster) {
    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
        if (is_worker(cluster, ended.si_pid)) return;
        if (waitpid(ended.si_pid, NULL, WNOHANG) < 0) return;
    }
}

void skep__orphans_look(skep_cluster *cluster) {
    if (!cluster->workers->adopts) return;
    kill_orphans(cluster, false);
    reap_orphans(cluster);
}

static void child_ended(uv_signal_t *handle, int number) {
    (void)number;
    skep__orphans_look(handle->data);
}

/* The parent process may have blocked or ignored the signal. */
int skep__workers_open(skep_cluster *cluster) {
    sigset_t wanted;
    struct pids own;
    if (!cluster->settings.adopt || cluster->workers->adopts) return SKEP_OK;
    if (!list_children(&own)) {
        int status = errno == ENOENT ? SKEP_ESYS : skep_status_of_errno(errno);
        return skep__broker_fail(cluster, status, "cannot adopt processes: /proc/self/task: %s", strerror(errno));
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || uv_signal_init(cluster->loop, &cluster->workers->child_signal) != 0) {
        free(own.pids);
        return skep__broker_fail(cluster, SKEP_ESYS, "cannot adopt processes: %s", strerror(errno));
    }
    cluster->workers->own_children = own.pids;
    cluster->workers->own_child_count = own.count;
    cluster->workers->adopts = true;
    cluster->workers->child_signal.data = cluster;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    skep__signal_mask_change(&cluster->workers->mask, SIG_UNBLOCK, &wanted);
    int error = uv_signal_start(&cluster->workers->child_signal, child_ended, SIGCHLD);
    uv_unref((uv_handle_t *)&cluster->workers->child_signal);
    return error == 0 ? SKEP_OK : skep__broker_fail(cluster, SKEP_ESYS, "cannot watch SIGCHLD: %s", uv_strerror(error));
}

void skep__orphans_end(skep_cluster *cluster) {
    static const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000L};
    if (!cluster->workers->adopts) return;
    cluster->workers->adopts = false;
    for (unsigned waited_ms = 0; kill_orphans(cluster, true) > 0 && waited_ms < END_MS; waited_ms += END_STEP_MS) {
        nanosleep(&step, NULL);
        reap_orphans(cluster);
    }
    free(cluster->workers->own_children);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->workers->child_signal);
    skep__signal_mask_restore(&cluster->workers->mask);
}

/* --- those of a broker that was killed --- */

/* One that has ended may not have been reaped yet. */
static bool is_running(pid_t pid) {
    struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    if (end.fd < 0) return errno != ESRCH;
    bool runs = poll(&end, 1, 0) == 0;
    close(end.fd);
    return runs;
}

/* By a descriptor, so that no other process with the same number is killed. */
static void kill_if_left(pid_t pid, pid_t broker, uint64_t generation) {
    struct mark mark;
    struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    if (end.fd < 0) return;
    if (read_mark(pid, &mark) && mark.broker == (int)broker && mark.generation == generation &&
        pidfd_send_signal(end.fd, SIGKILL, NULL, 0) == 0)
        poll(&end, 1, END_MS);
    close(end.fd);
}

void skep__orphans_inherit(pid_t broker, uint64_t generation) {
    bool is_gone = broker > 0 && (broker == getpid() || !is_running(broker)); /* numbers come back */
    DIR *processes = is_gone ? opendir("/proc") : NULL;
    if (processes == NULL) return;
    for (const struct dirent *e; (e = readdir(processes)) != NULL;) {
        int pid = atoi(e->d_name);
        if (pid > 1 && pid != (int)getpid()) kill_if_left(pid, broker, generation);
    }
    closedir(processes);
}
