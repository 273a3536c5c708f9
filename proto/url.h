/* SPDX-License-Identifier: MIT
 * URLs that a listener is bound to. */
#pragma once

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
    SKEP__OWNER_SIZE = 68,  /* bytes of USER:GROUP, the end among them */
    SKEP__ADDRESS_SIZE = 64 /* bytes of an IP address with its zone, the end among them */
};

struct skep_url {
    struct sockaddr_storage address;
    socklen_t address_size_bytes;
    bool any; /* the wildcard host: both IPv6 and IPv4 */

    bool given; /* fd://N: the address is that of the descriptor, once it was looked at */
    int fd;     /* the N */

    bool has_mode; /* of a Unix socket */
    mode_t mode;
    char owner[SKEP__OWNER_SIZE]; /* of a Unix socket: USER, USER:GROUP or :GROUP, names or numbers; "" */
    uid_t uid;                    /* of owner, once they were looked up; -1: as it is */
    gid_t gid;
};

/* Parses tcp://HOST:PORT, unix://PATH and fd://N. HOST is an IPv4 address, an IPv6 address in brackets, which may have
 * a zone (fe80::1%eth0), localhost (127.0.0.1), or a star or nothing (every address, IPv6 and IPv4); no name is looked
 * up, since the broker must not wait for a server. ?mode=OCTAL and &owner=USER:GROUP may follow a path. On failure *why
 * (borrowed) says what is wrong. Errors: SKEP_EURL. */
SKEP_MUST_USE int skep__url_parse(const char *text, struct skep_url *url, const char **why);

/* Makes a relative path absolute, by this process's working directory; other texts are copied as they are. On failure
 * *why (borrowed) says what is wrong. Errors: SKEP_EURL (the URL becomes longer than 256 bytes), SKEP_EADDR (there is
 * no working directory any more). */
SKEP_MUST_USE int skep__url_resolve(const char *text, char *resolved, size_t capacity_bytes, const char **why);

/* The port of an address, in the machine's order; 0 if it has none. */
uint16_t skep__url_port(const struct sockaddr_storage *address);

/* Writes an IP address, with its zone if it has one. Always terminates. */
void skep__url_print_host(const struct sockaddr_storage *address, char text[SKEP__ADDRESS_SIZE]);

/* True if the text has a scheme, and so is a URL and not the name of a listener. */
bool skep__url_is(const char *text);

/* Writes the URL of a bound address; the dual-stack wildcard host is written as a star. Always terminates. */
void skep__url_print(const struct sockaddr_storage *address, socklen_t size_bytes, bool any, char *text,
                     size_t capacity_bytes);
