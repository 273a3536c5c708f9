/* SPDX-License-Identifier: MIT
 * Memory and processor time of workers.
 *
 * Opening a file in /proc costs 8 microseconds: for 1,000 workers a turn of the loop would take longer than a hand-off
 * may. Descriptors that stay open would be cheaper, but the broker needs those for connections. */
#include <fcntl.h>
#include <time.h>

#include "worker/private.h"

enum { AT_ONCE = 64 /* half a millisecond */ };

static bool read_resident(pid_t pid, uint64_t *bytes) {
    char path[32], text[128];
    unsigned long pages;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%*u %lu", &pages) != 1) return false;
    *bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* Of all its threads, those that have ended too; no file is needed for it. */
static bool read_processor(pid_t pid, uint64_t *ms) {
    clockid_t id;
    struct timespec time;
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &time) != 0) return false;
    *ms = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
    return true;
}

/* A process that has ended keeps what it had last. */
static void look(skep_child *child) {
    struct skep__usage *usage = &child->process->usage;
    if (!child->exited && !read_resident(child->pid, &usage->rss_bytes)) usage->rss_bytes = 0;
    if (!child->exited && !read_processor(child->pid, &usage->cpu_ms)) usage->cpu_ms = 0;
    usage->looked_ms = uv_now(child->cluster->loop);
    usage->looked = true;
}

/* True if none is left: by the time when the round began, so that it has an end however slow the machine is. */
static bool look_at_some(skep_cluster *cluster) {
    unsigned left = AT_ONCE;
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) {
        const struct skep__usage *usage = &child->process->usage;
        if (usage->looked && usage->looked_ms + SKEP__USAGE_FRESH_MS > cluster->workers->usage_began_ms) continue;
        if (left-- == 0) return false;
        look(child);
    }
    return true;
}

static void go_on(uv_idle_t *idle) {
    skep_cluster *cluster = idle->data;
    if (!look_at_some(cluster)) return;
    uv_idle_stop(idle);
    cluster->workers->usage_fresh(cluster);
}

bool skep__usage_refresh(skep_cluster *cluster, void (*fresh)(skep_cluster *cluster)) {
    cluster->workers->usage_fresh = fresh;
    if (uv_is_active((uv_handle_t *)&cluster->workers->usage_idle)) return false;
    cluster->workers->usage_began_ms = uv_now(cluster->loop);
    if (look_at_some(cluster)) return true;
    uv_idle_start(&cluster->workers->usage_idle, go_on);
    return false;
}

void skep__usage_stop(skep_cluster *cluster) {
    uv_idle_stop(&cluster->workers->usage_idle);
}
