/* SPDX-License-Identifier: MIT
 * The room by itself: no broker, no process, and one clock for all, which the test moves. */
#include "lib/pump.h"

#include "broker/one_put.h"
#include "common/text.h"
#include "jobs/private.h"
#include "page_claims.h"

enum { LEASE_MS = 60000, SOME_MS = 1000 };

struct bench {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__clock *clock;
    skep_settings settings;
    struct skep__jobs *jobs;
    struct skep__queue *queue;
    struct skep__holder *holder;
    struct skep__outlet *inbox;
    struct skep_page page;
    struct skep__ending ending; /* of the worker */
    unsigned finished, died, failed, sent;
    char cause[SKEP_MAX_NAME + 1], error[SKEP_MAX_REASON + 1];
};

/* --- what it tells, and asks --- */

static void finished(void *context, const struct skep__job *job, const struct skep_bytes *result) {
    (void)job, (void)result;
    ((struct bench *)context)->finished++;
}

static void died(void *context, const struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    struct bench *bench = context;
    (void)job, (void)reason;
    bench->died++;
    snprintf(bench->cause, sizeof bench->cause, "%s", cause);
}

static void failed(void *context, const struct skep__job *job, const struct skep_bytes *reason) {
    (void)job, (void)reason;
    ((struct bench *)context)->failed++;
}

static void sent(void *context, void *worker, const struct skep_command *command) {
    struct bench *bench = context;
    assert_ptr_equal(worker, bench);
    bench->sent += command->jobs.jobs.count;
}

static void settled(void *context) {
    (void)context;
}

static void error(void *context, void *worker, const char *text) {
    struct bench *bench = context;
    assert_ptr_equal(worker, bench);
    snprintf(bench->error, sizeof bench->error, "%s", text);
}

static void say(void *context, const char *text) {
    (void)context, (void)text;
}

static void tell_ending(const void *worker, struct skep__ending *ending) {
    *ending = ((const struct bench *)worker)->ending;
}

/* --- the bench: one worker, which is ready and handles one job at a time of one queue --- */

static void hire(struct bench *bench) {
    const struct skep__outlet_options options = {.hub = bench->hub, .flusher = bench->flusher, .kind = SKEP__PORT_PUSH};
    const struct skep__worker_facts facts = {
        .worker = bench, .settings = &bench->settings, .id = 7, .pid = 77, .page = &bench->page};
    const struct skep_command_handle handle = {.queue = skep__text("q")};
    bench->page = (struct skep_page){.magic = SKEP_PAGE_MAGIC, .writes = 2};
    assert_int_equal(skep__outlet_new(&bench->inbox, &options), SKEP_OK);
    assert_int_equal(skep__holder_new(&bench->holder, bench->jobs, &facts), SKEP_OK);
    skep__holder_set_inbox(bench->holder, bench->inbox);
    assert_int_equal(skep__jobs_handle(bench->holder, &handle), SKEP_OK);
    skep__jobs_worker_ready(bench->holder);
}

static struct bench *open_bench(struct pump *pump) {
    static const struct skep__job_events events = {
        .finished = finished, .died = died, .failed = failed, .sent = sent, .settled = settled};
    static const struct skep__jobs_host host = {
        .error = error, .error_later = say, .dead = say, .lack = say, .ending = tell_ending};
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->pump = pump;
    bench->ending = (struct skep__ending){.code = -1, .signal = -1};
    bench->settings = (skep_settings){.lease_ms = LEASE_MS,
                                      .attempts = 2,
                                      .deaths = 2,
                                      .dedup_ms = SOME_MS,
                                      .queue_jobs = 10,
                                      .queue_bytes = 1 << 20,
                                      .jobs_bytes = 1 << 20,
                                      .job_credit = 10,
                                      .job_credit_bytes = 1 << 20};
    assert_int_equal(skep__hub_new(&bench->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__flusher_new(&bench->flusher, &pump->loop), SKEP_OK);
    assert_int_equal(skep__clock_new_by_hand(&bench->clock), SKEP_OK);
    const struct skep__jobs_setup setup = {.clock = bench->clock,
                                           .pace = bench->clock,
                                           .flusher = bench->flusher,
                                           .settings = &bench->settings,
                                           .events = &events,
                                           .host = &host,
                                           .context = bench};
    int status = SKEP_OK;
    char why[SKEP_MAX_REASON + 1];
    assert_int_equal(skep__jobs_new(&bench->jobs, &setup), SKEP_OK);
    assert_int_equal(skep__jobs_open(bench->jobs, NULL, why), SKEP_OK);
    bench->queue = skep__jobs_get_queue(bench->jobs, "q", 1, &status);
    assert_non_null(bench->queue);
    hire(bench);
    return bench;
}

static void close_bench(struct bench *bench) {
    skep__jobs_worker_ended(bench->holder);
    skep__holder_free(&bench->holder);
    skep__outlet_free(&bench->inbox);
    skep__jobs_close(bench->jobs);
    skep__jobs_free(&bench->jobs);
    skep__flusher_free(&bench->flusher);
    skep__hub_free(&bench->hub);
    skep__clock_free(&bench->clock);
    pump_turns(bench->pump, 3);
    free(bench);
}

static int put(struct bench *bench, const char *key, uint32_t delay_ms) {
    const struct skep__submission submission = {.data = "x",
                                                .size_bytes = 1,
                                                .key = key,
                                                .key_bytes = key != NULL ? 1 : 0,
                                                .delay_ms = delay_ms,
                                                .attempts = skep__jobs_attempts(bench->jobs, bench->queue, 0),
                                                .wants_outcome = true};
    struct one_put one;
    one_put_init(&one, &submission);
    skep__jobs_submit(bench->jobs, bench->queue, &one.batch, &one.put);
    assert_int_equal(one.answers, 1);
    skep__jobs_dispatch_queue(bench->jobs, bench->queue);
    return one.answer.status;
}

/* As the worker does; then the clock may be moved. */
static void begin(struct bench *bench, uint64_t delivery) {
    assert_true(skep__claim_begin(&bench->page, delivery, 1));
    skep__jobs_note_begun(bench->jobs);
}

static void complete(struct bench *bench, uint64_t delivery) {
    const struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    assert_int_equal(skep__jobs_completed(bench->holder, &command, &why), SKEP_OK);
    skep__jobs_dispatch_to(bench->holder);
}

/* --- time --- */

static void test_a_delay_and_a_key(void **state) {
    struct bench *bench = open_bench(*state);
    assert_int_equal(put(bench, "k", SOME_MS), SKEP_OK);
    assert_int_equal(put(bench, "k", 0), SKEP_EDUPLICATE);
    skep__clock_move(bench->clock, SOME_MS - 1);
    assert_int_equal(bench->sent, 0);
    skep__clock_move(bench->clock, 1);
    assert_int_equal(bench->sent, 1);
    begin(bench, 1);
    complete(bench, 1);
    assert_int_equal(bench->finished, 1);
    skep__clock_move(bench->clock, SOME_MS - 1);
    assert_int_equal(put(bench, "k", 0), SKEP_EDUPLICATE);
    skep__clock_move(bench->clock, 1);
    assert_int_equal(put(bench, "k", 0), SKEP_OK);
    close_bench(bench);
}

/* It begins when the job does, to the millisecond, and begins anew. */
static void test_leases(void **state) {
    const struct skep_command_extend extend = {.delivery = 1};
    struct bench *bench = open_bench(*state);
    assert_int_equal(put(bench, NULL, 0), SKEP_OK);
    skep__clock_move(bench->clock, SOME_MS);
    begin(bench, 1);
    skep__clock_move(bench->clock, LEASE_MS - 1);
    skep__jobs_extended(bench->holder, &extend);
    skep__clock_move(bench->clock, LEASE_MS - 1);
    assert_int_equal(bench->failed, 0);
    skep__clock_move(bench->clock, 1);
    assert_int_equal(bench->failed, 1);
    assert_string_equal(bench->error,
                        "queue q: the lease of job 1 (60 s) ended without an answer; no more jobs until it "
                        "answers");
    assert_int_equal(bench->sent, 2); /* nobody else is there to do it */
    begin(bench, 2);
    skep__clock_move(bench->clock, LEASE_MS);
    assert_string_equal(bench->cause, "attempts");
    close_bench(bench);
}

/* --- the end of a worker --- */

static void end_worker(struct bench *bench, const struct skep__ending *ending) {
    bench->ending = *ending;
    skep__jobs_link_closed(bench->holder);
    skep__jobs_worker_ended(bench->holder);
    skep__holder_free(&bench->holder);
    skep__outlet_free(&bench->inbox);
    hire(bench);
}

static void test_deaths(void **state) {
    const struct skep__ending killed = {.code = -1, .signal = 9}, left = {.asked = true, .code = 0, .signal = -1};
    struct bench *bench = open_bench(*state);
    assert_int_equal(put(bench, NULL, 0), SKEP_OK);
    begin(bench, 1);
    end_worker(bench, &killed);
    begin(bench, 1);
    end_worker(bench, &left); /* is no death of it */
    assert_int_equal(bench->died, 0);
    begin(bench, 1);
    end_worker(bench, &killed);
    assert_string_equal(bench->cause, "deaths");
    close_bench(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_delay_and_a_key),
        PUMP_TEST(test_leases),
        PUMP_TEST(test_deaths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
