/* SPDX-License-Identifier: MIT
 * A frame of skep top: which part gets how many rows. */
#include "command/top/frame.h"

#include <stdlib.h>

/* In the order in which they stand; each has a line of titles. */
enum part { WORKERS, LISTENERS, QUEUES, EVENTS, PARTS };

enum { MOST_EVENTS = 10 };

struct layout {
    int rows[PARTS]; /* with the titles; 0: it is not shown */
    int gap;         /* blank rows before each */
};

static int least(int a, int b) {
    return a < b ? a : b;
}

static void want(int wanted[PARTS], const struct top_model *model, const struct top_view *view) {
    const int counts[PARTS] = {(int)view->rows_count, (int)model->now.listeners_count, (int)model->now.queues_count,
                               (int)(model->events_count < MOST_EVENTS ? model->events_count : MOST_EVENTS)};
    for (int i = 0; i < PARTS; i++) wanted[i] = counts[i] > 0 ? 1 + counts[i] : 0;
}

static int give(int *row, int wanted, int more, int *rest) {
    int given = least(least(more, wanted - *row), *rest);
    *row += given;
    *rest -= given;
    return given;
}

/* First what makes each part worth its titles, the workers before all; then the rest in turns, most of it to the
 * workers. A part of nothing but titles is left out. */
static struct layout lay_out(const int wanted[PARTS], int rest) {
    static const int order[PARTS] = {WORKERS, QUEUES, LISTENERS, EVENTS};
    static const int first[PARTS] = {4, 2, 3, 3}, more[PARTS] = {2, 1, 1, 1};
    struct layout layout = {0};
    for (int i = 0; i < PARTS; i++) {
        int part = order[i];
        if (rest >= 2) give(&layout.rows[part], wanted[part], first[part], &rest);
    }
    for (int given = 1; given > 0;) {
        given = 0;
        for (int i = 0; i < PARTS; i++) {
            int part = order[i];
            if (layout.rows[part] > 0) given += give(&layout.rows[part], wanted[part], more[part], &rest);
        }
    }
    layout.gap = rest >= PARTS;
    return layout;
}

/* The page that the chosen worker stands on; the first if none is chosen. */
static int draw_workers(struct top_canvas *canvas, int row, int rows, const struct top_model *model,
                        const struct top_view *view) {
    size_t page = (size_t)rows - 1, first = view->chosen != 0 ? view->chosen_at / page * page : 0;
    size_t count = view->rows_count - first < page ? view->rows_count - first : page;
    int status = top_table_draw(canvas, row, &top_worker_table, model, (const void *const *)&view->rows[first], count,
                                top_sort_name(view->sort));
    if (view->chosen != 0) top_canvas_style(canvas, row + 1 + (int)(view->chosen_at - first), TOP_CHOSEN);
    return status;
}

/* Draws as many items of an array as there are rows for; the last row tells how many are left out. */
static int draw_items(struct top_canvas *canvas, int row, int rows, const struct top_table *table,
                      const struct top_model *model, const void *items, size_t item_bytes, size_t count) {
    size_t room = (size_t)rows - 1, shown = count <= room ? count : room > 1 ? room - 1 : 1;
    const void **pointers = calloc(shown + 1, sizeof *pointers);
    if (pointers == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < shown; i++) pointers[i] = (const char *)items + i * item_bytes;
    int status = top_table_draw(canvas, row, table, model, pointers, shown, NULL);
    if (shown < count && shown < room)
        top_canvas_print(canvas, row + rows - 1, 0, TOP_FAINT, "and %zu more", count - shown);
    free(pointers);
    return status;
}

/* The latest stands last, as in a log. */
static int draw_events(struct top_canvas *canvas, int row, int rows, const struct top_model *model) {
    top_canvas_style(canvas, row, TOP_TITLE);
    top_canvas_print(canvas, row, 0, TOP_TITLE, "EVENTS (UTC)");
    for (int back = rows - 2; back >= 0; back--)
        top_canvas_print(canvas, row + rows - 1 - back, 0, TOP_PLAIN, "%s", top_model_event(model, (size_t)back));
    return SKEP_OK;
}

static int draw_part(struct top_canvas *canvas, int row, int rows, enum part part, const struct top_model *model,
                     const struct top_view *view) {
    const struct top_snapshot *now = &model->now;
    switch (part) {
    case WORKERS: return draw_workers(canvas, row, rows, model, view);
    case LISTENERS:
        return draw_items(canvas, row, rows, &top_listener_table, model, now->listeners, sizeof *now->listeners,
                          now->listeners_count);
    case QUEUES:
        return draw_items(canvas, row, rows, &top_queue_table, model, now->queues, sizeof *now->queues,
                          now->queues_count);
    default: return draw_events(canvas, row, rows, model);
    }
}

static int draw_parts(struct top_canvas *canvas, int row, const struct top_model *model, struct top_view *view) {
    int wanted[PARTS], status = SKEP_OK;
    want(wanted, model, view);
    struct layout layout = lay_out(wanted, canvas->rows - 1 - row);
    view->page = layout.rows[WORKERS] - 1;
    for (int part = 0; part < PARTS && status == SKEP_OK; part++) {
        if (layout.rows[part] == 0) continue;
        status = draw_part(canvas, row + layout.gap, layout.rows[part], (enum part)part, model, view);
        row += layout.gap + layout.rows[part];
    }
    return status;
}

int top_frame_draw(struct top_canvas *canvas, int columns, int rows, const struct top_model *model,
                   struct top_view *view) {
    int status = top_canvas_clear(canvas, columns, rows);
    if (status != SKEP_OK) return status;
    if (columns < TOP_MIN_COLUMNS || rows < TOP_MIN_ROWS) {
        top_canvas_print(canvas, 0, 0, TOP_BAD, "too small: %dx%d, not %dx%d", columns, rows, TOP_MIN_COLUMNS,
                         TOP_MIN_ROWS);
        return SKEP_OK;
    }
    if (view->mode == TOP_HELPING) top_help(canvas);
    else status = draw_parts(canvas, top_head(canvas, model), model, view);
    if (!view->is_plain) top_foot(canvas, model, view);
    return status;
}

int top_frame_rows(const struct top_model *model, const struct top_view *view) {
    int wanted[PARTS], rows = TOP_MIN_ROWS;
    want(wanted, model, view);
    for (int part = 0; part < PARTS; part++) rows += wanted[part];
    return rows + PARTS;
}
