/* SPDX-License-Identifier: MIT
 * What the files of view/ share. */
#ifndef SKEP_COMMAND_VIEW_VIEW_H
#define SKEP_COMMAND_VIEW_VIEW_H

#include <command.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/common/contact.h"
#include "command/common/fields.h"
#include "command/common/grid.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "command/common/table.h"
#include "command/common/times.h"
#include "command/subcommands.h"
#include "command/view/notice.h"
#include "common/text.h"

/* --- status_json.c and status_text.c: what skep status shows: one JSON object, which the table for people is made from
 * too --- */

struct status {
    json_t *json; /* begins empty */
    size_t near;  /* the worker that was told about last: what follows is about it or the next one */
};

/* Adds one command of the answer. */
void status_add(struct status *status, const struct skep_command *command);

/* Writes the object as tables for people, in colours if they are wanted. */
void status_write_text(FILE *file, const json_t *status, const char *dir, bool colours, unsigned room);

/* --- status_notes.c --- */

/* Writes a line for each problem. */
void status_write_warnings(FILE *file, const json_t *status, bool colours);

/* Of a worker: what it waits for while it drains; of what it handles mostly how long that took, and what that is. */
write_cell status_write_wait, status_write_p50, status_write_p99, status_write_kind;

/* --- watch.c: a text that is refreshed at an interval, in place on a terminal, one after the other elsewhere --- */

/* To be called before the first frame: SIGINT, SIGTERM and SIGHUP end the program then with status 0 and leave the
 * terminal as it was. */
void watch_begin(void);

/* Shows a text of whole lines; on a terminal what fits into the window, and how much more there is. Returns 0; or says
 * what is wrong and returns the exit status. *deaf: nobody reads any more. */
int watch_show(const char *text, size_t size_bytes, bool *deaf);

#endif
