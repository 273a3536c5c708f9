/* SPDX-License-Identifier: MIT
 * skep exits: how the latest workers ended, and what they wrote last. */
#include <inttypes.h>
#include <stdio.h>

#include "command/common/fields.h"
#include "command/common/print.h"
#include "command/common/question.h"
#include "command/common/table.h"
#include "command/subcommands.h"

static void add_how(json_t *exit) {
    char text[32];
    const json_t *signal = json_object_get(exit, "signal");
    snprintf(text, sizeof text, "exit %" JSON_INTEGER_FORMAT, number_of(exit, "code"));
    json_object_set_new(exit, "how", json_string(json_is_string(signal) ? json_string_value(signal) : text));
}

static void add_held(json_t *exit) {
    json_int_t connections = number_of(exit, "connections"), jobs = number_of(exit, "jobs");
    char text[96] = "", *end = text;
    if (connections > 0)
        end += snprintf(end, 48, "%" JSON_INTEGER_FORMAT " connection%s", connections, connections == 1 ? "" : "s");
    if (jobs > 0)
        snprintf(end, 48, "%s%" JSON_INTEGER_FORMAT " job%s", connections > 0 ? ", " : "", jobs, jobs == 1 ? "" : "s");
    json_object_set_new(exit, "held", json_string(text));
}

static void add_replacement(json_t *exit) {
    char text[48];
    const json_t *delay_ms = json_object_get(exit, "delay_ms");
    snprintf(text, sizeof text, "in %" JSON_INTEGER_FORMAT " ms", json_integer_value(delay_ms));
    json_object_set_new(exit, "replacement", json_string(json_is_integer(delay_ms) ? text : "none"));
}

static void add_cpu(json_t *exit) {
    char text[48];
    double seconds =
        json_number_value(json_object_get(exit, "user_s")) + json_number_value(json_object_get(exit, "system_s"));
    snprintf(text, sizeof text, "%.2f s", seconds);
    json_object_set_new(exit, "cpu", json_string(text));
}

static const struct column columns[] = {
    {"TIME", "time", write_text, COLUMN_LEFT},
    {"WORKER", "worker", write_count, 0},
    {"PID", "pid", write_count, 0},
    {"HOW", "how", write_text, COLUMN_LEFT},
    {"REASON", "reason", write_text, COLUMN_LEFT},
    {"AGE", "uptime_s", write_age, 0},
    {"CPU", "cpu", write_text, 0},
    {"RSS", "rss_bytes", write_size, 0},
    {"HELD", "held", write_text, COLUMN_LEFT},
    {"REPLACEMENT", "replacement", write_text, COLUMN_LEFT},
    {0},
};

static unsigned digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* What is no text has digits in the object, which people cannot read. */
static void print_hex(const char *hex, size_t digits) {
    char bytes[SKEP_MAX_LINE];
    for (size_t i = 0; i < digits / 2; i++) bytes[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    print_bytes((struct skep_bytes){bytes, digits / 2});
}

static void print_line(const json_t *line) {
    const json_t *text = json_object_get(line, "line");
    const json_t *hex = json_object_get(line, "line_hex");
    printf("    ");
    if (text != NULL) print_bytes((struct skep_bytes){json_string_value(text), json_string_length(text)});
    else print_hex(json_string_value(hex), json_string_length(hex));
    putchar('\n');
}

static void print_lines(const json_t *exit) {
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(exit, "lines"), i, line) print_line(line);
}

static void print_table(json_t *exits) {
    size_t i;
    json_t *exit;
    json_array_foreach(exits, i, exit) {
        add_how(exit);
        add_held(exit);
        add_replacement(exit);
        add_cpu(exit);
    }
    if (json_array_size(exits) == 0) puts("no worker has ended");
    table_print_each(exits, columns, print_lines);
}

static int show(struct contact *contact, const struct options *options) {
    json_t *exits = NULL;
    struct skep_command question = {.id = SKEP_COMMAND_exits};
    question.exits.has = 0;
    if (options->count != 0) SKEP_SET(exits, &question.exits, n, options->count);
    int code = ask_list(contact, &question, SKEP_COMMAND_exitStatus, &exits);
    if (code == 0 && options->json) print_list("exits", exits);
    else if (code == 0) print_table(exits);
    json_decref(exits);
    return code;
}

int command_exits(const struct options *options) {
    return contact_run(options, show);
}
