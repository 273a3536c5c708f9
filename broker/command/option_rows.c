/* SPDX-License-Identifier: MIT
 * A row for each option, with what sets it and what explains it. */
#include "command/option_rows.h"

#include <connections/socket.h>
#include <contract.h>
#include <sched.h>
#include <string.h>
#include <url.h>

#include "command/common/values.h"
#include "command/run/group_option.h"
#include "command/run/queue_option.h"

enum {
    MIN_BREAKER_MS = 1000,
    MAX_FAILURES = 4096,
    MAX_LINES = 1000000, /* of a log */
    MAX_EXITS = 256      /* that a broker keeps */
};

unsigned option_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < SKEP_MAX_WORKERS ? (unsigned)count : SKEP_MAX_WORKERS;
}

static const char *set_name(struct options *options, const char *value) {
    options->name = value;
    return check_name(value, strlen(value));
}

static const char *set_dir(struct options *options, const char *value) {
    options->dir = value;
    return *value == '\0' ? "the directory is empty" : NULL;
}

/* Options without a value */
#define FLAG(field)                                                              \
    static const char *set_##field(struct options *options, const char *value) { \
        (void)value;                                                             \
        options->field = true;                                                   \
        return NULL;                                                             \
    }
FLAG(all)
FLAG(follow)
FLAG(help)
FLAG(json)
FLAG(no_capture)
FLAG(no_wait)
FLAG(now)
FLAG(once)
FLAG(raw)
FLAG(wait)
FLAG(watch)
FLAG(yes)
#undef FLAG

static const char *set_workers(struct options *options, const char *value) {
    if (strcmp(value, "auto") == 0) {
        options->workers = option_processors();
        return NULL;
    }
    return parse_unsigned(value, 1, SKEP_MAX_WORKERS, &options->workers) ? NULL
                                                                         : "expected a number from 1 to 1000, or auto";
}

static bool is_taken(const struct options *options, const char *name) {
    for (size_t i = 0; i < options->listeners_count; i++)
        if (strcmp(options->listeners[i].name, name) == 0) return true;
    return false;
}

/* The URL is checked here, so that a mistake is found before anything has been touched, or opened under the number of a
 * descriptor that was not given. */
static const char *add_listener(struct options *options, const char *value) {
    const char *equals = strchr(value, '=');
    if (equals == NULL) return "expected NAME=URL";
    const char *why = check_name(value, (size_t)(equals - value));
    if (why != NULL) return why;
    if (options->listeners_count == MAX_LISTENERS) return "more than 64 listeners";
    struct named_url *listener = &options->listeners[options->listeners_count];
    memcpy(listener->name, value, (size_t)(equals - value));
    listener->name[equals - value] = '\0';
    listener->url = equals + 1;
    if (skep__url_is(listener->name)) return "the name looks like a URL";
    if (is_taken(options, listener->name)) return "this name is used twice";
    struct skep_url parsed;
    if (skep__url_parse(listener->url, &parsed, &why) != SKEP_OK) return why;
    if (skep__socket_look_up(&parsed, &why) != SKEP_OK) return why;
    options->listeners_count++;
    return NULL;
}

const char *set_policy(struct options *options, const char *value) {
    bool known = skep_policy_parse(value, &options->policy) == SKEP_OK;
    if (known && options->policy != SKEP_POLICY_CUSTOM && options->policy != SKEP_POLICY_DEFAULT) return NULL;
    return "expected round-robin, least-connections, sticky, shared or reuseport";
}

static const char *set_interval(struct options *options, const char *value) {
    return parse_time(value, &options->interval_ms);
}

static const char *set_ready_timeout(struct options *options, const char *value) {
    return parse_time(value, &options->ready_timeout_ms);
}

static const char *set_drain_timeout(struct options *options, const char *value) {
    return parse_time(value, &options->drain_timeout_ms);
}

static const char *set_watchdog(struct options *options, const char *value) {
    return parse_period(value, &options->watchdog_ms);
}

static const char *set_stable(struct options *options, const char *value) {
    return parse_time(value, &options->stable_ms);
}

static const char *set_failures(struct options *options, const char *value) {
    return parse_unsigned(value, 1, MAX_FAILURES, &options->failures) ? NULL : "expected a number from 1 to 4096";
}

static const char *set_failures_period(struct options *options, const char *value) {
    return parse_time(value, &options->failures_period_ms);
}

static const char *set_breaker(struct options *options, const char *value) {
    const char *why = parse_time(value, &options->breaker_ms);
    return why == NULL && options->breaker_ms < MIN_BREAKER_MS ? "expected at least 1s" : why;
}

static const char *set_credit(struct options *options, const char *value) {
    return parse_unsigned(value, 1, SKEP_MAX_BATCH, &options->credit) ? NULL : "expected a number from 1 to 253";
}

static const char *set_lease(struct options *options, const char *value) {
    return parse_period(value, &options->lease_ms);
}

static const char *set_attempts(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->attempts) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_deaths(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->deaths) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_dedup(struct options *options, const char *value) {
    return parse_time(value, &options->dedup_ms);
}

static const char *set_queue_jobs(struct options *options, const char *value) {
    return parse_number(value, 1, UINT32_MAX, &options->queue_jobs) ? NULL : "expected a number from 1 to 4294967295";
}

static const char *set_queue_bytes(struct options *options, const char *value) {
    return parse_size(value, &options->queue_bytes);
}

static const char *set_jobs_bytes(struct options *options, const char *value) {
    return parse_size(value, &options->jobs_bytes);
}

static const char *set_max_connections(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT32_MAX, &options->max_connections) ? NULL : "expected a number from 1 on";
}

static const char *set_job_credit(struct options *options, const char *value) {
    return parse_unsigned(value, 1, UINT16_MAX, &options->job_credit) ? NULL : "expected a number from 1 to 65535";
}

static const char *set_lines(struct options *options, const char *value) {
    options->lines = value;
    return *value == '\0' ? "the name of the file is empty" : NULL;
}

static const char *set_delay(struct options *options, const char *value) {
    return parse_delay(value, &options->delay_ms);
}

static const char *set_ttl(struct options *options, const char *value) {
    return parse_ttl(value, &options->ttl_ms);
}

static const char *set_priority(struct options *options, const char *value) {
    return parse_signed(value, -128, 127, &options->priority) ? NULL : "expected a number from -128 to 127";
}

static const char *set_key(struct options *options, const char *value) {
    options->key = value;
    if (*value == '\0') return "the key is empty";
    return strlen(value) > SKEP_MAX_NAME ? "the key is longer than 64 bytes" : NULL;
}

static const char *set_log_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, MAX_LINES, &options->count) ? NULL : "expected a number from 1 to 1000000";
}

static const char *set_exit_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, MAX_EXITS, &options->count) ? NULL : "expected a number from 1 to 256";
}

static const char *set_peek_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, SKEP_MAX_PEEK, &options->count) ? NULL : "expected a number from 1 to 500";
}

static const char *set_dead_count(struct options *options, const char *value) {
    return parse_unsigned(value, 1, MAX_DEAD, &options->count) ? NULL : "expected a number from 1 to 10000";
}

static const char *set_group(struct options *options, const char *value) {
    options->group = value;
    return check_label(value);
}

static const char *set_queue(struct options *options, const char *value) {
    options->queue = value;
    return check_label(value);
}

static const char *set_timeout(struct options *options, const char *value) {
    return parse_time(value, &options->timeout_ms);
}

static const char *set_script(struct options *options, const char *value) {
    options->script = value;
    return *value == '\0' ? "the name of the file is empty" : NULL;
}

static const char *set_every(struct options *options, const char *value) {
    return parse_period(value, &options->every_ms);
}

static const char *set_since(struct options *options, const char *value) {
    options->since_given = true;
    return parse_number(value, 0, INT64_MAX, &options->since) ? NULL
                                                              : "expected the number of an event, as shown by --json";
}

static const char *set_kinds(struct options *options, const char *value) {
    options->kinds = value;
    return NULL;
}

static const char *set_worker(struct options *options, const char *value) {
    return parse_number(value, 1, UINT32_MAX, &options->worker) ? NULL : "expected the id of a worker";
}

static const char *set_program_to(struct options *options, const char *value) {
    options->program_to = value;
    if (*value == '\0') return "the program is empty";
    return strlen(value) > SKEP_MAX_PATH ? "the path is longer than 4095 bytes" : NULL;
}

static const char *set_at_once(struct options *options, const char *value) {
    return parse_unsigned(value, 1, SKEP_MAX_WORKERS, &options->at_once) ? NULL : "expected a number from 1 to 1000";
}

static const char *set_user(struct options *options, const char *value) {
    options->has_user = true;
    return parse_user(value, &options->uid, &options->gid);
}

static const char *set_umask(struct options *options, const char *value) {
    options->has_umask = true;
    return parse_umask(value, &options->umask);
}

static const char *set_cwd(struct options *options, const char *value) {
    options->cwd = value;
    if (*value == '\0') return "the directory is empty";
    return strlen(value) > SKEP_MAX_PATH ? "the path is longer than 4095 bytes" : NULL;
}

static const char *add_env(struct options *options, const char *value) {
    if (value[0] == '=' || strchr(value, '=') == NULL) return "expected NAME=VALUE";
    if (strlen(value) > SKEP_MAX_PATH) return "it is longer than 4095 bytes";
    if (options->env_count == MAX_ENV) return "more than 256 variables";
    options->env[options->env_count++] = value;
    return NULL;
}

static const char *set_listener(struct options *options, const char *value) {
    options->listener = value;
    if (*value == '\0') return "the name is empty";
    return strlen(value) > SKEP_MAX_URL ? "the name is longer than 256 bytes" : NULL;
}

const struct option_row option_rows[] = {
    {"workers", 'n', FOR_RUN, "N", set_workers, "number of workers; auto: one for each processor (default: auto)"},
    {"listen", 'l', FOR_RUN, "NAME=URL", add_listener, "bind URL, for workers that listen on NAME; may be repeated"},
    {"group", 0, FOR_RUN, "NAME:N:COMMAND", add_group,
     "another group, NAME, of N workers of COMMAND, split at blanks; may be repeated"},
    {"policy", 0, FOR_RUN, "P", set_policy,
     "round-robin, least-connections, sticky, shared or reuseport (default: round-robin)"},
    {"user", 0, FOR_RUN | FOR_RELOAD, "NAME[:GROUP]", set_user, "run workers as this user; needs root"},
    {"cwd", 0, FOR_RUN | FOR_RELOAD, "DIR", set_cwd, "working directory of the workers (default: the broker's)"},
    {"env", 0, FOR_RUN | FOR_RELOAD, "NAME=VALUE", add_env, "set a variable for the workers; may be repeated"},
    {"umask", 0, FOR_RUN | FOR_RELOAD, "MODE", set_umask, "umask of the workers, octal (default: the broker's)"},
    {"interval", 0, FOR_RUN, "TIME", set_interval, "publish counts this often (default: 10s)"},
    {"ready-timeout", 0, FOR_RUN, "TIME", set_ready_timeout,
     "kill a new worker that is not ready within this time (default: 10s)"},
    {"drain-timeout", 0, FOR_RUN, "TIME", set_drain_timeout,
     "time for a leaving worker to finish, before SIGTERM (default: 10s)"},
    {"watchdog", 0, FOR_RUN, "TIME", set_watchdog,
     "kill a worker whose event loop is blocked this long (default: never)"},
    {"stable", 0, FOR_RUN, "TIME", set_stable,
     "a worker that was ready this long has not failed quickly (default: 1s)"},
    {"failures", 0, FOR_RUN, "N", set_failures,
     "quick failures that open the breaker (default: 10 plus 2 for each worker)"},
    {"failures-period", 0, FOR_RUN, "TIME", set_failures_period,
     "count quick failures within this time (default: 60s)"},
    {"breaker", 0, FOR_RUN, "TIME", set_breaker, "time before the open breaker tries a worker (default: 10s)"},
    {"credit", 0, FOR_RUN, "N", set_credit,
     "maximum of connections on their way to one worker, 1 to 253 (default: 64)"},
    {"max-connections", 0, FOR_RUN, "N", set_max_connections,
     "maximum of live connections of one worker (default: no limit)"},
    {"lease", 0, FOR_RUN, "TIME", set_lease,
     "time for a worker to do a job; when it ends, the attempt has failed (default: 60s)"},
    {"attempts", 0, FOR_RUN, "N", set_attempts, "attempts of a job, unless its submitter sets them (default: 5)"},
    {"deaths", 0, FOR_RUN, "N", set_deaths,
     "make a job a dead letter after it has killed this many workers (default: 3)"},
    {"dedup", 0, FOR_RUN, "TIME", set_dedup,
     "refuse copies by a job's key this long after its end, given memory (default: 120s)"},
    {"queue-jobs", 0, FOR_RUN, "N", set_queue_jobs, "maximum of jobs in one queue (default: 16777216)"},
    {"queue-bytes", 0, FOR_RUN, "SIZE", set_queue_bytes,
     "maximum of memory of one queue, jobs and keys, such as 512M (default: 1G)"},
    {"jobs-bytes", 0, FOR_RUN, "SIZE", set_jobs_bytes, "maximum of memory of all queues, jobs and keys (default: 2G)"},
    {"job-credit", 0, FOR_RUN, "N", set_job_credit, "maximum of jobs of one queue that one worker has (default: 4096)"},
    {"queue", 0, FOR_RUN, "NAME:KEY=VALUE,...", add_queue_setting,
     "settings of one queue, such as mail:lease=30s,backoff=1s..5m; may be repeated"},
    {"no-capture", 0, FOR_RUN, NULL, set_no_capture,
     "workers write to stdout and stderr directly; skep logs shows nothing"},
    {"follow", 'f', FOR_LOGS, NULL, set_follow, "continue with what is written from now on"},
    {"count", 'n', FOR_LOGS, "N", set_log_count, "only the latest N lines, up to 1000000 (default: all that are kept)"},
    {"count", 'n', FOR_EXITS, "N", set_exit_count, "only the latest N, up to 256 (default: all that are kept)"},
    {"lines", 0, FOR_SUBMIT, "FILE", set_lines, "submit each line of FILE as a job; - is stdin"},
    {"wait", 0, FOR_SUBMIT, NULL, set_wait, "wait for the result and print it"},
    {"delay", 0, FOR_SUBMIT, "TIME", set_delay, "delay the job this long (default: 0)"},
    {"priority", 0, FOR_SUBMIT, "N", set_priority, "-128 to 127; smaller ones come first (default: 0)"},
    {"ttl", 0, FOR_SUBMIT, "TIME", set_ttl,
     "make it a dead letter if no worker has begun it within this time (default: never)"},
    {"key", 0, FOR_SUBMIT, "KEY", set_key, "skip if a job with this key waits, runs, or ended within --dedup"},
    {"attempts", 0, FOR_SUBMIT, "N", set_attempts, "maximum of attempts (default: the queue's)"},
    {"lease", 0, FOR_SUBMIT, "TIME", set_lease, "time for a worker to do it (default: the queue's)"},
    {"count", 'n', FOR_PEEK, "N", set_peek_count, "number of jobs, 1 to 500 (default: 10)"},
    {"count", 'n', FOR_DEAD, "N", set_dead_count, "list: maximum, 1 to 10000 (default: 100)"},
    {"queue", 0, FOR_DEAD, "QUEUE", set_queue, "a queue, also if its name is a number"},
    {"program", 0, FOR_RELOAD, "PROGRAM", set_program_to, "program of the new workers (default: the current one)"},
    {"at-once", 0, FOR_RELOAD, "K", set_at_once, "number of workers to replace at a time, 1 to 1000 (default: 1)"},
    {"no-wait", 0, FOR_SCALE | FOR_RELOAD | FOR_RESTART | FOR_DRAIN, NULL, set_no_wait,
     "return as soon as the broker has begun"},
    {"listener", 0, FOR_PAUSE | FOR_RESUME, "LISTENER", set_listener, "a listener, by its name or URL"},
    {"queue", 0, FOR_PAUSE | FOR_RESUME, "QUEUE", set_queue, "a queue, also if a listener has the same name"},
    {"group", 0, FOR_RESUME, "GROUP", set_group,
     "the breaker of a group, also if a listener or queue has the same name"},
    {"all", 0, FOR_DEAD, NULL, set_all, "retry, drop: the dead letters of all queues"},
    {"raw", 0, FOR_SEND | FOR_CALL, NULL, set_raw,
     "send and print data as bytes, without converting JSON to MessagePack"},
    {"timeout", 0, FOR_CALL, "TIME", set_timeout, "time to wait for the reply (default: 5s)"},
    {"json", 0, FOR_STATUS | FOR_EVENTS | FOR_LOGS | FOR_EXITS | FOR_SUBMIT | FOR_QUEUES | FOR_PEEK | FOR_DEAD, NULL,
     set_json, "print JSON"},
    {"watch", 'w', FOR_STATUS, NULL, set_watch, "refresh continuously"},
    {"every", 0, FOR_STATUS, "TIME", set_every, "interval of --watch (default: 1s)"},
    {"every", 0, FOR_TOP, "TIME", set_every, "interval of refreshing (default: 1s)"},
    {"once", 0, FOR_TOP, NULL, set_once, "print one frame as plain text"},
    {"since", 0, FOR_EVENTS, "SEQ", set_since,
     "begin after event number SEQ, as shown by --json; 0: all that are kept"},
    {"kind", 0, FOR_EVENTS, "KIND,...", set_kinds, "only events of these kinds, such as exit,ready"},
    {"worker", 0, FOR_EVENTS, "ID", set_worker, "only events of this worker"},
    {"once", 0, FOR_EVENTS, NULL, set_once, "print the events that are kept (after --since), and exit"},
    {"now", 0, FOR_STOP, NULL, set_now, "kill the workers instead of letting them finish"},
    {"yes", 'y', FOR_STOP, NULL, set_yes, "do not ask, even if jobs will be lost"},
    {"name", 0, FOR_BROKER, "NAME", set_name, "name of the instance (default: default)"},
    {"dir", 0, FOR_BROKER, "DIR", set_dir, "directory of the instance (default: found by its name)"},
    {"script", 0, FOR_MOCK, "FILE", set_script, "the script, see docs/mock.md; - is stdin"},
    {"help", 'h', FOR_BROKER | FOR_MOCK, NULL, set_help, "print this help"},
    {0},
};
