/* SPDX-License-Identifier: MIT
 * The broker's end of a worker's link: connections and commands leave in their order, many in one message. */
#include <fcntl.h>
#include <inttypes.h>

#include "connections/private.h"

enum { MAX_NOTICES = 1024 /* that wait on one link */ };

void skep__hand(skep_child *child, struct skep__connection *connection) {
    struct skep__taker *taker = child->taker;
    skep_cluster *cluster = child->cluster;
    connection->number = ++taker->next_number;
    connection->handed_ms = uv_now(cluster->loop);
    STAILQ_INSERT_TAIL(&taker->untaken, connection, entry);
    if (taker->unsent == NULL) taker->unsent = connection;
    taker->untaken_count++;
    taker->accepted++;
    cluster->connections->in_flight++;
    if (!connection->counted) cluster->connections->accepted++;
    connection->counted = true;
    skep__flusher_mark(cluster->flusher, &taker->link_flush);
    skep__trace(cluster->trace, SKEP__TRACE_LEDGER, "connection fd %d: handed to worker %u as %" PRIu64, connection->fd,
                child->id, connection->number);
}

/* --- what waits --- */

static int pack(const skep_child *child, struct skep_frame *frame, const struct skep_command *command) {
    skep__trace_command(child->cluster->trace, SKEP__TRACE_LINK, ">", child->id, command);
    return skep__frame_add(frame, command);
}

/* Sends connections numbered up to last in one message. SKEP_EAGAIN: the worker is behind. */
static int send_batch(skep_child *child, uint64_t last) {
    struct skep_frame *frame = &child->cluster->scratch;
    int fds[SKEP_MAX_BATCH];
    unsigned count = 0;
    struct skep__connection *c = child->taker->unsent;
    skep__frame_clear(frame);
    for (; c != NULL && c->number <= last && count < SKEP_MAX_BATCH; c = STAILQ_NEXT(c, entry)) {
        struct skep_command command = {.id = SKEP_COMMAND_connection,
                                       .connection = {.connection = c->number, .listener = c->listener->number}};
        int status = pack(child, frame, &command);
        if (status != SKEP_OK) return status;
        fds[count++] = c->fd;
    }
    int status = skep__link_send(child->link, frame->data, frame->size_bytes, fds, count);
    if (status == SKEP_OK) child->taker->unsent = c;
    return status;
}

static void free_notice(struct skep__notice *notice) {
    if (notice->fd >= 0) close(notice->fd);
    skep__frame_free(&notice->frame);
    free(notice);
}

static void drop_notice(skep_child *child, struct skep__notice *notice) {
    STAILQ_REMOVE_HEAD(&child->taker->notices, entry);
    child->taker->notice_count--;
    free_notice(notice);
}

static int send_notice(skep_child *child, struct skep__notice *notice) {
    const struct skep_frame *frame = &notice->frame;
    int status = skep__link_send(child->link, frame->data, frame->size_bytes, &notice->fd, notice->fd >= 0);
    if (status == SKEP_OK) drop_notice(child, notice);
    return status;
}

/* Sends all that can leave now. */
static int send_all(skep_child *child) {
    const struct skep__taker *taker = child->taker;
    int status = SKEP_OK;
    while (status == SKEP_OK) {
        struct skep__notice *notice = STAILQ_FIRST(&taker->notices);
        uint64_t last = notice != NULL ? notice->after : UINT64_MAX;
        if (taker->unsent != NULL && taker->unsent->number <= last) status = send_batch(child, last);
        else if (notice != NULL) status = send_notice(child, notice);
        else return SKEP_OK;
    }
    return status;
}

/* It is the kernel that cannot take more, not the worker: the link stays writable all the while. */
static bool is_lack(skep_child *child, int status) {
    skep_cluster *cluster = child->cluster;
    if (status == SKEP_EMFILE)
        skep__lack_say(cluster, SKEP__LACK_REFERENCES,
                       "too many descriptors of this user are in flight; connections wait until there are fewer");
    if (status == SKEP_ENOMEM) {
        skep__memory_check(cluster); /* else it is the kernel that has none */
        skep__lack_say(cluster, SKEP__LACK_MEMORY, "out of memory for a message to a worker; connections wait");
    }
    return status == SKEP_EMFILE || status == SKEP_ENOMEM;
}

/* A link that is closed is seen at its end, when it is read. */
void skep__link_send_waiting(skep_child *child) {
    if (child->link < 0) return;
    int status = send_all(child);
    child->taker->blocked = is_lack(child, status);
    skep__child_watch_link(child, status == SKEP_EAGAIN);
    if (child->taker->blocked) skep__lack_retry_soon(child->cluster);
    else if (status != SKEP_OK && status != SKEP_EAGAIN && status != SKEP_ECLOSED) skep__child_kill(child, "link");
}

static void flush_link(struct skep__flush *flush) {
    skep__link_send_waiting(SKEP_CONTAINER(flush, struct skep__taker, link_flush)->child);
}

void skep__link_open(skep_child *child) {
    child->taker->link_flush.flush = flush_link;
    skep__link_send_waiting(child);
}

static int add_notice(skep_child *child, const struct skep_command *first, const struct skep_command *second, int fd) {
    struct skep__taker *taker = child->taker;
    struct skep__notice *notice = calloc(1, sizeof *notice);
    if (notice == NULL) return SKEP_ENOMEM;
    notice->after = taker->next_number;
    notice->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1; /* the listener may be closed before this leaves */
    int status = fd >= 0 && notice->fd < 0 ? SKEP_EMFILE : pack(child, &notice->frame, first);
    if (status == SKEP_OK && second != NULL) status = pack(child, &notice->frame, second);
    if (status != SKEP_OK) {
        free_notice(notice);
        return status;
    }
    STAILQ_INSERT_TAIL(&taker->notices, notice, entry);
    taker->notice_count++;
    return SKEP_OK;
}

/* A worker that cannot be asked to leave would have to be killed: the reserve is for that, too. */
int skep__notify_both(skep_child *child, const struct skep_command *first, const struct skep_command *second, int fd) {
    if (child->link < 0) return SKEP_ECLOSED;
    int status = add_notice(child, first, second, fd);
    if (status == SKEP_ENOMEM && skep__memory_lacks(child->cluster)) status = add_notice(child, first, second, fd);
    if (status != SKEP_OK) return status;
    if (child->taker->notice_count > MAX_NOTICES) skep__child_kill(child, "protocol"); /* it asks and never reads */
    else skep__link_send_waiting(child);
    return SKEP_OK;
}

int skep__notify(skep_child *child, const struct skep_command *command, int fd) {
    return skep__notify_both(child, command, NULL, fd);
}

void skep__tell(skep_child *child, const struct skep_command *command) {
    if (skep__notify(child, command, -1) != SKEP_OK && child->link >= 0) skep__child_kill(child, "link");
}

/* --- the end --- */

void skep__send_stop(skep_child *child) {
    struct skep__taker *taker = child->taker;
    skep__flusher_unmark(child->cluster->flusher, &taker->link_flush);
    for (struct skep__notice *notice; (notice = STAILQ_FIRST(&taker->notices)) != NULL;) drop_notice(child, notice);
    taker->unsent = NULL;
}
