/* SPDX-License-Identifier: MIT
 * Exhausted resources. What waits for them is retried by a timer: a poll would call at once, again
 * and again. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connections/private.h"
#include "journal/journal.h"
#include "worker/worker.h"

enum {
    RETRY_MS = 100, /* between tries */

    SPARE_DESCRIPTORS = 64 /* besides connections in flight: sockets, links, files */
};

static void keep_reserve(skep_cluster *cluster) {
    if (cluster->connections->reserve < 0) cluster->connections->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void skep__connections_open(skep_cluster *cluster) {
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
    }
    rlim_t usable = limit.rlim_cur > SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS : limit.rlim_cur;
    cluster->connections->max_in_flight = usable / 4 < UINT16_MAX ? (unsigned)(usable / 4) : UINT16_MAX;
    if (cluster->connections->max_in_flight == 0) cluster->connections->max_in_flight = 1;
    keep_reserve(cluster);
}

static void retry_listeners(skep_cluster *cluster) {
    struct skep__listener *listener;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry) {
        listener->starved = false;
        skep__listener_update(listener);
        skep__listener_resume(listener); /* a custom policy may have returned SKEP_NOBODY */
    }
}

static void retry_workers(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) {
        if (child->taker->blocked) skep__link_send_waiting(child);
        if (!child->taker->refusing) continue;
        child->taker->refusing = false;
        skep__dispatch_update(child);
    }
}

static void retry(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    keep_reserve(cluster);
    if (cluster->connections->reserve < 0) skep__lack_retry_soon(cluster);
    else retry_listeners(cluster);
    retry_workers(cluster);
}

void skep__lack_retry_soon(skep_cluster *cluster) {
    if (!uv_is_active((uv_handle_t *)&cluster->connections->lack_timer))
        uv_timer_start(&cluster->connections->lack_timer, retry, RETRY_MS, 0);
}

int skep__lack_accept(struct skep__member *member, int error) {
    struct skep__listener *listener = member->listener;
    skep_cluster *cluster = listener->cluster;
    bool is_descriptors = error == EMFILE || error == ENFILE;
    int fd = -1;
    if (is_descriptors && cluster->connections->reserve >= 0) {
        close(cluster->connections->reserve);
        cluster->connections->reserve = -1;
        fd = accept4(member->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if (is_descriptors)
        skep__lack_say(cluster, SKEP__LACK_DESCRIPTORS, "%s: out of descriptors; accepting slowly until some are free",
                       listener->url);
    else skep__lack_say(cluster, SKEP__LACK_MEMORY, "%s: cannot accept: %s", listener->url, strerror(error));
    listener->starved = true;
    skep__listener_update(listener);
    skep__lack_retry_soon(cluster);
    return fd;
}
