/* SPDX-License-Identifier: MIT
 * The primary: made, started, run, stopped, freed. */
#include <stdlib.h>

#include "base/why.h"
#include "clients/clients.h"
#include "common/container.h"
#include "common/own_loop.h"
#include "config/config.h"
#include "connections/connections.h"
#include "control/control.h"
#include "group/group.h"
#include "hive/hive.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "messages/messages.h"
#include "nats_link/nats_link.h"
#include "private.h"
#include "worker/worker.h"

/* A cluster with what no room is given */
struct assembly {
    skep_cluster cluster;
    uv_loop_t own_loop;
    bool owns_loop;
    uv_timer_t interval_timer;
};

static struct assembly *assembly_of(skep_cluster *cluster) {
    return SKEP_CONTAINER(cluster, struct assembly, cluster);
}

/* --- the end --- */

static void free_assembly(struct assembly *assembly) {
    skep_cluster *cluster = &assembly->cluster;
    skep__control_free(cluster);
    skep__hive_free(cluster);
    skep__clients_free(cluster);
    skep__messages_free(cluster);
    skep__groups_free(cluster);
    skep__jobs_free(&cluster->jobs);
    skep__connections_free(cluster);
    skep__workers_free(cluster);
    skep__directory_free(cluster);
    skep__journal_free(cluster);
    skep__settings_free(&cluster->settings);
    skep__frame_free(&cluster->scratch);
    if (assembly->owns_loop) uv_loop_close(cluster->loop);
    free(assembly);
}

static void handles_closed(struct skep__handles *handles) {
    free_assembly(assembly_of(SKEP_CONTAINER(handles, skep_cluster, handles)));
}

/* --- making --- */

static int allocate(skep_cluster **out, uv_loop_t *loop) {
    struct assembly *assembly = calloc(1, sizeof *assembly);
    if (assembly == NULL) return SKEP_ENOMEM;
    skep_cluster *cluster = &assembly->cluster;
    cluster->trace = skep__trace_mask();
    assembly->owns_loop = loop == NULL;
    cluster->loop = loop != NULL ? loop : &assembly->own_loop;
    int status = assembly->owns_loop ? skep__own_loop_init(cluster->loop) : SKEP_OK;
    if (status != SKEP_OK) {
        free(assembly);
        return status;
    }
    uv_timer_init(cluster->loop, &assembly->interval_timer);
    uv_unref((uv_handle_t *)&assembly->interval_timer);
    assembly->interval_timer.data = cluster;
    *out = cluster;
    return SKEP_OK;
}

static int make_jobs(skep_cluster *cluster) {
    const struct skep__jobs_setup setup = {.clock = cluster->clock,
                                           .pace = cluster->clock,
                                           .flusher = cluster->flusher,
                                           .reserve = &cluster->memory,
                                           .settings = &cluster->settings,
                                           .loop = cluster->loop,
                                           .trace = cluster->trace,
                                           .events = &skep__client_job_events,
                                           .host = &skep__hive_jobs_host,
                                           .context = cluster};
    return skep__jobs_new(&cluster->jobs, &setup);
}

/* From the ground up. */
static int make_rooms(skep_cluster *cluster) {
    int status = skep__clock_new(&cluster->clock, cluster->loop);
    if (status == SKEP_OK) status = skep__flusher_new(&cluster->flusher, cluster->loop);
    if (status == SKEP_OK) status = skep__journal_new(cluster);
    if (status == SKEP_OK) status = skep__directory_new(cluster);
    if (status == SKEP_OK) status = skep__workers_new(cluster, &skep__hive_events);
    if (status == SKEP_OK) status = skep__connections_new(cluster);
    if (status == SKEP_OK) status = make_jobs(cluster);
    if (status == SKEP_OK) status = skep__groups_new(cluster);
    if (status == SKEP_OK) status = skep__messages_new(cluster);
    if (status == SKEP_OK) status = skep__clients_new(cluster);
    if (status == SKEP_OK) status = skep__hive_new(cluster);
    if (status == SKEP_OK) status = skep__control_new(cluster);
    return status;
}

static struct skep__terms *terms_of(const skep_cluster *cluster) {
    return skep__group_terms(skep_cluster_group(cluster));
}

int skep_cluster_new(skep_cluster **out, uv_loop_t *loop) {
    skep_cluster *cluster = NULL;
    int status = skep_is_worker() ? SKEP_ESTATE : allocate(&cluster, loop);
    if (status != SKEP_OK) return status;
    status = make_rooms(cluster);
    if (status == SKEP_OK) status = skep__settings_take(cluster, terms_of(cluster), &(skep_settings){0});
    if (status == SKEP_OK) skep__memory_open(cluster, skep__shortage_retry);
    if (status == SKEP_OK) *out = cluster;
    else skep_cluster_free(&cluster);
    return status;
}

/* The first group may not take another one's name. */
static int set_up(skep_cluster *cluster, const skep_settings *settings,
                  int (*take)(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *settings)) {
    const skep_group *other = settings->group != NULL ? skep_group_by_name(cluster, settings->group) : NULL;
    if (other != NULL && other != skep_cluster_group(cluster))
        return skep__broker_fail(cluster, SKEP_EINVAL, "group %s: there is one already", settings->group);
    int status = take(cluster, terms_of(cluster), settings);
    skep_event event = skep__event(SKEP_EVENT_SETUP, NULL);
    if (status == SKEP_OK) skep__emit_later(cluster, &event);
    return status;
}

int skep_setup_primary(skep_cluster *cluster, const skep_settings *settings) {
    return set_up(cluster, settings, skep__settings_add);
}

int skep_reset_primary(skep_cluster *cluster, const skep_settings *settings) {
    return set_up(cluster, settings, skep__settings_take);
}

/* --- starting --- */

static void close_sockets(skep_cluster *cluster) {
    skep__control_close(cluster);
    skep__clients_close(cluster);
    skep__jobs_close(cluster->jobs);
    skep__journal_close(cluster);
    skep__hive_close(cluster);
    skep__hub_free(&cluster->hub);
    skep__connections_close(cluster);
    skep__directory_release(cluster);
}

static int open_jobs(skep_cluster *cluster) {
    char why[SKEP_MAX_REASON + 1] = "", own[SKEP_MAX_DIR + 1];
    const char *dir = cluster->settings.jobs_dir;
    int status = SKEP_OK;
    if (dir == NULL && skep__jobs_want_disk(cluster->jobs)) {
        status = skep__directory_of_state(cluster, own);
        dir = own;
    }
    if (status == SKEP_OK && dir != NULL && !skep__nats_is_url(dir)) status = skep__directory_prepare(cluster, dir);
    if (status != SKEP_OK) return status;
    status = skep__jobs_open(cluster->jobs, dir, why);
    if (status == SKEP_OK) return status;
    const char *hint = status == SKEP_EDIR ? "; see skep help jobs" : "";
    return skep__broker_fail(cluster, status, "jobs: %s%s", why[0] != '\0' ? why : skep_strerror(status), hint);
}

static int open_sockets(skep_cluster *cluster) {
    int status = skep__hub_new(&cluster->hub, cluster->loop);
    if (status == SKEP_EINVAL) return skep__broker_fail(cluster, status, "%s", SKEP__UNKNOWN_TRANSPORT);
    if (status == SKEP_OK) skep__hub_on_lack(cluster->hub, skep__shortage_lacks, cluster);
    if (status == SKEP_OK) status = skep__hive_open(cluster);
    if (status == SKEP_OK) status = skep__journal_open(cluster);
    if (status == SKEP_OK) status = skep__clients_open(cluster);
    if (status == SKEP_OK) status = skep__control_open(cluster);
    if (status == SKEP_OK) return SKEP_OK;
    return skep__broker_fail(cluster, status, "%s: cannot open the sockets: %s", cluster->instance.dir,
                             skep_strerror(status));
}

static void interval_passed(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    struct skep_command_brokerStatus status = {.has = 0};
    skep__connections_status(cluster, &status);
    skep__groups_status(cluster, &status);
    skep__messages_status(cluster, &status);
    skep__send_request_counts(cluster);
    skep__news_totals(cluster, &status);
    skep__jobs_tidy(cluster->jobs);
}

int skep_cluster_start(skep_cluster *cluster) {
    if (cluster->started) return SKEP_OK;
    int status = skep__directory_take(cluster);
    if (status == SKEP_OK) {
        skep__workers_inherit(cluster);
        skep__connections_open(cluster);
        status = open_sockets(cluster);
    }
    if (status == SKEP_OK) status = open_jobs(cluster);
    if (status == SKEP_OK) status = skep__workers_open(cluster);
    if (status != SKEP_OK) close_sockets(cluster);
    if (status != SKEP_OK) return status;
    uv_update_time(cluster->loop);
    cluster->started_ms = uv_now(cluster->loop);
    cluster->started = true;
    unsigned interval_ms = cluster->settings.interval_ms;
    uv_timer_start(&assembly_of(cluster)->interval_timer, interval_passed, interval_ms, interval_ms);
    return SKEP_OK;
}

int skep__cluster_begin(skep_cluster *cluster, struct skep__terms *terms) {
    if (cluster->stopping) return skep__broker_fail(cluster, SKEP_ESTATE, "the cluster is stopping");
    int status = skep__settings_freeze(cluster, terms);
    return status == SKEP_OK ? skep_cluster_start(cluster) : status;
}

/* --- running and stopping --- */

int skep_cluster_run(skep_cluster *cluster) {
    uv_run(cluster->loop, UV_RUN_DEFAULT);
    return SKEP_OK;
}

/* --- freeing --- */

void skep_cluster_free(skep_cluster **out) {
    skep_cluster *cluster = *out;
    if (cluster == NULL) return;
    *out = NULL;
    cluster->stopping = cluster->freed = true;
    skep__messages_end(cluster);
    skep__clients_end(cluster);
    skep__groups_stop(cluster);
    skep__events_stop(cluster);
    skep__hive_end(cluster);
    skep__workers_end(cluster);
    skep__connections_end(cluster);
    skep__groups_end(cluster);
    close_sockets(cluster);
    skep__journal_end(cluster);
    skep__flusher_free(&cluster->flusher);
    skep__clock_free(&cluster->clock);
    struct assembly *assembly = assembly_of(cluster);
    if (!assembly->owns_loop) cluster->handles.closed = handles_closed;
    skep__handle_close(&cluster->handles, (uv_handle_t *)&assembly->interval_timer);
    skep__control_end(cluster); /* last of all: until then signals have an effect */
    if (!assembly->owns_loop) return;
    uv_run(cluster->loop, UV_RUN_NOWAIT); /* close callbacks; handles of the user's do not hold this up */
    free_assembly(assembly);
}
