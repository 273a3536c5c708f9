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

/* --- status_text.c --- */

/* Writes what skep status shows as tables for people, in colours if they are wanted. */
void status_write_text(FILE *file, const json_t *status, const char *dir, bool colours, unsigned room);

/* --- watch.c: a text that is refreshed at an interval, in place on a terminal, one after the other elsewhere --- */

/* To be called before the first frame: SIGINT, SIGTERM and SIGHUP end the program then with status 0 and leave the
 * terminal as it was. */
void watch_begin(void);

/* Shows a text of whole lines; on a terminal what fits into the window, and how much more there is. Returns 0; or says
 * what is wrong and returns the exit status. *deaf: nobody reads any more. */
int watch_show(const char *text, size_t size_bytes, bool *deaf);

#endif
