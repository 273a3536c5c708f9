/* SPDX-License-Identifier: MIT
 * The room: made, opened, asked, closed, freed. */
#include "clients/private.h"
#include "worker/worker.h"

int skep__clients_new(skep_cluster *cluster) {
    struct skep__clients *clients = calloc(1, sizeof *clients);
    if (clients == NULL) return SKEP_ENOMEM;
    LIST_INIT(&clients->pending);
    LIST_INIT(&clients->delayed);
    uv_timer_init(cluster->loop, &clients->delay_timer);
    uv_unref((uv_handle_t *)&clients->delay_timer);
    clients->delay_timer.data = cluster;
    cluster->clients = clients;
    return skep__reader_init(&clients->reader, SKEP_CHANNEL_INTAKE);
}

void skep__clients_free(skep_cluster *cluster) {
    if (cluster->clients == NULL) return;
    skep__reader_free(&cluster->clients->reader);
    free(cluster->clients);
    cluster->clients = NULL;
}

int skep__clients_open(skep_cluster *cluster) {
    static const struct skep__port_events events = {.received = skep__intake_received,
                                                    .refused = skep__peer_refused,
                                                    .misspoke = skep__peer_misspoke,
                                                    .starved = skep__peers_starved};
    struct skep__clients *clients = cluster->clients;
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_INTAKE, url, sizeof url);
    int status = skep__port_new(&clients->intake, cluster->hub, SKEP__PORT_PULL, &events, cluster);
    return status == SKEP_OK ? skep__port_listen(clients->intake, url) : status;
}

void skep__clients_close(skep_cluster *cluster) {
    if (cluster->clients == NULL) return;
    skep__sessions_end(cluster);
    skep__port_free(&cluster->clients->intake);
}

void skep__clients_end(skep_cluster *cluster) {
    if (cluster->clients == NULL) return;
    skep__primary_forget(cluster);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->clients->delay_timer);
}

void skep__clients_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status) {
    const struct skep__clients *clients = cluster->clients;
    status->messages += clients->messages;
    status->badFrames += clients->bad_frames;
    status->unknown += clients->reader.unknown;
    status->cut += clients->cut;
}
