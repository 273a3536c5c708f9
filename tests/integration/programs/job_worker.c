/* SPDX-License-Identifier: MIT
 * A worker that does with each job what its payload says, and writes down what it does.
 *
 *   job_worker [--slow WORKER:MS] QUEUE[:CONCURRENCY]...
 *
 * --slow: the worker with this id takes so long for each job, and does nothing else meanwhile. A payload is
 * "KEY VERB [ARGUMENT [UNTIL]]"; at attempts after UNTIL, if that is given, the job is simply done. Verbs:
 *
 *   done [RESULT]    done, with a result or none
 *   retry MS         tried again, so much later
 *   fail REASON      failed
 *   keep MS          kept for so long, then done
 *   extend MS        the same, and its lease is extended all the time
 *   never            kept for ever
 *   spend MS         done, after the loop has stood still for so long
 *   crash SIGNAL     the worker kills itself, unless the file $JOB_MENDED is there: then it is done
 *
 * To the file $JOB_LOG each job appends "start KEY ID ATTEMPT REDELIVERED WORKER PID" before anything else and "done
 * KEY ID ATTEMPT" before the broker is told. */
#include <fcntl.h>
#include <signal.h>
#include <skep/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 256, KEY_BYTES = 32, LINE_BYTES = 128, USAGE = 64, EXTEND_MS = 50 };

struct program {
    skep_worker *worker;
    int log;
    unsigned long slow_ms; /* 0: this worker is not the slow one */
};

/* What a payload says; borrowed from a copy of it */
struct task {
    const struct program *program;
    const char *key, *verb, *argument;
    unsigned long number; /* the argument as one */
};

/* A job that is kept for a while */
struct kept {
    uv_timer_t timer;
    const struct program *program;
    skep_job *job;
    uint64_t until_ms;
    bool extends;
    char key[KEY_BYTES];
};

/* --- the log: one write a line, so that lines of several workers stay whole --- */

static void write_line(const struct program *program, const char *line, int size_bytes) {
    if (program->log < 0) return;
    if (size_bytes < 0 || size_bytes >= LINE_BYTES || write(program->log, line, (size_t)size_bytes) != size_bytes)
        abort();
}

static void log_start(const struct program *program, const char *key, const skep_job *job) {
    char line[LINE_BYTES];
    write_line(program, line,
               snprintf(line, sizeof line, "start %s %llu %u %d %u %d\n", key, (unsigned long long)job->id,
                        job->attempt, job->redelivered, (unsigned)skep_worker_id(program->worker), (int)getpid()));
}

static void log_done(const struct program *program, const char *key, const skep_job *job) {
    char line[LINE_BYTES];
    write_line(program, line,
               snprintf(line, sizeof line, "done %s %llu %u\n", key, (unsigned long long)job->id, job->attempt));
}

/* --- jobs that are kept --- */

static void free_kept(uv_handle_t *timer) {
    free(timer->data);
}

static void on_time(uv_timer_t *timer) {
    struct kept *kept = timer->data;
    if (uv_now(timer->loop) < kept->until_ms) {
        if (kept->extends && skep_job_extend(kept->job) != SKEP_OK) abort();
        return;
    }
    log_done(kept->program, kept->key, kept->job);
    skep_job_complete(kept->job, SKEP_DONE);
    uv_close((uv_handle_t *)timer, free_kept);
}

static skep_verdict keep_for(const struct task *task, skep_job *job, bool extends) {
    uv_loop_t *loop = skep_worker_loop(task->program->worker);
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) abort();
    *kept = (struct kept){.program = task->program, .job = job, .extends = extends};
    uv_update_time(loop); /* jobs before this one may have taken long in the same turn */
    kept->until_ms = uv_now(loop) + task->number;
    kept->timer.data = kept;
    snprintf(kept->key, sizeof kept->key, "%s", task->key);
    if (uv_timer_init(loop, &kept->timer) != 0) abort();
    if (uv_timer_start(&kept->timer, on_time, extends ? EXTEND_MS : task->number, EXTEND_MS) != 0) abort();
    return SKEP_KEEP;
}

/* --- verbs --- */

static skep_verdict do_done(const struct task *task, skep_job *job) {
    if (skep_job_result(job, task->argument, strlen(task->argument)) != SKEP_OK) abort();
    log_done(task->program, task->key, job);
    return SKEP_DONE;
}

static skep_verdict do_retry(const struct task *task, skep_job *job) {
    skep_job_delay(job, (uint32_t)task->number);
    skep_job_reason(job, "as it was told");
    return SKEP_RETRY;
}

static skep_verdict do_fail(const struct task *task, skep_job *job) {
    skep_job_reason(job, task->argument);
    return SKEP_FAILED;
}

static skep_verdict do_keep(const struct task *task, skep_job *job) {
    return keep_for(task, job, false);
}

static skep_verdict do_extend(const struct task *task, skep_job *job) {
    return keep_for(task, job, true);
}

static skep_verdict do_never(const struct task *task, skep_job *job) {
    (void)task;
    (void)job;
    return SKEP_KEEP;
}

static void stand_still(unsigned long ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) continue;
}

static skep_verdict do_spend(const struct task *task, skep_job *job) {
    stand_still(task->number);
    log_done(task->program, task->key, job);
    return SKEP_DONE;
}

static skep_verdict do_crash(const struct task *task, skep_job *job) {
    const char *mended = getenv("JOB_MENDED");
    if (mended == NULL || access(mended, F_OK) != 0) kill(getpid(), (int)task->number);
    log_done(task->program, task->key, job);
    return SKEP_DONE;
}

static const struct {
    const char *name;
    skep_verdict (*act)(const struct task *task, skep_job *job);
} verbs[] = {
    {"done", do_done},     {"retry", do_retry}, {"fail", do_fail},   {"keep", do_keep},
    {"extend", do_extend}, {"never", do_never}, {"spend", do_spend}, {"crash", do_crash},
};

static skep_verdict act(const struct task *task, skep_job *job) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(task->verb, verbs[i].name) == 0) return verbs[i].act(task, job);
    skep_job_reason(job, "no such verb");
    return SKEP_FAILED;
}

/* The next word of a text, or "" at its end. */
static const char *next_word(char **rest) {
    const char *word = strtok_r(NULL, " ", rest);
    return word != NULL ? word : "";
}

static skep_verdict on_job(skep_worker *worker, skep_job *job, void *context) {
    struct program *program = context;
    char text[PAYLOAD_BYTES], *rest;
    (void)worker;
    snprintf(text, sizeof text, "%.*s", (int)job->size_bytes, (const char *)job->data);
    struct task task = {.program = program, .key = strtok_r(text, " ", &rest)};
    if (task.key == NULL) return SKEP_FAILED;
    task.verb = next_word(&rest);
    task.argument = next_word(&rest);
    task.number = strtoul(task.argument, NULL, 10);
    unsigned long until = strtoul(next_word(&rest), NULL, 10);
    log_start(program, task.key, job);
    if (program->slow_ms > 0) stand_still(program->slow_ms);
    if (until > 0 && job->attempt > until) task.verb = "done";
    return act(&task, job);
}

/* --- start --- */

static void handle(struct program *program, char *argument) {
    char *colon = strchr(argument, ':');
    if (colon != NULL) *colon = '\0';
    int status = skep_on_job(program->worker, argument, on_job, program);
    if (status == SKEP_OK && colon != NULL)
        status = skep_job_concurrency(program->worker, argument, (unsigned)strtoul(colon + 1, NULL, 10));
    if (status == SKEP_OK) return;
    fprintf(stderr, "job_worker: %s: %s\n", argument, skep_worker_why(program->worker));
    exit(skep_exit_status(status));
}

/* WORKER:MS; returns how many arguments that were. */
static int take_slow(struct program *program, int argc, char **argv) {
    if (argc < 3 || strcmp(argv[1], "--slow") != 0) return 0;
    char *colon;
    unsigned long id = strtoul(argv[2], &colon, 10);
    if (*colon == ':' && id == skep_worker_id(program->worker)) program->slow_ms = strtoul(colon + 1, NULL, 10);
    return 2;
}

static int open_log(void) {
    const char *path = getenv("JOB_LOG");
    int log = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (path != NULL && log < 0) perror(path);
    return log;
}

int main(int argc, char **argv) {
    struct program program = {.log = open_log()};
    int status = skep_worker_new(&program.worker, NULL);
    if (status != SKEP_OK) {
        fprintf(stderr, "job_worker: %s\n", skep_strerror(status));
        return skep_exit_status(status);
    }
    int first = 1 + take_slow(&program, argc, argv);
    if (first >= argc) return USAGE;
    for (int i = first; i < argc; i++) handle(&program, argv[i]);
    status = skep_worker_run(program.worker);
    skep_worker_free(&program.worker);
    return skep_exit_status(status);
}
