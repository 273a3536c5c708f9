/* SPDX-License-Identifier: MIT
 * The broker's state. One thread, the loop's, owns all of it. What the functions of each file promise stands in the
 * header of that file's name. */
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
#include "base/signal_mask.h"
#include "command.h"
#include "common/flusher.h"
#include "common/instance.h"
#include "common/table.h"
#include "common/trace.h"
#include "jobs/deliveries.h"
#include "transport/link.h"
#include "transport/outlet.h"
#include "transport/transport.h"
#include "url.h"
#include "worker/program.h"
#include "worker/usage.h"

enum skep__child_state {
#define STATE(id, name) SKEP__CHILD_##id,
#include "worker/states.def"
#undef STATE
    SKEP__CHILD_STATES
};

enum skep__child_signal {
#define SIGNAL(id, name) SKEP__SIGNAL_##id,
#include "worker/states.def"
#undef SIGNAL
    SKEP__SIGNALS
};

/* What a group's workers and listeners know of it */
struct skep__terms {
    char name[SKEP_MAX_NAME + 1];
    skep_settings *settings; /* copies, owned by the group; the first group's are the cluster's */
    bool policy_frozen;
};

struct skep_child {
    TAILQ_ENTRY(skep_child) entry; /* in cluster.children, by id */
    UT_hash_handle by_id, by_pid;
    skep_cluster *cluster;
    struct skep__terms *terms; /* its group's */
    struct skep__slot *slot;   /* of its group */
    uint32_t place;            /* its number there */
    uint32_t id;
    pid_t pid;
    enum skep__child_state state;
    char name[SKEP_MAX_NAME + 1]; /* as it said in hello */
    char *program;                /* what it was started from */
    uint64_t spawned_ms;          /* the loop's time */
    uint64_t ready_ms;            /* the broker's clock; 0: never */
    bool voluntary;               /* it was asked to leave, or said so */
    bool stood_down;              /* it was asked to leave from outside, and will be replaced */
    const char *reason;           /* why the broker ends it; NULL: it does not */
    int exit_code, exit_signal;
    struct rusage rusage; /* once it has exited */
    bool exited;
    struct skep__progress *progress; /* of hive/ */
    bool discarding; /* killed because of its link: its further commands are discarded */

    int pidfd;
    int guard[2]; /* a pipe by which the kernel kills its process group; -1: none */
    uv_poll_t pid_poll;
    int link; /* -1: closed */
    uv_poll_t link_poll;
    int link_events;
    int open_handles;
    bool released; /* freed with its last handle */

    struct skep_page *page; /* shared with it */
    struct skep__alarm watchdog;
    unsigned watchdog_ms; /* as it was when it was welcomed; 0: it is not watched */
    uint64_t beats;       /* at the latest look */
    unsigned silent_looks;

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

    struct skep__output *output; /* NULL: it is not captured, or has ended */

    struct skep__outlet *inbox;

    struct skep__taker *taker; /* of connections/ */
    uint64_t jobs_done;
    struct skep__usage usage;
    struct skep__talker *talker; /* of messages/ */
    uint64_t bad_frames;      /* ever */
    uint64_t bad_frame_ms[2]; /* when the latest two came, by bad_frames modulo 2 */

    struct skep__subject *subject; /* of journal/ */
    void *data;
};

struct skep_cluster {
    struct skep__clock *clock;
    uv_loop_t *loop;
    uv_loop_t own_loop;
    bool owns_loop;
    struct skep__handles handles; /* timers and signals of all rooms, which are freed after them */
    bool freed;
    unsigned trace;
    char why[SKEP_MAX_REASON * 2];

    skep_settings settings; /* owned copies */
    char default_name[SKEP_MAX_NAME + 1];
    bool started;
    bool stopping;
    uint64_t started_ms;

    struct skep__instance instance;
    int lock;
    pid_t left_by; /* the broker that had the directory before, or 0 */
    uint64_t left_generation;
    bool ephemeral; /* the directory goes with the broker */

    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep_frame scratch; /* reused */

    const struct skep__worker_events *worker_events;
    TAILQ_HEAD(, skep_child) children;
    skep_child *by_id, *by_pid;
    uint32_t next_child;
    size_t child_count;
    struct skep__groups *groups;
    unsigned group_count; /* if there are several, they are named wherever one is meant */

    struct rlimit files;                /* RLIMIT_NOFILE as the broker was started with; it is the workers' */
    struct skep__reserve memory;

    struct skep__journal *journal;

    skep_log_cb log_callback; /* NULL: none */
    void *log_context;

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

    struct skep__connections *connections;
    struct skep__clients *clients;

    uv_idle_t usage_idle; /* runs while workers are left to look at */
    uint64_t usage_began_ms;
    void (*usage_fresh)(skep_cluster *cluster);

    struct skep__messages *messages;

    uv_timer_t interval_timer;
    struct skep__signal_mask child_mask; /* of child_signal */
    bool adopts;              /* processes that workers leave behind become children of this one */
    uv_signal_t child_signal; /* if it adopts */
    pid_t *own_children;      /* that this process had before */
    size_t own_child_count;

    struct skep__hive *hive;
    struct skep__control *control;

    /* ledger: totals since the start */
    uint64_t bad_frames;
};

/* What precedes the first fork of a group: the cluster starts, unless it stops. Errors: SKEP_ESTATE (stopping),
 * SKEP_EINVAL, and those of skep_cluster_start. */
SKEP_MUST_USE int skep__cluster_begin(skep_cluster *cluster, struct skep__terms *terms);

#endif
