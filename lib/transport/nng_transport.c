/* SPDX-License-Identifier: MIT
 * The table of what the files named nng_... do. */
#include "transport/nng.h"

int skep__nng_hub_new(struct skep__hub **hub, uv_loop_t *loop) {
    int status = skep__nng_hub_make(hub, loop);
    if (status == SKEP_OK) skep__guards_watch((struct skep__nng_hub *)*hub);
    return status;
}

const struct skep__transport skep__nng_transport = {
    .name = "nng",
#define OPERATION(result, operation, parameters) .operation = skep__nng_##operation,
#include "transport/operations.def"
};
