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

static void put_action(const struct source *source) {
    if (source->words != NULL) printf("(%s)", source->words);
    else if (source->zsh != NULL) fputs(source->zsh, stdout);
    else printf(" _skep_ask %s", source->name); /* the space: without further arguments */
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

static void write_case(const struct subcommand *row) {
    printf("    '%s')\n        _arguments -s -S", row->name);
    for (const struct option_row *option = NULL; (option = option_next(option, row->bit)) != NULL;)
        write_option(option);
    for (int i = 0; i < MANUAL_OPERANDS; i++) {
        const struct source *source = source_of_operand(row, i);
        if (source == &sources[SOURCE_NONE] && i > 0) break;
        printf(" \\\n            '%s:%s:", i > 0 ? "*" : "1", source->name);
        put_action(source);
        putchar('\'');
    }
    printf("\n        ;;\n");
}

static void write_first_word(const struct subcommand *row) {
    if (strchr(row->name, ' ') != NULL) return;
    printf("        '%s:", row->name);
    put(row->help);
    printf("'\n");
}

const struct mark zsh_marks[] = {{"@WORDS@", NULL, write_first_word}, {"@CASES@", NULL, write_case}, {0}};
