/* SPDX-License-Identifier: MIT
 * Ends workers whose loops stand still. */
#ifndef SKEP_WORKER_WATCHDOG_H
#define SKEP_WORKER_WATCHDOG_H

#include "broker.h"

/* Watches a worker from now on, if the settings say so. Returns how often it is to show signs of life on its page, in
 * milliseconds; 0: not at all. */
unsigned skep__watchdog_start(skep_child *child);

void skep__watchdog_stop(skep_child *child);

#endif
