/* SPDX-License-Identifier: MIT
 * Against a program that cannot start: after too many quick failures no worker is started, but one now and then to see
 * whether it can by now. */
#ifndef SKEP_GROUP_BREAKER_H
#define SKEP_GROUP_BREAKER_H

#include <contract.h>
#include <skep/group.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/settings.h"

/* When the latest quick failures were, the oldest first from first on */
struct skep__failures {
    uint64_t ms[SKEP__MOST_FAILURES];
    unsigned first, count;
};

/* Notes one more; returns how many there were in the period that ends now. */
unsigned skep__failures_note(struct skep__failures *failures, uint64_t now_ms, unsigned period_ms);

struct skep__breaker {
    struct skep__failures failures;
    bool open;
    struct skep__alarm retry; /* open: until one worker is tried; not set: that one is on its way */
    uint32_t trial;           /* its id */
    uint32_t newest;          /* id of the youngest worker when it opened: it says nothing about those that follow */
    bool unsaid;              /* it opened, and no event has told so */
    char why[SKEP_MAX_REASON + 1];
};

/* A worker failed quickly, in words; or (id 0) it could not be forked. Opens the breaker if it was one too many. */
void skep__breaker_failed(skep_group *group, uint32_t id, const char *how);

/* A worker has become ready: closes the breaker if it was started since. */
void skep__breaker_ready(const skep_child *child);

/* A worker has ended: if it was the one that was tried, there will be another. */
void skep__breaker_ended(const skep_child *child);

/* The one that was to be tried could not be, for the machine had none to give: another try, so much later. */
void skep__breaker_try_in(skep_group *group, uint64_t delay_ms);

/* Tells by an event that the breaker has opened, unless that was told. */
void skep__breaker_say(skep_group *group);

/* Closes the breaker, if it is open, and starts the missing workers. */
void skep__breaker_close(skep_group *group, const char *reason);

/* No more trials. */
void skep__breaker_stop(skep_group *group);

/* Milliseconds until one worker is tried; 0: it is on its way, or the breaker is closed. */
uint64_t skep__breaker_wait_ms(const skep_group *group);

#endif
