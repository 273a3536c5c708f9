/* SPDX-License-Identifier: MIT
 * A row for each option, with what sets it and what explains it. */
#include "command/option_rows.h"

#include <config/config.h>
#include <connections/socket.h>
#include <contract.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <url.h>

#include "command/common/bounds.h"
#include "command/common/values.h"
#include "command/run/run_options.h"

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

#define OF(field, unit, least, most, usual) SKEP__NUMBER(struct options, field, unit, least, most, usual)
#define VALUE_MILLISECONDS "TIME"
#define VALUE_COUNT "N"
#define VALUE_BYTES "SIZE"
#define OTHER_ROW(option, letter, commands, value, setter, help) \
    {option, letter, commands, value, OPTION_OTHER, help, {0}, NULL, setter},
#define FLAG_ROW(option, letter, commands, field, help) \
    {option, letter, commands, NULL, OPTION_FLAG, help, OF(field, COUNT, 0, 1, 0), NULL, NULL},
#define TEXT_ROW(option, commands, value, field, noun, most, help) \
    {option, 0, commands, value, OPTION_TEXT, help, OF(field, BYTES, 1, most, 0), noun, NULL},
#define NUMBER_ROW(option, letter, commands, field, unit, least, most, usual, words, help) \
    {option, letter, commands, VALUE_##unit, OPTION_NUMBER, help, OF(field, unit, least, most, usual), words, NULL},

const struct option_row option_rows[] = {
#include "command/options.def"
    {0},
};

const struct option_row *option_next(const struct option_row *row, unsigned subcommands) {
    row = row != NULL ? row + 1 : option_rows;
    while (row->name != NULL && !(row->subcommands & subcommands)) row++;
    return row->name != NULL ? row : NULL;
}
