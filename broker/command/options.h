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
    FOR_SUBMIT = 1 << 4,
    FOR_QUEUES = 1 << 5,
    FOR_PEEK = 1 << 6,
    FOR_DEAD = 1 << 7,
    FOR_SEND = 1 << 8,
    FOR_CALL = 1 << 9,
    FOR_ALL = (1 << 10) - 1, /* those about a broker */
    FOR_MOCK_WORKER = 1 << 10,
    FOR_MOCK_BROKER = 1 << 11,
    FOR_MOCK = FOR_MOCK_WORKER | FOR_MOCK_BROKER,
};

enum {
    MAX_WORKERS = 1000, /* of -n */
    MAX_LISTENERS = 64, /* of -l */
    MAX_DEAD = 10000,   /* dead letters in one list */
    MAX_OPERANDS = 3,
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
    unsigned lease_ms;
    unsigned deaths;
    unsigned dedup_ms;
    uint64_t queue_jobs;
    uint64_t queue_bytes;
    uint64_t jobs_bytes;
    unsigned job_credit;
    struct named_url listeners[MAX_LISTENERS];
    size_t listeners_count;
    char *const *program; /* PROGRAM and its arguments, NULL-terminated */

    const char *operands[MAX_OPERANDS]; /* of all but run; NULL: not there */

    /* submit; attempts is an option of run too */
    const char *lines; /* a file of them, "-" is stdin; NULL: one job */
    bool wait;
    uint32_t delay_ms;
    uint32_t ttl_ms;
    int priority;
    const char *key;
    unsigned attempts;

    const char *script; /* mock */

    unsigned count;      /* peek, dead list: how many; 0: as usual */
    const char *queue;   /* dead: of this queue, whose name may look like an id */
    bool all;            /* dead */
    bool raw;            /* send, call: data are bytes, not JSON */
    unsigned timeout_ms; /* call; 0: as usual */
};

/* Parses the arguments of the subcommand argv[0] into options. False if something is wrong; it has been said then. */
bool options_parse(struct options *options, unsigned subcommand, int argc, char **argv);

/* Prints a line for each option of a subcommand. */
void options_help(FILE *file, unsigned subcommand);

#endif
