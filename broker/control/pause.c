/* SPDX-License-Identifier: MIT
 * Pausing, by an operator or the primary: a listener that rests accepts nothing, a queue that is paused hands nothing
 * out, until it is resumed. What was accepted or delivered before is not affected. */
#include "control/pause.h"

#include <stdio.h>
#include <string.h>

#include "connections/handoff.h"
#include "connections/listener.h"
#include "jobs/ledger.h"
#include "journal/event.h"
#include "worker/life.h"

/* --- listeners --- */

struct skep_command skep__rest_command(const struct skep__listener *listener) {
    struct skep_command command = {.id = SKEP_COMMAND_rest};
    command.rest = (struct skep_command_rest){.listener = listener->number, .paused = listener->resting};
    return command;
}

static void tell_workers(const struct skep__listener *listener) {
    struct skep_command command = skep__rest_command(listener);
    struct skep__seat *seat;
    LIST_FOREACH(seat, &listener->seats, of_listener) {
        skep__tell(seat->child, &command, NULL, -1);
    }
}

void skep__listener_set_resting(struct skep__listener *listener, bool resting) {
    if (listener->resting == resting) return;
    listener->resting = resting;
    skep__listener_update(listener);
    if (skep__listener_workers_accept(listener)) tell_workers(listener);
}

/* By its name, by where it is bound, or as it was asked for: there may be several of these, as with port 0. */
static bool is_called(const struct skep__listener *listener, const char *name) {
    size_t length = strlen(name);
    if (strcmp(listener->name, name) == 0 || strcmp(listener->url, name) == 0) return true;
    return strncmp(listener->key, name, length) == 0 && listener->key[length] == '#';
}

static void emit_listener(const struct skep__listener *listener) {
    char reason[SKEP_MAX_REASON + 1];
    bool named = listener->name[0] != '\0';
    skep_event event = skep__event(listener->resting ? SKEP_EVENT_PAUSE : SKEP_EVENT_RESUME, NULL);
    snprintf(reason, sizeof reason, "%s%s%s%s %s", named ? listener->name : "", named ? " (" : "", listener->url,
             named ? ")" : "", listener->resting ? "accepts nothing until it is resumed" : "accepts again");
    event.url = listener->url;
    event.reason = reason;
    skep__emit_later(listener->cluster, &event);
}

int skep_cluster_pause_listener(skep_cluster *cluster, const char *name, bool paused) {
    struct skep__listener *l;
    bool found = false;
    LIST_FOREACH(l, &cluster->listeners, entry) {
        if (name[0] == '\0' || !is_called(l, name)) continue;
        found = true;
        if (l->resting == paused) continue;
        skep__listener_set_resting(l, paused);
        emit_listener(l);
    }
    if (!paused) skep__listeners_prune(cluster); /* its workers may have left meanwhile */
    return found ? SKEP_OK : skep__broker_fail(cluster, SKEP_ENOLISTENER, "%s: no listener has this name or URL", name);
}

/* --- queues --- */

static void emit_queue(skep_cluster *cluster, const struct skep__queue *queue) {
    char reason[SKEP_MAX_REASON + 1];
    skep_event event = skep__event(queue->paused ? SKEP_EVENT_PAUSE : SKEP_EVENT_RESUME, NULL);
    snprintf(reason, sizeof reason, "queue %s hands out %s", queue->name,
             queue->paused ? "nothing until it is resumed" : "jobs again");
    event.queue = queue->name;
    event.reason = reason;
    skep__emit_later(cluster, &event);
}

int skep_cluster_pause_queue(skep_cluster *cluster, const char *name, bool paused) {
    struct skep__queue *queue = NULL;
    if (cluster->store != NULL) queue = cluster->store->kind->queue(cluster->store, name, strlen(name), false);
    if (queue == NULL) return skep__broker_fail(cluster, SKEP_ENOQUEUE, "%s: no such queue", name);
    if (queue->paused == paused) return SKEP_OK;
    queue->paused = paused;
    skep__dispatch_jobs(cluster, queue);
    emit_queue(cluster, queue);
    return SKEP_OK;
}
