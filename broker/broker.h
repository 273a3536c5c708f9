/* SPDX-License-Identifier: MIT
 * What every room is given: the broker, its workers, and in both the names of what each room has of them. That is
 * opaque to the others: they ask the room, by its contract ROOM/ROOM.h. One thread, the loop's, owns all of it. */
#ifndef SKEP_BROKER_H
#define SKEP_BROKER_H

#include <skep/group.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <uv.h>

#include "base/clock.h"
#include "base/handles.h"
#include "base/heap.h"
#include "base/reserve.h"
#include "command.h"
#include "common/flusher.h"
#include "common/instance.h"
#include "common/table.h"
#include "common/trace.h"
#include "jobs/deliveries.h"
#include "transport/link.h"
#include "transport/outlet.h"
#include "transport/transport.h"

enum skep__child_state {
#define STATE(id, name) SKEP__CHILD_##id,
#include "worker/states.def"
#undef STATE
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

    LIST_HEAD(, skep__consumer) consumers; /* its places at queues */
    struct skep__deliveries deliveries;    /* the jobs that it has */
    size_t held_bytes;                     /* their payloads */
    bool stalled; /* the lease of one has ended: it gets no more until it answers, if there is another worker */
    uint64_t silent_since_ms; /* when that was, if it has answered nothing since, by the clock; 0: it has */
    bool lagging; /* it did not begin in time what it was sent: idle ones come first, for lag_ms or until it answers */
    unsigned lag_ms;                /* twice as long each time; 0: it has answered since */
    bool inbox_full;                /* until it drains */
    struct skep__alarm jobs_alarm;  /* after the end of its link */
    struct skep__alarm lease_alarm; /* when the first of its leases may end */
    struct skep__alarm lag_alarm;   /* set while it is lagging */
    uint64_t jobs_given_back;       /* by its death */
    uint64_t jobs_done;

    struct skep__subject *subject;   /* of journal/ */
    struct skep__process *process;   /* of worker/ */
    struct skep__taker *taker;       /* of connections/ */
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

    struct skep__store *store;
    struct skep__queues *queues; /* of the store */
    const struct skep__job_events *job_events;
    SLIST_HEAD(, skep__queue_settings) queue_settings;
    struct skep__alarm ledger_alarm;            /* when something in the store is due */
    struct skep__alarm balance_alarm;           /* when jobs that were sent ahead have waited for long enough */
    struct skep_bytes run_items[SKEP_MAX_LIST]; /* of the jobs command being made */
    struct skep__alarm dead_alarm;              /* while it is set, dead letters were announced a moment ago */
    uint64_t dead_unsaid;                       /* dead letters since then */
    char dead_text[SKEP_MAX_REASON + 1];        /* about these */
    uint64_t stray_answers;                     /* to deliveries that a worker did not have, ever */
    uint64_t keys_forgotten_said;               /* store.forgotten_early at the latest report of it, */
    uint64_t keys_said_ms;                      /* and when that was; 0: never */
    uint64_t store_said_ms;                     /* when it was last said that the store is in trouble; 0: never */
    struct skep__flush lost_flush;              /* says which jobs a stop has left */

    struct skep__journal *journal;
    struct skep__directory *directory; /* of config/ */
    struct skep__workers *workers;
    struct skep__connections *connections;
    struct skep__groups *groups;
    struct skep__messages *messages;
    struct skep__clients *clients;
    struct skep__hive *hive;
    struct skep__control *control;
};

#endif
