/* SPDX-License-Identifier: MIT
 * What a test says to a mock broker's clients, and expects of them. */
#include <inttypes.h>
#include <string.h>

#include "common/text.h"
#include "mock/clients.h"

void skep_mock_answer(skep_mock *mock, int status) {
    mock->clients->answer = status;
}

/* --- submissions --- */

static bool is_next(void *context) {
    const skep_mock *mock = context;
    for (uint64_t id = mock->clients->last_seen + 1; id <= mock->last_job; id++)
        if (skep__mock_find_job(mock, id)->client != 0) return true;
    return false;
}

static struct skep__mock_job *next_submitted(const skep_mock *mock) {
    uint64_t id = mock->clients->last_seen + 1;
    while (skep__mock_find_job(mock, id)->client == 0) id++;
    return skep__mock_find_job(mock, id);
}

static bool is_the_one(const struct skep__mock_job *job, const char *queue, const struct skep_bytes *data) {
    if (queue != NULL && strcmp(job->queue, queue) != 0) return false;
    if (data->data == NULL) return true;
    return job->size_bytes == data->size_bytes && memcmp(job->data, data->data, data->size_bytes) == 0;
}

static void explain(skep_mock *mock, const char *before, const char *queue, const struct skep_bytes *data) {
    char quoted[SKEP__MOCK_SUBJECT_BYTES];
    skep__mock_explain_more(mock, "%sa job for %s", before, queue != NULL ? queue : "any queue");
    if (data->data != NULL) skep__mock_explain_more(mock, ", %s", skep__mock_quote(*data, quoted, sizeof quoted));
}

int skep_mock_expect_submitted(skep_mock *mock, const char *queue, const void *data, size_t size_bytes, uint64_t *id,
                               unsigned timeout_ms) {
    struct skep_bytes wanted = {data, size_bytes};
    int status = skep__mock_run(mock, is_next, mock, timeout_ms);
    struct skep__mock_job *job = status == SKEP_OK ? next_submitted(mock) : NULL;
    if (job != NULL && is_the_one(job, queue, &wanted)) {
        mock->clients->last_seen = job->id;
        if (id != NULL) *id = job->id;
        return SKEP_OK;
    }
    skep__mock_explain(mock, "expected within %u ms: ", timeout_ms);
    explain(mock, "", queue, &wanted);
    if (job == NULL) return skep__mock_failed(mock, status);
    explain(mock, "\ncame instead: ", job->queue, &(struct skep_bytes){job->data, job->size_bytes});
    return skep__mock_failed(mock, SKEP_EUNEXPECTED);
}

/* --- outcomes --- */

static int find(const skep_mock *mock, uint64_t id, struct skep__job **job) {
    const struct skep__mock_job *known = skep__mock_find_job(mock, id);
    if (known == NULL) return SKEP_ENOJOB;
    *job = known->is_over ? NULL : skep__jobs_find(mock->ledger, id);
    return *job != NULL ? SKEP_OK : SKEP_ESTATE;
}

int skep_mock_finish(skep_mock *mock, uint64_t id, const void *result, size_t size_bytes) {
    const struct skep_bytes bytes = {result != NULL ? result : "", size_bytes};
    struct skep__job *job;
    if (size_bytes > SKEP_MAX_PAYLOAD) return SKEP_ETOOBIG;
    int status = find(mock, id, &job);
    return status == SKEP_OK ? skep__job_finish(mock->ledger, job, &bytes) : status;
}

static const char *find_cause(const char *cause) {
    static const char *const causes[] = {"attempts", "deaths", "expired", "interrupted", "refused", "cancelled"};
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (strcmp(causes[i], cause) == 0) return causes[i];
    return NULL;
}

int skep_mock_bury(skep_mock *mock, uint64_t id, const char *cause, const char *reason) {
    const struct skep_bytes bytes = skep__text(reason);
    struct skep__job *job;
    const char *known = find_cause(cause);
    if (known == NULL) return SKEP_EINVAL;
    if (bytes.size_bytes > SKEP_MAX_REASON) return SKEP_ETOOBIG;
    int status = find(mock, id, &job);
    return status == SKEP_OK ? skep__job_give_up(mock->ledger, job, known, &bytes) : status;
}
