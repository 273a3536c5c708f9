#include "broker.h"
#include "life.h"
bool skep__reload_is_underway(const skep_cluster *cluster) {
    (void)cluster;
    return false;
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
void skep_on_log(skep_cluster *cluster, skep_log_cb callback, void *context) {
    (void)cluster;
    (void)callback;
    (void)context;
}
