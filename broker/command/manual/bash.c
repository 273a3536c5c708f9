/* SPDX-License-Identifier: MIT
 * The tables as arrays of bash. */
#include <stdio.h>
#include <string.h>

#include "command/manual/manual.h"

static void write_sources(void) {
    for (enum source source = SOURCE_NONE; source < SOURCES; source++)
        if (source_words(source) != NULL)
            printf("    %s) _skep_offer %s ;;\n", source_name(source), source_words(source));
}

static void write_first_words(void) {
    printf("        _skep_offer");
    for (const struct manual_row *row = manual_rows; !manual_is_end(row); row++)
        if (manual_is_shown(row) && strchr(row->name, ' ') == NULL) printf(" %s", row->name);
    printf(" mock help version\n");
}

static void write_values(const struct option_row *row) {
    const char *source = source_name(source_of_value(row));
    printf(" --%s=%s", row->name, source);
    if (row->letter != 0) printf(" -%c=%s", row->letter, source);
}

static void write_case(const struct manual_row *row) {
    const struct option_row *option;
    printf("    '%s')\n        options='", row->name);
    for (option = option_rows; option->name != NULL; option++)
        if (option->subcommands & row->bit) printf(" --%s", option->name);
    printf("'\n        values='");
    for (option = option_rows; option->name != NULL; option++)
        if ((option->subcommands & row->bit) && option->value != NULL) write_values(option);
    printf("'\n        operands=(");
    for (int i = 0; i < MANUAL_OPERANDS; i++)
        printf("%s%s", i > 0 ? " " : "", source_name(source_of_operand(row->bit, i)));
    printf(")\n        ;;\n");
}

static void write_cases(void) {
    for (const struct manual_row *row = manual_rows; !manual_is_end(row); row++)
        if (manual_is_shown(row)) write_case(row);
}

const struct mark bash_marks[] = {
    {"@SOURCES@", write_sources},
    {"@WORDS@", write_first_words},
    {"@CASES@", write_cases},
    {NULL, NULL},
};
