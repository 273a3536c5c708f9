/* SPDX-License-Identifier: MIT
 * What happens to workers, as their group sees it: each has a place, is the successor of one that has it, or has given
 * it up. */
#include "group/private.h"

void skep__groups_worker_ready(skep_child *child) {
    skep__refill_child_ready(child);
    skep__reload_child_ready(child);
}

void skep__groups_worker_leaving(skep_child *child) {
    if (child->slot->child != child) return;
    skep__slot_give_up(child->slot);
    skep__reload_place_given_up(child->slot);
}

bool skep__groups_worker_stands_down(skep_child *child) {
    bool replace = child->slot->child == child && child->terms->settings->respawn && !child->cluster->stopping;
    if (replace) child->slot->child = NULL;
    return replace;
}

void skep__groups_refill(const skep_child *child) {
    skep__slot_refill(child->slot, 0);
}

struct skep__vacancy skep__groups_worker_ended(skep_child *child) {
    struct skep__vacancy vacancy = {.fails_reload = skep__reload_child_ends(child)};
    vacancy.delay_ms = skep__slot_vacate(child);
    if (child->slot->successor == child) child->slot->successor = NULL;
    return vacancy;
}

void skep__groups_exit_told(skep_child *child, const struct skep__vacancy *vacancy) {
    if (vacancy->delay_ms >= 0) skep__slot_refill(child->slot, vacancy->delay_ms);
    skep__breaker_say(skep__group_of(child));
    skep__reload_child_ended(child, vacancy->fails_reload);
}
