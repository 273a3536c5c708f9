/* SPDX-License-Identifier: MIT
 * A worker that does with each job what its payload says, and writes down what it does.
 *
 *   job_worker [--slow WORKER:MS] [--talk] QUEUE[:CONCURRENCY]...
 *
 * --slow: the worker with this id takes so long for each job, and does nothing else meanwhile. --talk: after each job
 * that was done at once it sends "WORKER NUMBER" to a worker of its name, whose numbers grow; and it hears what is said
 * to all. A payload is "KEY VERB [ARGUMENT [UNTIL]]"; at attempts after UNTIL, if that is given, the job is simply
 * done. Verbs:
 *
 *   done [RESULT]    done, with a result or none
 *   large BYTES      done, with a result of so many zero bytes
 *   retry MS         tried again, so much later
 *   fail REASON      failed
 *   keep MS          kept for so long, then done
 *   extend MS        the same, and its lease is extended all the time
 *   never            kept for ever
 *   spend MS         done, after the loop has stood still for so long
 *   hold MS          the same, and its lease is extended all the time
 *   crash SIGNAL     the worker kills itself, unless the file $JOB_MENDED is there: then it is done
 *
 * To the file $JOB_LOG each job appends "start KEY ID ATTEMPT REDELIVERED WORKER PID" before anything else and "done
 * KEY ID ATTEMPT" before the broker is told. Requests are answered with what they say. A message "SENDER NUMBER" whose
 * number is not greater than that of the one before, by this sender, appends "wrong SENDER NUMBER AFTER". */
#include <fcntl.h>
#include <signal.h>
#include <skep/worker.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 256, KEY_BYTES = 32, LINE_BYTES = 128, USAGE = 64, EXTEND_MS = 50, SENDERS = 65536 };
enum { HOLD_MS = 300 /* between extensions of a lease while the loop stands still */ };

struct program {
    skep_worker *worker;
    int log;
    unsigned long slow_ms; /* 0: this worker is not the slow one */
    bool talks;
    unsigned long long said;           /* numbers of messages */
    unsigned long long heard[SENDERS]; /* the latest number of each sender */
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

/* --- the log --- */

/* In one write, so that lines of several workers stay whole. A worker that is killed may write a part only: a line that
 * does not end in a dot. Nothing is written behind it. */
__attribute__((format(printf, 2, 3))) static void write_line(const struct program *program, const char *format, ...) {
    char line[LINE_BYTES] = "\n";
    va_list arguments;
    if (program->log < 0) return;
    va_start(arguments, format);
    int text_bytes = vsnprintf(line + 1, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (text_bytes < 0 || (size_t)text_bytes + sizeof " .\n" >= sizeof line) abort();
    size_t size_bytes = (size_t)stpcpy(line + 1 + text_bytes, " .\n") - (size_t)line;
    if (write(program->log, line, size_bytes) != (ssize_t)size_bytes) abort();
}

static void log_start(const struct program *program, const char *key, const skep_job *job) {
    write_line(program, "start %s %llu %u %d %u %d", key, (unsigned long long)job->id, job->attempt, job->redelivered,
               (unsigned)skep_worker_id(program->worker), (int)getpid());
}

static void log_done(const struct program *program, const char *key, const skep_job *job) {
    write_line(program, "done %s %llu %u", key, (unsigned long long)job->id, job->attempt);
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

static skep_verdict do_large(const struct task *task, skep_job *job) {
    void *result = calloc(1, task->number + 1);
    if (result == NULL || skep_job_result(job, result, task->number) != SKEP_OK) abort();
    free(result);
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

static skep_verdict do_hold(const struct task *task, skep_job *job) {
    unsigned long left_ms = task->number;
    for (; left_ms > HOLD_MS; left_ms -= HOLD_MS) {
        stand_still(HOLD_MS);
        if (skep_job_extend(job) != SKEP_OK) abort();
    }
    stand_still(left_ms);
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
    {"done", do_done},   {"retry", do_retry}, {"fail", do_fail}, {"keep", do_keep},   {"extend", do_extend},
    {"never", do_never}, {"spend", do_spend}, {"hold", do_hold}, {"crash", do_crash}, {"large", do_large},
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

/* --- messages --- */

/* Numbers may be left out: what the broker does not take now is not said. */
static void talk(struct program *program) {
    char text[LINE_BYTES];
    int size_bytes = snprintf(text, sizeof text, "%u %llu", (unsigned)skep_worker_id(program->worker), ++program->said);
    int status = skep_send_to_name(program->worker, "job_worker", "said", text, (size_t)size_bytes);
    if (status != SKEP_OK && status != SKEP_EAGAIN && status != SKEP_ECLOSED) abort();
}

static void check_order(struct program *program, const skep_message *message) {
    char text[LINE_BYTES];
    unsigned long sender;
    unsigned long long number;
    snprintf(text, sizeof text, "%.*s", (int)message->size_bytes, (const char *)message->data);
    if (sscanf(text, "%lu %llu", &sender, &number) != 2 || sender >= SENDERS) abort();
    if (number <= program->heard[sender])
        write_line(program, "wrong %lu %llu %llu", sender, number, program->heard[sender]);
    program->heard[sender] = number;
}

static void on_message(skep_worker *worker, const skep_message *message, void *context) {
    if (message->request == 0) {
        check_order(context, message);
        return;
    }
    int status = skep_reply(worker, message->from, message->request, SKEP_OK, message->data, message->size_bytes);
    if (status != SKEP_OK && status != SKEP_EAGAIN && status != SKEP_ECLOSED) abort();
}

/* --- jobs --- */

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
    skep_verdict verdict = act(&task, job);
    if (program->talks && verdict == SKEP_DONE) talk(program);
    return verdict;
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

/* WORKER:MS */
static void take_slow(struct program *program, const char *value) {
    char *colon;
    unsigned long id = strtoul(value, &colon, 10);
    if (*colon == ':' && id == skep_worker_id(program->worker)) program->slow_ms = strtoul(colon + 1, NULL, 10);
}

/* Returns the index of the first queue. */
static int take_options(struct program *program, int argc, char **argv) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--talk") == 0) program->talks = true;
        else if (strcmp(argv[i], "--slow") == 0 && i + 1 < argc) take_slow(program, argv[++i]);
        else exit(USAGE);
    }
    return i;
}

static int open_log(void) {
    const char *path = getenv("JOB_LOG");
    int log = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (path != NULL && log < 0) perror(path);
    return log;
}

int main(int argc, char **argv) {
    static struct program program;
    program.log = open_log();
    int status = skep_worker_new(&program.worker, NULL);
    if (status != SKEP_OK) {
        fprintf(stderr, "job_worker: %s\n", skep_strerror(status));
        return skep_exit_status(status);
    }
    int first = take_options(&program, argc, argv);
    if (first >= argc) return USAGE;
    skep_on_message(program.worker, on_message, &program);
    if (program.talks && skep_subscribe(program.worker) != SKEP_OK) return EXIT_FAILURE;
    for (int i = first; i < argc; i++) handle(&program, argv[i]);
    status = skep_worker_run(program.worker);
    skep_worker_free(&program.worker);
    return skep_exit_status(status);
}
