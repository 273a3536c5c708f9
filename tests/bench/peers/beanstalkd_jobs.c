/* SPDX-License-Identifier: MIT
 * beanstalkd: one process puts jobs in pipelines of 256, another reserves 256 at a time, does them and deletes them;
 * the deletions travel with the next reservations. beanstalkd_jobs SOCKET SECONDS */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../figures.h"
#include "../jobs.h"
#include "child.h"
#include "credit.h"

enum { BATCH = 256, LINE = 64 };

static FILE *dial(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FILE *server = fd < 0 ? NULL : fdopen(fd, "r+");
    if (server != NULL && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return server;
    perror(path);
    exit(1);
}

static void send_all(FILE *server, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fileno(server), data, size, MSG_NOSIGNAL);
        if (sent <= 0) exit(1);
        data += sent;
        size -= (size_t)sent;
    }
}

/* The next line, which must begin with a word; what follows it is read as a number. */
static unsigned long long expect(FILE *server, const char *word) {
    char line[LINE];
    size_t size = strlen(word);
    if (fgets(line, sizeof line, server) != NULL && strncmp(line, word, size) == 0) {
        return strtoull(line + size, NULL, 10);
    }
    fprintf(stderr, "no %s from the server\n", word);
    exit(1);
}

static void submit_for_ever(const char *path, struct bench_credit *credit) {
    static char batch[BATCH * (LINE + BENCH_PAYLOAD)];
    static const char data[BENCH_PAYLOAD] = {1};
    FILE *server = dial(path);
    size_t size = 0;
    for (int i = 0; i < BATCH; i++) {
        size += (size_t)snprintf(batch + size, LINE, "put 0 0 60 %zu\r\n", sizeof data);
        memcpy(batch + size, data, sizeof data);
        size += sizeof data;
        batch[size++] = '\r';
        batch[size++] = '\n';
    }
    for (;;) {
        bench_credit_use(credit, BATCH);
        send_all(server, batch, size);
        for (int i = 0; i < BATCH; i++) expect(server, "INSERTED ");
    }
}

struct batch {
    char text[BATCH * LINE];
    size_t size;
    int count; /* of the jobs that it deletes */
};

static void batch_delete(struct batch *batch, unsigned long long id) {
    batch->size += (size_t)snprintf(batch->text + batch->size, LINE / 2, "delete %llu\r\n", id);
    batch->count++;
}

static void do_jobs(FILE *server, struct batch *batch, uint64_t *sum) {
    char data[BENCH_PAYLOAD + 2];
    batch->size = 0;
    batch->count = 0;
    for (int i = 0; i < BATCH; i++) {
        unsigned long long id = expect(server, "RESERVED ");
        if (fread(data, sizeof data, 1, server) != 1) exit(1);
        bench_do(sum, data, BENCH_PAYLOAD);
        batch_delete(batch, id);
    }
}

/* Answers come in the order of the commands, whatever there is to reserve. */
static int delete_and_reserve(FILE *server, struct batch *batch) {
    for (int i = 0; i < BATCH; i++) {
        memcpy(batch->text + batch->size, "reserve\r\n", 9);
        batch->size += 9;
    }
    send_all(server, batch->text, batch->size);
    for (int i = 0; i < batch->count; i++) expect(server, "DELETED");
    return batch->count;
}

static void work(const char *path, uint64_t window_ns, const struct bench_credit *credit) {
    static struct batch batch;
    struct bench_rate rate = {.window_ns = window_ns};
    FILE *server = dial(path);
    uint64_t sum = 0;
    uint64_t deleted;
    do {
        deleted = (uint64_t)delete_and_reserve(server, &batch);
        bench_credit_grant(credit, deleted);
        do_jobs(server, &batch, &sum);
    } while (deleted == 0 || !bench_rate_add(&rate, deleted));
    bench_rate_print(&rate);
    bench_sum_print(sum);
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    struct bench_credit credit;
    bench_credit_open(&credit, bench_window(BENCH_PAYLOAD));
    pid_t child = bench_fork();
    if (child == 0) submit_for_ever(argv[1], &credit);
    work(argv[1], bench_seconds_ns(argv[2]), &credit);
    bench_end(child);
    return 0;
}
