/* SPDX-License-Identifier: MIT
 * Outcomes that are asked for by the ids of jobs: of those that were accepted by a broker that is gone, or whose
 * outcome may have been lost on its way, and of those that the user names. */
#include <inttypes.h>

#include "client/private.h"

static const skep_outcome unknown = {.status = SKEP_ECLOSED, .cause = "", .reason = ""};
static const skep_outcome failed = {.status = SKEP_ENOMEM, .cause = "", .reason = ""};

static bool is_awaited(const struct skep__unfinished *unfinished) {
    return unfinished->number >= SKEP__CLIENT_AWAITED;
}

/* Errors: SKEP_ENOMEM. */
static int await(skep_client *client, struct skep__unfinished *unfinished) {
    unfinished->number = SKEP__CLIENT_AWAITED | ++client->last_awaited;
    HASH_ADD(hh, client->unfinished, number, sizeof unfinished->number, unfinished);
    return SKEP_IS_ADDED(unfinished, hh) ? SKEP_OK : SKEP_ENOMEM;
}

/* Without a broker it is asked for when there is one. Errors: SKEP_ENOMEM. */
static int ask(skep_client *client, struct skep__unfinished *unfinished) {
    const struct skep_command command = {.id = SKEP_COMMAND_await,
                                         .await = {.number = unfinished->number, .id = unfinished->id}};
    if (client->phase != SKEP__CLIENT_JOINED) return SKEP_OK;
    unfinished->store = client->store;
    return skep__client_queue(client, &command);
}

/* The table keeps the order in which they came, so that those that are added while it is walked come last. */
static void move(skep_client *client, struct skep__unfinished *unfinished) {
    HASH_DEL(client->unfinished, unfinished);
    if (await(client, unfinished) == SKEP_OK) return;
    client->unfinished_count--;
    unfinished->outcome(client, &failed, unfinished->context);
    free(unfinished);
}

void skep__client_lose_unfinished(skep_client *client, bool same) {
    struct skep__unfinished *unfinished, *next;
    const bool can_ask = same || (!client->only_this && client->store != 0);
    HASH_ITER(hh, client->unfinished, unfinished, next) {
        if (!can_ask || unfinished->id == 0) skep__client_finish(client, unfinished, &unknown);
        else if (!is_awaited(unfinished)) move(client, unfinished);
    }
}

void skep__client_ask_awaited(skep_client *client) {
    struct skep__unfinished *unfinished, *next;
    HASH_ITER(hh, client->unfinished, unfinished, next) {
        if (!is_awaited(unfinished)) continue;
        const bool is_elsewhere = unfinished->store != 0 && unfinished->store != client->store;
        if (is_elsewhere) skep__client_finish(client, unfinished, &unknown);
        else if (ask(client, unfinished) != SKEP_OK) skep__client_finish(client, unfinished, &failed);
    }
}

int skep_job_await(skep_client *client, uint64_t id, skep_outcome_cb outcome, void *context) {
    if (client->closing) return skep__client_fail(client, SKEP_ECLOSED, "the client is being freed");
    if (id == 0) return skep__client_fail(client, SKEP_EINVAL, "0 is not the id of a job");
    struct skep__unfinished *unfinished = calloc(1, sizeof *unfinished);
    if (unfinished == NULL) return skep__client_fail(client, SKEP_ENOMEM, "%s", skep_strerror(SKEP_ENOMEM));
    *unfinished = (struct skep__unfinished){.id = id, .by_id = true, .outcome = outcome, .context = context};
    int status = await(client, unfinished);
    if (status == SKEP_OK) status = ask(client, unfinished);
    if (status == SKEP_OK) {
        client->unfinished_count++;
        skep__client_update_due(client);
        return SKEP_OK;
    }
    if (SKEP_IS_ADDED(unfinished, hh)) HASH_DEL(client->unfinished, unfinished);
    free(unfinished);
    return skep__client_fail(client, status, "job %" PRIu64 ": %s", id, skep_strerror(status));
}
