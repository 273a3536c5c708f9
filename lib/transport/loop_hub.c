/* SPDX-License-Identifier: MIT
 * What the connections of a loop stand on: the buffer in which they receive, and the timer that runs while some of them
 * are waited for. */
#include <sys/socket.h>
#include <unistd.h>

#include "transport/loop.h"

enum { TICK_MS = 250 };

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
    if (!hub->look(hub) && hub->dismissed_count == 0) uv_timer_stop(timer);
}

void skep__loop_hub_watch(struct skep__loop_hub *hub) {
    if (!uv_is_active((uv_handle_t *)&hub->timer)) uv_timer_start(&hub->timer, tick, TICK_MS, TICK_MS);
}

int skep__loop_hub_make(struct skep__hub **out, uv_loop_t *loop, bool (*look)(struct skep__loop_hub *hub)) {
    struct skep__loop_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) return SKEP_ENOMEM;
    hub->look = look;
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

void skep__loop_hub_free(struct skep__hub *common) {
    struct skep__loop_hub *hub = (struct skep__loop_hub *)common;
    close_dismissed(hub);
    uv_close((uv_handle_t *)&hub->timer, closed);
}
