/* SPDX-License-Identifier: MIT
 * Listeners that rest: nothing is accepted until they are resumed. What was accepted before is not affected. */
#include "connections/private.h"

struct skep_command skep__rest_command(const struct skep__listener *listener) {
    return (struct skep_command){.id = SKEP_COMMAND_rest,
                                 .rest = {.listener = listener->number, .paused = listener->resting}};
}

void skep__listener_set_resting(struct skep__listener *listener, bool resting) {
    if (listener->resting == resting) return;
    listener->resting = resting;
    skep__listener_update(listener);
    if (!skep__listener_workers_accept(listener)) return;
    struct skep_command command = skep__rest_command(listener);
    const struct skep__seat *seat;
    LIST_FOREACH(seat, &listener->seats, of_listener) skep__tell(seat->child, &command);
}

/* By its name, by where it is bound, or as it was asked for: there may be several of these, as with port 0. */
static bool is_called(const struct skep__listener *listener, const char *name) {
    size_t length = strlen(name);
    if (strcmp(listener->name, name) == 0 || strcmp(listener->url, name) == 0) return true;
    return strncmp(listener->key, name, length) == 0 && listener->key[length] == '#';
}

static void emit_listener(const struct skep__listener *listener) {
    char reason[SKEP_MAX_REASON + 1];
    bool named = listener->name[0] != '\0';
    skep_event event = skep__event(listener->resting ? SKEP_EVENT_PAUSE : SKEP_EVENT_RESUME, NULL);
    snprintf(reason, sizeof reason, "%s%s%s%s %s", named ? listener->name : "", named ? " (" : "", listener->url,
             named ? ")" : "", listener->resting ? "accepts nothing until it is resumed" : "accepts again");
    event.group = listener->terms->name;
    event.url = listener->url;
    event.reason = reason;
    skep__emit_later(listener->cluster, &event);
}

bool skep__listeners_set_resting(skep_cluster *cluster, const char *name, bool resting) {
    struct skep__listener *l;
    bool found = false;
    LIST_FOREACH(l, &cluster->connections->listeners, entry) {
        if (name[0] == '\0' || !is_called(l, name)) continue;
        found = true;
        if (l->resting == resting) continue;
        skep__listener_set_resting(l, resting);
        emit_listener(l);
    }
    return found;
}
