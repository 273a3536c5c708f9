/* SPDX-License-Identifier: MIT */
#include "jobs/disk/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_COUNT = 28,        /* where the first page says how many there are */
    FREE_LIST = 32,         /* where the first page says which is the first of those that are free */
    LOG_HEADER = 32,        /* bytes */
    FRAME_HEADER = 24,      /* bytes, before each page in the log */
    LOG_MAGIC = 0x377f0682, /* or one more: checksums are of words with the high byte first */
    MOST_PAGES = 1u << 28
};

struct skep__pages {
    int file, log; /* -1: there is none */
    uint32_t count;
    uint32_t *frames; /* by number: the frame in the log that has it, from 1; 0: none */
    bool *is_free;    /* by number */
    bool lost_log;
};

static bool read_at(int file, void *data, size_t size_bytes, uint64_t offset) {
    return pread(file, data, size_bytes, (off_t)offset) == (ssize_t)size_bytes;
}

static uint64_t size_of(int file) {
    struct stat st;
    return file != -1 && fstat(file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* --- the log --- */

struct log {
    bool high_first;
    uint32_t sums[2];
    unsigned char salts[8];
};

static uint32_t word_at(const struct log *log, const unsigned char *at) {
    const uint32_t word = skep__read_32(at);
    return log->high_first ? word : __builtin_bswap32(word);
}

static void add_to_sums(struct log *log, const unsigned char *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; i += 8) {
        log->sums[0] += word_at(log, data + i) + log->sums[1];
        log->sums[1] += word_at(log, data + i + 4) + log->sums[0];
    }
}

static bool are_sums(const struct log *log, const unsigned char *at) {
    return skep__read_32(at) == log->sums[0] && skep__read_32(at + 4) == log->sums[1];
}

static bool begin_log(const struct skep__pages *pages, struct log *log) {
    unsigned char header[LOG_HEADER];
    if (!read_at(pages->log, header, sizeof header, 0)) return false;
    const uint32_t magic = skep__read_32(header);
    if ((magic & ~1u) != LOG_MAGIC || skep__read_32(header + 8) != SKEP__PAGE_BYTES) return false;
    *log = (struct log){.high_first = (magic & 1) != 0};
    memcpy(log->salts, header + 16, sizeof log->salts);
    add_to_sums(log, header, 24);
    return are_sums(log, header + 24);
}

/* One that a transaction ends with says how many pages there are then; 0: it goes on. False: the log ends here. */
static bool read_frame(const struct skep__pages *pages, struct log *log, uint32_t frame, uint32_t *number,
                       uint32_t *count) {
    unsigned char data[FRAME_HEADER + SKEP__PAGE_BYTES];
    if (!read_at(pages->log, data, sizeof data, LOG_HEADER + (uint64_t)(frame - 1) * sizeof data)) return false;
    if (memcmp(data + 8, log->salts, sizeof log->salts) != 0) return false;
    add_to_sums(log, data, 8);
    add_to_sums(log, data + FRAME_HEADER, SKEP__PAGE_BYTES);
    if (!are_sums(log, data + 16)) return false;
    *number = skep__read_32(data);
    *count = skep__read_32(data + 4);
    return *number > 0 && *number < MOST_PAGES;
}

static bool grow(struct skep__pages *pages, uint32_t count) {
    uint32_t *frames = realloc(pages->frames, (count + 1) * sizeof *frames);
    if (frames == NULL) return false;
    memset(frames + pages->count + 1, 0, (count - pages->count) * sizeof *frames);
    pages->frames = frames;
    pages->count = count;
    return true;
}

/* Frames count when the last of their transaction is there. */
static uint32_t whole_frames(const struct skep__pages *pages, uint32_t *most) {
    struct log log;
    uint32_t whole = 0, number = 0, count = 0, most_yet = pages->count;
    if (!begin_log(pages, &log)) return 0;
    for (uint32_t frame = 1; read_frame(pages, &log, frame, &number, &count); frame++) {
        if (number > most_yet) most_yet = number;
        if (count == 0) continue;
        whole = frame;
        *most = most_yet;
    }
    return whole;
}

static int read_log(struct skep__pages *pages) {
    struct log log;
    uint32_t number = 0, count = 0, most = pages->count;
    const uint32_t whole = whole_frames(pages, &most);
    pages->lost_log = whole == 0 && size_of(pages->log) > LOG_HEADER;
    if (whole == 0) return SKEP_OK;
    if (most > pages->count && !grow(pages, most)) return SKEP_ENOMEM;
    (void)!begin_log(pages, &log);
    for (uint32_t frame = 1; frame <= whole && read_frame(pages, &log, frame, &number, &count); frame++)
        pages->frames[number] = frame;
    return SKEP_OK;
}

/* --- those that are free --- */

static void note_free(struct skep__pages *pages, uint32_t number) {
    if (number > 0 && number <= pages->count) pages->is_free[number] = true;
}

/* A list that goes in circles ends. */
static int read_free(struct skep__pages *pages) {
    unsigned char page[SKEP__PAGE_BYTES];
    pages->is_free = calloc(pages->count + 1, sizeof *pages->is_free);
    if (pages->is_free == NULL) return SKEP_ENOMEM;
    if (!skep__pages_read(pages, 1, page)) return SKEP_OK;
    uint32_t trunk = skep__read_32(page + FREE_LIST);
    for (uint32_t i = 0; i < pages->count && trunk != 0 && skep__pages_read(pages, trunk, page); i++) {
        uint32_t n = skep__read_32(page + 4);
        note_free(pages, trunk);
        if (n > SKEP__PAGE_BYTES / 4 - 2) break;
        while (n > 0) note_free(pages, skep__read_32(page + 4 + (size_t)4 * n--));
        trunk = skep__read_32(page);
    }
    return SKEP_OK;
}

/* --- public --- */

bool skep__pages_read(const struct skep__pages *pages, uint32_t number, unsigned char page[SKEP__PAGE_BYTES]) {
    if (number == 0 || number > pages->count) return false;
    const uint64_t frame = pages->frames[number];
    if (frame == 0) return read_at(pages->file, page, SKEP__PAGE_BYTES, (uint64_t)(number - 1) * SKEP__PAGE_BYTES);
    const uint64_t before = (frame - 1) * (FRAME_HEADER + SKEP__PAGE_BYTES);
    return read_at(pages->log, page, SKEP__PAGE_BYTES, LOG_HEADER + before + FRAME_HEADER);
}

uint32_t skep__pages_count(const struct skep__pages *pages) {
    return pages->count;
}

bool skep__pages_is_free(const struct skep__pages *pages, uint32_t number) {
    return number <= pages->count && pages->is_free[number];
}

uint32_t skep__pages_missing(const struct skep__pages *pages) {
    unsigned char page[SKEP__PAGE_BYTES];
    if (!skep__pages_read(pages, 1, page)) return 0;
    const uint32_t count = skep__read_32(page + PAGE_COUNT);
    return count > pages->count && count < MOST_PAGES ? count - pages->count : 0;
}

bool skep__pages_lost_log(const struct skep__pages *pages) {
    return pages->lost_log;
}

void skep__pages_close(struct skep__pages **out) {
    struct skep__pages *pages = *out;
    if (pages == NULL) return;
    if (pages->file != -1) close(pages->file);
    if (pages->log != -1) close(pages->log);
    free(pages->frames);
    free(pages->is_free);
    free(pages);
    *out = NULL;
}

static int open_both(struct skep__pages *pages, const char *path) {
    char log[PATH_MAX];
    if (snprintf(log, sizeof log, "%s-wal", path) >= (int)sizeof log) return SKEP_ETOOBIG;
    pages->file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pages->file == -1) return skep_status_of_errno(errno);
    pages->log = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pages->log == -1 && errno != ENOENT) return skep_status_of_errno(errno);
    return SKEP_OK;
}

int skep__pages_open(struct skep__pages **out, const char *path) {
    struct skep__pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL) return SKEP_ENOMEM;
    pages->file = pages->log = -1;
    int status = open_both(pages, path);
    const uint64_t count = (size_of(pages->file) + SKEP__PAGE_BYTES - 1) / SKEP__PAGE_BYTES;
    if (status == SKEP_OK && count >= MOST_PAGES) status = SKEP_ETOOBIG;
    if (status == SKEP_OK && !grow(pages, (uint32_t)count)) status = SKEP_ENOMEM;
    if (status == SKEP_OK) status = read_log(pages);
    if (status == SKEP_OK) status = read_free(pages);
    if (status == SKEP_OK) *out = pages;
    else skep__pages_close(&pages);
    return status;
}
