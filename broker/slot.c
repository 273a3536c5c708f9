/* SPDX-License-Identifier: MIT
 * Places for workers, and their replacements: a quick failure waits, longer each time. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "event.h"
#include "life.h"

enum {
    HEALTHY_MS = 50,      /* a worker that was ready for this long did not fail quickly */
    FIRST_DELAY_MS = 100, /* after the first quick failure; doubles with each */
    LONGEST_DELAY_MS = 10000
};

static int add_slot(skep_cluster *cluster, struct skep__slot **out) {
    struct skep__slot **slots = realloc(cluster->slots, (cluster->slot_count + 1) * sizeof(struct skep__slot *));
    if (slots == NULL) return SKEP_ENOMEM;
    cluster->slots = slots;
    struct skep__slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) return SKEP_ENOMEM;
    slot->cluster = cluster;
    slot->index = (uint32_t)cluster->slot_count;
    slot->refill.holds = true;
    slots[cluster->slot_count++] = slot;
    *out = slot;
    return SKEP_OK;
}

int skep__slot_get(skep_cluster *cluster, struct skep__slot **out) {
    for (size_t i = 0; i < cluster->slot_count; i++) {
        struct skep__slot *slot = cluster->slots[i];
        if (slot->child != NULL || slot->successor != NULL || skep__alarm_is_set(&slot->refill)) continue;
        *out = slot;
        return SKEP_OK;
    }
    return add_slot(cluster, out);
}

static void free_env(struct skep__slot *slot) {
    for (size_t i = 0; slot->env != NULL && slot->env[i] != NULL; i++) free(slot->env[i]);
    free(slot->env);
    slot->env = NULL;
}

int skep__slot_set_env(struct skep__slot *slot, const char *const *env) {
    size_t count = 0;
    while (env != NULL && env[count] != NULL) count++;
    free_env(slot);
    slot->env = calloc(count + 1, sizeof *slot->env);
    if (slot->env == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < count; i++)
        if ((slot->env[i] = strdup(env[i])) == NULL) return SKEP_ENOMEM;
    return SKEP_OK;
}

static bool was_healthy(const skep_child *child) {
    return child->ready_ms != 0 && uv_now(child->cluster->loop) - child->ready_ms >= HEALTHY_MS;
}

/* Not so if another one has the place, or if it was asked to leave when it was to take the place. */
static bool counts_for_place(const skep_child *child) {
    const struct skep__slot *slot = child->slot;
    return slot->child == child || (slot->child == NULL && !child->voluntary);
}

void skep__slot_judge(const skep_child *child) {
    if (!counts_for_place(child)) return;
    if (was_healthy(child)) child->slot->failures = 0;
    else child->slot->failures++;
}

/* Exponential, with a jitter of a quarter either way so that places do not restart in step. */
static int64_t backoff_ms(unsigned failures) {
    int64_t delay_ms = FIRST_DELAY_MS;
    if (failures == 0) return 0;
    for (unsigned i = 1; i < failures && delay_ms < LONGEST_DELAY_MS; i++) delay_ms *= 2;
    if (delay_ms > LONGEST_DELAY_MS) delay_ms = LONGEST_DELAY_MS;
    unsigned chance = 0;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != sizeof chance) chance = 0; /* no jitter does no harm */
    return delay_ms * 3 / 4 + chance % (delay_ms / 2);
}

static bool wants_replacement(const skep_child *child) {
    const skep_cluster *cluster = child->cluster;
    bool unstartable = child->ready_ms == 0 && child->exit_code == SKEP_EXIT_UNSTARTABLE;
    return cluster->settings.respawn && !cluster->stopping && !child->voluntary && !unstartable &&
           counts_for_place(child);
}

int64_t skep__slot_delay_ms(const skep_child *child) {
    return wants_replacement(child) ? backoff_ms(child->slot->failures) : -1;
}

static void start(struct skep__slot *slot) {
    skep_cluster *cluster = slot->cluster;
    if (slot->child != NULL || cluster->stopping) return;
    int status = skep__child_start(cluster, slot, NULL);
    if (status == SKEP_OK) return;
    slot->failures++;
    skep__emit_error(cluster, NULL, "no replacement: %s", cluster->why);
    skep__slot_refill(slot, backoff_ms(slot->failures));
}

static void delay_passed(struct skep__alarm *alarm) {
    start((struct skep__slot *)((char *)alarm - offsetof(struct skep__slot, refill)));
}

bool skep__slot_is_wanted(const struct skep__slot *slot) {
    if (slot->child != NULL) return !slot->child->voluntary;
    return slot->vacant || skep__alarm_is_set(&slot->refill);
}

void skep__slot_hold(struct skep__slot *slot) {
    slot->vacant = slot->child == NULL;
    skep__alarm_stop(&slot->refill);
}

/* Never at once: whoever gives several places up is not to hear of new workers in between. */
void skep__slot_unhold(struct skep__slot *slot) {
    int64_t delay_ms = backoff_ms(slot->failures);
    if (slot->vacant && !skep__alarm_is_set(&slot->refill)) skep__slot_refill(slot, delay_ms > 0 ? delay_ms : 1);
    slot->vacant = false;
}

void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms) {
    if (slot->child != NULL || slot->cluster->stopping) return;
    if (slot->successor != NULL) {
        slot->vacant = true;
        return;
    }
    if (delay_ms == 0) {
        start(slot);
        return;
    }
    if (skep__alarm_set(slot->cluster->clock, &slot->refill, (uint64_t)delay_ms, delay_passed) != SKEP_OK)
        skep__emit_error(slot->cluster, NULL, "no replacement: %s", skep_strerror(SKEP_ENOMEM));
}

bool skep__slots_are_filling(const skep_cluster *cluster) {
    for (size_t i = 0; i < cluster->slot_count; i++) {
        const struct skep__slot *slot = cluster->slots[i];
        if (skep__alarm_is_set(&slot->refill) || slot->successor != NULL) return true;
        if (slot->child != NULL && slot->child->state < SKEP__CHILD_READY) return true;
    }
    return false;
}

void skep__slots_stop(skep_cluster *cluster) {
    for (size_t i = 0; i < cluster->slot_count; i++) skep__alarm_stop(&cluster->slots[i]->refill);
}

void skep__slots_free(skep_cluster *cluster) {
    for (size_t i = 0; i < cluster->slot_count; i++) {
        skep__alarm_stop(&cluster->slots[i]->refill);
        free_env(cluster->slots[i]);
        free(cluster->slots[i]);
    }
    free(cluster->slots);
    cluster->slots = NULL;
    cluster->slot_count = 0;
}
