/* SPDX-License-Identifier: MIT
 * Clients that measure how long one job takes from its submission to its result: one job at a time (trip), and 10,000 a
 * second whatever becomes of them (paced), of which only those count that the first worker did not get; and to its
 * acceptance, one job at a time (accept).
 * All print {"figure": median, "p99": ...} in µs. */
#include <string.h>
#include <uv.h>

#include "figures.h"
#include "must.h"
#include "skep_jobs.h"

enum { MAX_SAMPLES = 1 << 20, WARM_UP = 1000, JOBS_A_MS = 10, WAIT_MS = 30000 };

struct latencies {
    skep_client *client;
    uint64_t begin_ns, until_ns;
    uint64_t *samples_ns;
    size_t count;
    bool over;
};

static void latencies_open(struct latencies *latencies, const char *dir) {
    latencies->samples_ns = calloc(MAX_SAMPLES, sizeof *latencies->samples_ns);
    if (latencies->samples_ns == NULL) exit(1);
    latencies->client = jobs_join(dir);
}

static void latencies_add(struct latencies *latencies, uint64_t sample_ns) {
    if (latencies->count < MAX_SAMPLES) latencies->samples_ns[latencies->count++] = sample_ns;
}

/* Gives back the client first: what is still due calls back until then. */
static int latencies_close(struct latencies *latencies) {
    latencies->over = true;
    skep_client_free(&latencies->client);
    bench_samples_print(latencies->samples_ns, latencies->count, 1e3);
    free(latencies->samples_ns);
    if (latencies->count > 0) return 0;
    fprintf(stderr, "the time was too short: nothing was measured\n");
    return 1;
}

/* --- trip --- */

struct trip {
    struct latencies latencies;
    uint64_t sent_ns;
    size_t asked;
};

static void trip_submit(struct trip *trip);

static void trip_done(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    struct trip *trip = context;
    uint64_t now_ns = bench_now_ns();
    if (trip->latencies.over) return;
    bench_must(outcome->status, "job");
    if (outcome->size_bytes != BENCH_PAYLOAD) exit(1);
    if (trip->asked > WARM_UP) latencies_add(&trip->latencies, now_ns - trip->sent_ns);
    if (now_ns < trip->latencies.until_ns) trip_submit(trip);
}

static void trip_submit(struct trip *trip) {
    static const char data[BENCH_PAYLOAD];
    trip->asked++;
    trip->sent_ns = bench_now_ns();
    bench_must(skep_submit(trip->latencies.client, JOBS_QUEUE, data, sizeof data, NULL, NULL, trip_done, trip),
               "submit");
}

/* The loop runs in one go: entering it again and again would be seen in the 99th percentile. */
int jobs_trip(int argc, char **argv) {
    static struct trip trip;
    if (argc != 2) return JOBS_USAGE;
    uint64_t window_ns = bench_seconds_ns(argv[1]);
    latencies_open(&trip.latencies, argv[0]);
    trip.latencies.until_ns = bench_now_ns() + window_ns;
    trip_submit(&trip);
    bench_must(skep_client_wait(trip.latencies.client, true, (unsigned)(window_ns / 1000000) + WAIT_MS), "wait");
    return latencies_close(&trip.latencies);
}

/* --- accept --- */

int jobs_accept(int argc, char **argv) {
    static const char data[BENCH_PAYLOAD];
    struct latencies latencies = {.count = 0};
    if (argc != 2) return JOBS_USAGE;
    latencies_open(&latencies, argv[0]);
    latencies.until_ns = bench_now_ns() + bench_seconds_ns(argv[1]);
    for (uint64_t sent_ns; (sent_ns = bench_now_ns()) < latencies.until_ns;) {
        bench_must(skep_submit(latencies.client, JOBS_QUEUE, data, sizeof data, NULL, NULL, NULL, NULL), "submit");
        bench_must(skep_client_wait(latencies.client, false, WAIT_MS), "accepted");
        latencies_add(&latencies, bench_now_ns() - sent_ns);
    }
    return latencies_close(&latencies);
}

/* --- paced --- */

struct paced {
    struct latencies latencies;
    uv_timer_t timer;
    struct paced_job *jobs;
    size_t count, most;
};

struct paced_job {
    struct paced *paced;
    uint64_t due_ns;
};

static void paced_done(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    const struct paced_job *job = context;
    struct latencies *latencies = &job->paced->latencies;
    uint64_t now_ns = bench_now_ns();
    uint32_t worker;
    if (latencies->over) return; /* what the slow worker still has */
    bench_must(outcome->status, "job");
    if (outcome->size_bytes != sizeof worker) exit(1);
    memcpy(&worker, outcome->data, sizeof worker);
    if (worker != JOBS_SLOW_WORKER && job->due_ns >= latencies->begin_ns) {
        latencies_add(latencies, now_ns - job->due_ns);
    }
}

static void paced_submit(struct paced *paced, uint64_t due_ns) {
    static const char data[BENCH_PAYLOAD];
    struct paced_job *job = &paced->jobs[paced->count++];
    *job = (struct paced_job){.paced = paced, .due_ns = due_ns};
    bench_must(skep_submit(paced->latencies.client, JOBS_QUEUE, data, sizeof data, NULL, NULL, paced_done, job),
               "submit");
}

static void paced_tick(uv_timer_t *timer) {
    struct paced *paced = timer->data;
    uint64_t now_ns = bench_now_ns();
    for (int i = 0; i < JOBS_A_MS && paced->count < paced->most; i++) paced_submit(paced, now_ns);
}

static void paced_open(struct paced *paced, const char *dir, uint64_t window_ns) {
    latencies_open(&paced->latencies, dir);
    paced->most = (size_t)(window_ns / 1000000) * JOBS_A_MS;
    paced->jobs = calloc(paced->most, sizeof *paced->jobs);
    if (paced->jobs == NULL) exit(1);
    paced->latencies.begin_ns = bench_now_ns() + window_ns / 5;
    uv_timer_init(skep_client_loop(paced->latencies.client), &paced->timer);
    paced->timer.data = paced;
    uv_timer_start(&paced->timer, paced_tick, 1, 1);
}

int jobs_paced(int argc, char **argv) {
    static struct paced paced;
    if (argc != 2) return JOBS_USAGE;
    uint64_t window_ns = bench_seconds_ns(argv[1]) * 6 / 5;
    paced_open(&paced, argv[0], window_ns);
    bench_must(skep_client_run_wait(paced.latencies.client, (unsigned)(window_ns / 1000000)), "run");
    uv_close((uv_handle_t *)&paced.timer, NULL);
    bench_must(skep_client_run_wait(paced.latencies.client, 1), "run"); /* for the timer to be closed */
    int status = latencies_close(&paced.latencies);
    free(paced.jobs);
    return status;
}
