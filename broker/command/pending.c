#include "say.h"
#include "subcommands.h"
int command_top(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "top: pending");
}
int command_logs(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "logs: pending");
}
int command_exits(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "exits: pending");
}
