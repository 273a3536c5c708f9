/* SPDX-License-Identifier: MIT
 * What skep status shows: one JSON object, which the table for people is made from too. */
#ifndef SKEP_COMMAND_VIEW_STATUS_H
#define SKEP_COMMAND_VIEW_STATUS_H

#include <command.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct status {
    json_t *json; /* begins empty */
    size_t near;  /* the worker that was told about last: what follows is about it or the next one */
};

/* Adds one command of the answer. */
void status_add(struct status *status, const struct skep_command *command);

/* Writes the object as tables for people, in colours if they are wanted. Adds to it what only people need. */
void status_write_text(FILE *file, json_t *status, const char *dir, bool colours, unsigned room);

/* --- status_notes.c --- */

/* Writes a line for each problem. */
void status_write_warnings(FILE *file, const json_t *status, bool colours);

/* Sets what a draining worker waits for, and how long it took for what it handles mostly. */
void status_note_worker(json_t *worker);

#endif
