/* SPDX-License-Identifier: MIT
 * Writing: what has gathered while something was written is written next, with one commit. */
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/text.h"
#include "jobs/disk/private.h"

enum {
    AGAIN_MS = 50,    /* after a failure */
    FORGET_MS = 10000 /* between two looks at what is old */
};

/* Whether nothing need be synced. */
static bool only_asks(const struct skep__writing *w) {
    return TAILQ_EMPTY(&w->puts) && w->first == NULL && STAILQ_EMPTY(&w->notes) && STAILQ_EMPTY(&w->fills);
}

static bool is_empty(const struct skep__writing *w) {
    return only_asks(w) && STAILQ_EMPTY(&w->recalls);
}

/* --- on the thread --- */

static const struct skep_bytes nothing = {0};

static uint32_t queue_of(const struct skep__job *job) {
    return job->queue->shelf->disk->id;
}

/* A time of the clock's. */
static uint64_t wall_of(const struct skep__writing *w, uint64_t clock_ms) {
    return clock_ms > w->clock_ms ? w->wall_ms + (clock_ms - w->clock_ms) : 0;
}

static int write_put(struct skep__disk *disk, struct skep__disk_put *p) {
    if (p->row == NULL) return SKEP_OK;
    int status = SKEP_OK;
    p->frame.queue = p->shelf->id;
    if (!p->shelf->known) status = skep__database_add_queue(disk->database, p->shelf->id, p->shelf->shelf->queue->name);
    if (status == SKEP_OK) status = skep__database_add_frame(disk->database, &p->frame);
    if (status != SKEP_OK || p->stays) return status;
    return skep__database_set_stored(disk->database, p->shelf->id, p->frame.class, p->stored.n, p->stored.first);
}

static int write_puts(struct skep__disk *disk, const struct skep__writing *w) {
    struct skep__disk_put *p;
    int status = SKEP_OK;
    TAILQ_FOREACH(p, &w->puts, entry) if (status == SKEP_OK) status = write_put(disk, p);
    return status == SKEP_OK && !only_asks(w) ? skep__database_set(disk->database, "last", w->last_id) : status;
}

static int write_key(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job,
                     const char *cause) {
    if (job->key == NULL) return SKEP_OK;
    return skep__database_put_key(disk->database,
                                  &(struct skep__key_row){.queue = queue_of(job),
                                                          .key = {job->key->key, job->key->size_bytes},
                                                          .id = job->id,
                                                          .cause = cause != NULL ? skep__text(cause) : nothing,
                                                          .until = w->wall_ms + disk->store.limits.dedup_ms});
}

static int write_end(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job,
                     const char *cause) {
    const struct skep__death *told = job->death;
    return skep__database_put_result(
        disk->database, &(struct skep__result_row){
                            .id = job->id,
                            .queue = skep__text(job->queue->name),
                            .attempt = job->attempt,
                            .cause = cause != NULL ? skep__text(cause) : nothing,
                            .result = told != NULL ? (struct skep_bytes){told->reason, told->size_bytes} : nothing,
                            .ended = w->wall_ms});
}

/* Its result is kept if somebody wanted it. */
static int write_ack(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    int status = job->noted ? skep__database_drop_job(disk->database, job->id) : SKEP_OK;
    if (status == SKEP_OK) status = write_key(disk, w, job, NULL);
    return status == SKEP_OK && job->death != NULL ? write_end(disk, w, job, NULL) : status;
}

static int write_cancel(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    int status = job->noted ? skep__database_drop_job(disk->database, job->id) : SKEP_OK;
    if (status == SKEP_OK) status = write_key(disk, w, job, skep__cancelled);
    return status == SKEP_OK ? write_end(disk, w, job, skep__cancelled) : status;
}

/* Why it was a dead letter is known for as long as a result. */
static int write_drop(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    int status = skep__database_drop_job(disk->database, job->id);
    const char *cause = job->death != NULL ? job->death->cause : "unknown";
    return status == SKEP_OK ? write_end(disk, w, job, cause) : status;
}

static int write_retry(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    struct skep__job_row row = skep__disk_job_row(disk, job);
    row.due = wall_of(w, job->at_ms);
    row.since = w->wall_ms;
    return skep__database_put_job(disk->database, &row);
}

static int write_recovery(struct skep__disk *disk, const struct skep__job *job) {
    const struct skep__job_row row = skep__disk_job_row(disk, job);
    return skep__database_put_job(disk->database, &row);
}

static int write_death(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    struct skep__job_row row = skep__disk_job_row(disk, job);
    const struct skep__death *death = job->death;
    row.dead = true;
    row.died = death != NULL ? death->wall_ms : w->wall_ms;
    row.cause = skep__text(job->cause);
    if (death != NULL) {
        row.reason = (struct skep_bytes){death->reason, death->size_bytes};
        row.worker = death->exit.worker;
        row.pid = death->exit.pid;
        row.code = death->exit.code;
        row.signal = death->exit.signal;
        row.uptime_ms = death->exit.uptime_ms;
    }
    int status = skep__database_put_job(disk->database, &row);
    return status == SKEP_OK ? write_key(disk, w, job, job->cause) : status;
}

static int write_revival(struct skep__disk *disk, const struct skep__job *job) {
    int status = skep__database_drop_job(disk->database, job->id);
    if (status != SKEP_OK || job->key == NULL) return status;
    return skep__database_drop_key(disk->database, queue_of(job),
                                   &(struct skep_bytes){job->key->key, job->key->size_bytes});
}

static int write_change(struct skep__disk *disk, const struct skep__writing *w, const struct skep__job *job) {
    switch ((enum skep__change)job->change) {
    case SKEP__ACK: return write_ack(disk, w, job);
    case SKEP__RETRY: return write_retry(disk, w, job);
    case SKEP__RECOVER: return write_recovery(disk, job);
    case SKEP__BURY: return write_death(disk, w, job);
    case SKEP__REVIVE: return write_revival(disk, job);
    case SKEP__CANCEL: return write_cancel(disk, w, job);
    case SKEP__DROP: return write_drop(disk, w, job);
    }
    return SKEP_OK;
}

/* Jobs of rows that go, one behind the other: that they have ended is known for as long as their results */
struct range {
    const struct skep__disk_shelf *shelf; /* NULL: there are none */
    uint64_t first;
    uint32_t n;
};

static int write_range(struct skep__disk *disk, const struct skep__writing *w, const struct range *range) {
    if (range->shelf == NULL) return SKEP_OK;
    return skep__database_put_ended(disk->database,
                                    &(struct skep__ended_row){.first = range->first,
                                                              .n = range->n,
                                                              .queue = skep__text(range->shelf->shelf->queue->name),
                                                              .ended = w->wall_ms});
}

static bool is_beside(const struct range *range, const struct skep__row *row) {
    return range->shelf == row->shelf && (row->first == range->first + range->n || row->first + row->n == range->first);
}

/* What has results need not be noted besides; but it does not part a range. */
static int end_row(struct skep__disk *disk, const struct skep__writing *w, const struct skep__row *row,
                   struct range *range) {
    int status = skep__database_drop_frame(disk->database, row->first);
    if (is_beside(range, row)) {
        if (row->first < range->first) range->first = row->first;
        range->n += row->n;
        return status;
    }
    if (status != SKEP_OK || row->results == row->n) return status;
    status = write_range(disk, w, range);
    *range = (struct range){.shelf = row->shelf, .first = row->first, .n = row->n};
    return status;
}

static int write_rows(struct skep__disk *disk, const struct skep__writing *w) {
    const struct skep__row *row;
    struct range range = {.shelf = NULL};
    int status = SKEP_OK;
    TAILQ_FOREACH(row, &w->rows, entry) {
        if (status == SKEP_OK && row->left == 0) status = end_row(disk, w, row, &range);
        else if (status == SKEP_OK)
            status = skep__database_mark(disk->database, row->first,
                                         &(struct skep_bytes){(const char *)row->ended, (row->n + 7) / 8});
    }
    return status == SKEP_OK ? write_range(disk, w, &range) : status;
}

static int write_changes(struct skep__disk *disk, const struct skep__writing *w) {
    const struct skep__note *note;
    int status = SKEP_OK;
    STAILQ_FOREACH(note, &w->notes, entry)
    if (status == SKEP_OK) status = skep__database_put_job(disk->database, &note->row);
    for (const struct skep__job *job = w->first; job != NULL && status == SKEP_OK; job = job->next)
        status = write_change(disk, w, job);
    return status == SKEP_OK ? write_rows(disk, w) : status;
}

static int read_fills(struct skep__disk *disk, const struct skep__writing *w) {
    struct skep__fill *fill;
    int status = SKEP_OK;
    STAILQ_FOREACH(fill, &w->fills, entry) {
        if (status == SKEP_OK) status = skep__disk_fill_read(disk->database, fill);
        if (status == SKEP_OK)
            status = skep__database_set_stored(disk->database, fill->shelf->id, fill->class,
                                               fill->stored.n - fill->jobs, fill->stored.first);
    }
    return status;
}

static int write_all(struct skep__disk *disk, const struct skep__writing *w) {
    int status = write_puts(disk, w);
    if (status == SKEP_OK) status = write_changes(disk, w);
    if (status == SKEP_OK) status = read_fills(disk, w);
    if (status == SKEP_OK) status = skep__disk_recalls_cancel(disk, w);
    if (status == SKEP_OK && w->forgets)
        status = skep__database_forget(disk->database, w->wall_ms, w->wall_ms - disk->results_ms);
    return status;
}

static int transact(struct skep__disk *disk, const struct skep__writing *w) {
    int status = skep__database_begin(disk->database);
    if (status == SKEP_OK) status = write_all(disk, w);
    if (status == SKEP_OK) status = skep__database_commit(disk->database);
    if (status != SKEP_OK) skep__database_roll_back(disk->database);
    skep__disk_recalls_read(disk, w, status);
    return status;
}

static void work(uv_work_t *work) {
    struct skep__disk *disk = work->data;
    disk->status = transact(disk, &disk->writing);
    uv_sem_post(&disk->written);
}

/* --- on the loop --- */

/* What there will be of each class after this writing, as far as its puts go. */
static void note_stored(struct skep__writing *w) {
    struct skep__disk_put *p;
    struct skep__fill *fill;
    TAILQ_FOREACH(p, &w->puts, entry) if (p->row != NULL && !p->stays) p->stored = p->shelf->stored[p->frame.class];
    STAILQ_FOREACH(fill, &w->fills, entry) fill->stored = fill->shelf->stored[fill->class];
}

static void begin(struct skep__disk *disk) {
    struct skep__writing *w = &disk->writing;
    skep__writing_init(w);
    TAILQ_CONCAT(&w->puts, &disk->gathered.puts, entry);
    TAILQ_CONCAT(&w->rows, &disk->gathered.rows, entry);
    STAILQ_CONCAT(&w->notes, &disk->gathered.notes);
    STAILQ_CONCAT(&w->fills, &disk->gathered.fills);
    STAILQ_CONCAT(&w->recalls, &disk->gathered.recalls);
    w->first = disk->gathered.first;
    w->last = disk->gathered.last;
    skep__writing_init(&disk->gathered);
    w->clock_ms = skep__clock_ms(disk->clock);
    w->wall_ms = skep__wall_ms();
    w->last_id = skep__memory_last_id(disk->memory);
    w->forgets = w->clock_ms - disk->forgot_ms >= FORGET_MS;
    skep__disk_changes_begin(w);
    note_stored(w);
}

static void end_puts(struct skep__disk *disk, struct skep__disk_puts *puts, int status) {
    for (struct skep__disk_put *p; (p = TAILQ_FIRST(puts)) != NULL;) {
        TAILQ_REMOVE(puts, p, entry);
        if (status == SKEP_OK && p->row != NULL) p->shelf->known = true;
        skep__disk_put_end(disk, p, status);
    }
}

static void end_fills(struct skep__disk *disk, struct skep__fills *fills, int status) {
    for (struct skep__fill *fill; (fill = STAILQ_FIRST(fills)) != NULL;) {
        STAILQ_REMOVE_HEAD(fills, entry);
        skep__disk_fill_end(disk, fill, status);
    }
}

static void succeed(struct skep__disk *disk) {
    struct skep__writing *w = &disk->writing;
    disk->failing = false;
    if (w->forgets) disk->forgot_ms = w->clock_ms;
    for (struct skep__note *note; (note = STAILQ_FIRST(&w->notes)) != NULL; free(note))
        STAILQ_REMOVE_HEAD(&w->notes, entry);
    end_puts(disk, &w->puts, SKEP_OK);
    skep__disk_changes_end(disk, w);
    end_fills(disk, &w->fills, SKEP_OK);
}

/* Puts are declined, those that have gathered too: they may be copies of jobs that are not there. The other changes
 * come first next time. */
static void fail(struct skep__disk *disk, int status) {
    struct skep__writing *w = &disk->writing, *g = &disk->gathered;
    disk->failing = true;
    TAILQ_CONCAT(&w->puts, &g->puts, entry);
    end_puts(disk, &w->puts, status);
    if (w->last != NULL) {
        w->last->next = g->first;
        g->first = w->first;
        if (g->last == NULL) g->last = w->last;
    }
    w->first = w->last = NULL;
    TAILQ_CONCAT(&g->rows, &w->rows, entry);
    STAILQ_CONCAT(&w->notes, &g->notes);
    STAILQ_CONCAT(&g->notes, &w->notes);
    end_fills(disk, &w->fills, status);
}

static void end(struct skep__disk *disk) {
    int status = disk->status;
    disk->under_way = false;
    if (status == SKEP_OK) succeed(disk);
    else fail(disk, status);
    skep__disk_recalls_end(disk, &disk->writing.recalls);
}

static void start(struct skep__disk *disk);

static void after(uv_work_t *work, int canceled) {
    struct skep__disk *disk = work->data;
    (void)canceled;
    disk->queued = false;
    if (disk->freed) {
        skep__disk_let_go(disk);
        return;
    }
    if (!disk->under_way) { /* somebody has waited for it */
        start(disk);
        return;
    }
    uv_sem_wait(&disk->written);
    end(disk);
    if (disk->status != SKEP_OK)
        disk->store.events->trouble(disk->store.context, disk->status, skep__database_why(disk->database));
    disk->store.events->settled(disk->store.context);
    start(disk);
}

static void try_again(uv_timer_t *timer) {
    struct skep__disk *disk = timer->data;
    disk->failing = false;
    start(disk);
}

static void start(struct skep__disk *disk) {
    if (disk->freed || disk->under_way || disk->queued || is_empty(&disk->gathered)) return;
    if (disk->failing && TAILQ_EMPTY(&disk->gathered.puts)) {
        uv_timer_start(&disk->again, try_again, AGAIN_MS, 0);
        return;
    }
    begin(disk);
    disk->under_way = disk->queued = true;
    disk->work.data = disk;
    (void)uv_queue_work(disk->loop, &disk->work, work, after); /* fails without a function only */
}

void skep__disk_write(struct skep__flush *flush) {
    start(SKEP_CONTAINER(flush, struct skep__disk, flush));
}

void skep__disk_write_all(struct skep__disk *disk) {
    if (disk->under_way) {
        uv_sem_wait(&disk->written);
        end(disk);
    }
    if (is_empty(&disk->gathered)) return;
    begin(disk);
    disk->status = transact(disk, &disk->writing);
    end(disk);
}
