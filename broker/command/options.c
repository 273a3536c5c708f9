/* SPDX-License-Identifier: MIT
 * Arguments of all subcommands: a row for each option, with what sets it and what explains it. */
#include "options.h"

#include <contract.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <url.h>

#include "say.h"

/* Sets one option; returns what is wrong with the value, or NULL. */
typedef const char *set_option(struct options *options, const char *value);

struct row {
    const char *name;
    char letter; /* 0 if there is none */
    unsigned subcommands;
    const char *value; /* as the help names it; NULL if the option takes none */
    set_option *set;
    const char *help;
};

static unsigned processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < MAX_WORKERS ? (unsigned)count : MAX_WORKERS;
}

/* Digits only: no sign, no space, no other base. */
static bool parse_number(const char *value, unsigned least, unsigned greatest, unsigned *number) {
    if (!isdigit((unsigned char)*value)) return false;
    char *end;
    errno = 0;
    unsigned long parsed = strtoul(value, &end, 10);
    if (errno != 0 || *end != '\0' || parsed < least || parsed > greatest) return false;
    *number = (unsigned)parsed;
    return true;
}

static const char *parse_seconds(const char *value, unsigned *ms) {
    static const char wanted[] = "expected seconds, such as 10 or 0.5, more than 0 and at most 86400";
    if (value[strspn(value, "0123456789.")] != '\0') return wanted;
    char *end;
    double seconds = strtod(value, &end);
    if (end == value || *end != '\0' || !(seconds > 0) || seconds > MAX_SECONDS) return wanted;
    *ms = seconds < 0.001 ? 1 : (unsigned)(seconds * 1000 + 0.5);
    return NULL;
}

/* A name becomes a part of a path and of a line. */
static const char *check_name(const char *name, size_t size_bytes) {
    if (size_bytes == 0) return "the name is empty";
    if (size_bytes > SKEP_MAX_NAME) return "the name is longer than 64 bytes";
    if (name[0] == '.') return "the name begins with a dot";
    for (size_t i = 0; i < size_bytes; i++)
        if (name[i] == '/' || !isgraph((unsigned char)name[i])) return "the name has a character that it must not have";
    return NULL;
}

static const char *set_name(struct options *options, const char *value) {
    options->name = value;
    return check_name(value, strlen(value));
}

static const char *set_dir(struct options *options, const char *value) {
    options->dir = value;
    return *value == '\0' ? "the directory is empty" : NULL;
}

static const char *set_json(struct options *options, const char *value) {
    (void)value;
    options->json = true;
    return NULL;
}

static const char *set_now(struct options *options, const char *value) {
    (void)value;
    options->now = true;
    return NULL;
}

static const char *set_help(struct options *options, const char *value) {
    (void)value;
    options->help = true;
    return NULL;
}

static const char *set_workers(struct options *options, const char *value) {
    if (strcmp(value, "auto") == 0) {
        options->workers = processors();
        return NULL;
    }
    return parse_number(value, 1, MAX_WORKERS, &options->workers) ? NULL : "expected a number from 1 to 1000, or auto";
}

static bool is_taken(const struct options *options, const char *name) {
    for (size_t i = 0; i < options->listeners_count; i++)
        if (strcmp(options->listeners[i].name, name) == 0) return true;
    return false;
}

/* The URL is checked here, so that a mistake is found before anything has been touched. */
static const char *add_listener(struct options *options, const char *value) {
    const char *equals = strchr(value, '=');
    if (equals == NULL) return "expected NAME=URL";
    const char *why = check_name(value, (size_t)(equals - value));
    if (why != NULL) return why;
    if (options->listeners_count == MAX_LISTENERS) return "more than 64 listeners";
    struct named_url *listener = &options->listeners[options->listeners_count];
    memcpy(listener->name, value, (size_t)(equals - value));
    listener->name[equals - value] = '\0';
    listener->url = equals + 1;
    if (skep__url_is(listener->name)) return "the name looks like a URL";
    if (is_taken(options, listener->name)) return "this name was given before";
    struct skep_url parsed;
    if (skep__url_parse(listener->url, &parsed, &why) != SKEP_OK) return why;
    options->listeners_count++;
    return NULL;
}

static const char *set_policy(struct options *options, const char *value) {
    bool known = skep_policy_parse(value, &options->policy) == SKEP_OK;
    if (known && options->policy != SKEP_POLICY_CUSTOM && options->policy != SKEP_POLICY_DEFAULT) return NULL;
    return "expected round-robin, least-connections, sticky, shared or reuseport";
}

static const char *set_interval(struct options *options, const char *value) {
    return parse_seconds(value, &options->interval_ms);
}

static const char *set_ready_timeout(struct options *options, const char *value) {
    return parse_seconds(value, &options->ready_timeout_ms);
}

static const char *set_drain_timeout(struct options *options, const char *value) {
    return parse_seconds(value, &options->drain_timeout_ms);
}

static const char *set_watchdog(struct options *options, const char *value) {
    const char *why = parse_seconds(value, &options->watchdog_ms);
    return why == NULL && options->watchdog_ms < 100 ? "expected at least 0.1 seconds" : why;
}

static const char *set_credit(struct options *options, const char *value) {
    return parse_number(value, 1, SKEP_MAX_BATCH, &options->credit) ? NULL : "expected a number from 1 to 253";
}

static const struct row rows[] = {
    {"workers", 'n', FOR_RUN, "N", set_workers, "workers; auto, the default, is one for each processor"},
    {"listen", 'l', FOR_RUN, "NAME=URL", add_listener, "bind URL, for workers that listen on NAME; may be repeated"},
    {"policy", 0, FOR_RUN, "P", set_policy, "round-robin (default), least-connections, sticky, shared, reuseport"},
    {"interval", 0, FOR_RUN, "SECONDS", set_interval, "how often counts are published; 10"},
    {"ready-timeout", 0, FOR_RUN, "SECONDS", set_ready_timeout, "how long a worker may take to become ready; 10"},
    {"drain-timeout", 0, FOR_RUN, "SECONDS", set_drain_timeout, "how long a worker may take to leave; 10"},
    {"watchdog", 0, FOR_RUN, "SECONDS", set_watchdog, "kill a worker whose loop stands still for so long; never"},
    {"credit", 0, FOR_RUN, "N", set_credit, "connections on their way to one worker at most, 1 to 253; 64"},
    {"json", 0, FOR_STATUS | FOR_EVENTS, NULL, set_json, "for programs"},
    {"now", 0, FOR_STOP, NULL, set_now, "kill the workers instead of letting them finish"},
    {"name", 0, FOR_ALL, "NAME", set_name, "name of the instance; default"},
    {"dir", 0, FOR_ALL, "DIR", set_dir, "directory of the instance; found by its name"},
    {"help", 'h', FOR_ALL, NULL, set_help, "print this"},
};

enum { ROWS = sizeof rows / sizeof *rows };

struct getopt_tables {
    char letters[3 + 2 * ROWS];
    struct option names[ROWS + 1];
};

/* Names yield the row's index and 256, letters themselves. A subcommand's options end at its first operand. */
static void fill_tables(struct getopt_tables *tables, unsigned subcommand) {
    char *letter = stpcpy(tables->letters, "+:");
    struct option *name = tables->names;
    for (int i = 0; i < ROWS; i++) {
        if (!(rows[i].subcommands & subcommand)) continue;
        int argument = rows[i].value != NULL ? required_argument : no_argument;
        *name++ = (struct option){.name = rows[i].name, .has_arg = argument, .val = 256 + i};
        if (rows[i].letter == 0) continue;
        *letter++ = rows[i].letter;
        if (rows[i].value != NULL) *letter++ = ':';
    }
    *letter = '\0';
    *name = (struct option){0};
}

static const struct row *row_of(int found) {
    if (found >= 256) return &rows[found - 256];
    for (int i = 0; i < ROWS; i++)
        if (found != 0 && rows[i].letter == found) return &rows[i];
    return NULL;
}

/* getopt's optopt is the letter, or the val of a name whose argument was wrong, or 0 for a name that is not known. */
static bool say_unknown(const char *subcommand, int found, char **argv) {
    const struct row *row = row_of(optopt);
    const char *why = found == ':'                   ? "expected a value"
                      : row != NULL && optopt >= 256 ? "takes no value"
                                                     : "unknown option";
    char letter[] = {'-', (char)optopt, '\0'};
    bool by_letter = optopt > 0 && optopt < 256;
    say("%s: %s: %s; see skep help %s", subcommand, by_letter ? letter : argv[optind - 1], why, subcommand);
    return false;
}

static bool apply(struct options *options, const char *subcommand, const struct row *row) {
    const char *why = row->set(options, optarg);
    if (why == NULL) return true;
    say("%s: --%s %s: %s", subcommand, row->name, optarg, why);
    return false;
}

/* What the broker would find wrong later, when it has less to say about it. */
static bool check_environment(const struct options *options) {
    const char *value = getenv(SKEP_ENV_POLICY);
    struct options scratch = *options;
    if (options->policy != SKEP_POLICY_DEFAULT || value == NULL || value[0] == '\0') return true;
    const char *why = set_policy(&scratch, value);
    if (why != NULL) say("run: " SKEP_ENV_POLICY "=%s: %s", value, why);
    return why == NULL;
}

static bool take_operands(struct options *options, unsigned subcommand, char **argv, int count) {
    if (options->help) return true;
    if (subcommand != FOR_RUN) {
        if (count > 0) say("%s: %s: unexpected argument; see skep help %s", argv[0], argv[optind], argv[0]);
        return count == 0;
    }
    if (count == 0 || argv[optind][0] == '\0') {
        say("run: PROGRAM is missing; see skep help run");
        return false;
    }
    options->program = &argv[optind];
    return check_environment(options);
}

bool options_parse(struct options *options, unsigned subcommand, int argc, char **argv) {
    *options = (struct options){.name = "default", .workers = processors()};
    struct getopt_tables tables;
    fill_tables(&tables, subcommand);
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1;) {
        if (found == '?' || found == ':') return say_unknown(argv[0], found, argv);
        if (!apply(options, argv[0], row_of(found))) return false;
    }
    return take_operands(options, subcommand, argv, argc - optind);
}

void options_help(FILE *file, unsigned subcommand) {
    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (!(row->subcommands & subcommand)) continue;
        char letter[] = {'-', row->letter, ',', ' ', '\0'};
        char name[64];
        snprintf(name, sizeof name, "%s--%s%s%s", row->letter != 0 ? letter : "    ", row->name,
                 row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
        fprintf(file, "  %-28s %s\n", name, row->help);
    }
}
