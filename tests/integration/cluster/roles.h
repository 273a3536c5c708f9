/* SPDX-License-Identifier: MIT
 * Workers under test: each program plays several, and the environment says which. They assert nothing; they tell the
 * primary what they see. */
#ifndef SKEP_TESTS_ROLES_H
#define SKEP_TESTS_ROLES_H

#include <skep/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROLE_BROKEN = 99 /* exit status of a worker that could not do what its role says */ };

struct role {
    const char *name; /* NULL ends the table */
    void (*begin)(skep_worker *worker);
};

/* What the worker cannot go on without. */
static inline void role_need(int status, const char *what) {
    if (status == SKEP_OK) return;
    fprintf(stderr, "worker %d: %s: %s\n", (int)getpid(), what, skep_strerror(status));
    _exit(ROLE_BROKEN);
}

/* Tells the primary a text. */
static inline void role_tell(skep_worker *worker, const char *name, const char *text) {
    role_need(skep_send(worker, name, text, strlen(text)), "send");
}

static inline void role_tell_number(skep_worker *worker, const char *name, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    role_tell(worker, name, text);
}

/* Waits to be told to leave. */
static inline void role_idle(skep_worker *worker) {
    (void)worker;
}

static inline const struct role *role_of_environment(const struct role *roles) {
    const char *name = getenv("SKEP_TEST_ROLE");
    while (roles->name != NULL && (name == NULL || strcmp(roles->name, name) != 0)) roles++;
    return roles->name != NULL ? roles : NULL;
}

/* A worker's main(). Its name, if it is to have one, is in SKEP_TEST_NAME. */
static inline int role_play(const struct role *roles) {
    const struct role *role = role_of_environment(roles);
    skep_worker *worker;
    if (role == NULL) return ROLE_BROKEN;
    skep_worker_options options = {.name = getenv("SKEP_TEST_NAME")};
    role_need(skep_worker_new(&worker, &options), "join");
    role->begin(worker);
    int status = skep_worker_run(worker);
    skep_worker_free(&worker);
    return skep_exit_status(status);
}

#endif
