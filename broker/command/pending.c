#include "say.h"
#include "subcommands.h"
int command_logs(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "logs: pending");
}
int command_exits(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "exits: pending");
}
int command_scale(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "scale: pending");
}
int command_reload(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "reload: pending");
}
int command_restart(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "restart: pending");
}
int command_drain(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "drain: pending");
}
int command_kill(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "kill: pending");
}
int command_signal(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "signal: pending");
}
int command_pause(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "pause: pending");
}
int command_resume(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "resume: pending");
}
