/* SPDX-License-Identifier: MIT
 * Which worker gets a connection. Workers that keep up are in each listener's heap, ordered by the policy. One that has
 * not acknowledged for a while is behind: it gets nothing until it does, unless all are. What it missed meanwhile it
 * gets first, up to CATCH_UP connections, so that short delays do not make the rotation uneven. */
#include <netinet/in.h>

#include "connections/private.h"

enum {
    BEHIND_MS = 2,    /* age of the oldest connection not taken that makes a worker be behind */
    BEHIND_COUNT = 4, /* so do as many connections not taken more than others have: thousands may come in a second */
    HANGS_MS = 10,    /* a worker that is behind by this much more than twice the others' lag hangs */
    CATCH_UP = 8
};

static bool is_open(const skep_child *child) {
    return child->state == SKEP__CHILD_READY && child->link >= 0 && !child->taker->refusing;
}

/* One that hangs must not have all that may be in flight: each worker has its share. */
static unsigned credit(const skep_child *child) {
    const skep_cluster *cluster = child->cluster;
    unsigned most = child->terms->settings->credit;
    unsigned workers = (unsigned)skep_child_count(cluster);
    unsigned share = workers > 0 ? cluster->connections->max_in_flight / workers : 1;
    if (share == 0) share = 1;
    return share < most ? share : most;
}

static bool has_room(const skep_child *child) {
    const struct skep__taker *taker = child->taker;
    unsigned most = child->terms->settings->max_connections;
    if (!is_open(child) || taker->untaken_count >= credit(child)) return false;
    return most == 0 || taker->live + taker->untaken_count < most;
}

/* This bound is no worker's own: who has room stays in the heap meanwhile. */
static bool may_hand(const skep_cluster *cluster) {
    return cluster->connections->in_flight < cluster->connections->max_in_flight;
}

/* --- seats --- */

static struct skep__seat *seat_of(const struct skep__heap_node *node) {
    return SKEP_CONTAINER(node, struct skep__seat, node);
}

static uint64_t key(const struct skep__seat *seat) {
    if (seat->listener->terms->settings->policy != SKEP_POLICY_LEAST_CONNECTIONS) return seat->turns;
    return seat->taker->live + seat->taker->untaken_count;
}

bool skep__seat_is_before(const struct skep__heap_node *a, const struct skep__heap_node *b) {
    const struct skep__seat *seat_a = seat_of(a), *seat_b = seat_of(b);
    uint64_t key_a = key(seat_a), key_b = key(seat_b);
    return key_a != key_b ? key_a < key_b : seat_a->picked < seat_b->picked;
}

struct skep__seat *skep__seat_find(const struct skep__listener *listener, const skep_child *child) {
    struct skep__seat *seat;
    LIST_FOREACH(seat, &child->taker->seats, of_taker) if (seat->listener == listener) return seat;
    return NULL;
}

static bool enter_heap(struct skep__seat *seat) {
    struct skep__listener *listener = seat->listener;
    if (seat->turns + CATCH_UP < listener->turn) seat->turns = listener->turn - CATCH_UP;
    return skep__heap_add(&listener->heap, &seat->node) == SKEP_OK;
}

static void leave_heap(struct skep__seat *seat) {
    if (seat->node.index != 0) skep__heap_remove(&seat->listener->heap, &seat->node);
}

int skep__seat_add(struct skep__listener *listener, skep_child *child, struct skep__seat **out) {
    struct skep__seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL) return SKEP_ENOMEM;
    *seat = (struct skep__seat){.child = child,
                                .taker = child->taker,
                                .listener = listener,
                                .turns = listener->turn,
                                .picked = listener->picks};
    LIST_INSERT_HEAD(&child->taker->seats, seat, of_taker);
    LIST_INSERT_HEAD(&listener->seats, seat, of_listener);
    *out = seat;
    return SKEP_OK;
}

void skep__seat_free(struct skep__seat *seat) {
    leave_heap(seat);
    LIST_REMOVE(seat, of_taker);
    LIST_REMOVE(seat, of_listener);
    free(seat);
}

/* Age of the oldest connection that it has not taken. */
static uint64_t lag_ms(const skep_child *child) {
    const struct skep__connection *oldest = STAILQ_FIRST(&child->taker->untaken);
    return oldest != NULL ? uv_now(child->cluster->loop) - oldest->handed_ms : 0;
}

/* How many connections are on their way to one of the other workers, on average. */
static size_t others_untaken(const skep_child *child) {
    size_t others = skep_child_count(child->cluster) - 1;
    unsigned theirs = child->cluster->connections->in_flight - child->taker->untaken_count;
    return others > 0 ? theirs / others : SIZE_MAX - BEHIND_COUNT;
}

static bool is_late(const skep_child *child) {
    return lag_ms(child) > BEHIND_MS || child->taker->untaken_count >= others_untaken(child) + BEHIND_COUNT;
}

bool skep__seat_update(struct skep__seat *seat) {
    struct skep__taker *taker = seat->taker;
    if (taker->behind) taker->behind = is_late(seat->child);
    if (taker->behind || !has_room(seat->child)) leave_heap(seat);
    else if (seat->node.index == 0) return enter_heap(seat);
    else skep__heap_update(&seat->listener->heap, &seat->node);
    return false;
}

bool skep__may_take(const skep_child *child) {
    return has_room(child) && may_hand(child->cluster);
}

/* --- choosing --- */

static void fall_behind(struct skep__taker *taker) {
    struct skep__seat *seat;
    taker->behind = true;
    LIST_FOREACH(seat, &taker->seats, of_taker) leave_heap(seat);
}

/* The best seat of those that keep up. */
static struct skep__seat *best_prompt(const struct skep__listener *listener) {
    for (const struct skep__heap_node *node; (node = skep__heap_first(&listener->heap)) != NULL;) {
        struct skep__seat *seat = seat_of(node);
        if (!is_late(seat->child)) return seat;
        fall_behind(seat->taker);
    }
    return NULL;
}

/* All are behind: the one with the least on its way, of those that are not much further behind than others. One that
 * hangs gets nothing more, even when all others have no room: they will have some sooner. */
static struct skep__seat *best_behind(const struct skep__listener *listener) {
    struct skep__seat *seat, *best = NULL;
    uint64_t least_ms = UINT64_MAX;
    LIST_FOREACH(seat, &listener->seats, of_listener)
    if (is_open(seat->child) && lag_ms(seat->child) < least_ms) least_ms = lag_ms(seat->child);
    LIST_FOREACH(seat, &listener->seats, of_listener) {
        if (!has_room(seat->child) || lag_ms(seat->child) > 2 * least_ms + HANGS_MS) continue;
        if (best == NULL || seat->taker->untaken_count < best->taker->untaken_count) best = seat;
    }
    return best;
}

static struct skep__seat *choose_best(const struct skep__listener *listener) {
    struct skep__seat *seat = best_prompt(listener);
    return seat != NULL ? seat : best_behind(listener);
}

/* Bytes that identify a client: its address without the port. Unix clients have none. */
static size_t client_key(const struct sockaddr_storage *client, const void **bytes) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)client;
    if (client->ss_family == AF_INET) {
        *bytes = &((const struct sockaddr_in *)client)->sin_addr;
        return 4;
    }
    if (client->ss_family != AF_INET6) return 0;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
    *bytes = mapped ? &in6->sin6_addr.s6_addr[12] : &in6->sin6_addr.s6_addr[0];
    return mapped ? 4 : 16;
}

/* FNV-1a, mixed once more since addresses differ in few bits */
static uint64_t hash(const void *bytes, size_t size_bytes, uint64_t seed) {
    const unsigned char *at = bytes;
    uint64_t h = 14695981039346656037u ^ seed;
    for (size_t i = 0; i < size_bytes; i++) h = (h ^ at[i]) * 1099511628211u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* Rendezvous hashing over places: a client's place changes only if that place comes or goes; while a worker is being
 * replaced its clients go to their second choice. */
static struct skep__seat *choose_sticky(const struct skep__listener *listener, const struct sockaddr_storage *client) {
    const void *bytes;
    size_t size_bytes = client_key(client, &bytes);
    uint64_t best_weight = 0;
    struct skep__seat *seat, *best = NULL;
    if (size_bytes == 0) return choose_best(listener);
    LIST_FOREACH(seat, &listener->seats, of_listener) {
        uint64_t weight = hash(bytes, size_bytes, (seat->child->place + 1) * 0x9e3779b97f4a7c15u);
        if (!has_room(seat->child) || (best != NULL && weight <= best_weight)) continue;
        best = seat;
        best_weight = weight;
    }
    return best;
}

static size_t list_candidates(const struct skep__listener *listener, struct skep__seat **seats,
                              skep_candidate *candidates, size_t capacity) {
    size_t count = 0;
    struct skep__seat *seat;
    LIST_FOREACH(seat, &listener->seats, of_listener) {
        const skep_child *child = seat->child;
        if (!has_room(child) || count == capacity) continue;
        candidates[count] = (skep_candidate){
            .id = child->id, .slot = child->place, .connections = child->taker->live + child->taker->untaken_count};
        seats[count++] = seat;
    }
    return count;
}

static struct skep__seat *choose_custom(const struct skep__listener *listener, const struct sockaddr_storage *client) {
    const skep_settings *settings = listener->terms->settings;
    size_t capacity = skep_child_count(listener->cluster);
    struct skep__seat **seats = calloc(capacity, sizeof(struct skep__seat *));
    skep_candidate *candidates = calloc(capacity, sizeof *candidates);
    struct skep__seat *chosen = NULL;
    bool nobody = false;
    if (seats != NULL && candidates != NULL) {
        size_t count = list_candidates(listener, seats, candidates, capacity);
        size_t index =
            count > 0 ? settings->choose((const struct sockaddr *)client, candidates, count, settings->choose_context)
                      : 0;
        if (index < count) chosen = seats[index];
        nobody = count > 0 && index == SKEP_NOBODY;
    }
    free(seats);
    free(candidates);
    if (nobody) skep__lack_retry_soon(listener->cluster); /* what it goes by may change without our knowing */
    return chosen != NULL || nobody ? chosen : choose_best(listener);
}

static struct skep__seat *choose(const struct skep__listener *listener, int fd) {
    enum skep_policy policy = listener->terms->settings->policy;
    struct sockaddr_storage client = {0};
    socklen_t size_bytes = sizeof client;
    if (policy != SKEP_POLICY_STICKY && policy != SKEP_POLICY_CUSTOM) return choose_best(listener);
    if (getpeername(fd, (struct sockaddr *)&client, &size_bytes) != 0) client.ss_family = AF_UNSPEC;
    return policy == SKEP_POLICY_STICKY ? choose_sticky(listener, &client) : choose_custom(listener, &client);
}

struct skep__seat *skep__choose(struct skep__listener *listener, int fd) {
    struct skep__seat *seat = may_hand(listener->cluster) ? choose(listener, fd) : NULL;
    if (seat == NULL) return NULL;
    listener->turn = seat->turns++;
    seat->picked = ++listener->picks;
    return seat;
}

bool skep__can_dispatch(const struct skep__listener *listener) {
    return may_hand(listener->cluster) && (listener->heap.size > 0 || best_behind(listener) != NULL);
}
