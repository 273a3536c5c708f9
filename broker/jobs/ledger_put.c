/* SPDX-License-Identifier: MIT
 * The ledger's store, from its opening to its end, and what is put into it. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "common/container.h"
#include "jobs/ledger.h"
#include "jobs/queue_settings.h"
#include "journal/journal.h"

static const struct skep__store_kind *store(const skep_cluster *cluster) {
    return cluster->store->kind;
}

static uint64_t now_ms(const skep_cluster *cluster) {
    return skep__clock_ms(cluster->clock);
}

/* --- life --- */

int skep__ledger_open(skep_cluster *cluster) {
    const skep_settings *settings = &cluster->settings;
    struct skep__store_limits limits = {.queue_jobs = settings->queue_jobs,
                                        .queue_bytes = settings->queue_bytes,
                                        .bytes = settings->jobs_bytes,
                                        .dedup_ms = settings->dedup_ms,
                                        .reserve = &cluster->memory};
    int status = skep__store_memory_new(&cluster->store, &limits, &skep__ledger_store_events, cluster);
    if (status == SKEP_OK) status = skep__queues_new(&cluster->queues, cluster->store);
    return status == SKEP_OK ? skep__queue_settings_apply(cluster) : status;
}

void skep__ledger_close(skep_cluster *cluster) {
    skep__alarm_stop(&cluster->ledger_alarm);
    skep__alarm_stop(&cluster->balance_alarm);
    skep__alarm_stop(&cluster->dead_alarm);
    if (cluster->store != NULL) store(cluster)->free(&cluster->store);
    skep__queues_free(&cluster->queues);
}

uint64_t skep__ledger_unfinished(const skep_cluster *cluster) {
    uint64_t sum = 0;
    if (cluster->store == NULL) return 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(cluster->queues, q)) != NULL;)
        sum += q->shelf->ready_count + q->shelf->reserved_count + q->shelf->delayed_count;
    return sum;
}

static void say_lost(struct skep__flush *flush) {
    skep_cluster *cluster = SKEP_CONTAINER(flush, skep_cluster, lost_flush);
    uint64_t lost = skep__ledger_unfinished(cluster);
    if (lost == 1) skep__emit_error(cluster, NULL, "1 job is lost: it was in memory only");
    else skep__emit_error(cluster, NULL, "%" PRIu64 " jobs are lost: they were in memory only", lost);
}

/* On a later turn, since a call of the user's may be the cause. */
void skep__ledger_check_lost(skep_cluster *cluster) {
    if (!cluster->stopping || skep_child_count(cluster) > 0 || skep__ledger_unfinished(cluster) == 0) return;
    cluster->lost_flush.flush = say_lost;
    skep__flusher_mark(cluster->flusher, &cluster->lost_flush);
}

/* --- accepting --- */

uint16_t skep__ledger_attempts(const skep_cluster *cluster, const struct skep__queue *queue, uint64_t wanted) {
    if (wanted == 0) wanted = queue->options.attempts;
    return (uint16_t)(wanted != 0 ? wanted : cluster->settings.attempts);
}

enum { KEYS_SAY_MS = 10000 /* between two reports */ };

/* Later, since a call of the user's may be the cause. */
void skep__ledger_say_keys(skep_cluster *cluster) {
    char text[SKEP_MAX_REASON + 1];
    uint64_t now = now_ms(cluster), n = cluster->store->forgotten_early - cluster->keys_forgotten_said;
    if (n == 0 || (cluster->keys_said_ms != 0 && now - cluster->keys_said_ms < KEYS_SAY_MS)) return;
    cluster->keys_forgotten_said += n;
    cluster->keys_said_ms = now;
    snprintf(text, sizeof text,
             "no memory for keys: %" PRIu64 " of jobs that had ended were forgotten before the time of --dedup (%g s), "
             "and copies of these jobs are accepted; raise --jobs-bytes and --queue-bytes, or lower --dedup",
             n, cluster->settings.dedup_ms / 1000.0);
    skep_event event = skep__event(SKEP_EVENT_ERROR, NULL);
    event.reason = text;
    skep__emit_later(cluster, &event);
}

struct skep__queue *skep__ledger_queue(skep_cluster *cluster, const char *name, size_t size_bytes) {
    struct skep__queue *queue = skep__queues_find(cluster->queues, name, size_bytes);
    if (queue != NULL) return queue;
    if (skep__memory_allows(cluster, sizeof *queue + store(cluster)->shelf_bytes))
        return skep__queues_get(cluster->queues, name, size_bytes);
    cluster->queues->failure = SKEP_ENOMEM;
    return NULL;
}

/* What is refused takes nothing of the reserve; but it may be the first to find that there is no memory. */
void skep__ledger_refused(skep_cluster *cluster, int status) {
    if (status != SKEP_ENOMEM) return;
    skep__memory_check(cluster);
    skep__lack_say(cluster, SKEP__LACK_MEMORY, "out of memory for a job; it is refused");
}

void skep__ledger_decline(const struct skep__batch *batch, int status, struct skep__put *put) {
    const struct skep__answer answer = {.n = batch->jobs.count - batch->first, .status = status};
    if (answer.n > 0) put->answered(put, &answer);
}

void skep__ledger_submit(skep_cluster *cluster, struct skep__queue *queue, const struct skep__batch *batch,
                         struct skep__put *put) {
    if (cluster->stopping) {
        skep__ledger_decline(batch, SKEP_ESTATE, put);
        return;
    }
    store(cluster)->put(cluster->store, queue->shelf, batch, now_ms(cluster), put);
    skep__ledger_say_keys(cluster);
}

void skep__ledger_dispatch(skep_cluster *cluster) {
    for (struct skep__queue *q = NULL; (q = skep__queues_next(cluster->queues, q)) != NULL;)
        if (q->shelf->ready_count > 0) skep__dispatch_jobs(cluster, q);
}

void skep__ledger_tidy(skep_cluster *cluster) {
    if (cluster->store != NULL) skep__queues_tidy(cluster->queues, now_ms(cluster));
}
