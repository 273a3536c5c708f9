/* SPDX-License-Identifier: MIT
 * Where a reader of the news is. */
#include "common/news_sequence.h"

/* What is between the latest item and this one is lost. */
static void move_to(struct skep__news_sequence *sequence, uint64_t number, uint64_t lost) {
    sequence->lost += lost;
    sequence->latest = number;
}

enum skep__news_place skep__news_item(struct skep__news_sequence *sequence, uint64_t number, bool answered) {
    if (number > sequence->seen) sequence->seen = number;
    if (number <= sequence->latest) return SKEP__NEWS_OLD;
    if (number > sequence->latest + 1 && !answered) return SKEP__NEWS_EARLY;
    move_to(sequence, number, number - sequence->latest - 1);
    return SKEP__NEWS_NEXT;
}

bool skep__news_end(struct skep__news_sequence *sequence, const struct skep_command_newsEnd *end) {
    if (end->seq > sequence->latest) move_to(sequence, end->seq, end->seq - sequence->latest);
    return sequence->seen > sequence->latest;
}

uint64_t skep__news_number(const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_event: return command->event.seq;
    case SKEP_COMMAND_broadcast: return command->broadcast.seq;
    case SKEP_COMMAND_totals: return command->totals.seq;
    default: return 0;
    }
}
