/* SPDX-License-Identifier: MIT
 * What a mock broker's workers count: by their reports, and at last by their pages, as with a real one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/private.h"
#include "page_counts.h"

static const char requests_name[] = "requests";

static struct skep__mock_counter *counter_of(struct skep__mock_worker *worker, const char *name) {
    struct skep__mock_counter *counter;
    LIST_FOREACH(counter, &worker->counters, entry) if (strcmp(counter->name, name) == 0) return counter;
    counter = calloc(1, sizeof *counter);
    if (counter == NULL) return NULL;
    snprintf(counter->name, sizeof counter->name, "%s", name);
    LIST_INSERT_HEAD(&worker->counters, counter, entry);
    return counter;
}

/* --- reports --- */

static void count(struct skep__mock_worker *worker, const char *name, uint64_t n) {
    struct skep__mock_counter *counter = worker->counts_final ? NULL : counter_of(worker, name);
    if (counter != NULL) counter->count += n;
}

void skep__mock_count_requests(struct skep__mock_worker *worker,
                               const struct skep_command_incrementRequestCount *report) {
    count(worker, requests_name, SKEP_HAS(incrementRequestCount, report, n) ? report->n : 1);
}

void skep__mock_count_named(struct skep__mock_worker *worker, const struct skep_command_incrementCount *report) {
    char name[SKEP_MAX_NAME + 1];
    snprintf(name, sizeof name, "%.*s", (int)report->name.size_bytes, report->name.data);
    count(worker, name, SKEP_HAS(incrementCount, report, n) ? report->n : 1);
}

/* --- the page --- */

static void raise_to(struct skep__mock_worker *worker, const char *name, uint64_t sum) {
    struct skep__mock_counter *counter = sum > 0 ? counter_of(worker, name) : NULL;
    if (counter != NULL && counter->count < sum) counter->count = sum;
}

void skep__mock_count_unreported(struct skep__mock_worker *worker) {
    struct skep_page_counter counter;
    unsigned named = skep__page_counter_count(worker->page);
    uint64_t requests = skep__page_requests(worker->page);
    worker->counts_final = requests > 0 || named > 0;
    raise_to(worker, requests_name, requests);
    for (unsigned i = 0; i < named; i++)
        if (skep__page_counter(worker->page, i, &counter)) raise_to(worker, counter.name, counter.count);
}
