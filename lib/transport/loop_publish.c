/* SPDX-License-Identifier: MIT
 * PUB on the loop: one frame for all its peers, counted by those that have not had it yet. A peer that does not read
 * costs a bounded number of frames; then it misses the oldest that has not begun to leave. */
#include "transport/loop.h"

enum {
    NEWS_DEPTH = 128,               /* frames that a peer may be behind */
    NEWS_BYTES = 2 * SKEP_MAX_FRAME /* of them */
};

struct issue {
    struct skep_frame frame;
    unsigned readers; /* references */
};

struct copy {
    struct skep__outgoing outgoing; /* first member */
    struct issue *issue;
};

static void release(struct issue *issue) {
    if (--issue->readers > 0) return;
    skep__frame_free(&issue->frame);
    free(issue);
}

static void free_copy(struct copy *copy) {
    release(copy->issue);
    free(copy);
}

static void copy_done(struct skep__outgoing *outgoing, bool left) {
    (void)left;
    free_copy((struct copy *)outgoing);
}

/* The first may have begun to leave: then the second goes. False if there is none that can. */
static bool drop_oldest(struct skep__pipe *pipe) {
    struct skep__outgoing *oldest = STAILQ_FIRST(&pipe->outgoing);
    if (oldest != NULL && !skep__pipe_unsend(pipe, oldest)) {
        oldest = STAILQ_NEXT(oldest, entry);
        if (oldest != NULL) skep__pipe_unsend(pipe, oldest);
    }
    if (oldest != NULL) free_copy((struct copy *)oldest);
    return oldest != NULL;
}

static bool is_behind(const struct skep__pipe *pipe) {
    const struct skep__outgoing *outgoing;
    unsigned depth = 0;
    STAILQ_FOREACH(outgoing, &pipe->outgoing, entry) depth++;
    return depth >= NEWS_DEPTH || pipe->outgoing_bytes > NEWS_BYTES;
}

/* Without memory this peer misses it. */
static void send_copy(struct skep__pipe *pipe, struct issue *issue) {
    struct copy *copy = skep__hub_alloc(&pipe->hub->common, sizeof *copy);
    if (copy == NULL) return;
    skep__outgoing_set(&copy->outgoing, NULL, 0, issue->frame.data, issue->frame.size_bytes, copy_done);
    copy->issue = issue;
    issue->readers++;
    if (skep__pipe_send(pipe, &copy->outgoing)) free_copy(copy);
}

int skep__loop_publish(struct skep__loop_port *port, struct skep_frame *frame) {
    struct skep__pipe *pipe;
    struct issue *issue = skep__hub_alloc(port->common.hub, sizeof *issue);
    if (issue == NULL) { /* all miss it, as those that are behind do */
        skep__frame_clear(frame);
        return SKEP_OK;
    }
    *issue = (struct issue){.frame = *frame, .readers = 1};
    *frame = (struct skep_frame){0};
    LIST_FOREACH(pipe, &port->pipes, entry) {
        if (!pipe->reader.greeted) continue;
        while (is_behind(pipe) && drop_oldest(pipe)) continue;
        send_copy(pipe, issue);
    }
    release(issue);
    return SKEP_OK;
}
