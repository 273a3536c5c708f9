/* SPDX-License-Identifier: MIT
 * Clients that have joined. A session ends with the client's process, which the kernel tells, or when it leaves; jobs
 * that it has submitted stay. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "clients/private.h"
#include "common/text.h"
#include "config/config.h"
#include "journal/journal.h"

enum {
    DELAY_MS = 1,
    SLOW_BYTES = 4 * 1024 * 1024 /* of answers that a client has not read: it is ignored from now on */
};

/* --- pending outcomes --- */

typedef int (*add_cb)(struct skep__outlet *outlet, const struct skep_command *command);

static void say_dropped(struct skep__session *session, int status) {
    uint64_t bit = UINT64_C(1) << (unsigned)status % 64;
    if (session->drops_said & bit) return;
    session->drops_said |= bit;
    if (status == SKEP_EAGAIN)
        skep__emit_error(session->cluster, NULL, "client %u pid %d does not read its answers; some are dropped",
                         session->id, (int)session->pid);
    else
        skep__emit_error(session->cluster, NULL, "some answers to client %u pid %d are dropped: %s", session->id,
                         (int)session->pid, status == SKEP_ENOMEM ? SKEP__OUT_OF_MEMORY : skep_strerror(status));
}

/* An answer to a submission that is dropped is given again when the client asks again; an outcome is not. */
static bool tell(struct skep__session *session, const struct skep_command *command, add_cb add) {
    int status = add(session->returns, command);
    if (status == SKEP_ENOMEM && skep__memory_lacks(session->cluster)) status = add(session->returns, command);
    if (status == SKEP_OK)
        skep__trace_command(session->cluster->trace, SKEP__TRACE_WIRE, "> client", session->id, command);
    else say_dropped(session, status);
    return status == SKEP_OK;
}

void skep__session_tell(struct skep__session *session, const struct skep_command *command) {
    tell(session, command, skep__outlet_add);
}

static void end_delay(struct skep__session *session) {
    LIST_REMOVE(session, of_delayed);
    session->is_delayed = false;
}

static void delay_ended(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    for (struct skep__session *session; (session = LIST_FIRST(&cluster->clients->delayed)) != NULL;) {
        end_delay(session);
        skep__outlet_flush(session->returns);
    }
}

void skep__session_tell_quietly(struct skep__session *session, const struct skep_command *command) {
    skep_cluster *cluster = session->cluster;
    if (!tell(session, command, skep__outlet_add_quietly) || session->is_delayed) return;
    LIST_INSERT_HEAD(&cluster->clients->delayed, session, of_delayed);
    session->is_delayed = true;
    if (!uv_is_active((uv_handle_t *)&cluster->clients->delay_timer))
        uv_timer_start(&cluster->clients->delay_timer, delay_ended, DELAY_MS, 0);
}

void skep__session_tell_expected(struct skep__session *session) {
    struct skep_command command = {.id = SKEP_COMMAND_expected};
    command.expected = (struct skep_command_expected){.number = session->expected};
    if (!session->gap_told) skep__session_tell(session, &command);
    session->gap_told = true;
}

bool skep__session_reads(struct skep__session *session) {
    if (skep__outlet_waiting_bytes(session->returns) < SLOW_BYTES) return true;
    session->unheard = !skep__outlet_is_empty(session->returns); /* drained follows */
    return false;
}

static void drained(void *context) {
    struct skep__session *session = context;
    if (!session->unheard) return;
    session->unheard = session->gap_told = false;
    skep__session_tell_expected(session);
}

static void refused(void *context, pid_t pid, uid_t uid) {
    const struct skep__session *session = context;
    skep__emit_error(session->cluster, NULL,
                     "refused process %d of user %u on the returns of client %u, which is process %d", (int)pid, uid,
                     session->id, (int)session->pid);
}

/* The client knows it too, and no longer waits for outcomes that may have been lost. */
static void connected(void *context, const struct skep__peer *peer) {
    struct skep__session *session = context;
    if (++session->connections == 1) return;
    session->cluster->clients->cut++;
    if (!skep__may_say(session->cluster, &session->cut_said_ms)) return;
    skep__emit_error(session->cluster, NULL,
                     "the connection of client %u pid %d to its returns was cut and has been made "
                     "again; what was on its way may be lost",
                     session->id, (int)peer->pid);
}

static void send_finished(struct skep__session *session) {
    struct skep_command command = {.id = SKEP_COMMAND_finished};
    command.finished = (struct skep_command_finished){
        .number = session->finished_number, .results = skep__list_of(&session->finished, session->finished_count)};
    if (session->finished_count == 0) return;
    LIST_REMOVE(session, of_pending);
    tell(session, &command, skep__outlet_add);
    session->finished_count = 0;
    skep__frame_clear(&session->finished);
}

void skep__sessions_flush(skep_cluster *cluster) {
    for (struct skep__session *session; (session = LIST_FIRST(&cluster->clients->pending)) != NULL;)
        send_finished(session);
}

static bool fits(const struct skep__session *session, uint64_t number, const struct skep_bytes *result) {
    return number == session->finished_number + session->finished_count && session->finished_count < SKEP_MAX_LIST &&
           session->finished.size_bytes + result->size_bytes < SKEP_FULL_FRAME;
}

/* A result is worth the reserve: the job will not be done again. */
static int keep_result(struct skep__session *session, const struct skep_bytes *result) {
    int status = skep__list_add(&session->finished, result->data, result->size_bytes);
    bool again = status == SKEP_ENOMEM && skep__memory_lacks(session->cluster);
    return again ? skep__list_add(&session->finished, result->data, result->size_bytes) : status;
}

static void gather(struct skep__session *session, uint64_t number, const struct skep__job *job,
                   const struct skep_bytes *result) {
    if (session->finished_count > 0 && !fits(session, number, result)) send_finished(session);
    if (keep_result(session, result) != SKEP_OK) {
        skep__job_unclaimed(job);
        say_dropped(session, SKEP_ENOMEM);
        return;
    }
    if (session->finished_count++ > 0) return;
    session->finished_number = number;
    LIST_INSERT_HEAD(&session->cluster->clients->pending, session, of_pending);
}

static struct skep__session *find(skep_cluster *cluster, uint32_t id) {
    struct skep__session *session;
    HASH_FIND(hh, cluster->clients->sessions, &id, sizeof id, session);
    return session;
}

/* An outcome that is being told */
struct outcome {
    const struct skep__job *job;
    const char *cause;               /* NULL: it is done */
    const struct skep_bytes *result; /* or the reason of its death */
};

static void tell_died(struct skep__session *session, uint64_t number, const struct outcome *o) {
    struct skep_command command = {.id = SKEP_COMMAND_died};
    command.died = (struct skep_command_died){.number = number, .cause = skep__text(o->cause)};
    if (o->result->size_bytes > 0) SKEP_SET(died, &command.died, reason, *o->result);
    skep__session_tell(session, &command);
}

static void tell_primary(skep_cluster *cluster, uint64_t number, const struct outcome *o) {
    struct skep_bytes cause = o->cause != NULL ? skep__text(o->cause) : (struct skep_bytes){0};
    if (o->cause != NULL) skep__primary_outcome(cluster, number, o->job->id, SKEP_EDEAD, &cause);
    else skep__primary_outcome(cluster, number, o->job->id, SKEP_OK, o->result);
}

static void tell_one(skep_cluster *cluster, uint32_t client, uint64_t number, const struct outcome *o) {
    struct skep__session *session = client != 0 ? find(cluster, client) : NULL;
    if (session != NULL) skep__answers_hurry(session);
    if (client == 0) tell_primary(cluster, number, o);
    else if (session == NULL) skep__job_unclaimed(o->job);
    else if (o->cause != NULL) tell_died(session, number, o);
    else gather(session, number, o->job, o->result);
}

/* The submitter of a job with a key is one of those who wait for it. */
static void tell_all(skep_cluster *cluster, const struct outcome *o) {
    if (o->job->key == NULL) tell_one(cluster, o->job->client, o->job->number, o);
    for (const struct skep__waiter *waiter = NULL;
         (waiter = skep__jobs_next_waiter(cluster->jobs, o->job, waiter)) != NULL;)
        tell_one(cluster, waiter->client, waiter->number, o);
}

static void session_finished(void *cluster, const struct skep__job *job, const struct skep_bytes *result) {
    tell_all(cluster, &(struct outcome){.job = job, .result = result});
}

static void session_died(void *cluster, const struct skep__job *job, const char *cause,
                         const struct skep_bytes *reason) {
    tell_all(cluster, &(struct outcome){.job = job, .cause = cause, .result = reason});
}

/* --- life --- */

static void closed(uv_handle_t *handle) {
    struct skep__session *session = handle->data;
    close(session->pidfd);
    free(session);
}

void skep__session_end(struct skep__session *session) {
    HASH_DEL(session->cluster->clients->sessions, session);
    if (session->finished_count > 0) LIST_REMOVE(session, of_pending);
    if (session->is_delayed) end_delay(session);
    skep__answers_leave(session);
    skep__frame_free(&session->finished);
    skep__outlet_free(&session->returns);
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
    (void)status;
    (void)events;
    skep__port_read(cluster->clients->intake, ended->pid);
    struct skep__session *session = find(cluster, id);
    if (session != NULL) skep__session_end(session);
}

static void returns_url(const struct skep__session *session, char *url, size_t capacity_bytes) {
    skep__instance_url(&session->cluster->instance, SKEP_FILE_RETURNS, url, capacity_bytes);
    size_t length = strlen(url);
    snprintf(url + length, capacity_bytes - length, ".%u", session->id);
}

static int open_returns(struct skep__session *session) {
    skep_cluster *cluster = session->cluster;
    char url[SKEP_MAX_URL + 1];
    struct skep__outlet_options options = {.hub = cluster->hub,
                                           .flusher = cluster->flusher,
                                           .kind = SKEP__PORT_PUSH,
                                           .high_water_bytes = (size_t)cluster->settings.jobs_bytes,
                                           .drained = drained,
                                           .connected = connected,
                                           .refused = refused,
                                           .context = session};
    returns_url(session, url, sizeof url);
    int status = skep__outlet_new(&session->returns, &options);
    if (status == SKEP_OK) skep__outlet_only(session->returns, session->pid);
    return status == SKEP_OK ? skep__outlet_listen(session->returns, url) : status;
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
    int status = SKEP_IS_ADDED(session, hh) ? open_returns(session) : SKEP_ENOMEM;
    if (status == SKEP_OK) status = watch_process(session);
    if (status == SKEP_OK) {
        *out = session;
        return SKEP_OK;
    }
    if (SKEP_IS_ADDED(session, hh)) HASH_DEL(cluster->clients->sessions, session);
    skep__outlet_free(&session->returns);
    free(session);
    return status;
}

static int add_joined(const struct skep__session *session, struct skep_frame *frame) {
    const struct skep__instance *instance = &session->cluster->instance;
    char intake[SKEP_MAX_URL + 1], returns[SKEP_MAX_URL + 1], news[SKEP_MAX_URL + 1];
    skep__instance_url(instance, SKEP_FILE_INTAKE, intake, sizeof intake);
    skep__instance_url(instance, SKEP_FILE_NEWS, news, sizeof news);
    returns_url(session, returns, sizeof returns);
    struct skep_command command = {.id = SKEP_COMMAND_joined};
    command.joined = (struct skep_command_joined){.client = session->id,
                                                  .generation = instance->generation,
                                                  .intake = skep__text(intake),
                                                  .returns = skep__text(returns),
                                                  .news = skep__text(news)};
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
    struct skep__session *session = id <= UINT32_MAX ? find(cluster, (uint32_t)id) : NULL;
    return session != NULL && session->pid == pid ? session : NULL;
}

bool skep__session_is_gone(skep_cluster *cluster, uint64_t id) {
    return id != 0 && id <= cluster->clients->next_session && find(cluster, (uint32_t)id) == NULL;
}

static void session_settled(void *cluster) {
    skep__sessions_flush(cluster);
}

const struct skep__job_events skep__client_job_events = {
    .finished = session_finished, .died = session_died, .settled = session_settled};
