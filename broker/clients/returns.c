/* SPDX-License-Identifier: MIT
 * The returns of a client: its answers and outcomes, and when they leave. Acceptances wait a moment for outcomes that
 * may leave with them, and results in a row gather. */
#include <stdio.h>
#include <string.h>

#include "clients/private.h"

enum {
    DELAY_MS = 1,
    SLOW_BYTES = 4 * 1024 * 1024 /* of answers that a client has not read: it is ignored from now on */
};

/* --- telling --- */

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

void skep__session_forgotten(struct skep__session *session, uint64_t number, int status) {
    struct skep_command command = {.id = SKEP_COMMAND_forgotten,
                                   .forgotten = {.number = number, .status = (uint64_t)status}};
    skep__session_tell(session, &command);
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
    struct skep_command command = {.id = SKEP_COMMAND_expected, .expected = {.number = session->expected}};
    if (!session->gap_told) skep__session_tell(session, &command);
    session->gap_told = true;
}

bool skep__session_reads(struct skep__session *session) {
    if (skep__outlet_waiting_bytes(session->returns) < SLOW_BYTES) return true;
    session->unheard = !skep__outlet_is_empty(session->returns); /* drained follows */
    return false;
}

/* --- results in a row --- */

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

bool skep__session_gather(struct skep__session *session, uint64_t number, const struct skep_bytes *result) {
    if (session->finished_count > 0 && !fits(session, number, result)) send_finished(session);
    if (keep_result(session, result) != SKEP_OK) {
        say_dropped(session, SKEP_ENOMEM);
        return false;
    }
    if (session->finished_count++ > 0) return true;
    session->finished_number = number;
    LIST_INSERT_HEAD(&session->cluster->clients->pending, session, of_pending);
    return true;
}

/* --- the channel --- */

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

void skep__returns_url(const struct skep__session *session, char *url, size_t capacity_bytes) {
    skep__instance_url(&session->cluster->instance, SKEP_FILE_RETURNS, url, capacity_bytes);
    size_t length = strlen(url);
    snprintf(url + length, capacity_bytes - length, ".%u", session->id);
}

int skep__returns_open(struct skep__session *session) {
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
    skep__returns_url(session, url, sizeof url);
    int status = skep__outlet_new(&session->returns, &options);
    if (status == SKEP_OK) skep__outlet_only(session->returns, session->pid);
    return status == SKEP_OK ? skep__outlet_listen(session->returns, url) : status;
}

void skep__returns_close(struct skep__session *session) {
    if (session->finished_count > 0) LIST_REMOVE(session, of_pending);
    if (session->is_delayed) end_delay(session);
    skep__frame_free(&session->finished);
    skep__outlet_free(&session->returns);
}
