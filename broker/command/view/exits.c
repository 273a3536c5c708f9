/* SPDX-License-Identifier: MIT
 * skep exits: how the latest workers ended, and what they wrote last. */
#include "command/view/view.h"

static void write_how(const void *exit, char cell[CELL_BYTES]) {
    const char *signal = json_string_value(json_object_get(exit, "signal"));
    if (signal != NULL) snprintf(cell, CELL_BYTES, "%s", signal);
    else snprintf(cell, CELL_BYTES, "exit %" JSON_INTEGER_FORMAT, number_of(exit, "code"));
}

static void write_held(const void *exit, char cell[CELL_BYTES]) {
    size_t used = add_counted(cell, CELL_BYTES, 0, (uint64_t)number_of(exit, "connections"), "connection");
    add_counted(cell, CELL_BYTES, used, (uint64_t)number_of(exit, "jobs"), "job");
}

static void write_replacement(const void *delay_ms, char cell[CELL_BYTES]) {
    const json_t *delay = delay_ms;
    if (json_is_integer(delay)) snprintf(cell, CELL_BYTES, "in %" JSON_INTEGER_FORMAT " ms", json_integer_value(delay));
    else snprintf(cell, CELL_BYTES, "none");
}

static void write_cpu(const void *exit, char cell[CELL_BYTES]) {
    double user_s = json_number_value(json_object_get(exit, "user_s"));
    snprintf(cell, CELL_BYTES, "%.2f s", user_s + json_number_value(json_object_get(exit, "system_s")));
}

static const struct column columns[] = {
#define EXIT(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

/* What is no text has digits in the object, which people cannot read. */
static void print_hex(const char *hex, size_t digits) {
    unsigned char bytes[SKEP_MAX_LINE];
    for (size_t i = 0; i < digits / 2; i++) sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
    print_bytes((struct skep_bytes){(const char *)bytes, digits / 2});
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

static int show(struct contact *contact, const struct options *options) {
    json_t *exits = NULL;
    struct skep_command question = {.id = SKEP_COMMAND_exits};
    if (options->count != 0) SKEP_SET(exits, &question.exits, n, options->count);
    int code = ask_list(contact, &question, SKEP_COMMAND_exitStatus, &exits);
    if (code == 0) show_list(options, "exits", exits, "no worker has ended", columns, print_lines);
    json_decref(exits);
    return code;
}

int command_exits(const struct options *options) {
    return contact_run(options, show);
}
