/* SPDX-License-Identifier: MIT
 * A broker under test whose jobs are on a disk, and that starts again. */
#ifndef SKEP_TESTS_DISK_SCENE_H
#define SKEP_TESTS_DISK_SCENE_H

#include "broker/visitor.h"
#include "jobs/disk/private.h"

struct scene {
    struct bench bench;
    char dir[SKEP_MAX_DIR + 1];
    char path[SKEP_MAX_DIR + 16]; /* of the file */
};

static inline void start_with(struct scene *scene, struct pump *pump, skep_settings settings) {
    snprintf(scene->dir, sizeof scene->dir, "%s.disk", pump->dir);
    snprintf(scene->path, sizeof scene->path, "%s/jobs.db", scene->dir);
    settings.jobs_dir = scene->dir;
    scene->bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, &settings)};
    assert_int_equal(skep_cluster_start(scene->bench.cluster), SKEP_OK);
    scene->bench.queue = skep__queues_get(scene->bench.cluster->jobs->queues, "q", 1);
    assert_non_null(scene->bench.queue);
}

static inline void start(struct scene *scene, struct pump *pump) {
    start_with(scene, pump, (skep_settings){0});
}

static inline void stop(struct scene *scene) {
    hatch_free(scene->bench.pump, &scene->bench.cluster);
}

static inline void copy_file(const char *from, const char *to) {
    char block[4096];
    FILE *source = fopen(from, "re"), *copy = fopen(to, "we");
    assert_non_null(source);
    assert_non_null(copy);
    for (size_t n; (n = fread(block, 1, sizeof block, source)) > 0;) assert_int_equal(fwrite(block, 1, n, copy), n);
    assert_int_equal(fclose(copy), 0);
    fclose(source);
}

/* As if the process had been killed: the files are as the last commit has left them. child: NULL: no worker is there.
 */
static inline void crash_with(struct scene *scene, skep_child *child) {
    static const char *const names[] = {"jobs.db", "jobs.db-wal"};
    char kept[2][SKEP_MAX_DIR + 32], path[SKEP_MAX_DIR + 32];
    later_settle(scene->bench.cluster);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", scene->dir, names[i]);
        snprintf(kept[i], sizeof kept[i], "%s.%s", scene->dir, names[i]);
        copy_file(path, kept[i]);
    }
    if (child != NULL) bench_dismiss(child);
    stop(scene);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", scene->dir, names[i]);
        assert_int_equal(rename(kept[i], path), 0);
    }
}

static inline void crash(struct scene *scene) {
    crash_with(scene, NULL);
}

static inline void end(struct scene *scene) {
    stop(scene);
    pump_remove(scene->dir);
}

static inline struct skep__submission submission_of(const char *text) {
    return (struct skep__submission){
        .data = text, .size_bytes = strlen(text), .attempts = 5, .priority = SKEP__PRIORITY_MIDDLE};
}

static inline uint64_t put(struct scene *scene, struct skep__submission submission) {
    uint64_t id = 0;
    assert_int_equal(ledger_put(scene->bench.cluster, scene->bench.queue, &submission, &id), SKEP_OK);
    return id;
}

static inline struct skep__job *find(const struct scene *scene, uint64_t id) {
    return skep__jobs_find(scene->bench.cluster->jobs, id);
}

static inline void assert_job(const struct scene *scene, uint64_t id, const char *text, enum skep__job_state state) {
    const struct skep__job *job = find(scene, id);
    assert_non_null(job);
    assert_int_equal(job->size_bytes, strlen(text));
    assert_memory_equal(job->data, text, job->size_bytes);
    assert_int_equal(job->state, state);
}

#endif
