/* SPDX-License-Identifier: MIT
 * The loop's own transport: its hub and its table. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/loop.h"

enum {
    TICK_MS = 250,
    LATE_TICKS = 40 /* 10 s, in ticks of this loop, so that its own standing still ends nobody */
};

static struct skep__pipe *find_overdue(const struct skep__loop_hub *hub) {
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &hub->late, late_entry) if (pipe->ticks >= LATE_TICKS) break;
    return pipe;
}

/* What its owner does when it learns of the end may close others that are late: so the search begins again. */
static void look_after_late(struct skep__loop_hub *hub) {
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &hub->late, late_entry) pipe->ticks++;
    while ((pipe = find_overdue(hub)) != NULL) {
        if (pipe->reader.why == NULL) pipe->reader.why = "does not complete what it has begun";
        pipe->events->ended(pipe, false);
        skep__pipe_close(pipe);
    }
}

/* They accept on the next turn, from where their owners may free others. */
static void look_after_starved(struct skep__loop_hub *hub) {
    struct skep__acceptor *acceptor;
    while ((acceptor = LIST_FIRST(&hub->starved)) != NULL) skep__acceptor_recover(acceptor);
}

static void close_dismissed(struct skep__loop_hub *hub) {
    while (hub->dismissed_count > 0) close(hub->dismissed[--hub->dismissed_count]);
}

void skep__loop_hub_dismiss(struct skep__loop_hub *hub, int fd) {
    if (hub->dismissed_count == SKEP__DISMISSED_MOST) close_dismissed(hub);
    shutdown(fd, SHUT_WR);
    hub->dismissed[hub->dismissed_count++] = fd;
    skep__loop_hub_watch(hub);
}

static void tick(uv_timer_t *timer) {
    struct skep__loop_hub *hub = timer->data;
    close_dismissed(hub);
    look_after_late(hub);
    look_after_starved(hub);
    if (LIST_EMPTY(&hub->late) && LIST_EMPTY(&hub->starved)) uv_timer_stop(timer);
}

void skep__loop_hub_watch(struct skep__loop_hub *hub) {
    if (!uv_is_active((uv_handle_t *)&hub->timer)) uv_timer_start(&hub->timer, tick, TICK_MS, TICK_MS);
}

static int hub_new(struct skep__hub **out, uv_loop_t *loop) {
    struct skep__loop_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) return SKEP_ENOMEM;
    LIST_INIT(&hub->late);
    LIST_INIT(&hub->starved);
    uv_timer_init(loop, &hub->timer);
    uv_unref((uv_handle_t *)&hub->timer);
    hub->timer.data = hub;
    *out = &hub->common;
    return SKEP_OK;
}

static void closed(uv_handle_t *handle) {
    struct skep__loop_hub *hub = handle->data;
    free(hub->buffer);
    free(hub);
}

static void hub_free(struct skep__hub *common) {
    struct skep__loop_hub *hub = (struct skep__loop_hub *)common;
    close_dismissed(hub);
    uv_close((uv_handle_t *)&hub->timer, closed);
}

const struct skep__transport skep__loop_transport = {
    .name = "loop",
    .hub_new = hub_new,
    .hub_free = hub_free,
    .port_new = skep__loop_port_new,
    .port_listen = skep__loop_port_listen,
    .port_dial = skep__loop_port_dial,
    .port_send = skep__loop_port_send,
    .port_has_room = skep__loop_port_has_room,
    .port_is_sending = skep__loop_port_is_sending,
    .port_push = skep__loop_port_push,
    .port_finish = skep__loop_port_finish,
    .port_read = skep__loop_port_read,
    .port_blame = skep__loop_port_blame,
    .port_free = skep__loop_port_free,
    .server_new = skep__loop_server_new,
    .call_answer = skep__loop_call_answer,
    .server_free = skep__loop_server_free,
    .caller_new = skep__loop_caller_new,
    .caller_ask = skep__loop_caller_ask,
    .caller_free = skep__loop_caller_free,
};
