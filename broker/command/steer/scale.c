/* SPDX-License-Identifier: MIT
 * skep scale: changes how many workers there are, and waits until it is so. */
#include "command/steer/steer.h"

static bool parse_scale(const char *operand, struct skep_command_scale *scale) {
    uint64_t n;
    bool is_signed = operand[0] == '+' || operand[0] == '-';
    if (!parse_number(operand + is_signed, 0, SKEP_MAX_WORKERS, &n)) return false;
    scale->has = 0;
    if (operand[0] == '+') SKEP_SET(scale, scale, more, n);
    else if (operand[0] == '-') SKEP_SET(scale, scale, fewer, n);
    else SKEP_SET(scale, scale, workers, n);
    return true;
}

static void take_scaled(const struct skep_command *command, void *context) {
    struct steering *steering = context;
    if (command->id != SKEP_COMMAND_scaled) {
        steer_failed(steering, SKEP_EPROTO, "unexpected answer from the broker");
        return;
    }
    steering->target = command->scaled.to;
    steering->is_growing = command->scaled.to > command->scaled.from;
    ticker_line(&steering->ticker, "%" PRIu64 " -> %" PRIu64 " workers", command->scaled.from, command->scaled.to);
}

static void heard(struct steering *steering, const struct skep_command_event *event) {
    if (skep__text_is(event->event, "exit") && !skep__text_is(event->reason, "voluntary")) steer_tell(steering, event);
    if (skep__text_is(event->event, "breaker") && skep__text_is(event->phase, "opened"))
        steer_failed(steering, SKEP_ESTATE, "no more workers are started: %.*s", (int)event->reason.size_bytes,
                     event->reason.data);
}

/* Another command may have scaled meanwhile: the number wanted now counts. */
static void looked(struct steering *steering) {
    const struct outlook *outlook = &steering->outlook;
    uint64_t wanted = outlook->is_told ? outlook->wanted : steering->target;
    bool is_left = steering->is_growing || outlook->leaving == 0;
    if (outlook->ready == wanted && is_left)
        steer_done(steering, "%" PRIu64 " worker%s ready", wanted, wanted == 1 ? "" : "s");
    else if (outlook->is_broken && outlook->ready < wanted)
        steer_failed(steering, SKEP_ESTATE, "no more workers are started, because too many failed; see skep exits");
    else
        ticker_wait(&steering->ticker, "%u of %" PRIu64 " ready, %u leaving", outlook->ready, wanted, outlook->leaving);
}

int command_scale(const struct options *options) {
    struct steering steering = {.command = "scale", .heard = heard, .looked = looked};
    struct skep_command question = {.id = SKEP_COMMAND_scale};
    bool named = options->operands[1] != NULL;
    const char *number = options->operands[named];
    if (named && parse_scale(options->operands[0], &question.scale))
        return fail(SKEP_EINVAL, "scale: %s: unexpected argument; see skep help scale", number);
    if (!parse_scale(number, &question.scale))
        return fail(SKEP_EINVAL, "scale: %s: expected N, +N or -N, at most %d", number, SKEP_MAX_WORKERS);
    int code = named ? steer_set_group(&steering, options->operands[0]) : 0;
    if (code != 0) return code;
    if (named) SKEP_SET(scale, &question.scale, group, skep__text(steering.group));
    return steer_and_follow(&steering, options, &question, take_scaled);
}
