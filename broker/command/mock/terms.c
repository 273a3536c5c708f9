/* SPDX-License-Identifier: MIT
 * What a mock broker's script says of the broker, of queues and of jobs. */
#include <common/number.h>
#include <stdio.h>

#include "command/common/values.h"
#include "command/mock/steps.h"

/* A word, and the number that follows it; the number's name is NULL where something else does */
struct keyword {
    const char *name;
    struct skep__number number;
};

#define TIME(type, field, least) SKEP__NUMBER(type, field, MILLISECONDS, least, SKEP__DAY_MS, 0)
#define COUNT(type, field) SKEP__NUMBER(type, field, COUNT, 1, UINT16_MAX, 0)

/* The one that the next word is, which stays; NULL: none. */
static const struct keyword *find(const struct keyword *list, const struct skep__words *words) {
    const struct skep__word *word = skep__words_peek(words);
    for (; word != NULL && !word->is_data && list->name != NULL; list++)
        if (strcmp(word->text, list->name) == 0) return list;
    return NULL;
}

static int take_number(struct skep__words *words, const struct skep__number *number, void *of) {
    uint64_t value = 0;
    bool is_time = number->unit == SKEP__MILLISECONDS;
    int status =
        is_time ? skep__words_time(words, &value) : skep__words_number(words, number->least, number->most, &value);
    skep__number_set(number, of, value);
    if (status != SKEP_OK || value >= number->least) return status;
    return skep__words_expected(words, "a time of at least 100ms");
}

/* --- jobs --- */

static const struct keyword of_jobs[] = {
    {"key", {0}},
    {"priority", {0}},
    {"delay", TIME(skep_job_options, delay_ms, 0)},
    {"ttl", TIME(skep_job_options, ttl_ms, 0)},
    {"lease", TIME(skep_job_options, lease_ms, SKEP_LEAST_LEASE_MS)},
    {"attempts", COUNT(skep_job_options, attempts)},
    {0},
};

static int take_priority(struct skep__words *words, skep_job_options *options) {
    static const char what[] = "a number from -128 to 127";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    return parse_signed(word->text, -128, 127, &options->priority) ? SKEP_OK : skep__words_expected(words, what);
}

static int say_unknown(struct skep__words *words) {
    static const char what[] = "key, priority, delay, ttl, lease or attempts";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    return status == SKEP_OK ? skep__words_expected(words, what) : status;
}

static int take_job_option(struct skep__words *words, skep_job_options *options) {
    const struct keyword *keyword = find(of_jobs, words);
    if (keyword == NULL) return say_unknown(words);
    words->next++;
    if (keyword->number.name != NULL) return take_number(words, &keyword->number, options);
    if (strcmp(keyword->name, "priority") == 0) return take_priority(words, options);
    return skep__words_name(words, "a key of 1 to 64 bytes", &options->key);
}

int take_job_options(struct skep__words *words, skep_job_options *options) {
    int status = SKEP_OK;
    while (status == SKEP_OK && skep__words_peek(words) != NULL) status = take_job_option(words, options);
    return status;
}

/* --- the broker --- */

static const struct keyword of_broker[] = {
    {"lease", TIME(skep_mock_options, lease_ms, 0)},
    {"attempts", COUNT(skep_mock_options, attempts)},
    {"deaths", COUNT(skep_mock_options, deaths)},
    {"dedup", TIME(skep_mock_options, dedup_ms, 0)},
    {"credit", COUNT(skep_mock_options, credit)},
    {"queue", {0}},
    {"respawn", {0}},
    {0},
};

/* NAME:KEY=VALUE,... */
static int take_queue(struct skep__words *words, struct queue_settings *queues) {
    const struct skep__word *word;
    int status = skep__words_any(words, "NAME:KEY=VALUE,...", &word);
    if (status != SKEP_OK) return status;
    const char *why = parse_queue_setting(queues, word->text);
    if (why == NULL) return SKEP_OK;
    snprintf(words->why, SKEP_MOCK_WHY_BYTES, "line %u: %.100s: %s", words->line, word->text, why);
    return SKEP_EINVAL;
}

bool is_setting(const struct skep__words *words) {
    return find(of_broker, words) != NULL;
}

int take_setting(struct skep__words *words, struct mock_terms *terms) {
    const struct keyword *keyword = find(of_broker, words);
    words->next++;
    if (keyword->number.name != NULL) return take_number(words, &keyword->number, &terms->options);
    if (strcmp(keyword->name, "queue") == 0) return take_queue(words, &terms->queues);
    terms->options.respawn = true;
    return SKEP_OK;
}
