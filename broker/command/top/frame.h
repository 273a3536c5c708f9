/* SPDX-License-Identifier: MIT
 * A frame of skep top: a model, seen in a certain way, on a canvas of a certain size. */
#ifndef SKEP_COMMAND_TOP_FRAME_H
#define SKEP_COMMAND_TOP_FRAME_H

#include "command/top/canvas.h"
#include "command/top/view.h"

/* Less is too small for anything but to say so. */
enum { TOP_MIN_COLUMNS = 40, TOP_MIN_ROWS = 8 };

/* Draws the frame; view->page is set to how many workers there is room for. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_frame_draw(struct top_canvas *canvas, int columns, int rows, const struct top_model *model,
                                 struct top_view *view);

/* Rows in which everything has room, without keys at the bottom. */
int top_frame_rows(const struct top_model *model, const struct top_view *view);

/* The parts above and below the tables. top_head returns the first row that is free. */
int top_head(struct top_canvas *canvas, const struct top_model *model);
void top_foot(struct top_canvas *canvas, const struct top_model *model, const struct top_view *view);
void top_help(struct top_canvas *canvas);

#endif
