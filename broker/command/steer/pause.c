/* SPDX-License-Identifier: MIT
 * skep pause and skep resume: a listener, a queue, or all that the breaker holds up. */
#include <stdio.h>
#include <string.h>

#include "command/common/say.h"
#include "command/steer/steer.h"
#include "command/subcommands.h"
#include "common/text.h"

/* Both are the same question but for its name. */
struct wish {
    const char *command;
    bool paused;
    const char *listener, *queue; /* at most one of them */
};

static struct skep_command question_of(const struct wish *wish) {
    struct skep_command question = {.id = wish->paused ? SKEP_COMMAND_pause : SKEP_COMMAND_resume};
    if (wish->paused) {
        question.pause.has = 0;
        if (wish->listener != NULL) SKEP_SET(pause, &question.pause, listener, skep__text(wish->listener));
        if (wish->queue != NULL) SKEP_SET(pause, &question.pause, queue, skep__text(wish->queue));
    } else {
        question.resume.has = 0;
        if (wish->listener != NULL) SKEP_SET(resume, &question.resume, listener, skep__text(wish->listener));
        if (wish->queue != NULL) SKEP_SET(resume, &question.resume, queue, skep__text(wish->queue));
    }
    return question;
}

static int ask(struct contact *contact, const struct wish *wish) {
    struct skep_command question = question_of(wish);
    return contact_ask(contact, &question, ANSWER_TIMEOUT_MS, ignore_answer, NULL);
}

/* A name is a listener's if there is one of it, else a queue's. */
static int ask_for_either(struct contact *contact, struct wish *wish, const char *name) {
    wish->listener = name;
    int status = ask(contact, wish);
    if (status != SKEP_ENOLISTENER || strlen(name) > SKEP_MAX_NAME) return status;
    wish->listener = NULL;
    wish->queue = name;
    return ask(contact, wish);
}

static void print_success(const struct wish *wish) {
    const char *name = wish->listener != NULL ? wish->listener : wish->queue;
    char text[SKEP_MAX_URL + 64];
    snprintf(text, sizeof text, "%s %s %s", wish->listener != NULL ? "listener" : "queue", name != NULL ? name : "",
             wish->paused ? "is paused" : "goes on");
    make_printable(text);
    puts(name != NULL ? text : "the breaker is closed: missing workers are started");
}

static int failed(const struct contact *contact, const struct wish *wish, const char *name, int status) {
    bool is_either = wish->listener == NULL && wish->queue == name;
    if (status == SKEP_ENOQUEUE && is_either)
        return fail(status, "%s: %s: no such listener or queue", wish->command, name);
    if (status == SKEP_ENOQUEUE) return fail(status, "%s: %s: no such queue", wish->command, wish->queue);
    if (status == SKEP_ENOLISTENER) return fail(status, "%s: %s: no such listener", wish->command, wish->listener);
    return steer_refused(contact, wish->command, status);
}

static int wish_for(const struct options *options, struct wish *wish) {
    const char *name = options->operands[0];
    struct contact contact;
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    int status = name != NULL ? ask_for_either(&contact, wish, name) : ask(&contact, wish);
    if (status == SKEP_OK) print_success(wish);
    else code = failed(&contact, wish, name, status);
    contact_close(&contact);
    return code;
}

static int pause_or_resume(const struct options *options, const char *command, bool paused) {
    struct wish wish = {.command = command, .paused = paused, .listener = options->listener, .queue = options->queue};
    const char *name = options->operands[0];
    int ways = (name != NULL) + (options->queue != NULL) + (options->listener != NULL);
    if (ways > 1) return fail(SKEP_EINVAL, "%s: give only one of NAME, --listener and --queue", command);
    if (ways == 0 && paused) return fail(SKEP_EINVAL, "pause: NAME is missing; see skep help pause");
    if (name != NULL && (name[0] == '\0' || strlen(name) > SKEP_MAX_URL))
        return fail(SKEP_EINVAL, "%s: %s: expected 1 to %d bytes", command, name, SKEP_MAX_URL);
    return wish_for(options, &wish);
}

int command_pause(const struct options *options) {
    return pause_or_resume(options, "pause", true);
}

int command_resume(const struct options *options) {
    return pause_or_resume(options, "resume", false);
}
