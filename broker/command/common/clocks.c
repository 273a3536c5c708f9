/* SPDX-License-Identifier: MIT
 * What time it is. */
#include "command/common/clocks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

uint64_t monotonic_ms(void) {
    return uv_hrtime() / 1000000;
}

void time_text(uint64_t time_ms, char text[TIME_BYTES]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    char whole[24];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        strcpy(whole, "?"); /* a year that has no four digits */
    snprintf(text, TIME_BYTES, "%s.%03uZ", whole, (unsigned)(time_ms % 1000));
}
