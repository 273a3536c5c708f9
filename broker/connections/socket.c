/* SPDX-License-Identifier: MIT
 * Listening sockets as people expect them. */
#include "connections/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int on = 1, off = 0;

static const char *path_of(const struct skep_url *url) {
    return ((const struct sockaddr_un *)&url->address)->sun_path;
}

/* --- looking up --- */

static bool is_number(const char *text, uint32_t *number) {
    size_t digits = strspn(text, "0123456789");
    unsigned long long value = strtoull(text, NULL, 10);
    *number = (uint32_t)value;
    return digits > 0 && digits <= 10 && text[digits] == '\0' && value < UINT32_MAX;
}

static bool find_user(const char *name, uid_t *uid) {
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (is_number(name, uid)) return true;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL) return false;
    *uid = found->pw_uid;
    return true;
}

static bool find_group(const char *name, gid_t *gid) {
    char buffer[4096];
    struct group entry, *found = NULL;
    if (is_number(name, gid)) return true;
    if (getgrnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL) return false;
    *gid = found->gr_gid;
    return true;
}

static int refuse(const char **why, const char *reason) {
    *why = reason;
    return SKEP_EURL;
}

static int look_up_owner(struct skep_url *url, const char **why) {
    char user[SKEP__OWNER_SIZE];
    memcpy(user, url->owner, sizeof user);
    char *group = strchr(user, ':');
    if (group != NULL) *group++ = '\0';
    url->uid = (uid_t)-1;
    url->gid = (gid_t)-1;
    if (user[0] != '\0' && !find_user(user, &url->uid)) return refuse(why, "there is no such user");
    if (group != NULL && !find_group(group, &url->gid)) return refuse(why, "there is no such group");
    return SKEP_OK;
}

static bool is_stream(int fd) {
    int type = 0;
    socklen_t size_bytes = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size_bytes) == 0 && type == SOCK_STREAM;
}

/* Both IPv6 and IPv4 come to it. */
static bool is_any(int fd, const struct sockaddr_in6 *address) {
    int only_six = 1;
    socklen_t size_bytes = sizeof only_six;
    if (address->sin6_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr)) return false;
    return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, &size_bytes) == 0 && only_six == 0;
}

static int look_at_descriptor(struct skep_url *url, const char **why) {
    struct sockaddr_storage peer;
    socklen_t size_bytes = sizeof url->address, peer_bytes = sizeof peer;
    if (!is_stream(url->fd)) return refuse(why, "there is no stream socket under this number");
    if (getpeername(url->fd, (struct sockaddr *)&peer, &peer_bytes) == 0)
        return refuse(why, "the descriptor is that of a connection");
    if (getsockname(url->fd, (struct sockaddr *)&url->address, &size_bytes) != 0) size_bytes = 0;
    url->address_size_bytes = size_bytes;
    url->any = is_any(url->fd, (const struct sockaddr_in6 *)&url->address);
    bool has_path = url->address.ss_family == AF_UNIX && size_bytes > offsetof(struct sockaddr_un, sun_path);
    if (has_path || skep__url_port(&url->address) != 0) return SKEP_OK;
    return refuse(why, "the descriptor is not bound to a TCP or Unix address");
}

int skep__socket_look_up(struct skep_url *url, const char **why) {
    if (url->given) return look_at_descriptor(url, why);
    return url->owner[0] != '\0' ? look_up_owner(url, why) : SKEP_OK;
}

/* --- comparing --- */

/* Of its own family, or of both */
static bool has_all_hosts(const struct skep_url *url) {
    const struct sockaddr_storage *a = &url->address;
    if (a->ss_family == AF_INET) return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool is_same_host(const struct skep_url *one, const struct skep_url *other) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&one->address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&one->address;
    if (in->sin_family == AF_INET)
        return in->sin_addr.s_addr == ((const struct sockaddr_in *)&other->address)->sin_addr.s_addr;
    const struct sockaddr_in6 *that = (const struct sockaddr_in6 *)&other->address;
    return IN6_ARE_ADDR_EQUAL(&in6->sin6_addr, &that->sin6_addr) && in6->sin6_scope_id == that->sin6_scope_id;
}

bool skep__socket_overlaps(const struct skep_url *one, const struct skep_url *other) {
    if (one->given && other->given && one->fd == other->fd) return true;
    if (one->address.ss_family == AF_UNIX && other->address.ss_family == AF_UNIX)
        return strcmp(path_of(one), path_of(other)) == 0;
    uint16_t port = skep__url_port(&one->address);
    if (port == 0 || port != skep__url_port(&other->address)) return false;
    if (one->any || other->any) return true;
    if (one->address.ss_family != other->address.ss_family) return false;
    return has_all_hosts(one) || has_all_hosts(other) || is_same_host(one, other);
}

/* --- binding --- */

static int set_options(int fd, const struct skep_url *url, bool reuse_port) {
    int family = url->address.ss_family;
    if (family == AF_UNIX) return url->has_mode ? fchmod(fd, url->mode) : 0; /* less the umask when it is bound */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return -1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return -1;
    if (family != AF_INET6) return 0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, url->any ? &off : &on, sizeof on);
}

/* Nobody can connect before it listens. A link that somebody puts into the path's place is not followed. */
static bool set_owner_and_mode(const struct skep_url *url) {
    if (url->owner[0] != '\0' && lchown(path_of(url), url->uid, url->gid) != 0) return false;
    return !url->has_mode || fchmodat(AT_FDCWD, path_of(url), url->mode, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_bound(const struct skep_url *url, bool reuse_port) {
    int fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool bound = set_options(fd, url, reuse_port) == 0 &&
                 bind(fd, (const struct sockaddr *)&url->address, url->address_size_bytes) == 0;
    if (bound && set_owner_and_mode(url)) return fd;
    int error = errno;
    if (bound) skep__socket_unlink(url);
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
    bool is_socket = lstat(path_of(url), &st) == 0 && S_ISSOCK(st.st_mode);
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

/* A copy, so that the listener's life is its own. */
static int copy_given(const struct skep_url *url, int backlog, int *out) {
    int fd = fcntl(url->fd, F_DUPFD_CLOEXEC, 3);
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such thing */
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && listen(fd, backlog) == 0) {
        *out = fd;
        return SKEP_OK;
    }
    int status = skep_status_of_errno(errno);
    if (fd >= 0) close(fd);
    return status;
}

int skep__socket_bind(struct skep_url *url, int backlog, bool reuse_port, int *out) {
    if (url->given) return copy_given(url, backlog, out);
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
    if (url->address.ss_family == AF_UNIX || url->given) return; /* others may go on with what was given */
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) return; /* a few may be reset then */
}

void skep__socket_unlink(const struct skep_url *url) {
    if (url->address.ss_family == AF_UNIX && !url->given) unlink(path_of(url));
}
