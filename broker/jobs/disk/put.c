/* SPDX-License-Identifier: MIT
 * A batch on its way to the disk: its jobs are taken by the memory at once, and pending until they are written. */
#include <stdlib.h>

#include "jobs/disk/private.h"

static unsigned least_urgent(const struct skep__shelf *shelf) {
    const struct skep__memory_shelf *m = (const struct skep__memory_shelf *)shelf;
    for (unsigned i = SKEP__PRIORITIES / 64; i-- > 0;)
        if (m->busy[i] != 0) return i * 64 + 63 - (unsigned)__builtin_clzll(m->busy[i]);
    return 0;
}

static bool stored_before(const struct skep__disk_shelf *shelf, unsigned priority) {
    for (unsigned p = 0; p <= priority; p++)
        if (shelf->stored[p].n > 0) return true;
    return false;
}

/* What is not shown is never more urgent than what is: jobs are served in their order. */
static bool stays_in_memory(const struct skep__disk_shelf *shelf, unsigned class) {
    if (class >= SKEP__CLASS_KEPT) return true;
    if (stored_before(shelf, class)) return false;
    return !skep__disk_shows_enough(shelf->shelf) || class < least_urgent(shelf->shelf);
}

/* --- making --- */

static void free_put(struct skep__disk_put *p) {
    skep__frame_free(&p->data);
    skep__frame_free(&p->keys);
    free(p->jobs);
    free(p->answers);
    free(p);
}

static struct skep__disk_put *new_put(struct skep__disk *disk, struct skep__disk_shelf *shelf, struct skep__put *put,
                                      uint32_t n) {
    struct skep__disk_put *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    p->put = put;
    p->shelf = shelf;
    p->jobs = malloc(n * sizeof *p->jobs);
    p->answers = malloc(n * sizeof *p->answers);
    p->row = skep__disk_row_new(disk, shelf, n);
    if (p->jobs != NULL && p->answers != NULL && p->row != NULL) return p;
    skep__disk_row_free(p->row);
    free_put(p);
    return NULL;
}

static int record(struct skep__disk_put *p, const struct skep__submission *s, bool keyed) {
    int status = skep__list_add(&p->data, s->data, s->size_bytes);
    return status == SKEP_OK && keyed ? skep__list_add(&p->keys, s->key, s->key_bytes) : status;
}

static void note_answer(struct skep__disk_put *p, const struct skep__answer *answer) {
    const uint32_t count = p->answer_count;
    if (count > 0 && p->answers[count - 1].status == SKEP_OK && answer->status == SKEP_OK) p->answers[count - 1].n++;
    else p->answers[p->answer_count++] = *answer;
}

static void take(struct skep__disk *disk, struct skep__disk_put *p, const struct skep__submission *s, bool keyed,
                 uint64_t now_ms) {
    struct skep__answer answer = {.n = 1};
    struct skep__job *job = NULL;
    answer.status = skep__memory_take(disk->memory, p->shelf->shelf, s, now_ms, &answer, &job);
    if (job != NULL && record(p, s, keyed) != SKEP_OK) {
        skep__memory_forget(disk->memory, job);
        job = NULL;
        answer = (struct skep__answer){.n = 1, .status = SKEP_ENOMEM};
    }
    if (job != NULL) p->jobs[p->frame.n++] = job;
    note_answer(p, &answer);
}

static void close_frame(struct skep__disk_put *p, const struct skep__submission *common, bool keyed, uint64_t now_ms) {
    struct skep__frame_row *frame = &p->frame;
    const uint64_t wall_ms = skep__wall_ms();
    const bool wanted = common->wants_outcome; /* who waits is known in memory only */
    const bool kept = keyed || common->delay_ms != 0 || common->ttl_ms != 0 || wanted;
    p->due_ms = common->delay_ms != 0 ? now_ms + common->delay_ms : 0;
    p->expires_ms = common->ttl_ms != 0 ? now_ms + common->ttl_ms : 0;
    frame->class = common->priority + (kept ? (unsigned)SKEP__CLASS_KEPT : 0);
    frame->class += wanted ? (unsigned)SKEP__CLASS_WANTED : 0;
    frame->accepted = wall_ms;
    frame->due = common->delay_ms != 0 ? wall_ms + common->delay_ms : 0;
    frame->expires = common->ttl_ms != 0 ? wall_ms + common->ttl_ms : 0;
    frame->lease_ms = common->lease_ms;
    frame->attempts = common->attempts;
    frame->jobs = (struct skep_bytes){p->data.data, p->data.size_bytes};
    frame->keys = (struct skep_bytes){p->keys.data, p->keys.size_bytes};
    frame->first = p->row->first = p->jobs[0]->id;
    p->row->n = p->row->left = frame->n;
    p->stays = stays_in_memory(p->shelf, frame->class);
    if (!p->stays) {
        if (p->shelf->stored[frame->class].n == 0) p->shelf->stored[frame->class].first = frame->first;
        p->shelf->stored[frame->class].n += frame->n;
    }
}

static void decline(const struct skep__batch *batch, struct skep__put *put) {
    const struct skep__answer answer = {.n = batch->jobs.count - batch->first, .status = SKEP_ENOMEM};
    put->answered(put, &answer);
}

static bool has_queue(struct skep__disk *disk, struct skep__disk_shelf *shelf) {
    if (shelf->id != 0) return true;
    uint32_t id = disk->last_queue + 1;
    if (skep__disk_add_queue(disk, id, shelf->shelf->queue->name) != SKEP_OK) return false;
    shelf->id = id;
    return true;
}

void skep__disk_put(struct skep__disk *disk, struct skep__disk_shelf *shelf, const struct skep__batch *batch,
                    uint64_t now_ms, struct skep__put *put) {
    struct skep__submission s = batch->common;
    struct skep__disk_put *p = new_put(disk, shelf, put, batch->jobs.count - batch->first);
    if (p == NULL || !has_queue(disk, shelf)) {
        if (p != NULL) free_put(p);
        decline(batch, put);
        return;
    }
    for (uint32_t i = batch->first; i < batch->jobs.count; i++) {
        skep__batch_get(batch, i, &s);
        take(disk, p, &s, batch->keys.count > 0, now_ms);
    }
    if (p->frame.n > 0) {
        p->frame.crashes = disk->crashes;
        close_frame(p, &batch->common, batch->keys.count > 0, now_ms);
    } else {
        skep__disk_row_free(p->row);
        p->row = NULL;
    }
    TAILQ_INSERT_TAIL(&disk->gathered.puts, p, entry);
    skep__disk_write_soon(disk);
}

/* --- the end --- */

/* Written: its jobs are shown, or given up by the memory. */
static void show(struct skep__disk *disk, struct skep__disk_put *p) {
    p->shelf->shelf->kept_count += p->frame.n;
    if (!p->stays) p->shelf->shelf->stored_count += p->frame.n;
    for (uint32_t i = 0; i < p->frame.n; i++) {
        if (p->stays) {
            p->jobs[i]->row = p->row;
            skep__memory_show(disk->memory, p->jobs[i], p->due_ms, p->expires_ms);
        } else {
            skep__memory_forget(disk->memory, p->jobs[i]);
        }
    }
    if (!p->stays) skep__disk_row_free(p->row);
}

static void undo(struct skep__disk *disk, struct skep__disk_put *p) {
    for (uint32_t i = 0; i < p->frame.n; i++) skep__memory_forget(disk->memory, p->jobs[i]);
    if (p->row != NULL && !p->stays) p->shelf->stored[p->frame.class].n -= p->frame.n;
    skep__disk_row_free(p->row);
}

/* A copy of a job that is not written is not accepted either. */
static void answer(const struct skep__disk_put *p, int status) {
    for (uint32_t i = 0; i < p->answer_count; i++) {
        struct skep__answer a = p->answers[i];
        if (status != SKEP_OK && (a.status == SKEP_OK || a.status == SKEP_EDUPLICATE))
            a = (struct skep__answer){.n = a.n, .status = status};
        p->put->answered(p->put, &a);
    }
}

void skep__disk_put_end(struct skep__disk *disk, struct skep__disk_put *p, int status) {
    if (status == SKEP_OK && p->row != NULL) show(disk, p);
    else if (p->row != NULL) undo(disk, p);
    answer(p, status);
    free_put(p);
}
