#include "say.h"
#include "subcommands.h"
int command_top(const struct options *options) {
    (void)options;
    return fail(SKEP_ESTATE, "top: pending");
}
