/* SPDX-License-Identifier: MIT
 * skep jobs: durable jobs in a directory that no broker has open. */
#include "command/jobs/jobs.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command/common/print.h"
#include "command/common/say.h"
#include "command/subcommands.h"
#include "common/safe_path.h"
#include "jobs/jobs.h"

int jobs_fail(int status, const char *why) {
    say("jobs: %s", why);
    return status == SKEP_ENOTFOUND ? EX_NOINPUT : skep_exit_status(status);
}

static json_t *members_of_holdings(const struct skep__holdings *has) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "queues", (json_int_t)has->queues, "jobs", (json_int_t)has->jobs,
                     "dead", (json_int_t)has->dead, "keys", (json_int_t)has->keys, "results", (json_int_t)has->results);
}

static void print_holdings(const struct skep__holdings *has) {
    char text[160];
    size_t used = add_counted(text, sizeof text, 0, has->jobs, "job");
    used = add_counted(text, sizeof text, used, has->dead, "dead letter");
    used = add_counted(text, sizeof text, used, has->queues, "queue");
    used = add_counted(text, sizeof text, used, has->keys, "key");
    used = add_counted(text, sizeof text, used, has->results, "result");
    printf("%s\n", used > 0 ? text : "no jobs");
}

/* --- check --- */

static void take_finding(void *context, const char *what) {
    json_t *findings = context;
    json_array_append_new(findings, json_string(what));
}

static void print_finding(void *context, const char *what) {
    (void)context;
    printf("%s\n", what);
}

int jobs_check(const char *dir, const struct options *options) {
    struct skep__check check;
    char why[SKEP_MAX_REASON + 1];
    json_t *findings = json_array();
    int status = skep__jobs_check(dir, options->json ? take_finding : print_finding, findings, &check, why);
    if (status != SKEP_OK) {
        json_decref(findings);
        return jobs_fail(status, why);
    }
    if (options->json) {
        json_t *all = members_of_holdings(&check.has);
        json_object_set_new(all, "findings", findings);
        print_json(all);
    } else {
        json_decref(findings);
        print_holdings(&check.has);
    }
    if (check.findings == 0) return 0;
    say("jobs: %s is damaged; skep jobs repair %s recovers what can be read", dir, dir);
    return EX_DATAERR;
}

/* --- repair --- */

static void print_repair(const struct skep__repair *repair) {
    printf("recovered: ");
    print_holdings(&repair->has);
    if (repair->unsound > 0) printf("lost: %llu rows that were damaged\n", (unsigned long long)repair->unsound);
    if (repair->unreadable > 0) printf("lost: %llu pages\n", (unsigned long long)repair->unreadable);
    if (repair->lost_log) printf("lost: what was written last, since the log cannot be read\n");
    printf("the file as it was: %s\n", repair->aside);
}

int jobs_repair(const char *dir, const struct options *options) {
    static struct skep__repair repair;
    char why[SKEP_MAX_REASON + 1];
    int status = skep__jobs_repair(dir, &repair, why);
    if (status != SKEP_OK) return jobs_fail(status, why);
    if (!options->json) {
        print_repair(&repair);
        return 0;
    }
    json_t *all = members_of_holdings(&repair.has);
    json_object_set_new(all, "lost_rows", json_integer((json_int_t)repair.unsound));
    json_object_set_new(all, "lost_pages", json_integer((json_int_t)repair.unreadable));
    json_object_set_new(all, "lost_log", json_boolean(repair.lost_log));
    json_object_set_new(all, "aside", json_string(repair.aside));
    print_json(all);
    return 0;
}

/* --- the command --- */

static const struct {
    const char *name;
    int (*run)(const char *dir, const struct options *options);
} verbs[] = {{"check", jobs_check}, {"repair", jobs_repair}, {"export", jobs_export}, {"import", jobs_import}};

/* A directory of another user is left alone, as a broker leaves it. */
static int check_owner(const char *dir) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__safe_path(dir, geteuid(), why);
    return status == SKEP_OK ? 0 : fail(status, "jobs: %s", why);
}

int command_jobs(const struct options *options) {
    const char *verb = options->operands[0], *dir = options->operands[1];
    if (strlen(dir) > SKEP_MAX_DIR) return fail(SKEP_EINVAL, "jobs: DIR is longer than %d bytes", SKEP_MAX_DIR);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verb, verbs[i].name) != 0) continue;
        int code = check_owner(dir);
        return code != 0 ? code : verbs[i].run(dir, options);
    }
    return fail(SKEP_EINVAL, "jobs: %s: expected check, repair, export or import; see skep help jobs", verb);
}
