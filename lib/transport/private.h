/* SPDX-License-Identifier: MIT
 * What the two transports have in common, inside. */
#ifndef SKEP_TRANSPORT_PRIVATE_H
#define SKEP_TRANSPORT_PRIVATE_H

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

/* Each function is what the one of the same name in transport.h promises; the ..._new ones fill in what they add to the
 * first member, which is filled in already. */
struct skep__transport {
    const char *name;
    int (*hub_new)(struct skep__hub **hub, uv_loop_t *loop);
    void (*hub_free)(struct skep__hub *hub);

    int (*port_new)(struct skep__port **port, const struct skep__port *common);
    int (*port_listen)(struct skep__port *port, const char *url);
    int (*port_dial)(struct skep__port *port, const char *url, bool wait);
    int (*port_send)(struct skep__port *port, struct skep_frame *frame);
    bool (*port_has_room)(struct skep__port *port);
    bool (*port_is_sending)(struct skep__port *port, bool wake);
    bool (*port_push)(struct skep__port *port);
    bool (*port_finish)(struct skep__port *port);
    void (*port_read)(struct skep__port *port, pid_t pid);
    bool (*port_blame)(struct skep__port *port, uint32_t pipe);
    void (*port_free)(struct skep__port *port);

    int (*server_new)(struct skep__server **server, const struct skep__server *common, const char *url);
    void (*call_answer)(struct skep__call *call, const void *data, size_t size_bytes);
    void (*server_free)(struct skep__server *server);

    int (*caller_new)(struct skep__caller **caller, struct skep__hub *hub, const char *url);
    int (*caller_ask)(struct skep__caller *caller, const void *data, size_t size_bytes, unsigned timeout_ms,
                      skep__answer_cb callback, void *context);
    void (*caller_free)(struct skep__caller *caller);
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

#endif
