#include "broker.h"
int skep_cluster_scale(skep_cluster *cluster, unsigned workers) {
    (void)cluster;
    (void)workers;
    return SKEP_ESTATE;
}
unsigned skep_cluster_wanted(const skep_cluster *cluster) {
    (void)cluster;
    return 0;
}
int skep_cluster_reload(skep_cluster *cluster, const skep_reload_options *options) {
    (void)cluster;
    (void)options;
    return SKEP_ESTATE;
}
int skep_child_restart(skep_child *child) {
    (void)child;
    return SKEP_ESTATE;
}
int skep_cluster_pause_listener(skep_cluster *cluster, const char *listener, bool paused) {
    (void)cluster;
    (void)listener;
    (void)paused;
    return SKEP_ESTATE;
}
int skep_cluster_pause_queue(skep_cluster *cluster, const char *queue, bool paused) {
    (void)cluster;
    (void)queue;
    (void)paused;
    return SKEP_ESTATE;
}
void skep_cluster_close_breaker(skep_cluster *cluster) {
    (void)cluster;
}
int skep_cluster_steer_on_signals(skep_cluster *cluster) {
    (void)cluster;
    return SKEP_ESTATE;
}
