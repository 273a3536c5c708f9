/* SPDX-License-Identifier: MIT
 * What every room is given: the broker, its workers, and in both the names of what each room has of them. That is
 * opaque to the others: they ask the room, by its contract ROOM/ROOM.h. One thread, the loop's, owns all of it. */
#ifndef SKEP_BROKER_H
#define SKEP_BROKER_H

#include <skep/group.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/handles.h"
#include "base/heap.h"
#include "base/reserve.h"
#include "base/why.h"
#include "command.h"
#include "common/container.h"
#include "common/flusher.h"
#include "common/instance.h"
#include "common/table.h"
#include "common/text.h"
#include "common/trace.h"
#include "transport/link.h"
#include "transport/outlet.h"
#include "transport/transport.h"

enum skep__child_state {
#define STATE(id, name) SKEP__CHILD_##id,
#include "worker/states.def"
    SKEP__CHILD_STATES
};

/* What a group's workers and listeners know of it */
struct skep__terms {
    char name[SKEP_MAX_NAME + 1];
    skep_settings *settings; /* copies, owned by the group; the first group's are the cluster's */
    bool policy_frozen;
};

struct skep_child {
    skep_cluster *cluster;
    struct skep__terms *terms; /* its group's */
    uint32_t id;
    uint32_t place; /* number of its slot in the group */
    pid_t pid;
    enum skep__child_state state;
    char name[SKEP_MAX_NAME + 1]; /* as it said in hello */
    char *program;                /* what it was started from */
    uint64_t spawned_ms;          /* the loop's time */
    uint64_t ready_ms;            /* the broker's clock; 0: never */

    bool voluntary;     /* it was asked to leave, or said so */
    bool stood_down;    /* it was asked to leave from outside, and will be replaced */
    bool discarding;    /* it is killed for what it said: its further commands are discarded */
    const char *reason; /* why the broker ends it; NULL: it does not */
    bool exited;
    int exit_code, exit_signal; /* once it has exited; one of the two is -1 */
    struct rusage rusage;

    int link;                   /* the broker's end; -1: closed */
    struct skep_page *page;     /* shared with it */
    struct skep__outlet *inbox; /* what it is sent besides */

    struct skep__subject *subject;   /* of journal/ */
    struct skep__process *process;   /* of worker/ */
    struct skep__taker *taker;       /* of connections/ */
    struct skep__holder *holder;     /* of jobs/ */
    struct skep__talker *talker;     /* of messages/ */
    struct skep__slot *slot;         /* of group/, which outlives it */
    struct skep__progress *progress; /* of hive/ */
    void *data;                      /* the user's */
};

struct skep_cluster {
    uv_loop_t *loop;
    struct skep__clock *clock;
    struct skep__flusher *flusher;
    struct skep__handles handles; /* of all rooms, which are freed when these have closed */
    unsigned trace;
    skep_settings settings; /* owned copies */
    unsigned group_count;   /* if there are several, they are named wherever one is meant */
    bool started, stopping, freed;
    uint64_t started_ms;            /* the loop's time */
    char why[SKEP_MAX_REASON * 2];  /* what went wrong last; "": nothing */
    struct skep__reserve memory;    /* journal/memory.c looks after it */
    struct skep_frame scratch;      /* reused */
    struct skep__instance instance; /* this and the hub: since it started */
    struct skep__hub *hub;

    struct skep__journal *journal;
    struct skep__directory *directory; /* of config/ */
    struct skep__workers *workers;
    struct skep__jobs *jobs;
    struct skep__connections *connections;
    struct skep__groups *groups;
    struct skep__messages *messages;
    struct skep__clients *clients;
    struct skep__hive *hive;
    struct skep__control *control;
};

#endif
