/* SPDX-License-Identifier: MIT
 * Asking to listen: the primary and workers, by URL or name. */
#include <inttypes.h>
#include <sys/un.h>

#include "connections/private.h"
#include "connections/socket.h"

static struct skep__listener *by_name(const skep_cluster *cluster, const char *name) {
    struct skep__listener *l;
    LIST_FOREACH(l, &cluster->connections->listeners, entry)
    if (l->name[0] != '\0' && strcmp(l->name, name) == 0) return l;
    return NULL;
}

/* Whether another group listens there. Where the sockets are shared (reuseport, descriptors that were given), the
 * kernel would let both have it. */
static bool is_of_another(const skep_cluster *cluster, const struct skep__terms *terms, const struct skep_url *url) {
    const struct skep__listener *l;
    LIST_FOREACH(l, &cluster->connections->listeners, entry)
    if (l->terms != terms && skep__socket_overlaps(&l->address, url)) return true;
    return false;
}

/* Who asks for a listener, and for which */
struct wish {
    const struct skep__terms *terms; /* of which group */
    const char *url;
    uint64_t index; /* which of the asker's listeners of this URL it is */
    int backlog;
    bool primary; /* the primary asks */
};

static const char no_name[] = "no listener has this name";

static int look_up(const skep_cluster *cluster, const struct wish *wish, const char *text, struct skep_url *url,
                   const char **why) {
    *why = no_name;
    int status = skep__url_is(text) ? skep__url_parse(text, url, why) : SKEP_EURL;
    if (status == SKEP_OK && is_of_another(cluster, wish->terms, url)) {
        *why = "another group listens there; a listener is one group's";
        return SKEP_EADDRINUSE;
    }
    if (status == SKEP_OK && url->given && !wish->primary) { /* it might be any descriptor of the broker's */
        *why = "the primary does not listen on this descriptor";
        return SKEP_EACCES;
    }
    return status == SKEP_OK ? skep__socket_look_up(url, why) : status;
}

/* By name, or by URL and number. NULL: it is not there. Names are unique among all groups, for an operator's sake: *why
 * says so if it is another one's. */
static struct skep__listener *find(const skep_cluster *cluster, const struct wish *wish, const char *text,
                                   const char *key, const char **why) {
    struct skep__listener *listener;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry)
    if (listener->terms == wish->terms && strcmp(listener->key, key) == 0) return listener;
    listener = by_name(cluster, text);
    if (listener == NULL || listener->terms == wish->terms) return listener;
    *why = "the listener of this name is another group's";
    return NULL;
}

static void explain(const char *url, const char *reason, char why[SKEP_MAX_REASON + 1]) {
    int n = snprintf(why, SKEP_MAX_REASON + 1, "%s: %s", url, reason);
    if (reason == no_name)
        snprintf(why + n, SKEP_MAX_REASON + 1 - (size_t)n, "; give skep run -l %s=URL, or call skep_cluster_listen",
                 url);
}

/* Finds the listener, or binds it. On failure why says more. Errors: as skep_listen. */
static int get(skep_cluster *cluster, const struct wish *wish, struct skep__listener **listener,
               char why[SKEP_MAX_REASON + 1]) {
    char text[SKEP_MAX_URL + 1], key[SKEP_MAX_URL + 16];
    struct skep_url url;
    const char *reason = NULL;
    int status = skep__url_resolve(wish->url, text, sizeof text, &reason);
    if (status == SKEP_OK) {
        bool is_descriptor = strncmp(text, "fd://", 5) == 0; /* there is but one under each number */
        snprintf(key, sizeof key, "%s#%" PRIu64, text, is_descriptor ? 0 : wish->index);
        *listener = find(cluster, wish, text, key, &reason);
        if (*listener != NULL) return SKEP_OK;
        status = reason != NULL ? SKEP_EADDRINUSE : look_up(cluster, wish, text, &url, &reason);
    }
    if (status == SKEP_OK) {
        status = skep__listener_open(cluster, wish->terms, key, &url, wish->backlog, listener);
        reason = skep_strerror(status);
    }
    if (status != SKEP_OK) explain(wish->url, reason, why);
    return status;
}

/* --- the primary --- */

/* How many of the group's listeners of this URL have names: the next one is another, or fails if its port is not 0. */
static uint64_t named_before(const skep_cluster *cluster, const struct skep__terms *terms, const char *url) {
    const struct skep__listener *l;
    size_t length = strlen(url);
    uint64_t count = 0;
    LIST_FOREACH(l, &cluster->connections->listeners, entry) {
        bool is_url = strncmp(l->key, url, length) == 0 && l->key[length] == '#';
        count += l->terms == terms && l->name[0] != '\0' && is_url;
    }
    return count;
}

static int check_name(skep_cluster *cluster, const char *name) {
    if (name[0] == '\0' || strlen(name) > SKEP_MAX_NAME)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%s: a listener's name has 1 to %d bytes", name, SKEP_MAX_NAME);
    if (by_name(cluster, name) != NULL)
        return skep__broker_fail(cluster, SKEP_EADDRINUSE, "%s: another listener has this name", name);
    return SKEP_OK;
}

int skep__listen_named(skep_cluster *cluster, const struct skep__terms *terms, const char *name, const char *url,
                       const char **bound) {
    struct skep__listener *listener;
    struct wish wish = {.terms = terms, .url = url, .primary = true};
    char why[SKEP_MAX_REASON + 1];
    int status = name != NULL ? check_name(cluster, name) : SKEP_OK;
    if (status != SKEP_OK) return status;
    if (name != NULL) wish.index = named_before(cluster, terms, url);
    status = get(cluster, &wish, &listener, why);
    if (status != SKEP_OK) return skep__broker_fail(cluster, status, "cannot listen on %s", why);
    if (name != NULL && listener->name[0] != '\0')
        return skep__broker_fail(cluster, SKEP_EADDRINUSE, "cannot listen on %s: it is %s", url, listener->name);
    listener->kept = true;
    if (name != NULL) snprintf(listener->name, sizeof listener->name, "%s", name);
    if (bound != NULL) *bound = listener->url;
    return SKEP_OK;
}

/* --- workers --- */

enum {
    SAY_MS = 10000,      /* between lines about one worker's wish for more listeners */
    MAX_REFUSALS = 1000, /* in a row: it asks in an endless loop, and the broker would be busy with refusing */
};

static void refuse(skep_child *child, uint64_t request, int status, const char *why) {
    struct skep_command command = {
        .id = SKEP_COMMAND_listenFailed,
        .listenFailed = {.request = request, .status = (uint64_t)status, .reason = skep__text(why)}};
    struct skep__taker *taker = child->taker;
    bool insists = status == SKEP_ETOOBIG || status == SKEP_EMFILE; /* who asks for more than there is may go on */
    if (!insists || skep__may_tell(uv_now(child->cluster->loop), SAY_MS, &taker->listen_said_ms))
        skep__emit_error(child->cluster, child, "cannot listen on %s", why);
    if (status == SKEP_ETOOBIG && ++taker->listen_refusals == MAX_REFUSALS) {
        skep__emit_error(child->cluster, child, "it asked %d times for more than %d listeners; killed", MAX_REFUSALS,
                         SKEP_MAX_LISTENERS);
        skep__child_discard(child, "protocol");
    }
    skep__tell(child, &command);
}

static void emit_listening(skep_child *child, const struct skep__listener *listener, int fd) {
    const struct sockaddr_storage *address = &listener->address.address;
    bool is_path = address->ss_family == AF_UNIX;
    char host[SKEP__ADDRESS_SIZE];
    skep_event event = skep__event(SKEP_EVENT_LISTENING, child);
    if (!is_path) skep__url_print_host(address, host);
    if (!is_path) event.address_type = address->ss_family == AF_INET6 ? 6 : 4;
    event.url = listener->url;
    event.address = is_path ? ((const struct sockaddr_un *)address)->sun_path : host;
    event.port = skep__url_port(address);
    event.fd = fd >= 0 ? fd : LIST_EMPTY(&listener->members) ? -1 : LIST_FIRST(&listener->members)->fd;
    skep__emit(child->cluster, &event);
}

/* Errors: SKEP_EMFILE, and the worker has not been told. */
static int accept_request(skep_child *child, uint64_t request, const struct skep__listener *listener, int fd) {
    struct skep_command command = {
        .id = SKEP_COMMAND_listening,
        .listening = {.request = request, .listener = listener->number, .url = skep__text(listener->url)}};
    if (fd >= 0) SKEP_SET(listening, &command.listening, shared, true);
    struct skep_command rest = skep__rest_command(listener);
    /* In the same message, so that it accepts nothing before it knows. */
    int status = skep__notify_both(child, &command, fd >= 0 && listener->resting ? &rest : NULL, fd);
    if (status == SKEP_EMFILE) return status;
    if (status != SKEP_OK && child->link >= 0) skep__child_kill(child, "link");
    emit_listening(child, listener, fd);
    return SKEP_OK;
}

static int check(const skep_child *child, const char *url, char why[SKEP_MAX_REASON + 1]) {
    const struct skep__seat *seat;
    unsigned count = 0;
    if (child->cluster->stopping || child->state == SKEP__CHILD_DRAINING) {
        snprintf(why, SKEP_MAX_REASON + 1, "%s: the %s", url,
                 child->cluster->stopping ? "broker is stopping" : "worker is leaving");
        return SKEP_ESTATE;
    }
    LIST_FOREACH(seat, &child->taker->seats, of_taker) count++;
    if (count < SKEP_MAX_LISTENERS) return SKEP_OK;
    snprintf(why, SKEP_MAX_REASON + 1, "%s: this worker has %d listeners, which is the maximum", url,
             SKEP_MAX_LISTENERS);
    return SKEP_ETOOBIG;
}

/* Gives the worker its place and answers. */
static int join(skep_child *child, uint64_t request, struct skep__listener *listener) {
    int fd = -1;
    int status = skep__listener_join(listener, child, &fd);
    if (status != SKEP_OK) return status;
    status = accept_request(child, request, listener, fd);
    if (status != SKEP_OK) skep__listener_part(skep__seat_find(listener, child));
    else child->taker->listen_refusals = 0;
    return status;
}

void skep__listen_asked(skep_child *child, const struct skep_command_listen *listen) {
    struct skep__listener *listener;
    char url[SKEP_MAX_URL + 1], why[SKEP_MAX_REASON + 1];
    skep__copy_text(url, sizeof url, &listen->url);
    struct wish wish = {.terms = child->terms, .url = url, .index = listen->index, .backlog = (int)listen->backlog};
    int status = check(child, url, why);
    if (status == SKEP_OK) status = get(child->cluster, &wish, &listener, why);
    if (status == SKEP_OK) {
        status = join(child, listen->request, listener);
        if (status != SKEP_OK) snprintf(why, sizeof why, "%s: %s", url, skep_strerror(status));
    }
    if (status != SKEP_OK) refuse(child, listen->request, status, why);
}

void skep__unlisten_asked(skep_child *child, uint64_t number) {
    struct skep__listener *listener = skep__listener_by_number(child->cluster, number);
    struct skep__seat *seat = listener != NULL ? skep__seat_find(listener, child) : NULL;
    if (seat != NULL) skep__listener_part(seat);
}
