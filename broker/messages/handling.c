/* SPDX-License-Identifier: MIT
 * Histograms that workers report, merged. */
#include "base/times.h"
#include "jobs/jobs.h"
#include "messages/private.h"

static const char *const names[] = {
#define HANDLED(id, name) name,
#include "messages/handled.def"
};

/* SKEP__HANDLED_WHATS if it is something that this version does not know */
static enum skep__handled_what what_of(struct skep_bytes text) {
    enum skep__handled_what what = 0;
    while (what < SKEP__HANDLED_WHATS && !skep__text_is(text, names[what])) what++;
    return what;
}

/* A part of the report may be lost, but never a part of one histogram. */
static void merge(skep_cluster *cluster, skep_child *child, const struct skep_command_handled *h,
                  const struct skep_histogram *times) {
    enum skep__handled_what what = what_of(h->what);
    bool has_queue = what == SKEP__HANDLED_JOB && h->queue.size_bytes > 0;
    struct skep__queue *queue =
        has_queue ? skep__jobs_find_queue(cluster->jobs, h->queue.data, h->queue.size_bytes) : NULL;
    int status = skep__histogram_add(&cluster->messages->handling.of[what], times);
    if (status == SKEP_OK && child != NULL) status = skep__histogram_add(&child->talker->handling.of[what], times);
    if (status == SKEP_OK && queue != NULL)
        status = skep__jobs_timed(queue, child != NULL ? child->holder : NULL, times);
    if (status != SKEP_OK) skep__trace(cluster->trace, SKEP__TRACE_WIRE, "handled: %s", skep_strerror(status));
}

int skep__handled(skep_cluster *cluster, skep_child *child, const struct skep_command_handled *handled,
                  const char **why) {
    struct skep_histogram times = {0};
    if (what_of(handled->what) == SKEP__HANDLED_WHATS) {
        cluster->messages->unknown++;
        return SKEP_OK;
    }
    int status = skep__histogram_unpack(&times, handled->times.data, handled->times.size_bytes);
    if (status == SKEP_OK) merge(cluster, child, handled, &times);
    skep__histogram_free(&times);
    if (status != SKEP_EPROTO) return SKEP_OK;
    *why = "times: no histogram";
    return SKEP_EPROTO;
}

/* --- status --- */

/* child is NULL for all. */
static int add_status(const struct skep__handling *handling, enum skep__handled_what what, const skep_child *child,
                      struct skep_frame *frame) {
    char packed[SKEP_MAX_TIMES];
    struct skep_bytes times = skep__times_pack(&handling->of[what], frame->size_bytes, packed);
    struct skep_command command = {.id = SKEP_COMMAND_handlingStatus,
                                   .handlingStatus = {.what = skep__text(names[what]), .times = times}};
    if (times.size_bytes == 0) return SKEP_OK;
    if (child != NULL) SKEP_SET(handlingStatus, &command.handlingStatus, worker, child->id);
    return skep__frame_add(frame, &command);
}

static int add_all(const struct skep__handling *handling, const skep_child *child, struct skep_frame *frame) {
    int status = SKEP_OK;
    for (enum skep__handled_what what = 0; what < SKEP__HANDLED_WHATS && status == SKEP_OK; what++)
        status = add_status(handling, what, child, frame);
    return status;
}

int skep__handling_add(const skep_cluster *cluster, struct skep_frame *frame) {
    int status = add_all(&cluster->messages->handling, NULL, frame);
    for (const skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        if (status == SKEP_OK) status = add_all(&child->talker->handling, child, frame);
    return status;
}

void skep__handling_free(struct skep__handling *handling) {
    for (unsigned i = 0; i < SKEP__HANDLED_WHATS; i++) skep__histogram_free(&handling->of[i]);
}
