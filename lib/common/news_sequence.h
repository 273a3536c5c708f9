/* SPDX-License-Identifier: MIT
 * Where a reader of the news is: items are numbered without a gap, but may be dropped on their way, and are then asked
 * for by newsSince. How to ask, and when, is the reader's. */
#pragma once

#include "command.h"

struct skep__news_sequence {
    uint64_t latest; /* number of the latest item that was taken or is lost for good: none before it is to come */
    uint64_t seen;   /* the greatest number that has come, too early ones among them */
    uint64_t lost;   /* items that cannot be had any more, counted since the reader set this to 0 */
};

enum skep__news_place { SKEP__NEWS_OLD, SKEP__NEWS_NEXT, SKEP__NEWS_EARLY };

/* Notes that an item has come. NEXT: it is taken by that. OLD: it was before. EARLY: those before it are to be asked
 * for, and it will come again with them. In an answer to newsSince (answered) none is early: a gap is lost. */
enum skep__news_place skep__news_item(struct skep__news_sequence *sequence, uint64_t number, bool answered);

/* The same for the end of an answer. True if later items have come meanwhile, so that there is more to ask for. */
bool skep__news_end(struct skep__news_sequence *sequence, const struct skep_command_newsEnd *end);

/* Number of an item of news; 0 for what is none. */
uint64_t skep__news_number(const struct skep_command *command);
