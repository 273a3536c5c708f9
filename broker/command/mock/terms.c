/* SPDX-License-Identifier: MIT
 * What a mock broker's script says of the broker, of queues and of jobs. */
#include "command/mock/terms.h"

#include <stdio.h>
#include <string.h>

#include "command/common/values.h"
#include "command/run/queue_option.h"

/* --- jobs --- */

static int take_priority(struct skep__words *words, skep_job_options *options) {
    static const char what[] = "a number from -128 to 127";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    return parse_signed(word->text, -128, 127, &options->priority) ? SKEP_OK : skep__words_expected(words, what);
}

static int take_time(struct skep__words *words, uint32_t least_ms, uint32_t *ms) {
    uint64_t number = 0;
    int status = skep__words_time(words, &number);
    *ms = (uint32_t)number;
    if (status != SKEP_OK || number >= least_ms) return status;
    return skep__words_expected(words, "a time of at least 100ms");
}

static int take_count(struct skep__words *words, unsigned *count) {
    uint64_t number = 0;
    int status = skep__words_number(words, 1, UINT16_MAX, &number);
    *count = (unsigned)number;
    return status;
}

static int say_unknown(struct skep__words *words) {
    static const char what[] = "key, priority, delay, ttl, lease or attempts";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    return status == SKEP_OK ? skep__words_expected(words, what) : status;
}

int take_job_options(struct skep__words *words, skep_job_options *o) {
    int status = SKEP_OK;
    while (status == SKEP_OK && skep__words_peek(words) != NULL) {
        if (skep__words_accept(words, "key")) status = skep__words_name(words, "a key of 1 to 64 bytes", &o->key);
        else if (skep__words_accept(words, "priority")) status = take_priority(words, o);
        else if (skep__words_accept(words, "delay")) status = take_time(words, 0, &o->delay_ms);
        else if (skep__words_accept(words, "ttl")) status = take_time(words, 0, &o->ttl_ms);
        else if (skep__words_accept(words, "lease")) status = take_time(words, SKEP_LEAST_LEASE_MS, &o->lease_ms);
        else if (skep__words_accept(words, "attempts")) status = take_count(words, &o->attempts);
        else status = say_unknown(words);
    }
    return status;
}

/* --- the broker --- */

/* NAME:KEY=VALUE,... */
static int take_queue(struct skep__words *words, struct mock_terms *terms) {
    const struct skep__word *word;
    int status = skep__words_any(words, "NAME:KEY=VALUE,...", &word);
    if (status != SKEP_OK) return status;
    const char *why = parse_queue_setting(&terms->queues, word->text);
    if (why == NULL) return SKEP_OK;
    snprintf(words->why, SKEP_MOCK_WHY_BYTES, "line %u: %.100s: %s", words->line, word->text, why);
    return SKEP_EINVAL;
}

static int take_lease(struct skep__words *words, struct mock_terms *terms) {
    return take_time(words, 0, &terms->options.lease_ms);
}

static int take_attempts(struct skep__words *words, struct mock_terms *terms) {
    return take_count(words, &terms->options.attempts);
}

static int take_deaths(struct skep__words *words, struct mock_terms *terms) {
    return take_count(words, &terms->options.deaths);
}

static int take_dedup(struct skep__words *words, struct mock_terms *terms) {
    return take_time(words, 0, &terms->options.dedup_ms);
}

static int take_credit(struct skep__words *words, struct mock_terms *terms) {
    return take_count(words, &terms->options.credit);
}

static int take_respawn(struct skep__words *words, struct mock_terms *terms) {
    (void)words;
    terms->options.respawn = true;
    return SKEP_OK;
}

static const struct setting {
    const char *name;
    int (*take)(struct skep__words *words, struct mock_terms *terms);
} settings[] = {
    {"lease", take_lease},   {"attempts", take_attempts}, {"deaths", take_deaths},   {"dedup", take_dedup},
    {"credit", take_credit}, {"queue", take_queue},       {"respawn", take_respawn},
};

/* The setting that a line begins with; NULL: none. */
static const struct setting *find_setting(const struct skep__words *words) {
    const struct skep__word *word = skep__words_peek(words);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (word != NULL && !word->is_data && strcmp(word->text, settings[i].name) == 0) return &settings[i];
    return NULL;
}

bool is_setting(const struct skep__words *words) {
    return find_setting(words) != NULL;
}

int take_setting(struct skep__words *words, struct mock_terms *terms) {
    const struct setting *setting = find_setting(words);
    words->next++;
    return setting->take(words, terms);
}
