/* SPDX-License-Identifier: MIT
 * A row for each option, with what sets it and what explains it. */
#include "command/option_rows.h"

#include <config/bounds.h>
#include <connections/socket.h>
#include <contract.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <url.h>

#include "command/common/bounds.h"
#include "command/common/values.h"
#include "command/run/group_option.h"
#include "command/run/queue_option.h"

enum {
    MAX_LINES = 1000000,                  /* of a log */
    MAX_EXITS = 256,                      /* that a broker keeps */
    LEAST_PERIOD_MS = SKEP_LEAST_LEASE_MS /* of a lease, a display that is refreshed */
};

#define MAX_DELAY_MS UINT64_C(4000000000) /* of a job's delay: 1111 hours, which 32 bits hold */

/* --- by the row --- */

static const char *set_number(struct options *options, const struct option_row *row, const char *value) {
    uint64_t number = 0;
    const char *why = bounds_parse(&row->field, value, &number);
    if (why == NULL) skep__number_set(&row->field, options, number);
    return why;
}

/* It is borrowed. */
static const char *set_text(struct options *options, const struct option_row *row, const char *value) {
    static char why[OPTION_HELP_BYTES];
    const char **field = (void *)((char *)options + row->field.offset);
    *field = value;
    if (*value == '\0') snprintf(why, sizeof why, "the %s is empty", row->words);
    else snprintf(why, sizeof why, "the %s is longer than %d bytes", row->words, (int)row->field.most);
    return *value == '\0' || strlen(value) > row->field.most ? why : NULL;
}

const char *option_set(struct options *options, const struct option_row *row, const char *value) {
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)((char *)options + row->field.offset) = true; return NULL;
    case OPTION_NUMBER: return set_number(options, row, value);
    case OPTION_TEXT: return set_text(options, row, value);
    case OPTION_OTHER: break;
    }
    return row->set(options, value);
}

void option_help(const struct option_row *row, char text[OPTION_HELP_BYTES]) {
    char bounds[BOUNDS_TEXT_BYTES] = "";
    if (row->kind == OPTION_NUMBER) bounds_explain(&row->field, row->words, bounds);
    snprintf(text, OPTION_HELP_BYTES, "%s%s", row->help, bounds);
}

/* --- others --- */

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

static const char *add_queue(struct options *options, const char *value) {
    return parse_queue_setting(&options->queues, value);
}

const char *option_policy(const char *name, enum skep_policy *policy) {
    bool known = skep_policy_parse(name, policy) == SKEP_OK;
    if (known && *policy != SKEP_POLICY_CUSTOM && *policy != SKEP_POLICY_DEFAULT) return NULL;
    return "expected round-robin, least-connections, sticky, shared or reuseport";
}

static const char *set_policy(struct options *options, const char *value) {
    return option_policy(value, &options->settings.policy);
}

static const char *set_priority(struct options *options, const char *value) {
    return parse_signed(value, -128, 127, &options->job.priority) ? NULL : "expected a number from -128 to 127";
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

static const char *set_user(struct options *options, const char *value) {
    options->settings.set_ids = true;
    return parse_user(value, &options->settings.uid, &options->settings.gid);
}

static const char *set_umask(struct options *options, const char *value) {
    options->settings.set_umask = true;
    return parse_umask(value, &options->settings.umask);
}

static const char *add_env(struct options *options, const char *value) {
    if (value[0] == '=' || strchr(value, '=') == NULL) return "expected NAME=VALUE";
    if (strlen(value) > SKEP_MAX_PATH) return "it is longer than 4095 bytes";
    if (options->env_count == MAX_ENV) return "more than 256 variables";
    options->env[options->env_count++] = value;
    return NULL;
}

#define OF(field, unit, least, most) SKEP__NUMBER(struct options, field, unit, least, most, 0)
#define VALUE_MILLISECONDS "TIME"
#define VALUE_COUNT "N"
#define VALUE_BYTES "SIZE"
#define OTHER_ROW(option, letter, commands, value, setter, help) \
    { option, letter, commands, value, OPTION_OTHER, help, {0}, NULL, setter }
#define FLAG_ROW(option, letter, commands, field, help) \
    { option, letter, commands, NULL, OPTION_FLAG, help, OF(field, COUNT, 0, 1), NULL, NULL }
#define TEXT_ROW(option, commands, value, field, noun, most, help) \
    { option, 0, commands, value, OPTION_TEXT, help, OF(field, BYTES, 1, most), noun, NULL }
#define NUMBER_ROW(option, letter, commands, field, unit, least, most, usual, words, help) \
    {                                                                                      \
        option, letter, commands, VALUE_##unit, OPTION_NUMBER, help,                       \
            SKEP__NUMBER(struct options, field, unit, least, most, usual), words, NULL     \
    }

const struct option_row option_rows[] = {
    OTHER_ROW("workers", 'n', FOR_RUN, "N", set_workers,
              "number of workers; auto: one for each processor (default: auto)"),
    OTHER_ROW("listen", 'l', FOR_RUN, "NAME=URL", add_listener,
              "bind URL, for workers that listen on NAME; may be repeated"),
    OTHER_ROW("group", 0, FOR_RUN, "NAME:N:COMMAND", add_group,
              "another group, NAME, of N workers of COMMAND, split at blanks; may be repeated"),
    OTHER_ROW("policy", 0, FOR_RUN, "P", set_policy,
              "round-robin, least-connections, sticky, shared or reuseport (default: round-robin)"),
    OTHER_ROW("user", 0, FOR_RUN | FOR_RELOAD, "NAME[:GROUP]", set_user, "run workers as this user; needs root"),
    TEXT_ROW("cwd", FOR_RUN | FOR_RELOAD, "DIR", settings.cwd, "directory", SKEP_MAX_PATH,
             "working directory of the workers (default: the broker's)"),
    OTHER_ROW("env", 0, FOR_RUN | FOR_RELOAD, "NAME=VALUE", add_env, "set a variable for the workers; may be repeated"),
    OTHER_ROW("umask", 0, FOR_RUN | FOR_RELOAD, "MODE", set_umask,
              "umask of the workers, octal (default: the broker's)"),
#define NUMBER(field, whose, until, unit, least, most, usual, words, option, help) \
    NUMBER_ROW(option, 0, FOR_RUN, settings.field, unit, least, most, usual, words, help),
#define TEXT(field, whose, until)
#define LIST(field, whose, until)
#define FLAG(field, whose, until)
#include "config/settings.def"
#undef NUMBER
#undef TEXT
#undef LIST
#undef FLAG
    OTHER_ROW("queue", 0, FOR_RUN, "NAME:KEY=VALUE,...", add_queue,
              "settings of one queue, such as mail:lease=30s,backoff=1s..5m; may be repeated"),
    FLAG_ROW("no-capture", 0, FOR_RUN, no_capture,
             "workers write to stdout and stderr directly; skep logs shows nothing"),
    FLAG_ROW("follow", 'f', FOR_LOGS, follow, "continue with what is written from now on"),
    NUMBER_ROW("count", 'n', FOR_LOGS, count, COUNT, 1, MAX_LINES, 0, "all that are kept", "only the latest N lines"),
    NUMBER_ROW("count", 'n', FOR_EXITS, count, COUNT, 1, MAX_EXITS, 0, "all that are kept", "only the latest N"),
    TEXT_ROW("lines", FOR_SUBMIT, "FILE", lines, "name of the file", SKEP_MAX_PATH,
             "submit each line of FILE as a job; - is stdin"),
    FLAG_ROW("wait", 0, FOR_SUBMIT, wait, "wait for the result and print it"),
    NUMBER_ROW("delay", 0, FOR_SUBMIT, job.delay_ms, MILLISECONDS, 0, MAX_DELAY_MS, 0, "0", "delay the job this long"),
    OTHER_ROW("priority", 0, FOR_SUBMIT, "N", set_priority, "smaller ones come first, -128 to 127 (default: 0)"),
    NUMBER_ROW("ttl", 0, FOR_SUBMIT, job.ttl_ms, MILLISECONDS, 1, MAX_DELAY_MS, 0, "never",
               "make it a dead letter if no worker has begun it within this time"),
    TEXT_ROW("key", FOR_SUBMIT, "KEY", job.key, "key", SKEP_MAX_NAME,
             "skip if a job with this key waits, runs, or ended within --dedup"),
    NUMBER_ROW("attempts", 0, FOR_SUBMIT, job.attempts, COUNT, 1, UINT16_MAX, 0, "the queue's", "maximum of attempts"),
    NUMBER_ROW("lease", 0, FOR_SUBMIT, job.lease_ms, MILLISECONDS, SKEP_LEAST_LEASE_MS, SKEP__DAY_MS, 0, "the queue's",
               "time for a worker to do it"),
    NUMBER_ROW("count", 'n', FOR_PEEK, count, COUNT, 1, SKEP_MAX_PEEK, 10, NULL, "number of jobs"),
    NUMBER_ROW("count", 'n', FOR_DEAD, count, COUNT, 1, MAX_DEAD, 100, NULL, "list: maximum"),
    TEXT_ROW("queue", FOR_DEAD, "QUEUE", queue, "name", SKEP_MAX_NAME, "a queue, also if its name is a number"),
    TEXT_ROW("program", FOR_RELOAD, "PROGRAM", program_to, "program", SKEP_MAX_PATH,
             "program of the new workers (default: the current one)"),
    NUMBER_ROW("at-once", 0, FOR_RELOAD, at_once, COUNT, 1, SKEP_MAX_WORKERS, 1, NULL,
               "number of workers to replace at a time"),
    FLAG_ROW("no-wait", 0, FOR_SCALE | FOR_RELOAD | FOR_RESTART | FOR_DRAIN, no_wait,
             "return as soon as the broker has begun"),
    TEXT_ROW("listener", FOR_PAUSE | FOR_RESUME, "LISTENER", listener, "name", SKEP_MAX_URL,
             "a listener, by its name or URL"),
    TEXT_ROW("queue", FOR_PAUSE | FOR_RESUME, "QUEUE", queue, "name", SKEP_MAX_NAME,
             "a queue, also if a listener has the same name"),
    TEXT_ROW("group", FOR_RESUME, "GROUP", group, "name", SKEP_MAX_NAME,
             "the breaker of a group, also if a listener or queue has the same name"),
    FLAG_ROW("all", 0, FOR_DEAD, all, "retry, drop: the dead letters of all queues"),
    FLAG_ROW("raw", 0, FOR_SEND | FOR_CALL, raw,
             "send and print data as bytes, without converting JSON to MessagePack"),
    NUMBER_ROW("timeout", 0, FOR_CALL, timeout_ms, MILLISECONDS, 1, SKEP__DAY_MS, 5000, NULL,
               "time to wait for the reply"),
    FLAG_ROW("json", 0, FOR_STATUS | FOR_EVENTS | FOR_LOGS | FOR_EXITS | FOR_SUBMIT | FOR_QUEUES | FOR_PEEK | FOR_DEAD,
             json, "print JSON"),
    FLAG_ROW("watch", 'w', FOR_STATUS, watch, "refresh continuously"),
    NUMBER_ROW("every", 0, FOR_STATUS, every_ms, MILLISECONDS, LEAST_PERIOD_MS, SKEP__DAY_MS, 1000, NULL,
               "interval of --watch"),
    NUMBER_ROW("every", 0, FOR_TOP, every_ms, MILLISECONDS, LEAST_PERIOD_MS, SKEP__DAY_MS, 1000, NULL,
               "interval of refreshing"),
    FLAG_ROW("once", 0, FOR_TOP, once, "print one frame as plain text"),
    OTHER_ROW("since", 0, FOR_EVENTS, "SEQ", set_since,
              "begin after event number SEQ, as shown by --json; 0: all that are kept"),
    OTHER_ROW("kind", 0, FOR_EVENTS, "KIND,...", set_kinds, "only events of these kinds, such as exit,ready"),
    OTHER_ROW("worker", 0, FOR_EVENTS, "ID", set_worker, "only events of this worker"),
    FLAG_ROW("once", 0, FOR_EVENTS, once, "print the events that are kept (after --since), and exit"),
    FLAG_ROW("now", 0, FOR_STOP, now, "kill the workers instead of letting them finish"),
    FLAG_ROW("yes", 'y', FOR_STOP, yes, "do not ask, even if jobs will be lost"),
    OTHER_ROW("name", 0, FOR_BROKER, "NAME", set_name, "name of the instance (default: default)"),
    TEXT_ROW("dir", FOR_BROKER, "DIR", dir, "directory", SKEP_MAX_PATH,
             "directory of the instance (default: found by its name)"),
    TEXT_ROW("jobs", FOR_RUN, "DIR", settings.jobs_dir, "directory", SKEP_MAX_PATH,
             "keep jobs in DIR: they outlast the broker (default: in memory)"),
    TEXT_ROW("script", FOR_MOCK, "FILE", script, "name of the file", SKEP_MAX_PATH,
             "the script, see docs/mock.md; - is stdin"),
    FLAG_ROW("help", 'h', FOR_BROKER | FOR_MOCK, help, "print this help"),
    {0},
};
