/* SPDX-License-Identifier: MIT
 * The control socket: what operators ask. */
#include "control.h"

#include "news.h"
#include "router.h"

static int add_packed(void *frame, const void *data, size_t size_bytes) {
    return skep__frame_append(frame, data, size_bytes);
}

static int add_done(struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_done};
    command.done.has = 0;
    return skep__frame_add(frame, &command);
}

static int answer(skep_cluster *cluster, const struct skep_command *command, struct skep_frame *frame) {
    skep__trace_command(cluster->trace, SKEP__TRACE_WIRE, "< control", 0, command);
    switch (command->id) {
    case SKEP_COMMAND_status: return skep__status_add(cluster, frame);
    case SKEP_COMMAND_newsSince: return skep__news_since(cluster, command->newsSince.seq, add_packed, frame);
    case SKEP_COMMAND_stop:
        skep_cluster_stop(cluster, SKEP_HAS(stop, &command->stop, now) && command->stop.now);
        return add_done(frame);
    default: return SKEP_EPROTO;
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

static int answer_to(skep_cluster *cluster, const void *data, size_t size_bytes, struct skep_frame *frame) {
    struct skep_command question;
    int status = read_question(&cluster->control_reader, data, size_bytes, &question);
    return status == SKEP_OK ? answer(cluster, &question, frame) : status;
}

/* A client that sends rubbish is told so; it can do no harm by sending more. */
static void add_failed(skep_cluster *cluster, int status, struct skep_frame *frame) {
    const char *why = status == SKEP_EPROTO && cluster->control_reader.why != NULL ? cluster->control_reader.why
                                                                                   : skep_strerror(status);
    struct skep_command command = {.id = SKEP_COMMAND_failed};
    command.failed = (struct skep_command_failed){.status = (uint64_t)status, .reason = skep__text(why)};
    cluster->bad_frames += status == SKEP_EPROTO;
    skep__frame_clear(frame);
    if (skep__frame_add(frame, &command) != SKEP_OK) skep__frame_clear(frame);
}

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    skep_cluster *cluster = context;
    struct skep_frame frame = {0};
    int status = answer_to(cluster, data, size_bytes, &frame);
    if (status != SKEP_OK) add_failed(cluster, status, &frame);
    skep__call_answer(call, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
}

int skep__control_open(skep_cluster *cluster) {
    static const struct skep__server_events events = {.called = called, .refused = skep__peer_refused};
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_CONTROL, url, sizeof url);
    return skep__server_new(&cluster->control, cluster->hub, url, &events, cluster);
}
