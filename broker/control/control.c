/* SPDX-License-Identifier: MIT
 * The control socket: what operators ask. */
#include <inttypes.h>
#include <stdlib.h>

#include "clients/clients.h"
#include "control/private.h"
#include "messages/messages.h"

static int add_packed(void *frame, const void *data, size_t size_bytes) {
    return skep__frame_append(frame, data, size_bytes);
}

static bool any_captures(const skep_cluster *cluster) {
    for (const skep_group *group = NULL; (group = skep_group_next(cluster, group)) != NULL;)
        if (skep_group_settings(group)->capture) return true;
    return false;
}

/* A worker that has gone may have lines left; one that never was is a mistake. */
static int answer_logs(skep_cluster *cluster, const struct skep_command_logs *logs, struct skep_frame *frame) {
    bool named = SKEP_HAS(logs, logs, worker);
    if (named && (logs->worker == 0 || logs->worker > skep__child_latest(cluster))) {
        int status = skep__broker_fail(cluster, SKEP_ENOWORKER, "no worker %" PRIu64, logs->worker);
        return skep__failed_add(status, cluster->why, frame);
    }
    if (any_captures(cluster) || skep__log_was_used(cluster)) return skep__logs_add(cluster, logs, frame);
    return skep__failed_add(SKEP_ESTATE, "the output of its workers is not captured", frame);
}

static int answer_status(skep_cluster *cluster, bool times, struct skep_frame *frame) {
    int status = skep__status_add(cluster, frame);
    return status == SKEP_OK && times ? skep__handling_add(cluster, frame) : status;
}

static int answer_join(skep_cluster *cluster, pid_t pid, struct skep_frame *frame) {
    const char *why;
    int status = skep__session_join(cluster, pid, frame, &why);
    return why != NULL ? skep__failed_add(status, why, frame) : status;
}

static int answer(skep_cluster *cluster, const struct skep_command *command, pid_t pid, struct skep_frame *frame) {
    int status;
    skep__trace_command(cluster->trace, SKEP__TRACE_WIRE, "< control", 0, command);
    switch (command->id) {
    case SKEP_COMMAND_status: return answer_status(cluster, command->status.times, frame);
    case SKEP_COMMAND_newsSince: return skep__news_since(cluster, command->newsSince.seq, add_packed, frame);
    case SKEP_COMMAND_logs: return answer_logs(cluster, &command->logs, frame);
    case SKEP_COMMAND_exits: return skep__exits_add(cluster, command->exits.n, frame);
    case SKEP_COMMAND_join: return answer_join(cluster, pid, frame);
    default:
        status = skep__answer_about_jobs(cluster, command, frame);
        return status == SKEP_EPROTO ? skep__steer(cluster, command, frame) : status; /* none of jobs */
    }
}

/* A message holds one question: the answers to many could fill the memory. */
static int read_question(struct skep_reader *reader, const void *data, size_t size_bytes,
                         struct skep_command *question) {
    struct skep_command second;
    bool more = false, too_many = false;
    reader->why = NULL;
    int status = skep__reader_begin(reader, data, size_bytes);
    if (status == SKEP_OK) status = skep__reader_next(reader, question, &more);
    if (status == SKEP_OK && more) status = skep__reader_next(reader, &second, &too_many);
    if (status != SKEP_OK || (more && !too_many)) return status;
    reader->why = too_many ? "more than one command in a message" : "unknown command";
    return SKEP_EPROTO;
}

/* A client that sends malformed frames gets an error; it can do no harm by sending more. */
static void add_failed(skep_cluster *cluster, int status, struct skep_frame *frame) {
    const char *why = status == SKEP_ENOMEM ? SKEP__OUT_OF_MEMORY : skep_strerror(status);
    if (status == SKEP_EPROTO && cluster->control->reader.why != NULL) why = cluster->control->reader.why;
    cluster->control->bad_frames += status == SKEP_EPROTO;
    skep__frame_clear(frame);
    if (skep__failed_add(status, why, frame) != SKEP_OK) skep__frame_clear(frame);
}

/* Answers a question, or one that could not be read. */
static void answer_call(skep_cluster *cluster, struct skep__call *call, int status,
                        const struct skep_command *question) {
    struct skep_frame frame = {0};
    if (status == SKEP_OK) status = answer(cluster, question, skep__call_pid(call), &frame);
    if (status == SKEP_OK && frame.size_bytes == 0) status = skep__done_add(&frame); /* an empty frame is none */
    if (status != SKEP_OK) add_failed(cluster, status, &frame);
    skep__call_answer(call, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
}

/* --- questions about the status, which wait until the broker has looked at all its workers --- */

struct skep__parked {
    STAILQ_ENTRY(skep__parked) entry;
    struct skep__call *call;
    struct skep_command question; /* borrows nothing */
};

static void answer_parked(skep_cluster *cluster) {
    for (struct skep__parked *parked; (parked = STAILQ_FIRST(&cluster->control->parked)) != NULL;) {
        STAILQ_REMOVE_HEAD(&cluster->control->parked, entry);
        answer_call(cluster, parked->call, SKEP_OK, &parked->question);
        free(parked);
    }
}

/* A connection may have 64 open: each costs less than a kilobyte here. */
static bool park(skep_cluster *cluster, struct skep__call *call, const struct skep_command *question) {
    struct skep__parked *parked = malloc(sizeof *parked);
    if (parked == NULL) return false;
    *parked = (struct skep__parked){.call = call, .question = *question};
    STAILQ_INSERT_TAIL(&cluster->control->parked, parked, entry);
    return true;
}

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    skep_cluster *cluster = context;
    struct skep_command question;
    skep__memory_check(cluster); /* operators are answered most of all when something has run out */
    int status = read_question(&cluster->control->reader, data, size_bytes, &question);
    bool waits = status == SKEP_OK && question.id == SKEP_COMMAND_status &&
                 !skep__usage_refresh(cluster, answer_parked) && park(cluster, call, &question);
    bool asked = status == SKEP_OK && skep__ask_about_job(cluster, &question, call);
    if (!waits && !asked) answer_call(cluster, call, status, &question);
}

void skep__control_close(skep_cluster *cluster) {
    if (cluster->control == NULL) return;
    skep__usage_stop(cluster);
    skep__asked_jobs_drop(cluster);
    for (struct skep__parked *parked; (parked = STAILQ_FIRST(&cluster->control->parked)) != NULL;) {
        STAILQ_REMOVE_HEAD(&cluster->control->parked, entry);
        free(parked);
    }
    skep__server_free(&cluster->control->server);
}

int skep__control_open(skep_cluster *cluster) {
    static const struct skep__server_events events = {.called = called,
                                                      .refused = skep__peer_refused,
                                                      .misspoke = skep__peer_misspoke,
                                                      .starved = skep__peers_starved};
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_CONTROL, url, sizeof url);
    return skep__server_new(&cluster->control->server, cluster->hub, url, &events, cluster);
}

int skep__control_new(skep_cluster *cluster) {
    cluster->control = calloc(1, sizeof *cluster->control);
    if (cluster->control == NULL) return SKEP_ENOMEM;
    STAILQ_INIT(&cluster->control->parked);
    LIST_INIT(&cluster->control->asked);
    return skep__reader_init(&cluster->control->reader, SKEP_CHANNEL_ASK);
}

void skep__control_free(skep_cluster *cluster) {
    if (cluster->control == NULL) return;
    skep__reader_free(&cluster->control->reader);
    free(cluster->control);
    cluster->control = NULL;
}

void skep__control_end(skep_cluster *cluster) {
    if (cluster->control != NULL) skep__signals_close(cluster);
}
