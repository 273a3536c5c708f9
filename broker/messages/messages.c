/* SPDX-License-Identifier: MIT
 * The room: made, told of workers, asked, freed. */
#include "messages/private.h"

int skep__messages_new(skep_cluster *cluster) {
    cluster->messages = calloc(1, sizeof *cluster->messages);
    return cluster->messages != NULL ? SKEP_OK : SKEP_ENOMEM;
}

void skep__messages_free(skep_cluster *cluster) {
    if (cluster->messages != NULL) skep__handling_free(&cluster->messages->handling);
    free(cluster->messages);
    cluster->messages = NULL;
}

int skep__messages_worker_made(skep_child *child) {
    child->talker = calloc(1, sizeof *child->talker);
    return child->talker != NULL ? SKEP_OK : SKEP_ENOMEM;
}

void skep__messages_worker_freed(skep_child *child) {
    if (child->talker == NULL) return;
    skep__handling_free(&child->talker->handling);
    free(child->talker->counted);
    free(child->talker);
    child->talker = NULL;
}

/* --- status --- */

void skep__messages_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status) {
    status->requests += cluster->messages->requests;
    status->messages += cluster->messages->messages;
    status->unknown += cluster->messages->unknown;
}

void skep__messages_worker_status(const skep_child *child, struct skep_command_workerStatus *status) {
    status->requests = child->talker->requests;
    status->messages = child->talker->messages;
}

uint64_t skep_child_requests(const skep_child *child) {
    return child->talker->requests;
}

int skep__counters_add(const skep_cluster *cluster, struct skep_frame *frame) {
    const struct skep__messages *messages = cluster->messages;
    int status = SKEP_OK;
    for (unsigned i = 0; i < messages->counter_count && status == SKEP_OK; i++) {
        const struct skep__counter_total *counter = &messages->counters[i];
        struct skep_command command = {.id = SKEP_COMMAND_counterStatus,
                                       .counterStatus = {.name = skep__text(counter->name), .count = counter->count}};
        status = skep__frame_add(frame, &command);
    }
    return status;
}
