/* SPDX-License-Identifier: MIT
 * skep, the command: finds the subcommand, parses its arguments, runs it. */
#include <errno.h>
#include <fcntl.h>
#include <skep/skep.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/common/say.h"
#include "command/common/width.h"
#include "command/options.h"
#include "command/run/run_options.h"
#include "command/subcommands.h"

static int (*const functions[])(const struct options *options) = {
#define SUBCOMMAND(id, name, function, ...) [NUMBER_##id] = function,
#include "command/subcommands.def"
};

static const struct subcommand *find(const char *name) {
    for (const struct subcommand *row = subcommands; row->name != NULL; row++)
        if (row->group == NULL && strcmp(row->name, name) == 0) return row;
    return NULL;
}

/* --- a name that is not known --- */

/* Whether at most so many changes make b of a: the distance of Damerau and Levenshtein, bounded, by recursion. */
static bool is_within(const char *a, const char *b, int changes) {
    while (*a != '\0' && *a == *b) a++, b++;
    if (*a == '\0' && *b == '\0') return true;
    if (changes == 0) return false;
    if (*a != '\0' && is_within(a + 1, b, changes - 1)) return true;
    if (*b != '\0' && is_within(a, b + 1, changes - 1)) return true;
    if (*a == '\0' || *b == '\0') return false;
    if (is_within(a + 1, b + 1, changes - 1)) return true;
    return a[0] == b[1] && a[1] == b[0] && is_within(a + 2, b + 2, changes - 1);
}

/* Whether one letter that is wrong, missing, too many or, with its neighbour, in the wrong place makes the difference;
 * in words of five letters and more two of them may. */
static bool is_typo_of(const char *word, const char *meant) {
    return is_within(word, meant, strlen(meant) >= 5 ? 2 : 1);
}

/* The only command that the name may be a typing error of, or NULL. */
static const char *find_meant(const char *name) {
    static const char *const others[] = {"help", "version"};
    const char *meant = NULL;
    int found = 0;
    for (const struct subcommand *row = NULL; (row = subcommand_next(row)) != NULL;)
        if (is_typo_of(name, row->name)) meant = row->name, found++;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (is_typo_of(name, others[i])) meant = others[i], found++;
    return found == 1 ? meant : NULL;
}

static int unknown(const char *name) {
    const char *meant = find_meant(name);
    if (meant != NULL) return fail(SKEP_EINVAL, "%s: unknown command; did you mean %s?", name, meant);
    return fail(SKEP_EINVAL, "%s: unknown %s; skep help lists the commands", name,
                name[0] == '-' ? "option" : "command");
}

/* --- help --- */

static void help_first_steps(void) {
    static const struct {
        const char *type, *purpose;
    } steps[] = {
        {"skep run -n 4 -- ./hello", "start a hive; use another terminal for what follows"},
        {"skep top", "find a slow worker by its P99; s sorts"},
        {"skep status", "print the state once, problems first"},
        {"skep exits", "show why workers ended, and their last lines"},
        {"skep logs -f 3", "follow what worker 3 writes"},
        {"skep scale +2", "add two workers"},
        {"skep reload --program ./hello-2", "deploy a new binary, without losing a request"},
        {"skep stop", "let the workers finish, then stop"},
    };
    printf("\nFirst steps:\n");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) printf("  %-32s %s\n", steps[i].type, steps[i].purpose);
}

static int help_all(void) {
    printf("usage: skep COMMAND [OPTION]...\n\n");
    for (const struct subcommand *row = subcommands; row->name != NULL; row++) {
        if (row->group != NULL) printf("%s%s:\n", row == subcommands ? "" : "\n", row->group);
        else if (subcommand_is_shown(row)) printf("  %-12s %s\n", row->name, row->help);
    }
    printf("  %-12s %s\n", "help", "Explain a command: skep help COMMAND.");
    printf("  %-12s %s\n", "version", "Print the version.");
    help_first_steps();
    printf(
        "\nEnvironment: SKEP_DIR, SKEP_POLICY, SKEP_TRACE, SKEP_TRANSPORT, NO_COLOR. Exit statuses: 0, 64 for wrong\n"
        "usage, others by cause, see man skep. skep help COMMAND explains a command and its options.\n");
    return 0;
}

static void help_queue_key(const char *key, const char *value, const char *help) {
    char left[32];
    snprintf(left, sizeof left, "%s=%s", key, value);
    printf("  %-20s  %s\n", left, help);
}

static int help_one(const struct subcommand *subcommand) {
    printf("usage: skep %s %s\n%s\n\n", subcommand->name, subcommand->synopsis, subcommand->help);
    options_help(stdout, subcommand->bit);
    if (subcommand->bit & FOR_RUN) {
        printf("\nKEY=VALUE of --queue; other settings of the queue are those of all queues:\n");
        each_queue_key(help_queue_key);
    }
    if (options_have_times(subcommand->bit))
        printf("\nTIME is a number of seconds, such as 10 or 0.5, or has a unit: 500ms, 10s, 5m, 1h.\n");
    if (subcommand->bit & (FOR_RESTART | FOR_DRAIN | FOR_KILL | FOR_SIGNAL | FOR_LOGS))
        printf("\nWORKER is an id, as shown by skep status.\n");
    if (subcommand->bit & (FOR_RUN | FOR_STOP))
        printf(
            "\nJobs that are not durable (--jobs, durable=yes) are kept in the memory of the broker only: those that\n"
            "are not done when it ends are lost.\n");
    printf("\nexample: %s\n", subcommand->example);
    return 0;
}

static bool means_help(const char *word) {
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help(const char *name) {
    if (name == NULL || means_help(name) || strcmp(name, "version") == 0) return help_all();
    if (strcmp(name, "mock") == 0) {
        help_one(find("mock worker"));
        putchar('\n');
        return help_one(find("mock broker"));
    }
    const struct subcommand *subcommand = find(name);
    return subcommand != NULL ? help_one(subcommand) : unknown(name);
}

/* --- which one is run --- */

static int run(const struct subcommand *subcommand, int argc, char **argv) {
    struct options options;
    if (!options_parse(&options, subcommand, argc, argv)) return EXIT_USAGE;
    return options.help ? help_one(subcommand) : functions[subcommand->number](&options);
}

static int run_mock(int argc, char **argv) {
    static char *const kinds[] = {"mock worker", "mock broker"};
    if (argc < 2) return fail(SKEP_EINVAL, "mock: worker or broker is missing; see skep help mock");
    if (means_help(argv[1])) return help("mock");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i] + strlen("mock ")) == 0) {
            argv[1] = kinds[i];
            return run(find(kinds[i]), argc - 1, argv + 1);
        }
    return fail(SKEP_EINVAL, "mock: %s: expected worker or broker; see skep help mock", argv[1]);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) return fail(SKEP_EINVAL, "COMMAND is missing; skep help lists the commands");
    const char *name = argv[1];
    if (means_help(name)) return help(argv[2]);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        if (argc > 2 && means_help(argv[2])) return help_all();
        printf("skep %s\n", skep_version());
        return 0;
    }
    if (strcmp(name, "mock") == 0) return run_mock(argc - 1, argv + 1);
    const struct subcommand *subcommand = find(name);
    return subcommand != NULL ? run(subcommand, argc - 1, argv + 1) : unknown(name);
}

/* Streams that were closed must not become sockets of ours. What is written to a stdout that was closed has not
 * arrived: writing to it fails, but in a broker, which may be started so and gives its streams to workers. */
static void fill_streams(bool is_broker) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        bool fails = fd == STDOUT_FILENO && !is_broker;
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fails ? O_RDONLY : O_RDWR) < 0) return;
    }
}

/* Output that did not arrive is a failure: of a full disk, say. */
int main(int argc, char **argv) {
    fill_streams(argc > 1 && strcmp(argv[1], "run") == 0);
    width_begin();
    int code = dispatch(argc, argv);
    if (code == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        return fail(skep_status_of_errno(errno), "stdout: %s", strerror(errno));
    return code;
}
