/* SPDX-License-Identifier: MIT
 * Jobs that are on the disk only are shown as those before them go. */
#include <stdlib.h>
#include <string.h>

#include "jobs/disk/private.h"

static unsigned first_class(const struct skep__disk_shelf *shelf) {
    unsigned class = 0;
    while (class < SKEP__PRIORITIES && shelf->stored[class].n == 0) class ++;
    return class;
}

/* Without memory it is tried again with the next job that is given. */
void skep__disk_fill(struct skep__disk *disk, struct skep__disk_shelf *shelf) {
    if (shelf->filling || shelf->damaged || shelf->shelf->stored_count == 0 || skep__disk_shows_enough(shelf->shelf))
        return;
    struct skep__fill *fill = calloc(1, sizeof *fill);
    if (fill == NULL) return;
    fill->shelf = shelf;
    fill->class = first_class(shelf);
    STAILQ_INIT(&fill->copies);
    STAILQ_INSERT_TAIL(&disk->gathered.fills, fill, entry);
    shelf->filling = true;
    skep__disk_write_soon(disk);
}

/* --- on the thread --- */

static struct skep_bytes copy_bytes(char **room, const struct skep_bytes *bytes) {
    struct skep_bytes copy = {*room, bytes->size_bytes};
    if (bytes->size_bytes > 0) memcpy(*room, bytes->data, bytes->size_bytes);
    *room += bytes->size_bytes;
    return copy;
}

static struct skep__copy *copy_of(const struct skep__frame_row *row) {
    struct skep__copy *copy =
        malloc(sizeof *copy + row->jobs.size_bytes + row->keys.size_bytes + row->ended.size_bytes);
    if (copy == NULL) return NULL;
    char *room = copy->data;
    copy->frame = *row;
    copy->frame.jobs = copy_bytes(&room, &row->jobs);
    copy->frame.keys = copy_bytes(&room, &row->keys);
    copy->frame.ended = copy_bytes(&room, &row->ended);
    return copy;
}

/* SKEP_EAGAIN: that is enough. */
static int take_row(void *context, const struct skep__frame_row *row) {
    struct skep__fill *fill = context;
    struct skep__copy *copy = copy_of(row);
    if (copy == NULL) return fill->jobs > 0 ? SKEP_EAGAIN : SKEP_ENOMEM;
    STAILQ_INSERT_TAIL(&fill->copies, copy, entry);
    fill->jobs += skep__disk_left(row);
    fill->bytes += row->jobs.size_bytes;
    fill->stored.first = row->first + row->n;
    return fill->jobs >= SKEP__FILL_JOBS || fill->bytes >= SKEP__FILL_BYTES ? SKEP_EAGAIN : SKEP_OK;
}

int skep__disk_fill_read(struct skep__database *database, struct skep__fill *fill) {
    int status =
        skep__database_frames(database, fill->shelf->id, fill->class, fill->stored.first, INT64_MAX, take_row, fill);
    fill->damaged = status == SKEP_EDIR; /* the rows before it are good, and other queues are */
    return status == SKEP_EAGAIN || status == SKEP_EDIR ? SKEP_OK : status;
}

/* --- on the loop --- */

/* What cannot be shown for want of memory is read again. */
void skep__disk_fill_end(struct skep__disk *disk, struct skep__fill *fill, int status) {
    struct skep__disk_shelf *shelf = fill->shelf;
    struct skep__stored *stored = &shelf->stored[fill->class];
    for (struct skep__copy *copy; (copy = STAILQ_FIRST(&fill->copies)) != NULL; free(copy)) {
        STAILQ_REMOVE_HEAD(&fill->copies, entry);
        if (status == SKEP_OK) status = skep__disk_show(disk, shelf, &copy->frame, NULL);
        if (status != SKEP_OK) continue;
        const uint32_t left = skep__disk_left(&copy->frame);
        stored->n -= left;
        stored->first = copy->frame.first + copy->frame.n;
        shelf->shelf->stored_count -= left;
    }
    shelf->filling = false;
    if (fill->damaged && status == SKEP_OK) {
        shelf->damaged = true;
        disk->store.events->trouble(disk->store.context, SKEP_EDIR, skep__database_why(disk->database));
    }
    free(fill);
}
