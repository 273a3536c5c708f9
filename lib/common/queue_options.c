/* SPDX-License-Identifier: MIT */
#include "common/queue_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/number.h"

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

/* The first number that is out of its bounds is refused. */
static int check_numbers(const char *name, const struct skep__number *numbers, size_t count, const void *of,
                         char why[SKEP_MAX_REASON + 1]) {
    char reason[SKEP_MAX_REASON + 1];
    for (size_t i = 0; i < count; i++)
        if (skep__number_check(&numbers[i], of, reason) != SKEP_OK) return refuse(why, "%s: %s", name, reason);
    return SKEP_OK;
}

/* --- queues --- */

static const struct skep__number queue_numbers[] = {
#define NUMBER(field, key, unit, least, most, words, help) \
    SKEP__NUMBER(skep_queue_options, field, unit, least, most, 0),
#include "common/queue_options.def"
};

static int check_backoff(const char *name, const skep_queue_options *options, char why[SKEP_MAX_REASON + 1]) {
    if (options->backoff_max_ms == 0) return SKEP_OK;
    if (options->backoff_ms == 0)
        return refuse(why, "%s: a backoff up to %u ms: without backoff_ms there is none", name,
                      options->backoff_max_ms);
    if (options->backoff_max_ms >= options->backoff_ms) return SKEP_OK;
    return refuse(why, "%s: a backoff from %u to %u ms: the first is the shorter one", name, options->backoff_ms,
                  options->backoff_max_ms);
}

int skep__queue_options_take(const char *name, const skep_queue_options *given, skep_queue_options *options,
                             char why[SKEP_MAX_REASON + 1]) {
    static const skep_queue_options defaults = {0};
    if (given == NULL) given = &defaults;
    int status = check_name("queue's name", name, why);
    if (status == SKEP_OK)
        status = check_numbers(name, queue_numbers, sizeof queue_numbers / sizeof *queue_numbers, given, why);
    if (status == SKEP_OK && given->durable > SKEP_IN_MEMORY)
        status = refuse(why, "%s: durable: %d", name, (int)given->durable);
    if (status == SKEP_OK) status = check_backoff(name, given, why);
    if (status != SKEP_OK) return status;
    *options = *given;
    if (options->backoff_max_ms == 0) options->backoff_max_ms = options->backoff_ms;
    return SKEP_OK;
}

/* --- jobs --- */

static const struct skep__number job_numbers[] = {
    SKEP__NUMBER(skep_job_options, attempts, COUNT, 1, UINT16_MAX, 0),
    SKEP__NUMBER(skep_job_options, lease_ms, MILLISECONDS, SKEP_LEAST_LEASE_MS, SKEP__DAY_MS, 0),
};

int skep__job_options_check(const char *queue, const skep_job_options *options, char why[SKEP_MAX_REASON + 1]) {
    int status = check_name("queue's name", queue, why);
    if (status == SKEP_OK && options->key != NULL) status = check_name("key", options->key, why);
    if (status != SKEP_OK) return status;
    if (options->priority < INT8_MIN || options->priority > INT8_MAX)
        return refuse(why, "%s: priority %d: %d to %d", queue, options->priority, INT8_MIN, INT8_MAX);
    return check_numbers(queue, job_numbers, sizeof job_numbers / sizeof *job_numbers, options, why);
}

int skep__job_size_check(const char *queue, size_t size_bytes, char why[SKEP_MAX_REASON + 1]) {
    if (size_bytes <= SKEP_MAX_PAYLOAD) return SKEP_OK;
    snprintf(why, SKEP_MAX_REASON + 1, "%s: job of %zu bytes: at most %d", queue, size_bytes, SKEP_MAX_PAYLOAD);
    return SKEP_ETOOBIG;
}
