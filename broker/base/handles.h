/* SPDX-License-Identifier: MIT
 * Handles of libuv's that are part of something: it can be freed when they have closed. */
#pragma once

#include <uv.h>

/* Zeroed at first. */
struct skep__handles {
    unsigned closing;                              /* not closed yet, of those that were to be */
    void (*closed)(struct skep__handles *handles); /* called when none is left of these; NULL: nobody waits for it */
};

/* Closes a handle, whose data are these handles from here on. */
void skep__handle_close(struct skep__handles *handles, uv_handle_t *handle);
