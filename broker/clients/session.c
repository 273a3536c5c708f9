/* SPDX-License-Identifier: MIT
 * Clients that have joined. A session ends with the client's process, which the kernel tells, or when it leaves; jobs
 * that it has submitted stay. */
#include <errno.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "clients/private.h"
#include "config/config.h"

struct skep__session *skep__session_by_id(skep_cluster *cluster, uint32_t id) {
    struct skep__session *session;
    HASH_FIND(hh, cluster->clients->sessions, &id, sizeof id, session);
    return session;
}

static void closed(uv_handle_t *handle) {
    struct skep__session *session = handle->data;
    close(session->pidfd);
    free(session);
}

void skep__session_end(struct skep__session *session) {
    HASH_DEL(session->cluster->clients->sessions, session);
    skep__jobs_forget_client(session->cluster->jobs, session->id);
    skep__answers_leave(session);
    skep__returns_close(session);
    uv_poll_stop(&session->pid_poll);
    uv_close((uv_handle_t *)&session->pid_poll, closed);
}

void skep__sessions_end(skep_cluster *cluster) {
    struct skep__session *session, *next;
    HASH_ITER(hh, cluster->clients->sessions, session, next) skep__session_end(session);
}

/* What it sent before it ended still counts; that it left may be part of it. */
static void process_ended(uv_poll_t *poll, int status, int events) {
    const struct skep__session *ended = poll->data;
    skep_cluster *cluster = ended->cluster;
    uint32_t id = ended->id;
    (void)status, (void)events;
    skep__port_read(cluster->clients->intake, ended->pid);
    struct skep__session *session = skep__session_by_id(cluster, id);
    if (session != NULL) skep__session_end(session);
}

static int watch_process(struct skep__session *session) {
    session->pidfd = pidfd_open(session->pid, 0);
    bool gone = session->pidfd < 0 && (errno == ESRCH || errno == EINVAL); /* no process has this id, or none can */
    if (session->pidfd < 0) return gone ? SKEP_ECLOSED : skep_status_of_errno(errno);
    int error = uv_poll_init(session->cluster->loop, &session->pid_poll, session->pidfd);
    if (error != 0) {
        close(session->pidfd);
        return skep_status_of_errno(-error);
    }
    session->pid_poll.data = session;
    uv_poll_start(&session->pid_poll, UV_READABLE, process_ended);
    uv_unref((uv_handle_t *)&session->pid_poll);
    return SKEP_OK;
}

static int new_session(skep_cluster *cluster, pid_t pid, struct skep__session **out) {
    struct skep__session *session = calloc(1, sizeof *session);
    if (session == NULL) return SKEP_ENOMEM;
    *session =
        (struct skep__session){.cluster = cluster, .id = ++cluster->clients->next_session, .pid = pid, .expected = 1};
    TAILQ_INIT(&session->unanswered);
    HASH_ADD(hh, cluster->clients->sessions, id, sizeof session->id, session);
    int status = SKEP_IS_ADDED(session, hh) ? skep__returns_open(session) : SKEP_ENOMEM;
    if (status == SKEP_OK) status = watch_process(session);
    if (status == SKEP_OK) {
        *out = session;
        return SKEP_OK;
    }
    if (SKEP_IS_ADDED(session, hh)) HASH_DEL(cluster->clients->sessions, session);
    skep__returns_close(session);
    free(session);
    return status;
}

static int add_joined(const struct skep__session *session, struct skep_frame *frame) {
    const struct skep__instance *instance = &session->cluster->instance;
    char intake[SKEP_MAX_URL + 1], returns[SKEP_MAX_URL + 1], news[SKEP_MAX_URL + 1];
    skep__instance_url(instance, SKEP_FILE_INTAKE, intake, sizeof intake);
    skep__instance_url(instance, SKEP_FILE_NEWS, news, sizeof news);
    skep__returns_url(session, returns, sizeof returns);
    struct skep_command command = {.id = SKEP_COMMAND_joined};
    command.joined = (struct skep_command_joined){.client = session->id,
                                                  .generation = instance->generation,
                                                  .intake = skep__text(intake),
                                                  .returns = skep__text(returns),
                                                  .news = skep__text(news)};
    uint64_t store = skep__jobs_identity(session->cluster->jobs);
    if (store != 0) SKEP_SET(joined, &command.joined, store, store);
    return skep__frame_add(frame, &command);
}

static unsigned count_of(const skep_cluster *cluster, pid_t pid) {
    unsigned count = 0;
    for (const struct skep__session *s = cluster->clients->sessions; s != NULL; s = s->hh.next) count += s->pid == pid;
    return count;
}

static const char *find_limit(const skep_cluster *cluster, pid_t pid) {
    unsigned count = HASH_COUNT(cluster->clients->sessions);
    if (count >= SKEP_MAX_OWN_CLIENTS && count_of(cluster, pid) >= SKEP_MAX_OWN_CLIENTS)
        return "this process has joined with all 1024 clients that it can have; others may still join";
    return count >= SKEP_MAX_CLIENTS ? "all 4096 clients that a broker can have are there" : NULL;
}

int skep__session_join(skep_cluster *cluster, pid_t pid, struct skep_frame *frame, const char **why) {
    struct skep__session *session;
    *why = find_limit(cluster, pid);
    if (*why != NULL) return SKEP_ECLIENTS;
    if (!skep__memory_allows(cluster, sizeof *session)) return SKEP_ENOMEM;
    int status = skep__directory_check(cluster);
    if (status == SKEP_OK) status = new_session(cluster, pid, &session);
    if (status != SKEP_OK) return status;
    status = add_joined(session, frame);
    if (status != SKEP_OK) skep__session_end(session);
    return status;
}

struct skep__session *skep__session_find(skep_cluster *cluster, uint64_t id, pid_t pid) {
    struct skep__session *session = id <= UINT32_MAX ? skep__session_by_id(cluster, (uint32_t)id) : NULL;
    return session != NULL && session->pid == pid ? session : NULL;
}

bool skep__session_is_gone(skep_cluster *cluster, uint64_t id) {
    return id != 0 && id <= cluster->clients->next_session && skep__session_by_id(cluster, (uint32_t)id) == NULL;
}
