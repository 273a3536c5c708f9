/* SPDX-License-Identifier: MIT
 * The terminal of skep top, by ncurses. There is one at a time, as ncurses has it. */
#ifndef SKEP_COMMAND_TOP_SCREEN_H
#define SKEP_COMMAND_TOP_SCREEN_H

#include "command/top/canvas.h"

/* What the terminal of stdin and stdout lacks, in words; NULL if it can be drawn on. */
const char *top_terminal_lacks(void);

/* Takes the terminal of stdin and stdout. Returns NULL, or what is wrong with it, in words. */
const char *top_screen_open(void);

/* The size that the terminal has now. */
void top_screen_size(int *columns, int *rows);

void top_screen_draw(const struct top_canvas *canvas);

/* The next key that was pressed, as top_view_key takes it; 0: none. */
int top_screen_key(void);

/* Gives the terminal back as it was. */
void top_screen_close(void);

#endif
