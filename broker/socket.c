/* SPDX-License-Identifier: MIT
 * Listening sockets as people expect them. */
#include "socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int on = 1, off = 0;

static int set_options(int fd, const struct skep_url *url, bool reuse_port) {
    int family = url->address.ss_family;
    if (family == AF_UNIX) return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return -1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return -1;
    if (family != AF_INET6) return 0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, url->any ? &off : &on, sizeof on);
}

static int open_bound(const struct skep_url *url, bool reuse_port) {
    int fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (set_options(fd, url, reuse_port) == 0 &&
        bind(fd, (const struct sockaddr *)&url->address, url->address_size_bytes) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool is_refused(const struct skep_url *url) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool refused =
        connect(fd, (const struct sockaddr *)&url->address, url->address_size_bytes) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* A Unix path whose owner was killed: nobody answers there. A file that is no socket refuses connections, too, but is
 * somebody's, as is another user's socket. */
static bool is_abandoned(const struct skep_url *url) {
    struct stat st;
    if (url->address.ss_family != AF_UNIX || errno != EADDRINUSE) return false;
    bool is_socket = lstat(((const struct sockaddr_un *)&url->address)->sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
    bool abandoned = is_socket && st.st_uid == geteuid() && is_refused(url);
    errno = EADDRINUSE;
    return abandoned;
}

/* The wildcard host on a machine without IPv6 */
static bool fall_back(struct skep_url *url) {
    if (!url->any || url->address.ss_family != AF_INET6 || errno != EAFNOSUPPORT) return false;
    in_port_t port = ((const struct sockaddr_in6 *)&url->address)->sin6_port;
    struct sockaddr_in *in = (struct sockaddr_in *)&url->address;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    url->address_size_bytes = sizeof *in;
    url->any = false;
    return true;
}

static int bind_anyhow(struct skep_url *url, bool reuse_port) {
    int fd = open_bound(url, reuse_port);
    if (fd < 0 && is_abandoned(url)) {
        skep__socket_unlink(url);
        fd = open_bound(url, reuse_port);
    }
    if (fd < 0 && fall_back(url)) fd = open_bound(url, reuse_port);
    return fd;
}

int skep__socket_bind(struct skep_url *url, int backlog, bool reuse_port, int *out) {
    struct skep_url bound = *url;
    socklen_t size_bytes = sizeof bound.address;
    int fd = bind_anyhow(&bound, reuse_port);
    if (fd < 0) return skep_status_of_errno(errno);
    if (listen(fd, backlog) == 0 && getsockname(fd, (struct sockaddr *)&bound.address, &size_bytes) == 0) {
        if (bound.address.ss_family != AF_UNIX) bound.address_size_bytes = size_bytes;
        *url = bound;
        *out = fd;
        return SKEP_OK;
    }
    int status = skep_status_of_errno(errno);
    close(fd);
    return status;
}

int skep__socket_again(const struct skep_url *url, int backlog, int *out) {
    struct skep_url again = *url;
    return skep__socket_bind(&again, backlog, true, out);
}

/* A filter on the listening socket drops each SYN; the acknowledgements that complete a handshake pass. Who comes now
 * tries again after a second, and is refused, as the socket is closed by then. */
void skep__socket_turn_away(int fd, const struct skep_url *url) {
    enum { FLAGS_BYTE = 13, SYN = 0x02, ACK = 0x10 }; /* of the TCP header, at which the filter begins */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_BYTE), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
    if (url->address.ss_family == AF_UNIX) return;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) return; /* a few may be reset then */
}

void skep__socket_unlink(const struct skep_url *url) {
    if (url->address.ss_family == AF_UNIX) unlink(((const struct sockaddr_un *)&url->address)->sun_path);
}
