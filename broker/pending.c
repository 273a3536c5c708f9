#include "broker.h"
void skep_on_log(skep_cluster *cluster, skep_log_cb callback, void *context) {
    (void)cluster;
    (void)callback;
    (void)context;
}
