/* SPDX-License-Identifier: MIT
 * Listening: the worker asks, the broker binds; or, with a shared listener, the worker accepts. */
#include "url.h"
#include "worker/private.h"

static int ask(skep_worker *worker, const struct skep__asked *asked, uint32_t request) {
    const char *url = asked->url;
    struct skep_command command = {.id = SKEP_COMMAND_listen, .listen = {.request = request, .url = skep__text(url)}};
    SKEP_SET(listen, &command.listen, index, asked->next);
    int status = skep__worker_tell(worker, &command);
    return status == SKEP_OK ? SKEP_OK : skep__worker_fail(worker, status, "%s: %s", url, skep_strerror(status));
}

/* Without a deadline: a broker that is stopped answers when it goes on, and the end of one that dies is read here. */
static int await_answer(skep_worker *worker, const char *url, uint32_t request, struct skep_command *answer, int *fd) {
    for (;;) {
        int status = skep__worker_read_link(worker, request, answer, fd);
        if (status == SKEP_OK && answer->id != SKEP_COMMAND_COUNT) return SKEP_OK;
        if (status != SKEP_OK && status != SKEP_EAGAIN)
            return skep__worker_fail(worker, status, "%s: the broker is gone", url);
        status = skep__worker_wait_link(worker, SKEP__NO_TIMEOUT);
        if (status != SKEP_OK) return skep__worker_fail(worker, status, "%s: %s", url, skep_strerror(status));
    }
}

static int check_answer(skep_worker *worker, const char *url, const struct skep_command *answer, int fd) {
    if (answer->id == SKEP_COMMAND_listenFailed) {
        const struct skep_bytes *reason = &answer->listenFailed.reason;
        int status = answer->listenFailed.status != SKEP_OK ? (int)answer->listenFailed.status : SKEP_EPROTO;
        return skep__worker_fail(worker, status, "%.*s", (int)reason->size_bytes, reason->data);
    }
    if (answer->listening.shared && fd < 0)
        return skep__worker_fail(worker, SKEP_EMFILE, "%s: the listening descriptor did not arrive", url);
    return SKEP_OK;
}

/* A relative path is relative to where the worker is, not its broker. */
static int check_url(skep_worker *worker, const char *url, char resolved[SKEP_MAX_URL + 1]) {
    struct skep_url parsed;
    const char *why = "a name of 1 to 256 bytes is needed";
    size_t size_bytes = strlen(url);
    int status = size_bytes > 0 && size_bytes <= SKEP_MAX_URL ? SKEP_OK : SKEP_EURL;
    if (status == SKEP_OK) status = skep__url_resolve(url, resolved, SKEP_MAX_URL + 1, &why);
    if (status == SKEP_OK && skep__url_is(resolved)) status = skep__url_parse(resolved, &parsed, &why);
    return status == SKEP_OK ? SKEP_OK : skep__worker_fail(worker, status, "%s: %s", url, why);
}

int skep_listen(skep_worker *worker, const char *url, skep_connection_cb callback, void *context, skep_listener **out) {
    struct skep_command answer = {.id = SKEP_COMMAND_COUNT};
    skep_listener *listener;
    int fd = -1;
    uint32_t request = ++worker->next_listen;
    char resolved[SKEP_MAX_URL + 1];
    int status = check_url(worker, url, resolved);
    if (worker->phase >= SKEP__WORKER_LEAVING)
        return skep__worker_fail(worker, SKEP_ECLOSED, "%s: this worker is leaving", url);
    struct skep__asked *asked = status == SKEP_OK ? skep__worker_asked_for(worker, resolved) : NULL;
    if (status == SKEP_OK && asked == NULL)
        return skep__worker_fail(worker, SKEP_ENOMEM, "%s: %s", url, skep_strerror(SKEP_ENOMEM));
    if (status == SKEP_OK) status = ask(worker, asked, request);
    if (status == SKEP_OK) status = await_answer(worker, url, request, &answer, &fd);
    skep__worker_deliver_later(worker); /* what arrived for other listeners meanwhile */
    if (status == SKEP_OK) status = check_answer(worker, url, &answer, fd);
    if (status == SKEP_OK) status = skep__worker_add_listener(worker, asked, &answer.listening, fd, &listener);
    if (status != SKEP_OK) {
        skep__worker_forget_asked(asked);
        if (fd >= 0) close(fd);
        if (answer.id == SKEP_COMMAND_listening) skep__worker_unlisten(worker, answer.listening.listener);
        return status;
    }
    listener->callback = callback;
    listener->context = context;
    if (out != NULL) *out = listener;
    return SKEP_OK;
}
