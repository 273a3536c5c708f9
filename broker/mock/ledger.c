/* SPDX-License-Identifier: MIT
 * The ledger of a mock broker is a broker's: here it is made, by a clock that the test moves, and what it tells is
 * noted. */
#include "jobs/jobs.h"
#include "mock/clients.h"

enum { SETTLE_MS = 1000 }; /* of the real clock: for workers to begin what they were given before time passes */

/* --- what the ledger tells --- */

static void tell_all(skep_mock *mock, const struct skep__job *job, const char *cause, const struct skep_bytes *bytes) {
    bool told = job->key == NULL && skep__mock_tell_outcome(mock, job->client, job->number, cause, bytes);
    for (const struct skep__waiter *w = NULL; (w = skep__jobs_next_waiter(mock->ledger, job, w)) != NULL;)
        if (skep__mock_tell_outcome(mock, w->client, w->number, cause, bytes)) told = true;
    for (struct skep__waiter awaiting; skep__jobs_next_awaiting(mock->ledger, job->id, &awaiting);)
        if (skep__mock_tell_outcome(mock, awaiting.client, awaiting.number, cause, bytes)) told = true;
    if (cause == NULL && !told && bytes->size_bytes > 0) skep__job_unclaimed(job);
}

static void finished(void *context, const struct skep__job *job, const struct skep_bytes *result) {
    skep__mock_job_ends(context, job, NULL, result);
    tell_all(context, job, NULL, result);
}

static void died(void *context, const struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    skep__mock_job_ends(context, job, cause, reason);
    tell_all(context, job, cause, reason);
}

/* Its ledger is in memory: that something has ended is told of dead letters only. */
static void recalled(void *context, const struct skep__waiter *waiter, const struct skep__job_end *end) {
    if (end->status == SKEP_EDEAD)
        skep__mock_tell_outcome(context, waiter->client, waiter->number, end->cause, &end->result);
    else skep__mock_tell_forgotten(context, waiter->client, waiter->number, end->status);
}

static void failed(void *context, const struct skep__job *job, const struct skep_bytes *reason) {
    struct skep__mock_job *known = skep__mock_find_job(context, job->id);
    if (known != NULL) skep__mock_set_reason(known, reason);
}

static void sent(void *context, void *worker, const struct skep_command *command) {
    skep__mock_note_command(context, ">", ((struct skep__mock_worker *)worker)->id, command);
    skep__mock_sent(worker, &command->jobs);
}

static void settled(void *context) {
    (void)context;
}

static void note_error(void *context, void *worker, const char *text) {
    if (worker != NULL) skep__mock_note(context, "worker %u: %s", ((struct skep__mock_worker *)worker)->id, text);
    else skep__mock_note(context, "%s", text);
}

static void note(void *context, const char *text) {
    skep__mock_note(context, "%s", text);
}

static void ending(const void *context, struct skep__ending *ending) {
    const struct skep__mock_worker *worker = context;
    *ending =
        (struct skep__ending){.asked = worker->draining || worker->cut, .code = worker->code, .signal = worker->signal};
}

/* --- life --- */

/* A broker's, unless the test says otherwise */
static void set_settings(skep_mock *mock) {
    const skep_mock_options *o = &mock->options;
    mock->settings = (skep_settings){
#define TEXT(field, whose, until)
#define LIST(field, whose, until)
#define FLAG(field, whose, until)
#define NUMBER(field, whose, until, unit, least, most, usual, words, option, help) .field = (usual),
#include "config/settings.def"
#undef TEXT
#undef LIST
#undef FLAG
#undef NUMBER
    };
    if (o->lease_ms != 0) mock->settings.lease_ms = o->lease_ms;
    if (o->attempts != 0) mock->settings.attempts = o->attempts;
    if (o->deaths != 0) mock->settings.deaths = o->deaths;
    if (o->dedup_ms != 0) mock->settings.dedup_ms = o->dedup_ms;
    mock->settings.job_credit = o->credit;
}

int skep__mock_ledger_open(skep_mock *mock) {
    static const struct skep__job_events events = {
        .finished = finished, .died = died, .failed = failed, .recalled = recalled, .sent = sent, .settled = settled};
    static const struct skep__jobs_host host = {
        .error = note_error, .error_later = note, .dead = note, .lack = note, .ending = ending};
    char why[SKEP_MAX_REASON + 1];
    set_settings(mock);
    int status = skep__clock_new_by_hand(&mock->clock);
    if (status == SKEP_OK) status = skep__clock_new(&mock->pace, mock->loop);
    const struct skep__jobs_setup setup = {.clock = mock->clock,
                                           .pace = mock->pace,
                                           .flusher = mock->flusher,
                                           .settings = &mock->settings,
                                           .events = &events,
                                           .host = &host,
                                           .context = mock};
    if (status == SKEP_OK) status = skep__jobs_new(&mock->ledger, &setup);
    return status == SKEP_OK ? skep__jobs_open(mock->ledger, NULL, why) : status;
}

void skep__mock_ledger_close(skep_mock *mock) {
    skep__jobs_close(mock->ledger);
    skep__jobs_free(&mock->ledger);
    skep__clock_free(&mock->pace);
    skep__clock_free(&mock->clock);
}

int skep_mock_setup_queue(skep_mock *mock, const char *name, const skep_queue_options *options) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__jobs_set_up_queue(mock->ledger, name, options, why);
    if (status != SKEP_OK) skep__mock_explain(mock, "%s", why);
    return status;
}

/* --- the clock --- */

static bool all_begun(void *context) {
    const skep_mock *mock = context;
    const struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (!w->left && !skep__holder_has_begun(w->holder)) return false;
    return true;
}

/* What workers begin, they begin before time passes. */
static void settle(skep_mock *mock, uint64_t deadline_ns) {
    uint64_t now_ns = uv_hrtime(), left_ns = now_ns < deadline_ns ? deadline_ns - now_ns : 0;
    if (skep__mock_run(mock, all_begun, mock, (unsigned)(left_ns / 1000000)) != SKEP_OK)
        skep__mock_note(mock, "time passes, though a worker has not begun what it was given");
    skep__jobs_note_begun(mock->ledger);
}

void skep_mock_advance(skep_mock *mock, uint64_t duration_ms) {
    uint64_t end_ms = skep__clock_ms(mock->clock) + duration_ms, next_ms;
    uint64_t deadline_ns = uv_hrtime() + SETTLE_MS * UINT64_C(1000000);
    settle(mock, deadline_ns);
    while ((next_ms = skep__clock_next_ms(mock->clock)) <= end_ms) {
        skep__clock_move(mock->clock, next_ms - skep__clock_ms(mock->clock));
        settle(mock, deadline_ns);
    }
    skep__clock_move(mock->clock, end_ms - skep__clock_ms(mock->clock));
}
