/* SPDX-License-Identifier: MIT
 * The room: made, opened, asked, closed, freed; and what worker/ calls. */
#include "hive/private.h"

#include <stdlib.h>

#include "base/why.h"
#include "connections/connections.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "worker/worker.h"

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

static int worker_made(skep_child *child, const struct skep__program *program) {
    int status = skep__parts_new(child);
    if (status != SKEP_OK) return skep__broker_fail(child->cluster, status, "fork: %s", skep_strerror(status));
    status = skep__inbox_open(child, program);
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
