/* SPDX-License-Identifier: MIT
 * A broker without memory but for what it has set aside. */
#ifndef SKEP_TESTS_SHORTAGE_H
#define SKEP_TESTS_SHORTAGE_H

#include "broker/hatch.h"
#include "scarce.h"

enum { SHORTAGE_BYTES = 64 * 1024 /* that one allocation may have of the reserve */ };

static const skep_cluster *shortage_of;

static inline bool shortage_has(size_t size_bytes) {
    return shortage_of->memory.block == NULL && size_bytes < SHORTAGE_BYTES;
}

/* From here on there is memory only once the reserve has been given up, and none to take it again. */
static inline void shortage_begin(const skep_cluster *cluster) {
    shortage_of = cluster;
    scarce_has = shortage_has;
}

static inline void shortage_end(void) {
    scarce_has = NULL;
}

static inline int shortage_teardown(void **state) {
    shortage_end();
    return pump_teardown(state);
}

/* A test of which the memory that it lacks does not outlast it */
#define SHORTAGE_TEST(test) cmocka_unit_test_setup_teardown(test, pump_setup, shortage_teardown)

#endif
