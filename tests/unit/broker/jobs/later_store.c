/* SPDX-License-Identifier: MIT
 * A store that completes later, over one in memory: jobs of which a change is pending are not counted there. */
#include "broker/jobs/later_store.h"

#include <stdlib.h>
#include <string.h>

#include "broker/jobs/list_copy.h"
#include "broker/jobs/wanted_store.h"
#include "common/container.h"
#include "jobs/private.h"
#include "jobs/store_shelf.h"

enum change { PUT, ACK, RETRY, RECOVER, BURY, CANCEL, REVIVE, DROP };

struct pending {
    TAILQ_ENTRY(pending) entry;
    enum change change;
    struct skep__shelf *shelf;
    uint64_t now_ms, due_ms;
    struct skep__job *job;
    const char *cause;
    struct skep_bytes bytes; /* result, reason */
    struct skep__put *put;
    struct skep__batch batch;
    struct skep_bytes *lists;
    char copy[];
};
TAILQ_HEAD(pendings, pending);

struct later {
    struct skep__store store; /* first member */
    struct skep__store *inner;
    struct pendings pendings;
    struct pending *aside; /* the rest of a put */
    uv_timer_t timer;
    bool held;
    int failure;
};

static struct later *later_of(struct skep__store *store) {
    return (struct later *)store;
}

static struct skep__store *inner_of(struct skep__store *store) {
    return later_of(store)->inner;
}

/* --- shelves --- */

static bool is_pending(const struct later *later, const struct skep__shelf *shelf) {
    const struct pending *p;
    TAILQ_FOREACH(p, &later->pendings, entry) if (p->shelf == shelf) return true;
    return false;
}

static void note(struct later *later, struct skep__shelf *shelf) {
    shelf->empty = skep__memory_shelf_is_empty(skep__memory_shelf(shelf)) && !is_pending(later, shelf);
    later->store.events->emptied(later->store.context, shelf);
}

static struct skep__shelf *later_open(struct skep__store *store, struct skep__queue *queue) {
    struct skep__shelf *shelf = inner_of(store)->kind->open(inner_of(store), queue);
    if (shelf != NULL) shelf->durable = true;
    return shelf;
}

static void later_close(struct skep__store *store, struct skep__shelf *shelf) {
    if (is_pending(later_of(store), shelf)) abort();
    inner_of(store)->kind->close(inner_of(store), shelf);
}

/* --- what the store in memory tells --- */

static void inner_emptied(void *context, struct skep__shelf *shelf) {
    note(context, shelf);
}

static void inner_done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    struct later *later = context;
    later->store.events->done(later->store.context, job, result);
}

/* The event comes when the change is complete. */
static void inner_died(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    (void)context, (void)job, (void)cause, (void)reason;
}

/* --- pending --- */

static bool was_reserved(const struct pending *p) {
    return p->change == ACK || p->change == RETRY || p->change == RECOVER;
}

static uint64_t *count_of(const struct pending *p) {
    return was_reserved(p) ? &p->shelf->reserved_count : &p->shelf->dead_count;
}

static void hide(const struct pending *p) {
    p->job->state = SKEP__JOB_PENDING;
    p->job->consumer = NULL;
    --*count_of(p);
}

static void show(const struct pending *p) {
    p->job->state = was_reserved(p) ? SKEP__JOB_RESERVED : SKEP__JOB_DEAD;
    ++*count_of(p);
}

static void timer_fired(uv_timer_t *timer);

static struct pending *add(struct later *later, enum change change, struct skep__shelf *shelf, size_t copy_bytes) {
    struct pending *p = calloc(1, sizeof *p + copy_bytes);
    if (p == NULL) abort();
    p->change = change;
    p->shelf = shelf;
    TAILQ_INSERT_TAIL(&later->pendings, p, entry);
    note(later, shelf);
    if (!later->held) uv_timer_start(&later->timer, timer_fired, 0, 0);
    return p;
}

static struct pending *add_for(struct skep__store *store, enum change change, struct skep__job *job,
                               const struct skep_bytes *bytes, uint64_t now_ms) {
    struct pending *p = add(later_of(store), change, job->queue->shelf, bytes->size_bytes);
    if (bytes->size_bytes > 0) memcpy(p->copy, bytes->data, bytes->size_bytes);
    p->bytes = (struct skep_bytes){p->copy, bytes->size_bytes};
    p->job = job;
    p->now_ms = now_ms;
    hide(p);
    return p;
}

/* --- changes --- */

static void later_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                      uint64_t now_ms, struct skep__put *put) {
    const uint32_t from = batch->first;
    struct pending *p =
        add(later_of(store), PUT, shelf, list_bytes(&batch->jobs, from) + list_bytes(&batch->keys, from));
    p->lists = calloc(batch->jobs.count + batch->keys.count, sizeof *p->lists);
    if (p->lists == NULL) abort();
    char *room = p->copy;
    p->put = put;
    p->batch = *batch;
    p->now_ms = now_ms;
    list_copy(&p->batch.jobs, p->lists, &room, from);
    list_copy(&p->batch.keys, p->lists + batch->jobs.count, &room, from);
}

static void later_ack(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result,
                      uint64_t now_ms) {
    inner_of(store)->kind->begun(inner_of(store), job);
    add_for(store, ACK, job, result, now_ms);
}

static const struct skep_bytes nothing = {0};

static void later_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    inner_of(store)->kind->begun(inner_of(store), job);
    add_for(store, RETRY, job, &nothing, now_ms)->due_ms = due_ms;
}

/* In memory it is dead at once, so that it leaves the list that it is in, whichever that is. */
static void later_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                       const struct skep_bytes *reason, uint64_t now_ms) {
    inner_of(store)->kind->bury(inner_of(store), job, cause, death, reason, now_ms);
    add_for(store, BURY, job, reason, now_ms)->cause = cause;
}

static void later_cancel(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    inner_of(store)->kind->bury(inner_of(store), job, skep__cancelled, NULL, &nothing, now_ms);
    add_for(store, CANCEL, job, &nothing, now_ms);
}

static void later_revive(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    add_for(store, REVIVE, job, &nothing, now_ms);
}

static void later_recover(struct skep__store *store, struct skep__job *job) {
    add_for(store, RECOVER, job, &nothing, 0);
}

static void later_drop(struct skep__store *store, struct skep__job *job) {
    add_for(store, DROP, job, &nothing, 0);
}

/* --- completing --- */

static void answer_all(struct pending *p, int status) {
    const struct skep__answer answer = {.n = p->batch.jobs.count - p->batch.first, .status = status};
    p->put->answered(p->put, &answer);
}

static void complete(struct later *later, struct pending *p) {
    struct skep__store *inner = later->inner;
    if (p->change == PUT && later->failure != SKEP_OK) answer_all(p, later->failure);
    else if (p->change == PUT) inner->kind->put(inner, p->shelf, &p->batch, p->now_ms, p->put);
    else show(p);
    switch (p->change) {
    case PUT: break;
    case ACK: inner->kind->ack(inner, p->job, &p->bytes, p->now_ms); break;
    case RETRY: inner->kind->retry(inner, p->job, p->now_ms, p->due_ms); break;
    case RECOVER: inner->kind->recover(inner, p->job); break;
    case BURY: later->store.events->died(later->store.context, p->job, p->cause, &p->bytes); break;
    case REVIVE: inner->kind->revive(inner, p->job, p->now_ms); break;
    case CANCEL: later->store.events->cancelled(later->store.context, p->job); __attribute__((fallthrough));
    case DROP: inner->kind->drop(inner, p->job); break;
    }
    later->store.forgotten_early = inner->forgotten_early;
}

static void free_pending(struct pending *p) {
    free(p->lists);
    free(p);
}

/* Those that are pending now. While it fails others than puts stay. */
static void complete_all(struct later *later) {
    struct pendings stay = TAILQ_HEAD_INITIALIZER(stay);
    const struct pending *last = TAILQ_LAST(&later->pendings, pendings);
    for (bool more = last != NULL; more;) {
        struct pending *p = TAILQ_FIRST(&later->pendings);
        struct skep__shelf *shelf = p->shelf;
        bool stays = later->failure != SKEP_OK && p->change != PUT;
        more = p != last;
        if (!stays) complete(later, p);
        TAILQ_REMOVE(&later->pendings, p, entry);
        if (stays) TAILQ_INSERT_TAIL(&stay, p, entry);
        else free_pending(p);
        if (!stays) note(later, shelf);
    }
    if (!TAILQ_EMPTY(&stay)) later->store.events->trouble(later->store.context, later->failure, "because");
    TAILQ_CONCAT(&stay, &later->pendings, entry);
    TAILQ_CONCAT(&later->pendings, &stay, entry);
    later->store.events->settled(later->store.context);
}

static void timer_fired(uv_timer_t *timer) {
    struct later *later = timer->data;
    if (!later->held) complete_all(later);
}

/* --- reading --- */

static void later_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    inner_of(store)->kind->reserve(inner_of(store), job, now_ms);
}

static void later_begun(struct skep__store *store, struct skep__job *job) {
    inner_of(store)->kind->begun(inner_of(store), job);
}

static void later_release(struct skep__store *store, struct skep__job *job) {
    inner_of(store)->kind->release(inner_of(store), job);
}

static struct skep__queue *later_ripen(struct skep__store *store, uint64_t now_ms) {
    return inner_of(store)->kind->ripen(inner_of(store), now_ms);
}

static struct skep__job *later_expired(struct skep__store *store, uint64_t now_ms) {
    return inner_of(store)->kind->expired(inner_of(store), now_ms);
}

static uint64_t later_next_ms(struct skep__store *store) {
    return inner_of(store)->kind->next_ms(inner_of(store));
}

static struct skep__job *later_next(struct skep__store *store, struct skep__shelf *shelf, enum skep__job_state state,
                                    const struct skep__job *job) {
    struct skep__job *next = (struct skep__job *)job;
    do next = inner_of(store)->kind->next(inner_of(store), shelf, state, next);
    while (next != NULL && next->state != state);
    return next;
}

static struct skep__job *later_find(struct skep__store *store, uint64_t id) {
    return inner_of(store)->kind->find(inner_of(store), id);
}

/* --- life --- */

static void timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void later_free(struct skep__store **store) {
    struct later *later = later_of(*store);
    for (struct pending *p; (p = TAILQ_FIRST(&later->pendings)) != NULL; free_pending(p)) {
        TAILQ_REMOVE(&later->pendings, p, entry);
        if (p->change == PUT) answer_all(p, SKEP_ECLOSED);
        else show(p);
    }
    later->inner->kind->free(&later->inner);
    uv_close((uv_handle_t *)&later->timer, timer_closed);
    *store = NULL;
}

static struct skep__store_kind kind = {
    .open = later_open,
    .close = later_close,
    .put = later_put,
    .reserve = later_reserve,
    .begun = later_begun,
    .ack = later_ack,
    .retry = later_retry,
    .release = later_release,
    .recover = later_recover,
    .bury = later_bury,
    .cancel = later_cancel,
    .revive = later_revive,
    .drop = later_drop,
    .ripen = later_ripen,
    .expired = later_expired,
    .next_ms = later_next_ms,
    .next = later_next,
    .find = later_find,
    .free = later_free,
};

void later_install(skep_cluster *cluster) {
    static const struct skep__store_events events = {.emptied = inner_emptied, .done = inner_done, .died = inner_died};
    struct later *later = calloc(1, sizeof *later);
    if (later == NULL) abort();
    later->inner = cluster->jobs->store;
    later->store = *cluster->jobs->store;
    kind.shelf_bytes = later->inner->kind->shelf_bytes;
    kind.next_waiter = later->inner->kind->next_waiter;
    kind.first = later->inner->kind->first;
    kind.oldest_ms = later->inner->kind->oldest_ms;
    later->store.kind = &kind;
    later->inner->events = &events;
    later->inner->context = later;
    TAILQ_INIT(&later->pendings);
    uv_timer_init(cluster->loop, &later->timer);
    later->timer.data = later;
    cluster->jobs->store = cluster->jobs->queues->store = &later->store;
    for (struct skep__queue *q = NULL; (q = skep__queues_next(cluster->jobs->queues, q)) != NULL;)
        q->shelf->durable = true;
}

static bool is_later(const skep_cluster *cluster) {
    return cluster->jobs->store != NULL && cluster->jobs->store->kind == &kind;
}

bool later_is_installed(const skep_cluster *cluster) {
    return is_later(cluster) || wanted_has_disk(cluster);
}

void later_hold(skep_cluster *cluster, bool held) {
    if (!is_later(cluster)) return;
    struct later *later = later_of(cluster->jobs->store);
    later->held = held;
    if (!held) uv_timer_start(&later->timer, timer_fired, 0, 0);
}

void later_put_some(const skep_cluster *cluster, uint32_t n) {
    struct later *later = later_of(cluster->jobs->store);
    struct pending *p = TAILQ_FIRST(&later->pendings);
    struct skep__batch some = p->batch;
    some.jobs.count = some.first + n;
    TAILQ_REMOVE(&later->pendings, p, entry);
    later->inner->kind->put(later->inner, p->shelf, &some, p->now_ms, p->put);
    p->batch.first += n;
    p->batch.common.number += n;
    later->aside = p;
    later->store.events->settled(later->store.context);
}

void later_put_rest(const skep_cluster *cluster) {
    struct later *later = later_of(cluster->jobs->store);
    TAILQ_INSERT_HEAD(&later->pendings, later->aside, entry);
    later->aside = NULL;
    later_settle(cluster);
}

void later_fail(skep_cluster *cluster, int status) {
    if (!is_later(cluster)) return;
    later_of(cluster->jobs->store)->failure = status;
    later_hold(cluster, later_of(cluster->jobs->store)->held);
}

void later_settle(const skep_cluster *cluster) {
    if (wanted_has_disk(cluster)) wanted_settle_disk(cluster);
    if (!is_later(cluster)) return;
    struct later *later = later_of(cluster->jobs->store);
    while (!later->held && !TAILQ_EMPTY(&later->pendings)) {
        complete_all(later);
        if (later->failure != SKEP_OK) return;
    }
}

size_t later_pending(const skep_cluster *cluster) {
    size_t count = 0;
    const struct pending *p;
    if (!is_later(cluster)) return 0;
    TAILQ_FOREACH(p, &later_of(cluster->jobs->store)->pendings, entry) count++;
    return count;
}
