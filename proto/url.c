/* SPDX-License-Identifier: MIT
 * URLs that a listener is bound to. */
#include "url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <skep/status.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char tcp_scheme[] = "tcp://";
static const char unix_scheme[] = "unix://";

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool skep__url_is(const char *text) {
    return strstr(text, "://") != NULL;
}

static int refuse(const char **why, const char *reason) {
    *why = reason;
    return SKEP_EURL;
}

static int parse_unix(const char *path, struct skep_url *url, const char **why) {
    struct sockaddr_un *un = (struct sockaddr_un *)&url->address;
    size_t length = strlen(path);
    if (path[0] != '/') return refuse(why, "unix:// needs an absolute path");
    if (length >= sizeof un->sun_path) return refuse(why, "the path is longer than 107 bytes");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    url->address_size_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return SKEP_OK;
}

static bool parse_port(const char *text, uint16_t *port) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static void set_any(struct skep_url *url, uint16_t port) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&url->address;
    in6->sin6_family = AF_INET6;
    in6->sin6_addr = in6addr_any;
    in6->sin6_port = htons(port);
    url->address_size_bytes = sizeof *in6;
    url->any = true;
}

static bool set_host(struct skep_url *url, const char *host, bool bracketed, uint16_t port) {
    struct sockaddr_in *in = (struct sockaddr_in *)&url->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&url->address;
    if (bracketed) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        url->address_size_bytes = sizeof *in6;
        return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    url->address_size_bytes = sizeof *in;
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) == 1;
}

/* Cuts HOST out of HOST:PORT or [HOST]:PORT. */
static bool cut_host(const char *text, const char *colon, char *host, size_t capacity_bytes, bool *bracketed) {
    *bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
    const char *from = *bracketed ? text + 1 : text;
    size_t length = (size_t)((*bracketed ? colon - 1 : colon) - from);
    if (length >= capacity_bytes) return false;
    memcpy(host, from, length);
    host[length] = '\0';
    return true;
}

static int parse_tcp(const char *text, struct skep_url *url, const char **why) {
    char host[INET6_ADDRSTRLEN];
    bool bracketed;
    uint16_t port;
    const char *colon = strrchr(text, ':');
    if (colon == NULL) return refuse(why, "the port is missing");
    if (!parse_port(colon + 1, &port)) return refuse(why, "the port is not a number from 0 to 65535");
    if (!cut_host(text, colon, host, sizeof host, &bracketed)) return refuse(why, "the host is too long");
    if (!bracketed && (host[0] == '\0' || strcmp(host, "*") == 0)) {
        set_any(url, port);
        return SKEP_OK;
    }
    if (!set_host(url, host, bracketed, port))
        return refuse(why, "the host is not an IPv4 address, an IPv6 address in brackets, localhost or *");
    return SKEP_OK;
}

int skep__url_parse(const char *text, struct skep_url *url, const char **why) {
    struct skep_url parsed = {0};
    int status;
    if (starts_with(text, tcp_scheme)) status = parse_tcp(text + strlen(tcp_scheme), &parsed, why);
    else if (starts_with(text, unix_scheme)) status = parse_unix(text + strlen(unix_scheme), &parsed, why);
    else return refuse(why, "it begins with neither tcp:// nor unix://");
    if (status == SKEP_OK) *url = parsed;
    return status;
}

void skep__url_print(const struct sockaddr_storage *address, socklen_t size_bytes, bool any, char *text,
                     size_t capacity_bytes) {
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    if (address->ss_family == AF_UNIX) {
        int length = (int)(size_bytes - offsetof(struct sockaddr_un, sun_path));
        snprintf(text, capacity_bytes, "unix://%.*s", length, un->sun_path);
    } else if (any) {
        snprintf(text, capacity_bytes, "tcp://*:%u", ntohs(in6->sin6_port));
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, capacity_bytes, "tcp://[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, capacity_bytes, "tcp://%s:%u", host, ntohs(in->sin_port));
    }
}
