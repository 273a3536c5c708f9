/* SPDX-License-Identifier: MIT
 * Arguments of all subcommands, from one table that also makes the help. */
#ifndef SKEP_COMMAND_OPTIONS_H
#define SKEP_COMMAND_OPTIONS_H

#include <skep/cluster.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The subcommands by number, and which of them take an option */
enum subcommand_number {
#define SUBCOMMAND(id, ...) NUMBER_##id,
#include "command/subcommands.def"
};

enum {
#define SUBCOMMAND(id, ...) FOR_##id = 1 << NUMBER_##id,
#include "command/subcommands.def"
    FOR_MOCK = FOR_MOCK_WORKER | FOR_MOCK_BROKER,
    FOR_BROKER = 0 /* those about a broker */
#define SUBCOMMAND(id, ...) | FOR_##id
#define ALONE(id, ...)
#include "command/subcommands.def"
};

enum {
    MAX_LISTENERS = 64,      /* of -l */
    MAX_QUEUE_SETTINGS = 64, /* of --queue */
    MAX_GROUPS = 64,         /* of --group */
    MAX_DEAD = 10000,        /* dead letters in one list */
    MAX_ENV = 256,           /* of --env */
    MAX_OPERANDS = 3,
};

struct named_url {
    char name[65]; /* SKEP_MAX_NAME and a terminator */
    const char *url;
};

struct queue_setting {
    char name[65]; /* as above */
    skep_queue_options options;
};

struct queue_settings {
    struct queue_setting list[MAX_QUEUE_SETTINGS];
    size_t count;
};

/* A group of workers besides the first */
struct group_option {
    char name[65]; /* as above */
    unsigned workers;
    const char *command; /* PROGRAM and its arguments, separated by blanks */
};

/* Strings are borrowed from argv. 0 and NULL mean the default of skep_settings, if nothing else is said. */
struct options {
    const char *name; /* "default" */
    const char *dir;
    bool help, json, now, yes, wait, all, raw, no_capture, follow, watch, once, no_wait; /* FLAG_ROWs of options.def */

    unsigned workers;             /* filled in: one for each processor */
    skep_settings settings;       /* run; reload: user, directory and umask */
    const char *env[MAX_ENV + 1]; /* run, reload: NAME=VALUE, NULL-terminated */
    size_t env_count;
    struct named_url listeners[MAX_LISTENERS];
    size_t listeners_count;
    struct queue_settings queues;
    struct group_option groups[MAX_GROUPS];
    size_t group_count;
    char *const *program; /* PROGRAM and its arguments, NULL-terminated */

    const char *operands[MAX_OPERANDS]; /* of all but run; NULL: not there */

    char *const *rest; /* cancel: all operands; rest_count of them */
    int rest_count;

    const char *lines;    /* submit: a file of jobs, "-" is stdin; NULL: one job */
    skep_job_options job; /* submit */

    const char *script; /* mock */

    unsigned count;      /* peek, dead list: how many; 0: as usual */
    const char *queue;   /* dead, pause, resume: this queue, whose name may look like another thing's */
    const char *group;   /* resume: the breaker of this group */
    unsigned timeout_ms; /* call; 0: as usual */

    unsigned every_ms;      /* status --watch, top: how often; 0: as usual */
    bool since_given;       /* events */
    uint64_t since;         /* events: after the item with this number */
    const char *kinds;      /* events: only these, separated by commas; NULL: all */
    uint64_t worker;        /* events: only of this one; 0: all */
    const char *program_to; /* reload: another program; NULL: the present one */
    unsigned at_once;       /* reload: workers replaced at a time; 0: 1 */
    char *const *args;      /* reload: arguments after --, NULL-terminated; NULL: the present ones */
    const char *listener;   /* pause, resume: name or URL; NULL: not said to be one */
};

struct subcommand;

/* Parses the arguments of a subcommand, which is argv[0], into options. False if something is wrong; it has been said
 * then. */
bool options_parse(struct options *options, const struct subcommand *subcommand, int argc, char **argv);

/* Whether one of its options is a time. */
bool options_have_times(unsigned subcommand);

/* Prints a line for each option of a subcommand. */
void options_help(FILE *file, unsigned subcommand);

#endif
