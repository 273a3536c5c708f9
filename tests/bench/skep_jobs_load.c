/* SPDX-License-Identifier: MIT
 * The client that submits jobs as fast as they are accepted, and has the broker say how many are done. Only one job in
 * some hundred wants its outcome: that tells how far the workers are, so that no more than a window is under way.
 * Prints {"figure": jobs done a second, "accepted": a second, ...}. */
#include <string.h>
#include <uv.h>

#include "figures.h"
#include "jobs.h"
#include "must.h"
#include "skep_jobs.h"
#include "skep_jobs_view.h"

enum { MOST_TOGETHER = 1024, MOST_BYTES = 1024 * 1024, STRIDES = 64 /* in a window */, WAIT_MS = 120000 };

struct load {
    skep_client *client;
    uv_idle_t idle;
    struct iovec jobs[MOST_TOGETHER];
    uint64_t stride; /* jobs from one whose outcome is wanted to the next */
    uint64_t window; /* jobs under way at most */
    uint64_t submitted;
    uint64_t done; /* at least; in strides */
    bool over;
};

static void submit_some(uv_idle_t *idle);

static void go_on(struct load *load) {
    if (!load->over) uv_idle_start(&load->idle, submit_some);
}

static void stride_done(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    struct load *load = context;
    if (load->over) return; /* what is left of a backlog */
    bench_must(outcome->status, "job");
    load->done += load->stride;
    go_on(load);
}

static void drained(skep_client *client, void *context) {
    (void)client;
    go_on(context);
}

static int submit_one(struct load *load) {
    int status = skep_submit(load->client, JOBS_QUEUE, load->jobs[0].iov_base, load->jobs[0].iov_len, NULL, NULL,
                             stride_done, load);
    if (status == SKEP_OK) load->submitted++;
    return status;
}

static int submit_many(struct load *load, uint64_t count) {
    size_t submitted = 0;
    int status = skep_submit_many(load->client, JOBS_QUEUE, load->jobs, count, NULL, NULL, NULL, NULL, &submitted);
    load->submitted += submitted;
    return status;
}

/* Up to the next job whose outcome is wanted, and that one. */
static int submit_stride(struct load *load) {
    uint64_t room = load->window - (load->submitted - load->done);
    uint64_t plain = load->stride - 1 - load->submitted % load->stride;
    uint64_t count = room < plain ? room : plain;
    int status = count > 0 ? submit_many(load, count) : SKEP_OK;
    return status == SKEP_OK && count < room ? submit_one(load) : status;
}

static void submit_some(uv_idle_t *idle) {
    struct load *load = idle->data;
    int status = submit_stride(load);
    if (status != SKEP_EAGAIN) bench_must(status, "submit");
    if (status == SKEP_EAGAIN || load->submitted - load->done >= load->window) uv_idle_stop(idle);
}

static void prepare(struct load *load, const char *dir, size_t payload_bytes, uint64_t backlog) {
    uint64_t window = bench_window(payload_bytes);
    char *payload = calloc(1, payload_bytes);
    if (payload == NULL) exit(1);
    payload[0] = 1;
    for (size_t i = 0; i < MOST_TOGETHER; i++) {
        load->jobs[i] = (struct iovec){.iov_base = payload, .iov_len = payload_bytes};
    }
    load->window = backlog > 0 ? backlog : window;
    load->stride = window / STRIDES;
    load->client = jobs_join(dir);
    uv_idle_init(skep_client_loop(load->client), &load->idle);
    load->idle.data = load;
    skep_on_client_drain(load->client, drained, load);
}

/* Fills the queue, which nobody handles yet, and lets the worker begin. The window then leaves room for as much more as
 * without a backlog. Returns the broker's memory for each job. */
static double fill(struct load *load, size_t payload_bytes) {
    struct jobs_view view;
    uint64_t backlog = load->window;
    jobs_look(load->client, &view);
    uint64_t before_bytes = jobs_rss_bytes(&view);
    go_on(load);
    while (load->submitted < backlog) bench_must(skep_client_run_wait(load->client, 5), "run");
    bench_must(skep_client_wait(load->client, false, WAIT_MS), "accepted");
    jobs_look(load->client, &view);
    if (view.submitted != backlog) {
        fprintf(stderr, "%llu of %llu jobs were accepted\n", (unsigned long long)view.submitted,
                (unsigned long long)backlog);
        exit(1);
    }
    load->window = backlog + bench_window(payload_bytes);
    return ((double)jobs_rss_bytes(&view) - (double)before_bytes) / (double)backlog;
}

static void let_begin(struct load *load) {
    struct jobs_view view;
    jobs_look(load->client, &view);
    for (size_t i = 0; i < view.workers; i++) {
        void *reply = NULL;
        size_t size_bytes = 0;
        bench_must(
            skep_request_wait(load->client, view.ids[i], NULL, JOBS_BEGIN, NULL, 0, WAIT_MS, &reply, &size_bytes),
            "begin");
        free(reply);
    }
}

/* Waits until the broker has said that all is done, and the workers that they have counted it, if they count at all:
 * whatever is lost or done twice is found here. */
static void finish(struct load *load, const struct jobs_view *before, struct jobs_view *after) {
    uint64_t until_ns = bench_now_ns() + WAIT_MS * 1000000ull, done, counted;
    bench_must(skep_client_wait(load->client, true, WAIT_MS), "done");
    do {
        bench_must(skep_client_run_wait(load->client, 5), "run");
        jobs_look(load->client, after);
        done = after->done - before->done;
        counted = jobs_counted(before, after);
        if (done == load->submitted && (counted == 0 || counted == done)) return;
    } while (bench_now_ns() < until_ns);
    fprintf(stderr, "%llu jobs were submitted, %llu are done, the workers counted %llu\n",
            (unsigned long long)load->submitted, (unsigned long long)done, (unsigned long long)counted);
    exit(1);
}

/* The broker counts; only the time between its two answers counts. */
static void measure(struct load *load, uint64_t window_ns, struct jobs_view *begin, struct jobs_view *end) {
    unsigned window_ms = (unsigned)(window_ns / 1000000);
    go_on(load);
    bench_must(skep_client_run_wait(load->client, window_ms / 5), "run");
    jobs_look(load->client, begin);
    bench_must(skep_client_run_wait(load->client, window_ms), "run");
    jobs_look(load->client, end);
    load->over = true;
    uv_idle_stop(&load->idle);
}

static void print_rates(const struct jobs_view *begin, const struct jobs_view *end) {
    double seconds = (double)(end->at_ns - begin->at_ns) / 1e9;
    printf("{\"figure\": %.1f, \"accepted\": %.1f", (double)(end->done - begin->done) / seconds,
           (double)(end->submitted - begin->submitted) / seconds);
}

static void close_load(struct load *load) {
    uv_close((uv_handle_t *)&load->idle, NULL);
    bench_must(skep_client_run_wait(load->client, 1), "run"); /* for the handle to be closed */
    void *payload = load->jobs[0].iov_base;
    skep_client_free(&load->client);
    free(payload);
}

static void load_empty(struct load *load, uint64_t window_ns) {
    static struct jobs_view before, begin, end, after;
    jobs_look(load->client, &before);
    measure(load, window_ns, &begin, &end);
    finish(load, &before, &after);
    print_rates(&begin, &end);
    if (jobs_counted(&before, &after) > 0) printf(", \"spread\": %.5f", jobs_spread(&before, &after));
    printf("}\n");
}

static void load_backlog(struct load *load, uint64_t window_ns, size_t payload_bytes) {
    static struct jobs_view begin, end;
    double job_bytes = fill(load, payload_bytes);
    let_begin(load);
    measure(load, window_ns, &begin, &end);
    print_rates(&begin, &end);
    printf(", \"job_bytes\": %.1f, \"queued\": %llu}\n", job_bytes, (unsigned long long)(end.submitted - end.done));
}

int jobs_load(int argc, char **argv) {
    static struct load load;
    if (argc < 3 || argc > 4) return JOBS_USAGE;
    uint64_t window_ns = bench_seconds_ns(argv[1]);
    size_t payload_bytes = strtoul(argv[2], NULL, 10);
    uint64_t backlog = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (payload_bytes == 0 || payload_bytes > MOST_BYTES || window_ns < 5000000) return JOBS_USAGE;
    prepare(&load, argv[0], payload_bytes, backlog);
    if (backlog == 0) load_empty(&load, window_ns);
    else load_backlog(&load, window_ns, payload_bytes);
    close_load(&load);
    return 0;
}

/* Leaves them in the queue. */
int jobs_fill(int argc, char **argv) {
    static struct load load;
    if (argc != 3) return JOBS_USAGE;
    uint64_t count = strtoull(argv[1], NULL, 10);
    size_t payload_bytes = strtoul(argv[2], NULL, 10);
    if (count == 0 || payload_bytes == 0 || payload_bytes > MOST_BYTES) return JOBS_USAGE;
    prepare(&load, argv[0], payload_bytes, count);
    printf("{\"figure\": %.1f}\n", fill(&load, payload_bytes));
    load.over = true;
    uv_idle_stop(&load.idle);
    close_load(&load);
    return 0;
}
