/* SPDX-License-Identifier: MIT
 * The tables as roff, for the manual page. */
#include <skep/skep.h>
#include <stdio.h>
#include <string.h>

#include "command/manual/manual.h"
#include "command/run/run_options.h"

/* Text that roff prints as it is. */
static void put(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else if (*text == '\'') fputs("\\(aq", stdout);
        else putchar(*text);
    }
}

static void put_bold(const char *text) {
    fputs("\\fB", stdout);
    put(text);
    fputs("\\fR", stdout);
}

static void write_option(const struct option_row *row) {
    char letter[] = {'-', row->letter, '\0'};
    fputs(".TP\n", stdout);
    if (row->letter != 0) put_bold(letter), fputs(", ", stdout);
    fputs("\\fB\\-\\-", stdout);
    put(row->name);
    fputs("\\fR", stdout);
    if (row->value != NULL) printf(" \\fI%s\\fR", row->value);
    putchar('\n');
    char help[OPTION_HELP_BYTES];
    option_help(row, help);
    put(help);
    putchar('\n');
}

static void write_queue_key(const char *key, const char *value, const char *help) {
    fputs(".TP\n", stdout);
    put_bold(key);
    fputs("=\\fI", stdout);
    put(value);
    fputs("\\fR\n", stdout);
    put(help);
    putchar('\n');
}

/* Options of all commands stand in a section of their own. */
static bool is_common(const struct option_row *row) {
    return (row->subcommands & FOR_BROKER) == FOR_BROKER;
}

static void write_command(const struct subcommand *row) {
    char name[64];
    snprintf(name, sizeof name, "skep %s", row->name);
    fputs(".TP\n", stdout);
    put_bold(name);
    putchar(' ');
    put(row->synopsis);
    putchar('\n');
    put(row->help);
    fputs("\n.RS\n", stdout);
    for (const struct option_row *option = NULL; (option = option_next(option, row->bit)) != NULL;) {
        if (is_common(option)) continue;
        write_option(option);
        if (strcmp(option->name, "queue") != 0 || option->subcommands != FOR_RUN) continue;
        fputs(".RS\n", stdout); /* the keys of --queue, under it */
        each_queue_key(write_queue_key);
        fputs(".RE\n", stdout);
    }
    fputs(".PP\nExample: ", stdout);
    put_bold(row->example);
    fputs("\n.RE\n", stdout);
}

static void write_commands(void) {
    for (const struct subcommand *row = subcommands; row->name != NULL; row++) {
        if (row->group != NULL) printf(".SS %s\n", row->group);
        else if (subcommand_is_shown(row)) write_command(row);
    }
}

static void write_common(void) {
    for (const struct option_row *option = option_rows; option->name != NULL; option++)
        if (is_common(option)) write_option(option);
}

static void write_statuses(void) {
    static const struct {
        int exit_status;
        const char *name, *text;
    } rows[] = {
#define ERROR(name, value, exit_status, text) {exit_status, #name, text},
#include <skep/errors.def>
#undef ERROR
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].exit_status == 0) continue;
        printf(".TP\n\\fB%d\\fR (%s)\n", rows[i].exit_status, rows[i].name);
        put(rows[i].text);
        putchar('\n');
    }
}

static void write_title(void) {
    printf(".TH SKEP 1 \"\" \"skep %s\" \"User Commands\"\n", skep_version());
}

const struct mark man_marks[] = {
    {"@TITLE@", write_title, NULL},
    {"@COMMANDS@", write_commands, NULL},
    {"@COMMON@", write_common, NULL},
    {"@STATUSES@", write_statuses, NULL},
    {0},
};
