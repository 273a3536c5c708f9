/* SPDX-License-Identifier: MIT
 * Functions of skep/cluster.h that begin with a start, or only look. */
#include "base/why.h"
#include "clients/clients.h"
#include "connections/connections.h"
#include "group/group.h"
#include "jobs/jobs.h"
#include "private.h"

/* --- groups --- */

/* What precedes the first fork of a group. */
static int begin(skep_group *group) {
    return skep__cluster_begin(skep__group_cluster(group), skep__group_terms(group));
}

int skep_group_fork(skep_group *group, const char *const *env, skep_child **child) {
    int status = begin(group);
    return status == SKEP_OK ? skep__group_fork(group, env, child) : status;
}

int skep_group_listen(skep_group *group, const char *name, const char *url, const char **bound) {
    int status = begin(group);
    if (status != SKEP_OK) return status;
    return skep__listen_named(skep__group_cluster(group), skep__group_terms(group), name, url, bound);
}

int skep_group_scale(skep_group *group, unsigned workers) {
    int status = skep__scale_check(group, workers);
    if (status == SKEP_OK) status = begin(group);
    return status == SKEP_OK ? skep__scale_to(group, workers) : status;
}

int skep_group_drain(skep_group *group) {
    return skep_group_scale(group, 0);
}

/* --- queues --- */

int skep_setup_queue(skep_cluster *cluster, const char *name, const skep_queue_options *options) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__jobs_set_up_queue(cluster->jobs, name, options, why);
    return status == SKEP_OK ? status : skep__broker_fail(cluster, status, "%s", why);
}

/* --- the first of the groups --- */

int skep_fork(skep_cluster *cluster, const char *const *env, skep_child **child) {
    return skep_group_fork(skep_cluster_group(cluster), env, child);
}

int skep_cluster_listen(skep_cluster *cluster, const char *name, const char *url, const char **bound) {
    return skep_group_listen(skep_cluster_group(cluster), name, url, bound);
}

int skep_cluster_scale(skep_cluster *cluster, unsigned workers) {
    return skep_group_scale(skep_cluster_group(cluster), workers);
}

unsigned skep_cluster_wanted(const skep_cluster *cluster) {
    return skep_group_wanted(skep_cluster_group(cluster));
}

int skep_cluster_reload(skep_cluster *cluster, const skep_reload_options *options) {
    return skep_group_reload(skep_cluster_group(cluster), options);
}

uint64_t skep_cluster_reload_request(const skep_cluster *cluster) {
    return skep_group_reload_request(skep_cluster_group(cluster));
}

void skep_cluster_close_breaker(skep_cluster *cluster) {
    skep_group_close_breaker(skep_cluster_group(cluster));
}

/* --- the cluster --- */

int skep_cluster_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                        const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome, void *context) {
    static const skep_job_options defaults = {0};
    if (options == NULL) options = &defaults;
    int status = skep__primary_check(cluster, queue, size_bytes, options);
    if (status == SKEP_OK && cluster->stopping)
        status = skep__broker_fail(cluster, SKEP_ESTATE, "the cluster is stopping");
    if (status == SKEP_OK) status = skep_cluster_start(cluster);
    if (status != SKEP_OK) return status;
    return skep__primary_submit(cluster, queue, data, size_bytes, options, id, outcome, context);
}

uv_loop_t *skep_cluster_loop(skep_cluster *cluster) {
    return cluster->loop;
}

const char *skep_cluster_why(const skep_cluster *cluster) {
    return cluster->why;
}

const skep_settings *skep_cluster_settings(const skep_cluster *cluster) {
    return &cluster->settings;
}

const char *skep_cluster_dir(const skep_cluster *cluster) {
    return cluster->started ? cluster->instance.dir : "";
}

const char *skep_cluster_name(const skep_cluster *cluster) {
    return cluster->started ? cluster->instance.name : "";
}
