/* SPDX-License-Identifier: MIT */
#include "common/queue_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

SKEP_PRINTF(2, 3) static int refuse(char why[SKEP_MAX_REASON + 1], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, SKEP_MAX_REASON + 1, format, arguments);
    va_end(arguments);
    return SKEP_EINVAL;
}

static int check_name(const char *what, const char *name, char why[SKEP_MAX_REASON + 1]) {
    if (name != NULL && name[0] != '\0' && strnlen(name, SKEP_MAX_NAME + 1) <= SKEP_MAX_NAME) return SKEP_OK;
    return refuse(why, "'%s': a %s has 1 to %d bytes", name != NULL ? name : "", what, SKEP_MAX_NAME);
}

/* --- queues --- */

static int check_backoff(const char *name, const skep_queue_options *options, char why[SKEP_MAX_REASON + 1]) {
    if (options->backoff_max_ms == 0) return SKEP_OK;
    if (options->backoff_ms == 0)
        return refuse(why, "%s: a backoff up to %u ms: without backoff_ms there is none", name,
                      options->backoff_max_ms);
    if (options->backoff_max_ms >= options->backoff_ms) return SKEP_OK;
    return refuse(why, "%s: a backoff from %u to %u ms: the first is the shorter one", name, options->backoff_ms,
                  options->backoff_max_ms);
}

static int check(const char *name, const skep_queue_options *options, char why[SKEP_MAX_REASON + 1]) {
    int status = check_name("queue's name", name, why);
    if (status != SKEP_OK) return status;
    if (options->attempts > UINT16_MAX || options->interruptions > UINT16_MAX)
        return refuse(why, "%s: %u attempts, %u interruptions: at most %d", name, options->attempts,
                      options->interruptions, UINT16_MAX);
    if (options->lease_ms != 0 && options->lease_ms < SKEP_LEAST_LEASE_MS)
        return refuse(why, "%s: lease of %u ms: at least %d", name, options->lease_ms, SKEP_LEAST_LEASE_MS);
    return check_backoff(name, options, why);
}

int skep__queue_options_take(const char *name, const skep_queue_options *given, skep_queue_options *options,
                             char why[SKEP_MAX_REASON + 1]) {
    static const skep_queue_options defaults = {0};
    if (given == NULL) given = &defaults;
    int status = check(name, given, why);
    if (status != SKEP_OK) return status;
    *options = *given;
    if (options->backoff_max_ms == 0) options->backoff_max_ms = options->backoff_ms;
    return SKEP_OK;
}

/* --- jobs --- */

int skep__job_options_check(const char *queue, const skep_job_options *options, char why[SKEP_MAX_REASON + 1]) {
    int status = check_name("queue's name", queue, why);
    if (status == SKEP_OK && options->key != NULL) status = check_name("key", options->key, why);
    if (status != SKEP_OK) return status;
    if (options->priority < INT8_MIN || options->priority > INT8_MAX)
        return refuse(why, "%s: priority %d: %d to %d", queue, options->priority, INT8_MIN, INT8_MAX);
    if (options->attempts > UINT16_MAX)
        return refuse(why, "%s: %u attempts: at most %d", queue, options->attempts, UINT16_MAX);
    if (options->lease_ms > 0 && options->lease_ms < SKEP_LEAST_LEASE_MS)
        return refuse(why, "%s: lease of %u ms: at least %d", queue, options->lease_ms, SKEP_LEAST_LEASE_MS);
    return SKEP_OK;
}

int skep__job_size_check(const char *queue, size_t size_bytes, char why[SKEP_MAX_REASON + 1]) {
    if (size_bytes <= SKEP_MAX_PAYLOAD) return SKEP_OK;
    snprintf(why, SKEP_MAX_REASON + 1, "%s: job of %zu bytes: at most %d", queue, size_bytes, SKEP_MAX_PAYLOAD);
    return SKEP_ETOOBIG;
}
