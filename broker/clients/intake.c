/* SPDX-License-Identifier: MIT
 * What clients say: jobs and messages. Submissions are numbered by the client, so that one that is sent again, because
 * its answer was lost, is known. */
#include "clients/private.h"
#include "messages/messages.h"

enum {
    MAX_REQUESTS = 1024,  /* of one client to workers, under way */
    MAX_WAIT_MS = 3600000 /* for the reply to one of them, whatever the client says */
};

/* A frame that is being read */
struct intake {
    skep_cluster *cluster;
    pid_t pid;
    struct skep__session *session; /* who speaks; NULL: not known yet, or gone */
    bool gone;                     /* it has left, or its process has ended */
    struct skep__queue *touched;   /* has new jobs */
    const char *why;
};

static int refuse(struct intake *intake, const char *why) {
    intake->why = why;
    return SKEP_EPROTO;
}

/* --- submissions --- */

static struct skep__submission submission_of(const struct intake *intake, const struct skep_command_submit *s,
                                             const struct skep__queue *queue) {
    return (struct skep__submission){
        .number = intake->session->expected,
        .client = intake->session->id,
        .delay_ms = (uint32_t)s->delay_ms,
        .ttl_ms = (uint32_t)s->ttl_ms,
        .lease_ms =
            s->lease_ms == 0 || s->lease_ms >= SKEP_LEAST_LEASE_MS ? (uint32_t)s->lease_ms : SKEP_LEAST_LEASE_MS,
        .attempts = queue != NULL ? skep__jobs_attempts(intake->cluster->jobs, queue, s->attempts) : 0,
        .priority = SKEP_HAS(submit, s, priority) ? (uint8_t)s->priority : SKEP__PRIORITY_MIDDLE,
        .wants_outcome = s->outcomes,
    };
}

static void touch(struct intake *intake, struct skep__queue *queue) {
    if (intake->touched != NULL && intake->touched != queue)
        skep__jobs_dispatch_queue(intake->cluster->jobs, intake->touched);
    intake->touched = queue;
}

/* The queue that was touched may be forgotten for a new one: its jobs are given out before. */
static struct skep__queue *queue_of(struct intake *intake, const struct skep_bytes *name, int *status) {
    struct skep__queue *queue = skep__jobs_find_queue(intake->cluster->jobs, name->data, name->size_bytes);
    touch(intake, queue);
    return queue != NULL ? queue : skep__jobs_get_queue(intake->cluster->jobs, name->data, name->size_bytes, status);
}

static int submit(struct intake *intake, const struct skep_command_submit *s) {
    struct skep__session *session = intake->session;
    if (s->keys.count > 0 && s->keys.count != s->jobs.count)
        return refuse(intake, "the number of keys is not that of jobs");
    if (s->queue.size_bytes == 0 || s->number == 0) return refuse(intake, "queue is empty, or number 0");
    if (!skep__session_reads(session) || !skep__answers_allow(session)) return SKEP_OK;
    if (s->number > session->expected) {
        skep__session_tell_expected(session);
        return SKEP_OK;
    }
    session->gap_told = false;
    uint32_t known = skep__answers_again(session, s);
    int status = SKEP_OK;
    struct skep__queue *queue = queue_of(intake, &s->queue, &status);
    intake->touched = queue;
    struct skep__batch batch = {
        .common = submission_of(intake, s, queue), .jobs = s->jobs, .keys = s->keys, .first = known};
    skep__answers_put(session, queue, &batch, status);
    return SKEP_OK;
}

/* --- waiting --- */

static void await(const struct intake *intake, const struct skep_command_await *a) {
    const struct skep__session *session = intake->session;
    uint64_t n = SKEP_HAS(await, a, n) ? a->n : 1;
    for (uint64_t i = 0; i < n; i++) {
        int status = skep__jobs_await(intake->cluster->jobs, a->id + i, session->id, a->number + i);
        if (status != SKEP_OK) skep__session_forgotten(intake->session, a->number + i, status);
    }
}

/* --- messages --- */

/* A request that a client waits for */
struct call {
    uint32_t client;
    pid_t pid;
    uint64_t request;
};

static void reply(struct skep__session *session, uint64_t request, int status, const struct skep_bytes *data) {
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = {.request = request}};
    struct skep_command_reply *r = &command.reply;
    if (status != SKEP_OK) SKEP_SET(reply, r, status, (uint64_t)status);
    if (data->size_bytes > 0) SKEP_SET(reply, r, data, *data);
    skep__session_tell(session, &command);
}

static void replied(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    struct call *call = context;
    struct skep_bytes bytes = {data, size_bytes};
    struct skep__session *session = skep__session_find(cluster, call->client, call->pid);
    if (session != NULL) {
        session->requests--;
        reply(session, call->request, status, &bytes);
    }
    free(call);
}

static void undelivered(struct skep__session *session, const struct skep_command_message *m, int status) {
    static const struct skep_bytes none = {0};
    if (SKEP_HAS(message, m, request)) {
        reply(session, m->request, status, &none);
        return;
    }
    struct skep_command command = {.id = SKEP_COMMAND_undelivered};
    struct skep_command_undelivered *u = &command.undelivered;
    *u = (struct skep_command_undelivered){.name = m->name, .status = (uint64_t)status};
    if (SKEP_HAS(message, m, to)) SKEP_SET(undelivered, u, to, m->to);
    if (SKEP_HAS(message, m, toName)) SKEP_SET(undelivered, u, toName, m->toName);
    skep__session_tell(session, &command);
}

static int request(const struct intake *intake, skep_child *child, const char *name,
                   const struct skep_command_message *m) {
    if (intake->session->requests == MAX_REQUESTS) return SKEP_EAGAIN;
    struct call *call = malloc(sizeof *call);
    if (call == NULL) return SKEP_ENOMEM;
    unsigned timeout_ms = m->timeout_ms < MAX_WAIT_MS ? (unsigned)m->timeout_ms : MAX_WAIT_MS;
    *call = (struct call){.client = intake->session->id, .pid = intake->pid, .request = m->request};
    int status = skep_child_request(child, name, m->data.data, m->data.size_bytes, timeout_ms, replied, call);
    if (status == SKEP_OK) intake->session->requests++;
    else free(call);
    return status;
}

static int deliver(const struct intake *intake, const struct skep_command_message *m) {
    char name[SKEP_MAX_NAME + 1];
    skep__copy_text(name, sizeof name, &m->name);
    if (SKEP_HAS(message, m, toAll) && m->toAll) return skep__news_broadcast(intake->cluster, 0, &m->name, &m->data);
    if (!SKEP_HAS(message, m, toName) && m->to == 0) return SKEP_ENOHANDLER; /* the primary has no client to answer */
    skep_child *child = skep__receiver_of(intake->cluster, m);
    if (child == NULL || child->link < 0) return SKEP_ENOWORKER;
    if (SKEP_HAS(message, m, request)) return request(intake, child, name, m);
    return skep_child_send(child, name, m->data.data, m->data.size_bytes);
}

static void message(struct intake *intake, const struct skep_command_message *m) {
    int status = deliver(intake, m);
    intake->cluster->clients->messages++;
    if (status != SKEP_OK) undelivered(intake->session, m, status);
}

/* --- frames --- */

/* What a client says that is gone is dropped: its last frame may be read after the end of its process. */
static int take_command(void *context, const struct skep_command *command) {
    struct intake *intake = context;
    skep__trace_command(intake->cluster->trace, SKEP__TRACE_WIRE, "< client",
                        intake->session != NULL ? intake->session->id : 0, command);
    if (command->id == SKEP_COMMAND_client) {
        intake->session = skep__session_find(intake->cluster, command->client.client, intake->pid);
        intake->gone = skep__session_is_gone(intake->cluster, command->client.client);
        return SKEP_OK;
    }
    if (intake->gone) return SKEP_OK;
    if (intake->session == NULL) return refuse(intake, "not a client of this process");
    switch (command->id) {
    case SKEP_COMMAND_submit: return submit(intake, &command->submit);
    case SKEP_COMMAND_await: await(intake, &command->await); return SKEP_OK;
    case SKEP_COMMAND_message: message(intake, &command->message); return SKEP_OK;
    case SKEP_COMMAND_leave:
        skep__session_end(intake->session);
        intake->session = NULL;
        intake->gone = true;
        return SKEP_OK;
    default: return SKEP_OK;
    }
}

static void bad_frame(skep_cluster *cluster, const struct skep__peer *peer, const char *why) {
    cluster->clients->bad_frames++;
    skep__emit_error(cluster, NULL, "malformed frame in the intake from process %d (%s); %s", (int)peer->pid, why,
                     skep__port_blame(cluster->clients->intake, peer->pipe) ? "ignored from now on" : "dropped");
}

void skep__intake_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_cluster *cluster = context;
    struct skep_reader *reader = &cluster->clients->reader;
    struct intake intake = {.cluster = cluster, .pid = peer->pid};
    skep__emit_due(cluster);
    int status = skep__reader_read(reader, data, size_bytes, take_command, &intake);
    touch(&intake, NULL);
    skep__sessions_flush(cluster);
    if (status != SKEP_OK) bad_frame(cluster, peer, intake.why != NULL ? intake.why : reader->why);
}
