/* SPDX-License-Identifier: MIT
 * sendmsg and recvmsg with SCM_RIGHTS. */
#include "transport/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(SKEP_MAX_BATCH * sizeof(int))];
};

int skep__link_pair(int fds[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0) return SKEP_OK;
    return skep_status_of_errno(errno);
}

static void attach(struct msghdr *header, union control *control, const int *fds, unsigned fd_count) {
    memset(control, 0, CMSG_SPACE(fd_count * sizeof(int)));
    header->msg_control = control->bytes;
    header->msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
}

int skep__link_send(int link, const void *data, size_t size_bytes, const int *fds, unsigned fd_count) {
    union control control;
    struct iovec part = {.iov_base = (void *)data, .iov_len = size_bytes};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) attach(&header, &control, fds, fd_count);
    ssize_t n;
    do n = sendmsg(link, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return SKEP_OK;
    if (errno == ETOOMANYREFS) return SKEP_EMFILE;
    return errno == ENOBUFS ? SKEP_ENOMEM : skep_status_of_errno(errno);
}

static void detach(struct msghdr *header, struct skep__link_message *message) {
    message->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        message->fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(message->fds, CMSG_DATA(c), message->fd_count * sizeof(int));
    }
}

/* A peer that died with unread messages leaves ECONNRESET behind, once; what it had sent before can still be read then.
 */
static ssize_t receive(int link, struct msghdr *header) {
    bool reset = false;
    for (;;) {
        ssize_t n = recvmsg(link, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n >= 0 || (errno != EINTR && errno != ECONNRESET)) return n;
        if (errno == ECONNRESET && reset) return n;
        reset = reset || errno == ECONNRESET;
    }
}

int skep__link_receive(int link, struct skep__link_message *message) {
    union control control;
    struct iovec part = {.iov_base = message->data, .iov_len = sizeof message->data};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n = receive(link, &header);
    if (n < 0) return skep_status_of_errno(errno);
    message->size_bytes = (size_t)n;
    message->truncated = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    detach(&header, message);
    if (n > 0) return SKEP_OK;
    /* An empty message looks like the end, but may carry descriptors. */
    while (message->fd_count > 0) close(message->fds[--message->fd_count]);
    return SKEP_ECLOSED;
}

static int wait_for(int link, short events, unsigned timeout_ms) {
    struct pollfd poll_fd = {.fd = link, .events = events};
    int n;
    do n = poll(&poll_fd, 1, timeout_ms < SKEP__NO_TIMEOUT ? (int)timeout_ms : -1);
    while (n < 0 && errno == EINTR);
    if (n < 0) return skep_status_of_errno(errno);
    return n == 0 ? SKEP_ETIMEDOUT : SKEP_OK;
}

int skep__link_wait(int link, unsigned timeout_ms) {
    return wait_for(link, POLLIN, timeout_ms);
}

int skep__link_wait_writable(int link, unsigned timeout_ms) {
    return wait_for(link, POLLOUT, timeout_ms);
}
