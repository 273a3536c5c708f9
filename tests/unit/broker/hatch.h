/* SPDX-License-Identifier: MIT
 * Brokers under test: real ones in a folder of their own, and made-up workers and listeners for the parts that decide.
 */
#ifndef SKEP_TESTS_HATCH_H
#define SKEP_TESTS_HATCH_H

#include "lib/pump.h"

#include <fcntl.h>

#include "broker.h"
#include "broker/jobs/later_store.h"
#include "connections/private.h"
#include "group/private.h"
#include "hive/private.h"
#include "jobs/private.h"
#include "journal/private.h"
#include "messages/private.h"
#include "worker/private.h"

/* A cluster on the pump's loop, not started; its directory is the pump's folder. */
static inline skep_cluster *hatch_cluster(struct pump *pump, const skep_settings *settings) {
    skep_cluster *cluster = NULL;
    skep_settings own = settings != NULL ? *settings : (skep_settings){0};
    own.dir = pump->dir;
    if (own.jobs_dir == NULL) own.jobs_dir = later_jobs_dir(pump->dir);
    assert_int_equal(skep_cluster_new(&cluster, &pump->loop), SKEP_OK);
    assert_int_equal(skep_setup_primary(cluster, &own), SKEP_OK);
    return cluster;
}

/* Frees the cluster, and lets the loop close its handles. */
static inline void hatch_free(struct pump *pump, skep_cluster **cluster) {
    skep_cluster_free(cluster);
    pump_turns(pump, 3);
    if (later_jobs_dir(pump->dir) != NULL) pump_remove(later_jobs_dir(pump->dir));
}

/* --- made-up workers --- */

static inline void hatch_flush_nothing(struct skep__flush *flush) {
    (void)flush;
}

/* The page of a worker that keeps claims; to be freed (free). */
static inline struct skep_page *hatch_page(void) {
    struct skep_page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    page->magic = SKEP_PAGE_MAGIC;
    page->writes = 2;
    return page;
}

/* Ready, connected to nothing, in a place of its own; known to nobody but the test. */
static inline skep_child *hatch_child(skep_cluster *cluster, uint32_t place) {
    skep_child *child = calloc(1, sizeof *child);
    assert_non_null(child);
    child->slot = calloc(1, sizeof *child->slot);
    assert_non_null(child->slot);
    skep_group *group = skep_cluster_group(cluster);
    child->slot->index = child->place = place;
    child->slot->group = group;
    child->terms = &group->terms;
    child->slot->child = child;
    child->slot->wanted = true;
    child->cluster = cluster;
    child->program = strdup("worker");
    assert_non_null(child->program);
    child->id = place + 1;
    child->state = SKEP__CHILD_READY;
    child->exit_code = child->exit_signal = -1;
    assert_int_equal(skep__process_new(child), SKEP_OK);
    assert_int_equal(skep__journal_worker_made(child), SKEP_OK);
    assert_int_equal(skep__parts_new(child), SKEP_OK);
    child->holder->ready = true;
    child->taker->link_flush.flush = hatch_flush_nothing;
    cluster->workers->count++;
    return child;
}

/* The broker finds it by its number and its process, too. */
static inline void hatch_list(skep_child *child) {
    assert_int_equal(skep__child_enlist(child), SKEP_OK);
    child->cluster->workers->count--; /* it was counted */
}

static inline void hatch_unlist(skep_child *child) {
    skep__child_unlist(child);
    child->cluster->workers->count++;
}

/* Everything it was handed has left for it; it takes up to a number. */
static inline void hatch_take(skep_child *child, uint64_t through) {
    struct skep_command_taken taken = {.through = 0};
    SKEP_SET(taken, &taken, through, through);
    child->taker->unsent = NULL;
    skep__taken(child, &taken);
}

static inline void hatch_free_child(skep_child *child) {
    hatch_take(child, UINT64_MAX);
    for (struct skep__seat *seat; (seat = LIST_FIRST(&child->taker->seats)) != NULL;) skep__seat_free(seat);
    skep__flusher_unmark(child->cluster->flusher, &child->taker->link_flush);
    child->cluster->workers->count--;
    skep__parts_free(child);
    skep__journal_worker_freed(child);
    skep__process_free(child);
    free(child->program);
    free(child->slot);
    free(child);
}

/* --- made-up listeners --- */

static inline void hatch_listener(struct skep__listener *listener, skep_cluster *cluster) {
    *listener = (struct skep__listener){.cluster = cluster, .terms = &skep_cluster_group(cluster)->terms, .number = 1};
    listener->heap.before = skep__seat_is_before;
    STAILQ_INIT(&listener->waiting);
    LIST_INIT(&listener->members);
    LIST_INIT(&listener->seats);
}

static inline struct skep__seat *hatch_seat(struct skep__listener *listener, skep_child *child) {
    struct skep__seat *seat = NULL;
    assert_int_equal(skep__seat_add(listener, child, &seat), SKEP_OK);
    skep__dispatch_update(child);
    return seat;
}

/* A connection that was accepted there; the descriptor becomes its own. */
static inline struct skep__connection *hatch_connection(struct skep__listener *listener, int fd) {
    struct skep__connection *connection = calloc(1, sizeof *connection);
    assert_non_null(connection);
    assert_true(fd >= 0);
    connection->listener = listener;
    connection->fd = fd;
    listener->queued++;
    return connection;
}

static inline int hatch_fd(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

#endif
