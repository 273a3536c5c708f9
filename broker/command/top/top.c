/* SPDX-License-Identifier: MIT
 * skep top: snapshots, news and keys in; frames out.
 *
 * One thread waits for all of it. Signals are let through only while it waits, so that nothing is interrupted halfway.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/common/contact.h"
#include "command/common/follow.h"
#include "command/common/say.h"
#include "command/common/times.h"
#include "command/common/width.h"
#include "command/subcommands.h"
#include "command/top/frame.h"

enum {
    INTERVAL_MS = 1000,
    SOON_MS = 250,  /* between two snapshots, whatever happens */
    ONCE_MS = 1000, /* between the two that rates are made from */
    TIMEOUT_MS = 2000,
    PAST_EVENTS = 64,
    COLUMNS = 80, /* of a frame that is printed */
    MOST_COLUMNS = 1000
};

struct top {
    struct contact contact;
    struct follower follower;
    bool is_silent;    /* the broker did not answer the latest question in time */
    bool hurries;      /* something happened to a worker: the next snapshot is due soon */
    int lost;          /* status by which the broker was lost */
    uint64_t asked_ms; /* when the latest snapshot was asked for */
    struct top_model model;
    struct top_view view;
    struct top_canvas canvas;
};

/* --- snapshots --- */

struct taking {
    struct top_snapshot snapshot;
    int status;
};

static void on_answer(const struct skep_command *command, void *context) {
    struct taking *taking = context;
    if (taking->status == SKEP_OK) taking->status = top_snapshot_add(&taking->snapshot, command);
}

static int ask(struct top *top, const struct skep_command *question, answer_cb *answer, void *context) {
    return contact_ask(&top->contact, question, TIMEOUT_MS, answer, context);
}

static int fill(struct top *top, struct taking *taking) {
    struct skep_command status_question = {.id = SKEP_COMMAND_status}, queues = {.id = SKEP_COMMAND_queues};
    SKEP_SET(status, &status_question.status, times, true);
    taking->snapshot.time_ms = monotonic_ms();
    int status = ask(top, &status_question, on_answer, taking);
    if (status == SKEP_OK && taking->snapshot.broker.status.pid == 0) status = SKEP_EPROTO;
    if (status == SKEP_OK) status = ask(top, &queues, on_answer, taking);
    return status == SKEP_OK ? taking->status : status;
}

static int take_snapshot(struct top *top) {
    struct taking taking = {0};
    top->asked_ms = monotonic_ms();
    top->hurries = false;
    int status = fill(top, &taking);
    if (status == SKEP_OK) top_model_take(&top->model, &taking.snapshot);
    top_snapshot_free(&taking.snapshot);
    return status == SKEP_OK ? top_view_update(&top->view, &top->model) : status;
}

/* --- news --- */

static void on_event(const struct skep_command_event *event, void *context) {
    struct top *top = context;
    top_model_note(&top->model, event);
    top->hurries = true;
}

/* At most so many at a time: keys are never kept waiting. */
static void read_news(struct top *top) {
    enum { MOST = 100 };
    for (int i = 0; i < MOST; i++)
        if (follow_read(&top->follower, 0) != SKEP_OK) return;
}

static void begin_past(struct top *top) {
    uint64_t latest = top->model.now.broker.status.newsSeq;
    top->follower.at.latest = latest > PAST_EVENTS ? latest - PAST_EVENTS : 0;
    follow_catch_up(&top->follower);
    top->hurries = false;
}

/* --- keys --- */

static void steer(struct top *top, enum top_action action) {
    uint32_t worker = top->view.chosen;
    struct skep_command command = {.id = SKEP_COMMAND_drainWorker, .drainWorker = {.worker = worker}};
    if (action == TOP_RESTART)
        command = (struct skep_command){.id = SKEP_COMMAND_restartWorker, .restartWorker = {.worker = worker}};
    if (action == TOP_KILL)
        command = (struct skep_command){.id = SKEP_COMMAND_signalWorker,
                                        .signalWorker = {.worker = worker, .signal = SIGKILL}};
    int status = ask(top, &command, ignore_answer, NULL);
    const char *name = top_action_name(action);
    if (status == SKEP_OK) top_view_say(&top->view, false, "%s worker %u: done", name, worker);
    else top_view_say(&top->view, true, "%s worker %u: %s", name, worker, top->contact.why);
    top->hurries = true;
}

/* False at the end. */
static bool read_keys(struct top *top) {
    for (int key; (key = top_screen_key()) != 0;) {
        if (top->lost != SKEP_OK) return false;
        enum top_action action = top_view_key(&top->view, &top->model, key);
        if (action == TOP_QUIT) return false;
        if (action != TOP_NOTHING) steer(top, action);
    }
    return true;
}

/* --- the loop --- */

static volatile sig_atomic_t ended;

static void on_signal(int signal) {
    (void)signal;
    ended = 1;
}

/* Returns the mask that was. */
static sigset_t hold_signals(void) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    return before;
}

static void end_on_signals(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) sigaction(ends[i], &action, NULL);
}

static int draw(struct top *top) {
    int columns, rows;
    top_screen_size(&columns, &rows);
    int status = top_frame_draw(&top->canvas, columns, rows, &top->model, &top->view);
    if (status == SKEP_OK) top_screen_draw(&top->canvas);
    return status;
}

/* A frame that is held is asked for nothing: what has happened meanwhile is asked for afterwards. */
static bool is_held(const struct top *top) {
    return top->lost != SKEP_OK || top->view.paused;
}

static int until_snapshot_ms(const struct top *top) {
    if (is_held(top)) return -1;
    unsigned interval_ms = top->model.interval_ms,
             wait_ms = top->hurries && interval_ms > SOON_MS ? SOON_MS : interval_ms;
    uint64_t due_ms = top->asked_ms + wait_ms, now = monotonic_ms();
    return due_ms > now ? (int)(due_ms - now) : 0;
}

/* True if keys may have been pressed. */
static bool wait_for_more(struct top *top, const sigset_t *mask) {
    int timeout_ms = until_snapshot_ms(top);
    struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    int news_fd = skep__news_reader_fd(top->follower.news);
    struct pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = news_fd, .events = POLLIN}};
    nfds_t count = is_held(top) ? 1 : 2;
    int ready = ppoll(waits, count, timeout_ms < 0 ? NULL : &timeout, mask);
    if (ready > 0 && (waits[0].revents & (POLLHUP | POLLERR))) ended = 1;
    if (ready > 0 && waits[1].revents != 0) read_news(top);
    return ready < 0 || waits[0].revents != 0;
}

/* A broker that is too slow may be there again the next time; one that has gone stays on the screen as it was last. */
static void go_on_without(struct top *top, int status) {
    top->is_silent = status == SKEP_ETIMEDOUT;
    if (top->is_silent) {
        top_view_say(&top->view, true, "the broker does not answer");
        return;
    }
    top->lost = status;
    top_view_say(&top->view, true, "%s; press any key to quit",
                 status == SKEP_ECLOSED ? "the broker is gone" : top->contact.why);
}

/* Now that it answers, it may be asked for what it did not answer. */
static void go_on_with(struct top *top) {
    const struct skep__news_sequence *at = &top->follower.at;
    if (at->seen > at->latest) follow_catch_up(&top->follower);
    if (top->is_silent) top->view.message[0] = '\0';
    top->is_silent = false;
}

static int watch(struct top *top, const sigset_t *mask) {
    for (bool more = true; more && !ended && !(top->follower.stopped && top->lost != SKEP_OK);) {
        int status = draw(top);
        if (status != SKEP_OK) return status;
        if (wait_for_more(top, mask)) more = read_keys(top);
        if (!more || until_snapshot_ms(top) != 0) continue;
        status = take_snapshot(top);
        if (status != SKEP_OK) go_on_without(top, status);
        else go_on_with(top);
    }
    return SKEP_OK;
}

static int watch_on_terminal(struct top *top, const sigset_t *mask) {
    end_on_signals();
    begin_past(top);
    const char *why = top_screen_open();
    if (why != NULL) return fail(SKEP_EINVAL, "top: %s; --once prints one frame", why);
    int status = watch(top, mask);
    top_screen_close();
    if (status != SKEP_OK) return fail(status, "top: %s", skep_strerror(status));
    if (top->lost == SKEP_OK) return 0;
    if (!top->follower.stopped) return contact_fail(&top->contact, top->lost);
    say("top: broker pid %d in %s has stopped", (int)top->contact.instance.pid, top->contact.instance.dir);
    return 0;
}

/* --- one frame --- */

static int columns_wanted(void) {
    const char *text = getenv("COLUMNS");
    long columns = text != NULL ? strtol(text, NULL, 10) : 0;
    return columns >= TOP_MIN_COLUMNS && columns <= MOST_COLUMNS ? (int)columns : COLUMNS;
}

static int print_once(struct top *top) {
    begin_past(top);
    poll(NULL, 0, ONCE_MS);
    int status = take_snapshot(top);
    if (status != SKEP_OK) return contact_fail(&top->contact, status);
    top->view.is_plain = true;
    int rows = top_frame_rows(&top->model, &top->view);
    status = top_frame_draw(&top->canvas, columns_wanted(), rows, &top->model, &top->view);
    if (status != SKEP_OK) return fail(status, "top: %s", skep_strerror(status));
    top_canvas_print_lines(&top->canvas, stdout);
    return fflush(stdout) == 0 ? 0 : fail(skep_status_of_errno(errno), "top: stdout: %s", strerror(errno));
}

static int run(struct top *top, const struct options *options, const sigset_t *mask) {
    top->follower = (struct follower){.heard = on_event, .context = top};
    int status = follow_open(&top->follower, &top->contact); /* before the past: nothing falls between the two */
    if (status == SKEP_OK) status = take_snapshot(top);
    if (status != SKEP_OK) return contact_fail(&top->contact, status);
    if (!options->once) return watch_on_terminal(top, mask);
    sigprocmask(SIG_SETMASK, mask, NULL);
    return print_once(top);
}

int command_top(const struct options *options) {
    sigset_t mask = hold_signals();
    struct top top = {.canvas = {.utf8 = width_begin()}};
    top.model.interval_ms = options->every_ms > 0 ? options->every_ms : INTERVAL_MS;
    int code = contact_open(&top.contact, options);
    if (code != 0) return code;
    code = run(&top, options, &mask);
    top_model_free(&top.model);
    top_view_free(&top.view);
    top_canvas_free(&top.canvas);
    follow_close(&top.follower);
    contact_close(&top.contact);
    return code;
}
