/* SPDX-License-Identifier: MIT
 * The room: made, opened, closed, freed. */
#include "journal/private.h"

int skep__journal_new(skep_cluster *cluster) {
    struct skep__journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) return SKEP_ENOMEM;
    journal->cluster = cluster;
    STAILQ_INIT(&journal->subscribers);
    STAILQ_INIT(&journal->due);
    journal->due_flush.flush = skep__events_flush;
    STAILQ_INIT(&journal->items);
    TAILQ_INIT(&journal->log.lines);
    STAILQ_INIT(&journal->exits);
    uv_timer_init(cluster->loop, &journal->memory_timer);
    uv_unref((uv_handle_t *)&journal->memory_timer);
    journal->memory_timer.data = cluster;
    cluster->journal = journal;
    return SKEP_OK;
}

void skep__journal_free(skep_cluster *cluster) {
    struct skep__journal *journal = cluster->journal;
    if (journal == NULL) return;
    skep__subscribers_free(&journal->subscribers);
    skep__events_free(journal);
    skep__news_free(journal);
    skep__log_free(&journal->log);
    skep__exits_free(journal);
    free(journal);
    cluster->journal = NULL;
}

int skep__journal_open(skep_cluster *cluster) {
    struct skep__outlet_options options = {.hub = cluster->hub,
                                           .flusher = cluster->flusher,
                                           .kind = SKEP__PORT_PUB,
                                           .refused = skep__peer_refused,
                                           .context = cluster};
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&cluster->instance, SKEP_FILE_NEWS, url, sizeof url);
    int status = skep__outlet_new(&cluster->journal->news, &options);
    return status == SKEP_OK ? skep__outlet_listen(cluster->journal->news, url) : status;
}

void skep__journal_close(skep_cluster *cluster) {
    if (cluster->journal != NULL) skep__outlet_free(&cluster->journal->news);
}

void skep__journal_end(skep_cluster *cluster) {
    if (cluster->journal == NULL) return;
    skep__memory_close(cluster);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->journal->memory_timer);
}

/* --- workers --- */

int skep__journal_worker_made(skep_child *child) {
    child->subject = calloc(1, sizeof *child->subject);
    if (child->subject == NULL) return SKEP_ENOMEM;
    STAILQ_INIT(&child->subject->subscribers);
    return SKEP_OK;
}

void skep__journal_worker_ended(skep_child *child) {
    skep__tail_free(&child->subject->last_lines);
    skep__events_forget(child);
}

void skep__journal_worker_freed(skep_child *child) {
    if (child->subject == NULL) return;
    skep__subscribers_free(&child->subject->subscribers);
    skep__tail_free(&child->subject->last_lines);
    free(child->subject);
    child->subject = NULL;
}
