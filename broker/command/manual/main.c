/* SPDX-License-Identifier: MIT
 * skep_manual: writes the manual page or a shell's completion, by a template and the command's tables. Part of the
 * build, not installed. */
#include <stdio.h>
#include <string.h>

#include "command/common/say.h"
#include "command/manual/manual.h"

enum { LINE_BYTES = 1024, EXIT_TEMPLATE = 66, EXIT_OUTPUT = 71 };

static const struct {
    const char *name;
    const struct mark *marks;
} kinds[] = {{"man", man_marks}, {"bash", bash_marks}, {"zsh", zsh_marks}, {"fish", fish_marks}};

static void write_line(const struct mark *marks, const char *line) {
    size_t length = strcspn(line, "\n");
    for (; marks->line != NULL; marks++)
        if (strlen(marks->line) == length && memcmp(marks->line, line, length) == 0) {
            for (const struct subcommand *row = NULL; marks->write == NULL && (row = subcommand_next(row)) != NULL;)
                marks->write_each(row);
            if (marks->write != NULL) marks->write();
            return;
        }
    fputs(line, stdout);
}

static int write_template(const struct mark *marks, const char *path) {
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return EXIT_TEMPLATE;
    }
    while (fgets(line, sizeof line, file) != NULL) write_line(marks, line);
    bool is_read = !ferror(file);
    fclose(file);
    if (!is_read) return EXIT_TEMPLATE;
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : EXIT_OUTPUT;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) return write_template(kinds[i].marks, argv[2]);
    fprintf(stderr, "usage: skep_manual man|bash|zsh|fish TEMPLATE\n");
    return EXIT_USAGE;
}
