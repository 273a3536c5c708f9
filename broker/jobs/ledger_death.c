/* SPDX-License-Identifier: MIT
 * What a worker's death means for its jobs. Those that it had not begun go back as if it had never had them. Of the
 * others some are suspects: the one whose handler ran, as the page tells; without that, those that it can have been
 * working on. A job that too many workers died of is a dead letter. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/container.h"
#include "common/signal_text.h"
#include "common/text.h"
#include "jobs/private.h"
#include "page_claims.h"

enum { END_MS = 100 /* from the end of the link to that of the process, as a rule much less */ };

/* What is known of a worker's last moment */
struct last_moment {
    uint64_t running;   /* 0: no handler ran, or unknown */
    bool blames;        /* it died of itself, and was not asked to end */
    const char *reason; /* for which the broker ended it; NULL: it did not */
    struct skep__exit_record record;
};

static struct skep__ending ending_of(const struct skep__holder *holder) {
    struct skep__ending ending = {.code = -1, .signal = -1};
    holder->jobs->host->ending(holder->worker, &ending);
    return ending;
}

static struct last_moment moment_of(const struct skep__holder *holder) {
    const struct skep_page *page = holder->page;
    const struct skep__ending ending = ending_of(holder);
    bool exact = page != NULL && __atomic_load_n(&page->writes, __ATOMIC_ACQUIRE) != 0;
    bool hung = ending.reason != NULL && strcmp(ending.reason, "watchdog") == 0;
    return (struct last_moment){
        .running = exact ? __atomic_load_n(&page->running, __ATOMIC_ACQUIRE) : 0,
        .blames = hung || (!ending.asked && ending.reason == NULL),
        .reason = ending.reason,
        .record = {.worker = holder->id,
                   .pid = holder->pid,
                   .code = ending.code,
                   .signal = ending.signal,
                   .uptime_ms = ending.uptime_ms},
    };
}

/* Those that do not outlast the broker and that it works on, and so finishes when it is asked to leave; not if it is
 * being ended by force. */
static uint64_t count_begun(struct skep__holder *holder) {
    uint64_t count = 0;
    if (ending_of(holder).reason != NULL) return 0;
    for (uint64_t n = 0; (n = skep__deliveries_after(&holder->deliveries, n)) != 0;) {
        const struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        count += job != NULL && job->row == NULL && skep__is_begun(holder, n);
    }
    return count;
}

static uint64_t count_all_begun(const struct skep__jobs *jobs) {
    uint64_t count = 0;
    struct skep__holder *holder;
    TAILQ_FOREACH(holder, &jobs->holders, entry) count += count_begun(holder);
    return count;
}

static uint64_t count_dead(const struct skep__jobs *jobs) {
    uint64_t count = 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;)
        count += q->shelf->dead_count - q->shelf->kept_dead_count;
    return count;
}

uint64_t skep__jobs_losable(const struct skep__jobs *jobs, bool now, uint64_t *dead) {
    *dead = jobs->stopping ? 0 : count_dead(jobs);
    if (jobs->stopping) return now ? count_all_begun(jobs) : 0;
    uint64_t unfinished = skep__jobs_volatile(jobs);
    return now ? unfinished : unfinished - count_all_begun(jobs);
}

/* In the order of delivery: the first that are not answered are those that it worked on. */
static bool is_suspect(const struct last_moment *moment, struct skep__job *job) {
    if (!moment->blames) return false;
    if (moment->running != 0) return job->delivery == moment->running;
    if (job->consumer->suspects == 0) return false;
    job->consumer->suspects--;
    return true;
}

enum { FIRST_NOTICE = 4 /* interruptions of a job after which the first event says so; then after twice as many */ };

/* Its worker ended for another reason, such as a reload that does not wait for so long. */
static void interrupted(struct skep__holder *holder, struct skep__job *job, const struct last_moment *moment) {
    unsigned count = job->interruptions < UINT16_MAX ? ++job->interruptions : UINT16_MAX;
    job->queue->interrupted++;
    if (count < FIRST_NOTICE || (count & (count - 1)) != 0) return;
    skep__jobs_say(holder->jobs, holder,
                   "job %" PRIu64 " of %s was interrupted %u times: workers end before it is done; the latest: %s",
                   job->id, job->queue->name, count, moment->reason != NULL ? moment->reason : "it left");
}

static void blame(struct skep__holder *holder, const struct last_moment *moment) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &holder->consumers, of_holder) consumer->suspects = consumer->concurrency;
    for (uint64_t n = 0; (n = skep__deliveries_after(&holder->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        if (job == NULL || !skep__is_begun(holder, n)) continue;
        if (is_suspect(moment, job)) job->deaths++;
        else interrupted(holder, job, moment);
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

static void bury(struct skep__holder *holder, struct skep__job *job, const struct last_moment *moment,
                 const char *cause, const char *what) {
    char text[SKEP_MAX_REASON];
    int n = snprintf(text, sizeof text, "%s; the last ", what);
    write_end(moment, text + n, sizeof text - (size_t)n);
    struct skep_bytes reason = skep__text(text);
    skep__ledger_bury(holder->jobs, job, cause, &reason, &moment->record);
}

static void bury_killer(struct skep__holder *holder, struct skep__job *job, const struct last_moment *moment) {
    char what[80];
    snprintf(what, sizeof what, "%u worker%s died of it", job->deaths, job->deaths == 1 ? "" : "s");
    bury(holder, job, moment, "deaths", what);
}

static void bury_interrupted(struct skep__holder *holder, struct skep__job *job, const struct last_moment *moment) {
    char what[80];
    snprintf(what, sizeof what, "%u worker%s ended before it was done", job->interruptions,
             job->interruptions == 1 ? "" : "s");
    bury(holder, job, moment, "interrupted", what);
}

static void give_back(struct skep__holder *holder, struct skep__job *job, const struct last_moment *moment) {
    struct skep__jobs *jobs = holder->jobs;
    unsigned most = job->queue->options.interruptions;
    holder->given_back++;
    if (!skep__is_begun(holder, job->delivery)) skep__claim_take(holder->page, job->delivery); /* it may live on */
    const bool begun = skep__is_begun(holder, job->delivery);
    if (begun) skep__consumer_let_go(job);
    else skep__consumer_undo(job);
    if (job->deaths >= jobs->settings->deaths) bury_killer(holder, job, moment);
    else if (most > 0 && job->interruptions >= most) bury_interrupted(holder, job, moment);
    else if (begun) jobs->store->kind->recover(jobs->store, job);
    else jobs->store->kind->release(jobs->store, job);
}

/* The last first, since each goes before the others. */
static void recover(struct skep__holder *holder) {
    struct last_moment moment = moment_of(holder);
    blame(holder, &moment);
    for (uint64_t n = UINT64_MAX; (n = skep__deliveries_before(&holder->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        if (job != NULL) give_back(holder, job, &moment);
    }
    skep__deliveries_free(&holder->deliveries);
}

/* Its queues, though not the consumers, outlive it. */
static void dispatch_rest(struct skep__holder *holder) {
    struct skep__consumer *consumer;
    LIST_FOREACH(consumer, &holder->consumers, of_holder) skep__jobs_dispatch_queue(holder->jobs, consumer->queue);
    holder->jobs->events->settled(holder->jobs->context);
}

static void hand_over(struct skep__holder *holder) {
    recover(holder);
    dispatch_rest(holder);
}

static void waited(struct skep__alarm *alarm) {
    hand_over(SKEP_CONTAINER(alarm, struct skep__holder, end_alarm));
}

/* How the process ended is known with its end only, and what it said last is read by then. */
void skep__jobs_link_closed(struct skep__holder *holder) {
    holder->ready = false;
    skep__consumers_update(holder);
    if (holder->deliveries.jobs == 0) return;
    if (skep__alarm_set(holder->jobs->pace, &holder->end_alarm, END_MS, waited) != SKEP_OK) hand_over(holder);
}

void skep__jobs_worker_ended(struct skep__holder *holder) {
    if (holder == NULL || holder->ended) return;
    TAILQ_REMOVE(&holder->jobs->holders, holder, entry);
    holder->ended = true;
    holder->ready = false;
    skep__alarm_stop(&holder->end_alarm);
    skep__alarm_stop(&holder->lease_alarm);
    skep__alarm_stop(&holder->lag_alarm);
    skep__consumers_update(holder);
    recover(holder);
    dispatch_rest(holder);
    skep__consumers_free(holder);
    skep__deliveries_free(&holder->deliveries);
}
