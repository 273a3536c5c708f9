/* SPDX-License-Identifier: MIT
 * What a machine may have too little of, and the line that says so. */
#ifndef SKEP_JOURNAL_LACKS_H
#define SKEP_JOURNAL_LACKS_H

#include <skep/cluster.h>

enum skep__lack {
    SKEP__LACK_DESCRIPTORS,
    SKEP__LACK_PEERS,      /* descriptors for connections of workers, clients and commands */
    SKEP__LACK_REFERENCES, /* to descriptors in flight */
    SKEP__LACK_PROCESSES,
    SKEP__LACK_MEMORY,
    SKEP__LACK_DIRECTORY, /* to make sockets in */
    SKEP__LACKS
};

/* Says what ran out, unless the same was said within the last ten seconds. */
SKEP_PRINTF(3, 4) void skep__lack_say(skep_cluster *cluster, enum skep__lack lack, const char *format, ...);

#endif
