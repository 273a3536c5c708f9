/* SPDX-License-Identifier: MIT
 * Frames from the broker, beside the link: the inbox and the news. */
#include "worker/private.h"

/* Where a command has come */
struct inlet {
    skep_worker *worker;
    bool inbox; /* else the news, where there are no jobs */
};

static int take_command(void *context, const struct skep_command *command) {
    const struct inlet *inlet = context;
    skep_worker *worker = inlet->worker;
    skep__trace_command(worker->trace, SKEP__TRACE_WIRE, "<", worker->id, command);
    if (command->id == SKEP_COMMAND_jobs) skep__worker_jobs_received(worker, &command->jobs);
    else skep__worker_received(worker, command, inlet->inbox);
    return SKEP_OK;
}

/* The broker is trusted to send well-formed frames; one that is not is dropped. */
static void read_frame(skep_worker *worker, struct skep_reader *reader, const void *data, size_t size_bytes) {
    struct inlet inlet = {.worker = worker, .inbox = reader == &worker->inbox_reader};
    int status = skep__reader_read(reader, data, size_bytes, take_command, &inlet);
    if (status != SKEP_OK)
        skep__trace(worker->trace, SKEP__TRACE_WIRE, "dropped a frame of the broker's: %s", reader->why);
}

void skep__worker_inbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    (void)peer;
    skep_worker *worker = context;
    read_frame(worker, &worker->inbox_reader, data, size_bytes);
}

static void news_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    (void)peer;
    skep_worker *worker = context;
    read_frame(worker, &worker->news_reader, data, size_bytes);
}

int skep_subscribe(skep_worker *worker) {
    static const struct skep__port_events events = {.received = news_received};
    if (worker->news != NULL) return SKEP_OK;
    if (worker->link < 0) return SKEP_ECLOSED;
    int status = skep__port_new(&worker->news, worker->hub, SKEP__PORT_SUB, &events, worker);
    if (status == SKEP_OK) status = skep__port_dial(worker->news, worker->news_url);
    if (status != SKEP_OK) {
        skep__port_free(&worker->news);
        return skep__worker_fail(worker, status, "%s: %s", worker->news_url, skep_strerror(status));
    }
    skep__worker_ask_news(worker); /* what was said between the welcome and now */
    return SKEP_OK;
}
