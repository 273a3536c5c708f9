/* SPDX-License-Identifier: MIT
 * The file that a mock's script is in. */
#ifndef SKEP_COMMAND_MOCK_SCRIPT_H
#define SKEP_COMMAND_MOCK_SCRIPT_H

/* Reads all of a file, or of stdin ("-"), as text, which is the caller's to free. NULL: it cannot be read, which was
 * said; *code is the exit status then. */
char *script_read(const char *path, int *code);

#endif
