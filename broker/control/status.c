/* SPDX-License-Identifier: MIT
 * The status, read off the ledger. */
#include "clients/clients.h"
#include "connections/connections.h"
#include "control/private.h"
#include "hive/hive.h"
#include "messages/messages.h"

/* What a limit of the protocol would cut is left out. */
enum { ROOMY_BYTES = 2 * 1024 * 1024 /* of an answer: after so many, programs are left out */ };

static int add_broker(const skep_cluster *cluster, struct skep_frame *frame) {
    char news[SKEP_MAX_URL + 1];
    struct skep_command command = {.id = SKEP_COMMAND_brokerStatus};
    skep__instance_url(&cluster->instance, SKEP_FILE_NEWS, news, sizeof news);
    command.brokerStatus = (struct skep_command_brokerStatus){
        .name = skep__text(cluster->instance.name),
        .pid = (uint64_t)cluster->instance.pid,
        .version = skep__text(skep_version()),
        .state = skep__text(cluster->stopping ? "stopping" : "running"),
        .uptime_ms = uv_now(cluster->loop) - cluster->started_ms,
        .policy = skep__text(skep_policy_name(cluster->settings.policy)),
        .news = skep__text(news),
        .newsSeq = skep__news_latest(cluster),
        .badFrames = cluster->control->bad_frames,
        .unknown = cluster->control->reader.unknown,
    };
    SKEP_SET(brokerStatus, &command.brokerStatus, cut, 0);
    skep__workers_status(cluster, &command.brokerStatus);
    skep__connections_status(cluster, &command.brokerStatus);
    skep__messages_status(cluster, &command.brokerStatus);
    skep__clients_status(cluster, &command.brokerStatus);
    skep__hive_status(cluster, &command.brokerStatus);
    skep__jobs_status(cluster->jobs, &command.brokerStatus);
    skep__groups_status(cluster, &command.brokerStatus);
    return skep__frame_add(frame, &command);
}

static int add_worker(const skep_child *child, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_workerStatus};
    struct skep_command_workerStatus *w = &command.workerStatus;
    *w = (struct skep_command_workerStatus){.worker = child->id,
                                            .pid = (uint64_t)child->pid,
                                            .state = skep__text(skep__state_name(child->state)),
                                            .uptime_ms = uv_now(child->cluster->loop) - child->spawned_ms};
    if (child->name[0] != '\0') SKEP_SET(workerStatus, w, name, skep__text(child->name));
    bool differs = strcmp(child->program, child->terms->settings->exec) != 0;
    if (differs && strlen(child->program) <= SKEP_MAX_PATH && frame->size_bytes < ROOMY_BYTES)
        SKEP_SET(workerStatus, w, program, skep__text(child->program));
    skep__workers_worker_status(child, w);
    skep__groups_worker_status(child, w);
    skep__connections_worker_status(child, w);
    skep__messages_worker_status(child, w);
    skep__hive_worker_status(child, w);
    skep__jobs_worker_status(child->holder, w);
    return skep__frame_add(frame, &command);
}

int skep__status_add(skep_cluster *cluster, struct skep_frame *frame) {
    int status = add_broker(cluster, frame);
    if (status == SKEP_OK) status = skep__groups_add(cluster, frame);
    if (status == SKEP_OK) status = skep__listeners_add(cluster, frame);
    for (const skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        if (status == SKEP_OK) status = add_worker(child, frame);
    return status == SKEP_OK ? skep__counters_add(cluster, frame) : status;
}
