/* SPDX-License-Identifier: MIT
 * Scripts of mocks, read line by line: words, text in quotes, bytes as hex:00ff; what follows a # is for people.
 *
 * All that takes something fails with SKEP_EINVAL and one line in why: "line 3: fish: expected a number from 1 to 9".
 */
#ifndef SKEP_LIB_MOCK_WORDS_H
#define SKEP_LIB_MOCK_WORDS_H

#include <skep/mock.h>

enum { SKEP__LINE_WORDS = 64 /* in one line */ };

/* Borrowed from the text, terminated by a zero byte that does not count */
struct skep__word {
    const char *text;
    size_t size_bytes;
    bool is_data; /* it was in quotes, or hex: */
};

struct skep__words {
    char *rest; /* what was not read; it is changed by reading */
    unsigned line;
    struct skep__word words[SKEP__LINE_WORDS];
    unsigned count, next;
    char *why; /* SKEP_MOCK_WHY_BYTES */
};

/* Begins to read a text, which must outlive what is taken from it. */
void skep__words_begin(struct skep__words *words, char *text, char *why);

/* Goes on to the next line that has words. *more is false at the text's end. */
SKEP_MUST_USE int skep__words_next_line(struct skep__words *words, bool *more);

/* Says that something else was expected than the latest word that was taken. */
int skep__words_expected(struct skep__words *words, const char *what);

/* The next word, which stays; NULL at the line's end. */
const struct skep__word *skep__words_peek(const struct skep__words *words);

/* Takes the next word if it is this one, not in quotes. */
bool skep__words_accept(struct skep__words *words, const char *text);

/* Takes any word; a name of 1 to 64 bytes without a zero; data; a number; a time such as 200ms, 1.5s, 2m; a signal such
 * as SIGKILL or 9. */
SKEP_MUST_USE int skep__words_any(struct skep__words *words, const char *what, const struct skep__word **word);
SKEP_MUST_USE int skep__words_name(struct skep__words *words, const char *what, const char **name);
SKEP_MUST_USE int skep__words_data(struct skep__words *words, const char *what, struct skep__word *data);
SKEP_MUST_USE int skep__words_number(struct skep__words *words, uint64_t least, uint64_t most, uint64_t *number);
SKEP_MUST_USE int skep__words_time(struct skep__words *words, uint64_t *ms);
SKEP_MUST_USE int skep__words_signal(struct skep__words *words, int *number);

/* Whether a word is *, N, N.. or N..M, from 1. */
bool skep__word_is_range(const struct skep__word *word, uint64_t *first, uint64_t *last);

/* Nothing more is in the line. */
SKEP_MUST_USE int skep__words_end(struct skep__words *words);

#endif
