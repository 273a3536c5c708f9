/* SPDX-License-Identifier: MIT
 * Loops of Skep's own. */
#include "common/own_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

enum {
    PIPES =
        4 /* libuv's: one for signals of all loops, and for this loop epoll, one for signals and an eventfd or two */
};

/* libuv aborts if it cannot make its pipe for signals, so it is tried before whether there are descriptors. */
static int try_descriptors(void) {
    int ends[PIPES][2];
    int status = SKEP_OK;
    size_t count = 0;
    while (count < PIPES && status == SKEP_OK) {
        if (pipe2(ends[count], O_CLOEXEC) == 0) count++;
        else status = skep_status_of_errno(errno);
    }
    while (count-- > 0) {
        close(ends[count][0]);
        close(ends[count][1]);
    }
    return status;
}

int skep__own_loop_init(uv_loop_t *loop) {
    int status = try_descriptors();
    return status == SKEP_OK ? skep_status_of_errno(-uv_loop_init(loop)) : status;
}
