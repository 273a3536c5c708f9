/* SPDX-License-Identifier: MIT
 * Arguments of all subcommands, from one table that also makes the help. */
#ifndef SKEP_COMMAND_OPTIONS_H
#define SKEP_COMMAND_OPTIONS_H

#include <skep/cluster.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Which subcommands take an option */
enum {
    FOR_RUN = 1 << 0,
    FOR_STATUS = 1 << 1,
    FOR_EVENTS = 1 << 2,
    FOR_STOP = 1 << 3,
    FOR_ALL = FOR_RUN | FOR_STATUS | FOR_EVENTS | FOR_STOP,
};

enum {
    MAX_WORKERS = 1000,  /* of -n */
    MAX_LISTENERS = 64,  /* of -l */
    MAX_SECONDS = 86400, /* of an interval or a timeout */
};

struct named_url {
    char name[65]; /* SKEP_MAX_NAME and a terminator */
    const char *url;
};

/* Strings are borrowed from argv. 0 and NULL mean the default of skep_settings, if nothing else is said. */
struct options {
    const char *name; /* "default" */
    const char *dir;
    bool help;
    bool json;
    bool now;

    unsigned workers; /* filled in: one for each processor */
    enum skep_policy policy;
    unsigned interval_ms;
    unsigned ready_timeout_ms;
    unsigned drain_timeout_ms;
    unsigned watchdog_ms;
    unsigned credit;
    struct named_url listeners[MAX_LISTENERS];
    size_t listeners_count;
    char *const *program; /* PROGRAM and its arguments, NULL-terminated */
};

/* Parses the arguments of the subcommand argv[0] into options. False if something is wrong; it has been said then. */
bool options_parse(struct options *options, unsigned subcommand, int argc, char **argv);

/* Prints a line for each option of a subcommand. */
void options_help(FILE *file, unsigned subcommand);

#endif
