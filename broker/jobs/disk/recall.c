/* SPDX-License-Identifier: MIT
 * Questions about jobs that are not in memory: they are stored, or have ended. */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "jobs/disk/private.h"

/* --- on the thread --- */

static int keep(struct skep__disk_recall *r, const struct skep_bytes *bytes, struct skep_bytes *kept) {
    if (bytes->size_bytes == 0) return SKEP_OK;
    r->copy = malloc(bytes->size_bytes);
    if (r->copy == NULL) return SKEP_ENOMEM;
    memcpy(r->copy, bytes->data, bytes->size_bytes);
    *kept = (struct skep_bytes){r->copy, bytes->size_bytes};
    return SKEP_OK;
}

static int keep_payload(struct skep__disk_recall *r, const struct skep__frame_row *frame, uint64_t at) {
    struct skep_bytes jobs = frame->jobs, item = {0};
    for (uint64_t i = 0; i <= at; i++)
        if (!skep__disk_next_bin(&jobs, &item)) return SKEP_EDIR;
    return keep(r, &item, &r->record.data);
}

static int take_frame(void *context, const struct skep__frame_row *frame) {
    struct skep__disk_recall *r = context;
    const uint64_t at = r->recall->id - frame->first, wall_ms = skep__wall_ms();
    if (frame->n > SKEP_MAX_LIST || frame->ended.size_bytes > sizeof r->ended) return SKEP_EDIR;
    r->queue = frame->queue;
    r->n = frame->n;
    r->class = frame->class;
    r->first = frame->first;
    if (frame->ended.size_bytes > 0) memcpy(r->ended, frame->ended.data, frame->ended.size_bytes);
    if (skep__disk_has_ended(frame, (uint32_t)at)) {
        r->record.where = SKEP__ENDED;
        return SKEP_OK;
    }
    r->record.where = SKEP__STORED;
    r->record.priority = (uint8_t)(frame->class % SKEP__CLASS_KEPT);
    r->record.age_ms = wall_ms > frame->accepted ? wall_ms - frame->accepted : 0;
    return keep_payload(r, frame, at);
}

static int take_queue(void *context, uint32_t id, const char *name) {
    struct skep__disk_recall *r = context;
    if (id == r->queue) strncpy(r->queue_name, name, SKEP_MAX_NAME);
    return SKEP_OK;
}

static int take_result(void *context, const struct skep__result_row *row) {
    struct skep__disk_recall *r = context;
    skep__copy_text(r->queue_name, sizeof r->queue_name, &row->queue);
    r->record.where = SKEP__ENDED;
    r->record.attempt = row->attempt;
    r->record.cause = skep__disk_cause(&row->cause);
    r->record.ended_ms = row->ended;
    return keep(r, &row->result, &r->record.result);
}

static int take_ended(void *context, const struct skep__ended_row *row) {
    struct skep__disk_recall *r = context;
    skep__copy_text(r->queue_name, sizeof r->queue_name, &row->queue);
    r->record.where = SKEP__ENDED;
    r->record.ended_ms = row->ended;
    return SKEP_OK;
}

/* In its row of frames it lives, or has ended, as the result may tell; or that row has gone. */
static int find(struct skep__database *database, struct skep__disk_recall *r) {
    const uint64_t id = r->recall->id;
    if (id > INT64_MAX) return SKEP_OK;
    int status = skep__database_frame_of(database, id, take_frame, r);
    if (status == SKEP_OK && r->n > 0) status = skep__database_queues(database, take_queue, r);
    if (status != SKEP_OK || r->record.where == SKEP__STORED) return status;
    const bool is_known = r->record.where == SKEP__ENDED;
    status = skep__database_result(database, id, take_result, r);
    if (status != SKEP_OK || is_known || r->record.where == SKEP__ENDED) return status;
    return skep__database_ended(database, id, take_ended, r);
}

static int take_stored(void *context, unsigned class, uint64_t n, uint64_t first) {
    struct skep__disk_recall *r = context;
    if (class == r->class) r->stored = (struct skep__stored){.n = n, .first = first};
    return SKEP_OK;
}

static int end_in_row(struct skep__database *database, struct skep__disk_recall *r) {
    const uint64_t at = r->recall->id - r->first;
    const struct skep_bytes ended = {(const char *)r->ended, (r->n + 7) / 8};
    r->ended[at / 8] |= (uint8_t)(1u << at % 8);
    if (skep__disk_left(&(struct skep__frame_row){.n = r->n, .ended = ended}) == 0)
        return skep__database_drop_frame(database, r->first);
    return skep__database_mark(database, r->first, &ended);
}

/* Those that have been read to be shown are in memory by the time of the answer. */
static int cancel(struct skep__database *database, struct skep__disk_recall *r, uint64_t wall_ms) {
    if (r->record.where != SKEP__STORED || r->class >= SKEP__PRIORITIES) return SKEP_OK;
    int status = skep__database_stored(database, r->queue, take_stored, r);
    if (status != SKEP_OK || r->stored.n == 0 || r->first < r->stored.first) return status;
    status = end_in_row(database, r);
    if (status == SKEP_OK)
        status = skep__database_set_stored(database, r->queue, r->class, r->stored.n - 1, r->stored.first);
    r->record.cancelled = status == SKEP_OK;
    if (status != SKEP_OK) return status;
    return skep__database_put_result(database, &(struct skep__result_row){.id = r->recall->id,
                                                                          .queue = skep__text(r->queue_name),
                                                                          .cause = skep__text(skep__cancelled),
                                                                          .ended = wall_ms});
}

int skep__disk_recalls_cancel(struct skep__disk *disk, const struct skep__writing *w) {
    struct skep__disk_recall *r;
    int status = SKEP_OK;
    STAILQ_FOREACH(r, &w->recalls, entry) {
        if (status != SKEP_OK || !r->recall->cancels) continue;
        status = find(disk->database, r);
        if (status == SKEP_OK) status = cancel(disk->database, r, w->wall_ms);
    }
    return status;
}

void skep__disk_recalls_read(struct skep__disk *disk, const struct skep__writing *w, int status) {
    struct skep__disk_recall *r;
    STAILQ_FOREACH(r, &w->recalls, entry) r->status = r->recall->cancels ? status : find(disk->database, r);
}

/* --- on the loop --- */

static struct skep__disk_shelf *shelf_of(struct skep__disk *disk, uint32_t queue) {
    struct skep__disk_shelf *shelf;
    LIST_FOREACH(shelf, &disk->shelves, entry) if (shelf->id == queue) break;
    return shelf;
}

/* It counts no more among those that are stored. */
static void note_cancelled(struct skep__disk *disk, const struct skep__disk_recall *r) {
    struct skep__disk_shelf *shelf = shelf_of(disk, r->queue);
    shelf->stored[r->class].n--;
    shelf->shelf->stored_count--;
    shelf->shelf->kept_count--;
    skep__memory_shelf_note(skep__memory_of(disk->memory), skep__memory_shelf(shelf->shelf));
}

void skep__disk_recalls_end(struct skep__disk *disk, struct skep__recalls *recalls) {
    for (struct skep__disk_recall *r; (r = STAILQ_FIRST(recalls)) != NULL; free(r)) {
        STAILQ_REMOVE_HEAD(recalls, entry);
        r->record.queue = r->queue_name;
        if (r->status == SKEP_OK && r->record.cancelled) note_cancelled(disk, r);
        r->recall->recalled(r->recall, r->status, r->status == SKEP_OK ? &r->record : NULL);
        free(r->copy);
    }
}

void skep__disk_recall(struct skep__store *store, struct skep__recall *recall) {
    struct skep__disk *disk = skep__disk_of(store);
    struct skep__disk_recall *r = calloc(1, sizeof *r);
    if (r == NULL) {
        recall->recalled(recall, SKEP_ENOMEM, NULL);
        return;
    }
    r->recall = recall;
    r->status = SKEP_ECLOSED; /* until it is looked for */
    STAILQ_INSERT_TAIL(&disk->gathered.recalls, r, entry);
    skep__disk_write_soon(disk);
}
