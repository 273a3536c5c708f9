/* SPDX-License-Identifier: MIT
 * HTTP for the programs of this folder: libmicrohttpd on the descriptors that Skep hands over, inside the worker's
 * own loop.
 *
 *     http *server;
 *     http_new(&server, worker, answer, NULL);
 *     skep_listen(worker, "tcp://127.0.0.1:8000", http_connection, server, NULL);
 *
 * Each request is timed, from its first line to the last byte of its reply, for skep status and skep top.
 *
 * When the worker leaves, requests that have begun are answered with "Connection: close", and connections that are
 * silent are closed. */
#pragma once

#include <skep/worker.h>

typedef struct http http;
typedef struct http_request http_request;

/* A whole request has arrived: call one of the http_reply functions before returning. */
typedef void (*http_handler)(http_request *request, const char *path, void *context);

/* Makes a server for connections of this worker; takes the worker's skep_on_leave. Free with http_free, before the
 * worker. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int http_new(http **server, skep_worker *worker, http_handler handler, void *context);

/* Closes every connection and sets *server to NULL. NULL is allowed. Not from a callback. */
void http_free(http **server);

/* The callback to give to skep_listen, with the server as its context. */
void http_connection(skep_worker *worker, skep_listener *listener, int fd, void *server);

/* Answers with text that is made for this request: at most 4,000 bytes of text/plain. */
void http_reply(http_request *request, unsigned status, const char *format, ...) SKEP_PRINTF(3, 4);

/* Answers 200 with text that stays the same as long as the server lives; known by its address, and so made only
 * once. */
void http_reply_constant(http_request *request, const char *type, const char *text);

/* Called when a worker listens, before it tells the broker that it is ready. */
typedef void (*http_listening_cb)(skep_worker *self, http *server, skep_listener *listener);

/* A whole worker that serves HTTP at a URL; the handler's context is the worker. Says what fails in a line. Returns the
 * exit status. */
int http_serve(const char *program, const char *url, http_handler handler, http_listening_cb listening);

/* Calls back after each reply, when its last byte has been given to the kernel; with the handler's context. */
void http_on_replied(http *server, void (*callback)(void *context));
