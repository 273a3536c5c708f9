/* SPDX-License-Identifier: MIT
 * The script of a mock worker, parsed. */
#ifndef SKEP_LIB_MOCK_SCRIPT_H
#define SKEP_LIB_MOCK_SCRIPT_H

#include <sys/queue.h>

#include "mock/words.h"

/* When a rule is followed */
enum skep__mock_occasion {
    SKEP__MOCK_ON_READY = 1 << 0, /* before the worker says that it is ready */
    SKEP__MOCK_ON_JOB = 1 << 1,
    SKEP__MOCK_ON_CONNECTION = 1 << 2,
    SKEP__MOCK_ON_MESSAGE = 1 << 3,
    SKEP__MOCK_ON_LEAVE = 1 << 4,
    SKEP__MOCK_ON_ANY = (1 << 5) - 1
};

enum skep__mock_do {
    SKEP__MOCK_DO_DELAY,
    SKEP__MOCK_DO_STALL,
    SKEP__MOCK_DO_WORK,
    SKEP__MOCK_DO_LATE,
    SKEP__MOCK_DO_EXTEND,
    SKEP__MOCK_DO_REPLY,
    SKEP__MOCK_DO_ECHO,
    SKEP__MOCK_DO_DONE,
    SKEP__MOCK_DO_FAIL,
    SKEP__MOCK_DO_RETRY,
    SKEP__MOCK_DO_NEVER,
    SKEP__MOCK_DO_REFUSE,
    SKEP__MOCK_DO_HOLD,
    SKEP__MOCK_DO_WRITE,
    SKEP__MOCK_DO_CLOSE,
    SKEP__MOCK_DO_COUNT,
    SKEP__MOCK_DO_SEND,
    SKEP__MOCK_DO_BROADCAST,
    SKEP__MOCK_DO_MALFORMED,
    SKEP__MOCK_DO_LEAVE,
    SKEP__MOCK_DO_CRASH,
    SKEP__MOCK_DO_EXIT
};

enum {
    SKEP__MOCK_ACTIONS = 16, /* of one rule */
    SKEP__MOCK_HANDLES = 64,
    SKEP__MOCK_LISTENS = 16
};

struct skep__mock_action {
    enum skep__mock_do what;
    uint64_t number; /* time, count, signal, exit status; malformed: 1 is the link, 0 the outbox */
    const char *name;
    struct skep__word data;
};

struct skep__mock_rule {
    STAILQ_ENTRY(skep__mock_rule) entry;
    enum skep__mock_occasion on;
    const char *name;     /* of the queue or the message; NULL: any */
    uint64_t first, last; /* jobs, connections */
    uint64_t first_attempt, last_attempt;
    struct skep__word text; /* that is in the payload; NULL: any */
    unsigned count;
    struct skep__mock_action actions[SKEP__MOCK_ACTIONS];
};

struct skep_mock_script {
    char *text; /* all strings are in here */
    const char *name;
    bool subscribes;
    unsigned handle_count, listen_count;
    struct {
        const char *queue;
        unsigned concurrency;
    } handles[SKEP__MOCK_HANDLES];
    const char *listens[SKEP__MOCK_LISTENS];
    STAILQ_HEAD(, skep__mock_rule) rules;
};

/* What a rule is looked for with */
struct skep__mock_case {
    enum skep__mock_occasion on;
    const char *name;
    uint64_t number; /* from 1 */
    uint64_t attempt;
    const void *data;
    size_t size_bytes;
};

/* The first rule that is for this; NULL: none. */
const struct skep__mock_rule *skep__mock_script_rule(const skep_mock_script *script, const struct skep__mock_case *c);

#endif
