/* SPDX-License-Identifier: MIT
 * A disk under test that loses power: SQLite's way to the system, with a model of the medium beside it. A write is on
 * the medium for sure once its file has been synced. When the power goes, at an operation that the test has chosen,
 * each sector that was written since then is there or not, by chance, and a file that was removed may be there again.
 */
#ifndef SKEP_TESTS_LOSING_DISK_H
#define SKEP_TESTS_LOSING_DISK_H

#include <sqlite3.h>
#include <sys/queue.h>

#include "chance.h"
#include "lib/pump.h"

enum { LOSING_SECTOR = 512, LOSING_FILES = 4, LOSING_KINDS = 8, LOSING_OPEN = 8, LOSING_PATH = 512 };

/* One that is not synced */
struct losing_write {
    STAILQ_ENTRY(losing_write) entry;
    size_t offset, size_bytes;
    bool truncates; /* to the offset */
    char data[];
};

struct losing_image {
    char *data;
    size_t size_bytes;
};

/* By its name, whatever file that is the name of */
struct losing_file {
    char path[LOSING_PATH];
    struct losing_image synced;
    struct losing_image removed; /* the file before this one, whose removal is not synced; data NULL: there is none */
    STAILQ_HEAD(, losing_write) writes;
    bool present;
};

/* A kind of files: its own methods, and those that the test gives it */
struct losing_kind {
    const sqlite3_io_methods *own;
    sqlite3_io_methods given;
};

static struct {
    struct losing_file files[LOSING_FILES];
    struct losing_kind kinds[LOSING_KINDS];
    struct {
        const sqlite3_file *file;
        struct losing_file *of;
    } open[LOSING_OPEN];
    sqlite3_vfs vfs;
    uint64_t seed;
    unsigned operations, cut_at; /* 0: never */
    void (*cut)(void);           /* is told that the power has gone; from whatever thread */
    bool is_cut;
} losing;

static inline sqlite3_vfs *losing_system(void) {
    return sqlite3_vfs_find("unix");
}

/* --- images --- */

static inline void losing_grow(struct losing_image *image, size_t size_bytes) {
    if (size_bytes <= image->size_bytes) return;
    image->data = realloc(image->data, size_bytes);
    assert_non_null(image->data);
    memset(image->data + image->size_bytes, 0, size_bytes - image->size_bytes);
    image->size_bytes = size_bytes;
}

static inline void losing_free(struct losing_image *image) {
    free(image->data);
    *image = (struct losing_image){0};
}

/* With some of its sectors, by chance, or all of them */
static inline void losing_apply(struct losing_image *image, const struct losing_write *w, bool all) {
    if (w->truncates && (all || chance(&losing.seed, 2) == 0)) {
        if (w->offset < image->size_bytes) image->size_bytes = w->offset;
        return;
    }
    for (size_t at = 0; at < w->size_bytes;) {
        size_t n = LOSING_SECTOR - (w->offset + at) % LOSING_SECTOR;
        if (n > w->size_bytes - at) n = w->size_bytes - at;
        if (all || chance(&losing.seed, 2) == 0) {
            losing_grow(image, w->offset + at + n);
            memcpy(image->data + w->offset + at, w->data + at, n);
        }
        at += n;
    }
}

static inline void losing_write_image(const struct losing_file *f, const struct losing_image *image) {
    char path[LOSING_PATH + 8];
    snprintf(path, sizeof path, "%s.cut", f->path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    if (image->size_bytes > 0) assert_int_equal(fwrite(image->data, image->size_bytes, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static inline void losing_cut_file(const struct losing_file *f) {
    const struct losing_write *w;
    if (f->removed.data != NULL && chance(&losing.seed, 2) == 0) {
        losing_write_image(f, &f->removed);
        return;
    }
    if (!f->present) return;
    struct losing_image image = {0};
    losing_grow(&image, f->synced.size_bytes);
    if (image.size_bytes > 0) memcpy(image.data, f->synced.data, image.size_bytes);
    STAILQ_FOREACH(w, &f->writes, entry) losing_apply(&image, w, false);
    losing_write_image(f, &image);
    losing_free(&image);
}

static inline void losing_count(void) {
    if (losing.is_cut || ++losing.operations != losing.cut_at) return;
    losing.is_cut = true;
    for (size_t i = 0; i < LOSING_FILES; i++)
        if (losing.files[i].path[0] != '\0') losing_cut_file(&losing.files[i]);
    losing.cut();
}

/* --- files --- */

static inline struct losing_file *losing_of_path(const char *path) {
    size_t i = 0;
    while (i < LOSING_FILES && losing.files[i].path[0] != '\0' && strcmp(losing.files[i].path, path) != 0) i++;
    assert_true(i < LOSING_FILES);
    struct losing_file *f = &losing.files[i];
    if (f->path[0] == '\0') {
        snprintf(f->path, sizeof f->path, "%s", path);
        STAILQ_INIT(&f->writes);
    }
    return f;
}

static inline struct losing_file *losing_of(const sqlite3_file *file) {
    for (size_t i = 0; i < LOSING_OPEN; i++)
        if (losing.open[i].file == file) return losing.open[i].of;
    abort();
}

static inline const sqlite3_io_methods *losing_own(const sqlite3_file *file) {
    for (size_t i = 0; i < LOSING_KINDS; i++)
        if (file->pMethods == &losing.kinds[i].given) return losing.kinds[i].own;
    abort();
}

static inline void losing_add(struct losing_file *f, size_t offset, const void *data, size_t size_bytes) {
    struct losing_write *w = calloc(1, sizeof *w + size_bytes);
    assert_non_null(w);
    *w = (struct losing_write){.offset = offset, .size_bytes = size_bytes, .truncates = data == NULL};
    if (data != NULL) memcpy(w->data, data, size_bytes);
    STAILQ_INSERT_TAIL(&f->writes, w, entry);
}

static inline void losing_forget_writes(struct losing_file *f, bool are_synced) {
    for (struct losing_write *w; (w = STAILQ_FIRST(&f->writes)) != NULL; free(w)) {
        STAILQ_REMOVE_HEAD(&f->writes, entry);
        if (are_synced) losing_apply(&f->synced, w, true);
    }
}

/* --- SQLite's way --- */

static inline int losing_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset) {
    losing_count();
    losing_add(losing_of(file), (size_t)offset, data, (size_t)n);
    return losing_own(file)->xWrite(file, data, n, offset);
}

static inline int losing_truncate(sqlite3_file *file, sqlite3_int64 size) {
    losing_count();
    losing_add(losing_of(file), (size_t)size, NULL, 0);
    return losing_own(file)->xTruncate(file, size);
}

/* The machine's own disk keeps its power and need not sync. */
static inline int losing_sync(sqlite3_file *file, int flags) {
    struct losing_file *f = losing_of(file);
    (void)flags;
    losing_count();
    losing_forget_writes(f, true);
    losing_free(&f->removed);
    return SQLITE_OK;
}

static inline int losing_close(sqlite3_file *file) {
    for (size_t i = 0; i < LOSING_OPEN; i++)
        if (losing.open[i].file == file) losing.open[i].file = NULL;
    return losing_own(file)->xClose(file);
}

static inline int losing_delete(sqlite3_vfs *vfs, const char *path, int sync_dir) {
    (void)vfs;
    struct losing_file *f = losing_of_path(path);
    losing_count();
    losing_forget_writes(f, false); /* nobody has waited for them */
    losing_free(&f->removed);
    f->removed = f->synced;
    f->synced = (struct losing_image){0};
    f->present = false;
    return losing_system()->xDelete(losing_system(), path, sync_dir);
}

static inline int losing_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    int code = losing_system()->xOpen(losing_system(), path, file, flags, out);
    if (code != SQLITE_OK || path == NULL) return code;
    size_t kind = 0, slot = 0;
    while (losing.kinds[kind].own != NULL && losing.kinds[kind].own != file->pMethods) kind++;
    while (slot < LOSING_OPEN && losing.open[slot].file != NULL) slot++;
    assert_true(kind < LOSING_KINDS && slot < LOSING_OPEN);
    losing.kinds[kind].own = file->pMethods;
    losing.kinds[kind].given = *file->pMethods;
    losing.kinds[kind].given.xWrite = losing_write;
    losing.kinds[kind].given.xTruncate = losing_truncate;
    losing.kinds[kind].given.xSync = losing_sync;
    losing.kinds[kind].given.xClose = losing_close;
    file->pMethods = &losing.kinds[kind].given;
    losing.open[slot].file = file;
    losing.open[slot].of = losing_of_path(path);
    losing.open[slot].of->present = true;
    return SQLITE_OK;
}

/* --- for tests --- */

/* What is opened from now on can lose power. */
static inline void losing_disk_install(void) {
    losing.vfs = *losing_system();
    losing.vfs.zName = "losing";
    losing.vfs.xOpen = losing_open;
    losing.vfs.xDelete = losing_delete;
    assert_int_equal(sqlite3_vfs_register(&losing.vfs, 1), SQLITE_OK);
}

/* A new disk, which has no files. */
static inline void losing_disk_reset(uint64_t seed, unsigned cut_at, void (*cut)(void)) {
    for (size_t i = 0; i < LOSING_FILES; i++) {
        struct losing_file *f = &losing.files[i];
        if (f->path[0] != '\0') losing_forget_writes(f, false);
        losing_free(&f->synced);
        losing_free(&f->removed);
        f->path[0] = '\0';
        f->present = false;
    }
    losing.seed = seed;
    losing.operations = 0;
    losing.cut_at = cut_at;
    losing.cut = cut;
    losing.is_cut = false;
}

/* The directory was synced past SQLite: what was removed stays so. */
static inline void losing_disk_directory_synced(void) {
    for (size_t i = 0; i < LOSING_FILES; i++) losing_free(&losing.files[i].removed);
}

/* The files are as the medium has them; nobody has them open. */
static inline void losing_disk_take(void) {
    char cut[LOSING_PATH + 8];
    assert_true(losing.is_cut);
    for (size_t i = 0; i < LOSING_FILES; i++) {
        const char *path = losing.files[i].path;
        if (path[0] == '\0') continue;
        snprintf(cut, sizeof cut, "%s.cut", path);
        (void)unlink(path);
        (void)rename(cut, path); /* or it is not there */
    }
}

#endif
