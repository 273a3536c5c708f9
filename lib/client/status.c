/* SPDX-License-Identifier: MIT
 * How everything is: the answers to status and to queues, put together. */
#include <stdlib.h>

#include "client/private.h"
#include "common/text.h"

struct group_texts {
    char name[SKEP_MAX_NAME + 1];
};

struct worker_texts {
    char group[SKEP_MAX_NAME + 1];
    char name[SKEP_MAX_NAME + 1];
    char state[SKEP_MAX_NAME + 1];
};

struct queue_texts {
    char name[SKEP_MAX_NAME + 1];
};

/* The answer as it grows. Pointers into the texts are set when nothing moves any more. */
struct report {
    skep_client *client;
    skep_status_cb callback;
    void *context;
    bool failed; /* out of memory */
    skep_broker_info status;
    char name[SKEP_MAX_NAME + 1];
    char state[SKEP_MAX_NAME + 1];
    skep_group_info *groups;
    struct group_texts *group_texts;
    skep_worker_info *workers;
    struct worker_texts *worker_texts;
    skep_queue_info *queues;
    struct queue_texts *queue_texts;
};

static void end(struct report *report, int status) {
    skep_client *client = report->client;
    client->asks--;
    report->callback(client, status, status == SKEP_OK ? &report->status : NULL, report->context);
    free(report->groups);
    free(report->group_texts);
    free(report->workers);
    free(report->worker_texts);
    free(report->queues);
    free(report->queue_texts);
    free(report);
    skep__client_update_due(client);
}

/* Doubles an array whose size is a power of two. */
static bool grow(void *array, size_t count, size_t item_bytes) {
    void **items = array;
    if ((count & (count - 1)) != 0) return true;
    void *grown = realloc(*items, (count > 0 ? count * 2 : 1) * item_bytes);
    if (grown != NULL) *items = grown;
    return grown != NULL;
}

static void add_group(struct report *report, const struct skep_command_groupStatus *g) {
    size_t n = report->status.group_count;
    if (!grow(&report->groups, n, sizeof *report->groups) ||
        !grow(&report->group_texts, n, sizeof *report->group_texts)) {
        report->failed = true;
        return;
    }
    skep__copy_text(report->group_texts[n].name, sizeof report->group_texts[n].name, &g->name);
    report->groups[n] = (skep_group_info){.wanted = (uint32_t)g->wanted,
                                          .workers = (uint32_t)g->workers,
                                          .ready = (uint32_t)g->ready,
                                          .restarts = g->restarts,
                                          .broken = SKEP_HAS(groupStatus, g, breaker_ms)};
    report->status.group_count++;
}

static void add_worker(struct report *report, const struct skep_command_workerStatus *w) {
    size_t n = report->status.worker_count;
    if (!grow(&report->workers, n, sizeof *report->workers) ||
        !grow(&report->worker_texts, n, sizeof *report->worker_texts)) {
        report->failed = true;
        return;
    }
    skep__copy_text(report->worker_texts[n].name, sizeof report->worker_texts[n].name, &w->name);
    report->worker_texts[n].group[0] = '\0';
    if (SKEP_HAS(workerStatus, w, group))
        skep__copy_text(report->worker_texts[n].group, sizeof report->worker_texts[n].group, &w->group);
    skep__copy_text(report->worker_texts[n].state, sizeof report->worker_texts[n].state, &w->state);
    report->workers[n] = (skep_worker_info){.id = (uint32_t)w->worker,
                                            .pid = (int32_t)w->pid,
                                            .uptime_ms = w->uptime_ms,
                                            .connections = w->connections,
                                            .accepted = w->accepted,
                                            .requests = w->requests};
    report->status.worker_count++;
}

static void add_queue(struct report *report, const struct skep_command_queueStatus *q) {
    size_t n = report->status.queue_count;
    if (!grow(&report->queues, n, sizeof *report->queues) ||
        !grow(&report->queue_texts, n, sizeof *report->queue_texts)) {
        report->failed = true;
        return;
    }
    skep__copy_text(report->queue_texts[n].name, sizeof report->queue_texts[n].name, &q->name);
    report->queues[n] = (skep_queue_info){.workers = q->workers,
                                          .ready = q->ready,
                                          .reserved = q->reserved,
                                          .delayed = q->delayed,
                                          .dead = q->dead,
                                          .submitted = q->submitted,
                                          .done = q->done,
                                          .redelivered = q->redelivered,
                                          .unhandled = SKEP_HAS(queueStatus, q, unhandled) && q->unhandled,
                                          .oldest_ms = q->oldest_ms};
    report->status.queue_count++;
}

static void set_broker(struct report *report, const struct skep_command_brokerStatus *b) {
    skep__copy_text(report->name, sizeof report->name, &b->name);
    skep__copy_text(report->state, sizeof report->state, &b->state);
    report->status.pid = (int32_t)b->pid;
    report->status.uptime_ms = b->uptime_ms;
    report->status.accepted = b->accepted;
    report->status.requests = b->requests;
    report->status.connections = b->connections;
    report->status.restarts = b->restarts;
}

static void take(void *context, const struct skep_command *command) {
    struct report *report = context;
    if (command->id == SKEP_COMMAND_brokerStatus) set_broker(report, &command->brokerStatus);
    else if (command->id == SKEP_COMMAND_groupStatus) add_group(report, &command->groupStatus);
    else if (command->id == SKEP_COMMAND_workerStatus) add_worker(report, &command->workerStatus);
    else if (command->id == SKEP_COMMAND_queueStatus) add_queue(report, &command->queueStatus);
}

static void set_pointers(struct report *report) {
    skep_broker_info *status = &report->status;
    status->name = report->name;
    status->state = report->state;
    for (size_t i = 0; i < status->group_count; i++) report->groups[i].name = report->group_texts[i].name;
    for (size_t i = 0; i < status->worker_count; i++) {
        report->workers[i].group = report->worker_texts[i].group;
        report->workers[i].name = report->worker_texts[i].name;
        report->workers[i].state = report->worker_texts[i].state;
    }
    for (size_t i = 0; i < status->queue_count; i++) report->queues[i].name = report->queue_texts[i].name;
    status->groups = report->groups;
    status->workers = report->workers;
    status->queues = report->queues;
}

static int read_part(struct report *report, int status, const void *data, size_t size_bytes) {
    if (status == SKEP_OK) return skep__client_read_answer(report->client, data, size_bytes, take, report);
    return skep__client_fail(report->client, status, "%s: no status: %s", report->client->instance.dir,
                             skep_strerror(status));
}

static void queues_answered(int status, const void *data, size_t size_bytes, void *context) {
    struct report *report = context;
    status = read_part(report, status, data, size_bytes);
    if (status == SKEP_OK && report->failed) status = SKEP_ENOMEM;
    if (status == SKEP_OK) set_pointers(report);
    end(report, status);
}

static void status_answered(int status, const void *data, size_t size_bytes, void *context) {
    struct report *report = context;
    struct skep_command command = {.id = SKEP_COMMAND_queues};
    command.queues.has = 0;
    status = read_part(report, status, data, size_bytes);
    if (status == SKEP_OK)
        status = skep__client_ask(report->client, &command, SKEP__CLIENT_TIMEOUT_MS, queues_answered, report);
    if (status != SKEP_OK) end(report, status);
}

int skep_client_status(skep_client *client, skep_status_cb callback, void *context) {
    struct skep_command command = {.id = SKEP_COMMAND_status};
    command.status.has = 0;
    struct report *report = calloc(1, sizeof *report);
    if (report == NULL) return skep__client_fail(client, SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    report->client = client;
    report->callback = callback;
    report->context = context;
    int status = skep__client_ask(client, &command, SKEP__CLIENT_TIMEOUT_MS, status_answered, report);
    if (status != SKEP_OK) {
        free(report);
        return status;
    }
    client->asks++;
    skep__client_update_due(client);
    return SKEP_OK;
}
