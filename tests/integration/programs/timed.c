/* SPDX-License-Identifier: MIT
 * A worker that says it has handled requests, and how long each took.
 *
 *   timed WORKER:COUNTxMS...
 *
 * The worker with this id has handled COUNT requests of MS milliseconds each, as often as it is named; others none. */
#include <skep/worker.h>
#include <stdio.h>

enum { USAGE = 64, NS_PER_MS = 1000000 };

static int handle(skep_worker *worker, const char *argument) {
    unsigned id, count, ms;
    if (sscanf(argument, "%u:%ux%u", &id, &count, &ms) != 3) return USAGE;
    for (; id == skep_worker_id(worker) && count > 0; count--) skep_request_handled(worker, ms * (uint64_t)NS_PER_MS);
    return 0;
}

int main(int argc, char **argv) {
    skep_worker *worker = NULL;
    int status = skep_worker_new(&worker, NULL);
    for (int i = 1; status == SKEP_OK && i < argc; i++) status = handle(worker, argv[i]);
    if (status == SKEP_OK) status = skep_worker_run(worker);
    skep_worker_free(&worker);
    return status == USAGE ? USAGE : skep_exit_status(status);
}
