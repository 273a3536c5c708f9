/* SPDX-License-Identifier: MIT
 * URLs that a listener is bound to. */
#ifndef SKEP_URL_H
#define SKEP_URL_H

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct skep_url {
    struct sockaddr_storage address;
    socklen_t address_size_bytes;
    bool any; /* the wildcard host: both IPv6 and IPv4 */
};

/* Parses tcp://HOST:PORT and unix:///PATH. HOST is an IPv4 address, an IPv6 address in brackets, localhost (127.0.0.1),
 * or
 * * or nothing (every address, IPv6 and IPv4); no name is looked up, since the broker must not wait for a server. On
 * failure *why (borrowed) says what is wrong. Errors: SKEP_EURL. */
SKEP_MUST_USE int skep__url_parse(const char *text, struct skep_url *url, const char **why);

/* True if the text has a scheme, and so is a URL and not the name of a listener. */
bool skep__url_is(const char *text);

/* Writes the URL of a bound address; the dual-stack wildcard host is written as a star. Always terminates. */
void skep__url_print(const struct sockaddr_storage *address, socklen_t size_bytes, bool any, char *text,
                     size_t capacity_bytes);

#endif
