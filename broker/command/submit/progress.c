/* SPDX-License-Identifier: MIT
 * One line on a terminal that tells how far something is. */
#include "command/submit/submission.h"

static const double WEIGHT = 0.2; /* of what happened since the line was written last */

void progress_begin(struct progress *progress, uint64_t now_ns) {
    *progress = (struct progress){.is_wanted = isatty(STDERR_FILENO), .latest_ns = now_ns};
}

static void update_rate(struct progress *progress, uint64_t accepted, uint64_t now_ns) {
    double seconds = (double)(now_ns - progress->latest_ns) / 1e9;
    double rate = seconds > 0 ? (double)(accepted - progress->accepted) / seconds : progress->rate;
    progress->rate = progress->width == 0 ? rate : WEIGHT * rate + (1 - WEIGHT) * progress->rate;
    progress->latest_ns = now_ns;
    progress->accepted = accepted;
}

void progress_show(struct progress *progress, uint64_t submitted, uint64_t accepted, uint64_t now_ns) {
    char submitted_text[32], accepted_text[32], rate_text[32], line[128];
    if (!progress->is_wanted) return;
    update_rate(progress, accepted, now_ns);
    grouped(submitted, submitted_text);
    grouped(accepted, accepted_text);
    grouped((uint64_t)(progress->rate + 0.5), rate_text);
    int width =
        snprintf(line, sizeof line, "submitted %s  accepted %s  %s/s", submitted_text, accepted_text, rate_text);
    fprintf(stderr, "\r%-*s", progress->width, line);
    progress->width = width;
}

void progress_erase(struct progress *progress) {
    if (progress->width > 0) fprintf(stderr, "\r%*s\r", progress->width, "");
    progress->width = 0;
}
