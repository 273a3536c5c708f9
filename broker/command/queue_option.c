/* SPDX-License-Identifier: MIT
 * The option --queue NAME:KEY=VALUE,... of skep run: settings of one queue. */
#include "queue_option.h"

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "values.h"

enum { MAX_VALUE = 32 /* bytes of a value */ };

static const char lease[] = "lease: expected a time, such as 30s or 5m, from 100ms to 24h";
static const char backoff[] =
    "backoff: expected a time or two, such as 1s or 1s..5m, at most 24h, the shorter one first";

static const char *set_lease(skep_queue_options *options, char *value) {
    return parse_duration(value, SKEP_LEAST_LEASE_MS, &options->lease_ms) ? NULL : lease;
}

static const char *set_attempts(skep_queue_options *options, char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->attempts) ? NULL : "attempts: expected 1 to 65535";
}

static const char *set_concurrency(skep_queue_options *options, char *value) {
    return parse_unsigned(value, 1, UINT32_MAX, &options->concurrency) ? NULL : "concurrency: expected 1 or more";
}

static const char *set_credit(skep_queue_options *options, char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->job_credit) ? NULL : "credit: expected 1 to 65535";
}

static const char *set_interruptions(skep_queue_options *options, char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->interruptions) ? NULL : "interruptions: expected 1 to 65535";
}

static const char *set_backoff(skep_queue_options *options, char *value) {
    char *most = strstr(value, "..");
    if (most != NULL) {
        *most = '\0';
        most += strlen("..");
    }
    if (!parse_duration(value, 0, &options->backoff_ms)) return backoff;
    if (most == NULL) return NULL;
    return parse_duration(most, options->backoff_ms, &options->backoff_max_ms) ? NULL : backoff;
}

static const struct key {
    const char *name;
    const char *(*set)(skep_queue_options *options, char *value);
} keys[] = {
    {"lease", set_lease},   {"attempts", set_attempts}, {"concurrency", set_concurrency},
    {"credit", set_credit}, {"backoff", set_backoff},   {"interruptions", set_interruptions},
};

/* One KEY=VALUE. */
static const char *set_one(skep_queue_options *options, const char *text, size_t size_bytes) {
    const char *equals = memchr(text, '=', size_bytes);
    char value[MAX_VALUE];
    if (equals == NULL) return "expected NAME:KEY=VALUE,...";
    size_t name_bytes = (size_t)(equals - text), value_bytes = size_bytes - name_bytes - 1;
    if (value_bytes >= sizeof value) return "a value is too long";
    memcpy(value, equals + 1, value_bytes);
    value[value_bytes] = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i].name) == name_bytes && memcmp(keys[i].name, text, name_bytes) == 0)
            return keys[i].set(options, value);
    return "expected lease, attempts, concurrency, credit, backoff or interruptions before =";
}

/* The last colon that comes before the first equals sign ends the name, which may have colons. */
static const char *end_of_name(const char *text) {
    const char *equals = strchr(text, '=');
    return equals != NULL ? memrchr(text, ':', (size_t)(equals - text)) : NULL;
}

const char *parse_queue_setting(struct queue_settings *queues, const char *text) {
    struct queue_setting *queue = &queues->list[queues->count];
    const char *colon = end_of_name(text);
    if (colon == NULL) return "expected NAME:KEY=VALUE,...";
    if (queues->count == MAX_QUEUE_SETTINGS) return "more than 64 queues";
    if (colon == text) return "the name is empty";
    if (colon - text > SKEP_MAX_NAME) return "the name is longer than 64 bytes";
    *queue = (struct queue_setting){0};
    memcpy(queue->name, text, (size_t)(colon - text));
    for (size_t i = 0; i < queues->count; i++)
        if (strcmp(queues->list[i].name, queue->name) == 0) return "this queue is set twice";
    for (const char *at = colon; *at != '\0';) {
        size_t size_bytes = strcspn(++at, ",");
        const char *why = set_one(&queue->options, at, size_bytes);
        if (why != NULL) return why;
        at += size_bytes;
    }
    queues->count++;
    return NULL;
}

const char *add_queue_setting(struct options *options, const char *text) {
    return parse_queue_setting(&options->queues, text);
}
