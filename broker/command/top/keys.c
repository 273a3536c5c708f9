/* SPDX-License-Identifier: MIT
 * What keys do to the view of a hive. */
#include <inttypes.h>
#include <string.h>

#include "command/common/say.h"
#include "command/top/view.h"

enum { MIN_INTERVAL_MS = 250, MAX_INTERVAL_MS = 16000 };

const char *top_action_name(enum top_action action) {
    static const char *const names[] = {"", "quit", "drain", "restart", "kill"};
    return names[action];
}

const char *top_sort_name(enum top_sort sort) {
    static const char *const names[] = {
#define SORTED(id, title, ...) title,
#include "command/top/cells.def"
    };
    return names[sort];
}

void top_view_say(struct top_view *view, bool is_bad, const char *format, ...) {
    FORMAT(view->message, sizeof view->message, format);
    view->is_bad = is_bad;
}

/* Without memory the order stays what it was, until the next snapshot. */
static void update(struct top_view *view, const struct top_model *model) {
    if (top_view_update(view, model) != SKEP_OK) top_view_say(view, true, "%s", skep_strerror(SKEP_ENOMEM));
}

static void choose(struct top_view *view, size_t at) {
    if (view->rows_count == 0) return;
    view->chosen_at = at < view->rows_count ? at : view->rows_count - 1;
    view->chosen = (uint32_t)view->rows[view->chosen_at]->status.worker;
}

/* The first key only shows where one is. */
static void move(struct top_view *view, int by) {
    size_t at = view->chosen_at, distance = (size_t)(by < 0 ? -by : by);
    if (view->chosen == 0) choose(view, 0);
    else if (by > 0) choose(view, at + distance);
    else choose(view, at > distance ? at - distance : 0);
}

static void ask(struct top_view *view, enum top_action action) {
    if (view->chosen == 0) {
        top_view_say(view, false, "select a worker first, with the arrows or j and k");
        return;
    }
    view->mode = TOP_CONFIRMING;
    view->asked = action;
}

static void sort(struct top_view *view, const struct top_model *model, enum top_sort by, bool reversed) {
    view->sort = by;
    view->reversed = reversed;
    update(view, model);
    top_view_say(view, false, "sorted by %s%s", top_sort_name(by), reversed ? ", in reverse" : "");
}

static void show_next_kind(struct top_view *view, struct top_model *model) {
    top_model_next_kind(model);
    update(view, model);
    top_view_say(view, false, "P50 and P99 of workers are those of a %s", top_kind_name(model->kind));
}

static void set_interval(struct top_view *view, struct top_model *model, unsigned interval_ms) {
    if (interval_ms >= MIN_INTERVAL_MS && interval_ms <= MAX_INTERVAL_MS) model->interval_ms = interval_ms;
    top_view_say(view, false, "every %g s", model->interval_ms / 1000.0);
}

static void forget_filter(struct top_view *view, const struct top_model *model) {
    view->filter[0] = '\0';
    update(view, model);
}

static enum top_action on_letter(struct top_view *view, struct top_model *model, int key) {
    switch (key) {
    case 'q': return TOP_QUIT;
    case 's': sort(view, model, (enum top_sort)((view->sort + 1) % TOP_SORTS), view->reversed); break;
    case 'S': sort(view, model, view->sort, !view->reversed); break;
    case 't': show_next_kind(view, model); break;
    case '/': view->mode = TOP_FILTERING; break;
    case TOP_KEY_ESCAPE: forget_filter(view, model); break;
    case 'd': ask(view, TOP_DRAIN); break;
    case 'r': ask(view, TOP_RESTART); break;
    case 'K': ask(view, TOP_KILL); break;
    case 'p': view->paused = !view->paused; break;
    case '+': set_interval(view, model, model->interval_ms * 2); break;
    case '-': set_interval(view, model, model->interval_ms / 2); break;
    case '?':
    case 'h': view->mode = TOP_HELPING; break;
    default: break;
    }
    return TOP_NOTHING;
}

static enum top_action on_watching(struct top_view *view, struct top_model *model, int key) {
    int page = view->page > 0 ? view->page : 1;
    switch (key) {
    case 'j':
    case TOP_KEY_DOWN: move(view, 1); break;
    case 'k':
    case TOP_KEY_UP: move(view, -1); break;
    case TOP_KEY_PAGE_DOWN: move(view, page); break;
    case TOP_KEY_PAGE_UP: move(view, -page); break;
    case TOP_KEY_HOME: choose(view, 0); break;
    case TOP_KEY_END: choose(view, SIZE_MAX); break;
    default: return on_letter(view, model, key);
    }
    return TOP_NOTHING;
}

/* Takes effect while it is typed. */
static void on_filtering(struct top_view *view, const struct top_model *model, int key) {
    size_t length = strlen(view->filter);
    if (key == TOP_KEY_ENTER || key == '\r') view->mode = TOP_WATCHING;
    else if (key == TOP_KEY_ESCAPE) view->mode = TOP_WATCHING, view->filter[0] = '\0';
    else if ((key == TOP_KEY_BACKSPACE || key == '\b') && length > 0) view->filter[length - 1] = '\0';
    else if (key >= ' ' && key < TOP_KEY_BACKSPACE && length + 1 < sizeof view->filter)
        view->filter[length] = (char)key, view->filter[length + 1] = '\0';
    update(view, model);
}

/* Whatever is not yes is no. */
static enum top_action on_confirming(struct top_view *view, int key) {
    view->mode = TOP_WATCHING;
    if (key == 'y' || key == 'Y') return view->asked;
    top_view_say(view, false, "worker %" PRIu32 " is left alone", view->chosen);
    return TOP_NOTHING;
}

enum top_action top_view_key(struct top_view *view, struct top_model *model, int key) {
    view->message[0] = '\0';
    switch (view->mode) {
    case TOP_FILTERING: on_filtering(view, model, key); return TOP_NOTHING;
    case TOP_CONFIRMING: return on_confirming(view, key);
    case TOP_HELPING: view->mode = TOP_WATCHING; return TOP_NOTHING;
    default: return on_watching(view, model, key);
    }
}
