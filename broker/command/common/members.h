/* SPDX-License-Identifier: MIT
 * Commands as JSON objects, by the rows of commands.def.
 *
 * The key is the field's name in lower case: badFrames is bad_frames. _ms is _s, a number of seconds. A str is text; a
 * bin is text if it is UTF-8, else hexadecimal digits, and its key ends in _hex; a list is an array of such objects. A
 * field that is absent is left out. members.def lists what is different. */
#ifndef SKEP_COMMAND_COMMON_MEMBERS_H
#define SKEP_COMMAND_COMMON_MEMBERS_H

#include <command.h>
#include <jansson.h>

/* A new object; NULL if there is no memory. */
json_t *members_of(const struct skep_command *command);

#endif
