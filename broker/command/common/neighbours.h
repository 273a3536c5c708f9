/* SPDX-License-Identifier: MIT
 * The brokers that run beside each other in one folder. */
#ifndef SKEP_COMMAND_COMMON_NEIGHBOURS_H
#define SKEP_COMMAND_COMMON_NEIGHBOURS_H

/* Calls back for each running broker whose directory is beside dir, which need not be there, by the alphabet. */
void neighbours_each(const char *dir, void (*found)(const char *name, void *context), void *context);

#endif
