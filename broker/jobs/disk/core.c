/* SPDX-License-Identifier: MIT
 * What all files here stand on: rows in memory, known queues, and that something is to be written. */
#include <stdlib.h>
#include <string.h>

#include "jobs/disk/private.h"

/* --- writing --- */

void skep__writing_init(struct skep__writing *writing) {
    *writing = (struct skep__writing){.first = NULL};
    TAILQ_INIT(&writing->puts);
    TAILQ_INIT(&writing->rows);
    STAILQ_INIT(&writing->notes);
    STAILQ_INIT(&writing->fills);
    STAILQ_INIT(&writing->recalls);
}

void skep__disk_write_soon(struct skep__disk *disk) {
    if (!disk->under_way) skep__flusher_mark(disk->flusher, &disk->flush);
}

/* --- rows --- */

struct skep__row *skep__disk_row_new(struct skep__disk *disk, const struct skep__disk_shelf *shelf, uint32_t n) {
    struct skep__row *row = calloc(1, sizeof *row + (n + 7) / 8);
    if (row == NULL) return NULL;
    row->shelf = shelf;
    row->n = row->left = n;
    LIST_INSERT_HEAD(&disk->rows, row, of_disk);
    return row;
}

void skep__disk_row_free(struct skep__row *row) {
    if (row == NULL) return;
    LIST_REMOVE(row, of_disk);
    free(row);
}

/* --- queues --- */

int skep__disk_add_queue(struct skep__disk *disk, uint32_t id, const char *name) {
    struct skep__stored_queue *queues = realloc(disk->queues, (disk->queue_count + 1) * sizeof *queues);
    if (queues == NULL) return SKEP_ENOMEM;
    disk->queues = queues;
    struct skep__stored_queue *queue = &queues[disk->queue_count++];
    *queue = (struct skep__stored_queue){.id = id};
    strncpy(queue->name, name, SKEP_MAX_NAME);
    if (id > disk->last_queue) disk->last_queue = id;
    return SKEP_OK;
}

const char *skep__disk_name(struct skep__store *store, size_t index) {
    const struct skep__disk *disk = skep__disk_of(store);
    return index < disk->queue_count ? disk->queues[index].name : NULL;
}

uint32_t skep__disk_queue_id(const struct skep__disk *disk, const char *name) {
    for (size_t i = 0; i < disk->queue_count; i++)
        if (strcmp(disk->queues[i].name, name) == 0) return disk->queues[i].id;
    return 0;
}

/* --- the end --- */

void skep__disk_let_go(struct skep__disk *disk) {
    if (--disk->open > 0) return;
    uv_sem_destroy(&disk->written);
    free(disk);
}
