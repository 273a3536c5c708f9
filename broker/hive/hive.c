/* SPDX-License-Identifier: MIT
 * The room: made, opened, asked, closed, freed; and what the rooms below call, worker/ and jobs/. */
#include "hive/private.h"

/* --- the cluster --- */

int skep__hive_new(skep_cluster *cluster) {
    struct skep__hive *hive = calloc(1, sizeof *hive);
    if (hive == NULL) return SKEP_ENOMEM;
    hive->cluster = cluster;
    hive->link_message = malloc(sizeof *hive->link_message);
    cluster->hive = hive;
    int status = hive->link_message != NULL ? SKEP_OK : SKEP_ENOMEM;
    if (status == SKEP_OK) status = skep__reader_init(&hive->outbox_reader, SKEP_CHANNEL_OUTBOX);
    if (status == SKEP_OK) status = skep__reader_init(&hive->link_reader, SKEP_CHANNEL_LINK_UP);
    return status;
}

void skep__hive_free(skep_cluster *cluster) {
    struct skep__hive *hive = cluster->hive;
    if (hive == NULL) return;
    skep__reader_free(&hive->outbox_reader);
    skep__reader_free(&hive->link_reader);
    free(hive->link_message);
    free(hive);
    cluster->hive = NULL;
}

int skep__hive_open(skep_cluster *cluster) {
    static const struct skep__port_events events = {.received = skep__outbox_received,
                                                    .connected = skep__outbox_connected,
                                                    .disconnected = skep__outbox_disconnected,
                                                    .refused = skep__peer_refused,
                                                    .misspoke = skep__peer_misspoke,
                                                    .starved = skep__peers_starved};
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_OUTBOX, url, sizeof url);
    int status = skep__port_new(&cluster->hive->outbox, cluster->hub, SKEP__PORT_PULL, &events, cluster);
    return status == SKEP_OK ? skep__port_listen(cluster->hive->outbox, url) : status;
}

void skep__hive_close(skep_cluster *cluster) {
    if (cluster->hive != NULL) skep__port_free(&cluster->hive->outbox);
}

/* --- workers --- */

/* Opened while its program loads, for its user if that is another one; the welcome names it. Errors: as skep_fork. */
static int open_inbox(skep_child *child, const struct skep__program *program) {
    char url[SKEP_MAX_URL + 1];
    struct skep__outlet_options options = {.hub = child->cluster->hub,
                                           .flusher = child->cluster->flusher,
                                           .kind = SKEP__PORT_PUSH,
                                           .drained = skep__inbox_drained,
                                           .connected = skep__inbox_connected,
                                           .disconnected = skep__inbox_disconnected,
                                           .refused = skep__inbox_refused,
                                           .context = child};
    skep__inbox_url(child, url, sizeof url);
    int status = skep__outlet_new(&child->inbox, &options);
    if (status == SKEP_OK) skep__outlet_only(child->inbox, child->pid);
    if (status == SKEP_OK) status = skep__outlet_listen(child->inbox, url);
    if (status == SKEP_OK) return skep__directory_give_inbox(child->cluster, child->id, program);
    const char *why = skep_strerror(status);
    bool is_directory = status != SKEP_EMFILE && status != SKEP_ENOMEM; /* unwritable, full, … */
    return skep__broker_fail(child->cluster, is_directory ? SKEP_EDIR : status, "inbox of worker %u: %s", child->id,
                             why);
}

static int worker_made(skep_child *child, const struct skep__program *program) {
    int status = skep__parts_new(child);
    if (status != SKEP_OK) return skep__broker_fail(child->cluster, status, "fork: %s", skep_strerror(status));
    status = open_inbox(child, program);
    if (status == SKEP_OK) skep__holder_set_inbox(child->holder, child->inbox);
    return status;
}

static void worker_watched(skep_child *child) {
    skep__link_open(child);
    skep__watch_ready(child);
}

const struct skep__worker_events skep__hive_events = {.made = worker_made,
                                                      .unmade = skep__worker_unmade,
                                                      .watched = worker_watched,
                                                      .readable = skep__read_link,
                                                      .writable = skep__link_send_waiting,
                                                      .dismissed = skep__child_leave,
                                                      .ended = skep__worker_ended};

/* --- jobs --- */

static void error(void *context, void *worker, const char *text) {
    skep__emit_error(context, worker, "%s", text);
}

static void error_later(void *context, const char *text) {
    skep_event event = skep__event(SKEP_EVENT_ERROR, NULL);
    event.reason = text;
    skep__emit_later(context, &event);
}

static void dead(void *context, const char *text) {
    skep__emit_dead(context, text);
}

static void lack(void *context, const char *text) {
    skep__lack_say(context, SKEP__LACK_MEMORY, "%s", text);
}

static void out_of_memory(void *context) {
    skep__memory_note(context, 0);
}

static void ending(const void *worker, struct skep__ending *ending) {
    const skep_child *child = worker;
    *ending = (struct skep__ending){.reason = child->reason,
                                    .asked = child->voluntary,
                                    .code = child->exit_code,
                                    .signal = child->exit_signal,
                                    .uptime_ms = uv_now(child->cluster->loop) - child->spawned_ms};
}

const struct skep__jobs_host skep__hive_jobs_host = {.error = error,
                                                     .error_later = error_later,
                                                     .dead = dead,
                                                     .lack = lack,
                                                     .out_of_memory = out_of_memory,
                                                     .ending = ending};

/* --- memory: jobs are sent, which, with their ends, is what gives it back --- */

void skep__shortage_retry(skep_cluster *cluster) {
    if (!cluster->started) return;
    skep__jobs_memory_back(cluster->jobs);
    skep__sessions_flush(cluster);
}

bool skep__shortage_lacks(void *context) {
    return skep__memory_lacks(context);
}

/* --- status --- */

void skep__hive_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status) {
    const struct skep__hive *hive = cluster->hive;
    status->badFrames += hive->bad_frames;
    status->unknown += hive->outbox_reader.unknown + hive->link_reader.unknown;
    status->cut += hive->cut;
}

void skep__hive_worker_status(const skep_child *child, struct skep_command_workerStatus *status) {
    const struct skep__alarm *deadline = &child->progress->deadline;
    uint64_t now_ms = skep__clock_ms(child->cluster->clock);
    if (child->state != SKEP__CHILD_DRAINING || !skep__alarm_is_set(deadline)) return;
    SKEP_SET(workerStatus, status, drain_ms, deadline->due_ms > now_ms ? deadline->due_ms - now_ms : 0);
}
