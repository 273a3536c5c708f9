/* SPDX-License-Identifier: MIT
 * The connection to servers of NATS. The library has threads of its own; nothing of them is seen here: all functions
 * are called, and all callbacks come, on the loop's thread. A connection that is lost is made again, for ever. What is
 * published meanwhile waits, up to a bound; what was on its way when the connection was lost may be lost: who needs
 * to know asks for an answer, and sends again when there is none.
 *
 * No callback comes inside a call, and none may close the connection. */
#ifndef SKEP_NATS_LINK_NATS_LINK_H
#define SKEP_NATS_LINK_NATS_LINK_H

#include <uv.h>

#include "command.h"
#include "common/flusher.h"
#include "contract.h"

struct skep__nats;

/* --- addresses --- */

enum { SKEP__NATS_SERVERS = 16, SKEP__NATS_URL_BYTES = 512 };

struct skep__nats_servers {
    char urls[SKEP__NATS_SERVERS][SKEP__NATS_URL_BYTES];
    unsigned count;
    bool secure; /* tls:// */
};

/* Whether a text is meant for this room: nats:// or tls:// */
bool skep__nats_is_url(const char *text);

/* nats://[USER[:PASSWORD]@]HOST[:PORT][,...]; what follows the first may leave the scheme out. Errors: SKEP_EINVAL; why
 * says more, and no password. */
SKEP_MUST_USE int skep__nats_servers_parse(const char *text, struct skep__nats_servers *servers,
                                           char why[SKEP_MAX_REASON + 1]);

/* --- life --- */

/* What happens to the connection; told before what came by the new one. */
struct skep__nats_events {
    /* It was lost (SKEP_ECLOSED), or no server takes it again (SKEP_EACCES: they refuse the credentials). Each is told
     * once. why may be "". */
    void (*lost)(void *context, int status, const char *why);
    /* It was made again, to this server. */
    void (*made)(void *context, const char *url);
};

struct skep__nats_setup {
    const char *urls;        /* as skep__nats_servers_parse */
    const char *credentials; /* a file: NATS' own (.creds), or one line USER:PASSWORD; NULL: none */
    const char *ca;          /* a file of certificates of authorities (PEM); NULL: the system's */
    uv_loop_t *loop;
    struct skep__flusher *flusher;
    const struct skep__nats_events *events;
    void *context;
};

/* Connects, which may take some seconds for each server that does not answer. Errors, with one line in why: SKEP_EINVAL
 * (urls, files), SKEP_EACCES (refused), SKEP_ECLOSED (no server is there), SKEP_ETIMEDOUT, SKEP_EPROTO (TLS),
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__nats_open(struct skep__nats **nats, const struct skep__nats_setup *setup,
                                  char why[SKEP_MAX_REASON + 1]);

/* Sends what waits, for a second or so at most, and closes; requests are not answered any more. What is left is freed
 * on a later turn of the loop. Sets *nats to NULL. NULL is allowed. */
void skep__nats_close(struct skep__nats **nats);

bool skep__nats_is_connected(const struct skep__nats *nats);

/* The prefix of subjects that nobody else uses: for replies. */
const char *skep__nats_inbox(const struct skep__nats *nats);

/* What a message may have, in bytes, its headers among them. */
size_t skep__nats_most_bytes(const struct skep__nats *nats);

/* --- messages --- */

struct skep__nats_header {
    const char *name, *value; /* value: no control characters */
};

/* To be sent; borrowed */
struct skep__nats_message {
    const char *subject;
    const char *reply; /* NULL: none is expected */
    const void *data;
    size_t size_bytes;
    const struct skep__nats_header *headers;
    size_t header_count;
};

/* One that came; borrowed for the time of a callback */
struct skep__nats_received {
    const char *subject;
    const char *reply; /* NULL: none is expected */
    struct skep_bytes data;
    void *handle; /* the library's */
};

/* The value of a header; NULL: it is not there. */
const char *skep__nats_header(const struct skep__nats_received *received, const char *name);

/* What a server says instead of an answer: 503 (nobody listens there), 404, 408, 409; 0: it is a message. */
unsigned skep__nats_status(const struct skep__nats_received *received);

/* Leaves at the end of the loop's turn, with others. Errors: SKEP_ENOMEM, SKEP_ETOOBIG, SKEP_EAGAIN (too much waits).
 */
SKEP_MUST_USE int skep__nats_publish(struct skep__nats *nats, const struct skep__nats_message *message);

/* Messages with a subject, which may have wildcards, until the connection is closed; also of this process. group:
 * each message comes to one of those who name it; NULL: to all. Errors: SKEP_ENOMEM, SKEP_EINVAL, SKEP_ESYS. */
SKEP_MUST_USE int skep__nats_subscribe(struct skep__nats *nats, const char *subject, const char *group,
                                       void (*received)(void *context, const struct skep__nats_received *received),
                                       void *context);

/* Publishes, and calls answered once: with the answer, or with SKEP_ENOHANDLER (nobody listens there),
 * SKEP_ETIMEDOUT. message.reply is not used. Errors: as publish. */
SKEP_MUST_USE int
skep__nats_request(struct skep__nats *nats, const struct skep__nats_message *message, unsigned timeout_ms,
                   void (*answered)(void *context, int status, const struct skep__nats_received *answer),
                   void *context);

/* The same, and waits for the answer, which is terminated and to be freed: for the start. Errors: SKEP_ENOHANDLER,
 * SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__nats_ask(struct skep__nats *nats, const char *subject, const char *text, unsigned timeout_ms,
                                 char **answer);

#endif
