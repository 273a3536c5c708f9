/* SPDX-License-Identifier: MIT
 * A worker's life: each state with each signal, by a real process that does nothing, put into that state. */
#include "broker/hatch.h"

#include <signal.h>

#include "hive/private.h"
#include "journal/private.h"
#include "worker/private.h"

/* What is expected, written down apart from states.def: the next state, and the events that are told. */
struct row {
    enum skep__child_state next;
    const char *events; /* first letters, see letter_of */
};

/* online O, ready R, drain D, disconnect C, exit X, error E */
static const struct row table[SKEP__CHILD_STATES][SKEP__SIGNALS] = {
    [SKEP__CHILD_SPAWNING] =
        {
            [SKEP__SIGNAL_HELLO] = {SKEP__CHILD_ONLINE, "O"},
            [SKEP__SIGNAL_SAYS_READY] = {SKEP__CHILD_SPAWNING, ""},
            [SKEP__SIGNAL_LEAVE] = {SKEP__CHILD_DRAINING, "D"},
            [SKEP__SIGNAL_LINK_END] = {SKEP__CHILD_DRAINING, "C"},
            [SKEP__SIGNAL_DEADLINE] = {SKEP__CHILD_DRAINING, "E"},
            [SKEP__SIGNAL_EXIT] = {SKEP__CHILD_GONE, "CX"},
        },
    [SKEP__CHILD_ONLINE] =
        {
            [SKEP__SIGNAL_HELLO] = {SKEP__CHILD_ONLINE, ""},
            [SKEP__SIGNAL_SAYS_READY] = {SKEP__CHILD_READY, "R"},
            [SKEP__SIGNAL_LEAVE] = {SKEP__CHILD_DRAINING, "D"},
            [SKEP__SIGNAL_LINK_END] = {SKEP__CHILD_DRAINING, "C"},
            [SKEP__SIGNAL_DEADLINE] = {SKEP__CHILD_DRAINING, "E"},
            [SKEP__SIGNAL_EXIT] = {SKEP__CHILD_GONE, "CX"},
        },
    [SKEP__CHILD_READY] =
        {
            [SKEP__SIGNAL_HELLO] = {SKEP__CHILD_READY, ""},
            [SKEP__SIGNAL_SAYS_READY] = {SKEP__CHILD_READY, ""},
            [SKEP__SIGNAL_LEAVE] = {SKEP__CHILD_DRAINING, "D"},
            [SKEP__SIGNAL_LINK_END] = {SKEP__CHILD_DRAINING, "C"},
            [SKEP__SIGNAL_DEADLINE] = {SKEP__CHILD_DRAINING, "E"},
            [SKEP__SIGNAL_EXIT] = {SKEP__CHILD_GONE, "CX"},
        },
    [SKEP__CHILD_DRAINING] =
        {
            [SKEP__SIGNAL_HELLO] = {SKEP__CHILD_DRAINING, "O"},
            [SKEP__SIGNAL_SAYS_READY] = {SKEP__CHILD_DRAINING, ""},
            [SKEP__SIGNAL_LEAVE] = {SKEP__CHILD_DRAINING, ""},
            [SKEP__SIGNAL_LINK_END] = {SKEP__CHILD_DRAINING, "C"},
            [SKEP__SIGNAL_DEADLINE] = {SKEP__CHILD_DRAINING, "E"},
            [SKEP__SIGNAL_EXIT] = {SKEP__CHILD_GONE, "CX"},
        },
};

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
    char events[32];
    enum skep__child_state at_exit;
    uint64_t requests_at_exit;
};

static char letter_of(enum skep_event_kind kind) {
    switch (kind) {
    case SKEP_EVENT_ONLINE: return 'O';
    case SKEP_EVENT_READY: return 'R';
    case SKEP_EVENT_DRAIN: return 'D';
    case SKEP_EVENT_DISCONNECT: return 'C';
    case SKEP_EVENT_EXIT: return 'X';
    case SKEP_EVENT_ERROR: return 'E';
    default: return '?';
    }
}

static void see(skep_cluster *cluster, const skep_event *event, void *context) {
    struct bench *bench = context;
    (void)cluster;
    size_t used = strlen(bench->events);
    if (used + 1 < sizeof bench->events) bench->events[used] = letter_of(event->kind);
    if (event->kind != SKEP_EVENT_EXIT) return;
    bench->at_exit = event->child->state;
    bench->requests_at_exit = skep_child_requests(event->child);
}

static void open_bench(struct bench *bench, struct pump *pump) {
    static const enum skep_event_kind kinds[] = {SKEP_EVENT_ONLINE,     SKEP_EVENT_READY, SKEP_EVENT_DRAIN,
                                                 SKEP_EVENT_DISCONNECT, SKEP_EVENT_EXIT,  SKEP_EVENT_ERROR};
    *bench = (struct bench){.pump = pump};
    bench->cluster =
        hatch_cluster(pump, &(skep_settings){.exec = "sleep", .args = (const char *const[]){"1000", NULL}});
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_int_equal(skep_on(bench->cluster, kinds[i], see, bench), SKEP_OK);
}

static void start_child(struct bench *bench, enum skep__child_state state) {
    if (skep_fork(bench->cluster, NULL, &bench->child) != SKEP_OK) fail_msg("%s", skep_cluster_why(bench->cluster));
    pump_turns(bench->pump, 2);
    memset(bench->events, 0, sizeof bench->events);
    bench->child->state = state;
}

/* As if the process had ended: it is killed and reaped by hand. */
static void end_process(struct bench *bench) {
    kill(bench->child->pid, SIGKILL);
    skep__child_reap(bench->child);
    bench->child->exit_signal = SIGKILL;
    uv_poll_stop(&bench->child->process->pid_poll);
}

static void try_cell(struct bench *bench, enum skep__child_state state, enum skep__child_signal signal) {
    const struct row *row = &table[state][signal];
    start_child(bench, state);
    uint32_t id = bench->child->id;
    if (signal == SKEP__SIGNAL_EXIT) end_process(bench);
    skep__life(bench->child, signal);
    bool gone = skep_child_by_id(bench->cluster, id) == NULL;
    enum skep__child_state next = gone ? bench->at_exit : bench->child->state;
    skep__emit_due(bench->cluster);
    if (next != row->next || strcmp(bench->events, row->events) != 0)
        fail_msg("%s, signal %d: %s, events %s", skep__state_name(state), (int)signal, skep__state_name(next),
                 bench->events);
    assert_int_equal(gone, row->next == SKEP__CHILD_GONE);
}

static void test_every_state_with_every_signal(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    for (unsigned s = SKEP__CHILD_SPAWNING; s <= SKEP__CHILD_DRAINING; s++)
        for (unsigned signal = 0; signal < SKEP__SIGNALS; signal++)
            try_cell(&bench, (enum skep__child_state)s, (enum skep__child_signal)signal);
    hatch_free(bench.pump, &bench.cluster);
}

/* Nothing happens to who is gone. */
static void test_gone(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    start_child(&bench, SKEP__CHILD_GONE);
    for (unsigned signal = 0; signal < SKEP__SIGNALS; signal++) {
        skep__life(bench.child, (enum skep__child_signal)signal);
        assert_int_equal(bench.child->state, SKEP__CHILD_GONE);
    }
    skep__emit_due(bench.cluster);
    assert_string_equal(bench.events, "");
    hatch_free(bench.pump, &bench.cluster);
}

/* What a worker has counted last is known to those who hear of its end. */
static void test_counts_of_the_killed(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    start_child(&bench, SKEP__CHILD_READY);
    bench.child->page->writes = 1;
    bench.child->page->requests = 7;
    end_process(&bench);
    skep__life(bench.child, SKEP__SIGNAL_EXIT);
    assert_int_equal(bench.requests_at_exit, 7);
    assert_int_equal(bench.cluster->messages->requests, 7);
    hatch_free(bench.pump, &bench.cluster);
}

static void test_names(void **state) {
    static const char *const names[] = {"spawning", "online", "ready", "draining", "gone"};
    (void)state;
    assert_int_equal(SKEP__CHILD_STATES, 5);
    for (unsigned s = 0; s < SKEP__CHILD_STATES; s++)
        assert_string_equal(skep__state_name((enum skep__child_state)s), names[s]);
}

/* --- deadlines --- */

static unsigned due_in_ms(const struct bench *bench) {
    const struct skep__alarm *deadline = &bench->child->progress->deadline;
    return skep__alarm_is_set(deadline) ? (unsigned)(deadline->due_ms - skep__clock_ms(deadline->clock)) : 0;
}

static void test_deadlines(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    start_child(&bench, SKEP__CHILD_SPAWNING);
    assert_in_range(due_in_ms(&bench), 9000, 10000); /* to become ready */
    skep__life(bench.child, SKEP__SIGNAL_HELLO);
    assert_in_range(due_in_ms(&bench), 9000, 10000);
    skep__life(bench.child, SKEP__SIGNAL_SAYS_READY);
    assert_int_equal(due_in_ms(&bench), 0);
    skep__life(bench.child, SKEP__SIGNAL_LEAVE);
    assert_in_range(due_in_ms(&bench), 9000, 10000); /* to leave */
    assert_int_equal(bench.child->progress->escalation, 0);
    skep__life(bench.child, SKEP__SIGNAL_DEADLINE);
    assert_int_equal(bench.child->progress->escalation, 1);
    assert_string_equal(bench.child->reason, "drain-timeout");
    hatch_free(bench.pump, &bench.cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_every_state_with_every_signal),
        PUMP_TEST(test_gone),
        PUMP_TEST(test_counts_of_the_killed),
        PUMP_TEST(test_names),
        PUMP_TEST(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
