/* SPDX-License-Identifier: MIT
 * A worker that closes each connection as soon as it has it: what is left to measure is the hand-off.
 * closer URL, under skep run */
#include <skep/worker.h>
#include <unistd.h>

#include "must.h"

static void close_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)listener, (void)context;
    close(fd);
    skep_connection_finished(worker, fd);
}

int main(int argc, char **argv) {
    skep_worker *worker;
    if (argc != 2) return 64;
    bench_must(skep_worker_new(&worker, NULL), "worker");
    bench_must(skep_listen(worker, argv[1], close_connection, NULL, NULL), argv[1]);
    int status = skep_worker_run(worker);
    skep_worker_free(&worker);
    return skep_exit_status(status);
}
