/* SPDX-License-Identifier: MIT
 * The workers of a view: those that pass the filter, in order; and the chosen one among them, wherever it has gone. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command/top/view.h"

/* A worker with what it is sorted by, which is too expensive to compute for each comparison */
struct place {
    const struct top_worker *worker;
    double key;
};

static double state_rank(const struct top_worker *worker) {
    static const char *const states[] = {"draining", "spawning", "online", "ready"};
    for (int i = 0; i < 4; i++)
        if (strcmp(worker->status.state.data, states[i]) == 0) return i;
    return -1;
}

static double key_of(const struct top_model *model, const struct top_worker *worker, enum top_sort sort) {
#define SORTED(id, title, how, write, key) \
    if (sort == TOP_BY_##id) return key;
#include "command/top/cells.def"
    return 0;
}

static int compare(const void *left, const void *right) {
    const struct place *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    uint64_t first = a->worker->status.worker, second = b->worker->status.worker;
    return first < second ? -1 : first > second;
}

/* Any part of its id, process id, state, group or name */
static bool passes(const struct top_worker *worker, const char *filter) {
    const struct skep_command_workerStatus *status = &worker->status;
    char text[3 * SKEP_MAX_NAME + 64];
    if (filter[0] == '\0') return true;
    snprintf(text, sizeof text, "%" PRIu64 "\n%" PRIu64 "\n%s\n%s\n%s", status->worker, status->pid, status->state.data,
             status->group.data, status->name.data);
    return strcasestr(text, filter) != NULL;
}

static size_t collect(const struct top_view *view, const struct top_model *model, struct place *places) {
    size_t count = 0;
    for (size_t i = 0; i < model->now.workers_count; i++) {
        const struct top_worker *worker = &model->now.workers[i];
        if (passes(worker, view->filter))
            places[count++] = (struct place){.worker = worker, .key = key_of(model, worker, view->sort)};
    }
    qsort(places, count, sizeof *places, compare);
    return count;
}

/* Nothing may be done by mistake to another worker than the one that was chosen: none is chosen once it is gone. */
static void follow_chosen(struct top_view *view, const struct top_model *model) {
    if (view->chosen == 0) return;
    for (size_t i = 0; i < view->rows_count; i++)
        if (view->rows[i]->status.worker == view->chosen) {
            view->chosen_at = i;
            return;
        }
    bool is_gone = top_find_worker(&model->now, view->chosen, 0) == NULL;
    if (view->mode == TOP_CONFIRMING) view->mode = TOP_WATCHING;
    if (is_gone) top_view_say(view, false, "worker %" PRIu32 ", which was selected, has gone", view->chosen);
    view->chosen = 0;
}

int top_view_update(struct top_view *view, const struct top_model *model) {
    size_t room = model->now.workers_count + 1;
    struct place *places = calloc(room, sizeof *places);
    const struct top_worker **rows = realloc(view->rows, room * sizeof(*rows));
    if (rows != NULL) view->rows = rows;
    if (places == NULL || rows == NULL) {
        view->rows_count = 0;
        free(places);
        return SKEP_ENOMEM;
    }
    size_t count = view->rows_count = collect(view, model, places);
    for (size_t i = 0; i < count; i++) rows[i] = places[view->reversed ? count - 1 - i : i].worker;
    free(places);
    follow_chosen(view, model);
    return SKEP_OK;
}

void top_view_free(struct top_view *view) {
    free(view->rows);
    *view = (struct top_view){0};
}
