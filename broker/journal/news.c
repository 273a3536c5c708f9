/* SPDX-License-Identifier: MIT
 * The news. */
#include <string.h>

#include "journal/private.h"

enum { KEPT_ITEMS = 4096, KEPT_BYTES = 2 * 1024 * 1024 /* so that all of them and a newsEnd fit into one answer */ };

struct skep__news_item {
    STAILQ_ENTRY(skep__news_item) entry;
    uint64_t seq;
    size_t size_bytes;
    char data[];
};

static void drop_oldest(struct skep__journal *journal) {
    struct skep__news_item *oldest = STAILQ_FIRST(&journal->items);
    STAILQ_REMOVE_HEAD(&journal->items, entry);
    journal->item_count--;
    journal->item_bytes -= oldest->size_bytes;
    free(oldest);
}

static int keep(struct skep__journal *journal, uint64_t seq, const struct skep_frame *packed) {
    struct skep__news_item *item = malloc(sizeof *item + packed->size_bytes);
    if (item == NULL) return SKEP_ENOMEM;
    item->seq = seq;
    item->size_bytes = packed->size_bytes;
    memcpy(item->data, packed->data, packed->size_bytes);
    STAILQ_INSERT_TAIL(&journal->items, item, entry);
    journal->item_count++;
    journal->item_bytes += item->size_bytes;
    while (journal->item_count > KEPT_ITEMS || (journal->item_bytes > KEPT_BYTES && journal->item_count > 1))
        drop_oldest(journal);
    return SKEP_OK;
}

/* The command's number must be seq + 1. It counts as published even if the sockets are behind: the gap is
 * repaired. */
static int publish(skep_cluster *cluster, const struct skep_command *command) {
    struct skep__journal *journal = cluster->journal;
    if (!cluster->started) return SKEP_OK;
    skep__frame_clear(&cluster->scratch);
    int status = skep__frame_add(&cluster->scratch, command);
    if (status == SKEP_OK) status = keep(journal, journal->seq + 1, &cluster->scratch);
    if (status != SKEP_OK) return status;
    journal->seq++;
    skep__trace_command(cluster->trace, SKEP__TRACE_WIRE, "> news", 0, command);
    status = skep__outlet_append(journal->news, cluster->scratch.data, cluster->scratch.size_bytes);
    return status == SKEP_EAGAIN ? SKEP_OK : status;
}

static void add_exit(struct skep_command_event *e, const skep_event *event) {
    if (event->code >= 0) SKEP_SET(event, e, code, (uint64_t)event->code);
    if (event->signal >= 0) SKEP_SET(event, e, signal, (uint64_t)event->signal);
    if (event->delay_ms >= 0) SKEP_SET(event, e, delay_ms, (uint64_t)event->delay_ms);
    SKEP_SET(event, e, uptime_ms, event->uptime_ms);
}

void skep__news_event(skep_cluster *cluster, const skep_event *event) {
    struct skep_command command = {.id = SKEP_COMMAND_event};
    struct skep_command_event *e = &command.event;
    *e = (struct skep_command_event){
        .seq = cluster->journal->seq + 1, .time = skep__wall_ms(), .event = skep__text(skep_event_name(event->kind))};
    if (event->child != NULL) {
        SKEP_SET(event, e, worker, event->child->id);
        SKEP_SET(event, e, pid, (uint64_t)event->child->pid);
    }
    if (event->group != NULL && cluster->group_count > 1) SKEP_SET(event, e, group, skep__text(event->group));
    if (event->kind == SKEP_EVENT_EXIT) add_exit(e, event);
    if (event->reason != NULL) SKEP_SET(event, e, reason, skep__text(event->reason));
    if (event->url != NULL) SKEP_SET(event, e, url, skep__text(event->url));
    if (event->queue != NULL) SKEP_SET(event, e, queue, skep__text(event->queue));
    if (event->phase != NULL) SKEP_SET(event, e, phase, skep__text(event->phase));
    if (event->kind == SKEP_EVENT_RELOAD || event->kind == SKEP_EVENT_SCALE) {
        SKEP_SET(event, e, step, event->step);
        SKEP_SET(event, e, steps, event->steps);
    }
    if (event->kind == SKEP_EVENT_RELOAD) SKEP_SET(event, e, request, event->request);
    if (event->requests > 1) SKEP_SET(event, e, requests, event->requests);
    if (publish(cluster, &command) != SKEP_OK) return; /* out of memory: not published, without other effects */
}

int skep__news_broadcast(skep_cluster *cluster, uint32_t from, const struct skep_bytes *name,
                         const struct skep_bytes *data) {
    struct skep_command command = {.id = SKEP_COMMAND_broadcast};
    struct skep_command_broadcast *b = &command.broadcast;
    *b = (struct skep_command_broadcast){.seq = cluster->journal->seq + 1, .from = from, .name = *name};
    if (data->size_bytes > 0) SKEP_SET(broadcast, b, data, *data);
    if (!skep__memory_allows(cluster, data->size_bytes)) return SKEP_ENOMEM;
    return publish(cluster, &command);
}

void skep__news_totals(skep_cluster *cluster, const struct skep_command_brokerStatus *status) {
    struct skep_command command = {.id = SKEP_COMMAND_totals};
    command.totals = (struct skep_command_totals){.seq = cluster->journal->seq + 1,
                                                  .accepted = status->accepted,
                                                  .requests = status->requests,
                                                  .connections = status->connections,
                                                  .restarts = status->restarts};
    if (publish(cluster, &command) != SKEP_OK) return; /* the next interval will tell */
}

static int add_end(skep_cluster *cluster, uint64_t lost, int (*add)(void *, const void *, size_t), void *context) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = cluster->journal->seq}};
    struct skep_command_newsEnd *end = &command.newsEnd;
    if (lost > 0) SKEP_SET(newsEnd, end, lost, lost);
    skep__frame_clear(&cluster->scratch);
    int status = skep__frame_add(&cluster->scratch, &command);
    return status == SKEP_OK ? add(context, cluster->scratch.data, cluster->scratch.size_bytes) : status;
}

int skep__news_since(skep_cluster *cluster, uint64_t seq,
                     int (*add)(void *context, const void *data, size_t size_bytes), void *context) {
    const struct skep__news_item *item = STAILQ_FIRST(&cluster->journal->items);
    uint64_t oldest = item != NULL ? item->seq : cluster->journal->seq + 1;
    int status = SKEP_OK;
    STAILQ_FOREACH(item, &cluster->journal->items, entry) {
        if (item->seq <= seq) continue;
        status = add(context, item->data, item->size_bytes);
        if (status != SKEP_OK) return status;
    }
    return status == SKEP_OK ? add_end(cluster, oldest > seq ? oldest - seq - 1 : 0, add, context) : status;
}

uint64_t skep__news_latest(const skep_cluster *cluster) {
    return cluster->journal->seq;
}

void skep__news_free(struct skep__journal *journal) {
    while (!STAILQ_EMPTY(&journal->items)) drop_oldest(journal);
}
