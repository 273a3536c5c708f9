/* SPDX-License-Identifier: MIT
 * A worker for the queue sha256: any bytes in, their SHA-256 digest out, in hexadecimal digits.
 *
 *     skep run -- jobs
 *     skep submit sha256 --wait - < FILE */
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <skep/worker.h>

#include "program.h"

static skep_verdict digest(skep_worker *worker, skep_job *job, void *context) {
    struct sha256_ctx sha256;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    char digits[BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE)];
    (void)worker, (void)context;
    sha256_init(&sha256);
    sha256_update(&sha256, job->size_bytes, job->data);
    sha256_digest(&sha256, sizeof bytes, bytes);
    base16_encode_update(digits, sizeof bytes, bytes);
    /* Fails only without memory: a later attempt, or another worker, may succeed. */
    return skep_job_result(job, digits, sizeof digits) ? SKEP_RETRY : SKEP_DONE;
}

int main(int argc, char **argv) {
    skep_worker *self = NULL;
    options_read(argc, argv, "Answers jobs of the queue sha256 with their digest; run it by skep run.",
                 (struct option_row[]){OPTION_END});
    int status = skep_worker_new(&self, NULL);
    if (status) return worker_stray("jobs", status);
    status = skep_on_job(self, "sha256", digest, NULL);
    if (!status) status = skep_worker_run(self);
    skep_worker_free(&self);
    return worker_end(status);
}
