/* SPDX-License-Identifier: MIT
 * The head of a frame of skep top, its last line, and its help. */
#include <inttypes.h>
#include <string.h>

#include "command/common/times.h"
#include "command/top/frame.h"

enum { LABEL_WIDTH = 10, NUMBER_WIDTH = 8, TIMES_WIDTH = 40, SPARK_AT = LABEL_WIDTH + NUMBER_WIDTH + 2 };

static int put_count(struct top_canvas *canvas, int at, uint64_t count, const char *what) {
    return top_canvas_item(canvas, 0, at, TOP_PLAIN, ", %" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void put_broker(struct top_canvas *canvas, const struct top_model *model) {
    const struct skep_command_brokerStatus *broker = &model->now.broker.status;
    unsigned ready = top_model_ready(model);
    unsigned wanted =
        SKEP_HAS(brokerStatus, broker, wanted) ? (unsigned)broker->wanted : (unsigned)model->now.workers_count;
    uint64_t s = broker->uptime_ms / 1000;
    char of_workers[48];
    snprintf(of_workers, sizeof of_workers, ", %u of %u ready", ready, wanted);
    int at = top_canvas_item(canvas, 0, 0, TOP_STRONG, "%s", broker->name.data);
    at = top_canvas_item(canvas, 0, at, TOP_PLAIN, "  %s %" PRIu64 ":%02u:%02u", broker->state.data, s / 3600,
                         (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    int policy_width = top_canvas_width(canvas, broker->policy.data) + 2;
    if (at + policy_width + (int)strlen(of_workers) <= canvas->columns) /* else the workers matter more */
        at = top_canvas_item(canvas, 0, at, TOP_PLAIN, ", %s", broker->policy.data);
    at = top_canvas_item(canvas, 0, at, ready < wanted ? TOP_WARN : TOP_PLAIN, "%s", of_workers);
    at = put_count(canvas, at, broker->connections, "connection");
    put_count(canvas, at, broker->restarts, "restart");
}

static int put_paused(struct top_canvas *canvas, int row, int at, const struct top_snapshot *now) {
    for (size_t i = 0; i < now->listeners_count; i++) {
        const struct skep_command_listenerStatus *listener = &now->listeners[i].status;
        if (!listener->resting) continue;
        at = top_canvas_item(canvas, row, at, TOP_WARN, "%s paused  ",
                             listener->name.data[0] != '\0' ? listener->name.data : listener->url.data);
    }
    for (size_t i = 0; i < now->queues_count; i++)
        if (now->queues[i].status.paused)
            at = top_canvas_item(canvas, row, at, TOP_WARN, "queue %s paused  ", now->queues[i].status.name.data);
    return at;
}

/* What an operator has to know; the row is left to others if there is nothing. */
static int put_warnings(struct top_canvas *canvas, int row, const struct top_model *model) {
    const struct skep_command_brokerStatus *broker = &model->now.broker.status;
    int at = 0;
    if (SKEP_HAS(brokerStatus, broker, breaker_ms))
        at = top_canvas_item(canvas, row, at, TOP_BAD,
                             "BREAKER OPEN: tries a worker in %" PRIu64 " s; skep exits, skep resume  ",
                             (broker->breaker_ms + 999) / 1000);
    if (SKEP_HAS(brokerStatus, broker, reloadSteps))
        at = top_canvas_item(canvas, row, at, TOP_WARN, "reload %" PRIu64 " of %" PRIu64 "  ", broker->reloadStep,
                             broker->reloadSteps);
    at = put_paused(canvas, row, at, &model->now);
    return at > 0 ? row + 1 : row;
}

static double greatest(const double *values, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        if (values[i] > most) most = values[i];
    return most;
}

/* The latest is at the right; the highest reaches the top. One sample is no line. */
static void put_spark(struct top_canvas *canvas, int row, int width, const struct top_model *model,
                      enum top_rate what) {
    static const char *const fine[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const coarse[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    size_t count = model->history_count, shown = width < (int)count ? (size_t)width : count;
    const double *values = model->history[what] + (count - shown);
    double most = greatest(values, shown);
    if (width <= 0 || count < 2) return;
    for (size_t i = 0; i < shown; i++) {
        double share = most > 0 && values[i] > 0 ? values[i] / most : 0;
        const char *bar = (canvas->utf8 ? fine : coarse)[(int)(share * 7 + 0.5)];
        top_canvas_put(canvas, row, SPARK_AT + (int)i, canvas->columns, TOP_GOOD, bar);
    }
}

static void put_times(struct top_canvas *canvas, int row, const struct top_model *model, enum top_kind kind) {
    struct top_quantiles times = top_times(model, kind);
    char p50[DURATION_BYTES], p99[DURATION_BYTES];
    if (times.total == 0) return;
    duration_text(times.p50_ns, p50);
    duration_text(times.p99_ns, p99);
    top_canvas_print(canvas, row, canvas->columns - TIMES_WIDTH, TOP_PLAIN, "%10s  p50 %8s  p99 %8s",
                     top_kind_name(kind), p50, p99);
}

static void put_rate(struct top_canvas *canvas, int row, const struct top_model *model, enum top_rate what) {
    static const char *const labels[] = {"accepted/s", "requests/s", "jobs/s"};
    static const enum top_kind kinds[] = {TOP_CONNECTION, TOP_REQUEST, TOP_JOB};
    bool is_wide = canvas->columns >= SPARK_AT + TIMES_WIDTH + 10;
    char number[TOP_CELL_BYTES];
    top_number(top_rate(model, what), number);
    top_canvas_print(canvas, row, 0, TOP_FAINT, "%s", labels[what]);
    top_canvas_print(canvas, row, LABEL_WIDTH, TOP_STRONG, "%*s", NUMBER_WIDTH, number);
    put_spark(canvas, row, canvas->columns - SPARK_AT - (is_wide ? TIMES_WIDTH + 1 : 0), model, what);
    if (is_wide) put_times(canvas, row, model, kinds[what]);
}

int top_head(struct top_canvas *canvas, const struct top_model *model) {
    put_broker(canvas, model);
    int row = put_warnings(canvas, 1, model);
    for (int what = 0; what < TOP_RATES; what++) put_rate(canvas, row++, model, (enum top_rate)what);
    return row;
}

static void put_keys(struct top_canvas *canvas, int row, const struct top_model *model, const struct top_view *view) {
    static const char *const keys[] = {"q quit",  "? help",    "s sort", "/ filter",
                                       "d drain", "r restart", "K kill", "p pause"};
    size_t all = model->now.workers_count, shown = view->rows_count;
    int at = 0;
    if (view->paused) at = top_canvas_item(canvas, row, at, TOP_WARN, "PAUSED, p continues  ");
    if (view->filter[0] != '\0')
        at = top_canvas_item(canvas, row, at, TOP_WARN, "%zu of %zu workers: %s  ", shown, all, view->filter);
    else if (view->page < (int)shown) at = top_canvas_item(canvas, row, at, TOP_STRONG, "%zu workers  ", all);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        at = top_canvas_item(canvas, row, at, TOP_FAINT, "%s  ", keys[i]);
}

void top_foot(struct top_canvas *canvas, const struct top_model *model, const struct top_view *view) {
    int row = canvas->rows - 1;
    if (view->mode == TOP_CONFIRMING)
        top_canvas_print(canvas, row, 0, TOP_BAD, "%s worker %" PRIu32 "? y/n", top_action_name(view->asked),
                         view->chosen);
    else if (view->mode == TOP_HELPING) top_canvas_print(canvas, row, 0, TOP_FAINT, "press any key to go back");
    else if (view->mode == TOP_FILTERING) top_canvas_print(canvas, row, 0, TOP_STRONG, "filter: %s_", view->filter);
    else if (view->message[0] != '\0')
        top_canvas_print(canvas, row, 0, view->is_bad ? TOP_BAD : TOP_STRONG, "%s", view->message);
    else put_keys(canvas, row, model, view);
}

void top_help(struct top_canvas *canvas) {
    static const char *const lines[] = {
        "arrows, j k, PgUp PgDn   select a worker",
        "d  r  K                  drain, restart or kill it, after a question",
        "s  S                     sort by the next column; reverse",
        "/  Esc                   show only workers with this id, pid, state, name",
        "t                        P50 and P99 of requests, jobs or connections",
        "p                        freeze the display; continue",
        "+  -                     refresh half as often; twice as often",
        "q                        quit",
    };
    for (int i = 0; i < (int)(sizeof lines / sizeof *lines) && i < canvas->rows - 1; i++)
        top_canvas_print(canvas, i, 0, TOP_PLAIN, "%s", lines[i]);
}
