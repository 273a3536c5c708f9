/* SPDX-License-Identifier: MIT
 * Glue between Skep's connections, libuv's loop and libmicrohttpd (MHD).
 *
 * MHD runs without a thread and without a listening socket. Its epoll descriptor is watched by the loop;
 * connections that arrive and descriptors that become ready only mark work as due, and MHD runs once at the end of
 * the loop's turn for all of them. None of the handles keeps the loop alive: the worker does, as long as
 * connections are unfinished. */
#include "http.h"

#include <malloc.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

enum {
    CONNECTIONS = 1 << 20,         /* the descriptor limit is reached long before */
    SILENCE_S = 60,                /* a connection without a byte for so long is closed */
    LEAVE_SILENCE_MS = 500,        /* the same while leaving; a request that was under way has arrived by then */
    KEPT_BYTES = 16 * 1024 * 1024, /* of the heap */
    MEMORY_BYTES = 16384,          /* of a connection, for its headers; MHD clears it for each request */
    REPLY_BYTES = 4000,
    CONSTANTS = 4,
    HANDLES = 4,
};

#define TEXT "text/plain; charset=utf-8"

struct connection {
    LIST_ENTRY(connection) entry;
    int fd;
    bool busy;         /* its request has begun and is not answered yet */
    bool announced;    /* MHD has shown the request's headers; the next call is for the whole of it */
    uint64_t begun_ns; /* busy: when its first line had arrived; uv_hrtime's clock */
    uint64_t idle_since_ms;
};

struct constant {
    const char *text;
    struct MHD_Response *response;
};

struct http {
    skep_worker *worker;
    http_handler handler;
    void (*replied)(void *context);
    void *context;
    struct MHD_Daemon *daemon;
    uv_poll_t ready;  /* MHD's epoll descriptor */
    uv_check_t turn;  /* end of the loop's turn */
    uv_timer_t later; /* MHD's own timeouts */
    uv_timer_t leave; /* looks for silent connections while leaving */
    unsigned handles; /* of the four above, not closed yet */
    bool due;         /* MHD has something to do */
    bool leaving;
    uint64_t opened; /* connections that MHD took */
    LIST_HEAD(, connection) connections;
    struct constant constants[CONSTANTS];
};

struct http_request {
    http *server;
    struct MHD_Connection *connection;
    enum MHD_Result result;
};

/* --- Running MHD --- */

static void on_later(uv_timer_t *timer);

/* The timer wakes the loop when MHD wants to run though no descriptor becomes ready. One that fires too early does no
 * harm. */
static void run(http *server) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    server->due = false;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES) return;
    if (timeout_ms == 0 || !uv_is_active((uv_handle_t *)&server->later))
        uv_timer_start(&server->later, on_later, timeout_ms, 0);
}

static void on_later(uv_timer_t *timer) {
    run(timer->data);
}

static void on_turn(uv_check_t *turn) {
    http *server = turn->data;
    if (server->due) run(server);
}

static void on_ready(uv_poll_t *ready, int status, int events) {
    (void)status, (void)events;
    ((http *)ready->data)->due = true;
}

/* --- Connections --- */

static void opened(http *server, struct MHD_Connection *mhd, void **context) {
    server->opened++;
    struct connection *connection = *context = calloc(1, sizeof *connection);
    if (!connection) return; /* its first request is refused */
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->idle_since_ms = uv_now(skep_worker_loop(server->worker));
    LIST_INSERT_HEAD(&server->connections, connection, entry);
}

static void closed(http *server, struct connection *connection, int fd) {
    skep_connection_finished(server->worker, fd);
    if (!connection) return;
    LIST_REMOVE(connection, entry);
    free(connection);
}

static void on_connection(void *server, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) opened(server, mhd, context);
    else closed(server, *context, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
}

void http_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC}; /* MHD only keeps it for those who ask */
    http *server = context;
    uint64_t opened_before = server->opened;
    (void)listener;
    bool taken = MHD_add_connection(server->daemon, fd, &nobody, sizeof nobody) == MHD_YES;
    if (!taken && server->opened == opened_before) skep_connection_finished(worker, fd); /* MHD has closed fd */
    if (server->due) return;
    server->due = true;
    uv_timer_start(&server->later, on_later, 0, 0); /* the loop may be past the end of its turn: it must not wait */
}

/* --- Requests --- */

/* The first line of a request has arrived. What this returns is the request's context. */
static void *on_begin(void *server, const char *uri, struct MHD_Connection *mhd) {
    (void)server, (void)uri;
    struct connection *connection = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (connection) connection->busy = true, connection->announced = false, connection->begun_ns = uv_hrtime();
    return connection;
}

/* MHD calls first for the headers, then for each piece of the body, then for the whole. A reply to the first call
 * would close the connection. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *path, const char *method,
                                  const char *version, const char *data, size_t *size_bytes, void **request_context) {
    (void)method, (void)version, (void)data;
    http *server = context;
    struct connection *connection = *request_context;
    if (!connection) return MHD_NO;
    if (!connection->announced) return connection->announced = true, MHD_YES;
    if (*size_bytes > 0) return *size_bytes = 0, MHD_YES;
    struct http_request request = {.server = server, .connection = mhd, .result = MHD_NO};
    server->handler(&request, path, server->context);
    return request.result;
}

static void on_replied(void *context, struct MHD_Connection *mhd, void **request_context,
                       enum MHD_RequestTerminationCode code) {
    (void)mhd;
    http *server = context;
    struct connection *connection = *request_context;
    if (!connection) return;
    connection->busy = false, connection->idle_since_ms = uv_now(skep_worker_loop(server->worker));
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK) return;
    skep_request_handled(server->worker, uv_hrtime() - connection->begun_ns);
    if (server->replied) server->replied(server->context);
}

/* --- Replies --- */

static struct MHD_Response *make(const http *server, const char *type, const char *text, size_t size_bytes,
                                 enum MHD_ResponseMemoryMode mode) {
    /* MHD only reads text, whatever the type of its parameter says. */
    struct MHD_Response *response = MHD_create_response_from_buffer(size_bytes, (void *)(uintptr_t)text, mode);
    if (!response) return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (server->leaving) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

void http_reply(http_request *request, unsigned status, const char *format, ...) {
    char text[REPLY_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t size_bytes = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    struct MHD_Response *response = make(request->server, TEXT, text, size_bytes, MHD_RESPMEM_MUST_COPY);
    if (!response) return;
    request->result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
}

/* The response of a constant text: as made before, or made now. NULL if there is no memory or no room for it. */
static struct MHD_Response *constant(http *server, const char *type, const char *text) {
    struct constant *end = server->constants + CONSTANTS, *found = server->constants;
    while (found < end && found->response && found->text != text) found++;
    if (found == end) return NULL;
    if (!found->response) {
        found->text = text;
        found->response = make(server, type, text, strlen(text), MHD_RESPMEM_PERSISTENT);
    }
    return found->response;
}

void http_reply_constant(http_request *request, const char *type, const char *text) {
    struct MHD_Response *response = constant(request->server, type, text);
    if (response) request->result = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
    else http_reply(request, MHD_HTTP_OK, "%s", text);
}

void http_on_replied(http *server, void (*callback)(void *context)) {
    server->replied = callback;
}

/* --- Leaving --- */

/* Ends reading from silent connections. What has arrived before is still read and answered, and then MHD sees the
 * end. */
static void close_silent(uv_timer_t *timer) {
    http *server = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    const struct connection *each;
    LIST_FOREACH(each, &server->connections, entry)
    if (!each->busy && now_ms - each->idle_since_ms >= LEAVE_SILENCE_MS) shutdown(each->fd, SHUT_RD);
}

static void on_leave(skep_worker *worker, void *context) {
    http *server = context;
    (void)worker;
    server->leaving = true;
    for (struct constant *each = server->constants; each < server->constants + CONSTANTS; each++)
        if (each->response) MHD_add_response_header(each->response, MHD_HTTP_HEADER_CONNECTION, "close");
    uv_timer_start(&server->leave, close_silent, 0, LEAVE_SILENCE_MS / 5);
}

/* --- The server --- */

/* Each burst of connections takes and gives back a few hundred KiB: given back to the system they would come again as
 * page faults. */
static bool start(http *server) {
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TURBO;
    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server,            //
                                      MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, //
                                      MHD_OPTION_NOTIFY_COMPLETED, on_replied, server,     //
                                      MHD_OPTION_URI_LOG_CALLBACK, on_begin, server,       //
                                      MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,  //
                                      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,  //
                                      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_END);
    if (!server->daemon) return false;
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (uv_poll_init(skep_worker_loop(server->worker), &server->ready, epoll_fd) == 0) return true;
    MHD_stop_daemon(server->daemon);
    return false;
}

static void watch(http *server, uv_loop_t *loop) {
    uv_check_init(loop, &server->turn);
    uv_timer_init(loop, &server->later);
    uv_timer_init(loop, &server->leave);
    uv_poll_start(&server->ready, UV_READABLE, on_ready);
    uv_check_start(&server->turn, on_turn);
    server->handles = HANDLES;
    uv_handle_t *handles[HANDLES] = {(uv_handle_t *)&server->ready, (uv_handle_t *)&server->turn,
                                     (uv_handle_t *)&server->later, (uv_handle_t *)&server->leave};
    for (size_t i = 0; i < HANDLES; i++) handles[i]->data = server, uv_unref(handles[i]);
}

int http_new(http **server, skep_worker *worker, http_handler handler, void *context) {
    http *made = calloc(1, sizeof *made);
    if (!made) return SKEP_ENOMEM;
    made->worker = worker, made->handler = handler, made->context = context;
    if (!start(made)) {
        free(made);
        return SKEP_ESYS;
    }
    watch(made, skep_worker_loop(worker));
    skep_on_leave(worker, on_leave, made);
    *server = made;
    return SKEP_OK;
}

static void on_closed(uv_handle_t *handle) {
    ((http *)handle->data)->handles--;
}

void http_free(http **server) {
    http *made = *server;
    if (!made) return;
    *server = NULL;
    skep_on_leave(made->worker, NULL, NULL);
    uv_close((uv_handle_t *)&made->ready, on_closed);
    uv_close((uv_handle_t *)&made->turn, on_closed);
    uv_close((uv_handle_t *)&made->later, on_closed);
    uv_close((uv_handle_t *)&made->leave, on_closed);
    while (made->handles > 0) uv_run(skep_worker_loop(made->worker), UV_RUN_NOWAIT);
    MHD_stop_daemon(made->daemon);
    for (size_t i = 0; i < CONSTANTS; i++)
        if (made->constants[i].response) MHD_destroy_response(made->constants[i].response);
    free(made);
}

static int serve(const char *program, const char *url, skep_worker *self, http *server, http_listening_cb listening) {
    skep_listener *listener;
    if (skep_listen(self, url, http_connection, server, &listener))
        return worker_cannot_listen(program, url, skep_worker_why(self));
    listening(self, server, listener);
    return worker_end(skep_worker_run(self));
}

int http_serve(const char *program, const char *url, http_handler handler, http_listening_cb listening) {
    skep_worker *self = NULL;
    http *server = NULL;
    int status = skep_worker_new(&self, NULL);
    if (!status) status = http_new(&server, self, handler, self);
    status = status ? worker_stray(program, status) : serve(program, url, self, server, listening);
    http_free(&server);
    skep_worker_free(&self);
    return status;
}
