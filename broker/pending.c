#include "broker.h"
#include "life.h"
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
