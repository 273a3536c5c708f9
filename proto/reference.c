/* SPDX-License-Identifier: MIT
 * Build-time program: prints the reference page of all commands. */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"

/* By their enums. What a number of a status is follows its type. */
static const char *const types[] = {"uint", "bool", "str", "bin", "list"};
static const char *const kinds[] = {"", ", counter", ", gauge", ""};

static void print_channels(unsigned channels) {
    const char *separator = "";
    for (unsigned bit = 1; bit < SKEP_CHANNELS_END; bit <<= 1) {
        if (!(channels & bit)) continue;
        printf("%s%s", separator, skep__channel_name((enum skep_channel)bit));
        separator = ", ";
    }
}

static void print_command(enum skep_command_id id) {
    const struct skep_spec *spec = skep__spec(id);
    printf("\n## %s\n\n%s Channel: ", spec->name, spec->doc);
    print_channels(spec->channels);
    printf(". Answer: %s.\n", spec->answer);
    if (spec->fields[0].name != NULL)
        printf("\n| field | type | limit | needed | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (const struct skep_field *f = spec->fields; f->name != NULL; f++)
        printf("| `%s` | %s%s | %" PRIu64 " | %s | %s |\n", f->name, types[f->type],
               kinds[skep__kind(id, (unsigned)(f - spec->fields))], f->limit, f->needed ? "yes" : "no", f->doc);
}

int main(void) {
    printf("# Commands\n\nEvery command of protocol %d. Limits of str and bin are bytes; of list, bytes of each of its "
           "%d items at most. docs/protocol.md says how they travel.\n",
           SKEP_PROTOCOL, SKEP_MAX_LIST);
    for (unsigned i = 0; i < SKEP_COMMAND_COUNT; i++) print_command((enum skep_command_id)i);
    return 0;
}
