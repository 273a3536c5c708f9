/* SPDX-License-Identifier: MIT
 * The smallest program that uses both installed libraries; compiles as C and as C++. */
#include <skep/cluster.h>
#include <skep/worker.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    if (strcmp(skep_version(), SKEP_VERSION) != 0 || !skep_is_primary()) return 1;
    skep_cluster *cluster = NULL;
    int status = skep_cluster_new(&cluster, NULL);
    if (status != SKEP_OK) {
        fprintf(stderr, "%s\n", skep_strerror(status));
        return skep_exit_status(status);
    }
    bool own_loop = skep_cluster_loop(cluster) != NULL;
    skep_cluster_free(&cluster);
    printf("skep %s\n", skep_version());
    return own_loop && cluster == NULL ? 0 : 1;
}
