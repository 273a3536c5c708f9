/* SPDX-License-Identifier: MIT
 * The store: what is durable goes by way of the streams, the rest by way of the memory alone. */
#include "jobs/nats/nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

enum { TICK_MS = 20 };

#define OTHER_IDS (UINT64_C(1) << 50) /* jobs that are in memory only have ids that no stream reaches */

static struct skep__store *memory_of(struct skep__store *store) {
    return skep__stream_of(store)->memory;
}

static const struct skep__store_kind *in_memory(struct skep__store *store) {
    return memory_of(store)->kind;
}

/* --- what the memory tells --- */

static void emptied(void *context, struct skep__shelf *shelf) {
    const struct skep__stream *stream = context;
    stream->store.events->emptied(stream->store.context, shelf);
}

static void done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    struct skep__stream *stream = context;
    if (stream->freed) return;
    if (job->held != NULL) skep__outcome_tell(stream, job, NULL, result);
    else stream->store.events->done(stream->store.context, job, result);
}

static void died(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    struct skep__stream *stream = context;
    if (stream->freed || stream->silent) return;
    if (job->held != NULL) skep__outcome_tell(stream, job, cause, reason);
    else stream->store.events->died(stream->store.context, job, cause, reason);
}

static void cancelled(void *context, struct skep__job *job) {
    static const struct skep_bytes none = {0};
    struct skep__stream *stream = context;
    if (stream->freed) return;
    if (job->held != NULL) skep__outcome_tell(stream, job, skep__cancelled, &none);
    else stream->store.events->cancelled(stream->store.context, job);
}

static const struct skep__store_events memory_events = {
    .emptied = emptied, .done = done, .died = died, .cancelled = cancelled};

/* --- shelves --- */

static struct skep__shelf *nats_open(struct skep__store *store, struct skep__queue *queue) {
    struct skep__stream *stream = skep__stream_of(store);
    struct skep__stream_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) return NULL;
    skep__token_make(queue->name, shelf->token);
    for (unsigned class = 0; class < SKEP__STREAM_CLASSES; class ++) TAILQ_INIT(&shelf->sources[class].ending);
    HASH_ADD_STR(stream->shelves, token, shelf);
    if (SKEP_IS_ADDED(shelf, hh)) shelf->shelf = in_memory(store)->open(memory_of(store), queue);
    if (shelf->shelf == NULL) {
        if (SKEP_IS_ADDED(shelf, hh)) HASH_DEL(stream->shelves, shelf);
        free(shelf);
        return NULL;
    }
    shelf->shelf->stream = shelf;
    stream->dead_next = 1; /* there may be dead letters of it */
    return shelf->shelf;
}

static void nats_close(struct skep__store *store, struct skep__shelf *of) {
    struct skep__stream_shelf *shelf = of->stream;
    HASH_DEL(skep__stream_of(store)->shelves, shelf);
    free(shelf);
    in_memory(store)->close(memory_of(store), of);
}

static const char *nats_name(struct skep__store *store, size_t index) {
    const struct skep__stream *stream = skep__stream_of(store);
    return index < stream->queue_count ? stream->queues[index] : NULL;
}

/* Jobs come when workers want them, dead letters by and by. */
static int nats_restore(struct skep__store *store, struct skep__shelf *shelf, uint64_t now_ms) {
    (void)store, (void)shelf, (void)now_ms;
    return SKEP_OK;
}

/* --- changes --- */

static void nats_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                     uint64_t now_ms, struct skep__put *put) {
    if (shelf->durable) skep__stream_put(skep__stream_of(store), shelf, batch, put);
    else in_memory(store)->put(memory_of(store), shelf, batch, now_ms, put);
    store->forgotten_early = memory_of(store)->forgotten_early;
}

static void nats_ack(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result,
                     uint64_t now_ms) {
    if (job->held != NULL) skep__step_end(skep__stream_of(store), job, result);
    else in_memory(store)->ack(memory_of(store), job, result, now_ms);
}

static void nats_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    if (job->held == NULL) in_memory(store)->retry(memory_of(store), job, now_ms, due_ms);
    else skep__step_move(skep__stream_of(store), job, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void nats_recover(struct skep__store *store, struct skep__job *job) {
    if (job->held == NULL) in_memory(store)->recover(memory_of(store), job);
    else skep__step_move(skep__stream_of(store), job, 0);
}

static void nats_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                      const struct skep_bytes *reason, uint64_t now_ms) {
    if (job->held != NULL) skep__step_bury(skep__stream_of(store), job, cause, death);
    else in_memory(store)->bury(memory_of(store), job, cause, death, reason, now_ms);
}

static void nats_cancel(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    if (job->held != NULL) skep__step_cancel(skep__stream_of(store), job);
    else in_memory(store)->cancel(memory_of(store), job, now_ms);
}

static void nats_revive(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    if (job->held != NULL) skep__step_revive(skep__stream_of(store), job);
    else in_memory(store)->revive(memory_of(store), job, now_ms);
}

static void nats_drop(struct skep__store *store, struct skep__job *job) {
    if (job->held != NULL) skep__step_forget(skep__stream_of(store), job);
    else in_memory(store)->drop(memory_of(store), job);
}

static void nats_wanted(struct skep__store *store, struct skep__shelf *shelf) {
    if (!shelf->durable) return;
    shelf->stream->wanted = true;
    skep__stream_turn(skep__stream_of(store));
}

/* --- the rest is the memory's: who has a job, and when it is tried again, is this broker's concern while it lives ---
 */

static void nats_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    in_memory(store)->reserve(memory_of(store), job, now_ms);
}

static void nats_begun(struct skep__store *store, struct skep__job *job) {
    in_memory(store)->begun(memory_of(store), job);
}

static void nats_release(struct skep__store *store, struct skep__job *job) {
    in_memory(store)->release(memory_of(store), job);
}

static const struct skep__waiter *nats_next_waiter(const struct skep__job *job, const struct skep__waiter *waiter) {
    return skep__keys_next_waiter(job, waiter);
}

static struct skep__job *nats_first(struct skep__shelf *shelf) {
    return skep__memory_shelf_first(skep__memory_shelf(shelf), 0);
}

static struct skep__queue *nats_ripen(struct skep__store *store, uint64_t now_ms) {
    return in_memory(store)->ripen(memory_of(store), now_ms);
}

static struct skep__job *nats_expired(struct skep__store *store, uint64_t now_ms) {
    return in_memory(store)->expired(memory_of(store), now_ms);
}

static uint64_t nats_next_ms(struct skep__store *store) {
    return in_memory(store)->next_ms(memory_of(store));
}

static struct skep__job *nats_next(struct skep__store *store, struct skep__shelf *shelf, enum skep__job_state state,
                                   const struct skep__job *job) {
    return in_memory(store)->next(memory_of(store), shelf, state, job);
}

static struct skep__job *nats_find(struct skep__store *store, uint64_t id) {
    return in_memory(store)->find(memory_of(store), id);
}

/* --- the end --- */

static void free_rest(struct skep__stream *stream) {
    if (stream->memory != NULL) stream->memory->kind->free(&stream->memory);
    for (struct skep__stream_shelf *shelf, *next = stream->shelves; (shelf = next) != NULL;) {
        next = shelf->hh.next;
        HASH_DEL(stream->shelves, shelf); // NOLINT(clang-analyzer-unix.Malloc): the one before is in the table no more
        free(shelf);
    }
    free(stream->queues);
}

static void closed(uv_handle_t *handle) {
    free(handle->data);
}

/* Jobs that nobody has begun go to other brokers at once. */
static void nats_free(struct skep__store **out) {
    struct skep__stream *stream = skep__stream_of(*out);
    skep__held_give_back(stream, NULL);
    skep__steps_turn(stream);
    stream->freed = true;
    skep__nats_close(&stream->nats);
    skep__puts_end(stream);
    skep__outcomes_free(stream);
    skep__reports_free(stream);
    skep__held_free_all(stream);
    skep__flusher_unmark(stream->flusher, &stream->turn);
    free_rest(stream);
    uv_close((uv_handle_t *)&stream->tick, closed);
    *out = NULL;
}

/* --- making --- */

static struct skep__store_kind kind = {
    .name = nats_name,
    .restore = nats_restore,
    .open = nats_open,
    .close = nats_close,
    .put = nats_put,
    .next_waiter = nats_next_waiter,
    .first = nats_first,
    .wanted = nats_wanted,
    .reserve = nats_reserve,
    .begun = nats_begun,
    .ack = nats_ack,
    .retry = nats_retry,
    .release = nats_release,
    .recover = nats_recover,
    .bury = nats_bury,
    .cancel = nats_cancel,
    .revive = nats_revive,
    .drop = nats_drop,
    .ripen = nats_ripen,
    .expired = nats_expired,
    .next_ms = nats_next_ms,
    .oldest_ms = skep__memory_shelf_oldest_ms,
    .next = nats_next,
    .find = nats_find,
    .free = nats_free,
};

static int open_link(struct skep__stream *stream, const struct skep__stream_setup *setup,
                     char why[SKEP_MAX_REASON + 1]) {
    char *urls = NULL;
    int status = skep__stream_name(setup->urls, &urls, stream->name, why);
    if (status != SKEP_OK) return status;
    snprintf(stream->dead_name, sizeof stream->dead_name, "%s-dead", stream->name);
    const struct skep__nats_setup link = {.urls = urls,
                                          .credentials = setup->credentials,
                                          .ca = setup->ca,
                                          .loop = setup->loop,
                                          .flusher = setup->flusher,
                                          .events = &skep__stream_link_events,
                                          .context = stream};
    status = skep__nats_open(&stream->nats, &link, why);
    explicit_bzero(urls, strlen(urls));
    free(urls);
    return status;
}

static int subscribe(struct skep__stream *stream) {
    char subject[sizeof stream->inbox + 2];
    snprintf(stream->inbox, sizeof stream->inbox, "%s.s.", skep__nats_inbox(stream->nats));
    snprintf(stream->boot, sizeof stream->boot, "%.30s", skep__nats_inbox(stream->nats) + strlen("_INBOX."));
    stream->inbox_bytes = strlen(stream->inbox);
    snprintf(subject, sizeof subject, "%s>", stream->inbox);
    int status = skep__nats_subscribe(stream->nats, subject, NULL, skep__stream_received, stream);
    if (status != SKEP_OK) return status;
    snprintf(subject, sizeof subject, "%s.gone", stream->name);
    return skep__nats_subscribe(stream->nats, subject, NULL, skep__stream_gone, stream);
}

static struct skep__stream *new_stream(const struct skep__stream_setup *setup, const struct skep__store_limits *limits,
                                       const struct skep__store_events *events, void *context) {
    struct skep__stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return NULL;
    stream->store = (struct skep__store){.kind = &kind, .limits = *limits, .events = events, .context = context};
    stream->clock = setup->clock;
    stream->flusher = setup->flusher;
    stream->lease_ms = setup->lease_ms;
    stream->replicas = setup->replicas;
    stream->turn.flush = skep__stream_at_turn;
    stream->dead_next = 1;
    TAILQ_INIT(&stream->puts);
    TAILQ_INIT(&stream->leases);
    TAILQ_INIT(&stream->changes);
    return stream;
}

int skep__store_nats_new(struct skep__store **out, const struct skep__stream_setup *setup,
                         const struct skep__store_limits *limits, const struct skep__store_events *events,
                         void *context, char why[SKEP_MAX_REASON + 1]) {
    struct skep__stream *stream = new_stream(setup, limits, events, context);
    if (stream == NULL) return SKEP_ENOMEM;
    int status = skep__store_memory_new(&stream->memory, limits, &memory_events, stream);
    if (status == SKEP_OK) status = open_link(stream, setup, why);
    if (status == SKEP_OK) status = skep__streams_open(stream, why);
    if (status == SKEP_OK) status = subscribe(stream);
    if (status != SKEP_OK) {
        skep__nats_close(&stream->nats);
        free_rest(stream);
        free(stream);
        return status;
    }
    skep__memory_set_last_id(stream->memory, OTHER_IDS);
    kind.shelf_bytes = stream->memory->kind->shelf_bytes + sizeof(struct skep__stream_shelf);
    uv_timer_init(setup->loop, &stream->tick);
    stream->tick.data = stream;
    uv_unref((uv_handle_t *)&stream->tick);
    uv_timer_start(&stream->tick, skep__stream_tick, TICK_MS, TICK_MS);
    *out = &stream->store;
    return SKEP_OK;
}
