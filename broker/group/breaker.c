/* SPDX-License-Identifier: MIT
 * The breaker: closed, open, and open with one worker on trial. */
#include "group/breaker.h"
#include "common/container.h"

#include <stdio.h>

#include "group/reload.h"
#include "journal/event.h"
#include "worker/life.h"

/* --- how many lately --- */

unsigned skep__failures_note(struct skep__failures *failures, uint64_t now_ms, unsigned period_ms) {
    while (failures->count > 0 &&
           (now_ms - failures->ms[failures->first] >= period_ms || failures->count == SKEP__MOST_FAILURES)) {
        failures->first = (failures->first + 1) % SKEP__MOST_FAILURES;
        failures->count--;
    }
    failures->ms[(failures->first + failures->count++) % SKEP__MOST_FAILURES] = now_ms;
    return failures->count;
}

/* A hive of a thousand may lose each of them once without being broken. */
static unsigned limit_of(const skep_cluster *cluster) {
    unsigned failures = cluster->settings.failures;
    return failures != 0 ? failures : 10 + 2 * skep_cluster_wanted(cluster);
}

/* --- opening --- */

static void try_one(struct skep__alarm *alarm);

static void wait_to_retry(skep_cluster *cluster) {
    struct skep__breaker *breaker = &cluster->breaker;
    breaker->retry.holds = true;
    if (skep__alarm_set(cluster->clock, &breaker->retry, cluster->settings.breaker_ms, try_one) != SKEP_OK)
        skep__emit_error(cluster, NULL, "out of memory: no worker is tried until skep resume");
}

static void open_breaker(skep_cluster *cluster, unsigned count, const char *how) {
    struct skep__breaker *breaker = &cluster->breaker;
    uint64_t span_ms = skep__clock_ms(cluster->clock) - breaker->failures.ms[breaker->failures.first];
    breaker->open = breaker->unsaid = true;
    breaker->newest = cluster->next_child;
    snprintf(breaker->why, sizeof breaker->why,
             "%u quick failures in %.1f s, the last: %s; trying one worker in %.3g s, or on skep resume", count,
             (double)span_ms / 1000, how, cluster->settings.breaker_ms / 1000.0);
    skep__slots_stop(cluster);
    wait_to_retry(cluster);
}

static void stay_open(skep_cluster *cluster, const char *how) {
    struct skep__breaker *breaker = &cluster->breaker;
    breaker->unsaid = true;
    snprintf(breaker->why, sizeof breaker->why, "it failed again: %s; trying the next in %.3g s, or on skep resume",
             how, cluster->settings.breaker_ms / 1000.0);
    wait_to_retry(cluster);
}

static bool is_on_trial(const struct skep__breaker *breaker, uint32_t id) {
    return breaker->open && !skep__alarm_is_set(&breaker->retry) && (id == 0 || id == breaker->trial);
}

void skep__breaker_failed(skep_cluster *cluster, uint32_t id, const char *how) {
    struct skep__breaker *breaker = &cluster->breaker;
    if (is_on_trial(breaker, id)) stay_open(cluster, how);
    if (breaker->open || cluster->stopping) return;
    unsigned period_ms = cluster->settings.failures_period_ms;
    unsigned count = skep__failures_note(&breaker->failures, skep__clock_ms(cluster->clock), period_ms);
    if (count >= limit_of(cluster)) open_breaker(cluster, count, how);
}

void skep__breaker_ended(const skep_child *child) {
    if (!child->cluster->stopping && is_on_trial(&child->cluster->breaker, child->id)) wait_to_retry(child->cluster);
}

void skep__breaker_say(skep_cluster *cluster) {
    struct skep__breaker *breaker = &cluster->breaker;
    if (!breaker->unsaid) return;
    skep_event event = skep__event(SKEP_EVENT_BREAKER, NULL);
    event.phase = "opened";
    event.reason = breaker->why;
    breaker->unsaid = false;
    skep__emit_later(cluster, &event); /* a call of the user's may be the cause */
}

/* --- closing --- */

static void close_breaker(skep_cluster *cluster, const char *reason) {
    struct skep__breaker *breaker = &cluster->breaker;
    skep__alarm_stop(&breaker->retry);
    breaker->open = false;
    breaker->failures.count = 0;
    skep_event event = skep__event(SKEP_EVENT_BREAKER, NULL);
    event.phase = "closed";
    event.reason = reason;
    if (!breaker->unsaid) skep__emit_later(cluster, &event);
    breaker->unsaid = false;
    skep__slots_refill(cluster);
}

void skep__breaker_close(skep_cluster *cluster, const char *reason) {
    if (!cluster->breaker.open || cluster->stopping) return;
    skep__slots_forgive(cluster);
    close_breaker(cluster, reason);
}

void skep_cluster_close_breaker(skep_cluster *cluster) {
    skep__breaker_close(cluster, "by request");
}

/* Not during a reload: what is missing would be started from the old program. A reload closes it at its end; if it is
 * aborted, the next trial does. */
void skep__breaker_ready(const skep_child *child) {
    skep_cluster *cluster = child->cluster;
    if (!cluster->breaker.open || cluster->stopping || child->id <= cluster->breaker.newest) return;
    if (!skep__reload_is_underway(cluster)) close_breaker(cluster, "a worker is ready");
    else if (is_on_trial(&cluster->breaker, child->id)) wait_to_retry(cluster);
}

static void try_one(struct skep__alarm *alarm) {
    struct skep__breaker *breaker = SKEP_CONTAINER(alarm, struct skep__breaker, retry);
    skep_cluster *cluster = SKEP_CONTAINER(breaker, skep_cluster, breaker);
    struct skep__slot *slot = skep__slot_missing(cluster);
    breaker->trial = cluster->next_child + 1;
    if (skep__reload_is_underway(cluster)) wait_to_retry(cluster); /* it may have another program */
    else if (slot != NULL) skep__slot_start(slot);
    else close_breaker(cluster, "no worker is missing");
}

void skep__breaker_stop(skep_cluster *cluster) {
    skep__alarm_stop(&cluster->breaker.retry);
    cluster->breaker.open = cluster->breaker.unsaid = false;
}

uint64_t skep__breaker_wait_ms(const skep_cluster *cluster) {
    const struct skep__alarm *retry = &cluster->breaker.retry;
    if (!skep__alarm_is_set(retry)) return 0;
    uint64_t now_ms = skep__clock_ms(cluster->clock);
    return retry->due_ms > now_ms ? retry->due_ms - now_ms : 0;
}
