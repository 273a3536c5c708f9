/* SPDX-License-Identifier: MIT
 * skep stop: asks a broker to end and waits until it has left its directory. */
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

#include "command/steer/steer.h"

enum { LOOK_EVERY_MS = 10 };

static int ask(struct contact *contact, const struct options *options, bool keep_jobs) {
    struct skep_command request = {.id = SKEP_COMMAND_stop};
    if (options->now) SKEP_SET(stop, &request.stop, now, true);
    if (keep_jobs) SKEP_SET(stop, &request.stop, keepJobs, true);
    return contact_ask(contact, &request, ANSWER_TIMEOUT_MS, ignore_answer, NULL);
}

static bool can_ask(void) {
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* No answer means no. */
static bool is_confirmed(const char *why) {
    char answer[16];
    say("stop: %s", why);
    fprintf(stderr, "Stop anyway? [y/N] ");
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int refused(const struct contact *contact) {
    if (can_ask()) return fail(SKEP_ESTATE, "stop: not stopped");
    return fail(SKEP_ESTATE, "stop: %s; not stopped: --yes stops anyway", contact->why);
}

static int stop(struct contact *contact, const struct options *options) {
    int status = ask(contact, options, !options->yes);
    bool would_lose = status == SKEP_ESTATE && !options->yes;
    if (would_lose && !(can_ask() && is_confirmed(contact->why))) return refused(contact);
    if (would_lose) status = ask(contact, options, false);
    if (status != SKEP_OK)
        return contact_is_there(contact) ? contact_fail(contact, status) : 0; /* it ended meanwhile */
    while (contact_is_there(contact)) poll(NULL, 0, LOOK_EVERY_MS); /* as long as its workers may take to leave */
    return 0;
}

int command_stop(const struct options *options) {
    return contact_run(options, stop);
}
