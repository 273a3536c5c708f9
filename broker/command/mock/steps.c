/* SPDX-License-Identifier: MIT
 * The script of a mock broker: its parser. All of it is read before anything is started. */
#include "command/mock/steps.h"

#include <contract.h>
#include <ctype.h>

enum { PATIENCE_MS = 10000 /* if a step does not say within */ };

static int take_number(struct skep__words *words, uint64_t least, uint64_t most, struct step *step) {
    return skep__words_number(words, least, most, &step->number);
}

static int take_signal(struct skep__words *words, struct step *step) {
    int number = 0;
    int status = skep__words_signal(words, &number);
    step->number = (uint64_t)number;
    return status;
}

static int take_url(struct skep__words *words, struct step *step) {
    const struct skep__word *word;
    int status = skep__words_any(words, "a URL or a name, as the worker gives it to skep_listen", &word);
    if (status == SKEP_OK) step->name = word->text;
    return status;
}

/* after T */
static int take_delay(struct skep__words *words, struct step *step) {
    uint64_t delay_ms = 0;
    if (!skep__words_accept(words, "after")) return SKEP_OK;
    int status = skep__words_time(words, &delay_ms);
    step->delay_ms = (int64_t)delay_ms;
    return status;
}

static int take_argument(struct skep__words *words, char argument, struct step *step) {
    switch (argument) {
    case 'N': return skep__words_name(words, "a name of 1 to 64 bytes", &step->name);
    case 'D': return skep__words_data(words, "data: a word, \"text\" or hex:00ff", &step->data);
    case 'C':
    case 'J': return take_number(words, 1, UINT32_MAX, step);
    case 'X': return take_number(words, 0, UINT8_MAX, step);
    case 'S': return take_signal(words, step);
    case 'T': return skep__words_time(words, &step->number);
    case 'U': return take_url(words, step);
    case 'O': return take_job_options(words, &step->options);
    default: return take_delay(words, step);
    }
}

static bool is_there(const struct skep__words *words) {
    const struct skep__word *word = skep__words_peek(words);
    return word != NULL && (word->is_data || strcmp(word->text, "within") != 0);
}

static int take_arguments(struct skep__words *words, const struct verb *verb, struct step *step) {
    uint64_t timeout_ms = PATIENCE_MS;
    int status = SKEP_OK;
    for (const char *a = verb->arguments; *a != '\0' && status == SKEP_OK; a++)
        if (isupper((unsigned char)*a) || is_there(words))
            status = take_argument(words, (char)toupper((unsigned char)*a), step);
    if (status == SKEP_OK && verb->expects && skep__words_accept(words, "within"))
        status = skep__words_time(words, &timeout_ms);
    step->timeout_ms = (unsigned)timeout_ms;
    return status == SKEP_OK ? skep__words_end(words) : status;
}

/* --- lines --- */

/* The line of this number as it is printed, without what is blank around it; what came before it is let go. */
static const char *line_text(char **rest, unsigned *line, unsigned number) {
    char *text = *rest;
    for (; *line <= number; ++*line) text = strsep(rest, "\n");
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    text[n] = '\0';
    make_printable(text);
    return text;
}

static int say_unknown(struct skep__words *words) {
    static const char step[] = "a step, such as submit QUEUE DATA or expect done 1";
    static const char late[] = "a step: settings come before the first one";
    static const char expected[] = "what can be expected, such as ready or done 1";
    const char *what = words->next > 0 ? expected : is_setting(words) ? late : step;
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    return status == SKEP_OK ? skep__words_expected(words, what) : status;
}

static int parse_step(struct steps *steps, struct skep__words *words, const char *text) {
    const struct verb *verb = verb_take(words);
    if (verb == NULL) return say_unknown(words);
    struct step *step = calloc(1, sizeof *step);
    if (step == NULL) return SKEP_ENOMEM;
    *step = (struct step){.text = text, .run = verb->run, .delay_ms = SKEP_MOCK_ANY_DELAY};
    STAILQ_INSERT_TAIL(&steps->list, step, entry);
    steps->count++;
    return take_arguments(words, verb, step);
}

/* How the broker is: only before the first step. */
static int parse_line(struct steps *steps, struct skep__words *words, const char *text) {
    if (steps->count > 0 || !is_setting(words)) return parse_step(steps, words, text);
    int status = take_setting(words, &steps->terms);
    return status == SKEP_OK ? skep__words_end(words) : status;
}

int steps_parse(struct steps *steps, const char *text, char why[SKEP_MOCK_WHY_BYTES]) {
    struct skep__words words;
    unsigned line = 1;
    bool more = true;
    int status = SKEP_OK;
    *steps = (struct steps){.text = strdup(text), .lines = strdup(text)};
    STAILQ_INIT(&steps->list);
    why[0] = '\0';
    if (steps->text == NULL || steps->lines == NULL) return SKEP_ENOMEM;
    char *rest = steps->lines;
    skep__words_begin(&words, steps->text, why);
    while (status == SKEP_OK && more) {
        status = skep__words_next_line(&words, &more);
        if (status == SKEP_OK && more) status = parse_line(steps, &words, line_text(&rest, &line, words.line));
    }
    return status;
}

void steps_free(struct steps *steps) {
    for (struct step *step; (step = STAILQ_FIRST(&steps->list)) != NULL;) {
        STAILQ_REMOVE_HEAD(&steps->list, entry);
        free(step);
    }
    free(steps->text);
    free(steps->lines);
}
