/* SPDX-License-Identifier: MIT
 * Memory that runs out when a test says so: stands in the way of the system's, for all that the test's program calls.
 */
#ifndef SKEP_TESTS_SCARCE_H
#define SKEP_TESTS_SCARCE_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether there is memory for so many bytes; NULL: there is for all. */
static bool (*scarce_has)(size_t size_bytes);

static inline bool scarce_nothing(size_t size_bytes) {
    (void)size_bytes;
    return false;
}

/* The sanitizer itself calls these, before it can check anything. */
#define SCARCE_UNCHECKED __attribute__((no_sanitize("address", "undefined")))

SCARCE_UNCHECKED static inline bool scarce_is_there(size_t size_bytes) {
    bool there = scarce_has == NULL || scarce_has(size_bytes);
    if (!there) errno = ENOMEM;
    return there;
}

SCARCE_UNCHECKED void *malloc(size_t size_bytes) {
    static void *(*allocate)(size_t);
    if (allocate == NULL) *(void **)&allocate = dlsym(RTLD_NEXT, "malloc");
    return scarce_is_there(size_bytes) ? allocate(size_bytes) : NULL;
}

SCARCE_UNCHECKED void *calloc(size_t count, size_t size_bytes) {
    static void *(*allocate)(size_t, size_t);
    if (allocate == NULL) *(void **)&allocate = dlsym(RTLD_NEXT, "calloc");
    return scarce_is_there(count * size_bytes) ? allocate(count, size_bytes) : NULL;
}

SCARCE_UNCHECKED void *realloc(void *before, size_t size_bytes) {
    static void *(*allocate)(void *, size_t);
    if (allocate == NULL) *(void **)&allocate = dlsym(RTLD_NEXT, "realloc");
    return scarce_is_there(size_bytes) ? allocate(before, size_bytes) : NULL;
}

SCARCE_UNCHECKED char *strdup(const char *text) {
    size_t size_bytes = strlen(text) + 1;
    char *copy = malloc(size_bytes);
    return copy != NULL ? memcpy(copy, text, size_bytes) : NULL;
}

#endif
