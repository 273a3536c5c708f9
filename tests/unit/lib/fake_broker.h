/* SPDX-License-Identifier: MIT
 * A broker for clients under test: directory with a held lock, control, intake, returns and news; what it does with
 * submissions is set by the test. Runs on any loop. */
#ifndef SKEP_TESTS_FAKE_BROKER_H
#define SKEP_TESTS_FAKE_BROKER_H

#include "lib/pump.h"

#include <fcntl.h>
#include <inttypes.h>

#include "command.h"
#include "common/instance.h"
#include "transport/outlet.h"
#include "transport/transport.h"

enum { FAKE_MAX_JOBS = 4096, FAKE_JOB_BYTES = 32, FAKE_AWAITS = 8 };

struct fake {
    uv_loop_t *loop;
    char dir[48];
    uint64_t generation;
    int lock; /* -1: nobody owns the directory */
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__server *server;
    struct skep__port *intake;
    struct skep__outlet *returns; /* of the client that joined last */
    struct skep__port *news;
    struct skep_reader ask_reader, intake_reader;

    /* what it does */
    bool refuses_joins;
    bool ignores_submits;   /* as if they had been lost */
    bool keeps_answers;     /* takes jobs and says nothing */
    unsigned lose_submits;  /* so many, then no more */
    int declines;           /* status to decline with; 0 */
    bool says_duplicate;    /* every job's key was there */
    bool says_waits;        /* and the outcome of the first follows */
    const char *says_ended; /* and the first has ended, so; NULL */
    bool finishes;          /* every job at once, with its payload as the result; one that is awaited, with "awaited" */
    bool silent_about_status; /* never answers that */
    uint64_t store;           /* where it keeps jobs, which are durable then; 0: nowhere */
    struct skep_command job;  /* its answer to each question about one */

    /* what it saw */
    unsigned joins, leaves, bad_clients, frames, submits;
    uint32_t client;
    uint64_t expected; /* number that comes next from that client */
    uint64_t ids;
    unsigned job_count; /* taken into the ledger, in all generations */
    char jobs[FAKE_MAX_JOBS][FAKE_JOB_BYTES];
    struct skep_command_submit submit; /* the last one; its bytes are gone */
    char queue[SKEP_MAX_NAME + 1], key[SKEP_MAX_NAME + 1];
    unsigned messages;
    struct skep_command_message message; /* the last one; its bytes are gone */
    char message_name[SKEP_MAX_NAME + 1], message_to[SKEP_MAX_NAME + 1], message_data[FAKE_JOB_BYTES];
    struct skep__call *kept_status;
    unsigned awaits; /* of the latest generation */
    struct skep_command_await await[FAKE_AWAITS];
    uint64_t job_asked; /* id; 0: none was yet */
    bool cancel_asked;

    /* its news: broadcasts, all of which it has, but for those below */
    uint64_t news_seq;
    uint64_t news_lost_through;
    unsigned news_asked;
};

static inline void fake_text(char *to, size_t capacity_bytes, struct skep_bytes from) {
    snprintf(to, capacity_bytes, "%.*s", (int)from.size_bytes, from.data != NULL ? from.data : "");
}

static inline struct skep_bytes fake_bytes(const char *text) {
    return (struct skep_bytes){text, strlen(text)};
}

static inline void fake_return(struct fake *fake, const struct skep_command *command) {
    if (skep__outlet_add(fake->returns, command) != SKEP_OK) abort();
}

static inline void fake_accept(struct fake *fake, uint64_t number, uint64_t n, uint64_t id) {
    struct skep_command command = {.id = SKEP_COMMAND_accepted, .accepted = {.number = number, .id = id}};
    SKEP_SET(accepted, &command.accepted, n, n);
    if (fake->store != 0) SKEP_SET(accepted, &command.accepted, durable, true);
    if (fake->says_duplicate) SKEP_SET(accepted, &command.accepted, duplicate, true);
    if (fake->says_waits) SKEP_SET(accepted, &command.accepted, waits, true);
    if (fake->says_ended != NULL) SKEP_SET(accepted, &command.accepted, ended, fake_bytes(fake->says_ended));
    fake_return(fake, &command);
}

static inline void fake_decline(struct fake *fake, uint64_t number, uint64_t n) {
    struct skep_command command = {
        .id = SKEP_COMMAND_declined,
        .declined = {.number = number, .status = (uint64_t)fake->declines, .reason = {"no room for it", 14}}};
    SKEP_SET(declined, &command.declined, n, n);
    fake_return(fake, &command);
}

static inline void fake_finish(struct fake *fake, uint64_t number, const void *data, size_t size_bytes) {
    struct skep_frame items = {0};
    struct skep_command command = {.id = SKEP_COMMAND_finished, .finished = {.number = number}};
    if (skep__list_add(&items, data, size_bytes) != SKEP_OK) abort();
    command.finished.results = skep__list_of(&items, 1);
    fake_return(fake, &command);
    skep__frame_free(&items);
}

static inline void fake_store(struct fake *fake, const struct skep_command_submit *s) {
    for (uint32_t i = 0; i < s->jobs.count; i++) {
        if (fake->job_count < FAKE_MAX_JOBS)
            fake_text(fake->jobs[fake->job_count], FAKE_JOB_BYTES, skep__list_at(&s->jobs, i));
        fake->job_count++;
    }
}

static inline void fake_submitted(struct fake *fake, const struct skep_command_submit *s) {
    uint64_t n = s->jobs.count;
    fake->submits++;
    fake->submit = *s;
    fake_text(fake->queue, sizeof fake->queue, s->queue);
    if (s->keys.count > 0) fake_text(fake->key, sizeof fake->key, skep__list_at(&s->keys, s->keys.count - 1));
    if (fake->ignores_submits) return;
    if (fake->lose_submits > 0) {
        fake->lose_submits--;
        return;
    }
    if (s->number > fake->expected) {
        struct skep_command command = {.id = SKEP_COMMAND_expected, .expected = {.number = fake->expected}};
        fake_return(fake, &command);
        return;
    }
    if (s->number < fake->expected) {
        if (!fake->keeps_answers) fake_accept(fake, s->number, n, 0);
        return;
    }
    fake->expected += n;
    if (fake->declines != 0) {
        fake_decline(fake, s->number, n);
        return;
    }
    fake_store(fake, s);
    fake->ids += n;
    if (fake->keeps_answers) return;
    fake_accept(fake, s->number, n, fake->ids - n + 1);
    for (uint32_t i = 0; fake->finishes && s->outcomes && i < n; i++) {
        struct skep_bytes job = skep__list_at(&s->jobs, i);
        fake_finish(fake, s->number + i, job.data, job.size_bytes);
    }
}

static inline void fake_awaited(struct fake *fake, const struct skep_command_await *await) {
    if (fake->awaits < FAKE_AWAITS) fake->await[fake->awaits++] = *await;
    if (fake->finishes) fake_finish(fake, await->number, "awaited", 7);
}

static inline void fake_heard(struct fake *fake, const struct skep_command *command) {
    if (command->id == SKEP_COMMAND_client) fake->bad_clients += command->client.client != fake->client;
    if (command->id == SKEP_COMMAND_submit) fake_submitted(fake, &command->submit);
    if (command->id == SKEP_COMMAND_leave) fake->leaves++;
    if (command->id == SKEP_COMMAND_await) fake_awaited(fake, &command->await);
    if (command->id != SKEP_COMMAND_message) return;
    fake->messages++;
    fake->message = command->message;
    fake_text(fake->message_name, sizeof fake->message_name, command->message.name);
    fake_text(fake->message_to, sizeof fake->message_to, command->message.toName);
    fake_text(fake->message_data, sizeof fake->message_data, command->message.data);
}

static inline void fake_intake(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct fake *fake = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    fake->frames++;
    if (skep__reader_begin(&fake->intake_reader, data, size_bytes) != SKEP_OK) abort();
    for (bool first = true; more; first = false) {
        if (skep__reader_next(&fake->intake_reader, &command, &more) != SKEP_OK) abort();
        if (first && command.id != SKEP_COMMAND_client) fake->bad_clients++;
        if (more) fake_heard(fake, &command);
    }
}

/* --- control --- */

static inline void fake_add(struct skep_frame *frame, const struct skep_command *command) {
    if (skep__frame_add(frame, command) != SKEP_OK) abort();
}

static inline void fake_url(const struct fake *fake, const char *socket, char url[128]) {
    snprintf(url, 128, "ipc://%s/%s.%" PRIu64, fake->dir, socket, fake->generation);
}

static inline void fake_join(struct fake *fake, struct skep_frame *answer) {
    char intake[128], returns[160], news[128];
    struct skep__outlet_options options = {.hub = fake->hub, .flusher = fake->flusher, .kind = SKEP__PORT_PUSH};
    fake->joins++;
    if (fake->refuses_joins) {
        struct skep_command failed = {.id = SKEP_COMMAND_failed,
                                      .failed = {.status = SKEP_ESTATE, .reason = fake_bytes("stopping")}};
        fake_add(answer, &failed);
        return;
    }
    fake->client++;
    fake->expected = 1;
    fake_url(fake, "intake", intake);
    fake_url(fake, "news", news);
    snprintf(returns, sizeof returns, "ipc://%s/returns.%" PRIu64 ".%u", fake->dir, fake->generation, fake->client);
    skep__outlet_free(&fake->returns);
    if (skep__outlet_new(&fake->returns, &options) != SKEP_OK) abort();
    if (skep__outlet_listen(fake->returns, returns) != SKEP_OK) abort();
    struct skep_command joined = {.id = SKEP_COMMAND_joined,
                                  .joined = {.client = fake->client,
                                             .generation = fake->generation,
                                             .intake = fake_bytes(intake),
                                             .returns = fake_bytes(returns),
                                             .news = fake_bytes(news)}};
    if (fake->store != 0) SKEP_SET(joined, &joined.joined, store, fake->store);
    fake_add(answer, &joined);
}

static inline void fake_job(struct fake *fake, const struct skep_command *question, struct skep_frame *answer) {
    fake->cancel_asked = question->id == SKEP_COMMAND_cancelJob;
    fake->job_asked = fake->cancel_asked ? question->cancelJob.id : question->job.id;
    fake_add(answer, &fake->job);
}

static inline void fake_item(struct skep_frame *frame, uint64_t seq) {
    struct skep_command command = {.id = SKEP_COMMAND_broadcast,
                                   .broadcast = {.seq = seq, .from = 3, .name = fake_bytes("item")}};
    fake_add(frame, &command);
}

static inline void fake_since(struct fake *fake, uint64_t seq, struct skep_frame *answer) {
    struct skep_command end = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = fake->news_seq}};
    fake->news_asked++;
    for (; seq < fake->news_seq; seq++)
        if (seq + 1 > fake->news_lost_through) fake_item(answer, seq + 1);
    fake_add(answer, &end);
}

static inline void fake_status(struct skep_frame *answer) {
    struct skep_command broker = {.id = SKEP_COMMAND_brokerStatus,
                                  .brokerStatus = {.name = fake_bytes("fake"),
                                                   .pid = 4711,
                                                   .version = fake_bytes("0"),
                                                   .state = fake_bytes("running"),
                                                   .policy = fake_bytes("handoff"),
                                                   .news = fake_bytes("ipc:///news"),
                                                   .restarts = 9}};
    fake_add(answer, &broker);
    for (unsigned i = 1; i <= 3; i++) {
        struct skep_command worker = {.id = SKEP_COMMAND_workerStatus,
                                      .workerStatus = {.worker = i, .pid = 100 + i, .state = fake_bytes("ready")}};
        if (i == 2) SKEP_SET(workerStatus, &worker.workerStatus, name, fake_bytes("second"));
        fake_add(answer, &worker);
    }
}

static inline void fake_queues(struct skep_frame *answer) {
    static const char *const names[] = {"mail", "print"};
    for (unsigned i = 0; i < 2; i++) {
        struct skep_command queue = {.id = SKEP_COMMAND_queueStatus,
                                     .queueStatus = {.name = fake_bytes(names[i]), .ready = 5 + i, .dead = i}};
        fake_add(answer, &queue);
    }
}

static inline void fake_called(void *context, struct skep__call *call, const void *data, size_t size_bytes) {
    struct fake *fake = context;
    struct skep_command command;
    struct skep_frame answer = {0};
    bool more;
    if (skep__reader_begin(&fake->ask_reader, data, size_bytes) != SKEP_OK) abort();
    if (skep__reader_next(&fake->ask_reader, &command, &more) != SKEP_OK || !more) abort();
    if (command.id == SKEP_COMMAND_status && fake->silent_about_status) {
        fake->kept_status = call;
        return;
    }
    if (command.id == SKEP_COMMAND_join) fake_join(fake, &answer);
    if (command.id == SKEP_COMMAND_newsSince) fake_since(fake, command.newsSince.seq, &answer);
    if (command.id == SKEP_COMMAND_status) fake_status(&answer);
    if (command.id == SKEP_COMMAND_queues) fake_queues(&answer);
    if (command.id == SKEP_COMMAND_job || command.id == SKEP_COMMAND_cancelJob) fake_job(fake, &command, &answer);
    skep__call_answer(call, answer.data, answer.size_bytes);
    skep__frame_free(&answer);
}

/* Publishes an item; if lost, nobody hears of it until the next. */
static inline void fake_publish(struct fake *fake, bool lost) {
    struct skep_frame frame = {0};
    fake_item(&frame, ++fake->news_seq);
    if (!lost && skep__port_send(fake->news, &frame) != SKEP_OK) abort();
    skep__frame_free(&frame);
}

/* --- its life --- */

static inline void fake_take_lock(struct fake *fake) {
    char path[80], text[64];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/lock", fake->dir);
    int length = snprintf(text, sizeof text, "4711 %" PRIu64 " fake\n", fake->generation);
    fake->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fake->lock < 0 || fcntl(fake->lock, F_OFD_SETLK, &lock) != 0 || ftruncate(fake->lock, 0) != 0) abort();
    if (write(fake->lock, text, (size_t)length) != length) abort();
}

static inline void fake_start(struct fake *fake) {
    static const struct skep__server_events server_events = {.called = fake_called};
    static const struct skep__port_events intake_events = {.received = fake_intake}, no_events = {.received = NULL};
    char control[128], intake[128], news[128];
    fake->generation++;
    fake->awaits = 0;
    fake->news_seq = fake->news_lost_through = 0;
    fake_take_lock(fake);
    fake_url(fake, "control", control);
    fake_url(fake, "intake", intake);
    fake_url(fake, "news", news);
    int status = skep__hub_new(&fake->hub, fake->loop);
    if (status == SKEP_OK) status = skep__flusher_new(&fake->flusher, fake->loop);
    if (status == SKEP_OK) status = skep__port_new(&fake->intake, fake->hub, SKEP__PORT_PULL, &intake_events, fake);
    if (status == SKEP_OK) status = skep__port_listen(fake->intake, intake);
    if (status == SKEP_OK) status = skep__port_new(&fake->news, fake->hub, SKEP__PORT_PUB, &no_events, fake);
    if (status == SKEP_OK) status = skep__port_listen(fake->news, news);
    if (status == SKEP_OK) status = skep__server_new(&fake->server, fake->hub, control, &server_events, fake);
    if (status != SKEP_OK) abort();
}

/* Ends it, as if it had been killed. */
static inline void fake_stop(struct fake *fake) {
    if (fake->lock < 0) return;
    skep__server_free(&fake->server);
    skep__port_free(&fake->intake);
    skep__port_free(&fake->news);
    skep__outlet_free(&fake->returns);
    skep__flusher_free(&fake->flusher);
    skep__hub_free(&fake->hub);
    close(fake->lock);
    fake->lock = -1;
}

static inline struct fake *fake_new(uv_loop_t *loop, const char *dir) {
    struct fake *fake = calloc(1, sizeof *fake);
    if (fake == NULL) abort();
    fake->loop = loop;
    fake->generation = 6;
    snprintf(fake->dir, sizeof fake->dir, "%s", dir);
    if (skep__reader_init(&fake->ask_reader, SKEP_CHANNEL_ASK) != SKEP_OK) abort();
    if (skep__reader_init(&fake->intake_reader, SKEP_CHANNEL_INTAKE) != SKEP_OK) abort();
    fake_start(fake);
    return fake;
}

static inline void fake_free(struct fake *fake) {
    fake_stop(fake);
    skep__reader_free(&fake->ask_reader);
    skep__reader_free(&fake->intake_reader);
    free(fake);
}

#endif
