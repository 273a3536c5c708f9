/* SPDX-License-Identifier: MIT
 * What happens to a worker, for the rooms above this one: hive/ fills it in. */
#ifndef SKEP_WORKER_EVENTS_H
#define SKEP_WORKER_EVENTS_H

#include "broker.h"

struct skep__worker_events {
    /* It has a process, which loads its program meanwhile: what it is given its work by is opened. Errors: as
     * skep_fork; it is ended then. */
    int (*made)(skep_child *child, const struct skep__program *program);
    /* It cannot be watched: what was opened and made for it, if anything, is freed. */
    void (*unmade)(skep_child *child);
    /* It can be found, and its link may be written and read. */
    void (*watched)(skep_child *child);
    /* A message of its link can be read, or its end. SKEP_OK: there may be more; asking costs a system call each
     * time. */
    int (*readable)(skep_child *child);
    /* Its link, which was full, can be written. */
    void (*writable)(skep_child *child);
    /* It is to leave for good. */
    void (*dismissed)(skep_child *child);
    /* Its process has ended; how is filled in. */
    void (*ended)(skep_child *child);
};

#endif
