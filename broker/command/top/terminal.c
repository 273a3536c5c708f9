/* SPDX-License-Identifier: MIT
 * Whether a terminal can be drawn on. Apart from the screen, since term.h takes names such as columns for itself. */
#include "command/top/frame.h"

#include <curses.h>
#include <stdlib.h>
#include <term.h>
#include <unistd.h>

/* ncurses would draw on a terminal that cannot move its cursor, too. */
static bool can_be_drawn_on(void) {
    int found = 0;
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) return false;
    bool can = cursor_address != NULL;
    del_curterm(cur_term);
    return can;
}

const char *top_terminal_lacks(void) {
    const char *name = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return "no terminal";
    if (name == NULL || name[0] == '\0') return "TERM is not set";
    return can_be_drawn_on() ? NULL : "TERM is not a terminal that can be drawn on";
}
