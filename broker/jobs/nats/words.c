/* SPDX-License-Identifier: MIT
 * Subjects, headers and answers of JetStream. */
#include "jobs/nats/words.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char skep__classes[SKEP__STREAM_CLASSES + 1] = "hnl";

unsigned skep__class_of(uint8_t priority) {
    if (priority == SKEP__PRIORITY_MIDDLE) return 1;
    return priority < SKEP__PRIORITY_MIDDLE ? 0 : 2;
}

/* --- queues --- */

static bool is_plain(unsigned char c) {
    return (c < 0x80 && isalnum(c)) || c == '-' || c == '_';
}

void skep__token_make(const char *name, char token[SKEP__TOKEN_BYTES]) {
    for (; *name != '\0'; name++) {
        if (is_plain((unsigned char)*name)) *token++ = *name;
        else token += sprintf(token, "=%02X", (unsigned char)*name);
    }
    *token = '\0';
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool skep__token_read(const char *token, size_t size, char name[SKEP_MAX_NAME + 1]) {
    char read[SKEP_MAX_NAME + 1];
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)token[i];
        if (token[i] == '=') {
            const int high = i + 2 < size ? digit(token[i + 1]) : -1, low = high >= 0 ? digit(token[i + 2]) : -1;
            if (low < 0) return false;
            c = high * 16 + low;
            i += 2;
        } else if (!is_plain((unsigned char)c)) {
            return false;
        }
        if (c == 0 || n == SKEP_MAX_NAME) return false;
        read[n++] = (char)c;
    }
    if (n == 0) return false;
    read[n] = '\0';
    memcpy(name, read, n + 1);
    return true;
}

/* --- headers --- */

void skep__meta_write(const struct skep__meta *m, char text[SKEP__META_BYTES]) {
    snprintf(text, SKEP__META_BYTES, "%u %u %u %" PRIu64 " %" PRIu64 " %" PRIu64, m->priority, m->attempts, m->lease_ms,
             m->accepted_ms, m->due_ms, m->expires_ms);
}

/* A number of at most this much, and what follows it. */
static bool read_number(const char **text, uint64_t most, uint64_t *number) {
    char *end;
    while (**text == ' ') ++*text;
    if (**text < '0' || **text > '9') return false;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return *number <= most && (*end == ' ' || *end == '\0');
}

static bool read_numbers(const char *text, const uint64_t *most, uint64_t *numbers, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (!read_number(&text, most[i], &numbers[i])) return false;
    return true;
}

bool skep__meta_read(const char *text, struct skep__meta *meta) {
    static const uint64_t most[] = {UINT8_MAX, UINT16_MAX, UINT32_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    uint64_t n[6];
    if (!read_numbers(text, most, n, 6)) return false;
    *meta = (struct skep__meta){.priority = (uint8_t)n[0],
                                .attempts = (uint16_t)n[1],
                                .lease_ms = (uint32_t)n[2],
                                .accepted_ms = n[3],
                                .due_ms = n[4],
                                .expires_ms = n[5]};
    return true;
}

void skep__history_write(const struct skep__history *h, char text[SKEP__META_BYTES]) {
    snprintf(text, SKEP__META_BYTES, "%" PRIu64 " %u %u %u %u", h->id, h->attempt, h->failures, h->deaths,
             h->interruptions);
}

bool skep__history_read(const char *text, struct skep__history *history) {
    static const uint64_t most[] = {INT64_MAX, UINT32_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX};
    uint64_t n[5];
    if (!read_numbers(text, most, n, 5) || n[0] == 0) return false;
    *history = (struct skep__history){.id = n[0],
                                      .attempt = (uint32_t)n[1],
                                      .failures = (uint32_t)n[2],
                                      .deaths = (uint16_t)n[3],
                                      .interruptions = (uint16_t)n[4]};
    return true;
}

/* --- subjects --- */

/* $JS.ACK.STREAM.CONSUMER.DELIVERED.ID.NUMBER.TIME.PENDING; newer servers have a domain and an account behind ACK. */
bool skep__delivered_read(const char *reply, struct skep__delivered *delivered) {
    enum { TOKENS = 9, NEW_TOKENS = 11 };
    const char *at[TOKENS + 4];
    unsigned count = 0;
    if (strncmp(reply, "$JS.ACK.", strlen("$JS.ACK.")) != 0) return false;
    for (const char *token = reply; token != NULL && count < TOKENS + 4;) {
        at[count++] = token;
        token = strchr(token, '.');
        token += token != NULL;
    }
    if (count < TOKENS) return false;
    const unsigned first = count >= NEW_TOKENS ? 6 : 4;
    char *end[2];
    const uint64_t times = strtoull(at[first], &end[0], 10), id = strtoull(at[first + 1], &end[1], 10);
    if (times == 0 || id == 0 || *end[0] != '.' || *end[1] != '.') return false;
    *delivered = (struct skep__delivered){.id = id, .times = times};
    return true;
}

/* --- answers --- */

/* As most are: {"stream":"skep","seq":7}, with no need of a parser. */
static bool read_plain(const struct skep_bytes *answer, struct skep__publication *p) {
    static const char seq[] = "\"seq\":", error[] = "\"error\"", duplicate[] = "\"duplicate\":";
    const char *at = memmem(answer->data, answer->size_bytes, seq, strlen(seq));
    const char *end = answer->data + answer->size_bytes;
    if (at == NULL || memmem(answer->data, answer->size_bytes, error, strlen(error)) != NULL) return false;
    uint64_t id = 0;
    for (at += strlen(seq); at < end && (*at == ' ' || (*at >= '0' && *at <= '9')); at++)
        if (*at != ' ') id = id * 10 + (uint64_t)(*at - '0');
    if (id == 0 || at == end) return false;
    /* It is there if it is true, and only then. */
    *p = (struct skep__publication){
        .id = id, .duplicate = memmem(answer->data, answer->size_bytes, duplicate, strlen(duplicate)) != NULL};
    return true;
}

static void read_error(const json_t *error, struct skep__publication *p) {
    const char *text = json_string_value(json_object_get(error, "description"));
    *p = (struct skep__publication){.code = (unsigned)json_integer_value(json_object_get(error, "code")),
                                    .error = (unsigned)json_integer_value(json_object_get(error, "err_code"))};
    if (p->code == 0) p->code = 500;
    snprintf(p->why, sizeof p->why, "%s", text != NULL ? text : "unknown error");
}

bool skep__publication_read(const struct skep_bytes *answer, struct skep__publication *p) {
    if (read_plain(answer, p)) return true;
    json_t *json = json_loadb(answer->data, answer->size_bytes, 0, NULL);
    const json_t *error = json_object_get(json, "error");
    const bool is_one = json_is_object(json);
    if (json_is_object(error)) read_error(error, p);
    else if (is_one) *p = (struct skep__publication){.code = 0};
    json_decref(json);
    return is_one;
}

/* --- names --- */

int skep__stream_name(const char *text, char **urls, char name[SKEP__STREAM_NAME + 1], char why[SKEP_MAX_REASON + 1]) {
    const char *slash = strrchr(text, '/');
    const bool named = slash != NULL && slash > text && slash[-1] != '/'; /* those of a scheme are two */
    const char *own = named ? slash + 1 : "skep";
    const size_t size = strlen(own);
    bool good = size > 0 && size <= SKEP__STREAM_NAME;
    for (size_t i = 0; i < size; i++) good = good && is_plain((unsigned char)own[i]);
    if (!good) {
        snprintf(why, SKEP_MAX_REASON + 1,
                 "the name of the stream, behind the servers, has 1 to %u letters, digits, - or _", SKEP__STREAM_NAME);
        return SKEP_EINVAL;
    }
    char *copy = named ? strndup(text, (size_t)(slash - text)) : strdup(text);
    if (copy == NULL) return SKEP_ENOMEM;
    *urls = copy;
    memcpy(name, own, size + 1);
    return SKEP_OK;
}
