/* SPDX-License-Identifier: MIT
 * The file of jobs: a log that is written ahead (WAL), synced with each commit; locked, and of a format that is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/disk/sqlite.h"

enum { APPLICATION = 0x536b6570 /* what the file's header says it is: Skep */ };

/* The log is long, so that most rows are gone from it before they are copied into the file. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA page_size = 4096;"
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = 16000;"
                               "PRAGMA cache_size = -16000;"
                               "PRAGMA temp_store = MEMORY;";

/* Each row ends with its checksum. Columns are in the order in which they are written, and in that of the checksum. */
static const char tables[] =
    "CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, crc INTEGER NOT NULL);"
    "CREATE TABLE frames (first INTEGER PRIMARY KEY, queue INTEGER NOT NULL, n INTEGER NOT NULL,"
    " class INTEGER NOT NULL, accepted INTEGER NOT NULL, due INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " lease INTEGER NOT NULL, attempts INTEGER NOT NULL, crashes INTEGER NOT NULL, jobs BLOB NOT NULL,"
    " keys BLOB NOT NULL, crc INTEGER NOT NULL);"
    "CREATE INDEX frames_of ON frames (queue, class);"
    "CREATE TABLE marks (first INTEGER PRIMARY KEY, ended BLOB NOT NULL, crc INTEGER NOT NULL);"
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, crashes INTEGER NOT NULL, dead INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, failures INTEGER NOT NULL, deaths INTEGER NOT NULL, interruptions INTEGER NOT NULL,"
    " due INTEGER NOT NULL, since INTEGER NOT NULL, died INTEGER NOT NULL, cause TEXT NOT NULL, reason TEXT NOT NULL,"
    " worker INTEGER NOT NULL, pid INTEGER NOT NULL, code INTEGER NOT NULL, signal INTEGER NOT NULL,"
    " uptime INTEGER NOT NULL, crc INTEGER NOT NULL);"
    "CREATE TABLE keys (queue INTEGER NOT NULL, key BLOB NOT NULL, id INTEGER NOT NULL, cause TEXT NOT NULL,"
    " until INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (queue, key)) WITHOUT ROWID;"
    "CREATE INDEX keys_until ON keys (until);"
    "CREATE TABLE results (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, attempt INTEGER NOT NULL,"
    " cause TEXT NOT NULL, result BLOB NOT NULL, ended INTEGER NOT NULL, crc INTEGER NOT NULL);"
    "CREATE INDEX results_ended ON results (ended);"
    "CREATE TABLE ended (first INTEGER PRIMARY KEY, n INTEGER NOT NULL, queue TEXT NOT NULL, ended INTEGER NOT NULL,"
    " crc INTEGER NOT NULL);"
    "CREATE INDEX ended_ended ON ended (ended);"
    "CREATE TABLE stored (queue INTEGER NOT NULL, class INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL,"
    " crc INTEGER NOT NULL, PRIMARY KEY (queue, class)) WITHOUT ROWID;";

static int execute(struct skep__database *d, const char *sql) {
    return skep__database_status(d, sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL));
}

SKEP_PRINTF(3, 4) static int refuse(struct skep__database *d, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(d->why, sizeof d->why, format, arguments);
    va_end(arguments);
    return status;
}

static int get_pragma(struct skep__database *d, const char *sql, int64_t *value) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) return skep__database_status(d, code);
    code = sqlite3_step(statement);
    *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int status = skep__database_status(d, code);
    sqlite3_finalize(statement);
    return status;
}

static int make_tables(struct skep__database *d) {
    char version[80];
    snprintf(version, sizeof version, "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION,
             SKEP__FORMAT);
    int status = execute(d, "BEGIN");
    if (status == SKEP_OK) status = execute(d, tables);
    if (status == SKEP_OK) status = execute(d, version);
    return status == SKEP_OK ? execute(d, "COMMIT") : status;
}

/* A file without anything is new. */
static int check_format(struct skep__database *d) {
    int64_t application = 0, version = 0, made = 0;
    int status = get_pragma(d, "PRAGMA application_id", &application);
    if (status == SKEP_OK) status = get_pragma(d, "PRAGMA user_version", &version);
    if (status == SKEP_OK) status = get_pragma(d, "SELECT count(*) FROM sqlite_schema", &made);
    if (status != SKEP_OK) return status;
    if (made == 0 && application == 0) return make_tables(d);
    if (application != APPLICATION) return refuse(d, SKEP_EDIR, "it is a database, but not Skep's");
    if (version > SKEP__FORMAT)
        return refuse(d, SKEP_EVERSION, "its format is %lld, and this Skep knows formats up to %d; use a newer Skep",
                      (long long)version, SKEP__FORMAT);
    return SKEP_OK;
}

/* The log of a file that is being repaired may have been moved away. */
static int check_repair(struct skep__database *d, const char *dir, const char *name) {
    char path[SKEP_MAX_DIR + SKEP__NAME_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, SKEP__REPAIRED_FILE);
    if (strcmp(name, SKEP__JOBS_FILE) != 0 || access(path, F_OK) != 0) return SKEP_OK;
    return refuse(d, SKEP_EDIR, "a repair was interrupted; end it: skep jobs repair %.200s", dir);
}

/* SQLite gives the files beside it the same mode. */
static int make_file(struct skep__database *d, const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file == -1) return refuse(d, skep_status_of_errno(errno), "%s", strerror(errno));
    close(file);
    return SKEP_OK;
}

/* SQLite syncs what is in files, not that a new one is in its directory, nor that this is in the one above. */
static int sync_directories(struct skep__database *d, const char *dir) {
    char above[SKEP_MAX_DIR + sizeof "/.."];
    snprintf(above, sizeof above, "%s/..", dir);
    const char *const paths[] = {dir, above};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int directory = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int code = directory == -1 || fsync(directory) != 0 ? errno : 0;
        if (directory != -1) close(directory);
        if (code != 0 && code != EACCES && code != EINVAL) /* not ours to read; a file system without */
            return refuse(d, skep_status_of_errno(code), "%s: %s", paths[i], strerror(code));
    }
    return SKEP_OK;
}

static int open_file(struct skep__database *d, const char *path) {
    int status = make_file(d, path);
    if (status != SKEP_OK) return status;
    int code =
        sqlite3_open_v2(path, &d->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK) return d->sqlite != NULL ? skep__database_status(d, code) : SKEP_ENOMEM;
    status = execute(d, settings);
    if (status == SKEP_OK) status = check_format(d);
    return status == SKEP_EBUSY ? refuse(d, status, "another process has it open") : status;
}

int skep__database_open(struct skep__database **out, const char *dir, const char *name, char why[SKEP_MAX_REASON + 1]) {
    char path[SKEP_MAX_DIR + SKEP__NAME_BYTES];
    struct skep__database *d = calloc(1, sizeof *d);
    if (d == NULL) return SKEP_ENOMEM;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int status = check_repair(d, dir, name);
    if (status == SKEP_OK) status = open_file(d, path);
    if (status == SKEP_OK) status = sync_directories(d, dir);
    if (status == SKEP_OK) {
        *out = d;
        return SKEP_OK;
    }
    snprintf(why, SKEP_MAX_REASON + 1, "%.*s: %.*s", SKEP_MAX_REASON / 2, path, SKEP_MAX_REASON / 3,
             d->why[0] != '\0' ? d->why : skep_strerror(status));
    skep__database_close(&d);
    return status;
}

int skep__database_look(struct skep__database **out, const char *dir, char why[SKEP_MAX_REASON + 1]) {
    char path[SKEP_MAX_DIR + SKEP__NAME_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, SKEP__JOBS_FILE);
    if (access(path, F_OK) != 0) {
        snprintf(why, SKEP_MAX_REASON + 1, "%.*s: %s", SKEP_MAX_REASON / 2, path, strerror(errno));
        return SKEP_ENOTFOUND;
    }
    int status = skep__database_open(out, dir, SKEP__JOBS_FILE, why);
    if (status == SKEP_OK) sqlite3_db_config((*out)->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return status;
}

void skep__database_close(struct skep__database **out) {
    struct skep__database *d = *out;
    if (d == NULL) return;
    for (unsigned i = 0; i < SKEP__STATEMENTS; i++) sqlite3_finalize(d->statements[i]);
    sqlite3_close(d->sqlite);
    free(d);
    *out = NULL;
}
