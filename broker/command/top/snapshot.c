/* SPDX-License-Identifier: MIT
 * How a hive is at one moment. */
#include <stdlib.h>
#include <string.h>

#include "command/top/model.h"
#include "common/text.h"

struct top_copy {
    struct top_copy *next;
    char data[];
};

/* Lets bytes, which are borrowed from the answer, be a copy with an end of its own. */
static int copy(struct top_snapshot *snapshot, struct skep_bytes *bytes) {
    struct top_copy *made = bytes->size_bytes > 0 ? malloc(sizeof *made + bytes->size_bytes + 1) : NULL;
    if (made == NULL) bytes->data = "";
    if (made == NULL) return bytes->size_bytes > 0 ? SKEP_ENOMEM : SKEP_OK;
    memcpy(made->data, bytes->data, bytes->size_bytes);
    made->data[bytes->size_bytes] = '\0';
    bytes->data = made->data;
    made->next = snapshot->copies;
    snapshot->copies = made;
    return SKEP_OK;
}

static int copy_fields(struct top_snapshot *snapshot, enum skep_command_id id, void *status) {
    int failed = SKEP_OK;
    for (const struct skep_field *field = skep__spec(id)->fields; failed == SKEP_OK && field->name != NULL; field++)
        if (field->type == SKEP_TYPE_STR || field->type == SKEP_TYPE_BIN)
            failed = copy(snapshot, (struct skep_bytes *)(void *)((char *)status + field->offset));
    return failed;
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

/* The status comes first in each item. */
static int add(struct top_snapshot *snapshot, void *items, size_t *count, size_t item_bytes,
               const struct skep_command *command) {
    void *item = one_more(items, count, item_bytes);
    if (item == NULL) return SKEP_ENOMEM;
    memcpy(item, &command->hello, skep__spec(command->id)->size_bytes); /* the first of the union */
    return copy_fields(snapshot, command->id, item);
}

static const char *const kinds[] = {"connection", "request", "job"};

const char *top_kind_name(enum top_kind kind) {
    return kinds[kind];
}

/* TOP_KINDS for what a later broker may measure */
static enum top_kind kind_of(struct skep_bytes what) {
    int kind = 0;
    while (kind < TOP_KINDS && !skep__text_is(what, kinds[kind])) kind++;
    return (enum top_kind)kind;
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
    struct skep_bytes *times = snapshot->broker.times;
    if (kind == TOP_KINDS) return SKEP_OK;
    if (SKEP_HAS(handlingStatus, from, worker)) {
        const struct top_worker *worker = top_find_worker(snapshot, from->worker, snapshot->timed);
        if (worker == NULL) return SKEP_OK;
        snapshot->timed = (size_t)(worker - snapshot->workers);
        times = snapshot->workers[snapshot->timed].times;
    }
    times[kind] = from->times;
    return copy(snapshot, &times[kind]);
}

int top_snapshot_add(struct top_snapshot *s, const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_brokerStatus:
        s->broker.status = command->brokerStatus;
        return copy_fields(s, command->id, &s->broker.status);
    case SKEP_COMMAND_workerStatus: return add(s, &s->workers, &s->workers_count, sizeof *s->workers, command);
    case SKEP_COMMAND_listenerStatus: return add(s, &s->listeners, &s->listeners_count, sizeof *s->listeners, command);
    case SKEP_COMMAND_queueStatus: return add(s, &s->queues, &s->queues_count, sizeof *s->queues, command);
    case SKEP_COMMAND_handlingStatus: return add_times(s, &command->handlingStatus);
    default: return SKEP_OK;
    }
}

uint64_t top_jobs_done(const struct top_snapshot *snapshot) {
    uint64_t done = 0;
    for (size_t i = 0; i < snapshot->queues_count; i++) done += snapshot->queues[i].status.done;
    return done;
}

void top_snapshot_free(struct top_snapshot *snapshot) {
    for (struct top_copy *first; (first = snapshot->copies) != NULL;) {
        snapshot->copies = first->next;
        free(first);
    }
    free(snapshot->workers);
    free(snapshot->listeners);
    free(snapshot->queues);
    *snapshot = (struct top_snapshot){0};
}
