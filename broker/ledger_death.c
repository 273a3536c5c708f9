/* SPDX-License-Identifier: MIT
 * What a worker's death means for its jobs. Those that it had not begun go back as if it had never had them. Of the
 * others some are suspects: the one whose handler ran, as the page tells; without that, those that it can have been
 * working on. A job that too many workers died of is a dead letter. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "deliveries.h"
#include "ledger.h"
#include "session.h"

enum { END_MS = 100 /* from the end of the link to that of the process, as a rule much less */ };

/* What is known of a worker's last moment */
struct last_moment {
    bool exact;       /* the worker kept its page */
    uint64_t begun;   /* later deliveries were not */
    uint64_t running; /* 0: no handler ran */
    bool blames;      /* it died of itself, and was not asked to end */
    struct skep__exit_record record;
};

static struct last_moment moment_of(const skep_child *child) {
    const struct skep_page *page = child->page;
    bool exact = page != NULL && __atomic_load_n(&page->writes, __ATOMIC_ACQUIRE) == 1;
    bool hung = child->reason != NULL && strcmp(child->reason, "watchdog") == 0;
    return (struct last_moment){
        .exact = exact,
        .begun = exact ? __atomic_load_n(&page->begun, __ATOMIC_ACQUIRE) : UINT64_MAX,
        .running = exact ? __atomic_load_n(&page->running, __ATOMIC_ACQUIRE) : 0,
        .blames = hung || (!child->voluntary && child->reason == NULL),
        .record = {.worker = child->id,
                   .pid = child->pid,
                   .code = child->exit_code,
                   .signal = child->exit_signal,
                   .uptime_ms = uv_now(child->cluster->loop) - child->spawned_ms},
    };
}

/* Those that it works on, and so finishes when it is asked to leave. */
static uint64_t count_begun(skep_child *child) {
    struct last_moment moment = moment_of(child);
    uint64_t count = 0;
    for (uint64_t n = child->deliveries.first; n < child->deliveries.next && n <= moment.begun; n++) {
        const struct skep__delivery *delivery = skep__deliveries_find(&child->deliveries, n);
        count += delivery != NULL && delivery->job != NULL;
    }
    return count;
}

uint64_t skep__ledger_losable(const skep_cluster *cluster, bool now, uint64_t *dead) {
    uint64_t jobs = skep__ledger_unfinished(cluster), begun = 0;
    skep_child *child;
    *dead = 0;
    for (const struct skep__queue *q = NULL; (q = cluster->store->kind->next_queue(cluster->store, q)) != NULL;)
        *dead += q->dead_count;
    if (!now) TAILQ_FOREACH(child, &cluster->children, entry) begun += count_begun(child);
    return jobs - begun;
}

/* In the order of delivery: the first that are not answered are those that it worked on. */
static bool is_suspect(const struct last_moment *moment, struct skep__job *job) {
    if (!moment->blames || job->delivery > moment->begun) return false;
    if (moment->running != 0) return job->delivery == moment->running;
    if (job->holder->suspects == 0) return false;
    job->holder->suspects--;
    return true;
}

static void blame(skep_child *child, const struct last_moment *moment) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) consumer->suspects = consumer->concurrency;
    for (uint64_t n = child->deliveries.first; n < child->deliveries.next; n++) {
        struct skep__delivery *delivery = skep__deliveries_find(&child->deliveries, n);
        if (delivery != NULL && delivery->job != NULL) delivery->job->deaths += is_suspect(moment, delivery->job);
    }
}

static void bury(skep_child *child, struct skep__job *job, const struct last_moment *moment) {
    char text[SKEP_MAX_REASON];
    const struct skep__exit_record *end = &moment->record;
    const char *signal = end->signal >= 0 ? sigabbrev_np(end->signal) : NULL;
    int n = snprintf(text, sizeof text, "%u workers died of it; the last ", job->deaths);
    if (signal != NULL) snprintf(text + n, sizeof text - (size_t)n, "was killed by SIG%s", signal);
    else if (end->signal >= 0) snprintf(text + n, sizeof text - (size_t)n, "was killed by signal %d", end->signal);
    else if (end->code >= 0) snprintf(text + n, sizeof text - (size_t)n, "exited with status %d", end->code);
    else snprintf(text + n, sizeof text - (size_t)n, "closed its link");
    struct skep_bytes reason = skep__text(text);
    skep__ledger_bury(child->cluster, job, "deaths", &reason, end);
}

static void give_back(skep_child *child, struct skep__job *job, const struct last_moment *moment) {
    skep_cluster *cluster = child->cluster;
    child->jobs_given_back++;
    if (job->delivery > moment->begun) job->attempt--;
    skep__consumer_let_go(job);
    if (job->deaths >= cluster->settings.deaths) bury(child, job, moment);
    else cluster->store->kind->recover(cluster->store, job);
}

/* The last first, since each goes before the others. */
static void recover(skep_child *child) {
    struct last_moment moment = moment_of(child);
    blame(child, &moment);
    for (uint64_t n = child->deliveries.next; n-- > child->deliveries.first;) {
        struct skep__delivery *delivery = skep__deliveries_find(&child->deliveries, n);
        if (delivery != NULL && delivery->job != NULL) give_back(child, delivery->job, &moment);
    }
    skep__deliveries_free(&child->deliveries);
}

/* Its queues, though not the consumers, outlive it. */
static void dispatch_rest(skep_child *child) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &child->consumers, of_child) skep__dispatch_jobs(child->cluster, consumer->queue);
    skep__sessions_flush(child->cluster);
}

static void hand_over(skep_child *child) {
    recover(child);
    dispatch_rest(child);
}

static void waited(struct skep__alarm *alarm) {
    hand_over((skep_child *)((char *)alarm - offsetof(skep_child, jobs_alarm)));
}

/* How the process ended is known with its end only, and what it said last is read by then. */
void skep__ledger_link_ended(skep_child *child) {
    skep__consumers_update(child);
    if (child->deliveries.first == child->deliveries.next) return;
    if (skep__alarm_set(child->cluster->clock, &child->jobs_alarm, END_MS, waited) != SKEP_OK) hand_over(child);
}

void skep__ledger_child_ended(skep_child *child) {
    skep__alarm_stop(&child->jobs_alarm);
    skep__consumers_update(child);
    if (child->deliveries.first != child->deliveries.next) recover(child);
    dispatch_rest(child);
    skep__consumers_free(child);
    skep__deliveries_free(&child->deliveries);
}
