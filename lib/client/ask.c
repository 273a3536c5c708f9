/* SPDX-License-Identifier: MIT
 * Questions to the broker, and reading their answers. */
#include "client/private.h"

struct reading {
    skep_client *client;
    void (*take)(void *context, const struct skep_command *command);
    void *context;
    int failed;
};

static int take_command(void *context, const struct skep_command *command) {
    struct reading *reading = context;
    skep_client *client = reading->client;
    skep__trace_command(client->trace, SKEP__TRACE_WIRE, "<", 0, command);
    if (command->id != SKEP_COMMAND_failed) {
        reading->take(reading->context, command);
        return SKEP_OK;
    }
    const struct skep_bytes *reason = &command->failed.reason;
    reading->failed = command->failed.status != SKEP_OK ? (int)command->failed.status : SKEP_EPROTO;
    skep__client_fail(client, reading->failed, "%s: the broker reports: %.*s", client->instance.dir,
                      (int)reason->size_bytes, reason->data);
    return SKEP_OK;
}

int skep__client_read_answer(skep_client *client, const void *data, size_t size_bytes,
                             void (*take)(void *context, const struct skep_command *command), void *context) {
    struct reading reading = {.client = client, .take = take, .context = context};
    int status = skep__reader_read(&client->answer_reader, data, size_bytes, take_command, &reading);
    if (status == SKEP_OK) return reading.failed;
    return skep__client_fail(client, status, "%s: malformed answer from the broker: %s", client->instance.dir,
                             client->answer_reader.why);
}

int skep__client_ask(skep_client *client, const struct skep_command *command, unsigned timeout_ms,
                     skep__answer_cb callback, void *context) {
    struct skep_frame frame = {0};
    if (client->caller == NULL)
        return skep__client_fail(client, SKEP_ECLOSED, "%s: no broker there", client->instance.dir);
    int status = skep__frame_add(&frame, command);
    if (status == SKEP_OK)
        status = skep__caller_ask(client->caller, frame.data, frame.size_bytes, timeout_ms, callback, context);
    skep__frame_free(&frame);
    return status;
}
