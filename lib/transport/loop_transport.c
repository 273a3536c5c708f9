/* SPDX-License-Identifier: MIT
 * The table of what the files named loop_... do. */
#include "transport/loop.h"

static bool look(struct skep__loop_hub *hub) {
    skep__pipes_end_overdue(hub);
    skep__acceptors_recover(hub);
    return !LIST_EMPTY(&hub->late) || !LIST_EMPTY(&hub->starved);
}

static int hub_new(struct skep__hub **hub, uv_loop_t *loop) {
    return skep__loop_hub_new(hub, loop, look);
}

const struct skep__transport skep__loop_transport = {
    .name = "loop",
    .hub_new = hub_new,
    .hub_free = skep__loop_hub_free,
    .port_new = skep__loop_port_new,
    .port_listen = skep__loop_port_listen,
    .port_dial = skep__loop_port_dial,
    .port_send = skep__loop_port_send,
    .port_has_room = skep__loop_port_has_room,
    .port_is_sending = skep__loop_port_is_sending,
    .port_push = skep__loop_port_push,
    .port_finish = skep__loop_port_finish,
    .port_read = skep__loop_port_read,
    .port_blame = skep__loop_port_blame,
    .port_free = skep__loop_port_free,
    .server_new = skep__loop_server_new,
    .call_answer = skep__loop_call_answer,
    .server_free = skep__loop_server_free,
    .caller_new = skep__loop_caller_new,
    .caller_ask = skep__loop_caller_ask,
    .caller_free = skep__loop_caller_free,
};
