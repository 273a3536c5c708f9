/* SPDX-License-Identifier: MIT
 * A worker that does what the primary's messages tell it, and tells the primary what it then sees. The primary's
 * messages are "do-..."; their data are words. */
#ifndef SKEP_TESTS_AGENT_H
#define SKEP_TESTS_AGENT_H

#include "roles.h"

struct agent_words {
    char to[64];   /* worker id or name */
    char name[64]; /* of the message to send */
    char text[64];
};

static inline struct agent_words agent_read(const skep_message *message) {
    struct agent_words words = {.to = "", .name = "", .text = ""};
    char line[200] = "";
    if (message->size_bytes > 0 && message->size_bytes < sizeof line) memcpy(line, message->data, message->size_bytes);
    sscanf(line, "%63s %63s %63s", words.to, words.name, words.text);
    return words;
}

static inline uint32_t agent_id(const struct agent_words *words) {
    return (uint32_t)strtoul(words->to, NULL, 10);
}

/* Tells: replied STATUS TEXT */
static inline void agent_replied(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    char line[160];
    (void)context;
    snprintf(line, sizeof line, "%s %.*s", skep_status_name(status), (int)size_bytes, (const char *)data);
    role_tell(worker, "replied", line);
}

/* Tells: undelivered TO NAME STATUS */
static inline void agent_undelivered(skep_worker *worker, uint32_t to, const char *name, int status, void *context) {
    char line[160];
    (void)context;
    snprintf(line, sizeof line, "%u %s %s", to, name, skep_status_name(status));
    role_tell(worker, "undelivered", line);
}

static inline void agent_do(skep_worker *worker, const skep_message *message) {
    struct agent_words words = agent_read(message);
    const char *what = message->name + strlen("do-");
    size_t size_bytes = strlen(words.text);
    int status = SKEP_ENOHANDLER;
    if (strcmp(what, "subscribe") == 0) status = skep_subscribe(worker);
    if (strcmp(what, "send-to") == 0)
        status = skep_send_to(worker, agent_id(&words), words.name, words.text, size_bytes);
    if (strcmp(what, "send-name") == 0)
        status = skep_send_to_name(worker, words.to, words.name, words.text, size_bytes);
    if (strcmp(what, "broadcast") == 0) status = skep_broadcast(worker, words.name, words.text, size_bytes);
    if (strcmp(what, "request") == 0)
        status = skep_request(worker, agent_id(&words), words.name, words.text, size_bytes, 0, agent_replied, NULL);
    if (strcmp(what, "request-50ms") == 0)
        status = skep_request(worker, agent_id(&words), words.name, words.text, size_bytes, 50, agent_replied, NULL);
    if (strcmp(what, "request-name") == 0)
        status = skep_request_name(worker, words.to, words.name, words.text, size_bytes, 0, agent_replied, NULL);
    if (message->request != 0) status = skep_reply(worker, 0, message->request, status, NULL, 0);
    role_need(status, what);
}

static inline void agent_answer(skep_worker *worker, const skep_message *message) {
    int status = SKEP_OK;
    if (strcmp(message->name, "die") == 0) _exit(3);
    if (strcmp(message->name, "keep") == 0) return;
    if (strcmp(message->name, "refuse") == 0) status = SKEP_EACCES;
    role_need(skep_reply(worker, message->from, message->request, status, message->data, message->size_bytes), "reply");
}

/* Tells: got FROM NAME TEXT, or heard FROM NAME TEXT for a broadcast */
static inline void agent_tell(skep_worker *worker, const skep_message *message) {
    char line[160];
    snprintf(line, sizeof line, "%u %s %.*s", message->from, message->name, (int)message->size_bytes,
             (const char *)message->data);
    role_tell(worker, message->broadcast ? "heard" : "got", line);
}

static inline void agent_got(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    if (message->from == 0 && strncmp(message->name, "do-", 3) == 0) agent_do(worker, message);
    else if (message->request != 0) agent_answer(worker, message);
    else agent_tell(worker, message);
}

static inline void agent_begin(skep_worker *worker) {
    skep_on_message(worker, agent_got, NULL);
    skep_on_undelivered(worker, agent_undelivered, NULL);
}

#endif
