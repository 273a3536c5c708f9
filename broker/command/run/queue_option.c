/* SPDX-License-Identifier: MIT
 * The option --queue NAME:KEY=VALUE,... of skep run: settings of one queue. */
#include "command/run/queue_option.h"
#include "common/text.h"

#include <string.h>

#include "command/common/values.h"
#include "command/options.h"

enum { MAX_VALUE = 32 /* bytes of a value */ };

static const char lease[] = "lease: expected a time, such as 30s or 5m, from 100ms to 24h";
static const char backoff[] =
    "backoff: expected a time or two, such as 1s or 1s..5m, at most 24h, the shorter one first and not 0";

static const char *set_lease(skep_queue_options *options, char *value) {
    return parse_duration(value, SKEP_LEAST_LEASE_MS, MAX_SECONDS, &options->lease_ms) ? NULL : lease;
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
    if (!parse_duration(value, most != NULL ? 1 : 0, MAX_SECONDS, &options->backoff_ms)) return backoff;
    if (most == NULL) return NULL;
    return parse_duration(most, options->backoff_ms, MAX_SECONDS, &options->backoff_max_ms) ? NULL : backoff;
}

#define KEY(name, value, help) \
    { #name, value, help, set_##name, #name " is set twice" }

static const struct key {
    const char *name, *value, *help;
    const char *(*set)(skep_queue_options *options, char *value);
    const char *twice;
} keys[] = {
    KEY(lease, "TIME", "time for a worker to do a job, 100ms to 24h; its end is a failed attempt"),
    KEY(attempts, "N", "failures that make a job a dead letter, unless its submitter sets them, 1 to 65535"),
    KEY(concurrency, "N", "maximum of jobs that all workers together have at a time (default: no limit)"),
    KEY(credit, "N", "maximum of jobs that one worker has, 1 to 65535"),
    KEY(backoff, "TIME[..TIME]",
        "delay of a failed job, unless its worker sets one; doubled with each failure up to the second"),
    KEY(interruptions, "N", "interruptions by ends of workers that make a job a dead letter (default: no limit)"),
};

enum { KEYS = sizeof keys / sizeof *keys };

void each_queue_key(queue_key_cb *show) {
    for (size_t i = 0; i < KEYS; i++) show(keys[i].name, keys[i].value, keys[i].help);
}

static const struct key *find_key(struct skep_bytes name) {
    for (size_t i = 0; i < KEYS; i++)
        if (skep__text_is(name, keys[i].name)) return &keys[i];
    return NULL;
}

/* One KEY=VALUE; *set has a bit for each key that there was. */
static const char *set_one(skep_queue_options *options, const char *text, size_t size_bytes, unsigned *set) {
    const char *equals = memchr(text, '=', size_bytes);
    char value[MAX_VALUE];
    if (equals == NULL) return "expected NAME:KEY=VALUE,...";
    size_t name_bytes = (size_t)(equals - text), value_bytes = size_bytes - name_bytes - 1;
    const struct key *key = find_key((struct skep_bytes){text, name_bytes});
    if (key == NULL) return "expected lease, attempts, concurrency, credit, backoff or interruptions before =";
    if (*set & (1u << (key - keys))) return key->twice;
    *set |= 1u << (key - keys);
    if (value_bytes >= sizeof value) return "a value is too long";
    memcpy(value, equals + 1, value_bytes);
    value[value_bytes] = '\0';
    return key->set(options, value);
}

/* The last colon that comes before the first equals sign ends the name, which may have colons. */
static const char *end_of_name(const char *text) {
    const char *equals = strchr(text, '=');
    return equals != NULL ? memrchr(text, ':', (size_t)(equals - text)) : NULL;
}

const char *parse_queue_setting(struct queue_settings *queues, const char *text) {
    struct queue_setting *queue = &queues->list[queues->count];
    const char *colon = end_of_name(text);
    unsigned set = 0;
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
        const char *why = set_one(&queue->options, at, size_bytes, &set);
        if (why != NULL) return why;
        at += size_bytes;
    }
    queues->count++;
    return NULL;
}

const char *add_queue_setting(struct options *options, const char *text) {
    return parse_queue_setting(&options->queues, text);
}
