/* SPDX-License-Identifier: MIT
 * The kernel deals connections out to the sockets of a reuseport group, also to that of a worker that has no
 * descriptors left or does not run. The broker has all of these sockets: it accepts from those where somebody waits at
 * two looks in a row, and hands that to the others. A busy worker thereby loses at most what it has not come to. */
#include <poll.h>

#include "connections/private.h"

enum { LOOK_MS = 200 };

/* True if a worker accepts there. */
static bool look_at(struct skep__member *member) {
    struct pollfd at = {.fd = member->fd, .events = POLLIN};
    bool waited = member->waits;
    if (member->owner == NULL) return false;
    member->waits = poll(&at, 1, 0) == 1 && (at.revents & POLLIN) != 0;
    if (waited && member->waits) skep__member_accept(member, SKEP__ACCEPT_BURST);
    return true;
}

static bool look_at_all(skep_cluster *cluster) {
    struct skep__listener *listener;
    struct skep__member *member;
    bool any = false;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry) {
        if (listener->resting) any = true;
        else LIST_FOREACH(member, &listener->members, entry) any = look_at(member) || any;
    }
    return any;
}

static void look(struct skep__alarm *alarm) {
    skep_cluster *cluster = SKEP_CONTAINER(alarm, struct skep__connections, overdue_alarm)->cluster;
    if (look_at_all(cluster)) skep__overdue_watch(cluster);
}

void skep__overdue_watch(skep_cluster *cluster) {
    if (skep__alarm_is_set(&cluster->connections->overdue_alarm)) return;
    if (skep__alarm_set(cluster->clock, &cluster->connections->overdue_alarm, LOOK_MS, look) != SKEP_OK)
        skep__emit_error(cluster, NULL, "out of memory: the workers' sockets are not watched");
}
