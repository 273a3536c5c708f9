/* SPDX-License-Identifier: MIT
 * What every program of this folder needs besides Skep: options, complaints, and forking again with measure. */
#pragma once

#include <skep/cluster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

/* --- Options: --name VALUE, --name=VALUE, --flag --- */

struct option_row {
    const char *name;  /* without dashes; NULL ends the table */
    const char *value; /* what the help calls its value */
    const char *help;
    const char **text; /* where the value goes: one of the three */
    unsigned *number;
    bool *flag;
    unsigned least, most; /* of a number */
};

#define OPTION_TEXT(name, value, help, to) \
    { name, value, help, to, NULL, NULL, 0, 0 }
#define OPTION_NUMBER(name, value, help, to, least, most) \
    { name, value, help, NULL, to, NULL, least, most }
#define OPTION_FLAG(name, help, to) \
    { name, NULL, help, NULL, NULL, to, 0, 0 }
#define OPTION_END \
    { NULL, NULL, NULL, NULL, NULL, NULL, 0, 0 }

/* Ends the program because of its arguments: one line, exit status 64. */
#define PROGRAM_REFUSE(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(EX_USAGE))

static inline void option_help(const char *program, const char *purpose, const struct option_row *row) {
    printf("Usage: %s [OPTION...]\n%s\n\n", program, purpose);
    for (; row->name; row++) {
        printf("  --%s %s\n        %s", row->name, row->value ? row->value : "", row->help);
        if (row->text && *row->text) printf(" [%s]", *row->text);
        if (row->number) printf(" [%u]", *row->number);
        printf("\n");
    }
    printf("  --help\n        print this help\n");
    exit(EXIT_SUCCESS);
}

static inline void option_set(const char *program, const struct option_row *row, const char *value) {
    if (row->text) {
        *row->text = value;
        return;
    }
    char *end;
    unsigned long number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || number < row->least || number > row->most)
        PROGRAM_REFUSE("%s: --%s wants a number from %u to %u, not '%s'", program, row->name, row->least, row->most,
                       value);
    *row->number = (unsigned)number;
}

/* Reads the arguments into what the table points at, where the defaults stand. Returns the index of what follows
 * "--", argc if nothing does. Ends the program after --help and for arguments that are wrong. */
static inline int options_read(int argc, char **argv, const char *purpose, const struct option_row *table) {
    const char *program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0); /* lines are seen when they are printed, in a pipe too */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) return i + 1;
        if (strcmp(argv[i], "--help") == 0) option_help(program, purpose, table);
        if (strncmp(argv[i], "--", 2) != 0) PROGRAM_REFUSE("%s: unexpected argument '%s'", program, argv[i]);
        const char *name = argv[i] + 2, *equals = strchr(name, '=');
        const struct option_row *row = table;
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        while (row->name && !(strlen(row->name) == length && strncmp(row->name, name, length) == 0)) row++;
        if (!row->name || (row->flag && equals))
            PROGRAM_REFUSE("%s: unknown option '%s'; see --help", program, argv[i]);
        if (row->flag) *row->flag = true;
        else if (equals) option_set(program, row, equals + 1);
        else if (i + 1 < argc) option_set(program, row, argv[++i]);
        else PROGRAM_REFUSE("%s: --%s wants a value; see --help", program, row->name);
    }
    return argc;
}

/* As many workers as there are processors (os.cpus().length). */
static inline unsigned program_cpus(void) {
    return uv_available_parallelism();
}

/* --- Workers --- */

/* A worker cannot join its broker: says so in one line and returns the exit status. */
static inline int worker_stray(const char *program, int status) {
    fprintf(stderr, "%s: cannot join the broker: %s\n", program, skep_strerror(status));
    return skep_exit_status(status);
}

/* A worker cannot listen: says so in one line. Returns the exit status by which a primary, and skep run, know that
 * starting it again is useless. */
static inline int worker_cannot_listen(const char *program, const char *url, const char *why) {
    bool is_named = strncmp(why, url, strlen(url)) == 0;
    fprintf(stderr, "%s: cannot listen on %s%s%s\n", program, is_named ? "" : url, is_named ? "" : ": ", why);
    return EX_CONFIG;
}

/* The exit status of a worker whose loop has ended. One that outlived its primary has done all it could. */
static inline int worker_end(int status) {
    return status == SKEP_ECLOSED ? EXIT_SUCCESS : skep_exit_status(status);
}

/* --- Primaries --- */

/* The exit status of a primary: that of its workers if they could not begin, else that of its own work, with a line
 * if it failed. */
static inline int primary_end(const char *program, const skep_cluster *cluster, int status, int workers_status) {
    if (status) fprintf(stderr, "%s: %s\n", program, cluster ? skep_cluster_why(cluster) : skep_strerror(status));
    return status ? skep_exit_status(status) : workers_status;
}

/* For a primary's exit event: true if the worker could not begin, as every other could not. The cluster stops then,
 * and the worker's exit status is kept for primary_end. */
static inline bool primary_give_up(skep_cluster *cluster, const skep_event *event, int *workers_status) {
    if (event->code != EX_CONFIG || skep_child_exited_after_disconnect(event->child) == 1) return false;
    *workers_status = event->code;
    skep_cluster_stop(cluster, false);
    return true;
}

/* Forks so many workers, and runs until all have ended: after SIGINT or SIGTERM, or because none is forked again. */
static inline int primary_work(skep_cluster *cluster, unsigned workers) {
    int status = skep_cluster_stop_on_signals(cluster);
    for (unsigned i = 0; !status && i < workers; i++) status = skep_fork(cluster, NULL, NULL);
    return status ? status : skep_cluster_run(cluster);
}

/* A whole primary. set_up (may be NULL) comes first; the context of on_exit is the int that primary_give_up sets.
 * Returns the exit status. */
static inline int primary_run(const char *program, unsigned workers, skep_event_cb on_exit,
                              int (*set_up)(skep_cluster *cluster)) {
    skep_cluster *cluster = NULL;
    int workers_status = 0;
    int status = skep_cluster_new(&cluster, NULL);
    if (!status && set_up) status = set_up(cluster);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_exit, &workers_status);
    if (!status) status = primary_work(cluster, workers);
    status = primary_end(program, cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

static inline void primary_fork_now(skep_cluster *cluster) {
    int status = skep_fork(cluster, NULL, NULL);
    if (status && status != SKEP_ESTATE) fprintf(stderr, "cannot fork: %s\n", skep_cluster_why(cluster));
}

static inline void primary_forget(uv_handle_t *timer) {
    free(timer);
}

static inline void primary_fork_due(uv_timer_t *timer) {
    primary_fork_now(timer->data);
    uv_close((uv_handle_t *)timer, primary_forget);
}

/* Forks in place of a worker that has exited (cluster.fork() in an exit event): at once, or a second later if it
 * lived for less than that, so that one that cannot live makes no storm of forks. Does nothing when the cluster is
 * stopping. */
static inline void primary_fork_again(skep_cluster *cluster, const skep_event *event) {
    uv_timer_t *timer = event->uptime_ms < 1000 ? malloc(sizeof *timer) : NULL;
    if (!timer) {
        primary_fork_now(cluster);
        return;
    }
    uv_timer_init(skep_cluster_loop(cluster), timer);
    timer->data = cluster;
    uv_timer_start(timer, primary_fork_due, 1000, 0);
}
