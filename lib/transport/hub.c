/* SPDX-License-Identifier: MIT
 * What both transports stand on: whom a hub trusts, what it does without memory, where an ipc URL leads. */
#include <sys/un.h>
#include <unistd.h>

#include "transport/private.h"

/* --- trust --- */

bool skep__is_own_user(uid_t uid) {
    return uid == geteuid() || uid == 0;
}

bool skep__hub_trusts(const struct skep__hub *hub, uid_t uid) {
    unsigned count = __atomic_load_n(&hub->trusted_count, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < count; i++)
        if (__atomic_load_n(&hub->trusted[i], __ATOMIC_RELAXED) == uid) return true;
    return skep__is_own_user(uid);
}

/* An entry is written before the count includes it: NNG's threads look at any time. */
bool skep__hub_trust(struct skep__hub *hub, uid_t uid) {
    if (skep__hub_trusts(hub, uid)) return true;
    if (hub->trusted_count == SKEP__MAX_TRUSTED) return false;
    __atomic_store_n(&hub->trusted[hub->trusted_count], uid, __ATOMIC_RELAXED);
    __atomic_store_n(&hub->trusted_count, hub->trusted_count + 1, __ATOMIC_RELEASE);
    return true;
}

/* --- memory --- */

void skep__hub_on_lack(struct skep__hub *hub, bool (*lacks)(void *context), void *context) {
    hub->lacks = lacks;
    hub->lacks_context = context;
}

bool skep__hub_lacks(const struct skep__hub *hub) {
    return hub->lacks != NULL && hub->lacks(hub->lacks_context);
}

void *skep__hub_alloc(const struct skep__hub *hub, size_t size_bytes) {
    void *memory = calloc(1, size_bytes);
    return memory == NULL && skep__hub_lacks(hub) ? calloc(1, size_bytes) : memory;
}

/* --- addresses --- */

int skep__ipc_address(const char *url, struct sockaddr_un *address) {
    static const char scheme[] = "ipc://";
    const char *path = url + sizeof scheme - 1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || path[0] == '\0' || strlen(path) >= sizeof address->sun_path)
        return SKEP_EURL;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return SKEP_OK;
}
