/* SPDX-License-Identifier: MIT
 * A worker that does what its clients tell it, line by line; a connection lives until the client ends it.
 *
 *   actor [--stubborn] [--talk] [URL...]   listens on each URL; --stubborn: SIGTERM does not end it; --talk: it hears
 *                                          broadcasts, prints each message as "NAME DATA", and repeats to whoever
 *                                          requests "echo" what came
 *
 *   id           answers "ID PID"
 *   spin MS      answers the same, then is busy for so long
 *   print TEXT   answers the same and writes TEXT on stdout
 *   flood        answers the same, then writes on stdout for ever
 *   crash        exits with status 3 without an answer
 *   listen URL   answers "ok URL" with the real port, or "failed STATUS WHY"
 *   close URL    gives the listener bound to this URL back; answers "ok" or "no"
 *   leave        answers "ok" and leaves of its own accord */
#include <errno.h>
#include <signal.h>
#include <skep/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { LISTENERS = 256, LINE_BYTES = 512, ANSWER_BYTES = 1024, CRASHED = 3 };

struct actor {
    skep_worker *worker;
    skep_listener *listeners[LISTENERS];
    size_t listener_count;
};

struct client {
    uv_poll_t poll;
    struct actor *actor;
    int fd;
    char line[LINE_BYTES];
    size_t used;
};

static void on_connection(skep_worker *worker, skep_listener *listener, int fd, void *context);

/* --- what can be asked --- */

static void spin(unsigned long ms) {
    uint64_t end_ns = uv_hrtime() + ms * 1000000u;
    while (uv_hrtime() < end_ns) continue;
}

_Noreturn static void flood(void) {
    for (;;) puts("a line of a flood that never ends");
}

static void print(const char *text) {
    puts(text);
    fflush(stdout);
}

static int listen_on(struct actor *actor, const char *url, skep_listener **listener) {
    if (actor->listener_count == LISTENERS) return SKEP_ETOOBIG;
    int status = skep_listen(actor->worker, url, on_connection, actor, listener);
    if (status == SKEP_OK) actor->listeners[actor->listener_count++] = *listener;
    return status;
}

static void answer_listen(struct actor *actor, const char *url, char answer[ANSWER_BYTES]) {
    skep_listener *listener;
    int status = listen_on(actor, url, &listener);
    if (status == SKEP_OK) snprintf(answer, ANSWER_BYTES, "ok %s", skep_listener_url(listener));
    else snprintf(answer, ANSWER_BYTES, "failed %s %s", skep_status_name(status), skep_worker_why(actor->worker));
}

static bool close_listener(struct actor *actor, const char *url) {
    for (size_t i = 0; i < actor->listener_count; i++) {
        if (strcmp(skep_listener_url(actor->listeners[i]), url) != 0) continue;
        skep_listener_close(actor->listeners[i]);
        actor->listeners[i] = actor->listeners[--actor->listener_count];
        return true;
    }
    return false;
}

/* --- clients --- */

static void closed(uv_handle_t *handle) {
    free(handle->data);
}

static void end(struct client *client) {
    uv_poll_stop(&client->poll);
    close(client->fd);
    skep_connection_finished(client->actor->worker, client->fd);
    uv_close((uv_handle_t *)&client->poll, closed);
}

/* Answers are short and clients read them: they fit into the socket. */
static void say(const struct client *client, const char *text) {
    char line[ANSWER_BYTES + 1];
    int size_bytes = snprintf(line, sizeof line, "%s\n", text);
    if (send(client->fd, line, (size_t)size_bytes, MSG_NOSIGNAL) < 0 && errno == EAGAIN) abort();
}

static const char *after(const char *line, const char *word) {
    size_t length = strlen(word);
    return strncmp(line, word, length) == 0 ? line + length : NULL;
}

static void obey(const struct client *client, const char *line) {
    struct actor *actor = client->actor;
    char answer[ANSWER_BYTES];
    const char *rest;
    snprintf(answer, sizeof answer, "%u %d", skep_worker_id(actor->worker), (int)getpid());
    if (strcmp(line, "crash") == 0) _exit(CRASHED);
    if ((rest = after(line, "listen ")) != NULL) answer_listen(actor, rest, answer);
    if ((rest = after(line, "close ")) != NULL)
        snprintf(answer, sizeof answer, close_listener(actor, rest) ? "ok" : "no");
    if (strcmp(line, "leave") == 0) snprintf(answer, sizeof answer, "ok");
    say(client, answer);
    if ((rest = after(line, "spin ")) != NULL) spin(strtoul(rest, NULL, 10));
    if ((rest = after(line, "print ")) != NULL) print(rest);
    if (strcmp(line, "flood") == 0) flood();
    if (strcmp(line, "leave") == 0) skep_disconnect(actor->worker);
}

static void obey_lines(struct client *client) {
    for (char *newline; (newline = memchr(client->line, '\n', client->used)) != NULL;) {
        size_t size_bytes = (size_t)(newline - client->line) + 1;
        *newline = '\0';
        obey(client, client->line);
        client->used -= size_bytes;
        memmove(client->line, newline + 1, client->used);
    }
}

static void readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct client *client = poll->data;
    ssize_t n = recv(client->fd, client->line + client->used, sizeof client->line - client->used, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        end(client);
        return;
    }
    client->used += (size_t)n;
    obey_lines(client);
}

static void on_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)listener;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) abort();
    client->actor = context;
    client->fd = fd;
    client->poll.data = client;
    uv_poll_init(skep_worker_loop(worker), &client->poll, fd);
    uv_poll_start(&client->poll, UV_READABLE, readable);
}

/* --- messages --- */

static void on_message(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    bool echo = strcmp(message->name, "echo") == 0;
    printf("%s %.*s\n", message->name, (int)message->size_bytes, (const char *)message->data);
    fflush(stdout);
    if (message->request == 0) return;
    if (skep_reply(worker, message->from, message->request, echo ? SKEP_OK : SKEP_ENOHANDLER,
                   echo ? message->data : NULL, echo ? message->size_bytes : 0) != SKEP_OK)
        abort();
}

static void talk(struct actor *actor) {
    skep_on_message(actor->worker, on_message, actor);
    if (skep_subscribe(actor->worker) != SKEP_OK) abort();
}

/* --- the worker --- */

static int serve(struct actor *actor, char *const *urls) {
    skep_listener *listener;
    for (; *urls != NULL; urls++) {
        if (listen_on(actor, *urls, &listener) == SKEP_OK) continue;
        fprintf(stderr, "actor: cannot listen on %s\n", skep_worker_why(actor->worker));
        return EX_CONFIG;
    }
    int status = skep_worker_run(actor->worker);
    return status == SKEP_ECLOSED ? EXIT_SUCCESS : skep_exit_status(status);
}

int main(int argc, char **argv) {
    struct actor actor = {0};
    bool stubborn = argc > 1 && strcmp(argv[1], "--stubborn") == 0;
    bool talks = argc > 1 + stubborn && strcmp(argv[1 + stubborn], "--talk") == 0;
    if (stubborn) signal(SIGTERM, SIG_IGN);
    int status = skep_worker_new(&actor.worker, NULL);
    if (status != SKEP_OK) {
        fprintf(stderr, "actor: cannot join the broker: %s\n", skep_strerror(status));
        return skep_exit_status(status);
    }
    if (talks) talk(&actor);
    status = serve(&actor, argv + 1 + stubborn + talks);
    skep_worker_free(&actor.worker);
    return status;
}
