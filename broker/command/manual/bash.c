/* SPDX-License-Identifier: MIT
 * The tables as arrays of bash. */
#include <stdio.h>
#include <string.h>

#include "command/manual/manual.h"

static void write_sources(void) {
    for (const struct source *source = sources; source < sources + SOURCES; source++)
        if (source->words != NULL) printf("    %s) _skep_offer %s ;;\n", source->name, source->words);
}

static void write_first_words(void) {
    printf("        _skep_offer");
    for (const struct subcommand *row = NULL; (row = subcommand_next(row)) != NULL;)
        if (strchr(row->name, ' ') == NULL) printf(" %s", row->name);
    printf(" mock help version\n");
}

static void write_values(const struct option_row *row) {
    const char *source = source_of_value(row)->name;
    printf(" --%s=%s", row->name, source);
    if (row->letter != 0) printf(" -%c=%s", row->letter, source);
}

static void write_case(const struct subcommand *row) {
    printf("    '%s')\n        options='", row->name);
    for (const struct option_row *option = NULL; (option = option_next(option, row->bit)) != NULL;)
        printf(" --%s", option->name);
    printf("'\n        values='");
    for (const struct option_row *option = NULL; (option = option_next(option, row->bit)) != NULL;)
        if (option->value != NULL) write_values(option);
    printf("'\n        operands=(");
    for (int i = 0; i < MANUAL_OPERANDS; i++) printf("%s%s", i > 0 ? " " : "", source_of_operand(row, i)->name);
    printf(")\n        ;;\n");
}

const struct mark bash_marks[] = {
    {"@SOURCES@", write_sources, NULL},
    {"@WORDS@", write_first_words, NULL},
    {"@CASES@", NULL, write_case},
    {0},
};
