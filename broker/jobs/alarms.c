/* SPDX-License-Identifier: MIT
 * When the room looks again: at what is due, at leases, at jobs that wait behind others. What it does then is in files
 * above those that set these alarms; each alarm has its function from the beginning. */
#include "jobs/private.h"

/* --- what is due in the store --- */

void skep__due_watch(struct skep__jobs *jobs) {
    uint64_t next = jobs->store->kind->next_ms(jobs->store), now = skep__clock_ms(jobs->clock);
    struct skep__alarm *alarm = &jobs->due_alarm;
    if (next == UINT64_MAX || (skep__alarm_is_set(alarm) && alarm->due_ms <= next)) return;
    int status = skep__alarm_set(jobs->clock, alarm, next > now ? next - now : 0, alarm->ring);
    if (status != SKEP_OK) skep__jobs_say(jobs, NULL, "delays: %s", skep_strerror(status));
}

/* --- balance --- */

uint64_t skep__balance_patience_ms(const struct skep__queue *queue) {
    if (queue->paused || TAILQ_EMPTY(&queue->takers[SKEP__IDLE])) return 0;
    if (queue->ahead_count > 0) return SKEP__WAIT_MS;
    return queue->shelf->reserved_count > 0 && queue->consumer_count > 1 ? SKEP__LAG_MS : 0;
}

void skep__balance_in(struct skep__jobs *jobs, uint64_t ms) {
    struct skep__alarm *alarm = &jobs->balance_alarm;
    if (skep__alarm_is_set(alarm) && alarm->due_ms <= skep__clock_ms(jobs->pace) + ms) return;
    int status = skep__alarm_set(jobs->pace, alarm, ms, alarm->ring);
    if (status != SKEP_OK) skep__jobs_say(jobs, NULL, "waiting jobs: %s", skep_strerror(status));
}

void skep__balance_watch(struct skep__jobs *jobs, const struct skep__queue *queue) {
    uint64_t ms = skep__balance_patience_ms(queue);
    if (ms > 0) skep__balance_in(jobs, ms);
}

/* --- leases --- */

void skep__lease_look_in(struct skep__holder *holder, uint64_t ms) {
    struct skep__alarm *alarm = &holder->lease_alarm;
    int status = skep__alarm_set(holder->jobs->clock, alarm, ms, alarm->ring);
    if (status != SKEP_OK) skep__jobs_say(holder->jobs, holder, "leases: %s", skep_strerror(status));
}

void skep__lease_watch(struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms) {
    uint32_t lease_ms = skep__lease_ms(holder->jobs, job);
    if (!skep__alarm_is_set(&holder->lease_alarm) || now_ms + lease_ms < holder->lease_alarm.due_ms)
        skep__lease_look_in(holder, lease_ms);
}
