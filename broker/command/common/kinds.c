/* SPDX-License-Identifier: MIT
 * Names of kinds of events: those that come by the news, which messages do not. */
#include "command/common/kinds.h"
#include "common/text.h"

#include <assert.h>
#include <skep/cluster.h>
#include <stdio.h>
#include <string.h>

static_assert(SKEP_EVENT_KINDS <= 32, "a set of kinds has 32 bits");

static uint32_t bit_of(struct skep_bytes name) {
    for (unsigned i = 0; i < SKEP_EVENT_KINDS; i++) {
        const char *kind = skep_event_name((enum skep_event_kind)i);
        if (i != SKEP_EVENT_MESSAGE && skep__text_is(name, kind)) return UINT32_C(1) << i;
    }
    return 0;
}

bool kinds_parse(const char *names, uint32_t *kinds) {
    uint32_t found = 0;
    for (;;) {
        size_t length = strcspn(names, ",");
        uint32_t bit = bit_of((struct skep_bytes){names, length});
        if (bit == 0) return false;
        found |= bit;
        if (names[length] == '\0') break;
        names += length + 1;
    }
    *kinds = found;
    return true;
}

bool kinds_have(uint32_t kinds, struct skep_bytes name) {
    return name.size_bytes > 0 && (kinds & bit_of(name)) != 0;
}

void kinds_text(char text[KINDS_TEXT_BYTES]) {
    size_t used = 0;
    for (unsigned i = 0; i < SKEP_EVENT_KINDS; i++)
        if (i != SKEP_EVENT_MESSAGE)
            used += (size_t)snprintf(text + used, KINDS_TEXT_BYTES - used, "%s%s", used > 0 ? ", " : "",
                                     skep_event_name((enum skep_event_kind)i));
}
