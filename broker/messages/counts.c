/* SPDX-License-Identifier: MIT
 * Requests and named counters, from reports and from pages. */
#include "messages/private.h"
#include "page_counts.h"

static void add(uint64_t *sum, uint64_t n) {
    *sum = n < UINT64_MAX - *sum ? *sum + n : UINT64_MAX;
}

/* Once: a worker may name another one with each request. */
static void say_too_many(skep_cluster *cluster, skep_child *child, const struct skep_bytes *name) {
    if (cluster->messages->counters_said) return;
    cluster->messages->counters_said = true;
    skep__emit_error(cluster, child, "counter %.*s and other new ones are ignored: a broker has %d at most",
                     (int)name->size_bytes, name->data, SKEP_MAX_COUNTERS);
}

/* The total of a name that a worker (NULL: a stranger) has named; NULL: there are too many others. */
static struct skep__counter_total *total_of(skep_cluster *cluster, skep_child *child, const struct skep_bytes *name) {
    struct skep__messages *messages = cluster->messages;
    for (unsigned i = 0; i < messages->counter_count; i++) {
        struct skep__counter_total *c = &messages->counters[i];
        if (skep__text_is(*name, c->name)) return c;
    }
    if (messages->counter_count == SKEP_MAX_COUNTERS) {
        say_too_many(cluster, child, name);
        return NULL;
    }
    struct skep__counter_total *c = &messages->counters[messages->counter_count++];
    skep__copy_text(c->name, sizeof c->name, name);
    return c;
}

/* How much of a total is this worker's; NULL: no memory. Most workers count requests only and need none. */
static uint64_t *share_of(skep_child *child, const struct skep__counter_total *total) {
    struct skep__talker *talker = child->talker;
    if (talker->counted == NULL) talker->counted = calloc(SKEP_MAX_COUNTERS, sizeof *talker->counted);
    return talker->counted != NULL ? &talker->counted[total - child->cluster->messages->counters] : NULL;
}

/* --- reports --- */

void skep__count_requests(skep_cluster *cluster, skep_child *child,
                          const struct skep_command_incrementRequestCount *report) {
    uint64_t n = SKEP_HAS(incrementRequestCount, report, n) ? report->n : 1;
    add(&cluster->messages->requests, n);
    if (child != NULL) add(&child->talker->requests, n);
}

void skep__count_named(skep_cluster *cluster, skep_child *child, const struct skep_command_incrementCount *report) {
    struct skep__counter_total *total = total_of(cluster, child, &report->name);
    uint64_t n = SKEP_HAS(incrementCount, report, n) ? report->n : 1;
    if (total == NULL) return;
    if (child != NULL) {
        uint64_t *share = share_of(child, total);
        if (share == NULL) return; /* its page gives it at the worker's end; both would be too much */
        add(share, n);
    }
    add(&total->count, n);
}

/* --- the page --- */

/* Brings a worker's share of a total up to what its page says. */
static void raise_share(uint64_t *total, uint64_t *share, uint64_t sum) {
    if (sum <= *share) return; /* it does not keep sums, or has reported more */
    add(total, sum - *share);
    *share = sum;
}

static void raise_named(skep_child *child, const struct skep_page_counter *counter) {
    struct skep_bytes name = skep__text(counter->name);
    struct skep__counter_total *total = counter->count > 0 ? total_of(child->cluster, child, &name) : NULL;
    uint64_t *share = total != NULL ? share_of(child, total) : NULL;
    if (share != NULL) raise_share(&total->count, share, counter->count);
}

/* Only a worker that keeps sums on its page: of another one the late reports are all there is. */
static void note_final(skep_child *child) {
    struct skep__messages *messages = child->cluster->messages;
    if (skep__page_requests(child->page) == 0 && skep__page_counter_count(child->page) == 0) return;
    messages->counted[messages->counted_next++ % SKEP__COUNTED] = child->pid;
}

bool skep__counts_are_final(const skep_cluster *cluster, pid_t pid) {
    for (unsigned i = 0; i < SKEP__COUNTED && pid != 0; i++)
        if (cluster->messages->counted[i] == pid) return true;
    return false;
}

void skep__messages_worker_ended(skep_child *child) {
    struct skep_page_counter counter;
    note_final(child);
    raise_share(&child->cluster->messages->requests, &child->talker->requests, skep__page_requests(child->page));
    for (unsigned i = 0, n = skep__page_counter_count(child->page); i < n; i++)
        if (skep__page_counter(child->page, i, &counter)) raise_named(child, &counter);
}
