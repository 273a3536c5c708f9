/* SPDX-License-Identifier: MIT
 * Which transport a hub has, and the way to it. */
#include "transport/transport.h"

#include "transport/private.h"

/* --- hubs --- */

int skep__hub_new(struct skep__hub **out, uv_loop_t *loop) {
    const char *name = getenv(SKEP_ENV_TRANSPORT);
    bool is_nng = name != NULL && strcmp(name, skep__nng_transport.name) == 0;
    bool is_loop = name == NULL || name[0] == '\0' || strcmp(name, skep__loop_transport.name) == 0;
    const struct skep__transport *transport = is_nng ? &skep__nng_transport : &skep__loop_transport;
    struct skep__hub *hub;
    if (!is_nng && !is_loop) return SKEP_EINVAL;
    int status = transport->hub_new(&hub, loop);
    if (status != SKEP_OK) return status;
    hub->transport = transport;
    hub->loop = loop;
    hub->trusted_count = 0;
    hub->lacks = NULL;
    *out = hub;
    return SKEP_OK;
}

void skep__hub_free(struct skep__hub **out) {
    struct skep__hub *hub = *out;
    *out = NULL;
    if (hub != NULL) hub->transport->hub_free(hub);
}

/* --- ports --- */

int skep__port_new(struct skep__port **port, struct skep__hub *hub, enum skep__port_kind kind,
                   const struct skep__port_events *events, void *context) {
    const struct skep__port common = {.hub = hub, .kind = kind, .events = events, .context = context};
    return hub->transport->port_new(port, &common);
}

void skep__port_only(struct skep__port *port, pid_t pid) {
    port->only = pid;
}

int skep__port_listen(struct skep__port *port, const char *url) {
    return port->hub->transport->port_listen(port, url);
}

int skep__port_dial(struct skep__port *port, const char *url) {
    return port->hub->transport->port_dial(port, url, true);
}

int skep__port_dial_soon(struct skep__port *port, const char *url) {
    return port->hub->transport->port_dial(port, url, false);
}

int skep__port_send(struct skep__port *port, struct skep_frame *frame) {
    return port->hub->transport->port_send(port, frame);
}

bool skep__port_has_room(struct skep__port *port) {
    return port->hub->transport->port_has_room(port);
}

bool skep__port_is_sending(struct skep__port *port, bool wake) {
    return port->hub->transport->port_is_sending(port, wake);
}

bool skep__port_push(struct skep__port *port) {
    return port->hub->transport->port_push(port);
}

bool skep__port_finish(struct skep__port *port) {
    return port->hub->transport->port_finish(port);
}

void skep__port_read(struct skep__port *port, pid_t pid) {
    port->hub->transport->port_read(port, pid);
}

bool skep__port_blame(struct skep__port *port, uint32_t pipe) {
    return port->hub->transport->port_blame(port, pipe);
}

void skep__port_free(struct skep__port **out) {
    struct skep__port *port = *out;
    *out = NULL;
    if (port != NULL) port->hub->transport->port_free(port);
}

/* --- servers and callers --- */

int skep__server_new(struct skep__server **server, struct skep__hub *hub, const char *url,
                     const struct skep__server_events *events, void *context) {
    const struct skep__server common = {.hub = hub, .events = events, .context = context};
    return hub->transport->server_new(server, &common, url);
}

pid_t skep__call_pid(const struct skep__call *call) {
    return call->pid;
}

void skep__call_answer(struct skep__call *call, const void *data, size_t size_bytes) {
    call->transport->call_answer(call, data, size_bytes);
}

void skep__server_free(struct skep__server **out) {
    struct skep__server *server = *out;
    *out = NULL;
    if (server != NULL) server->hub->transport->server_free(server);
}

int skep__caller_new(struct skep__caller **caller, struct skep__hub *hub, const char *url) {
    return hub->transport->caller_new(caller, hub, url);
}

int skep__caller_ask(struct skep__caller *caller, const void *data, size_t size_bytes, unsigned timeout_ms,
                     skep__answer_cb callback, void *context) {
    return caller->hub->transport->caller_ask(caller, data, size_bytes, timeout_ms, callback, context);
}

void skep__caller_free(struct skep__caller **out) {
    struct skep__caller *caller = *out;
    *out = NULL;
    if (caller != NULL) caller->hub->transport->caller_free(caller);
}
