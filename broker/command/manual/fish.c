/* SPDX-License-Identifier: MIT
 * The tables as completions of fish, a line each. */
#include <stdio.h>
#include <string.h>

#include "command/manual/manual.h"

/* Text within single quotes */
static void put(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
}

static void put_source(enum source source) {
    if (source == SOURCE_NONE) return;
    if (source_words(source) != NULL) printf(" -a '%s'", source_words(source));
    else if (source == SOURCE_FILES) printf(" -F");
    else if (source == SOURCE_FOLDERS) printf(" -a '(__fish_complete_directories)'");
    else if (source == SOURCE_PROGRAMS) printf(" -F -a '(__fish_complete_command)'");
    else printf(" -a '(__skep_ask %s)'", source_name(source));
}

static void write_option(const struct manual_row *row, const struct option_row *option) {
    char help[OPTION_HELP_BYTES];
    option_help(option, help);
    printf("complete -c skep -n '__skep_in %s' -l %s", row->name, option->name);
    if (option->letter != 0) printf(" -s %c", option->letter);
    if (option->value != NULL) printf(source_of_value(option) == SOURCE_FILES ? " -r" : " -x");
    if (option->value != NULL) put_source(source_of_value(option));
    printf(" -d '");
    put(help);
    printf("'\n");
}

static void write_operands(const struct manual_row *row) {
    for (int i = 0; i < MANUAL_OPERANDS; i++) {
        enum source source = source_of_operand(row->bit, i);
        if (source == SOURCE_NONE) continue;
        printf("complete -c skep -n '__skep_at %d %s'", i, row->name);
        put_source(source);
        putchar('\n');
    }
}

static void write_command(const struct manual_row *row) {
    if (strchr(row->name, ' ') == NULL) {
        printf("complete -c skep -n __skep_begins -a %s -d '", row->name);
        put(row->help);
        printf("'\n");
    }
    for (const struct option_row *option = option_rows; option->name != NULL; option++)
        if (option->subcommands & row->bit) write_option(row, option);
    write_operands(row);
}

static void write_commands(void) {
    for (const struct manual_row *row = manual_rows; !manual_is_end(row); row++)
        if (manual_is_shown(row)) write_command(row);
}

/* Options that take a value */
static void write_valued(void) {
    printf("set -g __skep_valued");
    for (const struct option_row *row = option_rows; row->name != NULL; row++) {
        if (row->value == NULL) continue;
        printf(" --%s", row->name);
        if (row->letter != 0) printf(" -%c", row->letter);
    }
    putchar('\n');
}

const struct mark fish_marks[] = {{"@COMMANDS@", write_commands}, {"@VALUED@", write_valued}, {NULL, NULL}};
