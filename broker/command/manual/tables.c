/* SPDX-License-Identifier: MIT
 * What operands and values of options are completed with. */
#include <string.h>

#include "command/manual/manual.h"

const struct source sources[SOURCES] = {
#define VALUES(...) \
    { __VA_ARGS__ }
#define SOURCE(id, name, words, values, zsh, fish) {name, words, values, zsh, fish},
#include "command/manual/sources.def"
};

/* By the name of the value in the help */
const struct source *source_of_value(const struct option_row *row) {
    for (const struct source *source = sources; row->value != NULL && source < sources + SOURCES; source++)
        for (int i = 0; i < 2 && source->values[i] != NULL; i++)
            if (strcmp(source->values[i], row->value) == 0) return source;
    return &sources[SOURCE_NONE];
}

const struct source *source_of_operand(const struct subcommand *subcommand, int position) {
    static const enum source_number operands[][MANUAL_OPERANDS] = {
#define FROM(first, others) \
    { SOURCE_##first, SOURCE_##others }
#define SUBCOMMAND(id, name, function, synopsis, help, example, operands, from) [NUMBER_##id] = from,
#include "command/subcommands.def"
    };
    return &sources[operands[subcommand->number][position]];
}
