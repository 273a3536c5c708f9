/* SPDX-License-Identifier: MIT
 * Counters: added up here, sent together. The page has their sums at any moment, for the broker to read should the
 * worker be killed before it has sent them. */
#include "worker/private.h"

enum { COUNT_MS = 20 /* how long counts gather after some have left */ };

static const char requests_name[] = "requests";

static void gathered(uv_timer_t *timer);

static void send_and_gather(skep_worker *worker) {
    skep__worker_send_counts(worker);
    if (worker->link >= 0 && !worker->finishing)
        uv_timer_start(&worker->timers[SKEP__TIMER_COUNTS], gathered, COUNT_MS, 0);
}

static void gathered(uv_timer_t *timer) {
    skep_worker *worker = timer->data;
    if (worker->counts_waiting) send_and_gather(worker);
}

static void flush_counts(struct skep__flush *flush) {
    send_and_gather(SKEP_CONTAINER(flush, skep_worker, counts_flush));
}

/* The first counts leave at the end of this iteration, so that the totals are fresh; under load those that follow leave
 * together. */
static void send_soon(skep_worker *worker) {
    if (worker->counts_waiting || worker->link < 0) return;
    worker->counts_waiting = true;
    if (uv_is_active((uv_handle_t *)&worker->timers[SKEP__TIMER_COUNTS])) return;
    worker->counts_flush.flush = flush_counts;
    skep__flusher_mark(worker->flusher, &worker->counts_flush);
}

static struct skep__counter *add_counter(skep_worker *worker, const char *name) {
    size_t size_bytes = strlen(name);
    if (worker->counter_count == SKEP_MAX_COUNTERS || size_bytes == 0 || size_bytes > SKEP_MAX_NAME) return NULL;
    struct skep__counter *counter = &worker->counters[worker->counter_count++];
    memcpy(counter->name, name, size_bytes + 1);
    counter->sum = &worker->page->requests;
    if (strcmp(name, requests_name) == 0) return counter;
    /* There are as many on the page as here, so there is room. The name is complete before the broker can see it. */
    struct skep_page_counter *on_page = &worker->page->counters[worker->named_count++];
    memcpy(on_page->name, name, size_bytes + 1);
    __atomic_store_n(&worker->page->counter_count, worker->named_count, __ATOMIC_RELEASE);
    counter->sum = &on_page->count;
    return counter;
}

static struct skep__counter *find_counter(skep_worker *worker, const char *name) {
    for (unsigned i = 0; i < worker->counter_count; i++)
        if (strcmp(worker->counters[i].name, name) == 0) return &worker->counters[i];
    return add_counter(worker, name);
}

void skep_count(skep_worker *worker, const char *name, uint32_t n) {
    struct skep__counter *counter = find_counter(worker, name);
    if (counter == NULL) return;
    __atomic_store_n(counter->sum, *counter->sum + n, __ATOMIC_RELAXED); /* never less than what is reported */
    counter->unreported += n;
    if (!worker->counts_waiting) send_soon(worker);
}

static struct skep_command report_of(const struct skep__counter *counter, uint32_t n) {
    struct skep_command requests = {.id = SKEP_COMMAND_incrementRequestCount};
    struct skep_command named = {.id = SKEP_COMMAND_incrementCount,
                                 .incrementCount = {.name = skep__text(counter->name)}};
    SKEP_SET(incrementRequestCount, &requests.incrementRequestCount, n, n);
    SKEP_SET(incrementCount, &named.incrementCount, n, n);
    return strcmp(counter->name, requests_name) == 0 ? requests : named;
}

/* What cannot leave now stays for the next time. */
void skep__worker_send_counts(skep_worker *worker) {
    worker->counts_waiting = false;
    for (unsigned i = 0; i < worker->counter_count; i++) {
        struct skep__counter *counter = &worker->counters[i];
        uint32_t n = counter->unreported < UINT32_MAX ? (uint32_t)counter->unreported : UINT32_MAX;
        if (n == 0 || worker->finishing) continue;
        struct skep_command command = report_of(counter, n);
        if (skep__worker_put(worker, &command) == SKEP_OK) counter->unreported -= n;
        if (counter->unreported > 0) send_soon(worker);
    }
}
