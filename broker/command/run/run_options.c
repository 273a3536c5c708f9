/* SPDX-License-Identifier: MIT
 * The options --group and --queue of skep run. Whether the name of a group will do says the broker. */
#include "command/run/run_options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/bounds.h"
#include "command/common/values.h"
#include "common/text.h"

/* --- groups --- */

static const char blanks[] = " \t\n";

const char *add_group(struct options *options, const char *text) {
    struct group_option *group = &options->groups[options->group_count];
    const char *number = strchr(text, ':');
    const char *command = number != NULL ? strchr(number + 1, ':') : NULL;
    char digits[16];
    if (options->group_count == MAX_GROUPS) return "there are 64 already";
    if (command == NULL || number == text) return "expected NAME:N:COMMAND, such as thumbs:2:./thumbs";
    if ((size_t)(number - text) >= sizeof group->name) return "a name has 64 characters at most";
    snprintf(group->name, sizeof group->name, "%.*s", (int)(number - text), text);
    snprintf(digits, sizeof digits, "%.*s", (int)(command - number - 1), number + 1);
    if (!parse_unsigned(digits, 0, SKEP_MAX_WORKERS, &group->workers)) return "N is a number of workers, 0 to 1000";
    group->command = command + 1 + strspn(command + 1, blanks);
    if (*group->command == '\0') return "COMMAND is empty";
    options->group_count++;
    return NULL;
}

char **split_command(const char *command) {
    size_t size_bytes = strlen(command) + 1, most = size_bytes / 2 + 2, count = 0; /* words, and the NULL */
    char **words = malloc(most * sizeof *words + size_bytes);
    if (words == NULL) return NULL;
    char *rest = NULL, *text = memcpy(words + most, command, size_bytes);
    for (char *word = strtok_r(text, blanks, &rest); word != NULL; word = strtok_r(NULL, blanks, &rest))
        words[count++] = word;
    words[count] = NULL;
    return words;
}

void group_of_program(const char *program, char name[65]) {
    const char *slash = strrchr(program, '/'), *file = slash != NULL ? slash + 1 : program;
    bool begins = isalpha((unsigned char)file[0]) || file[0] == '_';
    snprintf(name, 65, "%s%s", begins ? "" : "_", file);
    for (char *c = name; *c != '\0'; c++)
        if ((*c & 0x80) != 0 || (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)) *c = '_';
}

/* --- queues --- */

enum { MAX_VALUE = 32 /* bytes of a value */, HELP_BYTES = 256 };

static const struct key {
    const char *name;
    struct skep__number field;
    const char *words, *help;
} keys[] = {
#define NUMBER(field, key, unit, least, most, words, help) \
    {key, SKEP__NUMBER(skep_queue_options, field, unit, least, most, 0), words, help},
#include "common/queue_options.def"
#undef NUMBER
    {"backoff", SKEP__NUMBER(skep_queue_options, backoff_ms, MILLISECONDS, 0, SKEP__DAY_MS, 0), NULL,
     "delay of a failed job, unless its worker sets one; doubled with each failure up to the second"},
    {"durable", {0}, NULL, "yes: its jobs outlast the broker, in DIR of --jobs; no: they are in memory only"},
};

enum { KEYS = sizeof keys / sizeof *keys, BACKOFF = KEYS - 2, DURABLE = KEYS - 1 };

void each_queue_key(queue_key_cb *show) {
    static const char *const values[] = {[SKEP__MILLISECONDS] = "TIME", [SKEP__COUNT] = "N", [SKEP__BYTES] = "SIZE"};
    for (size_t i = 0; i < KEYS; i++) {
        char bounds[BOUNDS_TEXT_BYTES], help[HELP_BYTES];
        const char *value = i == BACKOFF ? "TIME[..TIME]" : i == DURABLE ? "yes|no" : values[keys[i].field.unit];
        if (i == DURABLE) bounds[0] = '\0';
        else bounds_explain(&keys[i].field, keys[i].words, bounds);
        snprintf(help, sizeof help, "%s%s", keys[i].help, bounds);
        show(keys[i].name, value, help);
    }
}

/* TIME[..TIME] */
static const char *set_backoff(skep_queue_options *options, char *value) {
    struct skep__number first = keys[BACKOFF].field, last = first;
    char *most = strstr(value, "..");
    uint64_t ms = 0;
    if (most != NULL) {
        *most = '\0';
        most += strlen("..");
        first.least = 1;
    }
    const char *why = bounds_parse(&first, value, &ms);
    if (why != NULL) return why;
    options->backoff_ms = (unsigned)ms;
    if (most == NULL) return NULL;
    last.least = ms;
    why = bounds_parse(&last, most, &ms);
    options->backoff_max_ms = (unsigned)ms;
    return why;
}

static const char *set_durable(skep_queue_options *options, const char *value) {
    if (strcmp(value, "yes") == 0) options->durable = SKEP_DURABLE;
    else if (strcmp(value, "no") == 0) options->durable = SKEP_IN_MEMORY;
    else return "expected yes or no";
    return NULL;
}

static const char *set(skep_queue_options *options, const struct key *key, char *value) {
    uint64_t number = 0;
    if (key == &keys[BACKOFF]) return set_backoff(options, value);
    if (key == &keys[DURABLE]) return set_durable(options, value);
    const char *why = bounds_parse(&key->field, value, &number);
    if (why == NULL) skep__number_set(&key->field, options, number);
    return why;
}

static const struct key *find_key(struct skep_bytes name) {
    for (size_t i = 0; i < KEYS; i++)
        if (skep__text_is(name, keys[i].name)) return &keys[i];
    return NULL;
}

static const char *refuse(const char *key, const char *between, const char *reason) {
    static char why[HELP_BYTES];
    snprintf(why, sizeof why, "%s%s%s", key, between, reason);
    return why;
}

/* One KEY=VALUE; *set_keys has a bit for each key that there was. */
static const char *set_one(skep_queue_options *options, const char *text, size_t size_bytes, unsigned *set_keys) {
    const char *equals = memchr(text, '=', size_bytes);
    char value[MAX_VALUE];
    if (equals == NULL) return "expected NAME:KEY=VALUE,...";
    size_t name_bytes = (size_t)(equals - text), value_bytes = size_bytes - name_bytes - 1;
    const struct key *key = find_key((struct skep_bytes){text, name_bytes});
    if (key == NULL) return "expected lease, attempts, concurrency, credit, backoff, interruptions or durable before =";
    if (*set_keys & (1u << (key - keys))) return refuse(key->name, " is set ", "twice");
    *set_keys |= 1u << (key - keys);
    if (value_bytes >= sizeof value) return "a value is too long";
    memcpy(value, equals + 1, value_bytes);
    value[value_bytes] = '\0';
    const char *why = set(options, key, value);
    return why != NULL ? refuse(key->name, ": ", why) : NULL;
}

/* The last colon that comes before the first equals sign ends the name, which may have colons. */
static const char *end_of_name(const char *text) {
    const char *equals = strchr(text, '=');
    return equals != NULL ? memrchr(text, ':', (size_t)(equals - text)) : NULL;
}

const char *parse_queue_setting(struct queue_settings *queues, const char *text) {
    struct queue_setting *queue = &queues->list[queues->count];
    const char *colon = end_of_name(text);
    unsigned set = 0;
    if (colon == NULL) return "expected NAME:KEY=VALUE,...";
    if (queues->count == MAX_QUEUE_SETTINGS) return "more than 64 queues";
    if (colon == text) return "the name is empty";
    if (colon - text > SKEP_MAX_NAME) return "the name is longer than 64 bytes";
    *queue = (struct queue_setting){0};
    memcpy(queue->name, text, (size_t)(colon - text));
    for (size_t i = 0; i < queues->count; i++)
        if (strcmp(queues->list[i].name, queue->name) == 0) return "this queue is set twice";
    for (const char *at = colon; *at != '\0';) {
        size_t size_bytes = strcspn(++at, ",");
        const char *why = set_one(&queue->options, at, size_bytes, &set);
        if (why != NULL) return why;
        at += size_bytes;
    }
    queues->count++;
    return NULL;
}
