/* SPDX-License-Identifier: MIT
 * The page that a worker shares with its broker: what it has begun, and that it lives. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "worker/private.h"

/* A descriptor of this number may be anything, if the broker is of a version without pages. The page of one that knew
 * no counts is too small: writing behind its end would kill this process. */
static struct skep_page *map_page(int fd) {
    struct stat info;
    bool may_be_page = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= SKEP_PAGE_BYTES;
    if (!may_be_page) return NULL;
    struct skep_page *page = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) return NULL;
    if (page->magic == SKEP_PAGE_MAGIC) return page;
    munmap(page, SKEP_PAGE_BYTES);
    return NULL;
}

void skep__worker_open_page(skep_worker *worker, int fd) {
    struct skep_page *page = map_page(fd);
    worker->page = page != NULL ? page : &worker->no_page;
    if (page == NULL) return;
    close(fd);
    __atomic_store_n(&page->writes, 2, __ATOMIC_RELEASE);
}

void skep__worker_close_page(skep_worker *worker) {
    if (worker->page != NULL && worker->page != &worker->no_page) munmap(worker->page, SKEP_PAGE_BYTES);
    worker->page = NULL;
}

static void beat(uv_timer_t *timer) {
    const skep_worker *worker = timer->data;
    __atomic_store_n(&worker->page->beats, worker->page->beats + 1, __ATOMIC_RELEASE);
}

void skep__worker_beat(skep_worker *worker, uint64_t beat_ms) {
    beat(&worker->timers[SKEP__TIMER_BEAT]);
    if (beat_ms > 0) uv_timer_start(&worker->timers[SKEP__TIMER_BEAT], beat, beat_ms, beat_ms);
}
