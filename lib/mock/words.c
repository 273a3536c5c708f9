/* SPDX-License-Identifier: MIT
 * Scripts of mocks, read line by line. Words are unescaped in place: none becomes longer. */
#include "mock/words.h"

#include <contract.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 40, MAX_MS = 86400000, DIGITS = 18 };

void skep__words_begin(struct skep__words *words, char *text, char *why) {
    *words = (struct skep__words){.rest = text, .why = why};
}

/* --- what is wrong --- */

static void show(const struct skep__word *word, char shown[SHOWN_BYTES + 4]) {
    size_t n = word->size_bytes < SHOWN_BYTES ? word->size_bytes : SHOWN_BYTES;
    for (size_t i = 0; i < n; i++)
        shown[i] = (char)(word->text[i] >= ' ' && word->text[i] <= '~' ? word->text[i] : '?');
    memcpy(shown + n, word->size_bytes > SHOWN_BYTES ? "..." : "", word->size_bytes > SHOWN_BYTES ? 4 : 1);
}

static int wrong(struct skep__words *words, const struct skep__word *word, const char *what) {
    char shown[SHOWN_BYTES + 4];
    if (word != NULL) show(word, shown);
    if (word != NULL) snprintf(words->why, SKEP_MOCK_WHY_BYTES, "line %u: %s: expected %s", words->line, shown, what);
    else snprintf(words->why, SKEP_MOCK_WHY_BYTES, "line %u: it ends, expected %s", words->line, what);
    return SKEP_EINVAL;
}

int skep__words_expected(struct skep__words *words, const char *what) {
    return wrong(words, words->next > 0 ? &words->words[words->next - 1] : NULL, what);
}

/* --- from bytes to words --- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Two digits; negative if they are not. */
static int hex_byte(const char *digits) {
    int high = hex_digit(digits[0]);
    return high < 0 || hex_digit(digits[1]) < 0 ? -1 : high * 16 + hex_digit(digits[1]);
}

/* What follows a backslash; returns how many characters that were, 0 if it is none of them. */
static size_t unescape(const char *at, char *byte) {
    static const char letters[] = "nrt0\\\"", bytes[] = "\n\r\t\0\\\"";
    const char *found = *at != '\0' ? strchr(letters, *at) : NULL;
    if (found != NULL) *byte = bytes[found - letters];
    if (found != NULL || *at != 'x') return found != NULL;
    int value = hex_byte(at + 1);
    *byte = (char)value;
    return value < 0 ? 0 : 3;
}

/* From behind the first quote to behind the last one; NULL: it is not well formed. */
static char *read_quoted(char *at, struct skep__word *word) {
    char *to = at;
    *word = (struct skep__word){.text = at, .is_data = true};
    for (; *at != '"'; to++) {
        if (*at == '\0') return NULL;
        size_t n = *at == '\\' ? unescape(at + 1, to) : 0;
        if (*at == '\\' && n == 0) return NULL;
        if (n == 0) *to = *at;
        at += n + 1;
    }
    word->size_bytes = (size_t)(to - word->text);
    return at + 1;
}

static bool read_hex(struct skep__word *word, char *at) {
    char *to = at;
    for (; hex_digit(at[0]) >= 0; at += 2) {
        int value = hex_byte(at);
        if (value < 0) return false;
        *to++ = (char)value;
    }
    if (*at != '\0') return false;
    *word = (struct skep__word){.text = word->text + strlen("hex:"), .is_data = true};
    word->size_bytes = (size_t)(to - word->text);
    return true;
}

/* Ends at a blank; the byte after it becomes the terminator once what follows has been looked at. */
static int read_word(struct skep__words *words, char **at, struct skep__word *word) {
    char *begin = *at;
    bool quoted = *begin == '"';
    *word = (struct skep__word){.text = begin, .size_bytes = strcspn(begin, " \t\r")};
    char *end = quoted ? read_quoted(begin + 1, word) : begin + word->size_bytes;
    if (end == NULL || (*end != '\0' && !is_blank(*end))) {
        struct skep__word whole = {.text = begin, .size_bytes = strlen(begin)};
        return wrong(words, &whole, "text in quotes, with \\n \\r \\t \\0 \\\\ \\\" or \\xHH in it");
    }
    *at = *end != '\0' ? end + 1 : end;
    *end = '\0';
    if (quoted) ((char *)begin)[1 + word->size_bytes] = '\0';
    if (quoted || strncmp(begin, "hex:", 4) != 0 || read_hex(word, begin + 4)) return SKEP_OK;
    return wrong(words, word, "hex: and pairs of digits");
}

static int split(struct skep__words *words, char *at) {
    words->count = words->next = 0;
    for (;;) {
        while (is_blank(*at)) at++;
        if (*at == '\0' || *at == '#') return SKEP_OK;
        if (words->count == SKEP__LINE_WORDS) return wrong(words, NULL, "no more than 64 words");
        int status = read_word(words, &at, &words->words[words->count]);
        if (status != SKEP_OK) return status;
        words->count++;
    }
}

int skep__words_next_line(struct skep__words *words, bool *more) {
    words->count = 0;
    while (words->rest != NULL && words->count == 0) {
        char *line = words->rest, *end = strchr(line, '\n');
        if (end != NULL) *end = '\0';
        words->rest = end != NULL ? end + 1 : NULL;
        words->line++;
        int status = split(words, line);
        if (status != SKEP_OK) return status;
    }
    *more = words->count > 0;
    return SKEP_OK;
}

/* --- taking --- */

const struct skep__word *skep__words_peek(const struct skep__words *words) {
    return words->next < words->count ? &words->words[words->next] : NULL;
}

bool skep__words_accept(struct skep__words *words, const char *text) {
    const struct skep__word *word = skep__words_peek(words);
    bool is = word != NULL && !word->is_data && strcmp(word->text, text) == 0;
    words->next += is;
    return is;
}

int skep__words_any(struct skep__words *words, const char *what, const struct skep__word **out) {
    const struct skep__word *word = skep__words_peek(words);
    if (word == NULL) return wrong(words, NULL, what);
    words->next++;
    *out = word;
    return SKEP_OK;
}

int skep__words_name(struct skep__words *words, const char *what, const char **name) {
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    bool fits = word->size_bytes > 0 && word->size_bytes <= SKEP_MAX_NAME && strlen(word->text) == word->size_bytes;
    if (!fits) return wrong(words, word, what);
    *name = word->text;
    return SKEP_OK;
}

int skep__words_data(struct skep__words *words, const char *what, struct skep__word *data) {
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status == SKEP_OK && word->size_bytes > SKEP_MAX_PAYLOAD) return wrong(words, word, "1 MiB at most");
    if (status == SKEP_OK) *data = *word;
    return status;
}

/* Digits only. Returns where they end; NULL if there are none, or too many. */
static const char *read_digits(const char *at, uint64_t *number) {
    size_t n = strspn(at, "0123456789");
    if (n == 0 || n > DIGITS) return NULL;
    *number = 0;
    for (size_t i = 0; i < n; i++) *number = *number * 10 + (uint64_t)(at[i] - '0');
    return at + n;
}

int skep__words_number(struct skep__words *words, uint64_t least, uint64_t most, uint64_t *number) {
    char what[80];
    const struct skep__word *word;
    uint64_t value;
    snprintf(what, sizeof what, "a number from %" PRIu64 " to %" PRIu64, least, most);
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    const char *end = word->is_data ? NULL : read_digits(word->text, &value);
    if (end == NULL || *end != '\0' || value < least || value > most) return wrong(words, word, what);
    *number = value;
    return SKEP_OK;
}

/* A decimal fraction of up to three digits, in thousandths */
static const char *read_fraction(const char *at, uint64_t *thousandths) {
    uint64_t unit = 100;
    for (; *at >= '0' && *at <= '9' && unit > 0; at++, unit /= 10) *thousandths += (uint64_t)(*at - '0') * unit;
    return at;
}

static bool read_time(const char *text, uint64_t *ms) {
    uint64_t whole, thousandths = 0;
    const char *at = read_digits(text, &whole);
    if (at == NULL || whole > MAX_MS) return false;
    if (at[0] == '.' && at[1] >= '0' && at[1] <= '9') at = read_fraction(at + 1, &thousandths);
    uint64_t unit_ms = strcmp(at, "ms") == 0 ? 1 : strcmp(at, "s") == 0 ? 1000 : strcmp(at, "m") == 0 ? 60000 : 0;
    *ms = whole * unit_ms + thousandths * unit_ms / 1000;
    return unit_ms != 0 && *ms <= MAX_MS && (unit_ms != 1 || thousandths == 0);
}

int skep__words_time(struct skep__words *words, uint64_t *ms) {
    static const char what[] = "a time of at most a day, such as 200ms, 1.5s or 2m";
    const struct skep__word *word;
    uint64_t value;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    if (word->is_data || !read_time(word->text, &value)) return wrong(words, word, what);
    *ms = value;
    return SKEP_OK;
}

static int find_signal(const char *name) {
    uint64_t number;
    const char *end = read_digits(name, &number);
    if (end != NULL && *end == '\0') return number >= 1 && number < NSIG ? (int)number : 0;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known != NULL && strncmp(name, "SIG", 3) == 0 && strcmp(name + 3, known) == 0) return i;
    }
    return 0;
}

int skep__words_signal(struct skep__words *words, int *number) {
    static const char what[] = "a signal, such as SIGKILL or 9";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    int found = word->is_data ? 0 : find_signal(word->text);
    if (found == 0) return wrong(words, word, what);
    *number = found;
    return SKEP_OK;
}

/* What follows the first number of a range: nothing, .. or ..M */
static bool read_range_end(const char *at, uint64_t first, uint64_t *last) {
    if (*at == '\0') *last = first;
    if (*at == '\0' || strcmp(at, "..") == 0) return true;
    const char *end = strncmp(at, "..", 2) == 0 ? read_digits(at + 2, last) : NULL;
    return end != NULL && *end == '\0';
}

bool skep__word_is_range(const struct skep__word *word, uint64_t *first, uint64_t *last) {
    uint64_t from = 1, to = UINT64_MAX;
    if (word->is_data) return false;
    if (strcmp(word->text, "*") != 0) {
        const char *at = read_digits(word->text, &from);
        if (at == NULL || !read_range_end(at, from, &to) || from == 0 || to < from) return false;
    }
    *first = from;
    *last = to;
    return true;
}

int skep__words_end(struct skep__words *words) {
    const struct skep__word *word = skep__words_peek(words);
    return word != NULL ? wrong(words, word, "nothing more in this line") : SKEP_OK;
}
