/* SPDX-License-Identifier: MIT
 * The subcommands without their functions, which the manual has no use for. */
#include "command/subcommands.h"

const struct subcommand subcommands[] = {
#define GROUP(title) {.group = title, .name = "", .help = ""},
#define OPERANDS(least, ...) \
    least, {                 \
        __VA_ARGS__          \
    }
#define SUBCOMMAND(id, name, function, synopsis, help, example, operands, from) \
    {NULL, name, NUMBER_##id, FOR_##id, synopsis, help, example, operands},
#include "command/subcommands.def"
    {0},
};

bool subcommand_is_shown(const struct subcommand *row) {
    return row->help[0] != '\0';
}

const struct subcommand *subcommand_next(const struct subcommand *row) {
    row = row != NULL ? row + 1 : subcommands;
    while (row->name != NULL && !subcommand_is_shown(row)) row++;
    return row->name != NULL ? row : NULL;
}
