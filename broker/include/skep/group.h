/* SPDX-License-Identifier: MIT
 * Groups of workers: one broker, several programs. Each group has its own program, number of workers, policy,
 * listeners, and settings of restart, drain, watchdog and breaker; it is scaled, reloaded and broken by itself. The
 * cluster has one from the beginning, which the functions of skep/cluster.h are about; its workers, queues, messages
 * and events are common to all groups. */
#ifndef SKEP_GROUP_H
#define SKEP_GROUP_H

#include <skep/cluster.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed from the cluster; valid until that is freed. */
typedef struct skep_group skep_group;

/* Adds a group without workers. The name has 1 to 64 letters, digits, '.', '-' and '_', begins with a letter or '_',
 * and is no other group's. In settings, which may be NULL, what belongs to the cluster must be 0: name, dir, group,
 * interval_ms, adopt, log_bytes, lease_ms, attempts, deaths, dedup_ms, queue_jobs, queue_bytes and jobs_bytes; what
 * else is 0 has its default, not what the first group has. *group is NULL on failure.
 * Errors: SKEP_EINVAL, SKEP_ESTATE (stopping), SKEP_ENOMEM. */
SKEP_MUST_USE int skep_group_new(skep_cluster *cluster, const char *name, const skep_settings *settings,
                                 skep_group **group);

/* As skep_setup_primary: changes what is not 0, for later forks. Errors: the same. */
SKEP_MUST_USE int skep_group_setup(skep_group *group, const skep_settings *settings);

/* The group that the cluster has from the beginning. */
skep_group *skep_cluster_group(const skep_cluster *cluster);

/* The group of a name; NULL: there is none. */
skep_group *skep_group_by_name(const skep_cluster *cluster, const char *name);

/* The group after this one, in the order in which they were made; the first if group is NULL. NULL: no more. */
skep_group *skep_group_next(const skep_cluster *cluster, const skep_group *group);

/* Name of a group; borrowed. */
const char *skep_group_name(const skep_group *group);

/* Settings with the defaults filled in; borrowed until they are changed. */
const skep_settings *skep_group_settings(const skep_group *group);

/* The group of a worker. */
skep_group *skep_child_group(const skep_child *child);

/* As skep_fork, with the group's program. */
SKEP_MUST_USE int skep_group_fork(skep_group *group, const char *const *env, skep_child **child);

/* As skep_cluster_listen, for the workers of this group. Errors: the same, and SKEP_EADDRINUSE (also if another group
 * listens there: a listener is one group's). */
SKEP_MUST_USE int skep_group_listen(skep_group *group, const char *name, const char *url, const char **bound);

/* As skep_cluster_scale; the limit of 1,000 workers is that of all groups together. */
SKEP_MUST_USE int skep_group_scale(skep_group *group, unsigned workers);

/* All its workers finish what they have and leave, and none is replaced: skep_group_scale to 0. Errors: the same. */
SKEP_MUST_USE int skep_group_drain(skep_group *group);

/* As skep_cluster_wanted. */
unsigned skep_group_wanted(const skep_group *group);

/* As skep_cluster_reload and skep_cluster_reload_request; the numbers are the group's own. */
SKEP_MUST_USE int skep_group_reload(skep_group *group, const skep_reload_options *options);
uint64_t skep_group_reload_request(const skep_group *group);

/* As skep_cluster_close_breaker. */
void skep_group_close_breaker(skep_group *group);

#ifdef __cplusplus
}
#endif
#endif
