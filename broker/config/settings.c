/* SPDX-License-Identifier: MIT
 * Settings: defaults and copies. */
#include "config/settings.h"
#include "base/why.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INTERVAL_MS = 10000,
    READY_TIMEOUT_MS = 10000,
    DRAIN_TIMEOUT_MS = 10000,
    CREDIT = 64,
    STABLE_MS = 1000,
    FAILURES_PERIOD_MS = 60000,
    BREAKER_MS = 10000,
    LEAST_WATCHDOG_MS = 100,
    LOG_BYTES = 4 * 1024 * 1024,

    LEASE_MS = 60000,
    ATTEMPTS = 5,
    DEATHS = 3,
    DEDUP_MS = 120000,
    QUEUE_JOBS = 16777216,
    JOB_CREDIT = 4096,
    JOB_CREDIT_BYTES = 8 * 1024 * 1024
};

static const uint64_t queue_bytes = UINT64_C(1) << 30, jobs_bytes = UINT64_C(1) << 31;

static const struct {
    const char *name;
    enum skep_policy policy;
} policies[] = {
    {"round-robin", SKEP_POLICY_ROUND_ROBIN}, {"least-connections", SKEP_POLICY_LEAST_CONNECTIONS},
    {"sticky", SKEP_POLICY_STICKY},           {"shared", SKEP_POLICY_SHARED},
    {"reuseport", SKEP_POLICY_REUSEPORT},     {"custom", SKEP_POLICY_CUSTOM},
};

int skep_policy_parse(const char *name, enum skep_policy *policy) {
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        if (strcmp(policies[i].name, name) != 0 || policies[i].policy == SKEP_POLICY_CUSTOM) continue;
        *policy = policies[i].policy;
        return SKEP_OK;
    }
    return SKEP_EINVAL;
}

const char *skep_policy_name(enum skep_policy policy) {
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (policies[i].policy == policy) return policies[i].name;
    return "default";
}

/* --- this program, from /proc --- */

static char *read_all(const char *path, size_t *size_bytes) {
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0, used = 0;
    if (file == NULL) return NULL;
    for (size_t n = 1; n > 0; used += n) {
        if (capacity - used < 4096) {
            char *larger = realloc(text, capacity += 8192);
            if (larger == NULL) break;
            text = larger;
        }
        n = fread(text + used, 1, capacity - used - 1, file);
    }
    fclose(file);
    *size_bytes = used;
    return text;
}

/* By its path, not as /proc/self/exe, so that a binary that was replaced meanwhile is what later forks run. Where /proc
 * is not mounted, a fork will say that there is no /proc/self/exe. */
static char *own_program(void) {
    static const char link[] = "/proc/self/exe";
    char path[PATH_MAX];
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return strdup(link);
    path[length] = '\0';
    return strdup(path);
}

/* Arguments from argv[1] on. */
static char **own_args(void) {
    size_t size_bytes = 0, count = 0;
    char *text = read_all("/proc/self/cmdline", &size_bytes);
    char **args = calloc(size_bytes + 1, sizeof *args);
    if (text != NULL && args != NULL)
        for (char *at = text + strlen(text) + 1; at < text + size_bytes; at += strlen(at) + 1)
            args[count++] = strdup(at);
    free(text);
    return args;
}

/* --- copies --- */

char **skep__copy_args(const char *const *list) {
    size_t count = 0;
    while (list[count] != NULL) count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) copy[i] = strdup(list[i]);
    return copy;
}

static char *copy_or_null(const char *text) {
    return text != NULL ? strdup(text) : NULL;
}

static const int *copy_fds(const int *fds, size_t count) {
    int *copy = fds != NULL ? malloc(count * sizeof *copy) : NULL;
    if (copy != NULL) memcpy(copy, fds, count * sizeof *copy);
    return copy;
}

void skep__free_args(const char *const *list) {
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) free((void *)list[i]);
    free((void *)list);
}

void skep__settings_free(skep_settings *settings) {
    free((void *)settings->exec);
    free((void *)settings->cwd);
    free((void *)settings->name);
    free((void *)settings->dir);
    free((void *)settings->group);
    free((void *)settings->stdio);
    free((void *)settings->extra_stdio);
    skep__free_args(settings->args);
    skep__free_args(settings->env);
    *settings = (skep_settings){0};
}

static unsigned or_default(unsigned value, unsigned fallback) {
    return value != 0 ? value : fallback;
}

static uint64_t or_default_large(uint64_t value, uint64_t fallback) {
    return value != 0 ? value : fallback;
}

static void fill_in(skep_settings *s) {
    s->ready_timeout_ms = or_default(s->ready_timeout_ms, READY_TIMEOUT_MS);
    s->drain_timeout_ms = or_default(s->drain_timeout_ms, DRAIN_TIMEOUT_MS);
    s->credit = or_default(s->credit, CREDIT);
    s->stable_ms = or_default(s->stable_ms, STABLE_MS);
    s->failures_period_ms = or_default(s->failures_period_ms, FAILURES_PERIOD_MS);
    s->breaker_ms = or_default(s->breaker_ms, BREAKER_MS);
    s->job_credit = or_default(s->job_credit, JOB_CREDIT);
    s->job_credit_bytes = or_default(s->job_credit_bytes, JOB_CREDIT_BYTES);
}

/* To all groups. */
static void fill_in_common(skep_settings *s) {
    s->interval_ms = or_default(s->interval_ms, INTERVAL_MS);
    s->log_bytes = or_default_large(s->log_bytes, LOG_BYTES);
    s->lease_ms = or_default(s->lease_ms, LEASE_MS);
    s->attempts = or_default(s->attempts, ATTEMPTS);
    s->deaths = or_default(s->deaths, DEATHS);
    s->dedup_ms = or_default(s->dedup_ms, DEDUP_MS);
    s->queue_jobs = or_default_large(s->queue_jobs, QUEUE_JOBS);
    s->queue_bytes = or_default_large(s->queue_bytes, queue_bytes);
    s->jobs_bytes = or_default_large(s->jobs_bytes, jobs_bytes);
}

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

/* 0 is the default, or never. */
static int check_least(skep_cluster *cluster, const char *name, unsigned ms, unsigned least_ms) {
    if (ms == 0 || ms >= least_ms) return SKEP_OK;
    return skep__broker_fail(cluster, SKEP_EINVAL, "%s of %u ms: at least %u", name, ms, least_ms);
}

static int check_jobs(skep_cluster *cluster, const skep_settings *s) {
    if (s->attempts <= UINT16_MAX && s->deaths <= UINT16_MAX)
        return check_least(cluster, "lease", s->lease_ms, SKEP_LEAST_LEASE_MS);
    return skep__broker_fail(cluster, SKEP_EINVAL, "%u attempts, %u deaths: at most %d", s->attempts, s->deaths,
                             UINT16_MAX);
}

static int check_policy_of_restarts(skep_cluster *cluster, const skep_settings *s) {
    if (s->failures <= SKEP__MOST_FAILURES)
        return check_least(cluster, "breaker", s->breaker_ms, SKEP__LEAST_BREAKER_MS);
    return skep__broker_fail(cluster, SKEP_EINVAL, "%u failures: at most %d", s->failures, SKEP__MOST_FAILURES);
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

static bool is_first(const skep_cluster *cluster, const struct skep__terms *terms) {
    return terms->settings == &cluster->settings;
}

/* What is the cluster's would be ignored in another group. */
static int check_whose(skep_cluster *cluster, const struct skep__terms *terms, const skep_settings *s) {
    const char *name = NULL;
    if (is_first(cluster, terms)) return SKEP_OK;
    if (s->name != NULL) name = "name";
    if (s->dir != NULL) name = "dir";
    if (s->group != NULL) name = "group";
    if (s->interval_ms != 0) name = "interval_ms";
    if (s->adopt) name = "adopt";
    if (s->log_bytes != 0) name = "log_bytes";
    if (s->lease_ms != 0 || s->attempts != 0 || s->deaths != 0 || s->dedup_ms != 0)
        name = "lease_ms, attempts, deaths or dedup_ms";
    if (s->queue_jobs != 0 || s->queue_bytes != 0 || s->jobs_bytes != 0) name = "queue_jobs, queue_bytes or jobs_bytes";
    if (name == NULL) return SKEP_OK;
    return skep__broker_fail(cluster, SKEP_EINVAL, "group %s: %s is for the cluster to set, by skep_setup_primary",
                             terms->name, name);
}

static int check(skep_cluster *cluster, const struct skep__terms *terms, const skep_settings *s) {
    if (s->extra_stdio != NULL && s->extra_count > SKEP__MOST_EXTRA)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%u descriptors besides stdio: at most %d", s->extra_count,
                                 SKEP__MOST_EXTRA);
    if (s->credit > SKEP_MAX_BATCH)
        return skep__broker_fail(cluster, SKEP_EINVAL, "credit %u: at most %d", s->credit, SKEP_MAX_BATCH);
    if (s->name != NULL && strlen(s->name) > SKEP_MAX_NAME)
        return skep__broker_fail(cluster, SKEP_EINVAL, "name %s: at most %d bytes", s->name, SKEP_MAX_NAME);
    if (s->policy == SKEP_POLICY_CUSTOM && s->choose == NULL)
        return skep__broker_fail(cluster, SKEP_EINVAL, "the custom policy needs choose");
    if (!skep__env_is_valid(s->env)) return skep__broker_fail(cluster, SKEP_EINVAL, "env: expected NAME=VALUE");
    int status = check_least(cluster, "watchdog", s->watchdog_ms, LEAST_WATCHDOG_MS);
    if (status == SKEP_OK) status = check_policy_of_restarts(cluster, s);
    if (status == SKEP_OK) status = check_max_connections(cluster, terms, s);
    if (status == SKEP_OK) status = check_whose(cluster, terms, s);
    if (status == SKEP_OK && s->group != NULL) status = skep__settings_check_group(cluster, s->group);
    return status == SKEP_OK ? check_jobs(cluster, s) : status;
}

static void swap(const char **a, const char **b) {
    const char *kept = *a;
    *a = *b;
    *b = kept;
}

/* The policy and what belongs to the instance are fixed once they were used. The old settings are freed next. */
static void keep_frozen(const skep_cluster *cluster, const struct skep__terms *terms, skep_settings *copy) {
    skep_settings *old = terms->settings;
    if (terms->policy_frozen) {
        copy->policy = old->policy;
        copy->choose = old->choose;
        copy->choose_context = old->choose_context;
    }
    if (!cluster->started) return;
    copy->interval_ms = old->interval_ms;
    swap(&copy->name, &old->name);
    swap(&copy->dir, &old->dir);
    swap(&copy->group, &old->group);
}

#define KEEP(field) \
    if (!s.field) s.field = now->field

static void keep_what_belongs_together(skep_settings *s, const skep_settings *now) {
    if (!s->set_ids) {
        s->set_ids = now->set_ids;
        s->uid = now->uid;
        s->gid = now->gid;
    }
    if (!s->set_umask) {
        s->set_umask = now->set_umask;
        s->umask = now->umask;
    }
    if (s->extra_stdio == NULL) {
        s->extra_stdio = now->extra_stdio;
        s->extra_count = now->extra_count;
    }
    if (s->choose == NULL) {
        s->choose = now->choose;
        s->choose_context = now->choose_context;
    }
}

int skep__settings_add(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *settings) {
    const skep_settings *now = terms->settings;
    skep_settings s = *settings;
    keep_what_belongs_together(&s, now);
    KEEP(exec);
    KEEP(args);
    KEEP(cwd);
    KEEP(env);
    KEEP(adopt);
    KEEP(silent);
    KEEP(stdio);
    KEEP(policy);
    KEEP(name);
    KEEP(dir);
    KEEP(group);
    KEEP(interval_ms);
    KEEP(ready_timeout_ms);
    KEEP(drain_timeout_ms);
    KEEP(credit);
    KEEP(max_connections);
    KEEP(watchdog_ms);
    KEEP(lease_ms);
    KEEP(attempts);
    KEEP(deaths);
    KEEP(dedup_ms);
    KEEP(queue_jobs);
    KEEP(queue_bytes);
    KEEP(jobs_bytes);
    KEEP(job_credit);
    KEEP(job_credit_bytes);
    KEEP(respawn);
    KEEP(stable_ms);
    KEEP(failures);
    KEEP(failures_period_ms);
    KEEP(breaker_ms);
    KEEP(capture);
    KEEP(log_bytes);
    return skep__settings_take(cluster, terms, &s);
}

int skep__settings_take(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *s) {
    skep_settings copy = *s;
    int status = check(cluster, terms, s);
    if (status != SKEP_OK) return status;
    copy.exec = s->exec != NULL ? strdup(s->exec) : own_program();
    copy.args = (const char *const *)(s->args != NULL ? skep__copy_args(s->args) : own_args());
    copy.cwd = copy_or_null(s->cwd);
    copy.name = copy_or_null(s->name);
    copy.dir = copy_or_null(s->dir);
    copy.group = copy_or_null(s->group);
    copy.stdio = copy_fds(s->stdio, 3);
    copy.env = s->env != NULL ? (const char *const *)skep__copy_args(s->env) : NULL;
    if (s->extra_stdio == NULL) copy.extra_count = 0;
    copy.extra_stdio = copy.extra_count > 0 ? copy_fds(s->extra_stdio, s->extra_count) : NULL;
    if (copy.policy == SKEP_POLICY_DEFAULT) copy.policy = default_policy();
    fill_in(&copy);
    if (is_first(cluster, terms)) fill_in_common(&copy);
    bool no_fds = (s->stdio != NULL && copy.stdio == NULL) || (copy.extra_count > 0 && copy.extra_stdio == NULL);
    if (copy.exec == NULL || copy.args == NULL || no_fds || (s->env != NULL && copy.env == NULL)) {
        skep__settings_free(&copy);
        return SKEP_ENOMEM;
    }
    keep_frozen(cluster, terms, &copy);
    skep__settings_free(terms->settings);
    *terms->settings = copy;
    if (copy.group != NULL) snprintf(terms->name, sizeof terms->name, "%s", copy.group);
    return SKEP_OK;
}
