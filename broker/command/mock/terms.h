/* SPDX-License-Identifier: MIT
 * What a mock broker's script says of the broker, of queues and of jobs. */
#ifndef SKEP_COMMAND_MOCK_TERMS_H
#define SKEP_COMMAND_MOCK_TERMS_H

#include <mock/words.h>
#include <skep/mock.h>

#include "command/run/queue_option.h"

struct mock_terms {
    skep_mock_options options;
    struct queue_settings queues;
};

/* Whether a line begins with the name of a setting. */
bool is_setting(const struct skep__words *words);

/* Takes the setting that the line begins with. Errors: SKEP_EINVAL. */
SKEP_MUST_USE int take_setting(struct skep__words *words, struct mock_terms *terms);

/* Takes KEYWORD VALUE, any number of them, to the line's end. Errors: SKEP_EINVAL. */
SKEP_MUST_USE int take_job_options(struct skep__words *words, skep_job_options *options);

#endif
