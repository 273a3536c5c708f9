/* SPDX-License-Identifier: MIT
 * What operators ask of a running hive: each command by its public function, each failure with a reason in words. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/signal_text.h"
#include "control/private.h"

/* --- answers --- */

int skep__done_add(struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_done};
    return skep__frame_add(frame, &command);
}

int skep__failed_add(int status, const char *why, struct skep_frame *frame) {
    struct skep_bytes reason = skep__text(why);
    if (reason.size_bytes > SKEP_MAX_REASON) reason.size_bytes = SKEP_MAX_REASON;
    struct skep_command command = {.id = SKEP_COMMAND_failed, .failed = {.status = (uint64_t)status, .reason = reason}};
    return skep__frame_add(frame, &command);
}

/* --- groups --- */

static void list_groups(const skep_cluster *cluster, char text[SKEP_MAX_REASON + 1]) {
    size_t used = 0;
    text[0] = '\0';
    for (const skep_group *group = NULL; (group = skep_group_next(cluster, group)) != NULL && used < SKEP_MAX_REASON;)
        used += (size_t)snprintf(text + used, SKEP_MAX_REASON + 1 - used, "%s%s", used > 0 ? ", " : "",
                                 skep_group_name(group));
}

/* name is NULL: there is but one. NULL: it is not there, and *status says why. */
static skep_group *find_group(skep_cluster *cluster, const struct skep_bytes *name, int *status) {
    char text[SKEP_MAX_NAME + 1], all[SKEP_MAX_REASON + 1];
    if (name == NULL && cluster->group_count == 1) return skep_cluster_group(cluster);
    skep_group *group = name != NULL ? skep__group_find(cluster, name->data, name->size_bytes) : NULL;
    if (group != NULL) return group;
    list_groups(cluster, all);
    if (name == NULL) {
        *status = skep__broker_fail(cluster, SKEP_EINVAL, "give one of the groups: %.300s", all);
        return NULL;
    }
    skep__copy_text(text, sizeof text, name);
    *status = skep__broker_fail(cluster, SKEP_ENOGROUP, "no group %s; there is %.300s", text, all);
    return NULL;
}

/* --- scale --- */

static int target_of(const skep_group *group, const struct skep_command_scale *scale, unsigned *target) {
    skep_cluster *cluster = skep__group_cluster(group);
    bool to = SKEP_HAS(scale, scale, workers), more = SKEP_HAS(scale, scale, more),
         fewer = SKEP_HAS(scale, scale, fewer);
    unsigned wanted = skep_group_wanted(group);
    if (to + more + fewer != 1) return skep__broker_fail(cluster, SKEP_EINVAL, "give one of workers, more and fewer");
    bool is_one = cluster->group_count == 1;
    if (fewer && scale->fewer > wanted) /* a slip of the finger is not to empty the hive */
        return skep__broker_fail(cluster, SKEP_EINVAL,
                                 "%u worker%s wanted: %" PRIu64 " cannot be removed; skep scale %s%s0 removes all",
                                 wanted, wanted == 1 ? " is" : "s are", scale->fewer,
                                 is_one ? "" : skep_group_name(group), is_one ? "" : " ");
    uint64_t workers = to ? scale->workers : more ? wanted + scale->more : wanted - scale->fewer;
    if (workers > wanted && workers > SKEP_MAX_WORKERS)
        return skep__broker_fail(cluster, SKEP_ETOOBIG, "%" PRIu64 " workers: at most %d", workers, SKEP_MAX_WORKERS);
    *target = (unsigned)workers;
    return SKEP_OK;
}

static int scale(skep_cluster *cluster, const struct skep_command_scale *asked, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_scaled};
    int status = SKEP_OK;
    skep_group *group = find_group(cluster, SKEP_HAS(scale, asked, group) ? &asked->group : NULL, &status);
    if (group == NULL) return status;
    unsigned from = skep_group_wanted(group), to = from;
    status = target_of(group, asked, &to);
    if (status == SKEP_OK) status = skep__scale(group, to);
    if (status != SKEP_OK) return status;
    command.scaled = (struct skep_command_scaled){.from = from, .to = to};
    return skep__frame_add(frame, &command);
}

/* --- reload --- */

/* Terminated copies of a list, and the pointers to them, in one block, to be freed. Errors: SKEP_EINVAL, SKEP_ENOMEM.
 */
static int take_list(skep_cluster *cluster, const struct skep_list *list, const char *what, char ***copy) {
    size_t size_bytes = (list->count + 1) * sizeof(char *);
    for (uint32_t i = 0; i < list->count; i++) {
        struct skep_bytes item = skep__list_at(list, i);
        if (item.size_bytes > 0 && memchr(item.data, 0, item.size_bytes) != NULL)
            return skep__broker_fail(cluster, SKEP_EINVAL, "%s with a zero byte", what);
        size_bytes += item.size_bytes + 1;
    }
    char **args = *copy = calloc(1, size_bytes);
    if (args == NULL) return SKEP_ENOMEM;
    char *text = (char *)(args + list->count + 1);
    for (uint32_t i = 0; i < list->count; i++) {
        struct skep_bytes item = skep__list_at(list, i);
        if (item.size_bytes > 0) memcpy(text, item.data, item.size_bytes);
        args[i] = text;
        text += item.size_bytes + 1;
    }
    return SKEP_OK;
}

static int take_surroundings(skep_cluster *cluster, const struct skep_command_reload *asked,
                             skep_reload_options *options) {
    options->set_ids = SKEP_HAS(reload, asked, uid);
    options->set_umask = SKEP_HAS(reload, asked, umask);
    if (options->set_ids != SKEP_HAS(reload, asked, gid))
        return skep__broker_fail(cluster, SKEP_EINVAL, "give both uid and gid");
    if (options->set_ids) options->uid = (uid_t)asked->uid, options->gid = (gid_t)asked->gid;
    if (options->set_umask) options->umask = (mode_t)asked->umask;
    return SKEP_OK;
}

static int reload(skep_cluster *cluster, const struct skep_command_reload *asked, skep_group **group) {
    char program[SKEP_MAX_PATH + 1], cwd[SKEP_MAX_PATH + 1];
    char **args = NULL, **env = NULL;
    skep_reload_options options = {0};
    if (SKEP_HAS(reload, asked, program)) {
        skep__copy_text(program, sizeof program, &asked->program);
        options.exec = program;
    }
    if (SKEP_HAS(reload, asked, atOnce)) options.at_once = (unsigned)asked->atOnce;
    if (SKEP_HAS(reload, asked, cwd)) {
        skep__copy_text(cwd, sizeof cwd, &asked->cwd);
        options.cwd = cwd;
    }
    int status = SKEP_OK;
    *group = find_group(cluster, SKEP_HAS(reload, asked, group) ? &asked->group : NULL, &status);
    if (*group != NULL) status = take_surroundings(cluster, asked, &options);
    if (status == SKEP_OK && SKEP_HAS(reload, asked, args))
        status = take_list(cluster, &asked->args, "an argument", &args);
    if (status == SKEP_OK && SKEP_HAS(reload, asked, env)) status = take_list(cluster, &asked->env, "a variable", &env);
    options.args = (const char *const *)args;
    options.env = (const char *const *)env;
    if (status == SKEP_OK) status = skep_group_reload(*group, &options);
    free(args);
    free(env);
    return status;
}

/* --- stop --- */

static void add_count(char *text, size_t capacity, uint64_t count, const char *what) {
    size_t used = strlen(text);
    if (count == 0) return;
    snprintf(text + used, capacity - used, "%s%" PRIu64 " %s%s", used > 0 ? " and " : "", count, what,
             count == 1 ? "" : "s");
}

/* Dead letters alone do not prevent a stop. */
static int check_loss(skep_cluster *cluster, bool now) {
    char text[64] = "";
    uint64_t dead, jobs = skep__jobs_losable(cluster->jobs, now, &dead);
    if (jobs == 0) return SKEP_OK;
    add_count(text, sizeof text, jobs, "job");
    add_count(text, sizeof text, dead, "dead letter");
    return skep__broker_fail(cluster, SKEP_ESTATE, "%s%s would be lost: %s in memory only", now ? "" : "at least ",
                             text, jobs + dead == 1 ? "it is" : "they are");
}

static int stop(skep_cluster *cluster, const struct skep_command_stop *asked) {
    bool now = SKEP_HAS(stop, asked, now) && asked->now;
    bool keep_jobs = SKEP_HAS(stop, asked, keepJobs) && asked->keepJobs;
    int status = keep_jobs ? check_loss(cluster, now) : SKEP_OK;
    if (status == SKEP_OK) skep_cluster_stop(cluster, now);
    return status;
}

/* --- one worker --- */

static int drain(skep_child *child) {
    int status = skep__scale_drain(child);
    return status != SKEP_ESTATE ? status
                                 : skep__broker_fail(child->cluster, status, "worker %u is leaving already", child->id);
}

/* 0 is no signal, though kill(2) takes it. */
static int send_signal(skep_child *child, uint64_t number) {
    char name[SKEP__SIGNAL_BYTES];
    int status = number > 0 ? skep__child_signal(child, (int)number, 0) : SKEP_EINVAL;
    if (status == SKEP_EINVAL) return skep__broker_fail(child->cluster, status, "no signal %" PRIu64, number);
    if (status != SKEP_OK) return skep__broker_fail(child->cluster, status, "worker %u has ended", child->id);
    skep__signal_text((int)number, name);
    skep__emit_reason(child->cluster, SKEP_EVENT_SIGNAL, child, name);
    return SKEP_OK;
}

static int steer_worker(skep_cluster *cluster, const struct skep_command *command, skep_group **group) {
    bool drains = command->id == SKEP_COMMAND_drainWorker, restarts = command->id == SKEP_COMMAND_restartWorker;
    uint64_t id = drains     ? command->drainWorker.worker
                  : restarts ? command->restartWorker.worker
                             : command->signalWorker.worker;
    skep_child *child = skep_child_by_id(cluster, (uint32_t)id);
    if (child == NULL) return skep__broker_fail(cluster, SKEP_ENOWORKER, "no worker %" PRIu64, id);
    if (drains) return drain(child);
    if (!restarts) return send_signal(child, command->signalWorker.signal);
    *group = skep_child_group(child);
    return skep_child_restart(child);
}

/* --- pause and resume --- */

static int pause_work(skep_cluster *cluster, const struct skep_bytes *listener, const struct skep_bytes *queue,
                      bool paused) {
    char name[SKEP_MAX_URL + 1];
    if ((listener == NULL) == (queue == NULL))
        return skep__broker_fail(cluster, SKEP_EINVAL, "give one of listener and queue");
    skep__copy_text(name, sizeof name, listener != NULL ? listener : queue);
    return listener != NULL ? skep_cluster_pause_listener(cluster, name, paused)
                            : skep_cluster_pause_queue(cluster, name, paused);
}

static int pause_some(skep_cluster *cluster, const struct skep_command_pause *asked) {
    return pause_work(cluster, SKEP_HAS(pause, asked, listener) ? &asked->listener : NULL,
                      SKEP_HAS(pause, asked, queue) ? &asked->queue : NULL, true);
}

static int resume(skep_cluster *cluster, const struct skep_command_resume *asked) {
    bool listener = SKEP_HAS(resume, asked, listener), queue = SKEP_HAS(resume, asked, queue);
    skep_group *group = NULL;
    if (listener || queue)
        return pause_work(cluster, listener ? &asked->listener : NULL, queue ? &asked->queue : NULL, false);
    if (!SKEP_HAS(resume, asked, group)) {
        while ((group = skep_group_next(cluster, group)) != NULL) skep_group_close_breaker(group);
        return SKEP_OK;
    }
    int status = SKEP_OK;
    group = find_group(cluster, &asked->group, &status);
    if (group != NULL) skep_group_close_breaker(group);
    return status;
}

/* --- which of them --- */

/* *group: of which something is to be replaced. */
static int steer(skep_cluster *cluster, const struct skep_command *command, skep_group **group) {
    switch (command->id) {
    case SKEP_COMMAND_stop: return stop(cluster, &command->stop);
    case SKEP_COMMAND_reload: return reload(cluster, &command->reload, group);
    case SKEP_COMMAND_restartWorker:
    case SKEP_COMMAND_drainWorker:
    case SKEP_COMMAND_signalWorker: return steer_worker(cluster, command, group);
    case SKEP_COMMAND_pause: return pause_some(cluster, &command->pause);
    case SKEP_COMMAND_resume: return resume(cluster, &command->resume);
    default: return SKEP_EPROTO;
    }
}

/* What is replaced is so by and by: its events carry the number. */
static int add_done(const skep_cluster *cluster, const skep_group *group, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_done};
    if (group == NULL) return skep__done_add(frame);
    SKEP_SET(done, &command.done, request, skep_group_reload_request(group));
    if (cluster->group_count > 1) SKEP_SET(done, &command.done, group, skep__text(skep_group_name(group)));
    return skep__frame_add(frame, &command);
}

int skep__steer(skep_cluster *cluster, const struct skep_command *command, struct skep_frame *frame) {
    bool scales = command->id == SKEP_COMMAND_scale;
    skep_group *group = NULL;
    cluster->why[0] = '\0';
    int status = scales ? scale(cluster, &command->scale, frame) : steer(cluster, command, &group);
    if (status == SKEP_OK) return scales ? SKEP_OK : add_done(cluster, group, frame);
    if (status == SKEP_EPROTO) return status;
    return skep__failed_add(status, cluster->why[0] != '\0' ? cluster->why : skep_strerror(status), frame);
}
