/* SPDX-License-Identifier: MIT
 * NATS JetStream, in memory or in files: one process publishes asynchronously, another fetches batches of 1,000, does
 * the jobs and acknowledges each. nats_jobs PORT SECONDS [files] */
#include <nats/nats.h>

#include "../figures.h"
#include "../jobs.h"
#include "child.h"
#include "credit.h"

enum { BATCH = 1000, MAX_PENDING = 16384 };

static void check(natsStatus status, const char *what) {
    if (status == NATS_OK) return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

struct link {
    natsConnection *connection;
    jsCtx *stream;
};

static void dial(struct link *link, const char *port) {
    char url[64];
    jsOptions options;
    snprintf(url, sizeof url, "nats://127.0.0.1:%s", port);
    check(natsConnection_ConnectTo(&link->connection, url), url);
    check(jsOptions_Init(&options), "options");
    options.PublishAsync.MaxPending = MAX_PENDING;
    check(natsConnection_JetStream(&link->stream, link->connection, &options), "JetStream");
}

/* Old jobs go with the old stream; what has been acknowledged leaves a work queue by itself. */
static void make_stream(const struct link *link, jsStorageType storage) {
    const char *subject = "jobs";
    jsStreamConfig config;
    check(jsStreamConfig_Init(&config), "stream");
    config.Name = "jobs";
    config.Subjects = &subject;
    config.SubjectsLen = 1;
    config.Storage = storage;
    config.Retention = js_WorkQueuePolicy;
    natsStatus status = js_DeleteStream(link->stream, "jobs", NULL, NULL);
    if (status != NATS_NOT_FOUND) check(status, "delete stream");
    check(js_AddStream(NULL, link->stream, &config, NULL, NULL), "add stream");
}

static void submit_for_ever(const char *port, struct bench_credit *credit) {
    static const char data[BENCH_PAYLOAD] = {1};
    struct link link;
    dial(&link, port);
    for (;;) {
        bench_credit_use(credit, BATCH);
        for (int i = 0; i < BATCH; i++) {
            check(js_PublishAsync(link.stream, "jobs", data, sizeof data, NULL), "publish");
        }
    }
}

static natsSubscription *subscribe(const struct link *link) {
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    check(jsSubOptions_Init(&options), "options");
    options.Config.AckPolicy = js_AckExplicit;
    options.Config.MaxAckPending = 1 << 20;
    check(js_PullSubscribe(&subscription, link->stream, "jobs", "workers", NULL, &options, NULL), "subscribe");
    return subscription;
}

static uint64_t do_jobs(natsSubscription *subscription, uint64_t *sum) {
    natsMsgList list;
    natsStatus status = natsSubscription_Fetch(&list, subscription, BATCH, 1000, NULL);
    if (status == NATS_TIMEOUT) return 0;
    check(status, "fetch");
    for (int i = 0; i < list.Count; i++) {
        if (natsMsg_GetDataLength(list.Msgs[i]) != BENCH_PAYLOAD) exit(1);
        bench_do(sum, natsMsg_GetData(list.Msgs[i]), BENCH_PAYLOAD);
        check(natsMsg_Ack(list.Msgs[i], NULL), "ack");
    }
    uint64_t count = (uint64_t)list.Count;
    natsMsgList_Destroy(&list);
    return count;
}

static void work(const struct link *link, uint64_t window_ns, const struct bench_credit *credit) {
    struct bench_rate rate = {.window_ns = window_ns};
    natsSubscription *subscription = subscribe(link);
    uint64_t sum = 0;
    uint64_t done;
    do {
        done = do_jobs(subscription, &sum);
        bench_credit_grant(credit, done);
    } while (done == 0 || !bench_rate_add(&rate, done));
    bench_rate_print(&rate);
    bench_sum_print(sum);
}

/* The library has threads, so the other process is started before it is used. */
int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) return 64;
    struct bench_credit credit;
    struct link link;
    bench_credit_open(&credit, 0);
    pid_t child = bench_fork();
    if (child == 0) submit_for_ever(argv[1], &credit);
    dial(&link, argv[1]);
    make_stream(&link, argc == 4 ? js_FileStorage : js_MemoryStorage);
    bench_credit_grant(&credit, bench_window(BENCH_PAYLOAD));
    work(&link, bench_seconds_ns(argv[2]), &credit);
    bench_end(child);
    return 0;
}
