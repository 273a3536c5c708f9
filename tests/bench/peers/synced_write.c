/* SPDX-License-Identifier: MIT
 * What the disk takes to make one block last: appends 4 KiB and syncs, again and again.
 * Prints {"figure": median, "p99": ...} in µs. synced_write FILE SECONDS */
#include <fcntl.h>
#include <unistd.h>

#include "../figures.h"

enum { MAX_SAMPLES = 1 << 18, BLOCK = 4096 };

int main(int argc, char **argv) {
    static uint64_t samples_ns[MAX_SAMPLES];
    static const char block[BLOCK];
    size_t count = 0;
    if (argc != 3) return 64;
    int file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    uint64_t until_ns = bench_now_ns() + bench_seconds_ns(argv[2]);
    for (uint64_t begin_ns; (begin_ns = bench_now_ns()) < until_ns && count < MAX_SAMPLES;) {
        if (write(file, block, BLOCK) != BLOCK || fdatasync(file) != 0) {
            perror(argv[1]);
            return 1;
        }
        samples_ns[count++] = bench_now_ns() - begin_ns;
    }
    bench_samples_print(samples_ns, count, 1e3);
    close(file);
    return 0;
}
