/* SPDX-License-Identifier: MIT
 * What operators ask about jobs. About single ones the answer may come later: a disk is read, or written. */
#include <stdlib.h>

#include "common/container.h"
#include "control/private.h"

enum { PEEK = 10, DEAD = 100 /* jobs in an answer, if the question does not say */ };

/* --- queues, and dead letters --- */

/* The queue of a name that is there, or NULL for all if no name is. Errors: SKEP_ENOQUEUE. */
static int find_queue(skep_cluster *cluster, const struct skep_bytes *name, struct skep__queue **queue) {
    *queue = NULL;
    if (name->size_bytes == 0) return SKEP_OK;
    *queue = skep__jobs_find_queue(cluster->jobs, name->data, name->size_bytes);
    return *queue != NULL ? SKEP_OK : SKEP_ENOQUEUE;
}

static int change_dead(skep_cluster *cluster, const struct skep_bytes *name, uint64_t id, bool revive,
                       struct skep_frame *frame) {
    struct skep__queue *queue;
    int status = find_queue(cluster, name, &queue);
    if (status != SKEP_OK) return status;
    uint64_t n = revive ? skep__jobs_revive(cluster->jobs, queue, id) : skep__jobs_drop(cluster->jobs, queue, id);
    struct skep_command command = {.id = SKEP_COMMAND_changed, .changed = {.n = n}};
    return n == 0 && id != 0 ? SKEP_ENOJOB : skep__frame_add(frame, &command);
}

int skep__answer_about_jobs(skep_cluster *cluster, const struct skep_command *command, struct skep_frame *frame) {
    const struct skep_command_peek *peek = &command->peek;
    const struct skep_command_deadLetters *dead = &command->deadLetters;
    struct skep__queue *queue;
    int status;
    switch (command->id) {
    case SKEP_COMMAND_queues: return skep__jobs_add_queues(cluster->jobs, frame);
    case SKEP_COMMAND_peek:
        status = peek->queue.size_bytes > 0 ? find_queue(cluster, &peek->queue, &queue) : SKEP_ENOQUEUE;
        return status == SKEP_OK ? skep__jobs_add_peek(cluster->jobs, queue, peek->n != 0 ? peek->n : PEEK, frame)
                                 : status;
    case SKEP_COMMAND_deadLetters:
        status = find_queue(cluster, &dead->queue, &queue);
        return status == SKEP_OK
                   ? skep__jobs_add_dead(cluster->jobs, queue, dead->after, dead->n != 0 ? dead->n : DEAD, frame)
                   : status;
    case SKEP_COMMAND_reviveDead:
        return change_dead(cluster, &command->reviveDead.queue, command->reviveDead.id, true, frame);
    case SKEP_COMMAND_dropDead:
        return change_dead(cluster, &command->dropDead.queue, command->dropDead.id, false, frame);
    case SKEP_COMMAND_job:
    case SKEP_COMMAND_cancelJob: return SKEP_ENOMEM; /* the question could not be kept */
    default: return SKEP_EPROTO;
    }
}

/* --- single jobs --- */

/* A question about one */
struct skep__asked {
    struct skep__job_question question;
    LIST_ENTRY(skep__asked) entry; /* in control.asked */
    struct skep__call *call;       /* NULL: nobody waits any more */
};

static void answered(struct skep__job_question *question, int status, const char *why,
                     const struct skep_command *answer) {
    struct skep__asked *asked = SKEP_CONTAINER(question, struct skep__asked, question);
    struct skep_frame frame = {0};
    int added = status == SKEP_OK ? skep__frame_add(&frame, answer) : skep__failed_add(status, why, &frame);
    if (added != SKEP_OK) skep__frame_clear(&frame);
    if (added != SKEP_OK) (void)!skep__failed_add(added, SKEP__OUT_OF_MEMORY, &frame);
    if (asked->call != NULL) skep__call_answer(asked->call, frame.data, frame.size_bytes);
    if (asked->call != NULL) LIST_REMOVE(asked, entry);
    skep__frame_free(&frame);
    free(asked);
}

bool skep__ask_about_job(skep_cluster *cluster, const struct skep_command *command, struct skep__call *call) {
    const bool cancels = command->id == SKEP_COMMAND_cancelJob;
    if (!cancels && command->id != SKEP_COMMAND_job) return false;
    struct skep__asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL) return false; /* which is answered at once */
    skep__trace_command(cluster->trace, SKEP__TRACE_WIRE, "< control", 0, command);
    asked->question.answered = answered;
    asked->call = call;
    LIST_INSERT_HEAD(&cluster->control->asked, asked, entry);
    skep__jobs_ask(cluster->jobs, &asked->question, cancels ? command->cancelJob.id : command->job.id, cancels);
    return true;
}

void skep__asked_jobs_drop(skep_cluster *cluster) {
    for (struct skep__asked *asked; (asked = LIST_FIRST(&cluster->control->asked)) != NULL;) {
        LIST_REMOVE(asked, entry);
        asked->call = NULL;
    }
}
