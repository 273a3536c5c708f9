/* SPDX-License-Identifier: MIT
 * The room: made, opened, stopped, closed, freed. */
#include <stdlib.h>
#include <string.h>

#include "jobs/disk/disk.h"
#include "jobs/nats/nats.h"
#include "jobs/private.h"
#include "nats_link/nats_link.h"

int skep__jobs_new(struct skep__jobs **out, const struct skep__jobs_setup *setup) {
    struct skep__jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) return SKEP_ENOMEM;
    jobs->clock = setup->clock;
    jobs->pace = setup->pace;
    jobs->flusher = setup->flusher;
    jobs->reserve = setup->reserve;
    jobs->settings = setup->settings;
    jobs->loop = setup->loop;
    jobs->trace = setup->trace;
    jobs->events = setup->events;
    jobs->host = setup->host;
    jobs->context = setup->context;
    jobs->due_alarm.ring = skep__look_at_due;
    jobs->balance_alarm.ring = skep__balance;
    TAILQ_INIT(&jobs->holders);
    TAILQ_INIT(&jobs->inquiries);
    *out = jobs;
    return SKEP_OK;
}

void skep__jobs_free(struct skep__jobs **out) {
    if (*out == NULL) return;
    skep__queue_settings_free(*out);
    free(*out);
    *out = NULL;
}

static int open_streams(struct skep__jobs *jobs, const char *urls, const struct skep__store_limits *limits,
                        char why[SKEP_MAX_REASON + 1]) {
    const skep_settings *settings = jobs->settings;
    const struct skep__stream_setup setup = {.urls = urls,
                                             .credentials = settings->nats_credentials,
                                             .ca = settings->nats_ca,
                                             .loop = jobs->loop,
                                             .clock = jobs->clock,
                                             .flusher = jobs->flusher,
                                             .lease_ms = settings->nats_lease_ms,
                                             .replicas = settings->nats_replicas};
    return skep__store_nats_new(&jobs->store, &setup, limits, &skep__ledger_store_events, jobs, why);
}

static int open_store(struct skep__jobs *jobs, const char *dir, char why[SKEP_MAX_REASON + 1]) {
    const skep_settings *settings = jobs->settings;
    struct skep__store_limits limits = {.queue_jobs = settings->queue_jobs,
                                        .queue_bytes = settings->queue_bytes,
                                        .bytes = settings->jobs_bytes,
                                        .dedup_ms = settings->dedup_ms,
                                        .reserve = jobs->reserve};
    const struct skep__disk_setup setup = {.dir = dir,
                                           .loop = jobs->loop,
                                           .clock = jobs->clock,
                                           .flusher = jobs->flusher,
                                           .results_ms = settings->results_ms};
    if (dir == NULL) return skep__store_memory_new(&jobs->store, &limits, &skep__ledger_store_events, jobs);
    if (skep__nats_is_url(dir)) return open_streams(jobs, dir, &limits, why);
    return skep__store_disk_new(&jobs->store, &setup, &limits, &skep__ledger_store_events, jobs, why);
}

/* Queues of an earlier start. */
static int restore(struct skep__jobs *jobs) {
    const struct skep__store_kind *kind = jobs->store->kind;
    const char *name;
    for (size_t i = 0; kind->name != NULL && (name = kind->name(jobs->store, i)) != NULL; i++) {
        struct skep__queue *queue = skep__queues_get(jobs->queues, name, strlen(name));
        int status = queue != NULL ? kind->restore(jobs->store, queue->shelf, skep__clock_ms(jobs->clock))
                                   : jobs->queues->failure;
        if (status != SKEP_OK) return status;
    }
    return SKEP_OK;
}

int skep__jobs_open(struct skep__jobs *jobs, const char *dir, char why[SKEP_MAX_REASON + 1]) {
    why[0] = '\0';
    int status = open_store(jobs, dir, why);
    if (status == SKEP_OK) status = skep__queues_new(&jobs->queues, jobs->store);
    if (status != SKEP_OK) return status;
    jobs->queues->durable = dir != NULL && jobs->settings->jobs_dir != NULL;
    status = restore(jobs);
    if (status != SKEP_OK && jobs->store->kind->why != NULL)
        snprintf(why, SKEP_MAX_REASON + 1, "%.400s: %s", dir, jobs->store->kind->why(jobs->store));
    if (status == SKEP_OK) status = skep__queue_settings_apply(jobs);
    if (status == SKEP_OK) skep__due_watch(jobs);
    return status;
}

void skep__jobs_close(struct skep__jobs *jobs) {
    if (jobs == NULL) return;
    skep__alarm_stop(&jobs->due_alarm);
    skep__alarm_stop(&jobs->balance_alarm);
    skep__alarm_stop(&jobs->dead_alarm);
    if (jobs->store != NULL) jobs->store->kind->free(&jobs->store);
    skep__inquiries_end(jobs);
    skep__awaited_free(jobs);
    skep__queues_free(&jobs->queues);
}

uint64_t skep__jobs_identity(const struct skep__jobs *jobs) {
    const struct skep__store *store = jobs->store;
    return store != NULL && store->kind->identity != NULL ? store->kind->identity(store) : 0;
}

void skep__jobs_stop(struct skep__jobs *jobs) {
    jobs->stopping = true;
    skep__ledger_say_dead(jobs);
}

/* What a worker may have depends on the reserve. */
void skep__jobs_memory_back(struct skep__jobs *jobs) {
    struct skep__holder *holder;
    TAILQ_FOREACH(holder, &jobs->holders, entry) skep__consumers_update(holder);
    skep__jobs_dispatch(jobs);
}
