/* SPDX-License-Identifier: MIT
 * skep send and skep call: a message or a request to a worker, as a client like any other. */
#include <skep/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/contact.h"
#include "command/common/packed.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "command/common/values.h"
#include "command/subcommands.h"
#include "common/text.h"

enum {
    USUAL_TIMEOUT_MS = 5000,
    NO_WORKER = INT32_MAX /* an id that no worker has */
};

struct talk {
    const char *subcommand;
    const struct options *options;
    const char *command;
    uint32_t worker;
    const char *to_name; /* NULL: worker is meant */
    bool to_all;
    msgpack_sbuffer packed;
    struct skep_bytes data;
    struct contact broker; /* only who it is */
    skep_client *client;
    int undelivered; /* status of what could not be passed on */
    int refused;     /* why the broker does not let this client join; it is tried again until the time is over */
};

/* --- arguments --- */

static int usage(const struct talk *talk, const char *what, const char *why) {
    return fail(SKEP_EINVAL, "%s: %s: %s", talk->subcommand, what, why);
}

static int take_worker(struct talk *talk, const char *worker) {
    if (is_number(worker))
        return parse_unsigned(worker, 0, INT32_MAX, &talk->worker) ? 0 : usage(talk, worker, "not a worker id");
    const char *why = check_label(worker);
    if (why != NULL) return usage(talk, worker, why);
    talk->to_all = strcmp(worker, "all") == 0;
    talk->to_name = worker;
    return 0;
}

static int take_json(struct talk *talk, const char *text) {
    json_error_t error;
    msgpack_packer packer;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL)
        return fail(SKEP_EINVAL, "%s: JSON: line %d column %d: %s", talk->subcommand, error.line, error.column,
                    error.text);
    msgpack_packer_init(&packer, &talk->packed, msgpack_sbuffer_write);
    int status = pack_json(&packer, value);
    json_decref(value);
    talk->data = (struct skep_bytes){talk->packed.data, talk->packed.size};
    return status == SKEP_OK ? 0 : fail(status, "%s: %s", talk->subcommand, skep_strerror(status));
}

static int take_data(struct talk *talk, const char *data) {
    if (data == NULL) return 0;
    if (!talk->options->raw) return take_json(talk, data);
    talk->data = skep__text(data);
    return 0;
}

static int take_arguments(struct talk *talk) {
    talk->command = talk->options->operands[1];
    int code = take_worker(talk, talk->options->operands[0]);
    const char *why = check_label(talk->command);
    if (code == 0 && why != NULL) code = usage(talk, talk->command, why);
    return code == 0 ? take_data(talk, talk->options->operands[2]) : code;
}

/* --- the client --- */

static int talk_fail(const struct talk *talk, int status) {
    const char *why = skep_strerror(status);
    if (status == SKEP_ETIMEDOUT && talk->refused != SKEP_OK) return contact_fail(&talk->broker, talk->refused);
    if (status == SKEP_ENOWORKER) return fail(status, "%s: no worker %s", talk->subcommand, talk->options->operands[0]);
    if (status == SKEP_ENOHANDLER || status == SKEP_ETIMEDOUT || status == SKEP_ETOOBIG)
        return fail(status, "%s: %s %s: %s", talk->subcommand, talk->options->operands[0], talk->command, why);
    return contact_fail(&talk->broker, status);
}

static void on_state(skep_client *client, int status, void *context) {
    (void)client;
    struct talk *talk = context;
    talk->refused = status != SKEP_ECLOSED ? status : SKEP_OK;
}

static int open_client(struct talk *talk) {
    char url[SKEP_MAX_URL + 1];
    int code = contact_find(&talk->broker.instance, talk->options);
    if (code != 0) return code;
    skep__instance_url(&talk->broker.instance, SKEP_FILE_CONTROL, url, sizeof url);
    int status = skep_client_new(&talk->client, &(skep_client_options){.url = url});
    if (status != SKEP_OK) return talk_fail(talk, status);
    skep_on_client_state(talk->client, on_state, talk);
    return 0;
}

/* --- send --- */

static void on_undelivered(skep_client *client, uint32_t worker, const char *name, int status, void *context) {
    (void)client, (void)worker, (void)name;
    struct talk *talk = context;
    talk->undelivered = status;
}

static int send_message(const struct talk *talk) {
    const struct skep_bytes *data = &talk->data;
    if (talk->to_all) return skep_client_broadcast(talk->client, talk->command, data->data, data->size_bytes);
    return skep_client_send(talk->client, talk->worker, talk->to_name, talk->command, data->data, data->size_bytes);
}

/* A message has no answer. But the broker takes what it is sent in order: when it has answered that there is no such
 * worker as this one, the message has been passed on, or else that has been said before. */
static int wait_until_taken(const struct talk *talk) {
    void *reply = NULL;
    size_t reply_bytes;
    int status = skep_request_wait(talk->client, NO_WORKER, NULL, talk->command, NULL, 0, USUAL_TIMEOUT_MS, &reply,
                                   &reply_bytes);
    free(reply);
    return status == SKEP_ENOWORKER ? SKEP_OK : status;
}

static int send_and_wait(struct talk *talk) {
    skep_on_client_undelivered(talk->client, on_undelivered, talk);
    int status = send_message(talk);
    if (status == SKEP_OK) status = wait_until_taken(talk);
    if (status == SKEP_OK) status = talk->undelivered;
    return status == SKEP_OK ? 0 : talk_fail(talk, status);
}

/* --- call --- */

static void print_reply(const struct talk *talk, struct skep_bytes reply) {
    json_t *value = talk->options->raw ? NULL : unpack_json(reply);
    if (value != NULL) {
        print_json(value);
        return;
    }
    print_bytes(reply);
    if (!talk->options->raw && reply.size_bytes > 0) putchar('\n');
}

static int call(struct talk *talk) {
    const struct skep_bytes *data = &talk->data;
    unsigned timeout_ms = talk->options->timeout_ms != 0 ? talk->options->timeout_ms : USUAL_TIMEOUT_MS;
    void *reply = NULL;
    size_t reply_bytes = 0;
    int status = skep_request_wait(talk->client, talk->worker, talk->to_name, talk->command, data->data,
                                   data->size_bytes, timeout_ms, &reply, &reply_bytes);
    if (status != SKEP_OK) return talk_fail(talk, status);
    print_reply(talk, (struct skep_bytes){reply, reply_bytes});
    free(reply);
    return 0;
}

static int talk_to_end(struct talk *talk, int (*speak)(struct talk *talk)) {
    int code = take_arguments(talk);
    if (code == 0 && talk->to_all && speak == call) code = usage(talk, "all", "only one worker can reply");
    if (code == 0) code = open_client(talk);
    if (code == 0) code = speak(talk);
    skep_client_free(&talk->client);
    msgpack_sbuffer_destroy(&talk->packed);
    return code;
}

int command_send(const struct options *options) {
    struct talk talk = {.subcommand = "send", .options = options};
    return talk_to_end(&talk, send_and_wait);
}

int command_call(const struct options *options) {
    struct talk talk = {.subcommand = "call", .options = options};
    return talk_to_end(&talk, call);
}
