/* SPDX-License-Identifier: MIT
 * Asks a broker to change something, and follows what comes of it.
 *
 * Events say that something has happened, the status says how the hive is: it is asked for after events, ten times a
 * second at most, and after every silence. So nothing hangs on a single event. */
#include "command/steer/steer.h"

#include "command/common/times.h"
#include "command/view/notice.h"

enum { LOOK_EVERY_MS = 100, LOOK_TIMEOUT_MS = 1000, TEXT_BYTES = 1024 };

int parse_worker(const char *command, const char *operand, uint32_t *worker) {
    uint64_t id;
    if (!parse_number(operand, 1, UINT32_MAX, &id))
        return fail(SKEP_EINVAL, "%s: %s: expected a worker's id, as shown by skep status", command, operand);
    *worker = (uint32_t)id;
    return 0;
}

int steer_set_group(struct steering *steering, const char *operand) {
    if (strlen(operand) >= sizeof steering->group)
        return fail(SKEP_ENOGROUP, "%s: %s: no such group", steering->command, operand);
    snprintf(steering->group, sizeof steering->group, "%s", operand);
    return 0;
}

bool steer_is_about(const struct steering *steering, const struct skep_bytes *of) {
    return of == NULL || steering->group[0] == '\0' || skep__text_is(*of, steering->group);
}

/* --- how it ends --- */

int steer_refused(const struct contact *contact, const char *command, int status) {
    bool is_about_the_broker = status == SKEP_ECLOSED || status == SKEP_ETIMEDOUT || contact->why[0] == '\0';
    if (is_about_the_broker) return contact_fail(contact, status);
    return fail(status, "%s: %s", command, contact->why);
}

void steer_done(struct steering *steering, const char *format, ...) {
    char text[TEXT_BYTES];
    FORMAT(text, sizeof text, format);
    ticker_line(&steering->ticker, "%s", text);
    steering->is_over = true;
}

void steer_failed(struct steering *steering, int status, const char *format, ...) {
    char text[TEXT_BYTES];
    FORMAT(text, sizeof text, format);
    ticker_erase(&steering->ticker);
    steering->code = fail(status, "%s: %s", steering->command, text);
    steering->is_over = true;
}

/* The log's line begins with the time, which is now. */
void steer_tell(struct steering *steering, const struct skep_command_event *event) {
    char text[NOTICE_TEXT_BYTES];
    notice_text(event, text);
    ticker_erase(&steering->ticker);
    say("%s: %s", steering->command, strchr(text, ' ') + 1);
}

/* --- how it is --- */

static void see_worker(struct outlook *outlook, const struct skep_command_workerStatus *worker, uint32_t about) {
    bool leaves = skep__text_is(worker->state, "draining");
    if (skep__text_is(worker->state, "ready")) outlook->ready++;
    if (leaves) outlook->leaving++;
    if (worker->worker != about || skep__text_is(worker->state, "gone")) return;
    outlook->is_there = true;
    outlook->drains = leaves;
    outlook->connections = worker->connections + worker->untaken;
    outlook->jobs = worker->jobs;
    outlook->drain_ms = worker->drain_ms;
}

/* In place of what the broker said of all groups. */
static void see_group(struct steering *steering, const struct skep_command_groupStatus *group) {
    struct outlook *outlook = &steering->outlook;
    if (steering->group[0] == '\0' || !skep__text_is(group->name, steering->group)) return;
    outlook->wanted = group->wanted;
    outlook->is_reloading = SKEP_HAS(groupStatus, group, reloadSteps);
    outlook->is_broken = SKEP_HAS(groupStatus, group, breaker_ms);
}

static void see(const struct skep_command *command, void *context) {
    struct steering *steering = context;
    struct outlook *outlook = &steering->outlook;
    const struct skep_command_brokerStatus *broker = &command->brokerStatus;
    const struct skep_command_workerStatus *worker = &command->workerStatus;
    if (command->id == SKEP_COMMAND_groupStatus) see_group(steering, &command->groupStatus);
    if (command->id == SKEP_COMMAND_workerStatus &&
        steer_is_about(steering, SKEP_HAS(workerStatus, worker, group) ? &worker->group : NULL))
        see_worker(outlook, worker, steering->worker);
    if (command->id != SKEP_COMMAND_brokerStatus) return;
    outlook->news_seq = broker->newsSeq;
    outlook->is_told = SKEP_HAS(brokerStatus, broker, wanted);
    outlook->wanted = broker->wanted;
    outlook->is_reloading = SKEP_HAS(brokerStatus, broker, reloadSteps);
    outlook->is_broken = SKEP_HAS(brokerStatus, broker, breaker_ms);
}

/* A broker that does not answer now may do so later, or be gone, which the news will tell. What has led to an outlook
 * is to be heard first: events say why. */
static void look(struct steering *steering) {
    struct skep_command question = {.id = SKEP_COMMAND_status};
    steering->outlook = (struct outlook){0};
    int status = contact_ask(&steering->contact, &question, LOOK_TIMEOUT_MS, see, steering);
    steering->looked_ms = monotonic_ms();
    steering->is_stale = status != SKEP_OK || steering->outlook.news_seq > steering->follower.at.latest;
    if (!steering->is_stale) steering->looked(steering);
}

/* --- the wait --- */

static void on_event(const struct skep_command_event *event, void *context) {
    struct steering *steering = context;
    steering->is_stale = true;
    const struct skep_bytes *of = SKEP_HAS(event, event, group) ? &event->group : NULL;
    if (!steering->is_over && steer_is_about(steering, of)) steering->heard(steering, event);
}

static unsigned until_look_ms(const struct steering *steering) {
    if (!steering->is_stale) return SILENCE_MS;
    uint64_t since_ms = monotonic_ms() - steering->looked_ms;
    return since_ms < LOOK_EVERY_MS ? (unsigned)(LOOK_EVERY_MS - since_ms) : 1;
}

static void step(struct steering *steering) {
    const struct skep__instance *instance = &steering->contact.instance;
    int status = follow_next(&steering->follower, until_look_ms(steering));
    if (steering->is_over) return;
    if (steering->follower.stopped) {
        steer_failed(steering, SKEP_ECLOSED, "broker pid %d in %s stops", (int)instance->pid, instance->dir);
    } else if (status == SKEP_OK || status == SKEP_ETIMEDOUT) {
        bool is_due = status == SKEP_ETIMEDOUT || until_look_ms(steering) == 1;
        if (is_due) look(steering);
    } else {
        ticker_erase(&steering->ticker);
        steering->contact.why[0] = '\0';
        steering->code = contact_fail(&steering->contact, status);
        steering->is_over = true;
    }
}

static int ask_and_follow(struct steering *steering, const struct options *options, const struct skep_command *question,
                          answer_cb *answer) {
    steering->follower = (struct follower){.heard = on_event, .context = steering};
    ticker_begin(&steering->ticker);
    int status = options->no_wait ? SKEP_OK : follow_begin(&steering->follower, &steering->contact, see, steering);
    if (status != SKEP_OK) return contact_fail(&steering->contact, status);
    status = contact_ask(&steering->contact, question, ANSWER_TIMEOUT_MS, answer, steering);
    if (status != SKEP_OK) return steer_refused(&steering->contact, steering->command, status);
    steering->is_stale = true;
    while (!options->no_wait && !steering->is_over) step(steering);
    return steering->code;
}

int steer_and_follow(struct steering *steering, const struct options *options, const struct skep_command *question,
                     answer_cb *answer) {
    int code = contact_open(&steering->contact, options);
    if (code != 0) return code;
    code = ask_and_follow(steering, options, question, answer);
    follow_close(&steering->follower);
    contact_close(&steering->contact);
    return code;
}
