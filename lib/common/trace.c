/* SPDX-License-Identifier: MIT
 * Trace lines. */
#include "common/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct token {
    const char *name;
    unsigned bits;
};

static const struct token tokens[] = {
    {"spawn", SKEP__TRACE_SPAWN},
    {"link", SKEP__TRACE_LINK},
    {"wire", SKEP__TRACE_WIRE},
    {"ledger", SKEP__TRACE_LEDGER},
    {"all", SKEP__TRACE_SPAWN | SKEP__TRACE_LINK | SKEP__TRACE_WIRE | SKEP__TRACE_LEDGER},
};

static const char *token_name(unsigned bit) {
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (tokens[i].bits == bit) return tokens[i].name;
    return "?";
}

unsigned skep__trace_mask(void) {
    unsigned mask = 0;
    const char *word = getenv(SKEP_ENV_TRACE);
    for (; word != NULL && *word != '\0'; word += strcspn(word, ","), word += *word == ',')
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
            if (strcspn(word, ",") == strlen(tokens[i].name) &&
                strncmp(word, tokens[i].name, strlen(tokens[i].name)) == 0)
                mask |= tokens[i].bits;
    return mask;
}

void skep__trace(unsigned mask, enum skep__trace_token token, const char *format, ...) {
    if (!(mask & token)) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "skep[%d]: %s %s\n", (int)getpid(), token_name(token), line);
}

void skep__trace_command(unsigned mask, enum skep__trace_token token, const char *way, uint32_t worker,
                         const struct skep_command *command) {
    if (!(mask & token)) return;
    char text[768];
    skep__command_print(command, text, sizeof text);
    skep__trace(mask, token, "%s worker %u: %s", way, worker, text);
}
