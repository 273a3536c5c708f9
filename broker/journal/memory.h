/* SPDX-License-Identifier: MIT
 * The end of memory. While the reserve (base/reserve.h) is missing, what takes memory for long is refused; ten times a
 * second it is tried to have it again, and what waits for memory is tried too. One line in ten seconds says so. */
#ifndef SKEP_JOURNAL_MEMORY_H
#define SKEP_JOURNAL_MEMORY_H

#include "broker.h"

/* Reason for a SKEP_ENOMEM that others are told */
#define SKEP__OUT_OF_MEMORY "the broker is out of memory"

/* Takes the reserve; retry is called each time that it was looked whether there is memory again. */
void skep__memory_open(skep_cluster *cluster, void (*retry)(skep_cluster *cluster));
void skep__memory_close(skep_cluster *cluster);

/* Whether so many bytes may be taken for long. To be asked before, by what a client, a worker or an operator would have
 * the broker keep. */
SKEP_MUST_USE bool skep__memory_allows(skep_cluster *cluster, size_t size_bytes);

/* So many bytes were taken by what gives memory back in the end. */
void skep__memory_note(skep_cluster *cluster, size_t size_bytes);

/* Looks whether there is memory for what takes some for a moment only; if not, the reserve is given up. */
void skep__memory_check(skep_cluster *cluster);

/* There was no memory for a step: the reserve is given up. True if it is worth another try, at once; else, and if that
 * fails, the step has to be tried by retry, or to be given up. */
bool skep__memory_lacks(skep_cluster *cluster);

#endif
