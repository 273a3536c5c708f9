/* SPDX-License-Identifier: MIT
 * What the steps of a mock broker's script do. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command/mock/steps.h"

/* --- done to the worker --- */

static int run_submit(struct drive *drive, const struct step *step) {
    return skep_mock_submit(drive->mock, step->name, step->data.text, step->data.size_bytes, &step->options, NULL);
}

static int run_advance(struct drive *drive, const struct step *step) {
    skep_mock_advance(drive->mock, step->number);
    return SKEP_OK;
}

static int run_drain(struct drive *drive, const struct step *step) {
    (void)step;
    return skep_mock_drain(drive->mock, drive->worker);
}

static int run_kill(struct drive *drive, const struct step *step) {
    (void)step;
    return skep_mock_kill(drive->mock, drive->worker);
}

static int run_cut(struct drive *drive, const struct step *step) {
    (void)step;
    return skep_mock_close_link(drive->mock, drive->worker);
}

static int run_spoil(struct drive *drive, const struct step *step) {
    return skep_mock_send_raw(drive->mock, drive->worker, SKEP_MOCK_INBOX, step->data.text, step->data.size_bytes);
}

static int run_send(struct drive *drive, const struct step *step) {
    return skep_mock_send(drive->mock, 0, step->name, step->data.text, step->data.size_bytes);
}

static int run_request(struct drive *drive, const struct step *step) {
    return skep_mock_request(drive->mock, 0, step->name, step->data.text, step->data.size_bytes, &drive->request);
}

static int run_broadcast(struct drive *drive, const struct step *step) {
    return skep_mock_broadcast(drive->mock, step->name, step->data.text, step->data.size_bytes);
}

static int run_reply(struct drive *drive, const struct step *step) {
    return skep_mock_reply(drive->mock, 0, drive->theirs, SKEP_OK, step->data.text, step->data.size_bytes);
}

static int run_count(struct drive *drive, const struct step *step) {
    return skep_mock_request_count(drive->mock, 0, step->number);
}

static int run_close(struct drive *drive, const struct step *step) {
    (void)step;
    if (drive->fd >= 0) close(drive->fd);
    drive->fd = -1;
    return SKEP_OK;
}

static int run_connect(struct drive *drive, const struct step *step) {
    int fd;
    int status = skep_mock_connect(drive->mock, 0, step->name, &fd);
    if (status != SKEP_OK) return status;
    run_close(drive, step);
    drive->fd = fd;
    return SKEP_OK;
}

/* What does not fit into the kernel's buffer is more than a script should need. */
static int run_write(struct drive *drive, const struct step *step) {
    if (drive->fd < 0) return SKEP_ESTATE;
    ssize_t n = send(drive->fd, step->data.text, step->data.size_bytes, MSG_NOSIGNAL);
    if (n < 0) return skep_status_of_errno(errno);
    return (size_t)n == step->data.size_bytes ? SKEP_OK : SKEP_ETOOBIG;
}

/* --- expected of jobs --- */

static int expect_delivered(struct drive *drive, const struct step *step) {
    return skep_mock_expect_delivered(drive->mock, step->number, 0, step->timeout_ms);
}

static int expect_done(struct drive *drive, const struct step *step) {
    return skep_mock_expect_done(drive->mock, step->number, step->data.text, step->data.size_bytes, step->timeout_ms);
}

static int expect_retry(struct drive *drive, const struct step *step) {
    return skep_mock_expect_retried(drive->mock, step->number, step->delay_ms, step->data.text, step->timeout_ms);
}

static int expect_fail(struct drive *drive, const struct step *step) {
    return skep_mock_expect_failed(drive->mock, step->number, step->data.text, step->timeout_ms);
}

static int expect_dead(struct drive *drive, const struct step *step) {
    return skep_mock_expect_dead(drive->mock, step->number, step->name, step->data.text, step->timeout_ms);
}

static int expect_submitted(struct drive *drive, const struct step *step) {
    return skep_mock_expect_submitted(drive->mock, step->name, step->data.text, step->data.size_bytes, NULL,
                                      step->timeout_ms);
}

static int expect_duplicate(struct drive *drive, const struct step *step) {
    return skep_mock_expect_duplicate(drive->mock, step->number, step->name, step->data.text, step->data.size_bytes,
                                      &step->options);
}

static int expect_extended(struct drive *drive, const struct step *step) {
    return skep_mock_expect_extended(drive->mock, step->number, step->timeout_ms);
}

static int expect_released(struct drive *drive, const struct step *step) {
    return skep_mock_expect_released(drive->mock, step->number, step->timeout_ms);
}

static int expect_refused(struct drive *drive, const struct step *step) {
    return skep_mock_expect_refused(drive->mock, step->number, step->timeout_ms);
}

/* --- expected of the worker --- */

static int expect_ready(struct drive *drive, const struct step *step) {
    return skep_mock_expect_ready(drive->mock, drive->worker, step->timeout_ms);
}

static int expect_handles(struct drive *drive, const struct step *step) {
    return skep_mock_expect_handles(drive->mock, drive->worker, step->name, (unsigned)step->number, step->timeout_ms);
}

static int expect_left(struct drive *drive, const struct step *step) {
    return skep_mock_expect_left(drive->mock, drive->worker, step->timeout_ms);
}

static int expect_exit(struct drive *drive, const struct step *step) {
    return skep_mock_expect_exit(drive->mock, drive->worker, (int)step->number, step->timeout_ms);
}

static int expect_signal(struct drive *drive, const struct step *step) {
    return skep_mock_expect_signal(drive->mock, drive->worker, (int)step->number, step->timeout_ms);
}

static int expect_respawned(struct drive *drive, const struct step *step) {
    return skep_mock_expect_respawned(drive->mock, drive->worker, &drive->worker, step->timeout_ms);
}

static int expect_subscribed(struct drive *drive, const struct step *step) {
    return skep_mock_expect_subscribed(drive->mock, drive->worker, step->timeout_ms);
}

static int expect_message(struct drive *drive, const struct step *step) {
    return skep_mock_expect_message(drive->mock, 0, step->name, step->data.text, step->data.size_bytes,
                                    step->timeout_ms);
}

static int expect_request(struct drive *drive, const struct step *step) {
    return skep_mock_expect_request(drive->mock, 0, step->name, step->data.text, step->data.size_bytes, &drive->theirs,
                                    step->timeout_ms);
}

static int expect_reply(struct drive *drive, const struct step *step) {
    return skep_mock_expect_reply(drive->mock, drive->request, SKEP_OK, step->data.text, step->data.size_bytes,
                                  step->timeout_ms);
}

static int expect_count(struct drive *drive, const struct step *step) {
    return skep_mock_expect_count(drive->mock, drive->worker, step->name, step->number, step->timeout_ms);
}

static int expect_listening(struct drive *drive, const struct step *step) {
    return skep_mock_expect_listening(drive->mock, drive->worker, step->name, step->timeout_ms);
}

static int expect_taken(struct drive *drive, const struct step *step) {
    return skep_mock_expect_taken(drive->mock, drive->worker, step->number, step->timeout_ms);
}

static int expect_finished(struct drive *drive, const struct step *step) {
    return skep_mock_expect_finished(drive->mock, drive->worker, step->number, step->timeout_ms);
}

static int expect_bytes(struct drive *drive, const struct step *step) {
    if (drive->fd < 0) return SKEP_ESTATE;
    return skep_mock_expect_bytes(drive->mock, drive->fd, step->data.text, step->data.size_bytes, step->timeout_ms);
}

static int expect_end(struct drive *drive, const struct step *step) {
    if (drive->fd < 0) return SKEP_ESTATE;
    return skep_mock_expect_end(drive->mock, drive->fd, step->timeout_ms);
}

static int expect_quiet(struct drive *drive, const struct step *step) {
    return skep_mock_expect_quiet(drive->mock, (unsigned)step->number);
}

/* --- which there are --- */

static const struct verb verbs[] = {
    {"submit", "NDO", run_submit},
    {"advance", "T", run_advance},
    {"connect", "U", run_connect},
    {"write", "D", run_write},
    {"close", "", run_close},
    {"send", "ND", run_send},
    {"request", "ND", run_request},
    {"broadcast", "ND", run_broadcast},
    {"reply", "D", run_reply},
    {"count", "C", run_count},
    {"drain", "", run_drain},
    {"kill", "", run_kill},
    {"cut", "", run_cut},
    {"spoil", "D", run_spoil},
    {"expect ready", "", expect_ready},
    {"expect handles", "Nc", expect_handles},
    {"expect listening", "U", expect_listening},
    {"expect subscribed", "", expect_subscribed},
    {"expect delivered", "J", expect_delivered},
    {"expect done", "Jd", expect_done},
    {"expect retry", "Jrd", expect_retry},
    {"expect fail", "Jd", expect_fail},
    {"expect dead", "Jnd", expect_dead},
    {"expect submitted", "Nd", expect_submitted},
    {"expect duplicate", "JNDO", expect_duplicate},
    {"expect extended", "J", expect_extended},
    {"expect released", "J", expect_released},
    {"expect refused", "J", expect_refused},
    {"expect message", "Nd", expect_message},
    {"expect request", "Nd", expect_request},
    {"expect reply", "d", expect_reply},
    {"expect count", "NC", expect_count},
    {"expect taken", "C", expect_taken},
    {"expect finished", "C", expect_finished},
    {"expect bytes", "D", expect_bytes},
    {"expect end", "", expect_end},
    {"expect left", "", expect_left},
    {"expect exit", "X", expect_exit},
    {"expect signal", "S", expect_signal},
    {"expect respawned", "", expect_respawned},
    {"expect quiet", "T", expect_quiet},
};

const struct verb *verb_take(struct skep__words *words) {
    static const char expect[] = "expect ";
    bool expects = skep__words_accept(words, "expect");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const char *name = verbs[i].name;
        if ((strncmp(name, expect, strlen(expect)) == 0) != expects) continue;
        if (skep__words_accept(words, expects ? name + strlen(expect) : name)) return &verbs[i];
    }
    return NULL;
}
