/* SPDX-License-Identifier: MIT
 * Messages that are written of jobs that were taken: a dead letter, or a copy for another attempt. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jobs/nats/private.h"

static void clean(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = ' ';
}

static void write_meta(const struct skep__stream *stream, const struct skep__held *held, char text[SKEP__META_BYTES]) {
    const struct skep__job *job = held->job;
    const uint64_t age_ms = skep__clock_ms(stream->clock) - job->accepted_ms;
    const struct skep__meta meta = {.priority = job->priority,
                                    .attempts = job->attempts,
                                    .lease_ms = job->lease_ms,
                                    .accepted_ms = skep__wall_ms() - age_ms,
                                    .due_ms = held->due_ms};
    skep__meta_write(&meta, text);
}

/* One that is revived is as if it were new. */
static void write_history(const struct skep__held *held, char text[SKEP__META_BYTES]) {
    const struct skep__job *job = held->job;
    const bool anew = held->step == SKEP__REVIVING;
    skep__history_write(&(struct skep__history){.id = job->id,
                                                .attempt = anew ? 0 : job->attempt,
                                                .failures = anew ? 0 : job->failures,
                                                .deaths = anew ? 0 : job->deaths,
                                                .interruptions = anew ? 0 : job->interruptions},
                        text);
}

static void write_exit(const struct skep__death *death, char *text, size_t room) {
    static const struct skep__exit_record unknown = {.code = -1, .signal = -1};
    const struct skep__exit_record *e = death != NULL ? &death->exit : &unknown;
    snprintf(text, room, "%u %d %d %d %" PRIu64 " %" PRIu64, e->worker, (int)e->pid, e->code, e->signal, e->uptime_ms,
             death != NULL ? death->wall_ms : skep__wall_ms());
}

/* A copy of its message, with an id by which it is there once. */
static int send_copy(struct skep__stream *stream, const struct skep__held *held, const char *subject, const char *id,
                     const char *reply, struct skep__nats_header *headers, size_t count) {
    char meta[SKEP__META_BYTES], history[SKEP__META_BYTES];
    write_meta(stream, held, meta);
    write_history(held, history);
    headers[0] = (struct skep__nats_header){"Nats-Msg-Id", id};
    headers[1] = (struct skep__nats_header){"Skep-Meta", meta};
    headers[2] = (struct skep__nats_header){"Skep-Job", history};
    return skep__nats_publish(stream->nats, &(struct skep__nats_message){.subject = subject,
                                                                         .reply = reply,
                                                                         .data = held->job->data,
                                                                         .size_bytes = held->job->size_bytes,
                                                                         .headers = headers,
                                                                         .header_count = count});
}

int skep__copy_dead(struct skep__stream *stream, const struct skep__held *held) {
    char subject[SKEP__SUBJECT_BYTES], id[64], ended[128], reason[SKEP_MAX_REASON + 1] = "",
                                                                                    reply[sizeof stream->inbox + 32];
    snprintf(subject, sizeof subject, "%s.dead.%s", stream->name, held->job->queue->shelf->stream->token);
    snprintf(id, sizeof id, "dead.%s.%" PRIu64, stream->boot, held->id);
    snprintf(reply, sizeof reply, "%sd.%" PRIu64, stream->inbox, held->id);
    write_exit(held->death, ended, sizeof ended);
    if (held->death != NULL) snprintf(reason, sizeof reason, "%s", held->death->reason);
    clean(reason);
    struct skep__nats_header headers[6] = {
        [3] = {"Skep-Cause", held->cause}, [4] = {"Skep-Reason", reason}, [5] = {"Skep-Exit", ended}};
    return send_copy(stream, held, subject, id, reply, headers, 6);
}

/* To whichever broker takes it next. */
int skep__copy_work(struct skep__stream *stream, const struct skep__held *held, const char *what, uint64_t of,
                    char letter) {
    char subject[SKEP__SUBJECT_BYTES], id[64], reply[sizeof stream->inbox + 32];
    snprintf(subject, sizeof subject, "%s.work.%s.%c", stream->name, held->job->queue->shelf->stream->token,
             skep__classes[skep__class_of(held->job->priority)]);
    snprintf(id, sizeof id, "%s.%" PRIu64, what, of);
    snprintf(reply, sizeof reply, "%s%c.%" PRIu64, stream->inbox, letter, of);
    struct skep__nats_header headers[4] = {[3] = {"Skep-Reply", held->reply}};
    return send_copy(stream, held, subject, id, reply, headers, held->reply != NULL ? 4 : 3);
}

int skep__ask_to_forget(struct skep__stream *stream, const struct skep__held *held) {
    char subject[SKEP__SUBJECT_BYTES], text[64];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.DELETE.%s", stream->dead_name);
    snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"no_erase\":true}", held->dead_id);
    return skep__stream_ask(stream, subject, text, 'x', held->dead_id);
}
