/* SPDX-License-Identifier: MIT
 * Settings of single queues. They are kept here, so that they can be given before there is a store. */
#include "queue_settings.h"

#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "settings.h"

struct skep__queue_settings {
    SLIST_ENTRY(skep__queue_settings) entry;
    char name[SKEP_MAX_NAME + 1];
    skep_queue_options options;
};

static int apply(skep_cluster *cluster, const struct skep__queue_settings *settings) {
    struct skep__store *store = cluster->store;
    struct skep__queue *queue = store->kind->queue(store, settings->name, strlen(settings->name), true);
    if (queue == NULL) return store->failure;
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

static int check(skep_cluster *cluster, const char *name, const skep_queue_options *options) {
    if (name[0] == '\0' || strlen(name) > SKEP_MAX_NAME)
        return skep__broker_fail(cluster, SKEP_EINVAL, "'%s': a queue's name has 1 to %d bytes", name, SKEP_MAX_NAME);
    if (options->attempts > UINT16_MAX || options->interruptions > UINT16_MAX)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%s: %u attempts, %u interruptions: at most %d", name,
                                 options->attempts, options->interruptions, UINT16_MAX);
    if (options->backoff_max_ms != 0 && options->backoff_max_ms < options->backoff_ms)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%s: a backoff from %u to %u ms: the first is the shorter one",
                                 name, options->backoff_ms, options->backoff_max_ms);
    return skep__settings_check_lease(cluster, options->lease_ms);
}

/* For what workers have, and what is ready. */
static void begin_to_hold(skep_cluster *cluster, const char *name) {
    struct skep__queue *queue = cluster->store->kind->queue(cluster->store, name, strlen(name), false);
    skep__consumers_reset(queue);
    skep__dispatch_jobs(cluster, queue);
}

int skep_setup_queue(skep_cluster *cluster, const char *name, const skep_queue_options *options) {
    int status = check(cluster, name, options);
    if (status != SKEP_OK) return status;
    struct skep__queue_settings *settings = find(cluster, name);
    if (settings == NULL) settings = add(cluster, name);
    if (settings == NULL) return skep__broker_fail(cluster, SKEP_ENOMEM, "%s: %s", name, skep_strerror(SKEP_ENOMEM));
    settings->options = *options;
    if (options->backoff_max_ms == 0) settings->options.backoff_max_ms = options->backoff_ms;
    if (cluster->store == NULL) return SKEP_OK;
    status = apply(cluster, settings);
    if (status != SKEP_OK) return skep__broker_fail(cluster, status, "%s: %s", name, skep_strerror(status));
    begin_to_hold(cluster, name);
    return SKEP_OK;
}
