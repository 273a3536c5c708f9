/* SPDX-License-Identifier: MIT
 * A disk under test that fails at will: SQLite's way to the system, with the test in between. */
#ifndef SKEP_TESTS_FAILING_DISK_H
#define SKEP_TESTS_FAILING_DISK_H

#include <sqlite3.h>

#include "lib/pump.h"

static enum { FAILING_NOT, FAILING_WRITE, FAILING_SYNC } failing_disk;

enum { FAILING_KINDS = 8 };

/* A kind of files: its own methods, and those that the test gives it */
struct failing_kind {
    const sqlite3_io_methods *own;
    sqlite3_io_methods given;
};

static struct failing_kind failing_kinds[FAILING_KINDS];
static sqlite3_vfs failing_system;

static inline const struct failing_kind *failing_kind_of(const sqlite3_file *file) {
    for (size_t i = 0; i < FAILING_KINDS; i++)
        if (file->pMethods == &failing_kinds[i].given) return &failing_kinds[i];
    abort();
}

static inline int failing_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset) {
    return failing_disk == FAILING_WRITE ? SQLITE_FULL : failing_kind_of(file)->own->xWrite(file, data, n, offset);
}

static inline int failing_sync(sqlite3_file *file, int flags) {
    return failing_disk == FAILING_SYNC ? SQLITE_IOERR_FSYNC : failing_kind_of(file)->own->xSync(file, flags);
}

static inline int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    int code = sqlite3_vfs_find("unix")->xOpen(sqlite3_vfs_find("unix"), name, file, flags, out);
    if (code != SQLITE_OK) return code;
    size_t i = 0;
    while (failing_kinds[i].own != NULL && failing_kinds[i].own != file->pMethods) i++;
    assert_true(i < FAILING_KINDS);
    failing_kinds[i].own = file->pMethods;
    failing_kinds[i].given = *file->pMethods;
    failing_kinds[i].given.xWrite = failing_write;
    failing_kinds[i].given.xSync = failing_sync;
    file->pMethods = &failing_kinds[i].given;
    return SQLITE_OK;
}

/* What is opened from now on can be made to fail. */
static inline void failing_disk_install(void) {
    failing_system = *sqlite3_vfs_find("unix");
    failing_system.zName = "failing";
    failing_system.xOpen = failing_open;
    assert_int_equal(sqlite3_vfs_register(&failing_system, 1), SQLITE_OK);
}

#endif
