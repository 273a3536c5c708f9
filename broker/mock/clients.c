/* SPDX-License-Identifier: MIT
 * A mock broker's clients: they join, submit and hear as with a real one. */
#include "mock/clients.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/container.h"
#include "common/text.h"

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
    skep__mock_url(mock, SKEP_FILE_INTAKE, SKEP__MOCK_GENERATION, intake);
    skep__mock_url(mock, SKEP_FILE_RETURNS, client->id, returns);
    skep__mock_url(mock, SKEP_FILE_NEWS, SKEP__MOCK_GENERATION, news);
    command.joined = (struct skep_command_joined){.client = client->id,
                                                  .generation = SKEP__MOCK_GENERATION,
                                                  .intake = skep__text(intake),
                                                  .returns = skep__text(returns),
                                                  .news = skep__text(news)};
    return skep__frame_add(frame, &command);
}

/* --- questions --- */

static void add_failed(int status, const char *why, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_failed};
    command.failed = (struct skep_command_failed){.status = (uint64_t)status, .reason = skep__text(why)};
    skep__frame_clear(frame);
    if (skep__frame_add(frame, &command) != SKEP_OK) skep__frame_clear(frame);
}

/* A question about one job: in memory it is answered at once */
struct asked {
    struct skep__job_question question;
    struct skep_frame *frame;
};

static void answered(struct skep__job_question *question, int status, const char *why,
                     const struct skep_command *answer) {
    struct asked *asked = SKEP_CONTAINER(question, struct asked, question);
    if (status == SKEP_OK) status = skep__frame_add(asked->frame, answer);
    if (status != SKEP_OK) add_failed(status, why, asked->frame);
}

static int ask_about_job(skep_mock *mock, uint64_t id, bool cancels, struct skep_frame *frame) {
    struct asked asked = {.question = {.answered = answered}, .frame = frame};
    skep__jobs_ask(mock->ledger, &asked.question, id, cancels);
    return SKEP_OK;
}

static int answer(skep_mock *mock, const struct skep_command *question, struct skep_frame *frame) {
    switch (question->id) {
    case SKEP_COMMAND_join: return answer_join(mock, frame);
    case SKEP_COMMAND_status: return skep__mock_add_status(mock, frame);
    case SKEP_COMMAND_queues: return skep__jobs_add_queues(mock->ledger, frame);
    case SKEP_COMMAND_job: return ask_about_job(mock, question->job.id, false, frame);
    case SKEP_COMMAND_cancelJob: return ask_about_job(mock, question->cancelJob.id, true, frame);
    case SKEP_COMMAND_newsSince: return skep__mock_add_news_end(mock, frame);
    default: return SKEP_ESTATE;
    }
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
    if (status != SKEP_OK) add_failed(status, "a mock broker does not do that", &frame);
    skep__call_answer(call, frame.data, frame.size_bytes);
    skep__frame_free(&frame);
}

/* --- submissions --- */

/* Answers that travel together: to consecutive numbers, of one kind */
struct answers {
    skep_mock *mock;
    const struct skep__mock_client *client;
    uint64_t number, n, id;
    int status;
    bool waits;        /* a duplicate: the outcome of the first follows */
    const char *ended; /* a duplicate whose outcome was wanted: how the first has ended; NULL: it has not */
};

static void tell_accepted(const struct answers *a) {
    struct skep_command command = {.id = SKEP_COMMAND_accepted, .accepted = {.number = a->number, .id = a->id}};
    if (a->n > 1) SKEP_SET(accepted, &command.accepted, n, a->n);
    if (a->status == SKEP_EDUPLICATE) SKEP_SET(accepted, &command.accepted, duplicate, true);
    if (a->waits) SKEP_SET(accepted, &command.accepted, waits, true);
    if (a->ended != NULL) SKEP_SET(accepted, &command.accepted, ended, skep__text(a->ended));
    skep__mock_tell_client(a->mock, a->client, &command);
}

static void tell_declined(const struct answers *a) {
    struct skep_command command = {.id = SKEP_COMMAND_declined};
    command.declined = (struct skep_command_declined){
        .number = a->number, .status = (uint64_t)a->status, .reason = skep__text(skep_strerror(a->status))};
    if (a->n > 1) SKEP_SET(declined, &command.declined, n, a->n);
    skep__mock_tell_client(a->mock, a->client, &command);
}

static void end_answers(struct answers *a) {
    if (a->n == 0) return;
    if (a->status == SKEP_OK || a->status == SKEP_EDUPLICATE) tell_accepted(a);
    else tell_declined(a);
    a->n = 0;
}

/* The ids of jobs that were accepted together follow each other. */
static void answer_one(struct answers *a, uint64_t number, int status, uint64_t id) {
    bool follows = a->n > 0 && a->status == status && status != SKEP_EDUPLICATE && id == (id != 0 ? a->id + a->n : 0);
    if (!follows) {
        end_answers(a);
        *a = (struct answers){.mock = a->mock, .client = a->client, .number = number, .id = id, .status = status};
    }
    a->n++;
}

static skep_job_options options_of(const struct skep_command_submit *s) {
    enum { MIDDLE = 128 };
    uint32_t lease_ms = (uint32_t)s->lease_ms;
    return (skep_job_options){.priority = SKEP_HAS(submit, s, priority) ? (int)s->priority - MIDDLE : 0,
                              .delay_ms = (uint32_t)s->delay_ms,
                              .ttl_ms = (uint32_t)s->ttl_ms,
                              .lease_ms =
                                  lease_ms > 0 && lease_ms < SKEP_LEAST_LEASE_MS ? SKEP_LEAST_LEASE_MS : lease_ms,
                              .attempts = (unsigned)s->attempts};
}

static void put(struct answers *answers, const struct skep_command_submit *s, uint32_t i, const char *queue,
                skep_job_options options) {
    struct skep_bytes key_bytes = {0};
    char key[SKEP_MAX_NAME + 1];
    const uint64_t number = answers->client->expected;
    if (s->keys.count > 0) key_bytes = skep__list_at(&s->keys, i);
    skep__copy_text(key, sizeof key, &key_bytes);
    options.key = key_bytes.size_bytes > 0 ? key : NULL;
    struct skep__mock_submission submission = {.queue = queue,
                                               .data = skep__list_at(&s->jobs, i),
                                               .options = &options,
                                               .client = answers->client->id,
                                               .number = s->outcomes ? number : 0};
    int status = skep__mock_put_job(answers->mock, &submission);
    answer_one(answers, number, status, submission.answer.id);
    if (status != SKEP_EDUPLICATE || !s->outcomes) return;
    answers->waits = submission.answer.waits;
    answers->ended = submission.answer.ended;
}

static void put_all(skep_mock *mock, struct skep__mock_client *client, const struct skep_command_submit *s) {
    struct answers answers = {.mock = mock, .client = client};
    skep_job_options options = options_of(s);
    char queue[SKEP_MAX_NAME + 1];
    skep__copy_text(queue, sizeof queue, &s->queue);
    for (uint32_t i = 0; i < s->jobs.count; i++, client->expected++) put(&answers, s, i, queue, options);
    end_answers(&answers);
}

static void submit(skep_mock *mock, struct skep__mock_client *client, const struct skep_command_submit *s) {
    struct answers answers = {.mock = mock, .client = client, .number = s->number, .n = s->jobs.count};
    int answer = mock->clients->answer;
    if (answer == SKEP_MOCK_SILENT || s->number > client->expected) return; /* the client asks again */
    if (s->keys.count > 0 && s->keys.count != s->jobs.count) {
        skep__mock_note(mock, "< client %u: keys are not as many as jobs", client->id);
        return;
    }
    if (s->number < client->expected) {
        end_answers(&answers);
    } else if (answer != SKEP_OK) {
        answers.status = answer;
        client->expected += s->jobs.count;
        end_answers(&answers);
    } else {
        put_all(mock, client, s);
    }
}

static void await(skep_mock *mock, const struct skep__mock_client *client, const struct skep_command_await *a) {
    uint64_t n = SKEP_HAS(await, a, n) ? a->n : 1;
    for (uint64_t i = 0; i < n; i++) {
        int status = skep__jobs_await(mock->ledger, a->id + i, client->id, a->number + i);
        if (status != SKEP_OK) skep__mock_tell_forgotten(mock, client->id, a->number + i, status);
    }
}

static int take_command(void *context, const struct skep_command *command) {
    skep_mock *mock = context;
    struct skep__mock_clients *clients = mock->clients;
    char text[SKEP__MOCK_LINE_BYTES];
    if (command->id == SKEP_COMMAND_client) {
        clients->speaks = skep__mock_find_client(mock, command->client.client);
        return SKEP_OK;
    }
    if (clients->speaks == NULL) return SKEP_OK;
    skep__command_print(command, text, sizeof text);
    skep__mock_note(mock, "< client %u: %.200s", clients->speaks->id, text);
    if (command->id == SKEP_COMMAND_submit) submit(mock, clients->speaks, &command->submit);
    if (command->id == SKEP_COMMAND_await) await(mock, clients->speaks, &command->await);
    if (command->id == SKEP_COMMAND_message) skep__mock_client_message(mock, clients->speaks, &command->message);
    if (command->id == SKEP_COMMAND_leave) free_client(clients->speaks), clients->speaks = NULL;
    return SKEP_OK;
}

static void intake_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_mock *mock = context;
    struct skep_reader *reader = &mock->clients->intake_reader;
    (void)peer;
    mock->clients->speaks = NULL;
    int status = skep__reader_read(reader, data, size_bytes, take_command, mock);
    if (status != SKEP_OK) skep__mock_note(mock, "< client: what is no frame: %s", reader->why);
}

/* --- life --- */

static int take_lock(const skep_mock *mock) {
    char path[SKEP_MAX_DIR + 16], text[64];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/" SKEP_FILE_LOCK, mock->dir);
    int n = snprintf(text, sizeof text, "%d %d mock\n", (int)getpid(), SKEP__MOCK_GENERATION);
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
    skep__mock_url(mock, SKEP_FILE_CONTROL, SKEP__MOCK_GENERATION, url);
    if (status == SKEP_OK) status = skep__server_new(&clients->control, mock->hub, url, &control, mock);
    if (status == SKEP_OK) status = skep__port_new(&clients->intake, mock->hub, SKEP__PORT_PULL, &intake, mock);
    skep__mock_url(mock, SKEP_FILE_INTAKE, SKEP__MOCK_GENERATION, url);
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
    skep__mock_forget_calls(clients);
    skep__server_free(&clients->control);
    skep__port_free(&clients->intake);
    skep__reader_free(&clients->control_reader);
    skep__reader_free(&clients->intake_reader);
    if (clients->lock >= 0) close(clients->lock);
    free(clients);
}

static int run_for_client(void *mock, skep_mock_cb is_so, void *context, unsigned timeout_ms) {
    return skep__mock_run(mock, is_so, context, timeout_ms);
}

int skep_mock_broker_client(skep_mock *mock, skep_mock_client **client) {
    const struct skep__mock_runner runner = {.loop = mock->loop, .run = run_for_client, .context = mock};
    return skep__mock_client_join(client, mock->dir, &runner);
}

const char *skep_mock_broker_dir(const skep_mock *mock) {
    return mock->dir;
}
