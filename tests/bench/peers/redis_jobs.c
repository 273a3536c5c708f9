/* SPDX-License-Identifier: MIT
 * Redis Streams: one process adds jobs in pipelines of 1,000, another reads 1,000 of its group at a time, does them and
 * acknowledges them in one command, which travels with the next reading. redis_jobs SOCKET SECONDS */
#include <hiredis/hiredis.h>
#include <string.h>

#include "../figures.h"
#include "../jobs.h"
#include "child.h"
#include "credit.h"

enum { BATCH = 1000, MAX_ID = 64 };

static redisContext *dial(const char *path) {
    redisContext *redis = redisConnectUnix(path);
    if (redis != NULL && redis->err == 0) return redis;
    fprintf(stderr, "%s: %s\n", path, redis == NULL ? "no memory" : redis->errstr);
    exit(1);
}

/* The next answer, which must be a good one; the caller frees it. */
static redisReply *answer(redisContext *redis, const char *what) {
    void *reply = NULL;
    if (redisGetReply(redis, &reply) != REDIS_OK || reply == NULL) {
        fprintf(stderr, "%s: %s\n", what, redis->errstr);
        exit(1);
    }
    redisReply *good = reply;
    if (good->type != REDIS_REPLY_ERROR) return good;
    fprintf(stderr, "%s: %s\n", what, good->str);
    exit(1);
}

static void ask(redisContext *redis, const char *command) {
    redisAppendCommand(redis, command);
    freeReplyObject(answer(redis, command));
}

/* The command is formatted once: all jobs are alike. */
static void submit_for_ever(const char *path, struct bench_credit *credit) {
    static const char data[BENCH_PAYLOAD] = {1};
    static const char *const words[] = {"XADD", "jobs", "*", "d", data};
    static const size_t sizes[] = {4, 4, 1, 1, sizeof data};
    redisContext *redis = dial(path);
    char *command = NULL;
    int size = redisFormatCommandArgv(&command, 5, (const char **)words, sizes);
    if (size < 0) exit(1);
    for (;;) {
        bench_credit_use(credit, BATCH);
        for (int i = 0; i < BATCH; i++) redisAppendFormattedCommand(redis, command, (size_t)size);
        for (int i = 0; i < BATCH; i++) freeReplyObject(answer(redis, "XADD"));
    }
}

struct acks {
    const char *words[3 + BATCH];
    size_t sizes[3 + BATCH];
    char ids[BATCH][MAX_ID];
    int count;
};

static void acks_add(struct acks *acks, const redisReply *id) {
    if (acks->count == BATCH || id->len >= MAX_ID) exit(1);
    memcpy(acks->ids[acks->count], id->str, id->len);
    acks->words[3 + acks->count] = acks->ids[acks->count];
    acks->sizes[3 + acks->count] = id->len;
    acks->count++;
}

/* An entry is [id, [name, value]]. */
static void do_job(const redisReply *entry, struct acks *acks, uint64_t *sum) {
    const redisReply *data = entry->element[1]->element[1];
    if (data->len != BENCH_PAYLOAD) exit(1);
    bench_do(sum, data->str, data->len);
    acks_add(acks, entry->element[0]);
}

/* An answer is [[stream, entries]], or nil if none came in time. */
static void do_jobs(redisContext *redis, struct acks *acks, uint64_t *sum) {
    redisReply *reply = answer(redis, "XREADGROUP");
    acks->count = 0;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1) {
        const redisReply *entries = reply->element[0]->element[1];
        for (size_t i = 0; i < entries->elements; i++) do_job(entries->element[i], acks, sum);
    }
    freeReplyObject(reply);
}

static uint64_t acknowledge(redisContext *redis, struct acks *acks) {
    int count = acks->count;
    if (count > 0) redisAppendCommandArgv(redis, 3 + count, acks->words, acks->sizes);
    redisAppendCommand(redis, "XREADGROUP GROUP workers one COUNT %d BLOCK 1000 STREAMS jobs >", BATCH);
    if (count > 0) freeReplyObject(answer(redis, "XACK"));
    return (uint64_t)count;
}

static void work(redisContext *redis, uint64_t window_ns, const struct bench_credit *credit) {
    static struct acks acks = {.words = {"XACK", "jobs", "workers"}, .sizes = {4, 4, 7}};
    struct bench_rate rate = {.window_ns = window_ns};
    uint64_t sum = 0;
    uint64_t acked;
    do {
        acked = acknowledge(redis, &acks);
        bench_credit_grant(credit, acked);
        do_jobs(redis, &acks, &sum);
    } while (acked == 0 || !bench_rate_add(&rate, acked));
    bench_rate_print(&rate);
    bench_sum_print(sum);
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    struct bench_credit credit;
    redisContext *redis = dial(argv[1]);
    ask(redis, "FLUSHALL SYNC");
    ask(redis, "XGROUP CREATE jobs workers $ MKSTREAM");
    bench_credit_open(&credit, bench_window(BENCH_PAYLOAD));
    pid_t child = bench_fork();
    if (child == 0) submit_for_ever(argv[1], &credit);
    work(redis, bench_seconds_ns(argv[2]), &credit);
    bench_end(child);
    redisFree(redis);
    return 0;
}
