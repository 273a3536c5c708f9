/* SPDX-License-Identifier: MIT
 * The few colours that all terminals with colours have. */
#include "command/common/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool paint_is_possible(void) {
    const char *terminal = getenv("TERM");
    return terminal != NULL && strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO);
}

bool paint_is_refused(void) {
    const char *refused = getenv("NO_COLOR");
    return refused != NULL && refused[0] != '\0';
}

bool paint_wanted(void) {
    return paint_is_possible() && !paint_is_refused();
}

enum paint paint_of_state(const char *state) {
    static const struct {
        const char *state;
        enum paint paint;
    } paints[] = {
        {"spawning", PAINT_WARN}, {"online", PAINT_WARN}, {"draining", PAINT_WARN},
        {"waiting", PAINT_WARN},  {"gone", PAINT_BAD},    {"paused", PAINT_BAD},
    };
    for (size_t i = 0; i < sizeof paints / sizeof *paints; i++)
        if (strcmp(paints[i].state, state) == 0) return paints[i].paint;
    return PAINT_NONE;
}

const char *paint_begin(bool wanted, enum paint paint) {
    static const char *const codes[] = {
        [PAINT_NONE] = "",          [PAINT_GOOD] = "\033[32m", [PAINT_WARN] = "\033[33m",
        [PAINT_BAD] = "\033[1;31m", [PAINT_TITLE] = "\033[1m", [PAINT_FAINT] = "\033[2m",
    };
    return wanted ? codes[paint] : "";
}

const char *paint_end(bool wanted, enum paint paint) {
    return wanted && paint != PAINT_NONE ? "\033[0m" : "";
}
