/* SPDX-License-Identifier: MIT
 * Skep's side of the job benches: the worker that `skep run` starts, and the clients that load it and print a figure.
 * skep_jobs worker KIND | load DIR SECONDS PAYLOAD [BACKLOG] | fill DIR COUNT PAYLOAD | trip DIR SECONDS |
 * accept DIR SECONDS | paced DIR SECONDS */
#include "skep_jobs.h"

#include <string.h>

#include "must.h"

skep_client *jobs_join(const char *dir) {
    skep_client *client = NULL;
    skep_client_options options = {.dir = dir};
    bench_must(skep_client_new(&client, &options), dir);
    return client;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } roles[] = {{"worker", jobs_work}, {"load", jobs_load},     {"fill", jobs_fill},
                 {"trip", jobs_trip},   {"accept", jobs_accept}, {"paced", jobs_paced}};
    for (size_t i = 0; argc > 1 && i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(argv[1], roles[i].name) == 0) return roles[i].run(argc - 2, argv + 2);
    }
    return JOBS_USAGE;
}
