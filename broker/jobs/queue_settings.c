/* SPDX-License-Identifier: MIT
 * Settings of single queues. They are kept here, so that they can be given before there is a store. */
#include "jobs/queue_settings.h"
#include "base/why.h"

#include <stdlib.h>
#include <string.h>

#include "common/queue_options.h"
#include "jobs/ledger.h"

struct skep__queue_settings {
    SLIST_ENTRY(skep__queue_settings) entry;
    char name[SKEP_MAX_NAME + 1];
    skep_queue_options options;
};

static int apply(skep_cluster *cluster, const struct skep__queue_settings *settings) {
    struct skep__queue *queue = skep__queues_get(cluster->queues, settings->name, strlen(settings->name));
    if (queue == NULL) return cluster->queues->failure;
    queue->options = settings->options;
    queue->has_settings = true;
    return SKEP_OK;
}

int skep__queue_settings_apply(skep_cluster *cluster) {
    const struct skep__queue_settings *settings;
    int status = SKEP_OK;
    SLIST_FOREACH(settings, &cluster->queue_settings, entry)
    if (status == SKEP_OK) status = apply(cluster, settings);
    return status;
}

void skep__queue_settings_free(skep_cluster *cluster) {
    for (struct skep__queue_settings *settings; (settings = SLIST_FIRST(&cluster->queue_settings)) != NULL;) {
        SLIST_REMOVE_HEAD(&cluster->queue_settings, entry);
        free(settings);
    }
}

static struct skep__queue_settings *find(const skep_cluster *cluster, const char *name) {
    struct skep__queue_settings *settings;
    SLIST_FOREACH(settings, &cluster->queue_settings, entry) if (strcmp(settings->name, name) == 0) return settings;
    return NULL;
}

static struct skep__queue_settings *add(skep_cluster *cluster, const char *name) {
    struct skep__queue_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL) return NULL;
    memcpy(settings->name, name, strlen(name) + 1);
    SLIST_INSERT_HEAD(&cluster->queue_settings, settings, entry);
    return settings;
}

/* For what workers have, and what is ready. */
static void begin_to_hold(skep_cluster *cluster, const char *name) {
    struct skep__queue *queue = skep__queues_find(cluster->queues, name, strlen(name));
    skep__consumers_reset(queue);
    skep__dispatch_jobs(cluster, queue);
}

int skep_setup_queue(skep_cluster *cluster, const char *name, const skep_queue_options *options) {
    skep_queue_options taken;
    char why[SKEP_MAX_REASON + 1];
    int status = skep__queue_options_take(name, options, &taken, why);
    if (status != SKEP_OK) return skep__broker_fail(cluster, status, "%s", why);
    struct skep__queue_settings *settings = find(cluster, name);
    if (settings == NULL) settings = add(cluster, name);
    if (settings == NULL) return skep__broker_fail(cluster, SKEP_ENOMEM, "%s: %s", name, skep_strerror(SKEP_ENOMEM));
    settings->options = taken;
    if (cluster->store == NULL) return SKEP_OK;
    status = apply(cluster, settings);
    if (status != SKEP_OK) return skep__broker_fail(cluster, status, "%s: %s", name, skep_strerror(status));
    begin_to_hold(cluster, name);
    return SKEP_OK;
}
