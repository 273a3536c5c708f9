/* SPDX-License-Identifier: MIT
 * Settings: defaults, checks and copies, by the rows of settings.def. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/why.h"
#include "common/number.h"
#include "config/config.h"

enum kind { NUMBERS, TEXTS, LISTS, FLAGS };

/* A row of settings.def */
static const struct setting {
    const char *name;
    enum kind kind;
    enum { GROUP, CLUSTER } whose;
    enum { EVER, START } until;
    size_t offset, size_bytes;
    struct skep__number number;
} rows[] = {
#define ROW(field, kind, whose, until) \
#field, kind, whose, until, offsetof(skep_settings, field), sizeof(((skep_settings *)NULL)->field)
#define NUMBER(field, whose, until, unit, least, most, usual, words, option, help) \
    {ROW(field, NUMBERS, whose, until), SKEP__NUMBER(skep_settings, field, unit, least, most, usual)},
#define TEXT(field, whose, until) {ROW(field, TEXTS, whose, until), {0}},
#define LIST(field, whose, until) {ROW(field, LISTS, whose, until), {0}},
#define FLAG(field, whose, until) {ROW(field, FLAGS, whose, until), {0}},
#include "config/settings.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

static void *field_of(const struct setting *row, const skep_settings *settings) {
    return (char *)settings + row->offset;
}

static const char **text_of(const struct setting *row, const skep_settings *settings) {
    return field_of(row, settings);
}

static const char *const **list_of(const struct setting *row, const skep_settings *settings) {
    return field_of(row, settings);
}

static bool is_set(const struct setting *row, const skep_settings *settings) {
    switch (row->kind) {
    case NUMBERS: return skep__number_get(&row->number, settings) != 0;
    case TEXTS: return *text_of(row, settings) != NULL;
    case LISTS: return *list_of(row, settings) != NULL;
    case FLAGS: return *(const bool *)field_of(row, settings);
    }
    return false;
}

static void swap(const struct setting *row, skep_settings *a, skep_settings *b) {
    char kept[sizeof(uint64_t)];
    memcpy(kept, field_of(row, a), row->size_bytes);
    memcpy(field_of(row, a), field_of(row, b), row->size_bytes);
    memcpy(field_of(row, b), kept, row->size_bytes);
}

/* --- policies --- */

static const char *const policies[] = {
    [SKEP_POLICY_DEFAULT] = "default",
    [SKEP_POLICY_ROUND_ROBIN] = "round-robin",
    [SKEP_POLICY_LEAST_CONNECTIONS] = "least-connections",
    [SKEP_POLICY_STICKY] = "sticky",
    [SKEP_POLICY_SHARED] = "shared",
    [SKEP_POLICY_REUSEPORT] = "reuseport",
    [SKEP_POLICY_CUSTOM] = "custom",
};

/* The first and the last are no policies that a name means. */
int skep_policy_parse(const char *name, enum skep_policy *policy) {
    for (unsigned i = SKEP_POLICY_DEFAULT + 1; i < SKEP_POLICY_CUSTOM; i++) {
        if (strcmp(policies[i], name) != 0) continue;
        *policy = (enum skep_policy)i;
        return SKEP_OK;
    }
    return SKEP_EINVAL;
}

const char *skep_policy_name(enum skep_policy policy) {
    return policies[policy <= SKEP_POLICY_CUSTOM ? policy : SKEP_POLICY_DEFAULT];
}

/* --- copies --- */

/* NULL: no memory. */
static const int *copy_fds(const int *fds, size_t count) {
    int *copy = malloc(count * sizeof *copy);
    if (copy != NULL) memcpy(copy, fds, count * sizeof *copy);
    return copy;
}

void skep__settings_free(skep_settings *settings) {
    for (const struct setting *row = rows; row < rows + ROWS; row++) {
        if (row->kind == TEXTS) free((void *)*text_of(row, settings));
        if (row->kind == LISTS) skep__free_args(*list_of(row, settings));
    }
    free((void *)settings->stdio);
    free((void *)settings->extra_stdio);
    *settings = (skep_settings){0};
}

/* What is borrowed becomes the settings' own. False: no memory; the rest is not borrowed either. */
static bool own_texts(skep_settings *s) {
    bool all = true;
    for (const struct setting *row = rows; row < rows + ROWS; row++) {
        if ((row->kind != TEXTS && row->kind != LISTS) || !is_set(row, s)) continue;
        if (row->kind == TEXTS) *text_of(row, s) = strdup(*text_of(row, s));
        else *list_of(row, s) = (const char *const *)skep__copy_args(*list_of(row, s));
        all = all && is_set(row, s);
    }
    return all;
}

static bool own_fds(skep_settings *s) {
    bool has_stdio = s->stdio != NULL, has_extra = s->extra_stdio != NULL && s->extra_count > 0;
    s->stdio = has_stdio ? copy_fds(s->stdio, 3) : NULL;
    s->extra_stdio = has_extra ? copy_fds(s->extra_stdio, s->extra_count) : NULL;
    if (!has_extra) s->extra_count = 0;
    return (s->stdio != NULL) == has_stdio && (s->extra_stdio != NULL) == has_extra;
}

/* --- defaults --- */

/* SKEP_POLICY of the environment; what it says and is no policy stays SKEP_POLICY_DEFAULT, for the start to complain
 * of. */
static enum skep_policy default_policy(void) {
    enum skep_policy policy = SKEP_POLICY_DEFAULT;
    const char *name = getenv(SKEP_ENV_POLICY);
    if (name == NULL || name[0] == '\0') return SKEP_POLICY_ROUND_ROBIN;
    return skep_policy_parse(name, &policy) == SKEP_OK ? policy : SKEP_POLICY_DEFAULT;
}

int skep__settings_freeze(skep_cluster *cluster, struct skep__terms *terms) {
    const char *name = getenv(SKEP_ENV_POLICY);
    if (terms->settings->policy == SKEP_POLICY_DEFAULT)
        return skep__broker_fail(cluster, SKEP_EINVAL, SKEP_ENV_POLICY "=%s: no such policy", name != NULL ? name : "");
    terms->policy_frozen = true;
    return SKEP_OK;
}

/* --- checks --- */

static bool is_first(const skep_cluster *cluster, const struct skep__terms *terms) {
    return terms->settings == &cluster->settings;
}

/* What is the cluster's would be ignored in another group. */
static int check_rows(skep_cluster *cluster, const struct skep__terms *terms, const skep_settings *s) {
    char why[SKEP_MAX_REASON + 1];
    for (const struct setting *row = rows; row < rows + ROWS; row++) {
        if (row->kind == NUMBERS && skep__number_check(&row->number, s, why) != SKEP_OK)
            return skep__broker_fail(cluster, SKEP_EINVAL, "%s", why);
        if (row->whose == CLUSTER && !is_first(cluster, terms) && is_set(row, s))
            return skep__broker_fail(cluster, SKEP_EINVAL,
                                     "group %s: %s is for the cluster to set, by skep_setup_primary", terms->name,
                                     row->name);
    }
    return SKEP_OK;
}

static int check_max_connections(skep_cluster *cluster, const struct skep__terms *terms, const skep_settings *s) {
    enum skep_policy policy = s->policy != SKEP_POLICY_DEFAULT ? s->policy : default_policy();
    if (terms->policy_frozen) policy = terms->settings->policy;
    bool by_workers = policy == SKEP_POLICY_SHARED || policy == SKEP_POLICY_REUSEPORT;
    if (s->max_connections == 0 || !by_workers) return SKEP_OK;
    return skep__broker_fail(cluster, SKEP_EINVAL,
                             "at most %u connections: not with policy %s, by which workers accept", s->max_connections,
                             skep_policy_name(policy));
}

bool skep__env_is_valid(const char *const *env) {
    for (; env != NULL && *env != NULL; env++)
        if (**env == '=' || strchr(*env, '=') == NULL) return false;
    return true;
}

/* Their first character tells a command's GROUP from a number of workers. */
int skep__settings_check_group(skep_cluster *cluster, const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", others[] = "0123456789.-";
    char all[sizeof letters + sizeof others];
    snprintf(all, sizeof all, "%s%s", letters, others);
    bool begins = name[0] != '\0' && strchr(letters, name[0]) != NULL;
    if (begins && strlen(name) <= SKEP_MAX_NAME && name[strspn(name, all)] == '\0') return SKEP_OK;
    return skep__broker_fail(cluster, SKEP_EINVAL,
                             "group %.100s: a name has 1 to %d letters, digits, '.', '-' and '_', and begins with a "
                             "letter or '_'",
                             name, SKEP_MAX_NAME);
}

static int check(skep_cluster *cluster, const struct skep__terms *terms, const skep_settings *s) {
    if (s->extra_stdio != NULL && s->extra_count > SKEP__MOST_EXTRA)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%u descriptors besides stdio: at most %d", s->extra_count,
                                 SKEP__MOST_EXTRA);
    if (s->name != NULL && strlen(s->name) > SKEP_MAX_NAME)
        return skep__broker_fail(cluster, SKEP_EINVAL, "name %s: at most %d bytes", s->name, SKEP_MAX_NAME);
    if (s->policy == SKEP_POLICY_CUSTOM && s->choose == NULL)
        return skep__broker_fail(cluster, SKEP_EINVAL, "the custom policy needs choose");
    if (!skep__env_is_valid(s->env)) return skep__broker_fail(cluster, SKEP_EINVAL, "env: expected NAME=VALUE");
    int status = check_rows(cluster, terms, s);
    if (status == SKEP_OK) status = check_max_connections(cluster, terms, s);
    if (status == SKEP_OK && s->group != NULL) status = skep__settings_check_group(cluster, s->group);
    return status;
}

/* --- taking --- */

/* The policy is fixed once it was used, and other things once the cluster has started. The old settings are freed next.
 */
static void keep_frozen(const skep_cluster *cluster, const struct skep__terms *terms, skep_settings *copy) {
    skep_settings *old = terms->settings;
    if (terms->policy_frozen) {
        copy->policy = old->policy;
        copy->choose = old->choose;
        copy->choose_context = old->choose_context;
    }
    for (const struct setting *row = rows; cluster->started && row < rows + ROWS; row++)
        if (row->until == START) swap(row, copy, old);
}

int skep__settings_add(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *settings) {
    const skep_settings *now = terms->settings;
    skep_settings s = *settings;
#define KEPT(lead, field) \
    if (!s.lead) s.field = now->field;
#include "config/settings.def"
    for (const struct setting *row = rows; row < rows + ROWS; row++)
        if (!is_set(row, &s)) memcpy(field_of(row, &s), field_of(row, now), row->size_bytes);
    return skep__settings_take(cluster, terms, &s);
}

static void fill_in(skep_settings *s, bool is_first) {
    for (const struct setting *row = rows; row < rows + ROWS; row++)
        if (row->kind == NUMBERS && !is_set(row, s) && (is_first || row->whose == GROUP))
            skep__number_set(&row->number, s, row->number.usual);
    if (s->policy == SKEP_POLICY_DEFAULT) s->policy = default_policy();
}

/* What is not said is this program's. */
static int take_own_program(skep_settings *s) {
    char **args;
    if (s->exec == NULL && (s->exec = skep__own_program()) == NULL) return SKEP_ENOMEM;
    if (s->args != NULL) return SKEP_OK;
    int status = skep__own_args(&args);
    if (status == SKEP_OK) s->args = (const char *const *)args;
    return status;
}

int skep__settings_take(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *s) {
    skep_settings copy = *s;
    int status = check(cluster, terms, s);
    if (status != SKEP_OK) return status;
    bool has_texts = own_texts(&copy), has_fds = own_fds(&copy);
    status = has_texts && has_fds ? take_own_program(&copy) : SKEP_ENOMEM;
    if (status != SKEP_OK) {
        skep__settings_free(&copy);
        return skep__broker_fail(cluster, status, "settings: %s", skep_strerror(status));
    }
    fill_in(&copy, is_first(cluster, terms));
    keep_frozen(cluster, terms, &copy);
    skep__settings_free(terms->settings);
    *terms->settings = copy;
    if (copy.group != NULL) snprintf(terms->name, sizeof terms->name, "%s", copy.group);
    return SKEP_OK;
}
