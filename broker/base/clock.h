/* SPDX-License-Identifier: MIT
 * The broker's own time, which stands still while the broker does: nothing is late because the broker was stopped
 * (SIGSTOP) or the machine suspended. Leases, delays and deadlines of workers are alarms of this clock. A test has one
 * that is moved by hand. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "base/heap.h"

struct skep__clock;

/* Does not keep the loop alive. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__clock_new(struct skep__clock **clock, uv_loop_t *loop);

/* One whose time stands still unless skep__clock_move moves it. It needs no loop. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__clock_new_by_hand(struct skep__clock **clock);

/* Moves one that is moved by hand. Alarms ring on the way, each at its time; those that are set meanwhile, too, if they
 * are due by then. Not from an alarm. */
void skep__clock_move(struct skep__clock *clock, uint64_t duration_ms);

/* When the next alarm rings; UINT64_MAX: none is set. */
uint64_t skep__clock_next_ms(const struct skep__clock *clock);

/* What its time was so many milliseconds of the machine's ago. One that is moved by hand has stood still since. */
uint64_t skep__clock_ago_ms(struct skep__clock *clock, uint64_t age_ms);

/* Frees the clock when its handles have closed, on a later turn of the loop; sets *clock to NULL. No alarm rings any
 * more, and none may be touched any more that is still set. */
void skep__clock_free(struct skep__clock **clock);

/* Milliseconds since the clock was made, from 1 on; never goes back, and stands still within a turn of the loop. While
 * alarms are set, a stretch of more than a second in which the loop did not turn does not count; while none is set,
 * nobody looks and every stretch counts in full. */
uint64_t skep__clock_ms(struct skep__clock *clock);

/* When the latest stretch was that did not count; 0: there was none. */
uint64_t skep__clock_gap_ms(const struct skep__clock *clock);

/* The wall clock, for people to read: milliseconds since 1970. */
uint64_t skep__wall_ms(void);

/* Whether something that is told once in a period at most may be told again, which is noted then. *told_ms: when it was
 * told last; 0: never. */
static inline bool skep__may_tell(uint64_t now_ms, uint64_t period_ms, uint64_t *told_ms) {
    if (*told_ms != 0 && now_ms - *told_ms < period_ms) return false;
    *told_ms = now_ms;
    return true;
}

/* Zeroed at first. Rings on the loop, and only after what had arrived when it was due has been read. */
struct skep__alarm {
    struct skep__heap_node node;
    struct skep__clock *clock;
    uint64_t due_ms;
    uint64_t number;                         /* of its setting */
    void (*ring)(struct skep__alarm *alarm); /* it is not set any more then; may set, stop or free any alarm */
    bool holds;                              /* keeps the loop alive while it is set; to be said before */
};

/* Sets an alarm, or moves one that is set. Errors: SKEP_ENOMEM, only if it was not set. */
SKEP_MUST_USE int skep__alarm_set(struct skep__clock *clock, struct skep__alarm *alarm, uint64_t delay_ms,
                                  void (*ring)(struct skep__alarm *alarm));

/* Does nothing if it is not set. */
void skep__alarm_stop(struct skep__alarm *alarm);

bool skep__alarm_is_set(const struct skep__alarm *alarm);
