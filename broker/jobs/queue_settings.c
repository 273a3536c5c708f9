/* SPDX-License-Identifier: MIT
 * Settings of single queues. They are kept here, so that they can be given before there is a store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue_options.h"
#include "jobs/private.h"

struct skep__queue_settings {
    SLIST_ENTRY(skep__queue_settings) entry;
    char name[SKEP_MAX_NAME + 1];
    skep_queue_options options;
};

static int apply(struct skep__jobs *jobs, const struct skep__queue_settings *settings) {
    struct skep__queue *queue = skep__queues_get(jobs->queues, settings->name, strlen(settings->name));
    if (queue == NULL) return jobs->queues->failure;
    queue->options = settings->options;
    queue->has_settings = true;
    bool can = jobs->store->kind->restore != NULL;
    bool wants = queue->options.durable == SKEP_DURABLE ||
                 (queue->options.durable == SKEP_DURABLE_AS_SET && jobs->queues->durable);
    if (can) queue->shelf->durable = wants;
    return SKEP_OK;
}

bool skep__jobs_want_disk(const struct skep__jobs *jobs) {
    const struct skep__queue_settings *settings;
    SLIST_FOREACH(settings, &jobs->queue_settings, entry) if (settings->options.durable == SKEP_DURABLE) return true;
    return false;
}

int skep__queue_settings_apply(struct skep__jobs *jobs) {
    const struct skep__queue_settings *settings;
    int status = SKEP_OK;
    SLIST_FOREACH(settings, &jobs->queue_settings, entry)
    if (status == SKEP_OK) status = apply(jobs, settings);
    return status;
}

void skep__queue_settings_free(struct skep__jobs *jobs) {
    for (struct skep__queue_settings *settings; (settings = SLIST_FIRST(&jobs->queue_settings)) != NULL;) {
        SLIST_REMOVE_HEAD(&jobs->queue_settings, entry);
        free(settings);
    }
}

static struct skep__queue_settings *find(const struct skep__jobs *jobs, const char *name) {
    struct skep__queue_settings *settings;
    SLIST_FOREACH(settings, &jobs->queue_settings, entry) if (strcmp(settings->name, name) == 0) return settings;
    return NULL;
}

static struct skep__queue_settings *add(struct skep__jobs *jobs, const char *name) {
    struct skep__queue_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL) return NULL;
    memcpy(settings->name, name, strlen(name) + 1);
    SLIST_INSERT_HEAD(&jobs->queue_settings, settings, entry);
    return settings;
}

/* For what workers have, and what is ready. */
static void begin_to_hold(struct skep__jobs *jobs, const char *name) {
    struct skep__queue *queue = skep__queues_find(jobs->queues, name, strlen(name));
    skep__consumers_reset(queue);
    skep__jobs_dispatch_queue(jobs, queue);
}

static int set_up(struct skep__jobs *jobs, const char *name, const skep_queue_options *options) {
    struct skep__queue_settings *settings = find(jobs, name);
    if (settings == NULL) settings = add(jobs, name);
    if (settings == NULL) return SKEP_ENOMEM;
    settings->options = *options;
    if (jobs->store == NULL) return SKEP_OK;
    int status = apply(jobs, settings);
    if (status == SKEP_OK) begin_to_hold(jobs, name);
    return status;
}

int skep__jobs_set_up_queue(struct skep__jobs *jobs, const char *name, const skep_queue_options *options,
                            char why[SKEP_MAX_REASON + 1]) {
    skep_queue_options taken;
    int status = skep__queue_options_take(name, options, &taken, why);
    if (status != SKEP_OK) return status;
    bool too_late = taken.durable == SKEP_DURABLE && jobs->loop != NULL && jobs->store != NULL &&
                    jobs->store->kind->restore == NULL;
    if (too_late) {
        snprintf(why, SKEP_MAX_REASON + 1, "%s: durable: this broker keeps no jobs on a disk; start it with --jobs DIR",
                 name);
        return SKEP_EINVAL;
    }
    status = set_up(jobs, name, &taken);
    if (status != SKEP_OK) snprintf(why, SKEP_MAX_REASON + 1, "%.*s: %s", SKEP_MAX_NAME, name, skep_strerror(status));
    return status;
}
