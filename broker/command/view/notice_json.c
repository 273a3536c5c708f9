/* SPDX-License-Identifier: MIT
 * Events as JSON objects: the lines of `skep events --json`. */
#include "command/common/fields.h"
#include "command/view/notice.h"
#include "common/signal_text.h"
#include "common/text.h"

static void add_exit(json_t *object, const struct notice *notice) {
    char name[SKEP__SIGNAL_BYTES];
    skep__signal_text(notice->signal, name);
    json_object_set_new(object, "code", notice->code >= 0 ? json_integer(notice->code) : json_null());
    json_object_set_new(object, "signal", notice->signal >= 0 ? json_string(name) : json_null());
    json_object_set_new(object, "reason", json_of_bytes(notice->reason));
    json_object_set_new(object, "uptime_s", json_of_ms(notice->uptime_ms));
    json_object_set_new(object, "delay_ms", notice->delay_ms >= 0 ? json_integer(notice->delay_ms) : json_null());
}

json_t *notice_json(const struct notice *notice) {
    char time[32];
    time_text(notice->time_ms, time);
    json_t *object = json_pack("{s:o, s:s, s:o}", "seq", json_of_count(notice->seq), "time", time, "event",
                               json_of_bytes(notice->event));
    if (object == NULL) return NULL;
    if (notice->worker != 0)
        json_object_set_new(object, "worker",
                            json_pack("{s:I, s:i}", "id", (json_int_t)notice->worker, "pid", notice->pid));
    if (skep__text_is(notice->event, "exit")) add_exit(object, notice);
    else if (notice->reason.size_bytes > 0) json_object_set_new(object, "reason", json_of_bytes(notice->reason));
    if (notice->url.size_bytes > 0) json_object_set_new(object, "url", json_of_bytes(notice->url));
    if (notice->queue.size_bytes > 0) json_object_set_new(object, "queue", json_of_bytes(notice->queue));
    if (notice->phase.size_bytes > 0) json_object_set_new(object, "phase", json_of_bytes(notice->phase));
    if (notice->has_steps) {
        json_object_set_new(object, "step", json_integer(notice->step));
        json_object_set_new(object, "steps", json_integer(notice->steps));
    }
    return object;
}
