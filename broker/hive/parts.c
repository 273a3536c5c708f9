/* SPDX-License-Identifier: MIT
 * What the broker has of a worker: each room's part, and its inbox. */
#include "hive/private.h"

int skep__parts_new(skep_child *child) {
    const struct skep__worker_facts facts = {
        .worker = child, .settings = child->terms->settings, .id = child->id, .pid = child->pid, .page = child->page};
    child->progress = calloc(1, sizeof *child->progress);
    if (child->progress == NULL) return SKEP_ENOMEM;
    child->progress->child = child;
    int status = skep__connections_worker_made(child);
    if (status == SKEP_OK) status = skep__holder_new(&child->holder, child->cluster->jobs, &facts);
    if (status == SKEP_OK) status = skep__messages_worker_made(child);
    return status;
}

void skep__parts_free(skep_child *child) {
    skep__messages_worker_freed(child);
    skep__holder_free(&child->holder);
    skep__connections_worker_freed(child);
    if (child->progress != NULL) skep__alarm_stop(&child->progress->deadline);
    free(child->progress);
    child->progress = NULL;
}

void skep__worker_unmade(skep_child *child) {
    skep__outlet_free(&child->inbox);
    skep__parts_free(child);
}

void skep__inbox_url(const skep_child *child, char *url, size_t capacity_bytes) {
    skep__instance_url(&child->cluster->instance, SKEP_FILE_INBOX, url, capacity_bytes);
    size_t length = strlen(url);
    snprintf(url + length, capacity_bytes - length, ".%u", child->id);
}
