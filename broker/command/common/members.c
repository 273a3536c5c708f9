/* SPDX-License-Identifier: MIT
 * Commands as JSON objects. */
#include "command/common/members.h"

#include <ctype.h>
#include <string.h>

#include "command/common/fields.h"
#include "command/common/print.h"
#include "command/common/times.h"
#include "common/signal_text.h"

enum { KEY_BYTES = 64, MIDDLE_PRIORITY = 128 /* on the wire; people call it 0 */ };

/* --- values that are not as others of their type --- */

/* place: the field's value within the command */
typedef json_t *value_of(const struct skep_command *command, const void *place);

static json_t *wall_time(const struct skep_command *command, const void *place) {
    char text[TIME_BYTES];
    (void)command;
    time_text(*(const uint64_t *)place, text);
    return json_string(text);
}

static json_t *signal_name(const struct skep_command *command, const void *place) {
    char name[SKEP__SIGNAL_BYTES];
    (void)command;
    skep__signal_text((int)*(const uint64_t *)place, name);
    return json_string(name);
}

static json_t *milliseconds(const struct skep_command *command, const void *place) {
    (void)command;
    return json_of_count(*(const uint64_t *)place);
}

static json_t *stream_name(const struct skep_command *command, const void *place) {
    (void)command;
    return json_string(*(const uint64_t *)place == 2 ? "stderr" : "stdout");
}

static json_t *relative_priority(const struct skep_command *command, const void *place) {
    (void)command;
    return json_integer((json_int_t)(*(const uint64_t *)place) - MIDDLE_PRIORITY);
}

static json_t *id_and_pid(const struct skep_command *command, const void *place) {
    uint64_t pid = command->id == SKEP_COMMAND_event ? command->event.pid : command->logLine.pid;
    return json_pack("{s:o, s:o}", "id", json_of_count(*(const uint64_t *)place), "pid", json_of_count(pid));
}

static json_t *progress(const struct skep_command *command, const void *place) {
    bool of_group = command->id == SKEP_COMMAND_groupStatus;
    json_t *step = json_of_count(of_group ? command->groupStatus.reloadStep : command->brokerStatus.reloadStep);
    return json_pack("{s:o, s:o}", "step", step, "steps", json_of_count(*(const uint64_t *)place));
}

/* A histogram that this version cannot read is left out. */
static json_t *quantiles(const struct skep_command *command, const void *place) {
    struct times times;
    (void)command;
    return times_read(*(const struct skep_bytes *)place, &times) == SKEP_OK ? times_json(&times) : NULL;
}

/* --- fields that the rule does not show as they are --- */

enum showing { OR_NOTHING, OR_ZERO, OR_NULL, NEVER }; /* the value, or if it is absent … */

static const struct exception {
    enum skep_command_id id;
    unsigned at;
    enum showing showing;
    value_of *value; /* NULL: by the rule, as the key */
    const char *key;
} exceptions[] = {
#define EXCEPTION(command, field, ...) {SKEP_COMMAND_##command, SKEP_AT_##command##_##field, __VA_ARGS__},
#include "command/common/members.def"
};

static const struct exception *find_exception(enum skep_command_id id, unsigned at) {
    static const struct exception none = {.showing = OR_NOTHING};
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (exceptions[i].id == id && exceptions[i].at == at) return &exceptions[i];
    return &none;
}

/* --- the rule --- */

static bool is_duration(const char *name) {
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, "_ms") == 0;
}

static void key_of(const char *name, char key[KEY_BYTES]) {
    size_t used = 0;
    for (const char *c = name; *c != '\0' && used < KEY_BYTES - 2; c++) {
        if (isupper((unsigned char)*c)) key[used++] = '_';
        key[used++] = (char)tolower((unsigned char)*c);
    }
    if (is_duration(name)) key[--used - 1] = 's';
    key[used] = '\0';
}

/* The key of an item is that of the list, without its s. */
static json_t *items_of(const struct skep_list *list, const char *key) {
    char item_key[KEY_BYTES];
    json_t *array = json_array();
    snprintf(item_key, sizeof item_key, "%.*s", (int)strlen(key) - 1, key);
    for (uint32_t i = 0; i < list->count; i++) {
        json_t *item = json_object();
        set_data(item, item_key, skep__list_at(list, i));
        json_array_append_new(array, item);
    }
    return array;
}

static void set_by_rule(json_t *object, const char *key, const struct skep_field *field, const void *place) {
    json_t *value = NULL;
    switch ((enum skep_field_type)field->type) {
    case SKEP_TYPE_UINT: {
        uint64_t number = *(const uint64_t *)place;
        value = is_duration(field->name) ? json_of_ms(number) : json_of_count(number);
        break;
    }
    case SKEP_TYPE_BOOL: value = json_boolean(*(const bool *)place); break;
    case SKEP_TYPE_STR: value = json_of_bytes(*(const struct skep_bytes *)place); break;
    case SKEP_TYPE_BIN: set_data(object, key, *(const struct skep_bytes *)place); return;
    case SKEP_TYPE_LIST: value = items_of(place, key); break;
    }
    json_object_set_new(object, key, value);
}

/* Text that is empty says no more than text that is absent. */
static bool is_shown(const struct skep_field *field, bool is_there, const void *place) {
    if (field->needed || !is_there || field->type != SKEP_TYPE_STR) return field->needed || is_there;
    return ((const struct skep_bytes *)place)->size_bytes > 0;
}

json_t *members_of(const struct skep_command *command) {
    const struct skep_field *fields = skep__spec(command->id)->fields;
    const uint32_t *has = &command->hello.has; /* first member of each command's struct */
    json_t *object = json_object();
    for (unsigned i = 0; object != NULL && fields[i].name != NULL; i++) {
        const struct exception *exception = find_exception(command->id, i);
        const void *place = (const char *)has + fields[i].offset;
        bool is_there = is_shown(&fields[i], *has >> i & 1, place);
        char key[KEY_BYTES];
        if (exception->showing == NEVER || (!is_there && exception->showing == OR_NOTHING)) continue;
        key_of(fields[i].name, key);
        const char *name = exception->key != NULL ? exception->key : key;
        if (!is_there && exception->showing == OR_NULL) json_object_set_new(object, name, json_null());
        else if (exception->value != NULL) json_object_set_new(object, name, exception->value(command, place));
        else set_by_rule(object, name, &fields[i], place);
    }
    return object;
}
