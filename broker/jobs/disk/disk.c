/* SPDX-License-Identifier: MIT
 * The store: what is on the disk goes by way of it, the rest by way of the memory alone. */
#include "jobs/disk/disk.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/disk/private.h"

static struct skep__store *memory_of(struct skep__store *store) {
    return skep__disk_of(store)->memory;
}

static const struct skep__store_kind *in_memory(struct skep__store *store) {
    return memory_of(store)->kind;
}

/* --- what the memory tells --- */

static void emptied(void *context, struct skep__shelf *shelf) {
    const struct skep__disk *disk = context;
    disk->store.events->emptied(disk->store.context, shelf);
}

static void done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    const struct skep__disk *disk = context;
    if (!disk->silent) disk->store.events->done(disk->store.context, job, result);
}

static void died(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    const struct skep__disk *disk = context;
    if (!disk->silent) disk->store.events->died(disk->store.context, job, cause, reason);
}

static void cancelled(void *context, struct skep__job *job) {
    const struct skep__disk *disk = context;
    if (!disk->silent) disk->store.events->cancelled(disk->store.context, job);
}

static const struct skep__store_events memory_events = {
    .emptied = emptied, .done = done, .died = died, .cancelled = cancelled};

/* --- shelves --- */

static struct skep__shelf *disk_open(struct skep__store *store, struct skep__queue *queue) {
    struct skep__disk *disk = skep__disk_of(store);
    struct skep__disk_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) return NULL;
    shelf->shelf = in_memory(store)->open(memory_of(store), queue);
    if (shelf->shelf == NULL) {
        free(shelf);
        return NULL;
    }
    shelf->id = skep__disk_queue_id(disk, queue->name);
    shelf->known = shelf->id != 0;
    shelf->shelf->disk = shelf;
    LIST_INSERT_HEAD(&disk->shelves, shelf, entry);
    return shelf->shelf;
}

static void disk_close(struct skep__store *store, struct skep__shelf *of) {
    struct skep__disk_shelf *shelf = of->disk;
    LIST_REMOVE(shelf, entry);
    free(shelf);
    in_memory(store)->close(memory_of(store), of);
}

/* --- changes --- */

static void disk_put(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch,
                     uint64_t now_ms, struct skep__put *put) {
    if (shelf->durable) skep__disk_put(skep__disk_of(store), shelf->disk, batch, now_ms, put);
    else in_memory(store)->put(memory_of(store), shelf, batch, now_ms, put);
    store->forgotten_early = memory_of(store)->forgotten_early;
}

static void disk_ack(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result,
                     uint64_t now_ms) {
    if (job->row == NULL) {
        in_memory(store)->ack(memory_of(store), job, result, now_ms);
        return;
    }
    bool kept = job->wants_outcome || result->size_bytes > 0;
    skep__disk_change(skep__disk_of(store), job, SKEP__ACK);
    if (!kept) return;
    job->death = malloc(sizeof *job->death + result->size_bytes);
    if (job->death == NULL) {
        job->cause = skep__disk_lost;
        return;
    }
    *job->death = (struct skep__death){.size_bytes = result->size_bytes};
    if (result->size_bytes > 0) memcpy(job->death->reason, result->data, result->size_bytes);
}

static void disk_retry(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms) {
    if (job->row == NULL) {
        in_memory(store)->retry(memory_of(store), job, now_ms, due_ms);
        return;
    }
    skep__disk_change(skep__disk_of(store), job, SKEP__RETRY);
    job->at_ms = due_ms;
}

static void disk_bury(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                      const struct skep_bytes *reason, uint64_t now_ms) {
    if (job->row == NULL) {
        in_memory(store)->bury(memory_of(store), job, cause, death, reason, now_ms);
        return;
    }
    skep__disk_change(skep__disk_of(store), job, SKEP__BURY);
    job->death = death;
    job->cause = cause;
}

static void disk_cancel(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    if (job->row == NULL) in_memory(store)->cancel(memory_of(store), job, now_ms);
    else skep__disk_change(skep__disk_of(store), job, SKEP__CANCEL);
}

static void disk_revive(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    if (job->row == NULL) in_memory(store)->revive(memory_of(store), job, now_ms);
    else skep__disk_change(skep__disk_of(store), job, SKEP__REVIVE);
}

static void disk_drop(struct skep__store *store, struct skep__job *job) {
    if (job->row == NULL) in_memory(store)->drop(memory_of(store), job);
    else skep__disk_change(skep__disk_of(store), job, SKEP__DROP);
}

static void disk_reserve(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    in_memory(store)->reserve(memory_of(store), job, now_ms);
    if (job->row != NULL) skep__disk_fill(skep__disk_of(store), job->queue->shelf->disk);
}

static void disk_recover(struct skep__store *store, struct skep__job *job) {
    if (job->row == NULL) in_memory(store)->recover(memory_of(store), job);
    else skep__disk_change(skep__disk_of(store), job, SKEP__RECOVER);
}

/* --- the rest is the memory's --- */

static void disk_release(struct skep__store *store, struct skep__job *job) {
    in_memory(store)->release(memory_of(store), job);
}

static const struct skep__waiter *disk_next_waiter(const struct skep__job *job, const struct skep__waiter *waiter) {
    return skep__keys_next_waiter(job, waiter);
}

static struct skep__job *disk_first(struct skep__shelf *shelf) {
    return skep__memory_shelf_first(skep__memory_shelf(shelf), 0);
}

static void disk_begun(struct skep__store *store, struct skep__job *job) {
    in_memory(store)->begun(memory_of(store), job);
}

static struct skep__queue *disk_ripen(struct skep__store *store, uint64_t now_ms) {
    return in_memory(store)->ripen(memory_of(store), now_ms);
}

static struct skep__job *disk_expired(struct skep__store *store, uint64_t now_ms) {
    return in_memory(store)->expired(memory_of(store), now_ms);
}

static uint64_t disk_next_ms(struct skep__store *store) {
    return in_memory(store)->next_ms(memory_of(store));
}

static struct skep__job *disk_next(struct skep__store *store, struct skep__shelf *shelf, enum skep__job_state state,
                                   const struct skep__job *job) {
    return in_memory(store)->next(memory_of(store), shelf, state, job);
}

static struct skep__job *disk_find(struct skep__store *store, uint64_t id) {
    return in_memory(store)->find(memory_of(store), id);
}

static const char *disk_why(const struct skep__store *store) {
    return skep__database_why(((const struct skep__disk *)store)->database);
}

static uint64_t disk_identity(const struct skep__store *store) {
    return ((const struct skep__disk *)store)->identity;
}

/* --- the end --- */

/* What is known of jobs that were begun would be lost else. */
static void note_begun(struct skep__disk *disk, const struct skep__disk_shelf *shelf) {
    static const enum skep__job_state states[] = {SKEP__JOB_READY, SKEP__JOB_RESERVED};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        for (struct skep__job *job = NULL;
             (job = in_memory(&disk->store)->next(disk->memory, shelf->shelf, states[i], job)) != NULL;)
            if (job->row != NULL && job->attempt > 0) skep__disk_note(disk, job);
}

static int write_clean(struct skep__disk *disk) {
    int status = skep__database_begin(disk->database);
    if (status == SKEP_OK) status = skep__database_set(disk->database, "crashes", disk->crashes);
    if (status == SKEP_OK) status = skep__database_commit(disk->database);
    if (status != SKEP_OK) skep__database_roll_back(disk->database);
    return status;
}

/* What could not be written is not there any more; a put says so. */
static void give_up(struct skep__disk *disk) {
    struct skep__writing *g = &disk->gathered;
    for (struct skep__disk_put *p; (p = TAILQ_FIRST(&g->puts)) != NULL;) {
        TAILQ_REMOVE(&g->puts, p, entry);
        skep__disk_put_end(disk, p, SKEP_ECLOSED);
    }
    for (struct skep__note *note; (note = STAILQ_FIRST(&g->notes)) != NULL; free(note))
        STAILQ_REMOVE_HEAD(&g->notes, entry);
    for (struct skep__fill *fill; (fill = STAILQ_FIRST(&g->fills)) != NULL;) {
        STAILQ_REMOVE_HEAD(&g->fills, entry);
        skep__disk_fill_end(disk, fill, SKEP_ECLOSED);
    }
    skep__disk_recalls_end(disk, &g->recalls);
}

static void finish(struct skep__disk *disk) {
    const struct skep__disk_shelf *shelf;
    disk->silent = true;
    LIST_FOREACH(shelf, &disk->shelves, entry) note_begun(disk, shelf);
    skep__disk_write_all(disk);
    if (disk->status == SKEP_OK) (void)write_clean(disk); /* else more jobs than needed count as begun */
    give_up(disk);
}

static void closed(uv_handle_t *handle) {
    skep__disk_let_go(handle->data);
}

static void free_shelves(struct skep__disk *disk) {
    for (struct skep__disk_shelf *shelf; (shelf = LIST_FIRST(&disk->shelves)) != NULL; free(shelf))
        LIST_REMOVE(shelf, entry);
    for (struct skep__row *row; (row = LIST_FIRST(&disk->rows)) != NULL;) skep__disk_row_free(row);
}

static void disk_free(struct skep__store **out) {
    struct skep__disk *disk = skep__disk_of(*out);
    if (disk->database != NULL) finish(disk);
    disk->freed = true;
    disk->open += disk->queued;
    skep__flusher_unmark(disk->flusher, &disk->flush);
    free_shelves(disk);
    disk->memory->kind->free(&disk->memory);
    skep__database_close(&disk->database);
    free(disk->queues);
    uv_close((uv_handle_t *)&disk->again, closed);
    *out = NULL;
}

/* --- making --- */

static struct skep__store_kind kind = {
    .name = skep__disk_name,
    .restore = skep__disk_restore,
    .open = disk_open,
    .close = disk_close,
    .put = disk_put,
    .next_waiter = disk_next_waiter,
    .first = disk_first,
    .reserve = disk_reserve,
    .begun = disk_begun,
    .ack = disk_ack,
    .retry = disk_retry,
    .release = disk_release,
    .recover = disk_recover,
    .bury = disk_bury,
    .cancel = disk_cancel,
    .revive = disk_revive,
    .drop = disk_drop,
    .ripen = disk_ripen,
    .expired = disk_expired,
    .next_ms = disk_next_ms,
    .oldest_ms = skep__memory_shelf_oldest_ms,
    .next = disk_next,
    .find = disk_find,
    .recall = skep__disk_recall,
    .identity = disk_identity,
    .why = disk_why,
    .free = disk_free,
};

static struct skep__disk *new_disk(const struct skep__disk_setup *setup, const struct skep__store_limits *limits) {
    struct skep__disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL) return NULL;
    disk->clock = setup->clock;
    disk->flusher = setup->flusher;
    disk->loop = setup->loop;
    disk->results_ms = setup->results_ms;
    disk->store = (struct skep__store){.kind = &kind, .limits = *limits};
    LIST_INIT(&disk->shelves);
    LIST_INIT(&disk->rows);
    skep__writing_init(&disk->gathered);
    skep__writing_init(&disk->writing);
    disk->flush.flush = skep__disk_write;
    if (uv_sem_init(&disk->written, 0) == 0) return disk;
    free(disk);
    return NULL;
}

int skep__store_disk_new(struct skep__store **out, const struct skep__disk_setup *setup,
                         const struct skep__store_limits *limits, const struct skep__store_events *events,
                         void *context, char why[SKEP_MAX_REASON + 1]) {
    struct skep__disk *disk = new_disk(setup, limits);
    if (disk == NULL) return SKEP_ENOMEM;
    disk->store.events = events;
    disk->store.context = context;
    int status = skep__store_memory_new(&disk->memory, limits, &memory_events, disk);
    if (status == SKEP_OK) status = skep__database_open(&disk->database, setup->dir, SKEP__JOBS_FILE, why);
    if (status == SKEP_OK) status = skep__disk_read_queues(disk);
    if (status != SKEP_OK) {
        if (disk->memory != NULL) disk->memory->kind->free(&disk->memory);
        skep__database_close(&disk->database);
        free(disk->queues);
        uv_sem_destroy(&disk->written);
        free(disk);
        return status;
    }
    kind.shelf_bytes = disk->memory->kind->shelf_bytes + sizeof(struct skep__disk_shelf);
    uv_timer_init(setup->loop, &disk->again);
    disk->again.data = disk;
    disk->open = 1;
    *out = &disk->store;
    return SKEP_OK;
}
