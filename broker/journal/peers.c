/* SPDX-License-Identifier: MIT
 * What is said of processes that cannot connect. */
#include <unistd.h>

#include "journal/journal.h"

void skep__peer_refused(void *context, pid_t pid, uid_t uid) {
    skep_cluster *cluster = context;
    skep__emit_error(cluster, NULL, "refused process %d of user %u: only user %u may connect", (int)pid, uid,
                     geteuid());
}

void skep__peers_starved(void *context) {
    skep__lack_say(context, SKEP__LACK_PEERS,
                   "out of descriptors; workers, clients and commands connect when some are free");
}
