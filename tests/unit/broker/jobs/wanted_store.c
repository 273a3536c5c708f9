/* SPDX-License-Identifier: MIT */
#include "broker/jobs/wanted_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/jobs/later_store.h"
#include "jobs/disk/private.h"
#include "jobs/private.h"

bool wanted_store_is(const char *store) {
    const char *name = getenv("SKEP_TEST_STORE");
    return name != NULL && strcmp(name, store) == 0;
}

const char *later_jobs_dir(const char *dir) {
    static char path[SKEP_MAX_DIR + sizeof ".jobs"];
    if (!wanted_store_is("disk")) return NULL;
    snprintf(path, sizeof path, "%s.jobs", dir);
    return path;
}

bool wanted_has_disk(const skep_cluster *cluster) {
    return cluster->jobs->store != NULL && cluster->jobs->store->kind->name == skep__disk_name;
}

void wanted_settle_disk(const skep_cluster *cluster) {
    struct skep__store *store = cluster->jobs->store;
    skep__disk_write_all(skep__disk_of(store));
    store->events->settled(store->context);
}

bool later_is_wanted(void) {
    return wanted_store_is("later") || wanted_store_is("disk");
}
