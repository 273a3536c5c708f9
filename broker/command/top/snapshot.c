/* SPDX-License-Identifier: MIT
 * How a hive is at one moment. */
#include "command/top/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Copies text that may not be terminated; room is enough for what the protocol allows. */
static void copy(char *to, size_t room, struct skep_bytes from) {
    size_t size = from.size_bytes < room ? from.size_bytes : room - 1;
    if (size > 0) memcpy(to, from.data, size);
    to[size] = '\0';
}

static int keep_times(struct top_times *times, struct skep_bytes packed) {
    char *data = malloc(packed.size_bytes + 1);
    if (data == NULL) return SKEP_ENOMEM;
    if (packed.size_bytes > 0) memcpy(data, packed.data, packed.size_bytes);
    free(times->data);
    *times = (struct top_times){.data = data, .size_bytes = packed.size_bytes};
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

#define VALUE_OR_0(command, from, field) (SKEP_HAS(command, from, field) ? (from)->field : 0)

static void take_broker(struct top_broker *broker, const struct skep_command_brokerStatus *from) {
    copy(broker->name, sizeof broker->name, from->name);
    copy(broker->state, sizeof broker->state, from->state);
    copy(broker->policy, sizeof broker->policy, from->policy);
    broker->pid = (int)from->pid;
    broker->uptime_ms = from->uptime_ms;
    broker->news_seq = from->newsSeq;
    broker->accepted = from->accepted;
    broker->requests = from->requests;
    broker->connections = from->connections;
    broker->restarts = from->restarts;
    broker->has_wanted = SKEP_HAS(brokerStatus, from, wanted);
    broker->wanted = (uint32_t)VALUE_OR_0(brokerStatus, from, wanted);
    broker->has_breaker = SKEP_HAS(brokerStatus, from, breaker_ms);
    broker->breaker_ms = VALUE_OR_0(brokerStatus, from, breaker_ms);
    broker->has_reload = SKEP_HAS(brokerStatus, from, reloadSteps);
    broker->reload_step = (uint32_t)VALUE_OR_0(brokerStatus, from, reloadStep);
    broker->reload_steps = (uint32_t)VALUE_OR_0(brokerStatus, from, reloadSteps);
}

static int add_worker(struct top_snapshot *snapshot, const struct skep_command_workerStatus *from) {
    struct top_worker *worker = one_more(&snapshot->workers, &snapshot->workers_count, sizeof *worker);
    if (worker == NULL) return SKEP_ENOMEM;
    worker->id = (uint32_t)from->worker;
    worker->pid = (int)from->pid;
    if (SKEP_HAS(workerStatus, from, name)) copy(worker->name, sizeof worker->name, from->name);
    copy(worker->state, sizeof worker->state, from->state);
    worker->uptime_ms = from->uptime_ms;
    worker->restarts = from->restarts;
    worker->connections = from->connections;
    worker->accepted = from->accepted;
    worker->requests = from->requests;
    worker->rss_bytes = from->rss_bytes;
    worker->has_cpu = SKEP_HAS(workerStatus, from, cpu_ms);
    worker->cpu_ms = VALUE_OR_0(workerStatus, from, cpu_ms);
    worker->jobs = VALUE_OR_0(workerStatus, from, jobs);
    worker->jobs_done = VALUE_OR_0(workerStatus, from, jobsDone);
    worker->untaken = VALUE_OR_0(workerStatus, from, untaken);
    worker->has_drain = SKEP_HAS(workerStatus, from, drain_ms);
    worker->drain_ms = VALUE_OR_0(workerStatus, from, drain_ms);
    return SKEP_OK;
}

static int add_listener(struct top_snapshot *snapshot, const struct skep_command_listenerStatus *from) {
    struct top_listener *listener = one_more(&snapshot->listeners, &snapshot->listeners_count, sizeof *listener);
    if (listener == NULL) return SKEP_ENOMEM;
    copy(listener->url, sizeof listener->url, from->url);
    if (SKEP_HAS(listenerStatus, from, name)) copy(listener->name, sizeof listener->name, from->name);
    listener->accepted = from->accepted;
    listener->queued = from->queued;
    listener->paused = from->paused;
    listener->resting = VALUE_OR_0(listenerStatus, from, resting);
    return SKEP_OK;
}

static int add_queue(struct top_snapshot *snapshot, const struct skep_command_queueStatus *from) {
    struct top_queue *queue = one_more(&snapshot->queues, &snapshot->queues_count, sizeof *queue);
    if (queue == NULL) return SKEP_ENOMEM;
    copy(queue->name, sizeof queue->name, from->name);
    queue->workers = from->workers;
    queue->ready = from->ready;
    queue->reserved = from->reserved;
    queue->delayed = from->delayed;
    queue->dead = from->dead;
    queue->done = from->done;
    queue->paused = VALUE_OR_0(queueStatus, from, paused);
    return SKEP_HAS(queueStatus, from, times) ? keep_times(&queue->times, from->times) : SKEP_OK;
}

/* TOP_KINDS for what a later broker may measure */
static enum top_kind kind_of(struct skep_bytes what) {
    if (skep__text_is(what, "connection")) return TOP_CONNECTION;
    if (skep__text_is(what, "request")) return TOP_REQUEST;
    return skep__text_is(what, "job") ? TOP_JOB : TOP_KINDS;
}

const struct top_worker *top_find_worker(const struct top_snapshot *snapshot, uint32_t id, size_t hint) {
    for (size_t n = 0; n < snapshot->workers_count; n++) {
        const struct top_worker *worker = &snapshot->workers[(hint + n) % snapshot->workers_count];
        if (worker->id == id) return worker;
    }
    return NULL;
}

const struct top_listener *top_find_listener(const struct top_snapshot *snapshot, const char *url) {
    for (size_t i = 0; i < snapshot->listeners_count; i++)
        if (strcmp(snapshot->listeners[i].url, url) == 0) return &snapshot->listeners[i];
    return NULL;
}

const struct top_queue *top_find_queue(const struct top_snapshot *snapshot, const char *name) {
    for (size_t i = 0; i < snapshot->queues_count; i++)
        if (strcmp(snapshot->queues[i].name, name) == 0) return &snapshot->queues[i];
    return NULL;
}

/* They come in the order of the workers, so the next is near the latest. A worker that is not there has just left. */
static int add_times(struct top_snapshot *snapshot, const struct skep_command_handlingStatus *from) {
    enum top_kind kind = kind_of(from->what);
    if (kind == TOP_KINDS) return SKEP_OK;
    if (!SKEP_HAS(handlingStatus, from, worker)) return keep_times(&snapshot->broker.times[kind], from->times);
    const struct top_worker *worker = top_find_worker(snapshot, (uint32_t)from->worker, snapshot->timed);
    if (worker == NULL) return SKEP_OK;
    snapshot->timed = (size_t)(worker - snapshot->workers);
    return keep_times(&snapshot->workers[snapshot->timed].times[kind], from->times);
}

int top_snapshot_add(struct top_snapshot *snapshot, const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_brokerStatus: take_broker(&snapshot->broker, &command->brokerStatus); return SKEP_OK;
    case SKEP_COMMAND_workerStatus: return add_worker(snapshot, &command->workerStatus);
    case SKEP_COMMAND_listenerStatus: return add_listener(snapshot, &command->listenerStatus);
    case SKEP_COMMAND_queueStatus: return add_queue(snapshot, &command->queueStatus);
    case SKEP_COMMAND_handlingStatus: return add_times(snapshot, &command->handlingStatus);
    default: return SKEP_OK;
    }
}

uint64_t top_jobs_done(const struct top_snapshot *snapshot) {
    uint64_t done = 0;
    for (size_t i = 0; i < snapshot->queues_count; i++) done += snapshot->queues[i].done;
    return done;
}

static void free_kinds(struct top_times times[TOP_KINDS]) {
    for (int kind = 0; kind < TOP_KINDS; kind++) free(times[kind].data);
}

void top_snapshot_free(struct top_snapshot *snapshot) {
    free_kinds(snapshot->broker.times);
    for (size_t i = 0; i < snapshot->workers_count; i++) free_kinds(snapshot->workers[i].times);
    for (size_t i = 0; i < snapshot->queues_count; i++) free(snapshot->queues[i].times.data);
    free(snapshot->workers);
    free(snapshot->listeners);
    free(snapshot->queues);
    *snapshot = (struct top_snapshot){0};
}
