/* SPDX-License-Identifier: MIT
 * Arguments of all subcommands: parsed by the table of option_rows.c. */
#include "command/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/say.h"
#include "command/common/values.h"
#include "command/option_rows.h"
#include "command/subcommands.h"

struct getopt_tables {
    char letters[3 + 2 * MAX_OPTION_ROWS];
    struct option names[MAX_OPTION_ROWS + 1];
};

/* Names yield the row's index and 256, letters themselves. Options of run, reload and a mock broker end at the first
 * operand: what follows is the program's. Those of others may stand anywhere. */
static void fill_tables(struct getopt_tables *tables, unsigned subcommand) {
    char *letter = stpcpy(tables->letters, subcommand & (FOR_RUN | FOR_RELOAD | FOR_MOCK_BROKER) ? "+:" : ":");
    struct option *name = tables->names;
    for (const struct option_row *row = NULL; (row = option_next(row, subcommand)) != NULL;) {
        int argument = row->value != NULL ? required_argument : no_argument;
        *name++ = (struct option){.name = row->name, .has_arg = argument, .val = 256 + (int)(row - option_rows)};
        if (row->letter == 0) continue;
        *letter++ = row->letter;
        if (row->value != NULL) *letter++ = ':';
    }
    *letter = '\0';
    *name = (struct option){0};
}

static const struct option_row *row_of(int found, unsigned subcommand) {
    if (found >= 256) return &option_rows[found - 256];
    for (const struct option_row *row = NULL; (row = option_next(row, subcommand)) != NULL;)
        if (found != 0 && row->letter == found) return row;
    return NULL;
}

/* getopt's optopt is the letter, or the val of a name whose argument was wrong, or 0 for a name that is not known. */
static bool say_unknown(const char *subcommand, unsigned bit, int found, char **argv) {
    const struct option_row *row = row_of(optopt, bit);
    const char *why = found == ':'                   ? "expected a value"
                      : row != NULL && optopt >= 256 ? "takes no value"
                                                     : "unknown option";
    char letter[] = {'-', (char)optopt, '\0'};
    bool by_letter = optopt > 0 && optopt < 256;
    say("%s: %s: %s; see skep help %s", subcommand, by_letter ? letter : argv[optind - 1], why, subcommand);
    return false;
}

/* Messages name an option as it was given: by its letter, alone or behind others, or by its name. */
static bool apply(struct options *options, const char *subcommand, const struct option_row *row, char **argv) {
    const char *why = option_set(options, row, optarg);
    if (why == NULL) return true;
    char letter[] = {row->letter, '\0'};
    const char *word = argv[optind - 1] == optarg ? argv[optind - 2] : argv[optind - 1];
    bool by_letter = row->letter != 0 && strncmp(word, "--", 2) != 0;
    say("%s: %s%s %s: %s", subcommand, by_letter ? "-" : "--", by_letter ? letter : row->name, optarg, why);
    return false;
}

/* What the broker would find wrong later, when it has less to say about it. */
static bool check_environment(const struct options *options) {
    const char *value = getenv(SKEP_ENV_POLICY);
    enum skep_policy policy;
    if (options->settings.policy != SKEP_POLICY_DEFAULT || value == NULL || value[0] == '\0') return true;
    const char *why = option_policy(value, &policy);
    if (why != NULL) say("run: " SKEP_ENV_POLICY "=%s: %s", value, why);
    return why == NULL;
}

static bool take_program(struct options *options, char **argv, int count) {
    if (count == 0 || argv[0][0] == '\0') {
        say("run: PROGRAM is missing; see skep help run");
        return false;
    }
    options->program = argv;
    return check_environment(options);
}

/* A mock needs a script, and a mock broker a program. */
static bool take_mock(struct options *options, const struct subcommand *subcommand, char **argv, int count) {
    const char *name = subcommand->name;
    bool wants_program = subcommand->bit == FOR_MOCK_BROKER;
    if (options->script == NULL) say("%s: --script is missing; see skep help mock", name);
    else if (!wants_program && count > 0) say("%s: %s: unexpected argument; see skep help mock", name, argv[0]);
    else if (wants_program && count == 0) say("%s: PROGRAM is missing; see skep help mock", name);
    options->program = argv;
    return options->script != NULL && (count > 0) == wants_program;
}

/* What the i-th is called; NULL: there may be none. The first one may stand for all. */
static const char *name_of_operand(const struct subcommand *subcommand, int i) {
    const char *first = subcommand->operands[0];
    const bool repeats = first != NULL && strstr(first, "...") != NULL;
    if (repeats) return first;
    return i < MAX_OPERANDS ? subcommand->operands[i] : NULL;
}

/* Only DATA may be empty. */
static bool take_operands(struct options *options, const struct subcommand *subcommand, char **argv, int count) {
    const char *name = subcommand->name;
    for (int i = 0; i < count; i++) {
        const char *operand = name_of_operand(subcommand, i);
        bool is_missing = operand != NULL && argv[i][0] == '\0' && strcmp(operand, "DATA") != 0;
        if (operand == NULL) say("%s: %s: unexpected argument; see skep help %s", name, argv[i], name);
        else if (is_missing) say("%s: %s is empty; see skep help %s", name, operand, name);
        if (operand == NULL || is_missing) return false;
        if (i < MAX_OPERANDS) options->operands[i] = argv[i];
    }
    options->rest = argv;
    options->rest_count = count;
    if (count >= subcommand->least_operands) return true;
    say("%s: %s is missing; see skep help %s", name, subcommand->operands[count], name);
    return false;
}

/* GROUP, unless it came first; what follows -- are arguments of the new workers, and there may be none. */
static bool take_args(struct options *options, char **argv, int count) {
    bool is_told = strcmp(argv[-1], "--") == 0;
    if (!is_told && count > 0 && options->operands[0] == NULL) {
        options->operands[0] = argv[0];
        is_told = count > 1 && strcmp(argv[1], "--") == 0;
        argv += 1 + is_told;
        count -= 1 + is_told;
    }
    if (is_told) options->args = argv;
    else if (count > 0) say("reload: %s: unexpected argument; arguments of the workers follow --", argv[0]);
    return is_told || count == 0;
}

/* Moves -N, which is no option, to the end; returns how many there are. */
static int spare_numbers(unsigned subcommand, int argc, char **argv) {
    int kept = 0;
    for (int i = argc - 1; subcommand == FOR_SCALE && i > 0; i--) {
        if (argv[i][0] != '-' || !is_number(argv[i] + 1)) continue;
        char *number = argv[i];
        memmove(&argv[i], &argv[i + 1], (size_t)(argc - 1 - i) * sizeof *argv);
        argv[argc - 1] = number;
        kept++;
    }
    return kept;
}

bool options_parse(struct options *options, const struct subcommand *subcommand, int argc, char **argv) {
    *options = (struct options){.name = "default", .workers = option_processors()};
    struct getopt_tables tables;
    unsigned bit = subcommand->bit;
    fill_tables(&tables, bit);
    if (bit == FOR_RELOAD && argc > 1 && argv[1][0] != '-') {
        options->operands[0] = argv[1];
        argv[1] = argv[0];
        argv++, argc--;
    }
    opterr = 0;
    optind = 1;
    int numbers = spare_numbers(bit, argc, argv);
    for (int found; (found = getopt_long(argc - numbers, argv, tables.letters, tables.names, NULL)) != -1;) {
        if (found == '?' || found == ':') return say_unknown(argv[0], bit, found, argv);
        if (!apply(options, argv[0], row_of(found, bit), argv)) return false;
    }
    if (options->help) return true;
    argv += optind;
    argc -= optind;
    if (bit == FOR_RUN) return take_program(options, argv, argc);
    if (bit == FOR_RELOAD) return take_args(options, argv, argc);
    if (bit & FOR_MOCK) return take_mock(options, subcommand, argv, argc);
    return take_operands(options, subcommand, argv, argc);
}

bool options_have_times(unsigned subcommand) {
    for (const struct option_row *row = NULL; (row = option_next(row, subcommand)) != NULL;)
        if (row->value != NULL && strcmp(row->value, "TIME") == 0) return true;
    return false;
}

enum { NAME_BYTES = 64 };

static int name_text(const struct option_row *row, char text[NAME_BYTES]) {
    char letter[] = {'-', row->letter, ',', ' ', '\0'};
    return snprintf(text, NAME_BYTES, "%s--%s%s%s", row->letter != 0 ? letter : "    ", row->name,
                    row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
}

void options_help(FILE *file, unsigned subcommand) {
    int width = 0;
    char name[NAME_BYTES];
    for (const struct option_row *row = NULL; (row = option_next(row, subcommand)) != NULL;) {
        int one = name_text(row, name);
        if (one > width) width = one;
    }
    for (const struct option_row *row = NULL; (row = option_next(row, subcommand)) != NULL;) {
        char help[OPTION_HELP_BYTES];
        option_help(row, help);
        name_text(row, name);
        fprintf(file, "  %-*s  %s\n", width, name, help);
    }
}
