/* SPDX-License-Identifier: MIT
 * The script of a mock worker: its parser, and which rule is for what. skep/mock.h describes the language. */
#include "mock/script.h"

#include <contract.h>
#include <stdlib.h>
#include <string.h>
#include <url.h>

enum {
    JOB = SKEP__MOCK_ON_JOB,
    CONNECTION = SKEP__MOCK_ON_CONNECTION,
    MESSAGE = SKEP__MOCK_ON_MESSAGE,
    READY = SKEP__MOCK_ON_READY,
    LEAVE = SKEP__MOCK_ON_LEAVE,
    ANY = SKEP__MOCK_ON_ANY
};

/* --- actions --- */

/* arguments: T time, D data, N name, C count, X exit status, S signal, W where */
static const struct kind {
    const char *name;
    enum skep__mock_do what;
    unsigned on;   /* where it may stand */
    unsigned ends; /* where nothing may follow */
    const char *arguments;
} kinds[] = {
    {"delay", SKEP__MOCK_DO_DELAY, ANY, 0, "T"},
    {"stall", SKEP__MOCK_DO_STALL, ANY, 0, "T"},
    {"work", SKEP__MOCK_DO_WORK, JOB, 0, "T"},
    {"late", SKEP__MOCK_DO_LATE, JOB, 0, ""},
    {"extend", SKEP__MOCK_DO_EXTEND, JOB, 0, ""},
    {"reply", SKEP__MOCK_DO_REPLY, JOB | MESSAGE, JOB, "D"},
    {"echo", SKEP__MOCK_DO_ECHO, JOB | MESSAGE | CONNECTION, JOB | CONNECTION, ""},
    {"done", SKEP__MOCK_DO_DONE, JOB, JOB, ""},
    {"fail", SKEP__MOCK_DO_FAIL, JOB, JOB, "D"},
    {"retry", SKEP__MOCK_DO_RETRY, JOB, JOB, "TD"},
    {"never", SKEP__MOCK_DO_NEVER, JOB | READY | LEAVE | MESSAGE, ANY, ""},
    {"refuse", SKEP__MOCK_DO_REFUSE, CONNECTION, CONNECTION, ""},
    {"hold", SKEP__MOCK_DO_HOLD, CONNECTION, 0, "T"},
    {"write", SKEP__MOCK_DO_WRITE, CONNECTION, 0, "D"},
    {"close", SKEP__MOCK_DO_CLOSE, CONNECTION, CONNECTION, ""},
    {"count", SKEP__MOCK_DO_COUNT, ANY, 0, "NC"},
    {"send", SKEP__MOCK_DO_SEND, ANY, 0, "ND"},
    {"broadcast", SKEP__MOCK_DO_BROADCAST, ANY, 0, "ND"},
    {"malformed", SKEP__MOCK_DO_MALFORMED, ANY, 0, "W"},
    {"leave", SKEP__MOCK_DO_LEAVE, ANY, 0, ""},
    {"crash", SKEP__MOCK_DO_CRASH, ANY, ANY, "S"},
    {"exit", SKEP__MOCK_DO_EXIT, ANY, ANY, "X"},
};

static const struct kind *find_kind(const struct skep__word *word) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !word->is_data; i++)
        if (strcmp(kinds[i].name, word->text) == 0) return &kinds[i];
    return NULL;
}

static int take_where(struct skep__words *words, struct skep__mock_action *action) {
    const struct skep__word *word;
    action->number = skep__words_accept(words, "link");
    if (action->number == 1 || skep__words_accept(words, "outbox")) return SKEP_OK;
    int status = skep__words_any(words, "outbox or link", &word);
    return status == SKEP_OK ? skep__words_expected(words, "outbox or link") : status;
}

static int take_signal(struct skep__words *words, struct skep__mock_action *action) {
    int signal = 0;
    int status = skep__words_signal(words, &signal);
    action->number = (uint64_t)signal;
    return status;
}

static int take_argument(struct skep__words *words, char argument, struct skep__mock_action *action) {
    switch (argument) {
    case 'T': return skep__words_time(words, &action->number);
    case 'D': return skep__words_data(words, "data: a word, \"text\" or hex:00ff", &action->data);
    case 'N': return skep__words_name(words, "a name of 1 to 64 bytes", &action->name);
    case 'C': return skep__words_number(words, 1, UINT32_MAX, &action->number);
    case 'X': return skep__words_number(words, 0, UINT8_MAX, &action->number);
    case 'S': return take_signal(words, action);
    default: return take_where(words, action);
    }
}

/* What stands first is asked before the connection is there. */
static bool is_too_late(const struct skep__mock_rule *rule, enum skep__mock_do what) {
    return rule->count > 0 && (what == SKEP__MOCK_DO_REFUSE || what == SKEP__MOCK_DO_HOLD);
}

static int take_action(struct skep__words *words, struct skep__mock_rule *rule, bool *ended) {
    static const char what[] = "an action that is possible here, such as delay 200ms, count NAME 1 or exit 0";
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    const struct kind *kind = find_kind(word);
    if (kind == NULL || !(kind->on & rule->on)) return skep__words_expected(words, what);
    if (*ended) return skep__words_expected(words, "nothing after what ends it");
    if (is_too_late(rule, kind->what)) return skep__words_expected(words, "this before all else that is done");
    if (rule->count == SKEP__MOCK_ACTIONS) return skep__words_expected(words, "no more than 16 actions");
    struct skep__mock_action *action = &rule->actions[rule->count];
    *action = (struct skep__mock_action){.what = kind->what};
    for (const char *a = kind->arguments; *a != '\0' && status == SKEP_OK; a++)
        status = take_argument(words, *a, action);
    rule->count++;
    *ended = kind->ends & rule->on;
    return status;
}

static int take_actions(struct skep__words *words, struct skep__mock_rule *rule) {
    bool ended = false;
    int status = SKEP_OK;
    do status = take_action(words, rule, &ended);
    while (status == SKEP_OK && skep__words_peek(words) != NULL);
    return status;
}

/* --- rules --- */

/* Names of queues that begin like a number are not to be had here. */
static bool is_which(const struct skep__word *word) {
    return word == NULL || word->is_data || *word->text == '*' || (*word->text >= '0' && *word->text <= '9');
}

static int take_which(struct skep__words *words, struct skep__mock_rule *rule, const char *what) {
    const struct skep__word *word;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    if (word->is_data) rule->text = *word;
    else if (!skep__word_is_range(word, &rule->first, &rule->last)) return skep__words_expected(words, what);
    return SKEP_OK;
}

static int take_attempts(struct skep__words *words, struct skep__mock_rule *rule) {
    static const char what[] = "attempts: N, N.. or N..M";
    const struct skep__word *word;
    if (!skep__words_accept(words, "attempt")) return SKEP_OK;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK || skep__word_is_range(word, &rule->first_attempt, &rule->last_attempt)) return status;
    return skep__words_expected(words, what);
}

static int parse_job(struct skep__words *words, struct skep__mock_rule *rule) {
    int status = is_which(skep__words_peek(words)) ? SKEP_OK : skep__words_name(words, "a queue", &rule->name);
    if (status == SKEP_OK) status = take_which(words, rule, "which jobs: *, N, N.., N..M or \"text\"");
    return status == SKEP_OK ? take_attempts(words, rule) : status;
}

static int parse_connection(struct skep__words *words, struct skep__mock_rule *rule) {
    const struct skep__word *word = skep__words_peek(words);
    static const char what[] = "which connections: *, N, N.. or N..M";
    if (word != NULL && !word->is_data) return take_which(words, rule, what);
    int status = skep__words_any(words, what, &word);
    return status == SKEP_OK ? skep__words_expected(words, what) : status;
}

static int parse_message(struct skep__words *words, struct skep__mock_rule *rule) {
    return skep__words_accept(words, "*") ? SKEP_OK
                                          : skep__words_name(words, "the name of a message, or *", &rule->name);
}

static int parse_nothing(struct skep__words *words, struct skep__mock_rule *rule) {
    (void)words;
    (void)rule;
    return SKEP_OK;
}

static int add_rule(skep_mock_script *script, struct skep__words *words, enum skep__mock_occasion on,
                    int (*parse)(struct skep__words *words, struct skep__mock_rule *rule)) {
    struct skep__mock_rule *rule = calloc(1, sizeof *rule);
    if (rule == NULL) return SKEP_ENOMEM;
    STAILQ_INSERT_TAIL(&script->rules, rule, entry);
    rule->on = on;
    rule->first = rule->first_attempt = 1;
    rule->last = rule->last_attempt = UINT64_MAX;
    int status = parse(words, rule);
    return status == SKEP_OK ? take_actions(words, rule) : status;
}

/* --- what is not a rule --- */

static int parse_handle(skep_mock_script *script, struct skep__words *words) {
    uint64_t concurrency = 1;
    const char *queue = NULL;
    int status = skep__words_name(words, "a queue", &queue);
    if (script->handle_count == SKEP__MOCK_HANDLES) return skep__words_expected(words, "no more than 64 queues");
    if (status == SKEP_OK && skep__words_accept(words, "concurrency"))
        status = skep__words_number(words, 1, UINT16_MAX, &concurrency);
    if (status != SKEP_OK) return status;
    script->handles[script->handle_count].queue = queue;
    script->handles[script->handle_count++].concurrency = (unsigned)concurrency;
    return skep__words_end(words);
}

static int parse_listen(skep_mock_script *script, struct skep__words *words) {
    static const char what[] = "tcp://HOST:PORT, unix:///PATH or a name of the broker's";
    const struct skep__word *word;
    struct skep_url url;
    const char *why = what;
    int status = skep__words_any(words, what, &word);
    if (status != SKEP_OK) return status;
    if (script->listen_count == SKEP__MOCK_LISTENS) return skep__words_expected(words, "no more than 16 listeners");
    bool fits = word->size_bytes > 0 && word->size_bytes <= SKEP_MAX_URL && strlen(word->text) == word->size_bytes;
    if (!fits || (skep__url_is(word->text) && skep__url_parse(word->text, &url, &why) != SKEP_OK))
        return skep__words_expected(words, what);
    script->listens[script->listen_count++] = word->text;
    return skep__words_end(words);
}

static int parse_name(skep_mock_script *script, struct skep__words *words) {
    int status = skep__words_name(words, "a name of 1 to 64 bytes", &script->name);
    return status == SKEP_OK ? skep__words_end(words) : status;
}

static int parse_line(skep_mock_script *script, struct skep__words *words) {
    const struct skep__word *word;
    if (skep__words_accept(words, "name")) return parse_name(script, words);
    if (skep__words_accept(words, "handle")) return parse_handle(script, words);
    if (skep__words_accept(words, "listen")) return parse_listen(script, words);
    if (skep__words_accept(words, "subscribe")) {
        script->subscribes = true;
        return skep__words_end(words);
    }
    if (skep__words_accept(words, "job")) return add_rule(script, words, SKEP__MOCK_ON_JOB, parse_job);
    if (skep__words_accept(words, "connection"))
        return add_rule(script, words, SKEP__MOCK_ON_CONNECTION, parse_connection);
    if (skep__words_accept(words, "message")) return add_rule(script, words, SKEP__MOCK_ON_MESSAGE, parse_message);
    if (skep__words_accept(words, "ready")) return add_rule(script, words, SKEP__MOCK_ON_READY, parse_nothing);
    if (skep__words_accept(words, "leave")) return add_rule(script, words, SKEP__MOCK_ON_LEAVE, parse_nothing);
    int status = skep__words_any(words, "a line", &word);
    if (status != SKEP_OK) return status;
    return skep__words_expected(words, "name, handle, listen, subscribe, job, connection, message, ready or leave");
}

static int parse(skep_mock_script *script, char *why) {
    struct skep__words words;
    bool more = true;
    int status = SKEP_OK;
    skep__words_begin(&words, script->text, why);
    while (status == SKEP_OK && more) {
        status = skep__words_next_line(&words, &more);
        if (status == SKEP_OK && more) status = parse_line(script, &words);
    }
    return status;
}

/* --- public --- */

int skep_mock_script_parse(skep_mock_script **out, const char *text, char why[SKEP_MOCK_WHY_BYTES]) {
    skep_mock_script *script = calloc(1, sizeof *script);
    why[0] = '\0';
    if (script == NULL) return SKEP_ENOMEM;
    STAILQ_INIT(&script->rules);
    script->text = strdup(text);
    int status = script->text != NULL ? parse(script, why) : SKEP_ENOMEM;
    if (status == SKEP_OK) *out = script;
    else skep_mock_script_free(&script);
    return status;
}

void skep_mock_script_free(skep_mock_script **out) {
    skep_mock_script *script = *out;
    if (script == NULL) return;
    *out = NULL;
    for (struct skep__mock_rule *rule; (rule = STAILQ_FIRST(&script->rules)) != NULL;) {
        STAILQ_REMOVE_HEAD(&script->rules, entry);
        free(rule);
    }
    free(script->text);
    free(script);
}

/* --- which rule --- */

static bool is_for(const struct skep__mock_rule *rule, const struct skep__mock_case *c) {
    if (rule->on != c->on) return false;
    if (rule->name != NULL && strcmp(rule->name, c->name) != 0) return false;
    if (c->number < rule->first || c->number > rule->last) return false;
    if (rule->text.text != NULL && memmem(c->data, c->size_bytes, rule->text.text, rule->text.size_bytes) == NULL)
        return false;
    return c->attempt >= rule->first_attempt && c->attempt <= rule->last_attempt;
}

const struct skep__mock_rule *skep__mock_script_rule(const skep_mock_script *script, const struct skep__mock_case *c) {
    const struct skep__mock_rule *rule;
    STAILQ_FOREACH(rule, &script->rules, entry) if (is_for(rule, c)) return rule;
    return NULL;
}
