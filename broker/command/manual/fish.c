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

static void put_source(const struct source *source) {
    if (source->words != NULL) printf(" -a '%s'", source->words);
    else if (source->fish != NULL) fputs(source->fish, stdout);
    else printf(" -a '(__skep_ask %s)'", source->name);
}

static void write_option(const struct subcommand *row, const struct option_row *option) {
    char help[OPTION_HELP_BYTES];
    option_help(option, help);
    printf("complete -c skep -n '__skep_in %s' -l %s", row->name, option->name);
    if (option->letter != 0) printf(" -s %c", option->letter);
    if (option->value != NULL) {
        fputs(source_of_value(option) == &sources[SOURCE_FILES] ? " -r" : " -x", stdout);
        put_source(source_of_value(option));
    }
    printf(" -d '");
    put(help);
    printf("'\n");
}

static void write_operands(const struct subcommand *row) {
    for (int i = 0; i < MANUAL_OPERANDS; i++) {
        const struct source *source = source_of_operand(row, i);
        if (source == &sources[SOURCE_NONE]) continue;
        printf("complete -c skep -n '__skep_at %d %s'", i, row->name);
        put_source(source);
        putchar('\n');
    }
}

static void write_command(const struct subcommand *row) {
    if (strchr(row->name, ' ') == NULL) {
        printf("complete -c skep -n __skep_begins -a %s -d '", row->name);
        put(row->help);
        printf("'\n");
    }
    for (const struct option_row *option = NULL; (option = option_next(option, row->bit)) != NULL;)
        write_option(row, option);
    write_operands(row);
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

const struct mark fish_marks[] = {{"@COMMANDS@", NULL, write_command}, {"@VALUED@", write_valued, NULL}, {0}};
