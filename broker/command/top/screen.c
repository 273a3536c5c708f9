/* SPDX-License-Identifier: MIT
 * The terminal of skep top. */
#include "command/top/frame.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/print.h"
#include "command/top/view.h"

enum { ESCAPE_DELAY_MS = 25, RUN_BYTES = 4096 };

/* Pairs of colours by their number; the background stays the terminal's. */
enum { GREEN = 1, YELLOW, RED };

static const struct {
    attr_t with_colours, without;
} attributes[TOP_STYLES] = {
    [TOP_PLAIN] = {A_NORMAL, A_NORMAL},
    [TOP_STRONG] = {A_BOLD, A_BOLD},
    [TOP_FAINT] = {A_DIM, A_DIM},
    [TOP_TITLE] = {A_REVERSE, A_REVERSE},
    [TOP_GOOD] = {COLOR_PAIR(GREEN), A_NORMAL},
    [TOP_WARN] = {COLOR_PAIR(YELLOW), A_BOLD},
    [TOP_BAD] = {COLOR_PAIR(RED) | A_BOLD, A_BOLD},
    [TOP_CHOSEN] = {A_REVERSE | A_BOLD, A_REVERSE | A_BOLD},
};

static void begin_colours(void) {
    start_color();
    use_default_colors();
    init_pair(GREEN, COLOR_GREEN, -1);
    init_pair(YELLOW, COLOR_YELLOW, -1);
    init_pair(RED, COLOR_RED, -1);
}

/* ncurses would believe the environment and never follow the window, and reckon with whatever size it names. */
static void believe_the_window(void) {
    struct winsize size = window_size();
    if (size.ws_row == 0 || size.ws_col == 0) return;
    unsetenv("LINES");
    unsetenv("COLUMNS");
}

const char *top_screen_open(void) {
    const char *why = top_terminal_lacks();
    if (why != NULL) return why;
    believe_the_window();
    if (newterm(NULL, stdout, stdin) == NULL) return "the terminal cannot be used";
    if (has_colors() && !paint_is_refused()) begin_colours();
    set_escdelay(ESCAPE_DELAY_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    return NULL;
}

void top_screen_size(int *columns, int *rows) {
    getmaxyx(stdscr, *rows, *columns);
}

static size_t add_cell(char *text, size_t used, const struct top_cell *cell) {
    size_t size = strlen(cell->text);
    memcpy(text + used, cell->text, size);
    return used + size;
}

/* Cells of one style in one go */
static void draw_row(const struct top_canvas *canvas, int row, bool colours) {
    const struct top_cell *cells = top_canvas_row(canvas, row);
    char text[RUN_BYTES];
    for (int from = 0, at = 0; from < canvas->columns; from = at) {
        size_t used = 0;
        unsigned style = cells[from].style;
        for (; at < canvas->columns && cells[at].style == style && used + sizeof cells->text < RUN_BYTES; at++)
            used = add_cell(text, used, &cells[at]);
        attrset((int)(colours ? attributes[style].with_colours : attributes[style].without));
        mvaddnstr(row, from, text, (int)used);
    }
}

void top_screen_draw(const struct top_canvas *canvas) {
    bool colours = has_colors() && !paint_is_refused();
    erase();
    for (int row = 0; row < canvas->rows; row++) draw_row(canvas, row, colours);
    refresh();
}

/* Keys of ncurses that have a meaning here */
static const struct {
    int code, key;
} keys[] = {
    {KEY_UP, TOP_KEY_UP},           {KEY_DOWN, TOP_KEY_DOWN},           {KEY_PPAGE, TOP_KEY_PAGE_UP},
    {KEY_NPAGE, TOP_KEY_PAGE_DOWN}, {KEY_HOME, TOP_KEY_HOME},           {KEY_END, TOP_KEY_END},
    {KEY_ENTER, TOP_KEY_ENTER},     {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
};

int top_screen_key(void) {
    int code = getch();
    while (code == KEY_RESIZE) code = getch();
    if (code == ERR) return 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].code == code) return keys[i].key;
    return code;
}

void top_screen_close(void) {
    endwin();
}
