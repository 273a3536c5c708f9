/* SPDX-License-Identifier: MIT
 * A worker that nobody started: it links with libskep alone, and is told what it is. */
#include <skep/worker.h>

int main(void) {
    skep_worker *worker = NULL;
    return skep_worker_new(&worker, NULL) == SKEP_ENOTWORKER ? 0 : 1;
}
