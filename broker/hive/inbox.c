/* SPDX-License-Identifier: MIT
 * A worker's inbox, opened while its program loads; the welcome names it. */
#include "base/why.h"
#include "config/config.h"
#include "hive/private.h"

int skep__inbox_open(skep_child *child, const struct skep__program *program) {
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
