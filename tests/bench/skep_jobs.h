/* SPDX-License-Identifier: MIT
 * The roles of skep_jobs. Each gets the arguments that follow its name and returns an exit status. */
#ifndef BENCH_SKEP_JOBS_H
#define BENCH_SKEP_JOBS_H

#include <skep/client.h>

#define JOBS_QUEUE "work"
#define JOBS_BEGIN "begin" /* the request that a held worker waits for */

enum { JOBS_USAGE = 64, JOBS_SLOW_WORKER = 1 /* id of the one that is slow, if one is */ };

int jobs_work(int argc, char **argv);   /* KIND */
int jobs_load(int argc, char **argv);   /* DIR SECONDS PAYLOAD [BACKLOG] */
int jobs_fill(int argc, char **argv);   /* DIR COUNT PAYLOAD */
int jobs_trip(int argc, char **argv);   /* DIR SECONDS */
int jobs_accept(int argc, char **argv); /* DIR SECONDS */
int jobs_paced(int argc, char **argv);  /* DIR SECONDS */

/* A client of the broker in a directory, with a loop of its own; ends the program if there is none. */
skep_client *jobs_join(const char *dir);

#endif
