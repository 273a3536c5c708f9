/* SPDX-License-Identifier: MIT
 * Exhausted resources. What waits for them is retried by a timer: a poll would call at once, again
 * and again. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "connections/private.h"

enum {
    RETRY_MS = 100, /* between tries */

    SPARE_DESCRIPTORS = 64 /* besides connections in flight: sockets, links, files */
};

bool skep__lack_keep_reserve(skep_cluster *cluster) {
    struct skep__connections *connections = cluster->connections;
    if (connections->reserve < 0) connections->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return connections->reserve >= 0;
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
    skep__lack_keep_reserve(cluster);
}

void skep__lack_retry_soon(skep_cluster *cluster) {
    struct skep__connections *connections = cluster->connections;
    if (!uv_is_active((uv_handle_t *)&connections->lack_timer))
        uv_timer_start(&connections->lack_timer, connections->retry, RETRY_MS, 0);
}

int skep__lack_accept(const struct skep__member *member, int error) {
    const struct skep__listener *listener = member->listener;
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
    skep__lack_retry_soon(cluster);
    return fd;
}
