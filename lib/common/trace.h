/* SPDX-License-Identifier: MIT
 * What SKEP_TRACE=spawn,link,wire,ledger (or all) shows on stderr. */
#pragma once

#include "command.h"

enum skep__trace_token {
    SKEP__TRACE_SPAWN = 1 << 0,  /* lives of workers, transition by transition */
    SKEP__TRACE_LINK = 1 << 1,   /* commands on links */
    SKEP__TRACE_WIRE = 1 << 2,   /* commands in frames */
    SKEP__TRACE_LEDGER = 1 << 3, /* each step of a connection */
};

/* The tokens that the environment asks for; unknown words are ignored. */
unsigned skep__trace_mask(void);

/* Prints one line if the token is in the mask. */
SKEP_PRINTF(3, 4) void skep__trace(unsigned mask, enum skep__trace_token token, const char *format, ...);

/* Prints a command by name, such as: skep[7]: link > worker 3: drain {}. way is "<" received or ">" sent. */
void skep__trace_command(unsigned mask, enum skep__trace_token token, const char *way, uint32_t worker,
                         const struct skep_command *command);
