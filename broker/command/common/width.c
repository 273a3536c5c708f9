/* SPDX-License-Identifier: MIT
 * How many columns of a terminal text takes. */
#include "command/common/width.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "command/common/utf8.h"

enum { MAX_CHARACTER = 4 /* bytes */ };

bool width_begin(void) {
    bool is_utf8 = setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!is_utf8) setlocale(LC_CTYPE, "C.UTF-8");
    return is_utf8;
}

int width_of_character(const char *character, size_t size_bytes) {
    wchar_t wide;
    mbstate_t state = {0};
    if (size_bytes <= 1) return 1;
    return mbrtowc(&wide, character, size_bytes, &state) == size_bytes ? wcwidth(wide) : -1;
}

unsigned width_of_first(const char *text, size_t *size_bytes) {
    size_t size = utf8_printable(text, strnlen(text, MAX_CHARACTER));
    int width = width_of_character(text, size);
    *size_bytes = size > 0 ? size : 1;
    return width < 0 ? 1 : (unsigned)width;
}

unsigned width_of_text(const char *text) {
    unsigned width = 0;
    for (size_t size; *text != '\0'; text += size) width += width_of_first(text, &size);
    return width;
}

size_t width_fitting(const char *text, unsigned columns) {
    const char *end = text;
    unsigned width = 0;
    for (size_t size; *end != '\0'; end += size)
        if ((width += width_of_first(end, &size)) > columns) break;
    return (size_t)(end - text);
}
