/* SPDX-License-Identifier: MIT
 * A directory under test, with the broker that is to take it. */
#ifndef SKEP_TESTS_PLACE_H
#define SKEP_TESTS_PLACE_H

#include "broker/hatch.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "config/private.h"

struct place {
    struct pump *pump;
    skep_cluster *cluster;
    char dir[80];
};

static inline void open_place(struct place *place, struct pump *pump, const char *dir) {
    place->pump = pump;
    snprintf(place->dir, sizeof place->dir, "%s/%s", pump->dir, dir);
    assert_int_equal(skep_cluster_new(&place->cluster, &pump->loop), SKEP_OK);
    assert_int_equal(skep_setup_primary(place->cluster, &(skep_settings){.dir = place->dir}), SKEP_OK);
}

static inline void close_place(struct place *place) {
    skep__directory_release(place->cluster);
    hatch_free(place->pump, &place->cluster);
    pump_remove(place->dir);
}

static inline void expect_taken(const struct place *place) {
    if (skep__directory_take(place->cluster) != SKEP_OK) fail_msg("%s", skep_cluster_why(place->cluster));
}

static inline bool exists(const struct place *place, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    return access(path, F_OK) == 0;
}

static inline void make_socket(const struct place *place, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", place->dir, name);
    assert_true(length > 0 && (size_t)length < sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

#endif
