/* SPDX-License-Identifier: MIT
 * What the death of a mock broker's worker means for its jobs, as with a real one: those that it had not begun go back
 * as if it had never had them, and of the others some are suspects. A job that too many workers died of is a dead
 * letter. */
#include <stdio.h>

#include "common/signal_text.h"
#include "common/text.h"
#include "mock/broker.h"
#include "page_claims.h"

enum { END_NS = 100000000 /* from the end of the link to that of the program, as a rule much less */ };

/* The delivery whose handler ran at last; 0: none did, or nobody knows. */
static uint64_t running(const struct skep__mock_worker *worker) {
    bool exact = __atomic_load_n(&worker->page->writes, __ATOMIC_ACQUIRE) != 0;
    return exact ? __atomic_load_n(&worker->page->running, __ATOMIC_ACQUIRE) : 0;
}

/* In the order of delivery: the first that are not answered are those that it worked on. */
static bool is_suspect(const struct skep__mock_delivery *delivery, uint64_t running_number) {
    if (running_number != 0) return delivery->number == running_number;
    if (delivery->place->suspects == 0) return false;
    delivery->place->suspects--;
    return true;
}

static void blame(struct skep__mock_worker *worker, bool blames) {
    struct skep__mock_place *place;
    uint64_t running_number = running(worker);
    LIST_FOREACH(place, &worker->places, entry) place->suspects = place->concurrency;
    for (struct skep__mock_delivery *d = worker->deliveries; d != NULL; d = d->hh.next) {
        if (!d->live || !skep__mock_is_begun(worker, d)) continue;
        if (blames && is_suspect(d, running_number)) {
            d->job->deaths++;
        } else {
            d->job->interruptions++;
            d->job->queue->interrupted++;
        }
    }
}

/* Writes how the worker ended. */
static void write_end(const struct skep__mock_worker *worker, char *text, size_t room) {
    char signal[SKEP__SIGNAL_BYTES];
    skep__signal_text(worker->signal, signal);
    if (worker->signal >= 0) snprintf(text, room, "was killed by %s", signal);
    else if (worker->code >= 0) snprintf(text, room, "exited with status %d", worker->code);
    else snprintf(text, room, "closed its link");
}

static void bury(struct skep__mock_worker *worker, struct skep__mock_job *job, const char *cause, const char *format,
                 unsigned count) {
    char text[SKEP_MAX_REASON];
    int n = snprintf(text, sizeof text, "%u worker%s %s; the last ", count, count == 1 ? "" : "s", format);
    write_end(worker, text + n, sizeof text - (size_t)n);
    skep__mock_end_dead(worker->mock, job, cause, skep__text(text));
}

static void give_back(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    skep_mock *mock = worker->mock;
    struct skep__mock_job *job = delivery->job;
    unsigned most = job->queue->options.interruptions;
    bool taken = !delivery->outlasted && skep__claim_take(worker->page, delivery->number); /* it may live on */
    if (!taken && skep__mock_is_begun(worker, delivery)) skep__mock_let_go(worker, delivery);
    else skep__mock_undo(worker, delivery);
    if (job->attempt > 0) job->expiry_ms = UINT64_MAX;
    if (job->deaths >= mock->options.deaths) bury(worker, job, "deaths", "died of it", job->deaths);
    else if (most > 0 && job->interruptions >= most)
        bury(worker, job, "interrupted", "ended before it was done", job->interruptions);
    else skep__mock_make_ready(mock, job, true);
}

/* The last first, since each goes before the others. */
void skep__mock_give_back(struct skep__mock_worker *worker, bool blames) {
    struct skep__mock_delivery *last = worker->deliveries;
    if (worker->live_deliveries == 0) return;
    blame(worker, blames);
    while (last->hh.next != NULL) last = last->hh.next;
    for (; last != NULL; last = last->hh.prev)
        if (last->live) give_back(worker, last);
}

void skep__mock_give_back_overdue(skep_mock *mock) {
    struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry)
    if (w->left && w->live_deliveries > 0 && uv_hrtime() - w->left_ns > END_NS) skep__mock_give_back(w, !w->draining);
}
