/* SPDX-License-Identifier: MIT
 * A mock broker's clients: they join, submit and hear as with a real one. */
#include "mock_broker_clients.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mock_broker.h"

enum { GENERATION = 1 };

static struct skep_bytes text_of(const char *string) {
    return (struct skep_bytes){string, strlen(string)};
}

static struct skep__mock_client *find_client(const skep_mock *mock, uint64_t id) {
    struct skep__mock_client *client;
    LIST_FOREACH(client, &mock->clients->list, entry) if (client->id == id) return client;
    return NULL;
}

static void tell(skep_mock *mock, const struct skep__mock_client *client, const struct skep_command *command) {
    char text[SKEP__MOCK_LINE_BYTES];
    skep__command_print(command, text, sizeof text);
    int status = skep__outlet_add_answer(client->returns, command);
    skep__mock_note(mock, "> client %u: %.180s%s", client->id, text, status == SKEP_OK ? "" : " (was not sent)");
}

/* --- joining --- */

static void free_client(struct skep__mock_client *client) {
    LIST_REMOVE(client, entry);
    skep__outlet_free(&client->returns);
    free(client);
}

static int new_client(skep_mock *mock, struct skep__mock_client **out) {
    struct skep__outlet_options options = {.hub = mock->hub, .flusher = mock->flusher, .kind = SKEP__PORT_PUSH};
    char url[SKEP_MAX_URL + 1];
    struct skep__mock_client *client = calloc(1, sizeof *client);
    if (client == NULL) return SKEP_ENOMEM;
    *client = (struct skep__mock_client){.id = ++mock->clients->last_client, .expected = 1};
    LIST_INSERT_HEAD(&mock->clients->list, client, entry);
    skep__mock_url(mock, SKEP_FILE_RETURNS, client->id, url);
    int status = skep__outlet_new(&client->returns, &options);
    if (status == SKEP_OK) status = skep__outlet_listen(client->returns, url);
    if (status == SKEP_OK) *out = client;
    else free_client(client);
    return status;
}

static int answer_join(skep_mock *mock, struct skep_frame *frame) {
    char intake[SKEP_MAX_URL + 1], returns[SKEP_MAX_URL + 1], news[SKEP_MAX_URL + 1];
    struct skep_command command = {.id = SKEP_COMMAND_joined};
    struct skep__mock_client *client;
    int status = new_client(mock, &client);
    if (status != SKEP_OK) return status;
    skep__mock_url(mock, SKEP_FILE_INTAKE, GENERATION, intake);
    skep__mock_url(mock, SKEP_FILE_RETURNS, client->id, returns);
    skep__mock_url(mock, SKEP_FILE_NEWS, 0, news);
    command.joined = (struct skep_command_joined){.client = client->id,
                                                  .generation = GENERATION,
                                                  .intake = text_of(intake),
                                                  .returns = text_of(returns),
                                                  .news = text_of(news)};
    return skep__frame_add(frame, &command);
}

/* --- questions --- */

static int answer(skep_mock *mock, const struct skep_command *question, struct skep_frame *frame) {
    switch (question->id) {
    case SKEP_COMMAND_join: return answer_join(mock, frame);
    case SKEP_COMMAND_status: return skep__mock_add_status(mock, frame);
    case SKEP_COMMAND_queues: return skep__mock_add_queues(mock, frame);
    case SKEP_COMMAND_newsSince: return skep__mock_add_news_end(mock, frame);
    default: return SKEP_ESTATE;
    }
}

static void add_failed(int status, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_failed};
    command.failed =
        (struct skep_command_failed){.status = (uint64_t)status, .reason = text_of("a mock broker does not do that")};
    skep__frame_clear(frame);
    if (skep__frame_add(frame, &command) != SKEP_OK) skep__frame_clear(frame);
}

static void called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    skep_mock *mock = context;
    struct skep_reader *reader = &mock->clients->control_reader;
    struct skep_command question;
    struct skep_frame frame = {0};
    bool more = false;
    int status = skep__reader_begin(reader, data, size_bytes);
    if (status == SKEP_OK) status = skep__reader_next(reader, &question, &more);
    if (status == SKEP_OK && more) status = answer(mock, &question, &frame);
    if (status != SKEP_OK) add_failed(status, &frame);
    skep__call_answer(call, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
}

/* --- submissions --- */

static void tell_accepted(skep_mock *mock, const struct skep__mock_client *client, uint64_t number, uint64_t n,
                          uint64_t id) {
    struct skep_command command = {.id = SKEP_COMMAND_accepted, .accepted = {.number = number, .id = id}};
    if (n > 1) SKEP_SET(accepted, &command.accepted, n, n);
    tell(mock, client, &command);
}

static void tell_declined(skep_mock *mock, const struct skep__mock_client *client, uint64_t number, uint64_t n,
                          int status) {
    struct skep_command command = {.id = SKEP_COMMAND_declined};
    command.declined = (struct skep_command_declined){
        .number = number, .status = (uint64_t)status, .reason = text_of(skep_strerror(status))};
    if (n > 1) SKEP_SET(declined, &command.declined, n, n);
    tell(mock, client, &command);
}

static skep_job_options options_of(const struct skep_command_submit *s) {
    enum { MIDDLE = 128 };
    return (skep_job_options){.priority = SKEP_HAS(submit, s, priority) ? (int)s->priority - MIDDLE : 0,
                              .delay_ms = (uint32_t)s->delay_ms,
                              .ttl_ms = (uint32_t)s->ttl_ms,
                              .lease_ms = (uint32_t)s->lease_ms,
                              .attempts = (unsigned)s->attempts};
}

/* Their ids follow each other, so that one answer does for all. Returns how many there was memory for. */
static uint32_t put_all(skep_mock *mock, struct skep__mock_client *client, const struct skep_command_submit *s,
                        uint64_t *first) {
    skep_job_options options = options_of(s);
    char queue[SKEP_MAX_NAME + 1];
    uint64_t id;
    uint32_t i = 0;
    memcpy(queue, s->queue.data, s->queue.size_bytes);
    queue[s->queue.size_bytes] = '\0';
    for (; i < s->jobs.count; i++) {
        struct skep_bytes data = skep__list_at(&s->jobs, i);
        if (skep_mock_submit(mock, queue, data.data, data.size_bytes, &options, &id) != SKEP_OK) break;
        struct skep__mock_job *job = skep__mock_job(mock, id);
        job->client = client->id;
        job->number = client->expected + i;
        job->wants_outcome = s->outcomes;
        mock->clients->owed += job->wants_outcome;
        if (i == 0) *first = id;
    }
    return i;
}

static void submit(skep_mock *mock, struct skep__mock_client *client, const struct skep_command_submit *s) {
    uint64_t n = s->jobs.count, first = 0;
    int answer = mock->clients->answer;
    if (answer == SKEP_MOCK_SILENT || s->number > client->expected) return; /* the client asks again */
    if (s->number < client->expected) {
        tell_accepted(mock, client, s->number, n, 0);
        return;
    }
    uint32_t put = answer == SKEP_OK ? put_all(mock, client, s, &first) : 0;
    if (put > 0) tell_accepted(mock, client, s->number, put, first);
    if (put < n) tell_declined(mock, client, s->number + put, n - put, answer != SKEP_OK ? answer : SKEP_ENOMEM);
    client->expected += n;
}

/* As of a broker without workers: who submits jobs is not who talks to workers. */
static void refuse_message(skep_mock *mock, const struct skep__mock_client *client,
                           const struct skep_command_message *m) {
    struct skep_command command = {.id = SKEP_COMMAND_reply};
    if (!SKEP_HAS(message, m, request)) return;
    command.reply = (struct skep_command_reply){.request = m->request};
    SKEP_SET(reply, &command.reply, status, SKEP_ENOWORKER);
    tell(mock, client, &command);
}

static void take_command(skep_mock *mock, const struct skep_command *command) {
    struct skep__mock_clients *clients = mock->clients;
    char text[SKEP__MOCK_LINE_BYTES];
    if (command->id == SKEP_COMMAND_client) {
        clients->speaks = find_client(mock, command->client.client);
        return;
    }
    if (clients->speaks == NULL) return;
    skep__command_print(command, text, sizeof text);
    skep__mock_note(mock, "< client %u: %.200s", clients->speaks->id, text);
    if (command->id == SKEP_COMMAND_submit) submit(mock, clients->speaks, &command->submit);
    if (command->id == SKEP_COMMAND_message) refuse_message(mock, clients->speaks, &command->message);
    if (command->id == SKEP_COMMAND_leave) free_client(clients->speaks), clients->speaks = NULL;
}

static void intake_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_mock *mock = context;
    struct skep_reader *reader = &mock->clients->intake_reader;
    struct skep_command command;
    bool more = true;
    (void)peer;
    mock->clients->speaks = NULL;
    int status = skep__reader_begin(reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(reader, &command, &more);
        if (status == SKEP_OK && more) take_command(mock, &command);
    }
    if (status != SKEP_OK) skep__mock_note(mock, "< client: what is no frame: %s", reader->why);
}

/* --- outcomes --- */

static void tell_finished(skep_mock *mock, const struct skep__mock_client *client, const struct skep__mock_job *job) {
    struct skep_frame items = {0};
    struct skep_command command = {.id = SKEP_COMMAND_finished};
    if (skep__list_add(&items, job->result != NULL ? job->result : "", job->result_bytes) == SKEP_OK) {
        command.finished = (struct skep_command_finished){.number = job->number, .results = skep__list_of(&items, 1)};
        tell(mock, client, &command);
    }
    skep__frame_free(&items);
}

static void tell_died(skep_mock *mock, const struct skep__mock_client *client, const struct skep__mock_job *job) {
    struct skep_command command = {.id = SKEP_COMMAND_died};
    command.died = (struct skep_command_died){.number = job->number, .cause = text_of(job->cause)};
    if (job->reason[0] != '\0') SKEP_SET(died, &command.died, reason, text_of(job->reason));
    tell(mock, client, &command);
}

void skep__mock_tell_outcomes(skep_mock *mock) {
    struct skep__mock_clients *clients = mock->clients;
    for (struct skep__mock_job *j = mock->jobs; j != NULL && clients->owed > 0; j = j->hh.next) {
        if (!j->wants_outcome || (j->state != SKEP_MOCK_DONE && j->state != SKEP_MOCK_DEAD)) continue;
        const struct skep__mock_client *client = find_client(mock, j->client);
        j->wants_outcome = false;
        clients->owed--;
        if (client != NULL) (j->state == SKEP_MOCK_DONE ? tell_finished : tell_died)(mock, client, j);
    }
}

/* --- life --- */

static int take_lock(const skep_mock *mock) {
    char path[SKEP_MAX_DIR + 16], text[64];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/" SKEP_FILE_LOCK, mock->dir);
    int n = snprintf(text, sizeof text, "%d %d mock\n", (int)getpid(), GENERATION);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0 && write(fd, text, (size_t)n) == n) return fd;
    close(fd);
    return -1;
}

int skep__mock_clients_open(skep_mock *mock) {
    static const struct skep__server_events control = {.called = called};
    static const struct skep__port_events intake = {.received = intake_received};
    char url[SKEP_MAX_URL + 1];
    struct skep__mock_clients *clients = calloc(1, sizeof *clients);
    if (clients == NULL) return SKEP_ENOMEM;
    mock->clients = clients;
    clients->lock = take_lock(mock);
    int status = clients->lock >= 0 ? SKEP_OK : SKEP_EDIR;
    if (status == SKEP_OK) status = skep__reader_init(&clients->control_reader, SKEP_CHANNEL_ASK);
    if (status == SKEP_OK) status = skep__reader_init(&clients->intake_reader, SKEP_CHANNEL_INTAKE);
    skep__mock_url(mock, SKEP_FILE_CONTROL, GENERATION, url);
    if (status == SKEP_OK) status = skep__server_new(&clients->control, mock->hub, url, &control, mock);
    if (status == SKEP_OK) status = skep__port_new(&clients->intake, mock->hub, SKEP__PORT_PULL, &intake, mock);
    skep__mock_url(mock, SKEP_FILE_INTAKE, GENERATION, url);
    return status == SKEP_OK ? skep__port_listen(clients->intake, url) : status;
}

void skep__mock_clients_close(skep_mock *mock) {
    struct skep__mock_clients *clients = mock->clients;
    if (clients == NULL) return;
    mock->clients = NULL;
    for (struct skep__mock_client *c = LIST_FIRST(&clients->list), *next; c != NULL; c = next) {
        next = LIST_NEXT(c, entry);
        free_client(c);
    }
    skep__server_free(&clients->control);
    skep__port_free(&clients->intake);
    skep__reader_free(&clients->control_reader);
    skep__reader_free(&clients->intake_reader);
    if (clients->lock >= 0) close(clients->lock);
    free(clients);
}

const char *skep_mock_broker_dir(const skep_mock *mock) {
    return mock->dir;
}
