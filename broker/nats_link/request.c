/* SPDX-License-Identifier: MIT
 * Questions: an answer is found by the number in its subject. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats_link/private.h"

enum { LOOK_MS = 50 /* between two looks for questions that are too old */ };

static void answer(struct skep__nats *nats, struct skep__nats_asked *asked, int status,
                   const struct skep__nats_received *received) {
    const struct skep__nats_asked copy = *asked;
    TAILQ_REMOVE(&nats->questions, asked, entry);
    free(asked);
    copy.answered(copy.context, status, received);
}

static void received(void *context, const struct skep__nats_received *message) {
    struct skep__nats *nats = context;
    struct skep__nats_asked *asked;
    const uint64_t number = strtoull(strrchr(message->subject, '.') + 1, NULL, 10);
    TAILQ_FOREACH(asked, &nats->questions, entry) if (asked->number == number) break;
    if (asked != NULL) answer(nats, asked, skep__nats_status(message) == 503 ? SKEP_ENOHANDLER : SKEP_OK, message);
}

static void look(uv_timer_t *timer) {
    struct skep__nats *nats = timer->data;
    struct skep__nats_asked *next;
    const uint64_t now = uv_now(nats->loop);
    for (struct skep__nats_asked *asked = TAILQ_FIRST(&nats->questions); asked != NULL; asked = next) {
        next = TAILQ_NEXT(asked, entry);
        if (asked->end_ms <= now) answer(nats, asked, SKEP_ETIMEDOUT, NULL);
    }
    if (TAILQ_EMPTY(&nats->questions)) uv_timer_stop(timer);
}

int skep__nats_questions_open(struct skep__nats *nats) {
    char subject[sizeof nats->inbox + 8];
    TAILQ_INIT(&nats->questions);
    snprintf(subject, sizeof subject, "%s.q.*", nats->inbox);
    return skep__nats_subscribe(nats, subject, NULL, received, nats);
}

int skep__nats_request(struct skep__nats *nats, const struct skep__nats_message *message, unsigned timeout_ms,
                       void (*answered)(void *context, int status, const struct skep__nats_received *answer),
                       void *context) {
    char reply[sizeof nats->inbox + 32];
    struct skep__nats_message asking = *message;
    struct skep__nats_asked *asked = malloc(sizeof *asked);
    if (asked == NULL) return SKEP_ENOMEM;
    *asked = (struct skep__nats_asked){.number = ++nats->last_question,
                                       .end_ms = uv_now(nats->loop) + timeout_ms,
                                       .answered = answered,
                                       .context = context};
    snprintf(reply, sizeof reply, "%s.q.%" PRIu64, nats->inbox, asked->number);
    asking.reply = reply;
    int status = skep__nats_publish(nats, &asking);
    if (status != SKEP_OK) {
        free(asked);
        return status;
    }
    TAILQ_INSERT_TAIL(&nats->questions, asked, entry);
    if (!uv_is_active((uv_handle_t *)&nats->late)) uv_timer_start(&nats->late, look, LOOK_MS, LOOK_MS);
    return SKEP_OK;
}

int skep__nats_ask(struct skep__nats *nats, const char *subject, const char *text, unsigned timeout_ms, char **out) {
    natsMsg *message = NULL;
    int status =
        skep__nats_translate(natsConnection_RequestString(&message, nats->connection, subject, text, timeout_ms));
    if (status != SKEP_OK) return status;
    const size_t size = (size_t)natsMsg_GetDataLength(message);
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, natsMsg_GetData(message), size);
        copy[size] = '\0';
        *out = copy;
    }
    natsMsg_Destroy(message);
    return copy != NULL ? SKEP_OK : SKEP_ENOMEM;
}

void skep__nats_questions_free(struct skep__nats *nats) {
    for (struct skep__nats_asked *asked; (asked = TAILQ_FIRST(&nats->questions)) != NULL; free(asked))
        TAILQ_REMOVE(&nats->questions, asked, entry);
}
