/* SPDX-License-Identifier: MIT
 * What the two transports have in common, inside. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "transport/transport.h"

enum { SKEP__MAX_TRUSTED = 16 };

/* First member of each transport's own hub, port, server, call and caller */
struct skep__hub {
    const struct skep__transport *transport;
    uv_loop_t *loop;
    uid_t trusted[SKEP__MAX_TRUSTED]; /* besides this process's user and root; read and written atomically */
    unsigned trusted_count;           /* this too */
    bool (*lacks)(void *context);     /* NULL: nobody has memory to free */
    void *lacks_context;
};

struct skep__port {
    struct skep__hub *hub;
    enum skep__port_kind kind;
    const struct skep__port_events *events;
    void *context;
    pid_t only; /* may connect; 0: all may */
};

struct skep__server {
    struct skep__hub *hub;
    const struct skep__server_events *events;
    void *context;
};

struct skep__call {
    const struct skep__transport *transport;
    pid_t pid;
};

struct skep__caller {
    struct skep__hub *hub;
};

struct skep__transport {
    const char *name;
#define OPERATION(result, name, parameters) result(*name) parameters;
#include "transport/operations.def"
};

extern const struct skep__transport skep__loop_transport;
extern const struct skep__transport skep__nng_transport;

/* There is no memory. True if it should be tried again. */
bool skep__hub_lacks(const struct skep__hub *hub);

/* Memory for so many bytes, zeroed; NULL also after another try. */
void *skep__hub_alloc(const struct skep__hub *hub, size_t size_bytes);

/* Whether it is this process's user, or root. On any thread, as skep__hub_trusts. */
bool skep__is_own_user(uid_t uid);

/* The Unix address of an ipc URL. Errors: SKEP_EURL. */
struct sockaddr_un;
SKEP_MUST_USE int skep__ipc_address(const char *url, struct sockaddr_un *address);
