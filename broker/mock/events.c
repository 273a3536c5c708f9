/* SPDX-License-Identifier: MIT
 * What has happened at a mock broker that no expectation has taken. */
#include <stdlib.h>
#include <string.h>

#include "mock/private.h"

void skep__mock_happened(skep_mock *mock, const struct skep__mock_event *event) {
    struct skep__mock_event *copy = malloc(sizeof *copy + event->text.size_bytes + event->data.size_bytes);
    if (copy == NULL) {
        skep__mock_note(mock, "no memory to note what happened");
        return;
    }
    *copy = *event;
    char *data = copy->memory + event->text.size_bytes;
    if (event->text.size_bytes > 0) memcpy(copy->memory, event->text.data, event->text.size_bytes);
    if (event->data.size_bytes > 0) memcpy(data, event->data.data, event->data.size_bytes);
    if (event->text.data != NULL) copy->text.data = copy->memory;
    if (event->data.data != NULL) copy->data.data = data;
    TAILQ_INSERT_TAIL(&mock->events, copy, entry);
}

void skep__mock_forget_events(skep_mock *mock) {
    struct skep__mock_event *event = TAILQ_FIRST(&mock->events), *next;
    for (; event != NULL; event = next) {
        next = TAILQ_NEXT(event, entry);
        free(event);
    }
    TAILQ_INIT(&mock->events);
}
