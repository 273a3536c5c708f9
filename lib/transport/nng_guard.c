/* SPDX-License-Identifier: MIT
 * Listening NNG sockets that stay open. */
#include "transport/nng.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOOK_MS = 2000 };

static int listen_on(struct skep__guard *guard) {
    int error = nng_listener_create(&guard->listener, guard->socket, guard->url);
    if (error == 0) error = nng_listener_set_int(guard->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (error == 0) error = nng_listener_start(guard->listener, 0);
    return skep__status_of_nng(error);
}

int skep__guard_open(struct skep__nng_hub *hub, struct skep__guard *guard, nng_socket socket, const char *url,
                     unsigned char peer) {
    guard->socket = socket;
    guard->peer = peer;
    guard->probe = -1;
    snprintf(guard->url, sizeof guard->url, "%s", url);
    int status = listen_on(guard);
    if (status == SKEP_OK) LIST_INSERT_HEAD(&hub->guards, guard, entry);
    else guard->url[0] = '\0';
    return status;
}

static void end_probe(struct skep__guard *guard) {
    if (guard->probe >= 0) close(guard->probe);
    guard->probe = -1;
}

void skep__guard_close(struct skep__guard *guard) {
    if (guard->url[0] == '\0') return;
    end_probe(guard);
    LIST_REMOVE(guard, entry);
    nng_listener_close(guard->listener);
    guard->url[0] = '\0';
}

#if SKEP__NNG_GOES_DEAF

static const char *path_of(const struct skep__guard *guard) {
    return guard->url + strlen("ipc://");
}

/* Its file may belong to another user, that of the workers. */
static void open_again(struct skep__guard *guard) {
    struct stat before, after;
    bool known = stat(path_of(guard), &before) == 0;
    nng_listener_close(guard->listener);
    if (listen_on(guard) != SKEP_OK || !known || stat(path_of(guard), &after) != 0)
        return; /* the next look tries again */
    if (after.st_uid != before.st_uid && chown(path_of(guard), before.st_uid, (gid_t)-1) != 0) return;
    if (after.st_mode != before.st_mode && chmod(path_of(guard), before.st_mode & 0777) != 0) return;
}

/* Connects and greets as SP does. The connection stays until the next look: it must not go away in the greeting. */
static void begin_probe(struct skep__guard *guard) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(guard));
    skep__sp_greeting(greeting, guard->peer);
    guard->seen_before = atomic_load(&guard->seen);
    guard->probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (guard->probe < 0) return;
    if (connect(guard->probe, (const struct sockaddr *)&address, sizeof address) != 0 ||
        send(guard->probe, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting)
        return; /* a full queue, which a deaf listener has in the end, or no file any more: opened again */
}

static void look(uv_timer_t *timer) {
    struct skep__nng_hub *hub = timer->data;
    struct skep__guard *guard;
    LIST_FOREACH(guard, &hub->guards, entry) {
        if (guard->peer == 0) continue;
        if (guard->probe >= 0 && atomic_load(&guard->seen) == guard->seen_before) open_again(guard);
        end_probe(guard);
        begin_probe(guard);
    }
}

void skep__guards_watch(struct skep__nng_hub *hub) {
    uv_timer_start(&hub->look, look, LOOK_MS, LOOK_MS);
}

#else

void skep__guards_watch(struct skep__nng_hub *hub) {
    (void)hub;
}

#endif
