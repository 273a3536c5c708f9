/* SPDX-License-Identifier: MIT
 * Who this process is. The one exception to "no state in libraries": written once before main(), read only after. The
 * variables are removed, so that this process's own children are not taken for workers, as in Node. */
#include "common/identity.h"

#include <skep/skep.h>
#include <stdlib.h>

#include "contract.h"

static struct {
    uint32_t worker;
    uint64_t generation;
} identity;

static uint64_t take_number(const char *variable, uint64_t limit) {
    const char *text = getenv(variable);
    if (text == NULL) return 0;
    unsigned long long value = strtoull(text, NULL, 10);
    unsetenv(variable);
    return value <= limit ? value : 0;
}

__attribute__((constructor)) static void read_environment(void) {
    identity.worker = (uint32_t)take_number(SKEP_ENV_WORKER_ID, UINT32_MAX);
    identity.generation = take_number(SKEP_ENV_GENERATION, UINT64_MAX);
}

uint32_t skep__identity_worker(void) {
    return identity.worker;
}

uint64_t skep__identity_generation(void) {
    return identity.generation;
}

bool skep_is_worker(void) {
    return identity.worker != 0;
}

bool skep_is_primary(void) {
    return identity.worker == 0;
}

const char *skep_version(void) {
    return SKEP_VERSION;
}
