/* SPDX-License-Identifier: MIT
 * Handles that close. */
#include "base/handles.h"

static void handle_closed(uv_handle_t *handle) {
    struct skep__handles *handles = handle->data;
    if (--handles->closing == 0 && handles->closed != NULL) handles->closed(handles);
}

void skep__handle_close(struct skep__handles *handles, uv_handle_t *handle) {
    handles->closing++;
    handle->data = handles;
    uv_close(handle, handle_closed);
}
