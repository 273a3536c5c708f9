/* SPDX-License-Identifier: MIT
 * skep submit: hands jobs to a broker, and waits for what becomes of them. */
#include <errno.h>
#include <signal.h>

#include "command/common/values.h"
#include "command/subcommands.h"
#include "command/submit/submission.h"
#include "common/own_loop.h"

enum {
    TICK_MS = 100,
    PATIENCE_TICKS = ANSWER_TIMEOUT_MS / TICK_MS,
    MAX_COMPLAINTS = 10, /* lines on stderr about single jobs */
};

/* A job that has not been answered, or whose result is waited for */
struct job {
    struct submission *submission;
    uint64_t line;
    uint64_t id; /* 0: not accepted */
    bool duplicate;
};

/* --- what goes wrong --- */

/* Unknown outcomes are the worst; a full queue is temporary. */
static int badness(int code) {
    static const int order[] = {0, EX_TEMPFAIL, EX_DATAERR};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (order[i] == code) return (int)i;
    return code == EX_UNAVAILABLE ? 4 : 3;
}

static void count_code(struct submission *s, int code) {
    if (badness(code) > badness(s->code)) s->code = code;
}

void submission_end(struct submission *s, int code) {
    count_code(s, code);
    s->ended = true;
}

void submission_complain(struct submission *s, uint64_t line, int code, const char *format, ...) {
    char text[SKEP_MAX_REASON + 128];
    count_code(s, code);
    if (s->complaints++ >= MAX_COMPLAINTS) return;
    FORMAT(text, sizeof text, format);
    progress_erase(&s->progress);
    if (line != 0) say("submit: line %" PRIu64 ": %s", line, text);
    else say("submit: %s", text);
}

/* --- answers --- */

static void lose(struct submission *s, int status) {
    if (s->ended) return;
    progress_erase(&s->progress);
    submission_end(s, contact_fail(&s->broker, status));
}

static void decline(struct submission *s, const struct job *job, int status) {
    s->declined++;
    const char *why = skep_strerror(status);
    if (status == SKEP_ESTATE) why = "the broker is stopping"; /* only then is a job declined with it */
    if (status == SKEP_ENOMEM) why = "the broker is out of memory";
    submission_complain(s, job->line, skep_exit_status(status), "%s: %s", s->options->operands[0], why);
}

/* With --wait it is not known yet whether the outcome of the first job follows. */
static void note_accepted(struct submission *s, struct job *job, int status, uint64_t id) {
    bool duplicate = status == SKEP_EDUPLICATE;
    job->id = id;
    job->duplicate = duplicate;
    s->accepted += !duplicate;
    s->duplicates += duplicate;
    if (s->options->wait) return;
    if (duplicate && job->line == 0) say("submit: duplicate: job %" PRIu64 " had this key before", id);
    result_print(s, id, job->line, duplicate, NULL);
    submission_accepted(s);
}

/* Of many the totals tell. Who has interrupted the command knows. */
static bool is_said(const struct submission *s, const struct job *job) {
    return job->line == 0 && s->signal == 0;
}

static void on_unanswered(struct submission *s, const struct job *job) {
    s->unknown++;
    lose(s, SKEP_ECLOSED);
    if (s->joined && is_said(s, job)) say("submit: it is unknown whether the job was accepted");
}

static void on_accepted(skep_client *client, int status, uint64_t id, void *context) {
    (void)client;
    struct job *job = context;
    struct submission *s = job->submission;
    s->silent_ticks = 0;
    if (status == SKEP_OK || status == SKEP_EDUPLICATE) note_accepted(s, job, status, id);
    else if (status == SKEP_ECLOSED) on_unanswered(s, job);
    else decline(s, job, status);
    if (!s->options->wait) free(job);
}

static void on_death(struct submission *s, const struct job *job, const skep_outcome *outcome) {
    char text[SKEP_MAX_REASON + 128];
    s->dead++;
    result_print(s, job->id, job->line, false, outcome);
    result_describe(text, sizeof text, job->id, job->duplicate, outcome);
    submission_complain(s, job->line, skep_exit_status(SKEP_EDEAD), "%s", text);
}

static void on_done(struct submission *s, const struct job *job, const skep_outcome *outcome) {
    s->done++;
    if (job->duplicate && job->line == 0)
        say("submit: duplicate: this is the result of job %" PRIu64 ", which had this key before", job->id);
    result_print(s, job->id, job->line, false, outcome);
}

static void on_too_late(const struct submission *s, const struct job *job) {
    if (job->line == 0)
        say("submit: duplicate: job %" PRIu64 " had this key before and was done; its result is not kept", job->id);
    result_print(s, job->id, job->line, true, NULL);
}

/* Of a job that was accepted; else that is unknown, too, and was said. */
static void on_lost(struct submission *s, const struct job *job) {
    lose(s, SKEP_ECLOSED);
    if (job->id == 0 || s->signal != 0) return;
    s->unknown++;
    if (is_said(s, job)) say("submit: the outcome of job %" PRIu64 " is unknown", job->id);
}

/* What became of a job that was never there has been told. */
static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    struct job *job = context;
    struct submission *s = job->submission;
    if (outcome->status == SKEP_EDEAD) on_death(s, job, outcome);
    else if (outcome->status == SKEP_ECLOSED) on_lost(s, job);
    else if (outcome->status == SKEP_EDUPLICATE) on_too_late(s, job);
    else if (outcome->status == SKEP_OK) on_done(s, job, outcome);
    free(job);
    if (s->lines != NULL && !s->ended && skep_client_unfinished(s->client) == SUBMISSION_UNFINISHED / 2)
        lines_resume(s->lines);
}

/* What is left may be answered by another broker: jobs that are kept on a disk, and those that have keys. */
static void lose_broker(struct submission *s) {
    bool is_left = skep_client_unaccepted(s->client) > 0 || skep_client_unfinished(s->client) > 0;
    if (s->ended) return;
    if (!is_left) {
        lose(s, SKEP_ECLOSED);
        return;
    }
    progress_erase(&s->progress);
    say("submit: the broker has ended; waiting %d s for another one in its place", SUBMISSION_RETURN_MS / 1000);
    s->lost_ns = uv_hrtime();
}

static void on_state(skep_client *client, int status, void *context) {
    (void)client;
    struct submission *s = context;
    s->silent_ticks = 0;
    if (status == SKEP_ECLOSED) {
        lose_broker(s);
    } else if (status == SKEP_OK) {
        s->joined = true;
        s->lost_ns = 0;
    } else {
        lose(s, status);
    }
}

static void on_drain(skep_client *client, void *context) {
    (void)client;
    const struct submission *s = context;
    if (s->lines != NULL) lines_resume(s->lines);
}

/* --- submitting --- */

/* Each line has a key of its own, so that a file can be submitted again after an interruption. */
static const char *key_of(const struct submission *s, uint64_t line, char key[SKEP_MAX_NAME + 1]) {
    if (s->options->job.key == NULL || line == 0) return s->options->job.key;
    snprintf(key, SKEP_MAX_NAME + 1, "%s:%" PRIu64, s->options->job.key, line);
    return key;
}

int submission_add(struct submission *s, const void *data, size_t size_bytes, uint64_t line) {
    char key[SKEP_MAX_NAME + 1];
    struct job *job = malloc(sizeof *job);
    if (job == NULL) return SKEP_ENOMEM;
    *job = (struct job){.submission = s, .line = line};
    s->terms.key = key_of(s, line, key);
    int status = skep_submit(s->client, s->options->operands[0], data, size_bytes, &s->terms, on_accepted,
                             s->options->wait ? on_outcome : NULL, job);
    s->submitted += status == SKEP_OK;
    if (status != SKEP_OK) free(job);
    return status;
}

static int add_one(struct submission *s, struct skep_bytes data) {
    int status = submission_add(s, data.data, data.size_bytes, 0);
    s->all_submitted = true;
    if (status == SKEP_OK) return 0;
    return fail(status, "submit: %s: %s", s->options->operands[0], skep_client_why(s->client));
}

/* --- the loop --- */

static bool is_over(const struct submission *s) {
    if (s->ended) return true;
    if (s->asking) return false;
    return s->all_submitted && skep_client_unaccepted(s->client) == 0 && skep_client_unfinished(s->client) == 0;
}

/* The reader of the results may have ended, or the disk may be full. */
static void flush_results(struct submission *s) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return;
    submission_end(s, fail(skep_status_of_errno(errno), "submit: stdout: %s", strerror(errno)));
}

static void on_tick(uv_timer_t *timer) {
    struct submission *s = timer->data;
    bool shares_terminal = s->options->wait && isatty(STDOUT_FILENO);
    flush_results(s);
    submission_hint(s, uv_hrtime());
    if (!shares_terminal) progress_show(&s->progress, s->submitted, s->accepted, uv_hrtime());
    if (s->lost_ns != 0 && uv_hrtime() - s->lost_ns > SUBMISSION_RETURN_MS * UINT64_C(1000000)) lose(s, SKEP_ECLOSED);
    if (skep_client_unaccepted(s->client) == 0 || s->lost_ns != 0) s->silent_ticks = 0;
    else if (++s->silent_ticks > PATIENCE_TICKS) lose(s, SKEP_ETIMEDOUT);
}

static void on_signal(uv_signal_t *handle, int signal) {
    struct submission *s = handle->data;
    s->signal = signal;
    s->ended = true;
}

static int open_client(struct submission *s) {
    const skep_client_options options = {.dir = s->broker.instance.dir, .loop = &s->loop, .once = true};
    int status = skep_client_new(&s->client, &options);
    if (status != SKEP_OK) return contact_fail(&s->broker, status);
    skep_on_client_state(s->client, on_state, s);
    skep_on_client_drain(s->client, on_drain, s);
    return 0;
}

static void open_loop(struct submission *s) {
    uv_timer_init(&s->loop, &s->tick);
    uv_signal_init(&s->loop, &s->interrupt);
    uv_signal_init(&s->loop, &s->terminate);
    s->tick.data = s->interrupt.data = s->terminate.data = s;
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    uv_signal_start(&s->interrupt, on_signal, SIGINT);
    uv_signal_start(&s->terminate, on_signal, SIGTERM);
}

/* The answers that are still due are given inside skep_client_free. */
static void close_loop(struct submission *s) {
    skep_client_free(&s->client);
    if (s->lines != NULL) lines_close(s->lines);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->terminate, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
}

static int begin(struct submission *s, struct skep_bytes data) {
    if (s->lines == NULL) return add_one(s, data);
    progress_begin(&s->progress, uv_hrtime());
    int status = lines_begin(s->lines, s);
    return status == SKEP_OK ? 0 : fail(status, "submit: %s: %s", s->options->lines, skep_strerror(status));
}

/* --- the end --- */

static double seconds_of(const struct submission *s) {
    return (double)(uv_hrtime() - s->begun_ns) / 1e9;
}

static void add_count(char *text, size_t capacity, bool wanted, uint64_t count, const char *what) {
    size_t used = strlen(text);
    if (wanted) snprintf(text + used, capacity - used, ", %" PRIu64 " %s", count, what);
}

static void say_summary(const struct submission *s) {
    char duplicates[48] = "", more[128] = "";
    if (s->duplicates > 0)
        snprintf(duplicates, sizeof duplicates, " (%" PRIu64 " duplicate%s)", s->duplicates,
                 s->duplicates == 1 ? "" : "s");
    add_count(more, sizeof more, s->options->wait, s->done, "done");
    add_count(more, sizeof more, s->dead > 0, s->dead, s->dead == 1 ? "dead letter" : "dead letters");
    add_count(more, sizeof more, s->unknown > 0, s->unknown, "unknown");
    say("submit: %s%" PRIu64 " job%s accepted, %" PRIu64 " declined%s%s in %.1f s",
        s->signal != 0 ? "interrupted: " : "", s->accepted, s->accepted == 1 ? "" : "s", s->declined, duplicates, more,
        seconds_of(s));
}

static int finish(struct submission *s) {
    progress_erase(&s->progress);
    if (s->lines != NULL && s->options->json && !s->options->wait)
        print_json(json_pack("{s:I, s:I, s:I, s:I, s:f}", "accepted", (json_int_t)s->accepted, "duplicates",
                             (json_int_t)s->duplicates, "declined", (json_int_t)s->declined, "unknown",
                             (json_int_t)s->unknown, "seconds", (double)(int64_t)(seconds_of(s) * 1e3) / 1e3));
    if (s->lines != NULL || s->signal != 0) say_summary(s);
    return s->signal != 0 ? 128 + s->signal : s->code;
}

static int submit(struct submission *s, struct skep_bytes data) {
    int status = skep__own_loop_init(&s->loop);
    if (status != SKEP_OK) return fail(status, "submit: %s", skep_strerror(status));
    open_loop(s);
    s->begun_ns = uv_hrtime();
    int code = open_client(s);
    if (code == 0) code = begin(s, data);
    if (code != 0) submission_end(s, code);
    bool has_begun = code == 0;
    while (s->client != NULL && !is_over(s)) uv_run(&s->loop, UV_RUN_ONCE);
    s->ended = true;
    close_loop(s);
    return has_begun ? finish(s) : code;
}

/* --- where data come from --- */

static int read_stdin(struct skep_bytes *data, char **buffer) {
    *buffer = malloc(SKEP_MAX_PAYLOAD + 1);
    if (*buffer == NULL) return fail(SKEP_ENOMEM, "submit: %s", skep_strerror(SKEP_ENOMEM));
    size_t used = fread(*buffer, 1, SKEP_MAX_PAYLOAD + 1, stdin);
    if (ferror(stdin)) {
        say("submit: stdin: %s", strerror(errno));
        return EX_NOINPUT;
    }
    *data = (struct skep_bytes){*buffer, used};
    if (used <= SKEP_MAX_PAYLOAD) return 0;
    return fail(SKEP_ETOOBIG, "submit: stdin: more than %d bytes", SKEP_MAX_PAYLOAD);
}

static int submit_one(struct submission *s) {
    const char *given = s->options->operands[1];
    struct skep_bytes data = {given, given != NULL ? strlen(given) : 0};
    char *buffer = NULL;
    bool is_stdin = given == NULL || strcmp(given, "-") == 0;
    int code = is_stdin ? read_stdin(&data, &buffer) : 0;
    if (code == 0) code = submit(s, data);
    free(buffer);
    return code;
}

/* What is wrong with the arguments, or NULL. */
static const char *check_usage(const struct options *options) {
    enum { LINE_DIGITS = 20 };
    const char *data = options->operands[1];
    if (options->lines != NULL && data != NULL) return "give only one of DATA and --lines";
    if (options->lines == NULL && data == NULL && isatty(STDIN_FILENO)) return "DATA is missing";
    if (options->lines != NULL && options->job.key != NULL &&
        strlen(options->job.key) > SKEP_MAX_NAME - 1 - LINE_DIGITS)
        return "with --lines the key may have 43 bytes: the line number is added";
    return NULL;
}

int command_submit(const struct options *options) {
    const char *queue = options->operands[0];
    struct submission submission = {.options = options, .terms = options->job};
    const char *why = check_label(queue);
    if (why != NULL) return fail(SKEP_EINVAL, "submit: %s: %s", queue, why);
    why = check_usage(options);
    if (why != NULL) return fail(SKEP_EINVAL, "submit: %s; see skep help submit", why);
    int code = options->lines != NULL ? lines_open(&submission.lines, options->lines) : 0;
    if (code == 0) code = contact_find(&submission.broker.instance, options);
    if (code == 0)
        code = submission.lines != NULL ? submit(&submission, (struct skep_bytes){0}) : submit_one(&submission);
    lines_free(&submission.lines);
    return code;
}
