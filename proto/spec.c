/* SPDX-License-Identifier: MIT
 * The command table, made from commands.def by the preprocessor. */
#include "command.h"

/* COMMAND opens what END closes. */
/* clang-format off */

#define NEEDED true
#define OPTIONAL false
#define COMMAND(id, channels, answer, doc) static const struct skep_field fields_##id[] = {
#define FIELD(command, field, type_, need, limit_, doc_)       \
    {.name = #field,                                           \
     .doc = doc_,                                              \
     .limit = (limit_),                                        \
     .offset = offsetof(struct skep_command_##command, field), \
     .name_size_bytes = sizeof #field - 1,                     \
     .type = SKEP_TYPE_##type_,                                \
     .needed = (need)},
#define END(id) {.name = NULL}};
#include "commands.def"

/* As the table of commands names them */
enum {
#define CHANNEL(id, bit, name) id = SKEP_CHANNEL_##id,
#include "channels.def"
};

static const struct skep_spec specs[] = {
#define COMMAND(id, channels_, answer_, doc_)                                                                      \
    {                                                                                                              \
        .name = #id, .answer = (answer_), .doc = (doc_), .fields = fields_##id, .name_size_bytes = sizeof #id - 1, \
        .channels = (channels_), .size_bytes = sizeof(struct skep_command_##id), .needed = 0
#define FIELD(command, name, type, need, limit, doc) | ((need) ? 1u << SKEP_AT_##command##_##name : 0u)
#define END(id) },
#include "commands.def"
};

/* clang-format on */

const struct skep_spec *skep__spec(enum skep_command_id id) {
    return &specs[id];
}

static const struct {
    enum skep_command_id id;
    unsigned at;
    enum skep_kind kind;
} kinds[] = {
#define KIND(command, field, kind) {SKEP_COMMAND_##command, SKEP_AT_##command##_##field, SKEP_KIND_##kind},
#include "kinds.def"
};

enum skep_kind skep__kind(enum skep_command_id id, unsigned at) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].id == id && kinds[i].at == at) return kinds[i].kind;
    return SKEP_KIND_UNKNOWN;
}

const char *skep__channel_name(enum skep_channel channel) {
#define CHANNEL(id, bit, name) \
    if (channel == SKEP_CHANNEL_##id) return name;
#include "channels.def"
    return "?";
}
