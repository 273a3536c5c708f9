/* SPDX-License-Identifier: MIT
 * What a mock broker sends: to workers on their links and by their inboxes, to clients by their returns. */
#include "common/text.h"
#include "mock/clients.h"

/* --- to workers --- */

int skep__mock_tell(struct skep__mock_worker *worker, const struct skep_command *command, int fd) {
    struct skep_frame frame = {0};
    int status = worker->link >= 0 ? skep__frame_add(&frame, command) : SKEP_ENOWORKER;
    if (status == SKEP_OK) status = skep__link_send(worker->link, frame.data, frame.size_bytes, &fd, fd >= 0 ? 1 : 0);
    if (status == SKEP_OK) skep__mock_note_command(worker->mock, ">", worker->id, command);
    skep__frame_free(&frame);
    return status;
}

int skep__mock_put(struct skep__mock_worker *worker, const struct skep_command *command) {
    int status = skep__outlet_add(worker->inbox, command);
    if (status == SKEP_OK) skep__mock_note_command(worker->mock, ">", worker->id, command);
    return status;
}

/* --- to clients --- */

struct skep__mock_client *skep__mock_find_client(const skep_mock *mock, uint64_t id) {
    struct skep__mock_client *client;
    LIST_FOREACH(client, &mock->clients->list, entry) if (client->id == id) return client;
    return NULL;
}

void skep__mock_tell_client(skep_mock *mock, const struct skep__mock_client *client,
                            const struct skep_command *command) {
    char text[SKEP__MOCK_LINE_BYTES];
    skep__command_print(command, text, sizeof text);
    int status = skep__outlet_add_answer(client->returns, command);
    skep__mock_note(mock, "> client %u: %.180s%s", client->id, text, status == SKEP_OK ? "" : " (was not sent)");
}

static void tell_finished(skep_mock *mock, const struct skep__mock_client *client, uint64_t number,
                          const struct skep_bytes *result) {
    struct skep_frame items = {0};
    struct skep_command command = {.id = SKEP_COMMAND_finished};
    if (skep__list_add(&items, result->size_bytes > 0 ? result->data : "", result->size_bytes) == SKEP_OK) {
        command.finished = (struct skep_command_finished){.number = number, .results = skep__list_of(&items, 1)};
        skep__mock_tell_client(mock, client, &command);
    }
    skep__frame_free(&items);
}

static void tell_died(skep_mock *mock, const struct skep__mock_client *client, uint64_t number, const char *cause,
                      const struct skep_bytes *reason) {
    struct skep_command command = {.id = SKEP_COMMAND_died};
    command.died = (struct skep_command_died){.number = number, .cause = skep__text(cause)};
    if (reason->size_bytes > 0) SKEP_SET(died, &command.died, reason, *reason);
    skep__mock_tell_client(mock, client, &command);
}

void skep__mock_tell_forgotten(skep_mock *mock, uint32_t id, uint64_t number, int status) {
    const struct skep__mock_client *client = skep__mock_find_client(mock, id);
    struct skep_command command = {.id = SKEP_COMMAND_forgotten,
                                   .forgotten = {.number = number, .status = (uint64_t)status}};
    if (client != NULL) skep__mock_tell_client(mock, client, &command);
}

bool skep__mock_tell_outcome(skep_mock *mock, uint32_t id, uint64_t number, const char *cause,
                             const struct skep_bytes *bytes) {
    const struct skep__mock_client *client = skep__mock_find_client(mock, id);
    if (client == NULL) return false;
    if (cause == NULL) tell_finished(mock, client, number, bytes);
    else tell_died(mock, client, number, cause, bytes);
    return true;
}
