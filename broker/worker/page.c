/* SPDX-License-Identifier: MIT
 * Shared pages: files without a name, of a size that no worker can change, so that the broker never reads beyond the
 * end. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "worker/private.h"

static struct skep_page *map(int fd) {
    static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (ftruncate(fd, SKEP_PAGE_BYTES) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0) return NULL;
    void *memory = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

int skep__page_new(struct skep_page **out, int *out_fd) {
    int fd = memfd_create("skep-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct skep_page *page = fd >= 0 ? map(fd) : NULL;
    if (page == NULL) {
        int status = skep_status_of_errno(errno);
        if (fd >= 0) close(fd);
        return status;
    }
    page->magic = SKEP_PAGE_MAGIC;
    *out = page;
    *out_fd = fd;
    return SKEP_OK;
}

void skep__page_free(struct skep_page **page) {
    if (*page == NULL) return;
    munmap(*page, SKEP_PAGE_BYTES);
    *page = NULL;
}
