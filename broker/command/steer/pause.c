/* SPDX-License-Identifier: MIT
 * skep pause and skep resume: a listener, a queue, or all that the breaker holds up. */
#include <stdlib.h>

#include "command/steer/steer.h"

/* Both are the same question but for its name. */
struct wish {
    const char *command;
    bool paused;
    const char *listener, *queue, *group; /* at most one of them; group: resume closes its breaker */
};

static struct skep_command question_of(const struct wish *wish) {
    struct skep_command question = {.id = wish->paused ? SKEP_COMMAND_pause : SKEP_COMMAND_resume};
    if (wish->paused) {
        if (wish->listener != NULL) SKEP_SET(pause, &question.pause, listener, skep__text(wish->listener));
        if (wish->queue != NULL) SKEP_SET(pause, &question.pause, queue, skep__text(wish->queue));
    } else {
        if (wish->listener != NULL) SKEP_SET(resume, &question.resume, listener, skep__text(wish->listener));
        if (wish->queue != NULL) SKEP_SET(resume, &question.resume, queue, skep__text(wish->queue));
        if (wish->group != NULL) SKEP_SET(resume, &question.resume, group, skep__text(wish->group));
    }
    return question;
}

static int ask(struct contact *contact, const struct wish *wish) {
    struct skep_command question = question_of(wish);
    return contact_ask(contact, &question, ANSWER_TIMEOUT_MS, ignore_answer, NULL);
}

struct search {
    const char *group;
    bool found;
};

static void look_for_group(const struct skep_command *command, void *context) {
    struct search *search = context;
    if (command->id == SKEP_COMMAND_groupStatus && skep__text_is(command->groupStatus.name, search->group))
        search->found = true;
}

static bool has_group(struct contact *contact, const char *name) {
    struct search search = {.group = name};
    struct skep_command question = {.id = SKEP_COMMAND_status};
    return contact_ask(contact, &question, ANSWER_TIMEOUT_MS, look_for_group, &search) == SKEP_OK && search.found;
}

/* A name is a listener's if there is one of it, else a queue's, else, of what is to be resumed, a group's. */
static int ask_for_any(struct contact *contact, struct wish *wish, const char *name) {
    wish->listener = name;
    int status = ask(contact, wish);
    if (status != SKEP_ENOLISTENER || strlen(name) > SKEP_MAX_NAME) return status;
    wish->listener = NULL;
    wish->queue = name;
    status = ask(contact, wish);
    if (status != SKEP_ENOQUEUE || wish->paused) return status;
    if (!has_group(contact, name)) return status; /* an older broker would take it for a resume without a name */
    wish->queue = NULL;
    wish->group = name;
    return ask(contact, wish);
}

static void print_success(const struct wish *wish) {
    bool is_listener = wish->listener != NULL;
    char text[SKEP_MAX_URL + 64];
    if (wish->group != NULL) {
        printf("group %s: the breaker is closed, missing workers are started\n", wish->group);
        return;
    }
    snprintf(text, sizeof text, "%s %s is %s", is_listener ? "listener" : "queue",
             is_listener ? wish->listener : wish->queue, wish->paused ? "paused" : "resumed");
    make_printable(text);
    puts(text);
}

static int failed(const struct contact *contact, const struct wish *wish, const char *name, int status) {
    bool is_either = wish->listener == NULL && wish->queue == name;
    if (status == SKEP_ENOQUEUE && is_either)
        return fail(status, "%s: %s: no such listener%s", wish->command, name,
                    wish->paused ? " or queue" : ", queue or group");
    if (status == SKEP_ENOQUEUE) return fail(status, "%s: %s: no such queue", wish->command, wish->queue);
    if (status == SKEP_ENOLISTENER) return fail(status, "%s: %s: no such listener", wish->command, wish->listener);
    return steer_refused(contact, wish->command, status);
}

/* --- resume without a name --- */

/* What is held up before, and what of it still is after that */
struct obstacles {
    bool breaker;
    FILE *paused; /* text of those that only a resume by name resumes */
    unsigned count;
};

static void add_paused(struct obstacles *obstacles, const char *kind, const struct skep_bytes *name) {
    char text[SKEP_MAX_URL + 1];
    skep__copy_text(text, sizeof text, name);
    make_printable(text);
    fprintf(obstacles->paused, "%s %s %s", obstacles->count++ > 0 ? "," : "", kind, text);
}

static void note_obstacle(const struct skep_command *command, void *context) {
    struct obstacles *obstacles = context;
    const struct skep_command_listenerStatus *listener = &command->listenerStatus;
    if (command->id == SKEP_COMMAND_brokerStatus)
        obstacles->breaker = SKEP_HAS(brokerStatus, &command->brokerStatus, breaker_ms);
    if (command->id == SKEP_COMMAND_listenerStatus && listener->resting)
        add_paused(obstacles, "listener", SKEP_HAS(listenerStatus, listener, name) ? &listener->name : &listener->url);
    if (command->id == SKEP_COMMAND_queueStatus && command->queueStatus.paused)
        add_paused(obstacles, "queue", &command->queueStatus.name);
}

static int find_obstacles(struct contact *contact, struct obstacles *obstacles) {
    struct skep_command question = {.id = SKEP_COMMAND_status};
    int status = contact_ask(contact, &question, ANSWER_TIMEOUT_MS, note_obstacle, obstacles);
    question.id = SKEP_COMMAND_queues;
    return status == SKEP_OK ? contact_ask(contact, &question, ANSWER_TIMEOUT_MS, note_obstacle, obstacles) : status;
}

/* Who has paused something may take this for its end: what it does not resume is said. */
static int resume_all(struct contact *contact, const struct wish *wish) {
    char *paused = NULL;
    size_t paused_bytes;
    struct obstacles obstacles = {.paused = open_memstream(&paused, &paused_bytes)};
    if (obstacles.paused == NULL) return SKEP_ENOMEM;
    int status = find_obstacles(contact, &obstacles);
    if (status == SKEP_OK) status = ask(contact, wish);
    if (fclose(obstacles.paused) != 0 && status == SKEP_OK) status = SKEP_ENOMEM;
    if (status == SKEP_OK)
        puts(obstacles.breaker ? "the breaker is closed: missing workers are started" : "the breaker was not open");
    if (status == SKEP_OK && obstacles.count > 0)
        printf("still paused:%s; skep resume NAME resumes %s\n", paused, obstacles.count == 1 ? "it" : "one of them");
    free(paused);
    return status;
}

/* --- both --- */

static int pause_or_resume(const struct options *options, const char *command, bool paused) {
    struct wish wish = {.command = command,
                        .paused = paused,
                        .listener = options->listener,
                        .queue = options->queue,
                        .group = options->group};
    const char *name = options->operands[0];
    int ways = (name != NULL) + (wish.queue != NULL) + (wish.listener != NULL) + (wish.group != NULL);
    if (ways > 1)
        return fail(SKEP_EINVAL, "%s: give only one of NAME, --listener%s --queue%s", command, paused ? " and" : ",",
                    paused ? "" : " and --group");
    if (ways == 0 && paused) return fail(SKEP_EINVAL, "pause: NAME is missing; see skep help pause");
    if (name != NULL && strlen(name) > SKEP_MAX_URL)
        return fail(SKEP_EINVAL, "%s: %s: expected 1 to %d bytes", command, name, SKEP_MAX_URL);
    struct contact contact;
    int code = contact_open(&contact, options), status;
    if (code != 0) return code;
    if (ways == 0) status = resume_all(&contact, &wish);
    else status = name != NULL ? ask_for_any(&contact, &wish, name) : ask(&contact, &wish);
    if (status != SKEP_OK) code = failed(&contact, &wish, name, status);
    else if (ways > 0) print_success(&wish);
    contact_close(&contact);
    return code;
}

int command_pause(const struct options *options) {
    return pause_or_resume(options, "pause", true);
}

int command_resume(const struct options *options) {
    return pause_or_resume(options, "resume", false);
}
