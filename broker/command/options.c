/* SPDX-License-Identifier: MIT
 * Arguments of all subcommands: a row for each option, with what sets it and what explains it. */
#include "options.h"

#include <contract.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <url.h>

#include "say.h"
#include "values.h"

/* Sets one option; returns what is wrong with the value, or NULL. */
typedef const char *set_option(struct options *options, const char *value);

enum { MIN_LEASE_MS = 100 };

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
    return parse_unsigned(value, 1, MAX_WORKERS, &options->workers) ? NULL
                                                                    : "expected a number from 1 to 1000, or auto";
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
    return parse_unsigned(value, 1, SKEP_MAX_BATCH, &options->credit) ? NULL : "expected a number from 1 to 253";
}

static const char *set_lease(struct options *options, const char *value) {
    unsigned ms;
    const char *why = parse_seconds(value, &ms);
    if (why != NULL || ms < MIN_LEASE_MS) return "expected seconds, such as 10 or 0.5, from 0.1 to 86400";
    options->lease_ms = ms;
    return NULL;
}

static const char *set_attempts(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->attempts) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_deaths(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->deaths) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_dedup(struct options *options, const char *value) {
    return parse_seconds(value, &options->dedup_ms);
}

static const char *set_queue_jobs(struct options *options, const char *value) {
    return parse_number(value, 1, UINT32_MAX, &options->queue_jobs) ? NULL : "expected a number from 1 to 4294967295";
}

static const char *set_queue_bytes(struct options *options, const char *value) {
    return parse_size(value, &options->queue_bytes);
}

static const char *set_jobs_bytes(struct options *options, const char *value) {
    return parse_size(value, &options->jobs_bytes);
}

static const char *set_job_credit(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->job_credit) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_lines(struct options *options, const char *value) {
    options->lines = value;
    return *value == '\0' ? "the name of the file is empty" : NULL;
}

static const char *set_wait(struct options *options, const char *value) {
    (void)value;
    options->wait = true;
    return NULL;
}

static const char *set_delay(struct options *options, const char *value) {
    return parse_delay(value, &options->delay_ms);
}

static const char *set_ttl(struct options *options, const char *value) {
    return parse_delay(value, &options->ttl_ms);
}

static const char *set_priority(struct options *options, const char *value) {
    return parse_signed(value, -128, 127, &options->priority) ? NULL : "expected a number from -128 to 127";
}

static const char *set_key(struct options *options, const char *value) {
    options->key = value;
    return check_label(value);
}

static const char *set_peek_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, SKEP_MAX_PEEK, &options->count) ? NULL : "expected a number from 1 to 500";
}

static const char *set_dead_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, MAX_DEAD, &options->count) ? NULL : "expected a number from 1 to 10000";
}

static const char *set_queue(struct options *options, const char *value) {
    options->queue = value;
    return check_label(value);
}

static const char *set_all(struct options *options, const char *value) {
    (void)value;
    options->all = true;
    return NULL;
}

static const char *set_raw(struct options *options, const char *value) {
    (void)value;
    options->raw = true;
    return NULL;
}

static const char *set_timeout(struct options *options, const char *value) {
    return parse_seconds(value, &options->timeout_ms);
}

static const char *set_script(struct options *options, const char *value) {
    options->script = value;
    return *value == '\0' ? "the name of the file is empty" : NULL;
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
    {"lease", 0, FOR_RUN, "SECONDS", set_lease, "how long a worker may have a job before another gets it; 60"},
    {"attempts", 0, FOR_RUN, "N", set_attempts, "how often a job is tried, if its submitter does not say; 5"},
    {"deaths", 0, FOR_RUN, "N", set_deaths, "workers that may die of a job before it is a dead letter; 3"},
    {"dedup", 0, FOR_RUN, "SECONDS", set_dedup, "how long the key of a job is remembered; 120"},
    {"queue-jobs", 0, FOR_RUN, "N", set_queue_jobs, "jobs in one queue at most; 16777216"},
    {"queue-bytes", 0, FOR_RUN, "SIZE", set_queue_bytes, "memory of one queue at most, such as 512M; 1G"},
    {"jobs-bytes", 0, FOR_RUN, "SIZE", set_jobs_bytes, "memory of all queues at most; 2G"},
    {"job-credit", 0, FOR_RUN, "N", set_job_credit, "jobs of one queue that one worker has at most; 4096"},
    {"lines", 0, FOR_SUBMIT, "FILE", set_lines, "each line of FILE is a job; - is stdin"},
    {"wait", 0, FOR_SUBMIT, NULL, set_wait, "wait for the result and print it"},
    {"delay", 0, FOR_SUBMIT, "SECONDS", set_delay, "not before this has passed"},
    {"priority", 0, FOR_SUBMIT, "N", set_priority, "-128 to 127, smaller ones come first; 0"},
    {"ttl", 0, FOR_SUBMIT, "SECONDS", set_ttl, "a dead letter if nobody has begun it after so long"},
    {"key", 0, FOR_SUBMIT, "KEY", set_key, "not taken if the queue had a job with this key lately"},
    {"attempts", 0, FOR_SUBMIT, "N", set_attempts, "how often it may be tried; as skep run says"},
    {"count", 'n', FOR_PEEK, "N", set_peek_count, "how many jobs, 1 to 500; 10"},
    {"count", 'n', FOR_DEAD, "N", set_dead_count, "list: how many at most, 1 to 10000; 100"},
    {"queue", 0, FOR_DEAD, "QUEUE", set_queue, "a queue whose name is a number"},
    {"all", 0, FOR_DEAD, NULL, set_all, "retry, drop: the dead letters of all queues"},
    {"raw", 0, FOR_SEND | FOR_CALL, NULL, set_raw, "data are bytes as they are, no JSON that becomes MessagePack"},
    {"timeout", 0, FOR_CALL, "SECONDS", set_timeout, "how long to wait for the reply; 5"},
    {"json", 0, FOR_STATUS | FOR_EVENTS | FOR_SUBMIT | FOR_QUEUES | FOR_PEEK | FOR_DEAD, NULL, set_json,
     "for programs"},
    {"now", 0, FOR_STOP, NULL, set_now, "kill the workers instead of letting them finish"},
    {"name", 0, FOR_ALL, "NAME", set_name, "name of the instance; default"},
    {"dir", 0, FOR_ALL, "DIR", set_dir, "directory of the instance; found by its name"},
    {"script", 0, FOR_MOCK, "FILE", set_script, "what it does, as docs/mock.md says; - is stdin"},
    {"help", 'h', FOR_ALL | FOR_MOCK, NULL, set_help, "print this"},
};

enum { ROWS = sizeof rows / sizeof *rows };

struct getopt_tables {
    char letters[3 + 2 * ROWS];
    struct option names[ROWS + 1];
};

/* Names yield the row's index and 256, letters themselves. Options of run and of a mock broker end at the first
 * operand: what follows is the program's. Those of others may stand anywhere. */
static void fill_tables(struct getopt_tables *tables, unsigned subcommand) {
    char *letter = stpcpy(tables->letters, subcommand & (FOR_RUN | FOR_MOCK_BROKER) ? "+:" : ":");
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

static const struct row *row_of(int found, unsigned subcommand) {
    if (found >= 256) return &rows[found - 256];
    for (int i = 0; i < ROWS; i++)
        if (found != 0 && rows[i].letter == found && (rows[i].subcommands & subcommand)) return &rows[i];
    return NULL;
}

/* getopt's optopt is the letter, or the val of a name whose argument was wrong, or 0 for a name that is not known. */
static bool say_unknown(const char *subcommand, unsigned bit, int found, char **argv) {
    const struct row *row = row_of(optopt, bit);
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

static bool take_program(struct options *options, char **argv, int count) {
    if (count == 0 || argv[0][0] == '\0') {
        say("run: PROGRAM is missing; see skep help run");
        return false;
    }
    options->program = argv;
    return check_environment(options);
}

/* What the operands of a subcommand are called, and how many of them there must be; the others take none. */
static const struct operands {
    unsigned subcommand;
    int least;
    const char *names[MAX_OPERANDS];
} operands[] = {
    {FOR_SUBMIT, 1, {"QUEUE", "DATA"}},
    {FOR_PEEK, 1, {"QUEUE"}},
    {FOR_DEAD, 1, {"list, retry or drop", "QUEUE"}},
    {FOR_SEND, 2, {"WORKER", "CMD", "DATA"}},
    {FOR_CALL, 2, {"WORKER", "CMD", "DATA"}},
};

static const struct operands *operands_of(unsigned subcommand) {
    static const struct operands none = {0};
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++)
        if (operands[i].subcommand == subcommand) return &operands[i];
    return &none;
}

/* A mock needs a script, and a mock broker a program. */
static bool take_mock(struct options *options, unsigned subcommand, const char *name, char **argv, int count) {
    bool wants_program = subcommand == FOR_MOCK_BROKER;
    if (options->script == NULL) say("%s: --script is missing; see skep help mock", name);
    else if (!wants_program && count > 0) say("%s: %s: unexpected argument; see skep help mock", name, argv[0]);
    else if (wants_program && count == 0) say("%s: PROGRAM is missing; see skep help mock", name);
    options->program = argv;
    return options->script != NULL && (count > 0) == wants_program;
}

static bool take_operands(struct options *options, unsigned subcommand, const char *name, char **argv, int count) {
    const struct operands *wanted = operands_of(subcommand);
    for (int i = 0; i < count; i++) {
        if (i == MAX_OPERANDS || wanted->names[i] == NULL) {
            say("%s: %s: unexpected argument; see skep help %s", name, argv[i], name);
            return false;
        }
        options->operands[i] = argv[i];
    }
    if (count < wanted->least) say("%s: %s is missing; see skep help %s", name, wanted->names[count], name);
    return count >= wanted->least;
}

bool options_parse(struct options *options, unsigned subcommand, int argc, char **argv) {
    *options = (struct options){.name = "default", .workers = processors()};
    struct getopt_tables tables;
    fill_tables(&tables, subcommand);
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1;) {
        if (found == '?' || found == ':') return say_unknown(argv[0], subcommand, found, argv);
        if (!apply(options, argv[0], row_of(found, subcommand))) return false;
    }
    if (options->help) return true;
    if (subcommand == FOR_RUN) return take_program(options, &argv[optind], argc - optind);
    if (subcommand & FOR_MOCK) return take_mock(options, subcommand, argv[0], &argv[optind], argc - optind);
    return take_operands(options, subcommand, argv[0], &argv[optind], argc - optind);
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
