/* SPDX-License-Identifier: MIT
 * The two streams: of jobs, from which what is acknowledged goes, and of dead letters. They are made if they are not
 * there; one that is, and was made for something else, is left alone. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum {
    ANSWER_MS = 5000,
    TRIES = 3,       /* at the start: a cluster may be choosing a leader */
    AGAIN_MS = 3000, /* after which a stream is asked for again */
    TEXT_BYTES = 700,
    NO_JETSTREAM = 10039, /* for this account */
    NO_STREAM = 10059
};

static const char *name_of(const struct skep__stream *stream, unsigned which) {
    return which == 0 ? stream->name : stream->dead_name;
}

static void write_subject(const struct skep__stream *stream, unsigned which, char subject[SKEP__STREAM_NAME + 16]) {
    snprintf(subject, SKEP__STREAM_NAME + 16, "%s.%s", stream->name, which == 0 ? "work.>" : "dead.*");
}

static void write_config(const struct skep__stream *stream, unsigned which, char text[TEXT_BYTES]) {
    char subject[SKEP__STREAM_NAME + 16];
    write_subject(stream, which, subject);
    snprintf(text, TEXT_BYTES,
             "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"retention\":\"%s\",\"discard\":\"new\",\"storage\":\"file\","
             "\"num_replicas\":%u,\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"allow_direct\":true,"
             "\"duplicate_window\":%" PRIu64 "}",
             name_of(stream, which), subject, which == 0 ? "workqueue" : "limits", stream->replicas,
             (uint64_t)stream->store.limits.dedup_ms * 1000000);
}

/* --- at the start --- */

/* An answer of the API; *json to be freed. Errors: SKEP_ENOHANDLER, SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_ENOMEM,
 * SKEP_EPROTO. */
static int ask(struct skep__stream *stream, const char *what, const char *name, const char *text, json_t **json,
               unsigned *error) {
    char subject[SKEP__SUBJECT_BYTES];
    char *answer = NULL;
    int status = SKEP_ETIMEDOUT;
    snprintf(subject, sizeof subject, "$JS.API.%s%s%s", what, name[0] != '\0' ? "." : "", name);
    for (unsigned i = 0; i < TRIES && status == SKEP_ETIMEDOUT; i++)
        status = skep__nats_ask(stream->nats, subject, text, ANSWER_MS, &answer);
    if (status != SKEP_OK) return status;
    *json = json_loads(answer, 0, NULL);
    free(answer);
    *error = (unsigned)json_integer_value(json_object_get(json_object_get(*json, "error"), "err_code"));
    return json_is_object(*json) ? SKEP_OK : SKEP_EPROTO;
}

static int refuse(int status, char why[SKEP_MAX_REASON + 1], const char *name, const char *what) {
    snprintf(why, SKEP_MAX_REASON + 1, "%s%s%s", name, name[0] != '\0' ? ": " : "", what);
    return status;
}

static const char *said(const json_t *json) {
    const char *text = json_string_value(json_object_get(json_object_get(json, "error"), "description"));
    return text != NULL ? text : "unknown error";
}

static int make(struct skep__stream *stream, unsigned which, char why[SKEP_MAX_REASON + 1]) {
    char text[TEXT_BYTES];
    json_t *json = NULL;
    unsigned error = 0;
    write_config(stream, which, text);
    int status = ask(stream, "STREAM.CREATE", name_of(stream, which), text, &json, &error);
    if (status == SKEP_OK && json_object_get(json, "error") != NULL)
        status = refuse(SKEP_EUNEXPECTED, why, name_of(stream, which), said(json));
    json_decref(json);
    return status;
}

static bool is_ours(const struct skep__stream *stream, unsigned which, const json_t *config) {
    char subject[SKEP__STREAM_NAME + 16];
    const char *retention = json_string_value(json_object_get(config, "retention"));
    const json_t *subjects = json_object_get(config, "subjects");
    const char *own = json_string_value(json_array_get(subjects, 0));
    write_subject(stream, which, subject);
    return json_array_size(subjects) == 1 && own != NULL && strcmp(own, subject) == 0 && retention != NULL &&
           strcmp(retention, which == 0 ? "workqueue" : "limits") == 0;
}

static int add_queue(struct skep__stream *stream, const char *name) {
    for (size_t i = 0; i < stream->queue_count; i++)
        if (strcmp(stream->queues[i], name) == 0) return SKEP_OK;
    if (stream->queue_count == SKEP_MAX_QUEUES) return SKEP_OK; /* more are served when they are named */
    void *grown = realloc(stream->queues, (stream->queue_count + 1) * sizeof stream->queues[0]);
    if (grown == NULL) return SKEP_ENOMEM;
    stream->queues = grown;
    snprintf(stream->queues[stream->queue_count++], sizeof stream->queues[0], "%s", name);
    return SKEP_OK;
}

/* NAME.work.TOKEN.CLASS, NAME.dead.TOKEN */
static int add_queues(struct skep__stream *stream, json_t *json) {
    const size_t skipped = strlen(stream->name) + strlen(".work.");
    const char *subject;
    json_t *count, *subjects = json_object_get(json_object_get(json, "state"), "subjects");
    int status = SKEP_OK;
    json_object_foreach(subjects, subject, count) {
        char name[SKEP_MAX_NAME + 1];
        const char *token = strlen(subject) > skipped ? subject + skipped : "";
        if (status == SKEP_OK && skep__token_read(token, strcspn(token, "."), name)) status = add_queue(stream, name);
    }
    return status;
}

static int find(struct skep__stream *stream, unsigned which, char why[SKEP_MAX_REASON + 1]) {
    json_t *json = NULL;
    unsigned error = 0;
    int status = ask(stream, "STREAM.INFO", name_of(stream, which), "{\"subjects_filter\":\">\"}", &json, &error);
    if (status == SKEP_OK && error == NO_STREAM) status = make(stream, which, why);
    else if (status == SKEP_OK && error == NO_JETSTREAM) status = SKEP_ENOHANDLER;
    else if (status == SKEP_OK && json_object_get(json, "error") != NULL)
        status = refuse(SKEP_EUNEXPECTED, why, name_of(stream, which), said(json));
    else if (status == SKEP_OK && !is_ours(stream, which, json_object_get(json, "config")))
        status = refuse(SKEP_EUNEXPECTED, why, name_of(stream, which),
                        "this stream has other subjects or another retention; name another one: nats://HOST/NAME");
    else if (status == SKEP_OK) status = add_queues(stream, json);
    json_decref(json);
    return status;
}

int skep__streams_open(struct skep__stream *stream, char why[SKEP_MAX_REASON + 1]) {
    int status = find(stream, 0, why);
    if (status == SKEP_OK) status = find(stream, 1, why);
    if (why[0] != '\0') return status;
    if (status == SKEP_ENOHANDLER)
        return refuse(status, why, "", "the server of NATS has no JetStream; start it with -js");
    if (status == SKEP_ETIMEDOUT) return refuse(status, why, "", "JetStream does not answer");
    return status;
}

/* --- later --- */

void skep__streams_missing(struct skep__stream *stream, unsigned which) {
    char text[TEXT_BYTES], subject[SKEP__SUBJECT_BYTES];
    struct skep__asking *made = &stream->made[which];
    const uint64_t now = skep__clock_ms(stream->clock);
    if (made->asked_ms != 0 && now - made->asked_ms < AGAIN_MS) return;
    write_config(stream, which, text);
    snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", name_of(stream, which));
    if (skep__stream_ask(stream, subject, text, 's', which) == SKEP_OK) made->asked_ms = now;
    skep__stream_trouble(stream, SKEP_ECLOSED, "the stream %s is not there; it is made again", name_of(stream, which));
}

void skep__streams_answered(struct skep__stream *stream, unsigned which, const struct skep_bytes *answer) {
    struct skep__publication p;
    if (which > 1 || !skep__publication_read(answer, &p)) return;
    if (p.code != 0) {
        skep__stream_trouble(stream, SKEP_EUNEXPECTED, "%s: %s", name_of(stream, which), p.why);
        return;
    }
    if (which == 0) skep__stream_renewed(stream);
    stream->store.events->mended(stream->store.context, "a stream was made again, without what it had");
}
