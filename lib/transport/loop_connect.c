/* SPDX-License-Identifier: MIT
 * Where connections come from: acceptors and dialers. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/loop.h"

enum {
    BACKLOG = 4096,        /* the kernel's own limit may be lower */
    ACCEPTED_AT_ONCE = 64, /* in a turn of the loop */
    TOLD_MS = 1000,        /* in which so many */
    TOLD_MOST = 8,         /* peers that misbehave are reported */
    FIRST_DELAY_MS = 10,
    LAST_DELAY_MS = 1000,
    LASTED_MS = 100 /* a connection that a listener turns away ends sooner */
};

static void find_peer(struct skep__end *end) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size_bytes = sizeof peer;
    if (getsockopt(end->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size_bytes) != 0)
        peer = (struct ucred){.pid = 0, .uid = (uid_t)-1};
    end->pid = peer.pid;
    end->uid = peer.uid;
}

/* --- acceptors --- */

struct skep__acceptor_handle {
    uv_poll_t poll;
    struct skep__acceptor *acceptor;
    int fd;
    struct sockaddr_un address;
    dev_t device; /* of its file, */
    ino_t inode;  /* so that nobody else's is removed */
};

static bool may_tell(struct skep__acceptor *acceptor) {
    uint64_t now_ms = uv_now(acceptor->hub->common.loop);
    if (acceptor->told_count == 0 || now_ms - acceptor->told_since_ms >= TOLD_MS) {
        acceptor->told_since_ms = now_ms;
        acceptor->told_count = 0;
    }
    return acceptor->told_count++ < TOLD_MOST;
}

void skep__acceptor_ended(struct skep__acceptor *acceptor, const struct skep__pipe *pipe) {
    if (pipe->reader.why == NULL || acceptor->misspoke == NULL || !may_tell(acceptor)) return;
    acceptor->misspoke(acceptor->context, &pipe->peer, pipe->reader.why);
}

static void admit(struct skep__acceptor *acceptor, struct skep__end *end) {
    find_peer(end);
    bool wanted = acceptor->only == 0 || acceptor->only == end->pid;
    bool trusted = acceptor->protocol == SKEP__SP_REP ? skep__is_own_user(end->uid)
                                                      : skep__hub_trusts(&acceptor->hub->common, end->uid);
    if (wanted && trusted) {
        acceptor->accepted(acceptor->owner, end);
        return;
    }
    /* One that is refused is greeted first: programs that wait for that see an end, and no reset before anything. */
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    skep__sp_greeting(greeting, acceptor->protocol);
    ssize_t sent = send(end->fd, greeting, sizeof greeting, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* it may be gone */
    skep__loop_hub_dismiss(acceptor->hub, end->fd);
    if (acceptor->refused != NULL && may_tell(acceptor)) acceptor->refused(acceptor->context, end->pid, end->uid);
}

/* Without descriptors it would be called again and again. */
static void starve(struct skep__acceptor *acceptor) {
    if (acceptor->is_starved) return;
    acceptor->is_starved = true;
    uv_poll_stop(&acceptor->handle->poll);
    LIST_INSERT_HEAD(&acceptor->hub->starved, acceptor, starved_entry);
    skep__loop_hub_watch(acceptor->hub);
    if (acceptor->starved != NULL) acceptor->starved(acceptor->context);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void recover(struct skep__acceptor *acceptor) {
    if (!acceptor->is_starved) return;
    acceptor->is_starved = false;
    LIST_REMOVE(acceptor, starved_entry);
    uv_poll_start(&acceptor->handle->poll, UV_READABLE, on_connection);
}

/* They accept on the next turn, from where their owners may free others. */
void skep__acceptors_recover(struct skep__loop_hub *hub) {
    struct skep__acceptor *acceptor;
    while ((acceptor = LIST_FIRST(&hub->starved)) != NULL) recover(acceptor);
}

static void accept_some(struct skep__acceptor *acceptor, unsigned most) {
    for (unsigned i = 0; i < most && acceptor->handle != NULL; i++) {
        struct skep__end end = {.fd = accept4(acceptor->handle->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (end.fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue; /* of this connection alone */
        if (end.fd < 0 && errno != EAGAIN) {
            starve(acceptor);
            return;
        }
        recover(acceptor);
        if (end.fd < 0) return;
        admit(acceptor, &end);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events) {
    const struct skep__acceptor_handle *handle = poll->data;
    (void)status;
    (void)events;
    accept_some(handle->acceptor, ACCEPTED_AT_ONCE);
}

void skep__acceptor_accept(struct skep__acceptor *acceptor) {
    if (acceptor->handle != NULL) accept_some(acceptor, BACKLOG);
}

/* Nobody can connect before the mode is set: that takes until listen. */
static int bind_and_listen(struct skep__acceptor_handle *handle) {
    const struct sockaddr *address = (const struct sockaddr *)&handle->address;
    struct stat file;
    if (bind(handle->fd, address, sizeof handle->address) != 0) return skep_status_of_errno(errno);
    if (chmod(handle->address.sun_path, 0600) == 0 && stat(handle->address.sun_path, &file) == 0 &&
        listen(handle->fd, BACKLOG) == 0) {
        handle->device = file.st_dev;
        handle->inode = file.st_ino;
        return SKEP_OK;
    }
    int status = skep_status_of_errno(errno);
    unlink(handle->address.sun_path);
    return status;
}

static int open_handle(struct skep__acceptor *acceptor, struct skep__acceptor_handle *handle) {
    handle->acceptor = acceptor;
    handle->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (handle->fd < 0) return skep_status_of_errno(errno);
    int status = bind_and_listen(handle);
    if (status == SKEP_OK) {
        status = skep_status_of_errno(-uv_poll_init(acceptor->hub->common.loop, &handle->poll, handle->fd));
        if (status != SKEP_OK) unlink(handle->address.sun_path);
    }
    if (status != SKEP_OK) close(handle->fd);
    return status;
}

int skep__acceptor_listen(struct skep__acceptor *acceptor, const char *url) {
    struct skep__acceptor_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) return SKEP_ENOMEM;
    int status = skep__ipc_address(url, &handle->address);
    if (status == SKEP_OK) status = open_handle(acceptor, handle);
    if (status != SKEP_OK) {
        free(handle);
        return status;
    }
    handle->poll.data = handle;
    uv_unref((uv_handle_t *)&handle->poll);
    uv_poll_start(&handle->poll, UV_READABLE, on_connection);
    acceptor->handle = handle;
    return SKEP_OK;
}

static void acceptor_closed(uv_handle_t *handle) {
    free(handle->data);
}

void skep__acceptor_close(struct skep__acceptor *acceptor) {
    struct skep__acceptor_handle *handle = acceptor->handle;
    struct stat file;
    if (handle == NULL) return;
    acceptor->handle = NULL;
    if (acceptor->is_starved) LIST_REMOVE(acceptor, starved_entry);
    acceptor->is_starved = false;
    const char *path = handle->address.sun_path;
    if (lstat(path, &file) == 0 && file.st_dev == handle->device && file.st_ino == handle->inode) unlink(path);
    uv_poll_stop(&handle->poll);
    uv_close((uv_handle_t *)&handle->poll, acceptor_closed);
    close(handle->fd);
}

/* --- dialers --- */

static int try_connect(const char *url, struct skep__end *end) {
    struct sockaddr_un address;
    int status = skep__ipc_address(url, &address);
    if (status != SKEP_OK) return status;
    end->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (end->fd < 0) return skep_status_of_errno(errno);
    if (connect(end->fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        find_peer(end);
        end->dialed = true;
        return SKEP_OK;
    }
    bool is_absent = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTSOCK; /* or too many wait: */
    status = is_absent || errno == EAGAIN ? SKEP_ECLOSED : skep_status_of_errno(errno);
    close(end->fd);
    return status;
}

static void dial_again(uv_timer_t *timer) {
    struct skep__dialer *dialer = timer->data;
    struct skep__end end;
    if (try_connect(dialer->url, &end) == SKEP_OK) dialer->connected(dialer->owner, &end);
    else skep__dialer_again(dialer, NULL);
}

void skep__dialer_again(struct skep__dialer *dialer, const struct skep__pipe *pipe) {
    bool lasted = pipe != NULL && uv_now(dialer->hub->common.loop) - pipe->since_ms >= LASTED_MS;
    uint64_t delay_ms = dialer->delay_ms != 0 && !lasted ? dialer->delay_ms : FIRST_DELAY_MS;
    if (dialer->url == NULL) return;
    uv_timer_start(dialer->timer, dial_again, delay_ms, 0);
    dialer->delay_ms = delay_ms * 2 < LAST_DELAY_MS ? delay_ms * 2 : LAST_DELAY_MS;
}

static int open_dialer(struct skep__dialer *dialer, const char *url) {
    uv_timer_t *timer = malloc(sizeof *timer);
    char *copy = strdup(url);
    if (timer == NULL || copy == NULL) {
        free(timer);
        free(copy);
        return SKEP_ENOMEM;
    }
    dialer->url = copy;
    dialer->timer = timer;
    uv_timer_init(dialer->hub->common.loop, timer);
    uv_unref((uv_handle_t *)timer);
    timer->data = dialer;
    return SKEP_OK;
}

int skep__dialer_dial(struct skep__dialer *dialer, const char *url, bool wait) {
    struct skep__end end;
    int status = try_connect(url, &end);
    bool connected = status == SKEP_OK;
    if (!connected && (wait || status != SKEP_ECLOSED)) return status;
    status = open_dialer(dialer, url);
    if (status != SKEP_OK && connected) close(end.fd);
    if (status != SKEP_OK) return status;
    if (connected) dialer->connected(dialer->owner, &end);
    else skep__dialer_again(dialer, NULL);
    return SKEP_OK;
}

static void timer_closed(uv_handle_t *handle) {
    free(handle);
}

void skep__dialer_close(struct skep__dialer *dialer) {
    if (dialer->url == NULL) return;
    uv_close((uv_handle_t *)dialer->timer, timer_closed);
    free(dialer->url);
    dialer->url = NULL;
    dialer->timer = NULL;
}
