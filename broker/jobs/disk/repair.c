/* SPDX-License-Identifier: MIT
 * A new file, of the rows of a damaged one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jobs/disk/holdings.h"
#include "jobs/disk/records.h"

#define NEW_FILE "jobs.db.new"

enum {
    LOCK_AT = 0x40000000, /* where SQLite locks its files */
    LOCK_BYTES = 512
};

/* The shape of a table's rows: i, integer; b, blob; t, text */
static const struct table {
    const char *name, *shape, *insert;
} tables[] = {
    {"numbers", "tii", "INSERT OR REPLACE INTO numbers VALUES (?,?,?)"},
    {"queues", "iti", "INSERT OR REPLACE INTO queues VALUES (?,?,?)"},
    {"marks", "ibi", "INSERT OR REPLACE INTO marks VALUES (?,?,?)"},
    {"frames", "iiiiiiiiiibbi", "INSERT OR REPLACE INTO frames VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"},
    {"jobs", "iiiiiiiiiittiiiiii", "INSERT OR REPLACE INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
    {"keys", "ibitii", "INSERT OR REPLACE INTO keys VALUES (?,?,?,?,?,?)"},
    {"results", "ititbii", "INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?,?)"},
    {"ended", "iitii", "INSERT OR REPLACE INTO ended VALUES (?,?,?,?,?)"},
    {"stored", "iiiii", "INSERT OR REPLACE INTO stored VALUES (?,?,?,?,?)"},
};

enum { TABLES = sizeof tables / sizeof *tables };

struct repairing {
    struct skep__database *database; /* the new one */
    sqlite3_stmt *inserts[TABLES];
    const char *dir;
    struct skep__repair *repair;
    char *why;
};

SKEP_PRINTF(3, 4) static int refuse(const struct repairing *r, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->why, SKEP_MAX_REASON + 1, format, arguments);
    va_end(arguments);
    return status;
}

static int failed(const struct repairing *r, const char *path) {
    int error = errno;
    return refuse(r, error == ENOENT ? SKEP_ENOTFOUND : skep_status_of_errno(error), "%.400s: %s", path,
                  strerror(error));
}

static int failed_new(const struct repairing *r, int status) {
    return status == SKEP_OK ? status : refuse(r, status, "%.400s/" NEW_FILE ": %s", r->dir, r->database->why);
}

static void path_of(const struct repairing *r, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", r->dir, name);
}

/* --- rows --- */

static bool has_shape(const struct skep__record *record, const char *shape) {
    static const char letters[] = {
        [SKEP__VALUE_NULL] = 'n', [SKEP__VALUE_INTEGER] = 'i', [SKEP__VALUE_BLOB] = 'b', [SKEP__VALUE_TEXT] = 't'};
    if (strlen(shape) != record->count) return false;
    for (unsigned i = 0; i < record->count; i++)
        if (letters[record->values[i].type] != shape[i]) return false;
    return true;
}

static int bind_value(sqlite3_stmt *insert, int at, const struct skep__value *value) {
    const char *data = value->bytes.size_bytes > 0 ? value->bytes.data : "";
    const size_t size = value->bytes.size_bytes;
    if (value->type == SKEP__VALUE_INTEGER) return sqlite3_bind_int64(insert, at, value->number);
    if (value->type == SKEP__VALUE_TEXT) return sqlite3_bind_text64(insert, at, data, size, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(insert, at, data, size, SQLITE_STATIC);
}

static int keep(void *context, const struct skep__record *record) {
    struct repairing *r = context;
    size_t t = 0;
    int code = SQLITE_OK;
    while (t < TABLES && !has_shape(record, tables[t].shape)) t++;
    if (t == TABLES) return SKEP_OK;
    if (r->inserts[t] == NULL)
        code = sqlite3_prepare_v2(r->database->sqlite, tables[t].insert, -1, &r->inserts[t], NULL);
    for (unsigned i = 0; i < record->count && code == SQLITE_OK; i++)
        code = bind_value(r->inserts[t], (int)i + 1, &record->values[i]);
    if (code == SQLITE_OK) code = sqlite3_step(r->inserts[t]);
    sqlite3_reset(r->inserts[t]);
    return failed_new(r, skep__database_status(r->database, code));
}

static int scan(struct repairing *r) {
    char path[PATH_MAX];
    struct skep__pages *pages = NULL;
    struct skep__scan scan;
    path_of(r, SKEP__JOBS_FILE, path);
    int status = skep__pages_open(&pages, path);
    if (status != SKEP_OK) return refuse(r, status, "%.400s: %s", path, skep_strerror(status));
    status = skep__records_scan(pages, keep, r, &scan);
    for (size_t i = 0; i < TABLES; i++) sqlite3_finalize(r->inserts[i]);
    r->repair->unsound = scan.unsound;
    r->repair->unreadable = scan.unreadable + skep__pages_missing(pages);
    r->repair->lost_log = skep__pages_lost_log(pages);
    skep__pages_close(&pages);
    return status == SKEP_ENOMEM ? refuse(r, status, "%s", skep_strerror(status)) : status;
}

/* --- what rows say of each other --- */

static int execute(struct skep__database *d, const char *sql) {
    return skep__database_status(d, sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL));
}

/* At least what the rows say. */
static int raise_number(struct skep__database *d, const char *name, const char *sql, uint64_t more) {
    uint64_t number = 0, least = 0;
    int status = skep__database_get(d, name, &number);
    if (status == SKEP_OK) status = skep__query_number(d, sql, &least);
    if (status == SKEP_OK && number < least + more) status = skep__database_set(d, name, least + more);
    return status;
}

/* Queues whose name is lost get another. */
static int name_queues(struct skep__database *d) {
    char name[SKEP_MAX_NAME + 1];
    uint64_t queue = 0;
    for (;;) {
        int status = skep__query_number(
            d, "SELECT queue FROM frames WHERE queue NOT IN (SELECT id FROM queues) LIMIT 1", &queue);
        if (status != SKEP_OK || queue == 0) return status;
        snprintf(name, sizeof name, "recovered-%" PRIu64, queue);
        status = skep__database_add_queue(d, (uint32_t)queue, name);
        if (status != SKEP_OK) return status;
    }
}

struct recounting {
    struct skep__database *database;
    uint32_t queue;
};

static int recount(void *context, unsigned class, uint64_t said, uint64_t first) {
    const struct recounting *r = context;
    uint64_t n = 0;
    int status = skep__count_stored(r->database, r->queue, class, first, &n);
    return status == SKEP_OK && n != said ? skep__database_set_stored(r->database, r->queue, class, n, first) : status;
}

static int recount_queue(void *database, uint32_t id, const char *name) {
    struct recounting r = {.database = database, .queue = id};
    (void)name;
    return skep__database_stored(database, id, recount, &r);
}

static int agree(struct skep__database *d) {
    int status = execute(d, "DELETE FROM marks WHERE first NOT IN (SELECT first FROM frames);"
                            "DELETE FROM jobs WHERE " SKEP__STRAY_JOB);
    if (status == SKEP_OK) status = name_queues(d);
    if (status == SKEP_OK) status = skep__database_queues(d, recount_queue, d);
    if (status == SKEP_OK)
        status = raise_number(d, "last",
                              "SELECT max(coalesce((SELECT max(first + n - 1) FROM frames), 0),"
                              " coalesce((SELECT max(id) FROM results), 0),"
                              " coalesce((SELECT max(first + n - 1) FROM ended), 0))",
                              0);
    if (status == SKEP_OK)
        status = raise_number(d, "crashes",
                              "SELECT max(coalesce((SELECT max(crashes) FROM frames), 0),"
                              " coalesce((SELECT max(crashes) FROM jobs), 0))",
                              1);
    return status;
}

static int fill(struct repairing *r) {
    int status = failed_new(r, skep__database_begin(r->database));
    if (status == SKEP_OK) status = scan(r);
    if (status == SKEP_OK) status = failed_new(r, agree(r->database));
    if (status == SKEP_OK) status = failed_new(r, skep__database_commit(r->database));
    if (status == SKEP_OK) status = failed_new(r, skep__holdings_count(r->database, &r->repair->has));
    return status;
}

/* --- files --- */

static int sync_directory(const struct repairing *r) {
    int directory = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = directory == -1 || fsync(directory) != 0 ? failed(r, r->dir) : SKEP_OK;
    if (directory != -1) close(directory);
    return status;
}

/* Until the new file has its name, one that was written before is not there any more, whole or not. */
static void remove_new(const struct repairing *r) {
    static const char *const names[] = {NEW_FILE, NEW_FILE "-wal", NEW_FILE "-journal"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(r, names[i], path);
        (void)unlink(path);
    }
}

static int move(const struct repairing *r, const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    path_of(r, from, a);
    path_of(r, to, b);
    return rename(a, b) == 0 ? SKEP_OK : failed(r, a);
}

static void name_aside(char name[SKEP__NAME_BYTES]) {
    time_t now = time(NULL);
    struct tm tm;
    strftime(name, SKEP__NAME_BYTES, SKEP__JOBS_FILE ".damaged-%Y%m%dT%H%M%S", gmtime_r(&now, &tm));
}

/* The old file gets a second name, so that there is one of the first name at any moment; its log must not be beside the
 * new file. Until that is there a broker does not start, by the name of the repaired one. */
static int take_place(const struct repairing *r) {
    char name[SKEP__NAME_BYTES], log[SKEP__NAME_BYTES + 8], old[PATH_MAX], wal[PATH_MAX];
    name_aside(name);
    snprintf(log, sizeof log, "%s-wal", name);
    path_of(r, SKEP__JOBS_FILE, old);
    path_of(r, name, r->repair->aside);
    path_of(r, SKEP__JOBS_FILE "-wal", wal);
    if (link(old, r->repair->aside) != 0 && errno != EEXIST) return failed(r, r->repair->aside);
    int status = access(wal, F_OK) == 0 ? move(r, SKEP__JOBS_FILE "-wal", log) : SKEP_OK;
    if (status == SKEP_OK) status = sync_directory(r);
    if (status == SKEP_OK) status = move(r, SKEP__REPAIRED_FILE, SKEP__JOBS_FILE);
    return status == SKEP_OK ? sync_directory(r) : status;
}

/* Returns a descriptor that keeps brokers away, or -1 if one has it open. */
static int keep_brokers_away(const char *path) {
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = LOCK_BYTES};
    int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file == -1 || fcntl(file, F_OFD_SETLK, &lock) == 0) return file;
    int error = errno;
    close(file);
    errno = error == EACCES ? EAGAIN : error;
    return -1;
}

static int repair(struct repairing *r) {
    char path[PATH_MAX];
    path_of(r, SKEP__REPAIRED_FILE, path);
    if (access(path, F_OK) == 0) return take_place(r); /* it was interrupted there */
    remove_new(r);
    int status = skep__database_open(&r->database, r->dir, NEW_FILE, r->why);
    if (status != SKEP_OK) return status;
    status = fill(r);
    skep__database_close(&r->database);
    if (status == SKEP_OK) status = move(r, NEW_FILE, SKEP__REPAIRED_FILE);
    if (status == SKEP_OK) status = sync_directory(r);
    if (status == SKEP_OK) return take_place(r);
    remove_new(r);
    return status;
}

int skep__jobs_repair(const char *dir, struct skep__repair *out, char why[SKEP_MAX_REASON + 1]) {
    char path[PATH_MAX];
    struct repairing r = {.dir = dir, .repair = out, .why = why};
    *out = (struct skep__repair){0};
    path_of(&r, SKEP__JOBS_FILE, path);
    int lock = keep_brokers_away(path);
    if (lock == -1 && errno == EAGAIN) return refuse(&r, SKEP_EBUSY, "%.400s: another process has it open", path);
    if (lock == -1) return failed(&r, path);
    int status = repair(&r);
    close(lock);
    return status;
}
