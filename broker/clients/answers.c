/* SPDX-License-Identifier: MIT
 * Answers to submissions. A store that completes at once costs no memory: what it says travels on at the end of the
 * batch. Where one may complete later, each batch is remembered until all of it has been answered.
 */
#include "clients/private.h"
#include "common/container.h"

enum { MAX_UNANSWERED = 64 * 1024 /* jobs of one client: what is kept of them has no other bound */ };

/* Answers that travel together: to consecutive numbers, of one kind */
struct run {
    uint64_t number;            /* of the first */
    struct skep__answer answer; /* to n of them */
};

/* A batch that is being put */
struct skep__answers {
    struct skep__put put;
    TAILQ_ENTRY(skep__answers) entry; /* in session.unanswered */
    skep_cluster *cluster;
    struct skep__session *session; /* NULL: it has left */
    bool quiet;                    /* outcomes are wanted, too */
    bool durable;                  /* the jobs outlast the broker */
    uint64_t first, next,
        end;          /* numbers: of the first job that was not told, of the next to be answered, behind its last */
    uint64_t lacking; /* jobs behind these that were declined, for there was no memory to remember them */
    size_t count;
    struct run runs[];
};

/* --- telling --- */

static void tell_declined(struct skep__session *session, const struct run *run) {
    struct skep_command command = {.id = SKEP_COMMAND_declined};
    struct skep_command_declined *d = &command.declined;
    const char *reason = run->answer.status == SKEP_ENOMEM ? SKEP__OUT_OF_MEMORY : skep_strerror(run->answer.status);
    *d = (struct skep_command_declined){
        .number = run->number, .status = (uint64_t)run->answer.status, .reason = skep__text(reason)};
    SKEP_SET(declined, d, n, run->answer.n);
    skep__session_tell(session, &command);
}

static void tell_accepted(struct skep__session *session, const struct run *run, bool quiet, bool durable) {
    struct skep_command command = {.id = SKEP_COMMAND_accepted,
                                   .accepted = {.number = run->number, .id = run->answer.id}};
    struct skep_command_accepted *c = &command.accepted;
    SKEP_SET(accepted, c, n, run->answer.n);
    if (durable) SKEP_SET(accepted, c, durable, true);
    if (run->answer.status == SKEP_EDUPLICATE) SKEP_SET(accepted, c, duplicate, true);
    if (run->answer.waits) SKEP_SET(accepted, c, waits, true);
    if (run->answer.ended != NULL) SKEP_SET(accepted, c, ended, skep__text(run->answer.ended));
    if (quiet) skep__session_tell_quietly(session, &command);
    else skep__session_tell(session, &command);
}

static bool is_accepted(int status) {
    return status == SKEP_OK || status == SKEP_EDUPLICATE;
}

/* One range for submissions that were declined in a row, so that many small ones do not displace each other. */
static void note_declined(struct skep__session *session, const struct run *run) {
    struct skep__declined *last = &session->declined[(session->declined_count - 1) % SKEP__DECLINED_KEPT];
    if (session->declined_count > 0 && last->number + last->n == run->number && last->status == run->answer.status) {
        last->n += run->answer.n;
        return;
    }
    session->declined[session->declined_count++ % SKEP__DECLINED_KEPT] =
        (struct skep__declined){.number = run->number, .n = run->answer.n, .status = run->answer.status};
}

static void tell(struct skep__session *session, const struct run *run, bool quiet, bool durable) {
    if (run->answer.n == 0) return;
    if (is_accepted(run->answer.status)) {
        tell_accepted(session, run, quiet, durable);
        return;
    }
    note_declined(session, run);
    tell_declined(session, run);
}

/* ids of accepted jobs follow each other; 0 stands for all that were accepted before. */
static bool follows(const struct run *run, int status, uint64_t id) {
    if (run->answer.n == 0 || run->answer.status != status || status == SKEP_EDUPLICATE) return false;
    return status != SKEP_OK || id == (run->answer.id != 0 ? run->answer.id + run->answer.n : 0);
}

/* --- once more --- */

static int status_before(const struct skep__session *session, uint64_t number) {
    for (unsigned i = 0; i < SKEP__DECLINED_KEPT; i++) {
        const struct skep__declined *d = &session->declined[i];
        if (number >= d->number && number - d->number < d->n) return d->status;
    }
    return SKEP_OK;
}

static void tell_again(struct skep__session *session, const struct run *run) {
    if (run->answer.n > 0 && is_accepted(run->answer.status)) tell_accepted(session, run, false, false);
    else if (run->answer.n > 0) tell_declined(session, run);
}

static uint64_t first_unanswered(const struct skep__session *session) {
    const struct skep__answers *first = TAILQ_FIRST(&session->unanswered);
    return first != NULL ? first->first : session->expected;
}

uint32_t skep__answers_again(struct skep__session *session, const struct skep_command_submit *submit) {
    const uint64_t end = first_unanswered(session), expected = session->expected;
    struct run run = {0};
    for (uint64_t number = submit->number; number < submit->number + submit->jobs.count && number < end; number++) {
        const struct skep__answer answer = {.n = 1, .status = status_before(session, number)};
        if (follows(&run, answer.status, 0)) {
            run.answer.n++;
            continue;
        }
        tell_again(session, &run);
        run = (struct run){number, answer};
    }
    tell_again(session, &run);
    uint64_t known = expected - submit->number;
    return known < submit->jobs.count ? (uint32_t)known : submit->jobs.count;
}

/* --- at once --- */

struct at_once {
    struct skep__put put;
    struct skep__session *session;
    bool quiet;
    uint64_t next;
    struct run run;
};

static void answered_at_once(struct skep__put *put, const struct skep__answer *answer) {
    struct at_once *a = SKEP_CONTAINER(put, struct at_once, put);
    skep__jobs_refused(a->session->cluster->jobs, answer->status);
    if (follows(&a->run, answer->status, answer->id)) {
        a->run.answer.n += answer->n;
    } else {
        tell(a->session, &a->run, a->quiet, false);
        a->run = (struct run){a->next, *answer};
    }
    a->next += answer->n;
}

static void put_into(skep_cluster *cluster, struct skep__queue *queue, const struct skep__batch *batch, int status,
                     struct skep__put *put) {
    if (queue != NULL) skep__jobs_submit(cluster->jobs, queue, batch, put);
    else skep__jobs_decline(batch, status, put);
}

static void put_at_once(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                        int status) {
    struct at_once a = {.put = {answered_at_once},
                        .session = session,
                        .quiet = batch->common.wants_outcome,
                        .next = batch->common.number};
    put_into(session->cluster, queue, batch, status, &a.put);
    tell(session, &a.run, a.quiet, false);
}

/* --- later --- */

static void tell_lacking(struct skep__session *session, uint64_t number, uint64_t n) {
    tell(session, &(struct run){number, {.n = (uint32_t)n, .status = SKEP_ENOMEM}}, false, false);
}

static void tell_runs(struct skep__session *session, struct skep__answers *a) {
    for (size_t i = 0; i < a->count; i++) tell(session, &a->runs[i], a->quiet, a->durable);
    a->count = 0;
    a->first = a->next;
}

/* In their order: those that are complete, up to the first that is not. */
static void tell_complete(struct skep__session *session) {
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that the one before is in the list no more
    for (struct skep__answers *a; (a = TAILQ_FIRST(&session->unanswered)) != NULL && a->next == a->end; free(a)) {
        TAILQ_REMOVE(&session->unanswered, a, entry);
        tell_runs(session, a);
        tell_lacking(session, a->end, a->lacking);
    }
    if (!session->too_many || !TAILQ_EMPTY(&session->unanswered)) return;
    session->too_many = session->gap_told = false;
    skep__session_tell_expected(session);
}

static void answered_later(struct skep__put *put, const struct skep__answer *answer) {
    struct skep__answers *a = SKEP_CONTAINER(put, struct skep__answers, put);
    struct run *last = a->count > 0 ? &a->runs[a->count - 1] : NULL;
    skep__jobs_refused(a->cluster->jobs, answer->status);
    if (last != NULL && follows(last, answer->status, answer->id)) last->answer.n += answer->n;
    else a->runs[a->count++] = (struct run){a->next, *answer};
    a->next += answer->n;
    if (a->next < a->end) return;
    if (a->session != NULL) tell_complete(a->session);
    else free(a);
}

/* Nothing can be remembered of these but their number, behind the latest. */
static void lack(struct skep__session *session, const struct skep__batch *batch) {
    struct skep__answers *last = TAILQ_LAST(&session->unanswered, skep__unanswered);
    const uint64_t n = batch->jobs.count - batch->first;
    skep__jobs_refused(session->cluster->jobs, SKEP_ENOMEM);
    if (last != NULL) last->lacking += n;
    else tell_lacking(session, batch->common.number, n);
}

static void put_later(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                      int status) {
    const uint64_t first = batch->common.number;
    const uint32_t n = batch->jobs.count - batch->first;
    struct skep__answers *a = malloc(sizeof *a + n * sizeof a->runs[0]);
    if (a == NULL) {
        lack(session, batch);
        return;
    }
    *a = (struct skep__answers){.put = {answered_later},
                                .cluster = session->cluster,
                                .session = session,
                                .quiet = batch->common.wants_outcome,
                                .durable = queue != NULL && skep__queue_is_durable(queue),
                                .first = first,
                                .next = first,
                                .end = first + n};
    TAILQ_INSERT_TAIL(&session->unanswered, a, entry);
    put_into(session->cluster, queue, batch, status, &a->put);
}

/* --- all --- */

void skep__answers_put(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                       int status) {
    if (batch->first == batch->jobs.count) return;
    session->expected += batch->jobs.count - batch->first;
    bool later = (queue != NULL && skep__queue_is_durable(queue)) || !TAILQ_EMPTY(&session->unanswered);
    if (later) put_later(session, queue, batch, status);
    else put_at_once(session, queue, batch, status);
}

void skep__answers_hurry(struct skep__session *session) {
    struct skep__answers *first = TAILQ_FIRST(&session->unanswered);
    if (first != NULL) tell_runs(session, first);
}

bool skep__answers_allow(struct skep__session *session) {
    if (session->expected - first_unanswered(session) < MAX_UNANSWERED) return true;
    session->too_many = true;
    return false;
}

void skep__answers_leave(struct skep__session *session) {
    for (struct skep__answers *a; (a = TAILQ_FIRST(&session->unanswered)) != NULL;) {
        TAILQ_REMOVE(&session->unanswered, a, entry);
        a->session = NULL;
        if (a->next == a->end) free(a);
    }
}
