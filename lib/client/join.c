/* SPDX-License-Identifier: MIT
 * Finding a broker, joining it, noticing that it is gone.
 *
 * A broker has ended when the lock of its directory is not held, or held by another generation. A connection
 * that breaks is no sign of that: the ports connect again, and what was lost is sent again. */
#include <inttypes.h>
#include <stdio.h>

#include "client/private.h"
#include "worker/private.h"

enum {
    LAST_RETRY_MS = 1000,
    SECOND_LOOK_MS = 50, /* what a broker said last may be on its way when it has ended */
    SILENT_TICKS = 10    /* of 200 ms, without an answer; ticks, so that a loop that was blocked does not count */
};

/* --- finding --- */

/* Takes ipc://DIR/FILE.GENERATION apart. */
static int parse_url(struct skep__instance *instance, const char *url, const char *file) {
    static const char scheme[] = "ipc://";
    int end = 0;
    uint64_t generation;
    const char *slash = strrchr(url, '/');
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || slash < url + sizeof scheme) return SKEP_EURL;
    size_t length = (size_t)(slash - url) - (sizeof scheme - 1);
    size_t file_length = strlen(file);
    if (length > SKEP_MAX_DIR || strncmp(slash + 1, file, file_length) != 0) return SKEP_EURL;
    const char *digits = slash + 1 + file_length;
    if (sscanf(digits, ".%" SCNu64 "%n", &generation, &end) != 1 || digits[end] != '\0') return SKEP_EURL;
    memcpy(instance->dir, url + sizeof scheme - 1, length);
    instance->dir[length] = '\0';
    instance->generation = generation;
    return SKEP_OK;
}

/* Whether the broker of client->instance runs. Who is not allowed to see that believes it: a worker of another user,
 * whose own link tells it. */
static int check_instance(const skep_client *client) {
    struct skep__instance now;
    int status = skep__instance_find(client->instance.dir, &now);
    if (status == SKEP_EACCES && client->only_this) return SKEP_OK;
    if (status == SKEP_OK && now.generation != client->instance.generation) return SKEP_ENOBROKER;
    return status;
}

static int find_url(skep_client *client, const char *url, const char *file) {
    client->only_this = true;
    int status = parse_url(&client->instance, url, file);
    return status == SKEP_OK ? check_instance(client) : status;
}

int skep__client_find(skep_client *client, const skep_client_options *options) {
    char dir[SKEP_MAX_DIR + 1];
    const char *why;
    if (options->worker != NULL) return find_url(client, options->worker->news_url, SKEP_FILE_NEWS);
    if (options->url != NULL) return find_url(client, options->url, SKEP_FILE_CONTROL);
    const char *name = options->name != NULL ? options->name : "default";
    int status = skep__instance_dir(options->dir, name, dir, &why);
    return status == SKEP_OK ? skep__instance_find(dir, &client->instance) : status;
}

/* --- joining --- */

static void try_later(skep_client *client) {
    client->phase = SKEP__CLIENT_SEEKING;
    uv_timer_start(&client->seek, skep__client_seek, client->retry_ms, 0);
    client->retry_ms = client->retry_ms * 2 < LAST_RETRY_MS ? client->retry_ms * 2 : LAST_RETRY_MS;
}

static void submit_again(skep_client *client) {
    client->gone_back_to = 0;
    if (client->unanswered > 0 && client->sent_through >= client->first) skep__client_go_back(client, client->first);
}

/* What was on its way when a connection was cut may be lost. Submissions are sent again, and known by their numbers. */
static void intake_connected(void *context, const struct skep__peer *peer) {
    skep_client *client = context;
    if (!peer->again) return;
    skep__client_fail(client, SKEP_ECLOSED, "%s: the connection to the broker was cut; messages may be lost",
                      client->instance.dir);
    skep__client_ask_awaited(client);
    submit_again(client);
}

/* Outcomes are sent once: any that was sent before the cut may be lost, but those of durable jobs can be asked for. */
static void returns_connected(void *context, const struct skep__peer *peer) {
    skep_client *client = context;
    if (!peer->again) return;
    skep__client_fail(client, SKEP_ECLOSED, "%s: the connection from the broker was cut; outcomes may be lost",
                      client->instance.dir);
    client->cut_through = client->sent_through;
    skep__client_lose_unfinished(client, true);
    skep__client_ask_awaited(client);
    skep__client_fail_requests(client);
    submit_again(client);
    skep__client_update_due(client);
}

static int dial(skep_client *client, const struct skep_command_joined *joined) {
    static const struct skep__port_events intake_events = {
        .sent = skep__client_sent, .finished = skep__client_all_read, .connected = intake_connected};
    static const struct skep__port_events returns_events = {.received = skep__client_returned,
                                                            .connected = returns_connected};
    char url[SKEP_MAX_URL + 1];
    client->cut_through = 0;
    int status = skep__port_new(&client->returns, client->hub, SKEP__PORT_PULL, &returns_events, client);
    if (status == SKEP_OK)
        status = skep__port_new(&client->intake, client->hub, SKEP__PORT_PUSH, &intake_events, client);
    skep__copy_text(url, sizeof url, &joined->returns);
    if (status == SKEP_OK) status = skep__port_dial_soon(client->returns, url);
    skep__copy_text(url, sizeof url, &joined->intake);
    if (status == SKEP_OK) status = skep__port_dial_soon(client->intake, url);
    return status;
}

static void close_ports(skep_client *client) {
    skep__port_free(&client->returns);
    skep__port_free(&client->intake);
    skep__port_free(&client->news);
}

/* What the broker before has not answered is submitted to this one, under numbers of this session. */
static int begin_session(skep_client *client, const struct skep_command_joined *joined) {
    skep__client_renumber(client);
    client->client = (uint32_t)joined->client;
    client->store = joined->store;
    skep__copy_text(client->news_url, sizeof client->news_url, &joined->news);
    int status = dial(client, joined);
    if (status == SKEP_OK) client->phase = SKEP__CLIENT_JOINED;
    if (status == SKEP_OK && client->on_news != NULL) status = skep__client_begin_news(client);
    if (status == SKEP_OK) return SKEP_OK;
    close_ports(client);
    return skep__client_fail(client, status, "%s: cannot dial the broker's sockets: %s", client->instance.dir,
                             skep_strerror(status));
}

struct join_answer {
    skep_client *client;
    int status;
};

static void take_joined(void *context, const struct skep_command *command) {
    struct join_answer *answer = context;
    if (command->id != SKEP_COMMAND_joined || answer->status == SKEP_OK) return;
    answer->status = command->joined.generation == answer->client->instance.generation
                         ? begin_session(answer->client, &command->joined)
                         : SKEP_EPROTO;
}

static void tell_state(skep_client *client, int status) {
    if (client->on_state != NULL) client->on_state(client, status, client->on_state_context);
}

static void join_answered(int status, const void *data, size_t size_bytes, void *context) {
    skep_client *client = context;
    struct join_answer answer = {.client = client, .status = SKEP_EPROTO};
    if (client->phase != SKEP__CLIENT_JOINING) return; /* given up */
    bool answered = status == SKEP_OK;
    if (answered) status = skep__client_read_answer(client, data, size_bytes, take_joined, &answer);
    else skep__client_fail(client, status, "%s: cannot join: %s", client->instance.dir, skep_strerror(status));
    if (status == SKEP_OK) status = answer.status;
    if (status != SKEP_OK) {
        try_later(client);
        if (answered && status != SKEP_ECLOSED) tell_state(client, status);
        return;
    }
    client->retry_ms = SKEP__CLIENT_RETRY_MS;
    skep__client_ask_awaited(client);
    skep__client_mark(client);
    tell_state(client, SKEP_OK);
}

/* Finds the control socket. A broker that succeeds another one has another socket. */
static int open_caller(skep_client *client) {
    char url[SKEP_MAX_URL + 1];
    struct skep__instance found = client->instance;
    int status = client->only_this ? check_instance(client) : skep__instance_find(client->instance.dir, &found);
    if (status != SKEP_OK) return status;
    bool same = found.generation == client->instance.generation;
    client->instance = found;
    if (client->caller != NULL && same) return SKEP_OK;
    skep__caller_free(&client->caller);
    skep__instance_url(&client->instance, SKEP_FILE_CONTROL, url, sizeof url);
    return skep__caller_new(&client->caller, client->hub, url);
}

void skep__client_seek(uv_timer_t *timer) {
    skep_client *client = timer->data;
    struct skep_command join = {.id = SKEP_COMMAND_join, .join = {0}};
    int status = open_caller(client);
    if (status == SKEP_OK) {
        client->phase = SKEP__CLIENT_JOINING;
        status = skep__client_ask(client, &join, SKEP__CLIENT_TIMEOUT_MS, join_answered, client);
    }
    if (status == SKEP_OK) return;
    skep__client_fail(client, status, "%s: cannot join: %s", client->instance.dir, skep_strerror(status));
    try_later(client);
}

/* --- losing --- */

/* The caller's questions are answered in here, and their callbacks may ask again. */
void skep__client_close_session(skep_client *client) {
    struct skep__caller *caller = client->caller;
    client->phase = SKEP__CLIENT_SEEKING;
    client->caller = NULL;
    skep__caller_free(&caller);
    close_ports(client);
}

static void lost(skep_client *client) {
    bool was_joined = client->phase == SKEP__CLIENT_JOINED;
    client->suspected = false;
    skep__client_fail(client, SKEP_ECLOSED, "%s: the broker (pid %d) is gone", client->instance.dir,
                      (int)client->instance.pid);
    skep__client_close_session(client);
    skep__client_drop_messages(client);
    skep__client_forget_news(client);
    skep__client_lose_unfinished(client, false);
    skep__client_fail_requests(client);
    if (client->only_this) skep__client_fail_submissions(client);
    else if (client->once) skep__client_fail_sent(client);
    if (was_joined) tell_state(client, SKEP_ECLOSED);
    skep__client_tell_drained(client);
    client->retry_ms = SKEP__CLIENT_RETRY_MS;
    try_later(client);
}

static void check_broker(skep_client *client) {
    bool gone = check_instance(client) == SKEP_ENOBROKER;
    if (gone && client->suspected) {
        lost(client);
        return;
    }
    if (gone) uv_timer_start(&client->tick, skep__client_tick, SECOND_LOOK_MS, client->tick_ms);
    client->suspected = gone;
}

/* A broker that is held up has not taken what was sent: then a frame is under way, and more would not help. */
static void check_silence(skep_client *client) {
    if (client->unanswered == 0 || client->sent_through < client->first) return;
    if (++client->silent_ticks < SILENT_TICKS || skep__port_is_sending(client->intake, false)) return;
    client->gone_back_to = 0;
    skep__client_go_back(client, client->first);
}

/* No broker will succeed it: what is submitted now ends as earlier submissions. */
static void end_hopeless(skep_client *client) {
    if (!client->only_this || check_instance(client) != SKEP_ENOBROKER) return;
    skep__client_drop_messages(client);
    skep__client_fail_submissions(client);
    skep__client_fail_unfinished(client);
    skep__client_fail_requests(client);
    skep__client_tell_drained(client);
}

void skep__client_tick(uv_timer_t *timer) {
    skep_client *client = timer->data;
    if (client->phase == SKEP__CLIENT_SEEKING) end_hopeless(client);
    else check_broker(client);
    if (client->phase == SKEP__CLIENT_JOINED) {
        check_silence(client);
        skep__client_news_tick(client);
    }
    skep__client_update_due(client);
}
