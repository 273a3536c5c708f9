/* SPDX-License-Identifier: MIT
 * skep drain, kill and signal: steer one worker. */
#include <signal.h>
#include <strings.h>

#include "command/steer/steer.h"
#include "command/view/notice.h"
#include "common/signal_text.h"

/* --- drain --- */

static void heard(struct steering *steering, const struct skep_command_event *event) {
    if (!skep__text_is(event->event, "exit") || event->worker != steering->worker) return;
    if (!skep__text_is(event->reason, "voluntary")) steer_tell(steering, event);
    steer_done(steering, "worker %" PRIu32 " has left", steering->worker);
}

static const char *plural(uint64_t n) {
    return n == 1 ? "" : "s";
}

static void looked(struct steering *steering) {
    const struct outlook *o = &steering->outlook;
    if (!o->is_there) steer_done(steering, "worker %" PRIu32 " has left", steering->worker);
    else if (o->drains)
        ticker_wait(&steering->ticker,
                    "worker %" PRIu32 " has %" PRIu64 " connection%s and %" PRIu64 " job%s; a signal in %" PRIu64 " s",
                    steering->worker, o->connections, plural(o->connections), o->jobs, plural(o->jobs),
                    o->drain_ms / 1000);
}

int command_drain(const struct options *options) {
    struct steering steering = {.command = "drain", .heard = heard, .looked = looked};
    int code = parse_worker("drain", options->operands[0], &steering.worker);
    if (code != 0) return code;
    struct skep_command question = {.id = SKEP_COMMAND_drainWorker, .drainWorker = {.worker = steering.worker}};
    return steer_and_follow(&steering, options, &question, ignore_answer);
}

/* --- signal --- */

/* 0 if it is none. */
static unsigned parse_signal(const char *text) {
    unsigned number;
    if (is_number(text)) return parse_unsigned(text, 1, SKEP_MAX_SIGNAL, &number) ? number : 0;
    if (strncasecmp(text, "SIG", 3) == 0) text += 3;
    for (int i = 1; i <= SKEP_MAX_SIGNAL; i++) {
        const char *name = sigabbrev_np(i);
        if (name != NULL && strcasecmp(name, text) == 0) return (unsigned)i;
    }
    return 0;
}

/* Asks one question of which nothing is expected but that it is done; returns the exit status, what is wrong is said.
 */
static int ask(const struct options *options, const char *command, const struct skep_command *question) {
    struct contact contact;
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    int status = contact_ask(&contact, question, ANSWER_TIMEOUT_MS, ignore_answer, NULL);
    if (status != SKEP_OK) code = steer_refused(&contact, command, status);
    contact_close(&contact);
    return code;
}

static int send_signal(const struct options *options, const char *command, unsigned number) {
    struct skep_command question = {.id = SKEP_COMMAND_signalWorker};
    char name[SKEP__SIGNAL_BYTES];
    uint32_t worker;
    int code = parse_worker(command, options->operands[0], &worker);
    if (code != 0) return code;
    question.signalWorker = (struct skep_command_signalWorker){.worker = worker, .signal = number};
    code = ask(options, command, &question);
    skep__signal_text((int)number, name);
    if (code == 0) printf("worker %" PRIu32 " was sent %s\n", worker, name);
    return code;
}

int command_kill(const struct options *options) {
    return send_signal(options, "kill", SIGKILL);
}

int command_signal(const struct options *options) {
    unsigned number = parse_signal(options->operands[1]);
    if (number == 0)
        return fail(SKEP_EINVAL, "signal: %s: expected a signal, such as USR1, SIGUSR1 or 10", options->operands[1]);
    return send_signal(options, "signal", number);
}
