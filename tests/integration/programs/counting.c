/* SPDX-License-Identifier: MIT
 * A worker that counts without a pause, and notes how far it has come where its end does not take that away.
 *
 *   counting FOLDER WORKERS
 *
 * The workers with ids up to WORKERS count a request and three cats each time; others count nothing. FOLDER/ID holds
 * four 64-bit numbers: how many times were begun and how many are done; whether to stop, written by the test; and
 * whether it has stopped, which it does inside a turn of its loop, so that its latest counts have not been sent. */
#include <fcntl.h>
#include <skep/worker.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

enum { USAGE = 64, NO_FILE = 73, TIMES_A_TURN = 200, CATS = 3 };

struct note {
    uint64_t begun, done, stop, stopped;
};

struct counting {
    skep_worker *worker;
    struct note *note;
};

static struct note *open_note(const char *folder, uint32_t id) {
    char path[256];
    snprintf(path, sizeof path, "%s/%u", folder, id);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct note)) != 0) exit(NO_FILE);
    void *memory = mmap(NULL, sizeof(struct note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) exit(NO_FILE);
    close(fd);
    return memory;
}

static void stop(struct note *note) {
    __atomic_store_n(&note->stopped, 1, __ATOMIC_RELEASE);
    for (;;) pause();
}

static void count_once(const struct counting *counting) {
    struct note *note = counting->note;
    __atomic_store_n(&note->begun, note->begun + 1, __ATOMIC_SEQ_CST);
    skep_count(counting->worker, "requests", 1);
    skep_count(counting->worker, "cats", CATS);
    __atomic_store_n(&note->done, note->done + 1, __ATOMIC_SEQ_CST);
}

static void turn(uv_timer_t *timer) {
    const struct counting *counting = timer->data;
    for (unsigned i = 0; i < TIMES_A_TURN; i++) {
        count_once(counting);
        if (__atomic_load_n(&counting->note->stop, __ATOMIC_ACQUIRE) != 0) stop(counting->note);
    }
}

static int run(skep_worker *worker, const char *folder, uint32_t workers) {
    struct counting counting = {.worker = worker, .note = open_note(folder, skep_worker_id(worker))};
    uv_timer_t timer;
    uv_timer_init(skep_worker_loop(worker), &timer);
    uv_unref((uv_handle_t *)&timer);
    timer.data = &counting;
    if (skep_worker_id(worker) <= workers) uv_timer_start(&timer, turn, 1, 1);
    int status = skep_worker_run(worker);
    uv_close((uv_handle_t *)&timer, NULL);
    munmap(counting.note, sizeof *counting.note);
    return status;
}

int main(int argc, char **argv) {
    skep_worker *worker = NULL;
    if (argc != 3) return USAGE;
    int status = skep_worker_new(&worker, NULL);
    if (status == SKEP_OK) status = run(worker, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
    skep_worker_free(&worker);
    return skep_exit_status(status);
}
