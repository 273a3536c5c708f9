/* SPDX-License-Identifier: MIT
 * URLs that a listener is bound to. */
#include "url.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static const char tcp_scheme[] = "tcp://";
static const char unix_scheme[] = "unix://";
static const char fd_scheme[] = "fd://";

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

/* --- Unix sockets --- */

static const char *set_mode(struct skep_url *url, const char *value, size_t length) {
    if (length < 1 || length > 4 || strspn(value, "01234567") < length) return "the mode is not octal";
    for (size_t i = 0; i < length; i++) url->mode = url->mode * 8 + (mode_t)(value[i] - '0');
    url->has_mode = true;
    return url->mode <= 0777 ? NULL : "the mode is more than 0777";
}

static const char *set_owner(struct skep_url *url, const char *value, size_t length) {
    if (length == 0 || length >= sizeof url->owner) return "the owner is not USER, USER:GROUP or :GROUP";
    memcpy(url->owner, value, length);
    url->owner[length] = '\0';
    return NULL;
}

static const char *set_unix_option(struct skep_url *url, const char *option, size_t length) {
    static const struct {
        const char *name;
        const char *(*set)(struct skep_url *url, const char *value, size_t length);
    } options[] = {{"mode=", set_mode}, {"owner=", set_owner}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t name_bytes = strlen(options[i].name);
        if (length < name_bytes || strncmp(option, options[i].name, name_bytes) != 0) continue;
        return options[i].set(url, option + name_bytes, length - name_bytes);
    }
    return "what follows the path is neither mode=OCTAL nor owner=USER:GROUP";
}

static int parse_unix_options(const char *options, struct skep_url *url, const char **why) {
    for (const char *at = options;; at++) {
        size_t length = strcspn(at, "&");
        const char *problem = set_unix_option(url, at, length);
        if (problem != NULL) return refuse(why, problem);
        at += length;
        if (*at == '\0') return SKEP_OK;
    }
}

static int parse_unix(const char *path, struct skep_url *url, const char **why) {
    struct sockaddr_un *un = (struct sockaddr_un *)&url->address;
    size_t length = strcspn(path, "?");
    if (length == 0) return refuse(why, "the path is missing");
    if (length >= sizeof un->sun_path) return refuse(why, "the path is longer than 107 bytes");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length);
    url->address_size_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return path[length] == '?' ? parse_unix_options(path + length + 1, url, why) : SKEP_OK;
}

int skep__url_resolve(const char *text, char *resolved, size_t capacity_bytes, const char **why) {
    char folder[PATH_MAX] = "";
    const char *path = starts_with(text, unix_scheme) ? text + strlen(unix_scheme) : "/";
    bool relative = path[0] != '/' && path[0] != '\0' && path[0] != '?';
    if (relative && getcwd(folder, sizeof folder) == NULL) {
        *why = "there is no working directory";
        return SKEP_EADDR;
    }
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    int length = relative ? snprintf(resolved, capacity_bytes, "%s%s%s%s", unix_scheme, folder, slash, path)
                          : snprintf(resolved, capacity_bytes, "%s", text);
    return length < 0 || (size_t)length >= capacity_bytes ? refuse(why, "longer than 256 bytes") : SKEP_OK;
}

/* --- descriptors --- */

static int parse_fd(const char *text, struct skep_url *url, const char **why) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0') return refuse(why, "fd:// needs the number of a descriptor");
    url->given = true;
    url->fd = (int)strtol(text, NULL, 10);
    return SKEP_OK;
}

/* --- TCP --- */

static bool parse_port(const char *text, uint16_t *port) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* An IPv6 address, of which the host is to be filled in */
static struct sockaddr_in6 *set_port6(struct skep_url *url, uint16_t port) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&url->address;
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(port)};
    url->address_size_bytes = sizeof *in6;
    return in6;
}

/* A network interface, by its name or number */
static bool set_zone(struct sockaddr_in6 *in6, const char *zone) {
    size_t digits = strspn(zone, "0123456789");
    bool is_number = digits > 0 && digits <= 9 && zone[digits] == '\0';
    in6->sin6_scope_id = is_number ? (uint32_t)strtoul(zone, NULL, 10) : if_nametoindex(zone);
    return in6->sin6_scope_id != 0;
}

static bool set_host6(struct skep_url *url, char *host, uint16_t port) {
    struct sockaddr_in6 *in6 = set_port6(url, port);
    char *zone = strchr(host, '%');
    if (zone != NULL) *zone++ = '\0';
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 && (zone == NULL || set_zone(in6, zone));
}

static bool set_host(struct skep_url *url, const char *host, uint16_t port) {
    struct sockaddr_in *in = (struct sockaddr_in *)&url->address;
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
    char host[SKEP__ADDRESS_SIZE];
    bool bracketed;
    uint16_t port;
    const char *colon = strrchr(text, ':');
    if (colon == NULL) return refuse(why, "the port is missing");
    if (!parse_port(colon + 1, &port)) return refuse(why, "the port is not a number from 0 to 65535");
    if (!cut_host(text, colon, host, sizeof host, &bracketed)) return refuse(why, "the host is too long");
    if (!bracketed && (host[0] == '\0' || strcmp(host, "*") == 0)) {
        set_port6(url, port);
        url->any = true;
        return SKEP_OK;
    }
    if (bracketed ? set_host6(url, host, port) : set_host(url, host, port)) return SKEP_OK;
    bool has_zone =
        bracketed && ((const struct sockaddr_in6 *)&url->address)->sin6_scope_id == 0 && strchr(text, '%') != NULL;
    if (has_zone) return refuse(why, "the host is not an IPv6 address, or this machine has no such network interface");
    return refuse(why, "the host is not an IPv4 address, an IPv6 address in brackets, localhost or *");
}

int skep__url_parse(const char *text, struct skep_url *url, const char **why) {
    struct skep_url parsed = {0};
    int status;
    if (starts_with(text, tcp_scheme)) status = parse_tcp(text + strlen(tcp_scheme), &parsed, why);
    else if (starts_with(text, unix_scheme)) status = parse_unix(text + strlen(unix_scheme), &parsed, why);
    else if (starts_with(text, fd_scheme)) status = parse_fd(text + strlen(fd_scheme), &parsed, why);
    else return refuse(why, "it begins with neither tcp://, unix:// nor fd://");
    if (status == SKEP_OK) *url = parsed;
    return status;
}

uint16_t skep__url_port(const struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)address)->sin_port);
    return address->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)address)->sin6_port) : 0;
}

void skep__url_print_host(const struct sockaddr_storage *address, char text[SKEP__ADDRESS_SIZE]) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    char zone[IF_NAMESIZE];
    snprintf(text, SKEP__ADDRESS_SIZE, "?");
    if (address->ss_family != AF_INET6) {
        inet_ntop(AF_INET, &in->sin_addr, text, SKEP__ADDRESS_SIZE);
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, text, SKEP__ADDRESS_SIZE);
    if (in6->sin6_scope_id == 0) return;
    size_t used = strlen(text);
    if (if_indextoname(in6->sin6_scope_id, zone) == NULL) snprintf(zone, sizeof zone, "%u", in6->sin6_scope_id);
    snprintf(text + used, SKEP__ADDRESS_SIZE - used, "%%%s", zone);
}

void skep__url_print(const struct sockaddr_storage *address, socklen_t size_bytes, bool any, char *text,
                     size_t capacity_bytes) {
    char host[SKEP__ADDRESS_SIZE] = "*";
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    if (address->ss_family == AF_UNIX) {
        int length = (int)(size_bytes - offsetof(struct sockaddr_un, sun_path));
        bool abstract = length > 1 && un->sun_path[0] == '\0'; /* a descriptor that was given may be such */
        if (abstract) snprintf(text, capacity_bytes, "unix://@%.*s", length - 1, un->sun_path + 1);
        else snprintf(text, capacity_bytes, "unix://%.*s", length, un->sun_path);
        return;
    }
    if (!any) skep__url_print_host(address, host);
    bool bracketed = !any && address->ss_family == AF_INET6;
    snprintf(text, capacity_bytes, bracketed ? "tcp://[%s]:%u" : "tcp://%s:%u", host, skep__url_port(address));
}
