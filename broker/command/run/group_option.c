/* SPDX-License-Identifier: MIT
 * The option --group of skep run. Whether a name will do says the broker. */
#include "command/run/group_option.h"

#include <contract.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/values.h"

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
