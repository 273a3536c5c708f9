/* SPDX-License-Identifier: MIT */
#include "config/own_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"

enum { STEP_BYTES = 8192 };

char *skep__own_program(void) {
    static const char link[] = "/proc/self/exe";
    char path[PATH_MAX];
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return strdup(link);
    path[length] = '\0';
    return strdup(path);
}

/* All of a file, with a terminator. NULL: see errno. */
static char *read_all(int fd, size_t *size_bytes) {
    char *text = NULL;
    size_t used = 0;
    for (ssize_t n = 1; n > 0; used += (size_t)n) {
        char *larger = realloc(text, used + STEP_BYTES);
        n = larger != NULL ? read(fd, larger + used, STEP_BYTES - 1) : -1;
        if (larger != NULL) text = larger;
        if (n >= 0) continue;
        free(text);
        return NULL;
    }
    text[used] = '\0';
    *size_bytes = used;
    return text;
}

/* Texts one behind another, without the first, as a list. NULL: no memory. */
static char **list_of(const char *text, size_t size_bytes) {
    size_t count = 0;
    const char **list = calloc(size_bytes + 1, sizeof *list);
    if (list == NULL) return NULL;
    for (const char *at = text + strlen(text) + 1; at < text + size_bytes; at += strlen(at) + 1) list[count++] = at;
    char **copy = skep__copy_args(list);
    free(list);
    return copy;
}

int skep__own_args(char ***args) {
    size_t size_bytes = 0;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) return SKEP_ESYS;
    char *text = fd >= 0 ? read_all(fd, &size_bytes) : strdup("");
    int reason = errno;
    if (fd >= 0) close(fd);
    if (text == NULL) return reason == ENOMEM ? SKEP_ENOMEM : SKEP_ESYS;
    *args = list_of(text, size_bytes);
    free(text);
    return *args != NULL ? SKEP_OK : SKEP_ENOMEM;
}
