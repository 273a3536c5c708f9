/* SPDX-License-Identifier: MIT
 * The pages of a file of SQLite's, read without SQLite: whatever is damaged, the others can be had. A page that was
 * committed to the log (WAL) is read from there. The formats are those of https://sqlite.org/fileformat2.html. */
#ifndef SKEP_JOBS_DISK_PAGES_H
#define SKEP_JOBS_DISK_PAGES_H

#include <skep/status.h>
#include <stdbool.h>
#include <stdint.h>

enum { SKEP__PAGE_BYTES = 4096 }; /* of all files here */

struct skep__pages;

/* Opens the file of a path, and its log, for reading. Errors: SKEP_ENOMEM, those of errno. */
SKEP_MUST_USE int skep__pages_open(struct skep__pages **pages, const char *path);

/* Sets *pages to NULL. NULL is allowed. */
void skep__pages_close(struct skep__pages **pages);

/* Numbers begin with 1 and end with this. */
uint32_t skep__pages_count(const struct skep__pages *pages);

/* Whether a page could be read into page. */
SKEP_MUST_USE bool skep__pages_read(const struct skep__pages *pages, uint32_t number,
                                    unsigned char page[SKEP__PAGE_BYTES]);

/* Whether it is in the list of those that are not used, as far as that can be read. */
bool skep__pages_is_free(const struct skep__pages *pages, uint32_t number);

/* How many more pages there were, by what the first one says. */
uint32_t skep__pages_missing(const struct skep__pages *pages);

/* Whether there is a log from which nothing could be read. */
bool skep__pages_lost_log(const struct skep__pages *pages);

static inline uint32_t skep__read_32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline unsigned skep__read_16(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

#endif
