/* SPDX-License-Identifier: MIT
 * skep stop: asks a broker to end and waits until it has left its directory. */
#include <poll.h>
#include <stddef.h>

#include "contact.h"
#include "subcommands.h"

enum { LOOK_EVERY_MS = 10 };

/* As long as it takes: how long workers may take to leave is the broker's affair. */
static void wait_until_gone(const struct contact *contact) {
    while (contact_is_there(contact)) poll(NULL, 0, LOOK_EVERY_MS);
}

int command_stop(const struct options *options) {
    struct contact contact;
    int code = contact_open(&contact, options);
    if (code != 0) return code;
    struct skep_command request = {.id = SKEP_COMMAND_stop};
    if (options->now) SKEP_SET(stop, &request.stop, now, true);
    int status = contact_ask(&contact, &request, ANSWER_TIMEOUT_MS, ignore_answer, NULL);
    if (status == SKEP_OK) wait_until_gone(&contact);
    else if (contact_is_there(&contact)) code = contact_fail(&contact, status); /* else it ended meanwhile */
    contact_close(&contact);
    return code;
}
