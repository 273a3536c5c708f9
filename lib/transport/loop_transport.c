/* SPDX-License-Identifier: MIT
 * The table of what the files named loop_... do. */
#include "transport/loop.h"

static bool look(struct skep__loop_hub *hub) {
    skep__pipes_end_overdue(hub);
    skep__acceptors_recover(hub);
    return !LIST_EMPTY(&hub->late) || !LIST_EMPTY(&hub->starved);
}

int skep__loop_hub_new(struct skep__hub **hub, uv_loop_t *loop) {
    return skep__loop_hub_make(hub, loop, look);
}

const struct skep__transport skep__loop_transport = {
    .name = "loop",
#define OPERATION(result, operation, parameters) .operation = skep__loop_##operation,
#include "transport/operations.def"
};
