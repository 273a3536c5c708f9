/* SPDX-License-Identifier: MIT
 * A mock broker's connections: made here, handed to workers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock/private.h"

/* --- making them --- */

static int make_tcp(int listener, int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size_bytes = sizeof address;
    ends[0] = ends[1] = -1;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) return -1;
    if (getsockname(listener, (struct sockaddr *)&address, &size_bytes) != 0) return -1;
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&address, sizeof address) != 0) return -1;
    ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return ends[1] >= 0 ? fcntl(ends[0], F_SETFL, O_NONBLOCK) : -1;
}

static int make_pair(bool tcp, int ends[2]) {
    if (!tcp)
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0
                   ? SKEP_OK
                   : skep_status_of_errno(errno);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return skep_status_of_errno(errno);
    int status = make_tcp(listener, ends) == 0 ? SKEP_OK : skep_status_of_errno(errno);
    close(listener);
    if (status == SKEP_OK) return SKEP_OK;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    return status;
}

/* --- handing them over --- */

static const struct skep__mock_listener *find_listener(const struct skep__mock_worker *worker, const char *url) {
    const struct skep__mock_listener *listener;
    LIST_FOREACH(listener, &worker->listeners, entry) if (strcmp(listener->url, url) == 0) return listener;
    return NULL;
}

/* The one that has the fewest. */
static struct skep__mock_worker *choose(skep_mock *mock, uint32_t id, const char *url) {
    struct skep__mock_worker *w, *best = NULL;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        if (w->left || (id != 0 && w->id != id) || find_listener(w, url) == NULL) continue;
        if (best == NULL || w->last_connection - w->finished < best->last_connection - best->finished) best = w;
    }
    return best;
}

static int hand_over(struct skep__mock_worker *worker, const char *url, int fd) {
    struct skep_command command = {.id = SKEP_COMMAND_connection};
    command.connection = (struct skep_command_connection){.connection = worker->last_connection + 1,
                                                          .listener = find_listener(worker, url)->number};
    int status = skep__mock_tell(worker, &command, fd);
    if (status == SKEP_OK) worker->last_connection++;
    return status;
}

int skep_mock_connect(skep_mock *mock, uint32_t id, const char *url, int *fd) {
    int ends[2] = {-1, -1};
    struct skep__mock_worker *worker = choose(mock, id, url);
    if (worker == NULL) {
        skep__mock_explain(mock, "no worker listens on %s", url);
        skep__mock_explain_workers(mock, id);
        return skep__mock_failed(mock, SKEP_ENOWORKER);
    }
    int status = make_pair(strncmp(url, "tcp:", 4) == 0, ends);
    if (status != SKEP_OK) return status;
    status = hand_over(worker, url, ends[1]);
    close(ends[1]);
    if (status == SKEP_OK) *fd = ends[0];
    else close(ends[0]);
    return status;
}

/* --- what becomes of them --- */

static bool is_listening(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    return find_listener(worker, state->name) != NULL;
}

int skep_mock_expect_listening(skep_mock *mock, uint32_t worker, const char *url, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = is_listening, .name = url};
    return skep__mock_expect_state(&state, timeout_ms, "listens on %s", url);
}

static bool has_taken(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    return worker->taken == state->number;
}

int skep_mock_expect_taken(skep_mock *mock, uint32_t worker, uint64_t count, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_taken, .number = count};
    return skep__mock_expect_state(&state, timeout_ms, "has taken %" PRIu64 " connections", count);
}

static bool has_finished(const struct skep__mock_worker *worker, const struct skep__mock_state *state) {
    return worker->finished == state->number;
}

int skep_mock_expect_finished(skep_mock *mock, uint32_t worker, uint64_t count, unsigned timeout_ms) {
    struct skep__mock_state state = {.mock = mock, .worker = worker, .is_so = has_finished, .number = count};
    return skep__mock_expect_state(&state, timeout_ms, "has finished %" PRIu64 " connections", count);
}

/* --- what comes back on them --- */

struct reading {
    int fd;
    char *data;
    size_t wanted_bytes;
    size_t size_bytes;
    bool ended;
};

static bool read_some(void *context) {
    struct reading *r = context;
    size_t room = r->wanted_bytes > r->size_bytes ? r->wanted_bytes - r->size_bytes : 0;
    ssize_t n = room > 0 ? read(r->fd, r->data + r->size_bytes, room) : 0;
    if (n > 0) r->size_bytes += (size_t)n;
    if (room > 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))) r->ended = true;
    return r->ended || r->size_bytes == r->wanted_bytes;
}

static int explain_bytes(skep_mock *mock, const struct reading *r, struct skep_bytes wanted, unsigned timeout_ms,
                         int status) {
    char quoted[SKEP__MOCK_SUBJECT_BYTES];
    skep__mock_explain(mock, "expected within %u ms: %zu bytes", timeout_ms, wanted.size_bytes);
    if (wanted.data != NULL) skep__mock_explain_more(mock, " %s", skep__mock_quote(wanted, quoted, sizeof quoted));
    skep__mock_quote((struct skep_bytes){r->data, r->size_bytes}, quoted, sizeof quoted);
    skep__mock_explain_more(mock, "\ncame instead: %zu bytes %s%s", r->size_bytes, quoted,
                            r->ended ? ", then the end" : "");
    skep__mock_explain_workers(mock, 0);
    return skep__mock_failed(mock, status != SKEP_OK ? status : SKEP_EUNEXPECTED);
}

int skep_mock_expect_bytes(skep_mock *mock, int fd, const void *bytes, size_t size_bytes, unsigned timeout_ms) {
    struct reading r = {.fd = fd, .wanted_bytes = size_bytes};
    r.data = malloc(size_bytes > 0 ? size_bytes : 1);
    if (r.data == NULL) return SKEP_ENOMEM;
    int status = skep__mock_run(mock, read_some, &r, timeout_ms);
    bool same = status == SKEP_OK && r.size_bytes == size_bytes;
    if (same && bytes != NULL && size_bytes > 0) same = memcmp(r.data, bytes, size_bytes) == 0;
    if (!same) status = explain_bytes(mock, &r, (struct skep_bytes){bytes, size_bytes}, timeout_ms, status);
    free(r.data);
    return status;
}

int skep_mock_expect_end(skep_mock *mock, int fd, unsigned timeout_ms) {
    char byte;
    struct reading r = {.fd = fd, .data = &byte, .wanted_bytes = 1};
    int status = skep__mock_run(mock, read_some, &r, timeout_ms);
    if (status == SKEP_OK && r.ended) return SKEP_OK;
    skep__mock_explain(mock, "expected within %u ms: the end of the connection", timeout_ms);
    if (r.size_bytes > 0) skep__mock_explain_more(mock, "\ncame instead: more bytes");
    skep__mock_explain_workers(mock, 0);
    return skep__mock_failed(mock, status != SKEP_OK ? status : SKEP_EUNEXPECTED);
}
