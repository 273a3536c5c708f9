/* SPDX-License-Identifier: MIT
 * A stage: a mock broker or a real one, with a client that notes its outcomes. A scene is played on both, and outcomes
 * and what queues count must be the same. Real time passes on the one, the mock's clock on the other. */
#ifndef SKEP_TESTS_STAGES_H
#define SKEP_TESTS_STAGES_H

#include "hive.h"

#include <skep/client.h>
#include <skep/mock.h>

enum { MAX_TOLD = 80, TOLD_BYTES = 192, QUEUES_BYTES = 512, TURN_MS = 10, STEP_MS = 50 };

struct told {
    struct stage *stage;
    char payload[TOLD_BYTES];
    char text[TOLD_BYTES * 3]; /* "": not yet */
};

struct stage {
    struct hive *hive;
    skep_mock *mock; /* NULL: the broker is a real one */
    skep_client *client;
    struct told told[MAX_TOLD];
    size_t count, left;
    char queues[QUEUES_BYTES];
};

/* How a broker is set up */
struct terms {
    unsigned lease_ms, attempts, deaths;
    const char *queue; /* that has options; NULL: none */
    skep_queue_options options;
};

static inline void need(const struct stage *stage, int status, const char *what) {
    if (status == SKEP_OK) return;
    fail_msg("%s: %s: %s\n%s", stage->mock != NULL ? "mock" : "real", what, skep_strerror(status),
             stage->mock != NULL ? skep_mock_why(stage->mock) : skep_cluster_why(stage->hive->cluster));
}

static inline void open_mock(struct stage *stage, const struct terms *terms) {
    skep_mock_options options = {
        .lease_ms = terms->lease_ms, .attempts = terms->attempts, .deaths = terms->deaths, .respawn = true};
    need(stage, skep_mock_broker_new(&stage->mock, &options), "mock");
    if (terms->queue != NULL) need(stage, skep_mock_setup_queue(stage->mock, terms->queue, &terms->options), "queue");
}

static inline void open_real(struct stage *stage, const struct terms *terms) {
    hive_start(stage->hive,
               &(skep_settings){
                   .lease_ms = terms->lease_ms, .attempts = terms->attempts, .deaths = terms->deaths, .respawn = true});
    skep_cluster *cluster = stage->hive->cluster;
    if (terms->queue != NULL) need(stage, skep_setup_queue(cluster, terms->queue, &terms->options), "queue");
    need(stage, skep_cluster_start(cluster), "start");
}

static inline void open_stage(struct stage *stage, struct hive *hive, bool mocked, const struct terms *terms) {
    *stage = (struct stage){.hive = hive};
    if (mocked) open_mock(stage, terms);
    else open_real(stage, terms);
    skep_client_options options = {.dir = mocked ? skep_mock_broker_dir(stage->mock) : skep_cluster_dir(hive->cluster),
                                   .loop = mocked ? skep_mock_loop(stage->mock) : skep_cluster_loop(hive->cluster)};
    need(stage, skep_client_new(&stage->client, &options), "client");
}

static inline void close_stage(struct stage *stage) {
    skep_client_free(&stage->client);
    if (stage->mock == NULL) hive_end(stage->hive);
    skep_mock_broker_free(&stage->mock);
}

static inline void add_worker(struct stage *stage, const char *role) {
    char text[64];
    uint32_t worker;
    snprintf(text, sizeof text, "SKEP_TEST_ROLE=%s", role);
    const char *const argv[] = {"/proc/self/exe", NULL}, *const env[] = {text, NULL};
    if (stage->mock == NULL) {
        hive_fork_ready(stage->hive, role, NULL);
        return;
    }
    need(stage, skep_mock_broker_spawn(stage->mock, argv, env, &worker), "spawn");
    need(stage, skep_mock_expect_ready(stage->mock, worker, HIVE_PATIENCE_MS), "ready");
}

/* Time passes by itself, or by steps when nothing else happens. */
static inline void wait_for(struct stage *stage, skep_mock_cb is_so, void *context, const char *what) {
    uint64_t deadline_ns = hive_deadline_ns();
    while (!is_so(context)) {
        if (stage->mock == NULL) {
            hive_turn(stage->hive, deadline_ns, HIVE_LOOK_MS, what);
            continue;
        }
        if (uv_hrtime() > deadline_ns) fail_msg("waited in vain for: %s", what);
        if (skep_mock_run_until(stage->mock, is_so, context, what, TURN_MS) == SKEP_ETIMEDOUT)
            skep_mock_advance(stage->mock, STEP_MS);
    }
}

/* --- what is seen --- */

static inline void ended(skep_client *client, const skep_outcome *outcome, void *context) {
    struct told *told = context;
    (void)client;
    snprintf(told->text, sizeof told->text, "%s: %s %s%s%s%.*s", told->payload, skep_strerror(outcome->status),
             outcome->cause, outcome->cause[0] != '\0' ? ": " : "", outcome->reason, (int)outcome->size_bytes,
             (const char *)outcome->data);
    told->stage->left--;
}

static inline void submit(struct stage *stage, const char *queue, const char *payload,
                          const skep_job_options *options) {
    struct told *told = &stage->told[stage->count++];
    told->stage = stage;
    stage->left++;
    snprintf(told->payload, sizeof told->payload, "%s", payload);
    int status = skep_submit(stage->client, queue, payload, strlen(payload), options, NULL, ended, told);
    need(stage, status, "submit");
}

static inline void replied(skep_client *client, int status, const void *data, size_t size_bytes, void *context) {
    struct told *told = context;
    (void)client;
    snprintf(told->text, sizeof told->text, "%s: %s %.*s", told->payload, skep_strerror(status), (int)size_bytes,
             (const char *)data);
    told->stage->left--;
}

static inline void not_delivered(skep_client *client, uint32_t worker, const char *name, int status, void *context) {
    struct stage *stage = context;
    struct told *told = &stage->told[stage->count++];
    (void)client;
    snprintf(told->text, sizeof told->text, "%s to %u: %s", name, worker, skep_strerror(status));
}

static inline void ask(struct stage *stage, uint32_t worker, const char *to_name, const char *what) {
    struct told *told = &stage->told[stage->count++];
    told->stage = stage;
    stage->left++;
    snprintf(told->payload, sizeof told->payload, "%s", what);
    int status = skep_client_request(stage->client, worker, to_name, what, NULL, 0, 0, replied, told);
    need(stage, status, "request");
}

static inline bool all_ended(void *context) {
    const struct stage *stage = context;
    return stage->left == 0;
}

static inline bool all_accepted(void *context) {
    const struct stage *stage = context;
    return skep_client_unaccepted(stage->client) == 0;
}

static inline bool has_queues(void *context) {
    const struct stage *stage = context;
    return stage->queues[0] != '\0';
}

static inline void note_queues(skep_client *client, int status, const skep_broker_info *info, void *context) {
    char *text = context;
    (void)client;
    snprintf(text, QUEUES_BYTES, "%s", status == SKEP_OK ? "queues:" : skep_strerror(status));
    for (size_t i = 0; status == SKEP_OK && i < info->queue_count; i++) {
        const skep_queue_info *q = &info->queues[i];
        size_t used = strlen(text);
        if (q->submitted == 0) continue;
        snprintf(text + used, QUEUES_BYTES - used,
                 " %s%s: %d ready, %d reserved, %d delayed, %d dead, %d submitted, %d done, %d redelivered", q->name,
                 q->unhandled ? " (unhandled)" : "", (int)q->ready, (int)q->reserved, (int)q->delayed, (int)q->dead,
                 (int)q->submitted, (int)q->done, (int)q->redelivered);
    }
}

static inline void finish(struct stage *stage) {
    wait_for(stage, all_ended, stage, "all outcomes");
    stage->queues[0] = '\0';
    need(stage, skep_client_status(stage->client, note_queues, stage->queues), "status");
    wait_for(stage, has_queues, stage, "the queues");
}

typedef void scene(struct stage *stage);

static inline void compare(struct hive *hive, scene *play, const struct terms *terms) {
    struct stage mocked, real;
    open_stage(&mocked, hive, true, terms);
    play(&mocked);
    close_stage(&mocked);
    open_stage(&real, hive, false, terms);
    play(&real);
    close_stage(&real);
    assert_int_equal(mocked.count, real.count);
    for (size_t i = 0; i < real.count; i++) assert_string_equal(mocked.told[i].text, real.told[i].text);
    assert_string_equal(mocked.queues, real.queues);
    for (size_t i = 0; i < real.count; i++) print_message("  %s\n", real.told[i].text);
    print_message("  %s\n", real.queues);
}

#endif
