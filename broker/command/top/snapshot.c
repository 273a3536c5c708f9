/* SPDX-License-Identifier: MIT
 * How a hive is at one moment. */
#include "command/top/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Room for copies of a command's bytes, each with an end of its own */
static size_t texts_size(const struct skep_field *fields, const char *status) {
    size_t size = 1;
    for (; fields->name != NULL; fields++)
        if (fields->type == SKEP_TYPE_STR || fields->type == SKEP_TYPE_BIN)
            size += ((const struct skep_bytes *)(status + fields->offset))->size_bytes + 1;
    return size;
}

/* Lets the bytes of a command, which are borrowed from the answer, be copies. */
static int own_texts(enum skep_command_id id, void *status, char **texts) {
    const struct skep_field *fields = skep__spec(id)->fields;
    char *to = *texts = malloc(texts_size(fields, status));
    if (to == NULL) return SKEP_ENOMEM;
    for (; fields->name != NULL; fields++) {
        struct skep_bytes *bytes = (struct skep_bytes *)((char *)status + fields->offset);
        if (fields->type != SKEP_TYPE_STR && fields->type != SKEP_TYPE_BIN) continue;
        if (bytes->size_bytes > 0) memcpy(to, bytes->data, bytes->size_bytes);
        to[bytes->size_bytes] = '\0';
        bytes->data = to;
        to += bytes->size_bytes + 1;
    }
    return SKEP_OK;
}

static int keep_times(struct skep_bytes *times, struct skep_bytes packed) {
    char *data = malloc(packed.size_bytes + 1);
    if (data == NULL) return SKEP_ENOMEM;
    if (packed.size_bytes > 0) memcpy(data, packed.data, packed.size_bytes);
    free((char *)times->data);
    *times = (struct skep_bytes){data, packed.size_bytes};
    return SKEP_OK;
}

/* One more of an array that doubles: its room is a power of two, which its count tells. */
static void *one_more(void *items, size_t *count, size_t item_bytes) {
    char *array = *(char **)items;
    if ((*count & (*count - 1)) == 0) {
        size_t room = *count == 0 ? 1 : 2 * *count;
        array = realloc(array, room * item_bytes);
        if (array == NULL) return NULL;
        *(char **)items = array;
    }
    return memset(array + (*count)++ * item_bytes, 0, item_bytes);
}

static int set_broker(struct top_broker *broker, const struct skep_command_brokerStatus *from) {
    free(broker->texts);
    broker->status = *from;
    return own_texts(SKEP_COMMAND_brokerStatus, &broker->status, &broker->texts);
}

static int add_worker(struct top_snapshot *snapshot, const struct skep_command_workerStatus *from) {
    struct top_worker *worker = one_more(&snapshot->workers, &snapshot->workers_count, sizeof *worker);
    if (worker == NULL) return SKEP_ENOMEM;
    worker->status = *from;
    return own_texts(SKEP_COMMAND_workerStatus, &worker->status, &worker->texts);
}

static int add_listener(struct top_snapshot *snapshot, const struct skep_command_listenerStatus *from) {
    struct top_listener *listener = one_more(&snapshot->listeners, &snapshot->listeners_count, sizeof *listener);
    if (listener == NULL) return SKEP_ENOMEM;
    listener->status = *from;
    return own_texts(SKEP_COMMAND_listenerStatus, &listener->status, &listener->texts);
}

static int add_queue(struct top_snapshot *snapshot, const struct skep_command_queueStatus *from) {
    struct top_queue *queue = one_more(&snapshot->queues, &snapshot->queues_count, sizeof *queue);
    if (queue == NULL) return SKEP_ENOMEM;
    queue->status = *from;
    return own_texts(SKEP_COMMAND_queueStatus, &queue->status, &queue->texts);
}

/* TOP_KINDS for what a later broker may measure */
static enum top_kind kind_of(struct skep_bytes what) {
    if (skep__text_is(what, "connection")) return TOP_CONNECTION;
    if (skep__text_is(what, "request")) return TOP_REQUEST;
    return skep__text_is(what, "job") ? TOP_JOB : TOP_KINDS;
}

const struct top_worker *top_find_worker(const struct top_snapshot *snapshot, uint64_t id, size_t hint) {
    for (size_t n = 0; n < snapshot->workers_count; n++) {
        const struct top_worker *worker = &snapshot->workers[(hint + n) % snapshot->workers_count];
        if (worker->status.worker == id) return worker;
    }
    return NULL;
}

const struct top_listener *top_find_listener(const struct top_snapshot *snapshot, const char *url) {
    for (size_t i = 0; i < snapshot->listeners_count; i++)
        if (strcmp(snapshot->listeners[i].status.url.data, url) == 0) return &snapshot->listeners[i];
    return NULL;
}

const struct top_queue *top_find_queue(const struct top_snapshot *snapshot, const char *name) {
    for (size_t i = 0; i < snapshot->queues_count; i++)
        if (strcmp(snapshot->queues[i].status.name.data, name) == 0) return &snapshot->queues[i];
    return NULL;
}

/* They come in the order of the workers, so the next is near the latest. A worker that is not there has just left. */
static int add_times(struct top_snapshot *snapshot, const struct skep_command_handlingStatus *from) {
    enum top_kind kind = kind_of(from->what);
    if (kind == TOP_KINDS) return SKEP_OK;
    if (!SKEP_HAS(handlingStatus, from, worker)) return keep_times(&snapshot->broker.times[kind], from->times);
    const struct top_worker *worker = top_find_worker(snapshot, from->worker, snapshot->timed);
    if (worker == NULL) return SKEP_OK;
    snapshot->timed = (size_t)(worker - snapshot->workers);
    return keep_times(&snapshot->workers[snapshot->timed].times[kind], from->times);
}

int top_snapshot_add(struct top_snapshot *snapshot, const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_brokerStatus: return set_broker(&snapshot->broker, &command->brokerStatus);
    case SKEP_COMMAND_workerStatus: return add_worker(snapshot, &command->workerStatus);
    case SKEP_COMMAND_listenerStatus: return add_listener(snapshot, &command->listenerStatus);
    case SKEP_COMMAND_queueStatus: return add_queue(snapshot, &command->queueStatus);
    case SKEP_COMMAND_handlingStatus: return add_times(snapshot, &command->handlingStatus);
    default: return SKEP_OK;
    }
}

uint64_t top_jobs_done(const struct top_snapshot *snapshot) {
    uint64_t done = 0;
    for (size_t i = 0; i < snapshot->queues_count; i++) done += snapshot->queues[i].status.done;
    return done;
}

static void free_kinds(const struct skep_bytes times[TOP_KINDS]) {
    for (int kind = 0; kind < TOP_KINDS; kind++) free((char *)times[kind].data);
}

void top_snapshot_free(struct top_snapshot *snapshot) {
    free_kinds(snapshot->broker.times);
    free(snapshot->broker.texts);
    for (size_t i = 0; i < snapshot->workers_count; i++) {
        free_kinds(snapshot->workers[i].times);
        free(snapshot->workers[i].texts);
    }
    for (size_t i = 0; i < snapshot->listeners_count; i++) free(snapshot->listeners[i].texts);
    for (size_t i = 0; i < snapshot->queues_count; i++) free(snapshot->queues[i].texts);
    free(snapshot->workers);
    free(snapshot->listeners);
    free(snapshot->queues);
    *snapshot = (struct top_snapshot){0};
}
