/* SPDX-License-Identifier: MIT
 * Listening sockets as people expect them. */
#pragma once

#include "url.h"

/* Looks up what a URL names: the owner of a Unix socket, the address of a descriptor that was given. On failure *why
 * (borrowed) says what is wrong. Errors: SKEP_EURL. */
SKEP_MUST_USE int skep__socket_look_up(struct skep_url *url, const char **why);

/* Whether connections to the one may come to the other: the same address, or one that has all hosts of this port; the
 * same descriptor that was given. Port 0 is never the same. */
bool skep__socket_overlaps(const struct skep_url *one, const struct skep_url *other);

/* Binds and listens, at a URL that was looked up: close-on-exec, non-blocking, TCP with SO_REUSEADDR and TCP_NODELAY
 * (which connections inherit). The wildcard host takes IPv6 and IPv4, or IPv4 where there is no IPv6. A Unix path that
 * nobody listens on any more is taken over; it never has more permissions than its mode gives. Of a descriptor that was
 * given *fd is a copy, and it becomes non-blocking itself. *url becomes what was bound, with the real port. Errors:
 * SKEP_EADDRINUSE, SKEP_EADDR, SKEP_EACCES, SKEP_EMFILE, SKEP_ESYS. */
SKEP_MUST_USE int skep__socket_bind(struct skep_url *url, int backlog, bool reuse_port, int *fd);

/* One more socket on an address bound with reuse_port. */
SKEP_MUST_USE int skep__socket_again(const struct skep_url *url, int backlog, int *fd);

/* New connections are refused, while those in the kernel's queue can still be accepted: closing at once would reset
 * them. Without effect on a Unix socket, whose path is to be removed for that. */
void skep__socket_turn_away(int fd, const struct skep_url *url);

/* Removes a Unix path that was bound here. */
void skep__socket_unlink(const struct skep_url *url);
