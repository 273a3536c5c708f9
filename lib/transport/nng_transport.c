/* SPDX-License-Identifier: MIT
 * The table of what the files named nng_... do. */
#include "transport/nng.h"
#include "transport/nng_guard.h"

static int hub_new(struct skep__hub **hub, uv_loop_t *loop) {
    int status = skep__nng_hub_new(hub, loop);
    if (status == SKEP_OK) skep__guards_watch((struct skep__nng_hub *)*hub);
    return status;
}

const struct skep__transport skep__nng_transport = {
    .name = "nng",
    .hub_new = hub_new,
    .hub_free = skep__nng_hub_free,
    .port_new = skep__nng_port_new,
    .port_listen = skep__nng_port_listen,
    .port_dial = skep__nng_port_dial,
    .port_send = skep__nng_port_send,
    .port_has_room = skep__nng_port_has_room,
    .port_is_sending = skep__nng_port_is_sending,
    .port_push = skep__nng_port_push,
    .port_finish = skep__nng_port_finish,
    .port_read = skep__nng_port_read,
    .port_blame = skep__nng_port_blame,
    .port_free = skep__nng_port_free,
    .server_new = skep__nng_server_new,
    .call_answer = skep__nng_call_answer,
    .server_free = skep__nng_server_free,
    .caller_new = skep__nng_caller_new,
    .caller_ask = skep__nng_caller_ask,
    .caller_free = skep__nng_caller_free,
};
