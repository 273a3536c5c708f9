/* SPDX-License-Identifier: MIT
 * Outcomes of jobs that were submitted at other brokers. One that is not confirmed is sent again for a while: the other
 * broker may have lost its connection for a moment. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum {
    AGAIN_MS = 500,
    GIVE_UP_MS = 30000 /* the broker is gone, and those who waited with it */
};

static int publish(struct skep__stream *stream, struct skep__report *report) {
    char confirmation[sizeof stream->inbox + 32];
    const struct skep__nats_header header = {"Skep-Cause", report->cause};
    snprintf(confirmation, sizeof confirmation, "%su.%" PRIu64, stream->inbox, report->number);
    report->sent_ms = skep__clock_ms(stream->clock);
    return skep__nats_publish(stream->nats, &(struct skep__nats_message){.subject = report->to,
                                                                         .reply = confirmation,
                                                                         .data = report->data,
                                                                         .size_bytes = report->size_bytes,
                                                                         .headers = &header,
                                                                         .header_count = report->cause != NULL});
}

static void drop(struct skep__stream *stream, struct skep__report *report) {
    HASH_DEL(stream->reports, report); // NOLINT(clang-analyzer-unix.Malloc): the one before is in the table no more
    free(report->to);
    free(report);
}

static struct skep__report *new_report(const char *to, const char *cause, const struct skep_bytes *what) {
    struct skep__report *report = malloc(sizeof *report + what->size_bytes);
    if (report == NULL) return NULL;
    *report = (struct skep__report){.to = strdup(to), .cause = cause, .size_bytes = what->size_bytes};
    if (what->size_bytes > 0) memcpy(report->data, what->data, what->size_bytes);
    if (report->to != NULL) return report;
    free(report);
    return NULL;
}

static int send_report(struct skep__stream *stream, const char *to, const char *cause, const struct skep_bytes *what) {
    struct skep__report *report = new_report(to, cause, what);
    if (report == NULL) return SKEP_ENOMEM;
    report->number = ++stream->last_report;
    report->made_ms = skep__clock_ms(stream->clock);
    HASH_ADD(hh, stream->reports, number, sizeof report->number, report);
    if (SKEP_IS_ADDED(report, hh)) {
        (void)!publish(stream, report); /* it is sent again */
        return SKEP_OK;
    }
    free(report->to);
    free(report);
    return SKEP_ENOMEM;
}

void skep__report_send(struct skep__stream *stream, uint64_t id, const char *to, const char *cause,
                       const struct skep_bytes *what) {
    int status = send_report(stream, to, cause, what);
    if (status != SKEP_OK) skep__stream_trouble(stream, status, "the outcome of job %" PRIu64 " reaches nobody", id);
}

/* 503: nobody is there, now. */
void skep__report_confirmed(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received) {
    struct skep__report *report;
    HASH_FIND(hh, stream->reports, &number, sizeof number, report);
    if (report != NULL && skep__nats_status(received) == 0) drop(stream, report);
}

void skep__reports_tick(struct skep__stream *stream) {
    struct skep__report *report, *next;
    const uint64_t now = skep__clock_ms(stream->clock);
    if (!skep__nats_is_connected(stream->nats)) return;
    HASH_ITER(hh, stream->reports, report, next) {
        if (now - report->sent_ms < AGAIN_MS) continue;
        if (now - report->made_ms >= GIVE_UP_MS || publish(stream, report) != SKEP_OK) drop(stream, report);
    }
}

void skep__reports_free(struct skep__stream *stream) {
    struct skep__report *report, *next;
    HASH_ITER(hh, stream->reports, report, next) drop(stream, report);
}
