/* SPDX-License-Identifier: MIT
 * The subcommands without their functions, and what is known about operands and values. */
#include <string.h>

#include "command/manual/manual.h"

const struct manual_row manual_rows[] = {
#define GROUP(title) {.group = title},
#define SUBCOMMAND(id, name, function, synopsis, help, example) {NULL, name, synopsis, help, example, FOR_##id},
#define MOCK SUBCOMMAND
#include "command/subcommands.def"
#undef GROUP
#undef SUBCOMMAND
#undef MOCK
    {0},
};

bool manual_is_end(const struct manual_row *row) {
    return row->group == NULL && row->name == NULL;
}

bool manual_is_shown(const struct manual_row *row) {
    return row->group == NULL && row->help[0] != '\0';
}

static const struct {
    const char *name, *words;
} sources[SOURCES] = {
    [SOURCE_NONE] = {"none", NULL},
    [SOURCE_WORKERS] = {"workers", NULL},
    [SOURCE_LISTENERS] = {"listeners", NULL},
    [SOURCE_QUEUES] = {"queues", NULL},
    [SOURCE_GROUPS] = {"groups", NULL},
    [SOURCE_NAMES] = {"names", NULL},
    [SOURCE_ONES] = {"ones", NULL},
    [SOURCE_INSTANCES] = {"instances", NULL},
    [SOURCE_SIGNALS] = {"signals", "HUP INT QUIT ABRT KILL USR1 USR2 TERM CONT STOP TSTP WINCH"},
    [SOURCE_POLICIES] = {"policies", "round-robin least-connections sticky shared reuseport"},
    [SOURCE_VERBS] = {"verbs", "list retry drop"},
    [SOURCE_FILES] = {"files", NULL},
    [SOURCE_FOLDERS] = {"folders", NULL},
    [SOURCE_PROGRAMS] = {"programs", NULL},
};

const char *source_name(enum source source) {
    return sources[source].name;
}

const char *source_words(enum source source) {
    return sources[source].words;
}

/* By the name of the value in the help */
enum source source_of_value(const struct option_row *row) {
    static const struct {
        const char *value;
        enum source source;
    } values[] = {
        {"P", SOURCE_POLICIES},         {"NAME", SOURCE_INSTANCES}, {"DIR", SOURCE_FOLDERS},
        {"FILE", SOURCE_FILES},         {"QUEUE", SOURCE_QUEUES},   {"PROGRAM", SOURCE_FILES},
        {"LISTENER", SOURCE_LISTENERS}, {"WORKER", SOURCE_WORKERS}, {"ID", SOURCE_WORKERS},
        {"GROUP", SOURCE_GROUPS},
    };
    for (size_t i = 0; row->value != NULL && i < sizeof values / sizeof *values; i++)
        if (strcmp(values[i].value, row->value) == 0) return values[i].source;
    return SOURCE_NONE;
}

enum source source_of_operand(unsigned subcommand, int position) {
    static const struct {
        unsigned subcommands;
        enum source sources[MANUAL_OPERANDS];
    } operands[] = {
        {FOR_RUN | FOR_MOCK_BROKER, {SOURCE_PROGRAMS, SOURCE_FILES}},
        {FOR_RELOAD, {SOURCE_GROUPS, SOURCE_FILES}},
        {FOR_SCALE, {SOURCE_GROUPS, SOURCE_NONE}},
        {FOR_RESTART, {SOURCE_ONES, SOURCE_NONE}},
        {FOR_DRAIN | FOR_KILL | FOR_LOGS | FOR_SEND | FOR_CALL, {SOURCE_WORKERS, SOURCE_NONE}},
        {FOR_SIGNAL, {SOURCE_WORKERS, SOURCE_SIGNALS}},
        {FOR_PAUSE | FOR_RESUME, {SOURCE_NAMES, SOURCE_NONE}},
        {FOR_SUBMIT | FOR_PEEK, {SOURCE_QUEUES, SOURCE_NONE}},
        {FOR_DEAD, {SOURCE_VERBS, SOURCE_QUEUES}},
    };
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++)
        if (operands[i].subcommands & subcommand) return operands[i].sources[position];
    return SOURCE_NONE;
}
