/* SPDX-License-Identifier: MIT
 * What a machine may have too little of. */
#ifndef SKEP_CONNECTIONS_LACKS_H
#define SKEP_CONNECTIONS_LACKS_H

enum skep__lack {
    SKEP__LACK_DESCRIPTORS,
    SKEP__LACK_PEERS,      /* descriptors for connections of workers, clients and commands */
    SKEP__LACK_REFERENCES, /* to descriptors in flight */
    SKEP__LACK_PROCESSES,
    SKEP__LACK_MEMORY,
    SKEP__LACK_DIRECTORY, /* to make sockets in */
    SKEP__LACKS
};

#endif
