/* SPDX-License-Identifier: MIT
 * What workers write, passed on to a stream of `skep run` that never holds it up. */
#ifndef SKEP_COMMAND_RUN_PASSING_H
#define SKEP_COMMAND_RUN_PASSING_H

#include <command.h>
#include <stdbool.h>

enum { PASSING_BYTES = 128 * 1024 };

enum passing_way {
    PASSING_PLAIN, /* a file, or something else that never waits for long */
    PASSING_OWN,   /* opened again, so that only this description does not block: others share the stream */
    PASSING_SOCKET,
    PASSING_POLL, /* could not be opened again: written to in pieces that fit */
    PASSING_NONE  /* the reader has ended */
};

struct passing {
    int fd;
    enum passing_way way;
    bool on_terminal;
    char buffer[PASSING_BYTES]; /* what has not been written */
    size_t used;
    uint64_t dropped; /* lines since the last that was taken */
};

void passing_open(struct passing *passing, int fd);

/* Takes one line, given without its end; cut bytes of it were left out. Drops and counts it if too much waits. */
void passing_add(struct passing *passing, struct skep_bytes line, uint64_t cut);

/* Writes as much as can be written now. */
void passing_flush(struct passing *passing);

/* Writes the rest, waits a second at most for the reader, and closes; what is left then is dropped. */
void passing_close(struct passing *passing);

#endif
