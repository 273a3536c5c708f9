/* SPDX-License-Identifier: MIT
 * Time that counts only while the loop turns, and alarms by it. A timer looks at the clock twice a second or more
 * often; what is due then rings in the check phase of the loop, behind the poll: libuv's timers come before it, and
 * after a stall they would treat as late what has arrived but was not yet read. */
#include "base/clock.h"
#include "common/container.h"

#include <stdlib.h>
#include <time.h>

enum {
    STEP_MS = 500,         /* between looks, at most */
    LONGEST_GAP_MS = 1000, /* a loop that did not turn for longer was stopped, and its workers may have been too */
};

struct skep__clock {
    bool by_hand; /* it has no handles */
    uv_timer_t look;
    uv_check_t polled;
    int open_handles;
    struct skep__heap alarms;
    unsigned holding;   /* of the alarms: those that keep the loop alive */
    uint64_t set_count; /* alarms, ever */
    uint64_t now_ms;
    uint64_t seen_ms; /* the loop's time when now_ms was reckoned */
    uint64_t gap_ms;  /* now_ms at the latest stretch that did not count */
};

static struct skep__alarm *alarm_of(const struct skep__heap_node *node) {
    return SKEP_CONTAINER(node, struct skep__alarm, node);
}

/* Those that are due together ring in the order in which they were set. */
static bool is_before(const struct skep__heap_node *a, const struct skep__heap_node *b) {
    const struct skep__alarm *first = alarm_of(a), *second = alarm_of(b);
    return first->due_ms != second->due_ms ? first->due_ms < second->due_ms : first->number < second->number;
}

uint64_t skep__clock_ms(struct skep__clock *clock) {
    if (clock->by_hand) return clock->now_ms;
    uint64_t loop_ms = uv_now(clock->look.loop), gap_ms = loop_ms - clock->seen_ms;
    clock->seen_ms = loop_ms;
    if (gap_ms <= LONGEST_GAP_MS || clock->alarms.size == 0) clock->now_ms += gap_ms;
    else clock->gap_ms = clock->now_ms;
    return clock->now_ms;
}

uint64_t skep__clock_ago_ms(struct skep__clock *clock, uint64_t age_ms) {
    uint64_t now_ms = skep__clock_ms(clock);
    if (clock->by_hand) return now_ms;
    return age_ms < now_ms ? now_ms - age_ms : 0;
}

uint64_t skep__clock_gap_ms(const struct skep__clock *clock) {
    return clock->gap_ms;
}

/* The first alarm that is due by then; NULL if there is none. */
static struct skep__alarm *first_due(const struct skep__clock *clock, uint64_t by_ms) {
    const struct skep__heap_node *first = skep__heap_first(&clock->alarms);
    return first != NULL && alarm_of(first)->due_ms <= by_ms ? alarm_of(first) : NULL;
}

static void look(uv_timer_t *timer);

/* Never in less than a millisecond: libuv calls a timer that starts itself with 0 again and again. */
static void look_in_time(struct skep__clock *clock) {
    const struct skep__heap_node *first = skep__heap_first(&clock->alarms);
    uint64_t now_ms = skep__clock_ms(clock), delay_ms = STEP_MS;
    if (first == NULL) {
        uv_timer_stop(&clock->look);
        return;
    }
    if (alarm_of(first)->due_ms < now_ms + STEP_MS) delay_ms = alarm_of(first)->due_ms - now_ms;
    if (alarm_of(first)->due_ms <= now_ms) delay_ms = 1;
    uv_timer_start(&clock->look, look, delay_ms, 0);
}

static void ring_due(uv_check_t *polled) {
    struct skep__clock *clock = polled->data;
    struct skep__alarm *alarm;
    uint64_t now_ms = clock->now_ms; /* what is due later has not been waited for */
    uv_check_stop(polled);
    while ((alarm = first_due(clock, now_ms)) != NULL) {
        skep__alarm_stop(alarm);
        alarm->ring(alarm);
    }
    look_in_time(clock);
}

static void look(uv_timer_t *timer) {
    struct skep__clock *clock = timer->data;
    if (first_due(clock, skep__clock_ms(clock)) != NULL) uv_check_start(&clock->polled, ring_due);
    look_in_time(clock);
}

static struct skep__clock *allocate(void) {
    struct skep__clock *clock = calloc(1, sizeof *clock);
    if (clock == NULL) return NULL;
    clock->alarms.before = is_before;
    clock->now_ms = 1; /* 0 is never */
    return clock;
}

int skep__clock_new_by_hand(struct skep__clock **out) {
    struct skep__clock *clock = allocate();
    if (clock == NULL) return SKEP_ENOMEM;
    clock->by_hand = true;
    *out = clock;
    return SKEP_OK;
}

int skep__clock_new(struct skep__clock **out, uv_loop_t *loop) {
    struct skep__clock *clock = allocate();
    if (clock == NULL) return SKEP_ENOMEM;
    uv_timer_init(loop, &clock->look);
    uv_check_init(loop, &clock->polled);
    uv_unref((uv_handle_t *)&clock->look);
    uv_unref((uv_handle_t *)&clock->polled);
    clock->look.data = clock->polled.data = clock;
    clock->open_handles = 2;
    clock->seen_ms = uv_now(loop);
    *out = clock;
    return SKEP_OK;
}

static void handle_closed(uv_handle_t *handle) {
    struct skep__clock *clock = handle->data;
    if (--clock->open_handles == 0) free(clock);
}

void skep__clock_free(struct skep__clock **out) {
    struct skep__clock *clock = *out;
    if (clock == NULL) return;
    skep__heap_free(&clock->alarms);
    *out = NULL;
    if (clock->by_hand) {
        free(clock);
        return;
    }
    uv_close((uv_handle_t *)&clock->look, handle_closed);
    uv_close((uv_handle_t *)&clock->polled, handle_closed);
}

void skep__alarm_stop(struct skep__alarm *alarm) {
    struct skep__clock *clock = alarm->clock;
    if (!skep__alarm_is_set(alarm)) return;
    skep__clock_ms(clock); /* as long as there are alarms */
    skep__heap_remove(&clock->alarms, &alarm->node);
    if (clock->by_hand) return;
    if (alarm->holds && --clock->holding == 0) uv_unref((uv_handle_t *)&clock->look);
    if (clock->alarms.size == 0) uv_timer_stop(&clock->look);
}

int skep__alarm_set(struct skep__clock *clock, struct skep__alarm *alarm, uint64_t delay_ms,
                    void (*ring)(struct skep__alarm *alarm)) {
    uint64_t now_ms = skep__clock_ms(clock);
    if (delay_ms == 0) delay_ms = 1; /* not in the turn that sets it */
    skep__alarm_stop(alarm);         /* leaves room for it */
    alarm->due_ms = delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX;
    alarm->number = ++clock->set_count;
    if (skep__heap_add(&clock->alarms, &alarm->node) != SKEP_OK) return SKEP_ENOMEM;
    alarm->clock = clock;
    alarm->ring = ring;
    if (clock->by_hand) return SKEP_OK;
    if (alarm->holds && clock->holding++ == 0) uv_ref((uv_handle_t *)&clock->look);
    if (skep__heap_first(&clock->alarms) == &alarm->node) look_in_time(clock);
    return SKEP_OK;
}

uint64_t skep__clock_next_ms(const struct skep__clock *clock) {
    const struct skep__heap_node *first = skep__heap_first(&clock->alarms);
    return first != NULL ? alarm_of(first)->due_ms : UINT64_MAX;
}

void skep__clock_move(struct skep__clock *clock, uint64_t duration_ms) {
    uint64_t end_ms = clock->now_ms + duration_ms;
    struct skep__alarm *alarm;
    while ((alarm = first_due(clock, end_ms)) != NULL) {
        if (alarm->due_ms > clock->now_ms) clock->now_ms = alarm->due_ms;
        skep__alarm_stop(alarm);
        alarm->ring(alarm);
    }
    clock->now_ms = end_ms;
}

uint64_t skep__wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool skep__alarm_is_set(const struct skep__alarm *alarm) {
    return alarm->node.index != 0;
}
