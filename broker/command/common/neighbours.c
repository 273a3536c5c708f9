/* SPDX-License-Identifier: MIT
 * The brokers that run beside each other. */
#include "command/common/neighbours.h"

#include <common/instance.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* What belongs to others cannot be read, and is not found. */
static bool is_running(const char *folder, const char *name) {
    struct skep__instance instance;
    char dir[SKEP_MAX_DIR + 1];
    int length = snprintf(dir, sizeof dir, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof dir && skep__instance_find(dir, &instance) == SKEP_OK;
}

void neighbours_each(const char *dir, void (*found)(const char *name, void *context), void *context) {
    char folder[SKEP_MAX_DIR + 1];
    struct dirent **entries;
    snprintf(folder, sizeof folder, "%s", dir);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return;
    *slash = '\0';
    int count = scandir(folder[0] != '\0' ? folder : "/", &entries, is_visible, alphasort);
    if (count < 0) return;
    for (int i = 0; i < count; i++) {
        if (is_running(folder, entries[i]->d_name)) found(entries[i]->d_name, context);
        free(entries[i]);
    }
    free(entries);
}
