/* SPDX-License-Identifier: MIT
 * The tables as specifications for _arguments of zsh. */
#include <stdio.h>
#include <string.h>

#include "command/manual/manual.h"

/* Text within single quotes, in which some characters mean something to _arguments and _describe. */
static void put(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\'') fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text) != NULL) printf("\\%c", *text);
        else putchar(*text);
    }
}

static void put_action(enum source source) {
    if (source == SOURCE_NONE) putchar(' ');
    else if (source_words(source) != NULL) printf("(%s)", source_words(source));
    else if (source == SOURCE_FILES) printf("_files");
    else if (source == SOURCE_FOLDERS) printf("_files -/");
    else if (source == SOURCE_PROGRAMS) printf("_command_names -e");
    else printf(" _skep_ask %s", source_name(source)); /* the space: without further arguments */
}

static void write_option(const struct option_row *row) {
    char help[OPTION_HELP_BYTES];
    option_help(row, help);
    if (row->letter != 0)
        printf(" \\\n            '(-%c --%s)'{-%c,--%s}'[", row->letter, row->name, row->letter, row->name);
    else printf(" \\\n            '--%s[", row->name);
    put(help);
    putchar(']');
    if (row->value != NULL) {
        putchar(':');
        put(row->value);
        putchar(':');
        put_action(source_of_value(row));
    }
    putchar('\'');
}

static void write_case(const struct manual_row *row) {
    printf("    '%s')\n        _arguments -s -S", row->name);
    for (const struct option_row *option = option_rows; option->name != NULL; option++)
        if (option->subcommands & row->bit) write_option(option);
    for (int i = 0; i < MANUAL_OPERANDS; i++) {
        enum source source = source_of_operand(row->bit, i);
        if (source == SOURCE_NONE && i > 0) break;
        printf(" \\\n            '%s:%s:", i > 0 ? "*" : "1", source_name(source));
        put_action(source);
        putchar('\'');
    }
    printf("\n        ;;\n");
}

static void write_cases(void) {
    for (const struct manual_row *row = manual_rows; !manual_is_end(row); row++)
        if (manual_is_shown(row)) write_case(row);
}

static void write_first_words(void) {
    for (const struct manual_row *row = manual_rows; !manual_is_end(row); row++) {
        if (!manual_is_shown(row) || strchr(row->name, ' ') != NULL) continue;
        printf("        '%s:", row->name);
        put(row->help);
        printf("'\n");
    }
}

const struct mark zsh_marks[] = {{"@WORDS@", write_first_words}, {"@CASES@", write_cases}, {NULL, NULL}};
