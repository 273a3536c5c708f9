/* SPDX-License-Identifier: MIT
 * Fuzzes what a repair reads of a damaged file of jobs: pages and their rows, and the log. The first byte says which of
 * the two the input is. Dictionary fuzz_pages.dict, seeds corpus/pages. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/disk/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static void write_file(const char *path, const uint8_t *data, size_t size_bytes, size_t offset) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(file != -1 && pwrite(file, data, size_bytes, (off_t)offset) == (ssize_t)size_bytes);
    close(file);
}

/* Values are within the row's payload: the sanitizer sees what is not. */
static int look(void *context, const struct skep__record *record) {
    (void)context;
    must(record->count >= 3 && record->count <= SKEP__MOST_COLUMNS);
    for (unsigned i = 0; i < record->count; i++) {
        const struct skep_bytes *bytes = &record->values[i].bytes;
        for (size_t at = 0; at < bytes->size_bytes; at++) (void)*(const volatile char *)(bytes->data + at);
    }
    return SKEP_OK;
}

/* The same place is written to for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static char dir[] = "/tmp/skep-fuzz-XXXXXX", path[64], log[64];
    static const uint8_t empty[2 * SKEP__PAGE_BYTES];
    struct skep__pages *pages = NULL;
    struct skep__scan scan;
    if (size_bytes == 0) return 0;
    if (path[0] == '\0') {
        must(mkdtemp(dir) != NULL);
        snprintf(path, sizeof path, "%s/jobs.db", dir);
        snprintf(log, sizeof log, "%s-wal", path);
    }
    const bool is_log = (data[0] & 1) != 0;
    write_file(path, is_log ? empty : data + 1, is_log ? sizeof empty : size_bytes - 1, is_log ? 0 : SKEP__PAGE_BYTES);
    write_file(log, data + 1, is_log ? size_bytes - 1 : 0, 0);
    must(skep__pages_open(&pages, path) == SKEP_OK);
    must(skep__records_scan(pages, look, NULL, &scan) == SKEP_OK);
    must(scan.unreadable <= skep__pages_count(pages));
    skep__pages_close(&pages);
    return 0;
}
