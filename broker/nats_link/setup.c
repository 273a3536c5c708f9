/* SPDX-License-Identifier: MIT
 * Where to connect, as whom, and how. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats_link/private.h"

enum {
    CONNECT_MS = 2000,     /* for one server */
    AGAIN_MS = 250,        /* between two attempts at the same server */
    PING_MS = 2000,        /* a server that does not answer two of them is lost */
    LINE_BYTES = 1024,     /* of a file with a user and a password */
    BUFFER_BYTES = 1 << 17 /* of what is read and written together */
};

/* --- addresses --- */

static const char plain[] = "nats://", tls[] = "tls://";

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

bool skep__nats_is_url(const char *text) {
    return begins(text, plain) || begins(text, tls);
}

static int refuse(char why[SKEP_MAX_REASON + 1], const char *what) {
    snprintf(why, SKEP_MAX_REASON + 1, "%s; write nats://HOST[:PORT][,HOST[:PORT]...], or tls://", what);
    return SKEP_EINVAL;
}

/* A host, and a port if there is one; what stands before an @ is for the server to judge. */
static bool is_address(const char *text, size_t size) {
    const char *at = memrchr(text, '@', size), *end = text + size;
    const char *host = at != NULL ? at + 1 : text;
    const char *colon = memrchr(host, ':', (size_t)(end - host)), *bracket = memrchr(host, ']', (size_t)(end - host));
    if (colon != NULL && bracket != NULL && colon < bracket) colon = NULL;
    if (host == end || host == colon) return false;
    for (const char *c = host; c < end; c++)
        if ((unsigned char)*c <= ' ' || *c == '/' || *c == 0x7f) return false;
    if (colon == NULL) return true;
    char *rest = NULL;
    const unsigned long port = colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &rest, 10) : 0;
    return port > 0 && port <= UINT16_MAX && rest == end;
}

static int add_server(struct skep__nats_servers *servers, const char *text, size_t size,
                      char why[SKEP_MAX_REASON + 1]) {
    const char *scheme = servers->secure ? tls : plain;
    size_t skipped = 0;
    if (size >= strlen(plain) && begins(text, plain)) skipped = strlen(plain);
    else if (size >= strlen(tls) && begins(text, tls)) skipped = strlen(tls);
    text += skipped;
    size -= skipped;
    if (!is_address(text, size)) return refuse(why, "a server has no host, or no valid port");
    if (servers->count == SKEP__NATS_SERVERS) return refuse(why, "more than 16 servers");
    int n = snprintf(servers->urls[servers->count], SKEP__NATS_URL_BYTES, "%s%.*s", scheme, (int)size, text);
    if (n >= SKEP__NATS_URL_BYTES) return refuse(why, "the address of a server is too long");
    servers->count++;
    return SKEP_OK;
}

int skep__nats_servers_parse(const char *text, struct skep__nats_servers *out, char why[SKEP_MAX_REASON + 1]) {
    struct skep__nats_servers servers = {.secure = strstr(text, tls) != NULL};
    if (!skep__nats_is_url(text)) return refuse(why, "not an address of NATS");
    for (const char *at = text;; at++) {
        const size_t size = strcspn(at, ",");
        int status = add_server(&servers, at, size, why);
        if (status != SKEP_OK) return status;
        at += size;
        if (*at == '\0') break;
    }
    *out = servers;
    return SKEP_OK;
}

/* --- as whom --- */

static int unreadable(const char *path, const char *what, char why[SKEP_MAX_REASON + 1]) {
    snprintf(why, SKEP_MAX_REASON + 1, "%.300s: %s", path, what);
    return SKEP_EINVAL;
}

static natsStatus set_user(natsOptions *options, char *line) {
    char *password = strchr(line, ':');
    line[strcspn(line, "\r\n")] = '\0';
    if (password == NULL) return natsOptions_SetToken(options, line);
    *password = '\0';
    return natsOptions_SetUserInfo(options, line, password + 1);
}

/* NATS' own files begin with a line of dashes. */
static int set_credentials(natsOptions *options, const char *path, char why[SKEP_MAX_REASON + 1]) {
    char line[LINE_BYTES];
    FILE *file = fopen(path, "re");
    if (file == NULL) return unreadable(path, strerror(errno), why);
    const char *read = fgets(line, sizeof line, file);
    fclose(file);
    if (read == NULL || line[strcspn(line, "\r\n")] == '\0') return unreadable(path, "no credentials are in it", why);
    natsStatus status =
        begins(line, "---") ? natsOptions_SetUserCredentialsFromFiles(options, path, NULL) : set_user(options, line);
    explicit_bzero(line, sizeof line);
    return status == NATS_OK ? SKEP_OK : unreadable(path, natsStatus_GetText(status), why);
}

static int set_secure(natsOptions *options, const struct skep__nats_setup *setup, bool secure,
                      char why[SKEP_MAX_REASON + 1]) {
    natsStatus status = NATS_OK;
    if (secure || setup->ca != NULL) status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && setup->ca != NULL) status = natsOptions_LoadCATrustedCertificates(options, setup->ca);
    if (status == NATS_OK) return SKEP_OK;
    return unreadable(setup->ca != NULL ? setup->ca : setup->urls, "no certificates can be read from it", why);
}

/* --- how --- */

static natsStatus set_servers(natsOptions *options, const struct skep__nats_servers *servers) {
    const char *urls[SKEP__NATS_SERVERS];
    for (unsigned i = 0; i < servers->count; i++) urls[i] = servers->urls[i];
    return natsOptions_SetServers(options, urls, (int)servers->count);
}

static natsStatus set_rest(natsOptions *options) {
    natsStatus status = natsOptions_SetName(options, "skep");
    if (status == NATS_OK) status = natsOptions_SetTimeout(options, CONNECT_MS);
    if (status == NATS_OK) status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK) status = natsOptions_SetReconnectWait(options, AGAIN_MS);
    if (status == NATS_OK) status = natsOptions_SetPingInterval(options, PING_MS);
    if (status == NATS_OK) status = natsOptions_SetIOBufSize(options, BUFFER_BYTES);
    return status;
}

int skep__nats_options(natsOptions **out, const struct skep__nats_setup *setup, char why[SKEP_MAX_REASON + 1]) {
    natsOptions *options = NULL;
    struct skep__nats_servers servers;
    int status = skep__nats_servers_parse(setup->urls, &servers, why);
    if (status != SKEP_OK) return status;
    natsStatus made = natsOptions_Create(&options);
    if (made == NATS_OK) made = set_servers(options, &servers);
    explicit_bzero(&servers.urls, sizeof servers.urls);
    if (made == NATS_OK) made = set_rest(options);
    status = skep__nats_translate(made);
    if (status == SKEP_OK) status = set_secure(options, setup, servers.secure, why);
    if (status == SKEP_OK && setup->credentials != NULL) status = set_credentials(options, setup->credentials, why);
    if (status == SKEP_OK) *out = options;
    else natsOptions_Destroy(options);
    return status;
}

int skep__nats_translate(natsStatus status) {
    switch (status) {
    case NATS_OK: return SKEP_OK;
    case NATS_NO_MEMORY: return SKEP_ENOMEM;
    case NATS_TIMEOUT: return SKEP_ETIMEDOUT;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED: return SKEP_EACCES;
    case NATS_SSL_ERROR:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_SECURE_CONNECTION_WANTED:
    case NATS_PROTOCOL_ERROR: return SKEP_EPROTO;
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT: return SKEP_EINVAL;
    case NATS_NO_RESPONDERS: return SKEP_ENOHANDLER;
    case NATS_MAX_PAYLOAD: return SKEP_ETOOBIG;
    case NATS_NO_SERVER:
    case NATS_ADDRESS_MISSING:
    case NATS_IO_ERROR:
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED: return SKEP_ECLOSED;
    default: return SKEP_ESYS;
    }
}
