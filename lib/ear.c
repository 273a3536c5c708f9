/* SPDX-License-Identifier: MIT
 * Listening NNG sockets that stay open. */
#include "ear.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *path_of(const struct skep__ear *ear) {
    return ear->url + strlen("ipc://");
}

static int listen_on(struct skep__ear *ear) {
    int error = nng_listener_create(&ear->listener, ear->socket, ear->url);
    if (error == 0) error = nng_listener_set_int(ear->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (error == 0) error = nng_listener_start(ear->listener, 0);
    return skep__status_of_nng(error);
}

int skep__ear_open(struct skep__hub *hub, struct skep__ear *ear, nng_socket socket, const char *url,
                   unsigned char peer) {
    ear->socket = socket;
    ear->peer = peer;
    ear->probe = -1;
    snprintf(ear->url, sizeof ear->url, "%s", url);
    int status = listen_on(ear);
    if (status == SKEP_OK) LIST_INSERT_HEAD(&hub->ears, ear, entry);
    else ear->url[0] = '\0';
    return status;
}

static void end_probe(struct skep__ear *ear) {
    if (ear->probe >= 0) close(ear->probe);
    ear->probe = -1;
}

void skep__ear_close(struct skep__ear *ear) {
    if (ear->url[0] == '\0') return;
    end_probe(ear);
    LIST_REMOVE(ear, entry);
    nng_listener_close(ear->listener);
    ear->url[0] = '\0';
}

/* Its file may have been given to another user, whom the workers run as. */
static void open_anew(struct skep__ear *ear) {
    struct stat before, after;
    bool known = stat(path_of(ear), &before) == 0;
    nng_listener_close(ear->listener);
    if (listen_on(ear) != SKEP_OK || !known || stat(path_of(ear), &after) != 0) return; /* the next look tries again */
    if (after.st_uid != before.st_uid && chown(path_of(ear), before.st_uid, (gid_t)-1) != 0) return;
}

/* Connects and greets as SP does. The connection stays until the next look: it must not go away in the greeting. */
static void begin_probe(struct skep__ear *ear) {
    const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, ear->peer, 0, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(ear));
    ear->heard_before = atomic_load(&ear->heard);
    ear->probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ear->probe < 0) return;
    if (connect(ear->probe, (const struct sockaddr *)&address, sizeof address) != 0 ||
        send(ear->probe, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting)
        return; /* a full queue, which a deaf listener has in the end, or no file any more: opened anew */
}

void skep__ears_look(uv_timer_t *timer) {
    struct skep__hub *hub = timer->data;
    struct skep__ear *ear;
    LIST_FOREACH(ear, &hub->ears, entry) {
        if (ear->peer == SKEP__PEER_NONE) continue;
        if (ear->probe >= 0 && atomic_load(&ear->heard) == ear->heard_before) open_anew(ear);
        end_probe(ear);
        begin_probe(ear);
    }
}
