/* SPDX-License-Identifier: MIT
 * skep run: a broker in the foreground, driven by the public skep/cluster.h alone, and its log. */
#include <contract.h>
#include <signal.h>
#include <skep/group.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command/common/values.h"
#include "command/run/run.h"
#include "command/run/run_options.h"
#include "command/subcommands.h"

enum { PASS_AGAIN_MS = 50 /* after output was not read */ };

struct run {
    const struct options *options;
    skep_cluster *cluster;
    const char *cwd; /* of the workers; NULL: the broker's */
    struct log log;
    struct signals signals;
    struct passing *passing; /* stdout and stderr */
    uv_prepare_t pass;       /* what workers wrote in a turn of the loop leaves at its end */
    uv_timer_t pass_again;
    uint32_t unstartable; /* first worker that said that starting it is useless; 0: none did */
    bool reloading;       /* the old workers go on if the new ones cannot start */
};

/* --- what workers write --- */

static void tell_dropped(struct run *run, struct passing *passing) {
    uint64_t dropped = passing->dropped;
    if (dropped == 0 || passing->used > 0) return;
    passing->dropped = 0;
    log_broker(&run->log, "%" PRIu64 " lines of workers were dropped here, because they were not read; see skep logs",
               dropped);
}

static void pass_on(struct run *run) {
    bool rest = false;
    for (int i = 0; i < 2; i++) {
        passing_flush(&run->passing[i]);
        tell_dropped(run, &run->passing[i]);
        rest = rest || run->passing[i].used > 0;
    }
    if (!rest) uv_timer_stop(&run->pass_again);
}

static void on_pass_again(uv_timer_t *timer) {
    pass_on(timer->data);
}

static void on_turn(uv_prepare_t *prepare) {
    struct run *run = prepare->data;
    uv_prepare_stop(prepare);
    uv_timer_start(&run->pass_again, on_pass_again, PASS_AGAIN_MS, PASS_AGAIN_MS);
    pass_on(run);
}

static void on_log(skep_cluster *cluster, const skep_log_line *line, void *context) {
    (void)cluster;
    struct run *run = context;
    struct skep_bytes bytes = {line->data, line->size_bytes};
    passing_add(&run->passing[line->stream - 1], bytes, line->cut_bytes);
    uv_prepare_start(&run->pass, on_turn);
}

/* Neither keeps the loop alive. */
static int begin_passing(struct run *run) {
    uv_loop_t *loop = skep_cluster_loop(run->cluster);
    run->passing = malloc(2 * sizeof *run->passing);
    if (run->passing == NULL) return SKEP_ENOMEM;
    passing_open(&run->passing[0], STDOUT_FILENO);
    passing_open(&run->passing[1], STDERR_FILENO);
    uv_prepare_init(loop, &run->pass);
    uv_timer_init(loop, &run->pass_again);
    uv_unref((uv_handle_t *)&run->pass);
    uv_unref((uv_handle_t *)&run->pass_again);
    run->pass.data = run->pass_again.data = run;
    skep_on_log(run->cluster, on_log, run);
    return SKEP_OK;
}

static void end_passing(struct run *run) {
    if (run->passing == NULL) return;
    uv_close((uv_handle_t *)&run->pass, NULL);
    uv_close((uv_handle_t *)&run->pass_again, NULL);
    for (int i = 0; i < 2; i++) {
        passing_close(&run->passing[i]);
        tell_dropped(run, &run->passing[i]);
    }
    free(run->passing);
    run->passing = NULL;
}

/* --- events --- */

/* One that was told to leave, perhaps before it could listen, says nothing about the others. */
static bool says_unstartable(const skep_event *event) {
    bool asked = skep_child_exited_after_disconnect(event->child) == 1,
         was_ready = skep_child_data(event->child) != NULL;
    return event->code == SKEP_EXIT_UNSTARTABLE && !asked && !was_ready;
}

/* The others would end in the same way: stopping at once is clearer than a fork every few seconds. Those of other
 * groups would not. */
static void give_up(struct run *run, const skep_child *child) {
    if (run->unstartable != 0 && run->options->group_count == 0) return;
    run->unstartable = skep_child_id(child);
    if (run->options->group_count == 0) skep_cluster_stop(run->cluster, false);
    else
        log_broker(&run->log, "group %s: worker %u cannot start; it is not replaced",
                   skep_group_name(skep_child_group(child)), run->unstartable);
}

static void on_event(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    struct run *run = context;
    struct skep_command_event notice = notice_of(event);
    bool unstartable = event->kind == SKEP_EVENT_EXIT && says_unstartable(event) && !run->reloading;
    bool waits = event->kind == SKEP_EVENT_RELOAD &&
                 (strcmp(event->phase, "pending") == 0 || strcmp(event->phase, "replaced") == 0);
    if (event->kind == SKEP_EVENT_RELOAD && !waits)
        run->reloading = strcmp(event->phase, "begun") == 0 || strcmp(event->phase, "step") == 0;
    if (unstartable) notice.has &= ~(UINT32_C(1) << SKEP_AT_event_delay_ms); /* nobody replaces it */
    if (run->options->group_count == 0) notice.group = (struct skep_bytes){0};
    char text[NOTICE_TEXT_BYTES];
    notice_text(&notice, text);
    if (run->passing != NULL) pass_on(run); /* what it wrote before */
    log_line(&run->log, text);
    if (event->kind == SKEP_EVENT_READY) skep_child_set_data(event->child, run);
    if (event->kind == SKEP_EVENT_STOP && run->options->group_count > 0) run->unstartable = 0; /* it ends on request */
    if (unstartable) give_up(run, event->child);
}

static int subscribe(struct run *run) {
    int status = SKEP_OK;
    for (unsigned kind = 0; kind < SKEP_EVENT_KINDS && status == SKEP_OK; kind++)
        if (kind != SKEP_EVENT_SETUP && kind != SKEP_EVENT_MESSAGE)
            status = skep_on(run->cluster, (enum skep_event_kind)kind, on_event, run);
    return status;
}

/* The working directory by the name under which the shell knows it, so that a symbolic link in it which is changed
 * leads new workers to the new place; NULL: it is no other. */
static const char *named_directory(void) {
    char plain[SKEP_MAX_PATH + 1];
    struct stat here, named;
    const char *name = getenv("PWD");
    if (name == NULL || name[0] != '/' || getcwd(plain, sizeof plain) == NULL || strcmp(name, plain) == 0) return NULL;
    if (stat(".", &here) != 0 || stat(name, &named) != 0) return NULL;
    return here.st_dev == named.st_dev && here.st_ino == named.st_ino ? name : NULL;
}

static skep_settings settings_of(const struct options *options) {
    skep_settings settings = options->settings;
    settings.exec = options->program[0];
    settings.args = (const char *const *)&options->program[1];
    settings.env = options->env;
    settings.name = options->name;
    settings.dir = options->dir;
    settings.respawn = settings.adopt = true;
    settings.capture = !options->no_capture;
    return settings;
}

/* What is the cluster's is said of the first group alone. */
static void clear_common(skep_settings *settings) {
    static const skep_settings none = {0};
#define CLEAR_GROUP(field)
#define CLEAR_CLUSTER(field) settings->field = none.field;
#define TEXT(field, whose, until) CLEAR_##whose(field)
#define LIST(field, whose, until) CLEAR_##whose(field)
#define FLAG(field, whose, until) CLEAR_##whose(field)
#define NUMBER(field, whose, until, unit, least, most, usual, words, option, help) CLEAR_##whose(field)
#include "config/settings.def"
}

static int add_group_of(struct run *run, const struct group_option *option, const skep_settings *settings) {
    char **words = split_command(option->command);
    skep_settings its = *settings;
    skep_group *group;
    if (words == NULL) return SKEP_ENOMEM;
    its.exec = words[0];
    its.args = (const char *const *)&words[1];
    int status = skep_group_new(run->cluster, option->name, &its, &group);
    free(words);
    return status;
}

static int set_up(struct run *run) {
    const struct options *options = run->options;
    char name[65];
    skep_settings settings = settings_of(options);
    settings.cwd = run->cwd;
    group_of_program(options->program[0], name);
    settings.group = name;
    int status = skep_setup_primary(run->cluster, &settings);
    clear_common(&settings);
    for (size_t i = 0; i < options->group_count && status == SKEP_OK; i++)
        status = add_group_of(run, &options->groups[i], &settings);
    for (size_t i = 0; i < options->queues.count && status == SKEP_OK; i++)
        status = skep_setup_queue(run->cluster, options->queues.list[i].name, &options->queues.list[i].options);
    return status == SKEP_OK ? subscribe(run) : status;
}

static int listen_all(struct run *run) {
    for (size_t i = 0; i < run->options->listeners_count; i++) {
        const struct named_url *listener = &run->options->listeners[i];
        const char *bound = NULL;
        int status = skep_cluster_listen(run->cluster, listener->name, listener->url, &bound);
        if (status != SKEP_OK) return status;
        log_broker(&run->log, "listening on %s as %s", bound, listener->name);
    }
    return SKEP_OK;
}

static int fork_some(skep_group *group, unsigned workers) {
    int status = SKEP_OK;
    for (unsigned i = 0; i < workers && status == SKEP_OK; i++) status = skep_group_fork(group, NULL, NULL);
    return status;
}

static int fork_all(struct run *run) {
    const struct options *options = run->options;
    int status = fork_some(skep_cluster_group(run->cluster), options->workers);
    for (size_t i = 0; i < options->group_count && status == SKEP_OK; i++)
        status = fork_some(skep_group_by_name(run->cluster, options->groups[i].name), options->groups[i].workers);
    return status;
}

static void tell_running(struct run *run) {
    const struct options *options = run->options;
    const char *policy = skep_policy_name(skep_cluster_settings(run->cluster)->policy);
    log_broker(&run->log, "running %s in %s, policy %s, %u worker%s of %s", skep_cluster_name(run->cluster),
               skep_cluster_dir(run->cluster), policy, options->workers, options->workers == 1 ? "" : "s",
               options->program[0]);
    for (size_t i = 0; i < options->group_count; i++)
        log_broker(&run->log, "group %s: %u worker%s of %s", options->groups[i].name, options->groups[i].workers,
                   options->groups[i].workers == 1 ? "" : "s", options->groups[i].command);
}

/* In this order, so that the line about the broker comes before those about what it does. */
static int start(struct run *run) {
    int status = set_up(run);
    if (status == SKEP_OK && !run->options->no_capture) status = begin_passing(run);
    if (status == SKEP_OK) status = skep_cluster_stop_on_signals(run->cluster);
    if (status == SKEP_OK) status = skep_cluster_steer_on_signals(run->cluster);
    if (status == SKEP_OK) status = skep_cluster_start(run->cluster);
    if (status != SKEP_OK) return status;
    tell_running(run);
    status = listen_all(run);
    return status == SKEP_OK ? fork_all(run) : status;
}

/* What failed is said before the cluster, whose text it is, goes. */
static int run_to_end(struct run *run) {
    int status = start(run);
    if (status == SKEP_OK) status = skep_cluster_run(run->cluster);
    int code = status == SKEP_OK ? 0 : fail(status, "%s", skep_cluster_why(run->cluster));
    end_passing(run);
    signals_end(&run->signals);
    skep_cluster_free(&run->cluster);
    if (code != 0) return code;
    log_wait();
    log_broker(&run->log, "stopped");
    return 0;
}

/* Where the workers will be. Returns 0, or says what is wrong. */
static int find_cwd(struct run *run, char room[SKEP_MAX_PATH + 1]) {
    const char *wanted = run->options->settings.cwd;
    run->cwd = wanted != NULL ? absolute_path(wanted, room) : named_directory();
    return wanted == NULL || run->cwd != NULL ? 0 : fail(SKEP_ESYS, "run: --cwd %s: %s", wanted, strerror(errno));
}

int command_run(const struct options *options) {
    struct run run = {.options = options};
    char room[SKEP_MAX_PATH + 1];
    int found = find_cwd(&run, room);
    if (found != 0) return found;
    signal(SIGPIPE, SIG_IGN); /* a log whose reader has ended is no reason to end; workers start with the default */
    log_begin(&run.log);
    int status = skep_cluster_new(&run.cluster, NULL);
    if (status != SKEP_OK) return fail(status, "run: %s", skep_strerror(status));
    status = signals_begin(&run.signals, skep_cluster_loop(run.cluster), &run.log);
    if (status != SKEP_OK) {
        skep_cluster_free(&run.cluster);
        return fail(status, "run: cannot watch signals: %s", skep_strerror(status));
    }
    int code = run_to_end(&run);
    if (code != 0 || run.unstartable == 0) return code;
    say("%s%sworker %u cannot start: it exited with status %d before it was ready",
        options->group_count == 0 ? options->program[0] : "", options->group_count == 0 ? ": " : "", run.unstartable,
        SKEP_EXIT_UNSTARTABLE);
    return SKEP_EXIT_UNSTARTABLE;
}
