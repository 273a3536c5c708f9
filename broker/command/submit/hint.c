/* SPDX-License-Identifier: MIT
 * Hints that no worker handles the queue: to a user who waits for results that cannot come, and to one who may have
 * mistyped its name. */
#include "command/submit/submission.h"

enum { QUIET_NS = 1000000000 /* results may take so long before the broker is asked about it */ };

static const skep_queue_info *find(const skep_broker_info *info, const char *queue) {
    for (size_t i = 0; i < info->queue_count; i++)
        if (strcmp(info->queues[i].name, queue) == 0) return &info->queues[i];
    return NULL;
}

static void on_status(skep_client *client, int status, const skep_broker_info *info, void *context) {
    (void)client;
    struct submission *s = context;
    const char *queue = s->options->operands[0];
    const skep_queue_info *found = status == SKEP_OK ? find(info, queue) : NULL;
    bool waits = s->options->wait, is_known = found != NULL;
    s->asking = false;
    if (waits && (status != SKEP_OK || s->ended || (is_known && found->workers > 0))) return;
    if (!waits && !(is_known && found->unhandled)) return;
    progress_erase(&s->progress);
    if (waits) say("submit: no worker handles queue %s yet", queue);
    else say("submit: no worker has ever handled queue %s: its jobs wait until one does", queue);
}

/* Asks once. If the question does not get there, the broker has gone, and the submission sees that by itself. */
void submission_hint(struct submission *s, uint64_t now_ns) {
    bool waits = s->options->wait && s->accepted > 0 && s->done + s->dead == 0;
    if (s->hinted || s->ended || !waits || now_ns - s->begun_ns < QUIET_NS) return;
    s->hinted = skep_client_status(s->client, on_status, s) == SKEP_OK;
}

void submission_accepted(struct submission *s) {
    if (s->options->wait || s->hinted) return;
    s->hinted = true;
    s->asking = skep_client_status(s->client, on_status, s) == SKEP_OK;
}
