/* SPDX-License-Identifier: MIT
 * How everything is: the answers to status and to queues, put together. */
#include "client/private.h"
#include "common/text.h"

enum { TEXT_BYTES = 1024 /* taken at a time for names and states */ };

/* The answer as it grows */
struct report {
    skep_client *client;
    skep_status_cb callback;
    void *context;
    bool failed; /* out of memory */
    skep_broker_info status;
    skep_group_info *groups;
    skep_worker_info *workers;
    skep_queue_info *queues;
    msgpack_zone texts; /* that these point to */
};

static void free_report(struct report *report) {
    free(report->groups);
    free(report->workers);
    free(report->queues);
    msgpack_zone_destroy(&report->texts);
    free(report);
}

static void end(struct report *report, int status) {
    skep_client *client = report->client;
    client->asks--;
    report->callback(client, status, status == SKEP_OK ? &report->status : NULL, report->context);
    free_report(report);
    skep__client_update_due(client);
}

static const char *keep(struct report *report, const struct skep_bytes *text) {
    char *copy = msgpack_zone_malloc_no_align(&report->texts, text->size_bytes + 1);
    if (copy != NULL) skep__copy_text(copy, text->size_bytes + 1, text);
    else report->failed = true;
    return copy;
}

/* A place for one more item of an array, whose size is a power of two; NULL: out of memory. */
static void *add(struct report *report, void *array, size_t *count, size_t item_bytes) {
    void **items = array;
    if ((*count & (*count - 1)) == 0) {
        void *grown = realloc(*items, (*count > 0 ? *count * 2 : 1) * item_bytes);
        report->failed = report->failed || grown == NULL;
        if (grown == NULL) return NULL;
        *items = grown;
    }
    return (char *)*items + (*count)++ * item_bytes;
}

static void add_group(struct report *report, const struct skep_command_groupStatus *g) {
    skep_group_info *info = add(report, &report->groups, &report->status.group_count, sizeof *info);
    if (info == NULL) return;
    *info = (skep_group_info){.name = keep(report, &g->name),
                              .wanted = (uint32_t)g->wanted,
                              .workers = (uint32_t)g->workers,
                              .ready = (uint32_t)g->ready,
                              .restarts = g->restarts,
                              .broken = SKEP_HAS(groupStatus, g, breaker_ms)};
}

static void add_worker(struct report *report, const struct skep_command_workerStatus *w) {
    skep_worker_info *info = add(report, &report->workers, &report->status.worker_count, sizeof *info);
    if (info == NULL) return;
    *info = (skep_worker_info){.id = (uint32_t)w->worker,
                               .pid = (int32_t)w->pid,
                               .name = keep(report, &w->name),
                               .group = keep(report, &w->group),
                               .state = keep(report, &w->state),
                               .uptime_ms = w->uptime_ms,
                               .connections = w->connections,
                               .accepted = w->accepted,
                               .requests = w->requests};
}

static void add_queue(struct report *report, const struct skep_command_queueStatus *q) {
    skep_queue_info *info = add(report, &report->queues, &report->status.queue_count, sizeof *info);
    if (info == NULL) return;
    *info = (skep_queue_info){.name = keep(report, &q->name),
                              .workers = q->workers,
                              .ready = q->ready,
                              .reserved = q->reserved,
                              .delayed = q->delayed,
                              .dead = q->dead,
                              .submitted = q->submitted,
                              .done = q->done,
                              .redelivered = q->redelivered,
                              .unhandled = q->unhandled,
                              .oldest_ms = q->oldest_ms};
}

static void set_broker(struct report *report, const struct skep_command_brokerStatus *b) {
    report->status.name = keep(report, &b->name);
    report->status.state = keep(report, &b->state);
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

static int read_part(struct report *report, int status, const void *data, size_t size_bytes) {
    if (status == SKEP_OK) return skep__client_read_answer(report->client, data, size_bytes, take, report);
    return skep__client_fail(report->client, status, "%s: no status: %s", report->client->instance.dir,
                             skep_strerror(status));
}

static void queues_answered(int status, const void *data, size_t size_bytes, void *context) {
    struct report *report = context;
    status = read_part(report, status, data, size_bytes);
    if (status == SKEP_OK && report->failed) status = SKEP_ENOMEM;
    report->status.groups = report->groups;
    report->status.workers = report->workers;
    report->status.queues = report->queues;
    end(report, status);
}

static void status_answered(int status, const void *data, size_t size_bytes, void *context) {
    struct report *report = context;
    struct skep_command command = {.id = SKEP_COMMAND_queues, .queues = {0}};
    status = read_part(report, status, data, size_bytes);
    if (status == SKEP_OK)
        status = skep__client_ask(report->client, &command, SKEP__CLIENT_TIMEOUT_MS, queues_answered, report);
    if (status != SKEP_OK) end(report, status);
}

int skep_client_status(skep_client *client, skep_status_cb callback, void *context) {
    struct skep_command command = {.id = SKEP_COMMAND_status, .status = {0}};
    struct report *report = calloc(1, sizeof *report);
    if (report == NULL || !msgpack_zone_init(&report->texts, TEXT_BYTES)) {
        free(report);
        return skep__client_fail(client, SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    }
    report->client = client;
    report->callback = callback;
    report->context = context;
    report->status.name = report->status.state = "";
    int status = skep__client_ask(client, &command, SKEP__CLIENT_TIMEOUT_MS, status_answered, report);
    if (status != SKEP_OK) {
        free_report(report);
        return status;
    }
    client->asks++;
    skep__client_update_due(client);
    return SKEP_OK;
}
