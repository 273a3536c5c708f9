/* SPDX-License-Identifier: MIT
 * The view of a hive: which workers, in which order, which one is chosen, what is being asked; and what keys
 * do to that. No terminal: keys come as numbers. */
#ifndef SKEP_COMMAND_TOP_VIEW_H
#define SKEP_COMMAND_TOP_VIEW_H

#include "command/top/model.h"

/* Keys that are no character; characters are what they are. */
enum top_key {
    TOP_KEY_ESCAPE = 27,
    TOP_KEY_ENTER = '\n',
    TOP_KEY_BACKSPACE = 127,
    TOP_KEY_UP = 0x1000,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END
};

/* Columns of workers, in their order */
enum top_sort {
#define SORTED(id, ...) TOP_BY_##id,
#include "command/top/cells.def"
    TOP_SORTS
};

enum top_mode { TOP_WATCHING, TOP_FILTERING, TOP_CONFIRMING, TOP_HELPING };

enum top_action { TOP_NOTHING, TOP_QUIT, TOP_DRAIN, TOP_RESTART, TOP_KILL };

enum { TOP_MESSAGE_BYTES = SKEP_MAX_REASON + 128, TOP_FILTER_BYTES = 65 };

struct top_view {
    enum top_mode mode;
    enum top_action asked; /* confirming: this, of the chosen worker */
    enum top_sort sort;
    bool reversed;
    bool paused;     /* drawing */
    bool is_plain;   /* there are no keys to be told of */
    bool is_bad;     /* the message tells of a failure */
    uint32_t chosen; /* worker id; 0: none */
    size_t chosen_at;
    int page; /* workers that are shown at once */
    char filter[TOP_FILTER_BYTES];
    char message[TOP_MESSAGE_BYTES];
    const struct top_worker **rows; /* workers that pass the filter, in order; they belong to the model */
    size_t rows_count;
};

/* Filters and sorts again, after each snapshot. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_view_update(struct top_view *view, const struct top_model *model);

/* What a key does. An action other than TOP_QUIT is about view->chosen. */
enum top_action top_view_key(struct top_view *view, struct top_model *model, int key);

/* Says something until the next key. */
SKEP_PRINTF(3, 4) void top_view_say(struct top_view *view, bool is_bad, const char *format, ...);

/* Such as "drain". */
const char *top_action_name(enum top_action action);

/* Such as "CPU%". */
const char *top_sort_name(enum top_sort sort);

void top_view_free(struct top_view *view);

#endif
