/* SPDX-License-Identifier: MIT
 * Whether a file is whole: by what SQLite checks, by the checksum of each row, and by what rows say of each other. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/disk/holdings.h"

enum { MOST_SAID = 100 /* findings of one kind */ };

struct checking {
    struct skep__database *database;
    skep__finding_cb found;
    void *context;
    struct skep__check *check;
};

SKEP_PRINTF(2, 3) static void say(struct checking *c, const char *format, ...) {
    char line[SKEP_MAX_REASON + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    c->check->findings++;
    c->found(c->context, line);
}

/* Says what is wrong for each row of a query; the text has the row's first column. */
static void say_each(struct checking *c, const char *sql, void (*row)(struct checking *c, sqlite3_stmt *s)) {
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(c->database->sqlite, sql, -1, &s, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(s);
        if (code == SQLITE_ROW) row(c, s);
    }
    if (code != SQLITE_DONE) say(c, "%s", sqlite3_errmsg(c->database->sqlite));
    sqlite3_finalize(s);
}

static void check_integrity(struct checking *c, sqlite3_stmt *s) {
    const char *text = (const char *)sqlite3_column_text(s, 0);
    if (text != NULL && strcmp(text, "ok") != 0) say(c, "%s", text);
}

static void check_row(struct checking *c, sqlite3_stmt *s) {
    if (skep__sql_is_sound(s, 0, sqlite3_column_count(s) - 1)) return;
    const unsigned char *first = sqlite3_column_text(s, 0);
    say(c, "table %s, row %.40s: damaged", sqlite3_column_table_name(s, 0), first != NULL ? (const char *)first : "?");
}

static void say_stray_marks(struct checking *c, sqlite3_stmt *s) {
    say(c, "marks of job %" PRIu64 " and others, which are not there", skep__sql_number(s, 0));
}

static void say_stray_job(struct checking *c, sqlite3_stmt *s) {
    say(c, "what is known of job %" PRIu64 ", which is not there", skep__sql_number(s, 0));
}

static void say_nameless(struct checking *c, sqlite3_stmt *s) {
    say(c, "job %" PRIu64 " and others: their queue has no name", skep__sql_number(s, 0));
}

static void say_overlap(struct checking *c, sqlite3_stmt *s) {
    say(c, "job %" PRIu64 " is there twice", skep__sql_number(s, 0));
}

static void check_stored(struct checking *c, sqlite3_stmt *s) {
    uint64_t n = 0;
    const uint64_t said = skep__sql_number(s, 2);
    int status = skep__count_stored(c->database, (uint32_t)skep__sql_number(s, 0), (unsigned)skep__sql_number(s, 1),
                                    skep__sql_number(s, 3), &n);
    if (status == SKEP_OK && n != said)
        say(c, "%" PRIu64 " jobs are on the disk only, and %" PRIu64 " are said to be", n, said);
}

static void check_all(struct checking *c) {
    static const char *const tables[] = {"numbers", "queues",  "frames", "marks", "jobs",
                                         "keys",    "results", "ended",  "stored"};
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA integrity_check(%d)", MOST_SAID);
    say_each(c, sql, check_integrity);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        snprintf(sql, sizeof sql, "SELECT * FROM %s", tables[i]);
        say_each(c, sql, check_row);
    }
    if (c->check->findings > 0) return; /* what rows say of each other follows from that */
    say_each(c, "SELECT first FROM marks WHERE first NOT IN (SELECT first FROM frames)", say_stray_marks);
    say_each(c, "SELECT id FROM jobs WHERE " SKEP__STRAY_JOB, say_stray_job);
    say_each(c, "SELECT first FROM frames WHERE queue NOT IN (SELECT id FROM queues)", say_nameless);
    say_each(c,
             "SELECT next FROM (SELECT first + n AS after, lead(first) OVER (ORDER BY first) AS next FROM frames)"
             " WHERE next < after",
             say_overlap);
    say_each(c, "SELECT * FROM stored", check_stored);
}

int skep__jobs_check(const char *dir, skep__finding_cb found, void *context, struct skep__check *check,
                     char why[SKEP_MAX_REASON + 1]) {
    struct checking c = {.found = found, .context = context, .check = check};
    *check = (struct skep__check){0};
    int status = skep__database_look(&c.database, dir, why);
    if (status != SKEP_OK) return status;
    check_all(&c);
    if (skep__holdings_count(c.database, &check->has) != SKEP_OK && check->findings == 0)
        say(&c, "%s", skep__database_why(c.database));
    skep__database_close(&c.database);
    return SKEP_OK;
}
