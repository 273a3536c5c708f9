/* SPDX-License-Identifier: MIT
 * What a worker's death means for its jobs. Those that it had not begun go back as if it had never had them. Of the
 * others some are suspects: the one whose handler ran, as the page tells; without that, those that it can have been
 * working on. A job that too many workers died of is a dead letter. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "common/container.h"
#include "common/signal_text.h"
#include "common/text.h"
#include "jobs/deliveries.h"
#include "jobs/events.h"
#include "jobs/ledger.h"
#include "journal/journal.h"
#include "page_claims.h"
#include "worker/worker.h"

enum { END_MS = 100 /* from the end of the link to that of the process, as a rule much less */ };

/* What is known of a worker's last moment */
struct last_moment {
    uint64_t running;   /* 0: no handler ran, or unknown */
    bool blames;        /* it died of itself, and was not asked to end */
    const char *reason; /* for which the broker ended it; NULL: it did not */
    struct skep__exit_record record;
};

static struct last_moment moment_of(const skep_child *child) {
    const struct skep_page *page = child->page;
    bool exact = page != NULL && __atomic_load_n(&page->writes, __ATOMIC_ACQUIRE) != 0;
    bool hung = child->reason != NULL && strcmp(child->reason, "watchdog") == 0;
    return (struct last_moment){
        .running = exact ? __atomic_load_n(&page->running, __ATOMIC_ACQUIRE) : 0,
        .blames = hung || (!child->voluntary && child->reason == NULL),
        .reason = child->reason,
        .record = {.worker = child->id,
                   .pid = child->pid,
                   .code = child->exit_code,
                   .signal = child->exit_signal,
                   .uptime_ms = uv_now(child->cluster->loop) - child->spawned_ms},
    };
}

/* Those that it works on, and so finishes when it is asked to leave; not if it is being ended by force. */
static uint64_t count_begun(skep_child *child) {
    uint64_t count = 0;
    if (child->reason != NULL) return 0;
    for (uint64_t n = 0; (n = skep__deliveries_after(&child->deliveries, n)) != 0;)
        count += skep__deliveries_find(&child->deliveries, n)->job != NULL && skep__is_begun(child, n);
    return count;
}

static uint64_t count_all_begun(const skep_cluster *cluster) {
    uint64_t count = 0;
    skep_child *child = NULL;
    while ((child = skep__child_next(cluster, child)) != NULL) count += count_begun(child);
    return count;
}

static uint64_t count_dead(const skep_cluster *cluster) {
    uint64_t count = 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(cluster->queues, q)) != NULL;)
        count += q->shelf->dead_count;
    return count;
}

uint64_t skep__ledger_losable(const skep_cluster *cluster, bool now, uint64_t *dead) {
    *dead = cluster->stopping ? 0 : count_dead(cluster);
    if (cluster->stopping) return now ? count_all_begun(cluster) : 0;
    uint64_t jobs = skep__ledger_unfinished(cluster);
    return now ? jobs : jobs - count_all_begun(cluster);
}

/* In the order of delivery: the first that are not answered are those that it worked on. */
static bool is_suspect(const struct last_moment *moment, struct skep__job *job) {
    if (!moment->blames) return false;
    if (moment->running != 0) return job->delivery == moment->running;
    if (job->holder->suspects == 0) return false;
    job->holder->suspects--;
    return true;
}

enum { FIRST_NOTICE = 4 /* interruptions of a job after which the first event says so; then after twice as many */ };

/* Its worker ended for another reason, such as a reload that does not wait for so long. */
static void interrupted(skep_child *child, struct skep__job *job) {
    unsigned count = job->interruptions < UINT16_MAX ? ++job->interruptions : UINT16_MAX;
    job->queue->interrupted++;
    if (count < FIRST_NOTICE || (count & (count - 1)) != 0) return;
    skep__emit_error(child->cluster, child,
                     "job %" PRIu64 " of %s was interrupted %u times: workers end before it is done; the latest: %s",
                     job->id, job->queue->name, count, child->reason != NULL ? child->reason : "it left");
}

static void blame(skep_child *child, const struct last_moment *moment) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) consumer->suspects = consumer->concurrency;
    for (uint64_t n = 0; (n = skep__deliveries_after(&child->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&child->deliveries, n)->job;
        if (job == NULL || !skep__is_begun(child, n)) continue;
        if (is_suspect(moment, job)) job->deaths++;
        else interrupted(child, job);
    }
}

/* Writes how the worker ended and, if the broker ended it, why, in the words of the log. */
static void write_end(const struct last_moment *moment, char *text, size_t room) {
    const struct skep__exit_record *end = &moment->record;
    char signal[SKEP__SIGNAL_BYTES];
    int n;
    skep__signal_text(end->signal, signal);
    if (end->signal >= 0) n = snprintf(text, room, "was killed by %s", signal);
    else if (end->code >= 0) n = snprintf(text, room, "exited with status %d", end->code);
    else n = snprintf(text, room, "closed its link");
    if (moment->reason != NULL) snprintf(text + n, room - (size_t)n, " (%s)", moment->reason);
}

static void bury(skep_child *child, struct skep__job *job, const struct last_moment *moment, const char *cause,
                 const char *what) {
    char text[SKEP_MAX_REASON];
    int n = snprintf(text, sizeof text, "%s; the last ", what);
    write_end(moment, text + n, sizeof text - (size_t)n);
    struct skep_bytes reason = skep__text(text);
    skep__ledger_bury(child->cluster, job, cause, &reason, &moment->record);
}

static void bury_killer(skep_child *child, struct skep__job *job, const struct last_moment *moment) {
    char what[80];
    snprintf(what, sizeof what, "%u worker%s died of it", job->deaths, job->deaths == 1 ? "" : "s");
    bury(child, job, moment, "deaths", what);
}

static void bury_interrupted(skep_child *child, struct skep__job *job, const struct last_moment *moment) {
    char what[80];
    snprintf(what, sizeof what, "%u worker%s ended before it was done", job->interruptions,
             job->interruptions == 1 ? "" : "s");
    bury(child, job, moment, "interrupted", what);
}

static void give_back(skep_child *child, struct skep__job *job, const struct last_moment *moment) {
    skep_cluster *cluster = child->cluster;
    unsigned most = job->queue->options.interruptions;
    child->jobs_given_back++;
    if (!skep__is_begun(child, job->delivery)) skep__claim_take(child->page, job->delivery); /* it may live on */
    if (skep__is_begun(child, job->delivery)) skep__consumer_let_go(job);
    else skep__consumer_undo(job);
    if (job->deaths >= cluster->settings.deaths) bury_killer(child, job, moment);
    else if (most > 0 && job->interruptions >= most) bury_interrupted(child, job, moment);
    else cluster->store->kind->recover(cluster->store, job);
}

/* The last first, since each goes before the others. */
static void recover(skep_child *child) {
    struct last_moment moment = moment_of(child);
    blame(child, &moment);
    for (uint64_t n = UINT64_MAX; (n = skep__deliveries_before(&child->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&child->deliveries, n)->job;
        if (job != NULL) give_back(child, job, &moment);
    }
    skep__deliveries_free(&child->deliveries);
}

/* Its queues, though not the consumers, outlive it. */
static void dispatch_rest(skep_child *child) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) skep__dispatch_jobs(child->cluster, consumer->queue);
    child->cluster->job_events->settled(child->cluster);
}

static void hand_over(skep_child *child) {
    recover(child);
    dispatch_rest(child);
}

static void waited(struct skep__alarm *alarm) {
    hand_over(SKEP_CONTAINER(alarm, skep_child, jobs_alarm));
}

/* How the process ended is known with its end only, and what it said last is read by then. */
void skep__ledger_link_ended(skep_child *child) {
    skep__consumers_update(child);
    if (child->deliveries.jobs == 0) return;
    if (skep__alarm_set(child->cluster->clock, &child->jobs_alarm, END_MS, waited) != SKEP_OK) hand_over(child);
}

void skep__ledger_child_ended(skep_child *child) {
    skep__alarm_stop(&child->jobs_alarm);
    skep__alarm_stop(&child->lease_alarm);
    skep__alarm_stop(&child->lag_alarm);
    skep__consumers_update(child);
    recover(child);
    dispatch_rest(child);
    skep__consumers_free(child);
    skep__deliveries_free(&child->deliveries);
}

uint64_t skep__ledger_jobs_of(const skep_child *child) {
    return child->jobs_given_back + child->deliveries.jobs;
}
