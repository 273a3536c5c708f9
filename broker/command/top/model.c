/* SPDX-License-Identifier: MIT
 * What skep top knows. */
#include "command/top/model.h"

#include <histogram.h>
#include <stdio.h>
#include <string.h>

#include "command/common/times.h"
#include "command/common/utf8.h"
#include "command/view/notice.h"

enum { LOOKED_AT_MS = 1500 }; /* by then the broker has looked at a worker again */

/* --- two snapshots and what lies between them --- */

/* What was restarted, or did not exist before, has counted from 0. */
static double per_second(const struct top_model *model, uint64_t now, uint64_t before) {
    if (model->taken < 2 || model->now.time_ms <= model->before.time_ms) return -1;
    double seconds = (double)(model->now.time_ms - model->before.time_ms) / 1000;
    return (double)(now - (before <= now ? before : 0)) / seconds;
}

double top_rate(const struct top_model *model, enum top_rate what) {
    const struct skep_command_brokerStatus *now = &model->now.broker.status, *before = &model->before.broker.status;
    switch (what) {
    case TOP_ACCEPTED_RATE: return per_second(model, now->accepted, before->accepted);
    case TOP_REQUESTS_RATE: return per_second(model, now->requests, before->requests);
    default: return per_second(model, top_jobs_done(&model->now), top_jobs_done(&model->before));
    }
}

static const struct top_worker none = {0};

static const struct top_worker *earlier(const struct top_model *model, const struct top_worker *worker) {
    const struct top_worker *found =
        top_find_worker(&model->before, worker->status.worker, (size_t)(worker - model->now.workers));
    return found != NULL ? found : &none;
}

double top_worker_rate(const struct top_model *model, const struct top_worker *worker, enum top_rate what) {
    const struct top_worker *before = earlier(model, worker);
    switch (what) {
    case TOP_ACCEPTED_RATE: return per_second(model, worker->status.accepted, before->status.accepted);
    case TOP_REQUESTS_RATE: return per_second(model, worker->status.requests, before->status.requests);
    default: return per_second(model, worker->status.jobsDone, before->status.jobsDone);
    }
}

double top_listener_rate(const struct top_model *model, const struct top_listener *listener) {
    const struct top_listener *before = top_find_listener(&model->before, listener->status.url.data);
    return per_second(model, listener->status.accepted, before != NULL ? before->status.accepted : 0);
}

double top_queue_rate(const struct top_model *model, const struct top_queue *queue) {
    const struct top_queue *before = top_find_queue(&model->before, queue->status.name.data);
    return per_second(model, queue->status.done, before != NULL ? before->status.done : 0);
}

/* --- times --- */

/* Times that cannot be read are as good as none. */
static struct top_quantiles between(struct skep_bytes now, struct skep_bytes before) {
    struct skep_histogram times = {0}, earlier_times = {0};
    struct top_quantiles quantiles = {0};
    int status = now.size_bytes > 0 ? skep__histogram_unpack(&times, now.data, now.size_bytes) : SKEP_OK;
    if (status == SKEP_OK && before.size_bytes > 0)
        status = skep__histogram_unpack(&earlier_times, before.data, before.size_bytes);
    if (status == SKEP_OK) {
        skep__histogram_subtract(&times, &earlier_times);
        quantiles = (struct top_quantiles){.total = times.total,
                                           .p50_ns = skep__histogram_quantile_ns(&times, 0.5),
                                           .p99_ns = skep__histogram_quantile_ns(&times, 0.99)};
    }
    skep__histogram_free(&times);
    skep__histogram_free(&earlier_times);
    return quantiles;
}

struct top_quantiles top_times(const struct top_model *model, enum top_kind kind) {
    return between(model->now.broker.times[kind], model->before.broker.times[kind]);
}

struct top_quantiles top_worker_times(const struct top_model *model, const struct top_worker *worker) {
    return between(worker->times[model->kind], earlier(model, worker)->times[model->kind]);
}

struct top_quantiles top_queue_times(const struct top_model *model, const struct top_queue *queue) {
    const struct top_queue *before = top_find_queue(&model->before, queue->status.name.data);
    return between(queue->status.times, before != NULL ? before->status.times : (struct skep_bytes){0});
}

static bool has_times(const struct top_model *model, enum top_kind kind) {
    return model->now.broker.times[kind].size_bytes > 0;
}

void top_model_next_kind(struct top_model *model) {
    model->is_kind_chosen = true;
    for (int i = 1; i < TOP_KINDS; i++) {
        enum top_kind kind = (enum top_kind)(((int)model->kind + i) % TOP_KINDS);
        if (!has_times(model, kind)) continue;
        model->kind = kind;
        return;
    }
}

/* Unless the user has chosen: requests say more than connections, and are there when jobs are not. */
static void choose_kind(struct top_model *model) {
    static const enum top_kind order[] = {TOP_CONNECTION, TOP_JOB, TOP_REQUEST};
    for (int i = 0; i < TOP_KINDS; i++)
        if (has_times(model, order[i])) model->kind = order[i];
}

/* --- as time goes by --- */

static void remember(struct top_model *model) {
    uint64_t since_ms = model->now.time_ms - model->history_ms;
    if (model->taken < 2 || (model->history_count > 0 && since_ms * 10 < (uint64_t)model->interval_ms * 9)) return;
    bool is_full = model->history_count == TOP_HISTORY;
    for (int what = 0; what < TOP_RATES; what++) {
        double *history = model->history[what];
        if (is_full) memmove(history, history + 1, (TOP_HISTORY - 1) * sizeof *history);
        history[is_full ? TOP_HISTORY - 1 : model->history_count] = top_rate(model, (enum top_rate)what);
    }
    if (!is_full) model->history_count++;
    model->history_ms = model->now.time_ms;
}

/* The broker looks at a worker's processor time once a second at most, whenever it is asked. What did not grow since
 * the latest snapshot may not have been looked at, so the rate is that between two growths. */
static void find_cpu(struct top_worker *worker, const struct top_worker *before, uint64_t time_ms) {
    uint64_t since_ms = before != NULL ? time_ms - before->cpu_seen_ms : 0;
    worker->cpu_percent = -1;
    worker->cpu_seen_ms = time_ms;
    if (before == NULL || !SKEP_HAS(workerStatus, &worker->status, cpu_ms) || since_ms == 0 ||
        worker->status.cpu_ms < before->status.cpu_ms)
        return;
    if (worker->status.cpu_ms == before->status.cpu_ms && since_ms < LOOKED_AT_MS) {
        worker->cpu_percent = before->cpu_percent;
        worker->cpu_seen_ms = before->cpu_seen_ms;
        return;
    }
    worker->cpu_percent = 100 * (double)(worker->status.cpu_ms - before->status.cpu_ms) / (double)since_ms;
}

static void find_all_cpu(const struct top_snapshot *latest, struct top_snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->workers_count; i++) {
        struct top_worker *worker = &snapshot->workers[i];
        find_cpu(worker, top_find_worker(latest, worker->status.worker, i), snapshot->time_ms);
    }
}

/* Rates need some time between two snapshots, however many are taken early: one waits until it is old enough to become
 * the earlier one, and those after it are passed over. */
static void move_on(struct top_model *model, uint64_t time_ms) {
    if (model->next.time_ms == 0) model->next = model->now;
    else top_snapshot_free(&model->now);
    bool is_old = (time_ms - model->next.time_ms) * 20 >= (uint64_t)model->interval_ms * 19;
    if (!is_old && model->taken > 1) return;
    top_snapshot_free(&model->before);
    model->before = model->next;
    model->next = (struct top_snapshot){0};
}

void top_model_take(struct top_model *model, struct top_snapshot *snapshot) {
    find_all_cpu(&model->now, snapshot);
    if (model->taken > 0) move_on(model, snapshot->time_ms);
    model->now = *snapshot;
    *snapshot = (struct top_snapshot){0};
    model->taken++;
    if (!model->is_kind_chosen) choose_kind(model);
    remember(model);
}

/* Of the time only hours, minutes and seconds: the date is that of today. */
void top_model_note(struct top_model *model, const struct skep_command_event *event) {
    enum { CLOCK_AT = 11, CLOCK_BYTES = 8 };
    char text[NOTICE_TEXT_BYTES], time[TIME_BYTES];
    char *line = model->events[model->events_count++ % TOP_EVENTS];
    time_text(event->time, time);
    notice_text(event, text);
    const char *clock = strlen(time) > CLOCK_AT ? time + CLOCK_AT : "?";
    snprintf(line, TOP_EVENT_BYTES, "%.*s%s", CLOCK_BYTES, clock, text + strlen(time));
    line[utf8_whole(line, strlen(line))] = '\0';
}

const char *top_model_event(const struct top_model *model, size_t back) {
    if (back >= model->events_count || back >= TOP_EVENTS) return NULL;
    return model->events[(model->events_count - 1 - back) % TOP_EVENTS];
}

unsigned top_model_ready(const struct top_model *model) {
    unsigned ready = 0;
    for (size_t i = 0; i < model->now.workers_count; i++)
        ready += strcmp(model->now.workers[i].status.state.data, "ready") == 0;
    return ready;
}

void top_model_free(struct top_model *model) {
    top_snapshot_free(&model->now);
    top_snapshot_free(&model->before);
    top_snapshot_free(&model->next);
}
