/* SPDX-License-Identifier: MIT
 * The room: made, opened, asked, freed. */
#include "worker/private.h"

int skep__workers_new(skep_cluster *cluster, const struct skep__worker_events *events) {
    struct skep__workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return SKEP_ENOMEM;
    workers->events = events;
    TAILQ_INIT(&workers->list);
    getrlimit(RLIMIT_NOFILE, &workers->files);
    uv_idle_init(cluster->loop, &workers->usage_idle);
    uv_unref((uv_handle_t *)&workers->usage_idle);
    workers->usage_idle.data = cluster;
    cluster->workers = workers;
    return SKEP_OK;
}

void skep__workers_free(skep_cluster *cluster) {
    free(cluster->workers);
    cluster->workers = NULL;
}

void skep__workers_inherit(const skep_cluster *cluster) {
    uint64_t generation;
    pid_t broker = skep__directory_left_by(cluster, &generation);
    skep__orphans_inherit(broker, generation);
}

void skep__workers_end(skep_cluster *cluster) {
    if (cluster->workers == NULL) return;
    skep__orphans_end(cluster);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->workers->usage_idle);
}

/* --- status --- */

void skep__workers_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status) {
    status->badFrames += cluster->workers->bad_frames;
}

void skep__workers_worker_status(const skep_child *child, struct skep_command_workerStatus *status) {
    status->rss_bytes = child->process->usage.rss_bytes;
    SKEP_SET(workerStatus, status, cpu_ms, child->process->usage.cpu_ms);
}
