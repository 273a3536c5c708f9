/* SPDX-License-Identifier: MIT
 * Jobs on a disk that loses power, at any operation: what was accepted is there, and what is done does not come back.
 */
#include "broker/disk_scene.h"
#include "broker/losing_disk.h"

enum { ROUNDS = 60, LIVES = 3, STEPS = 12, JOBS = 1024, MOST_BYTES = 9000, OPERATIONS = 600 };

/* What a submitter knows of a job; by its id */
enum known { UNKNOWN, ACCEPTED, ASKED_TO_END, DONE, ASKED_TO_DIE, DEAD };

static struct round {
    uint64_t seed;
    unsigned char known[JOBS];
    unsigned char at_cut[JOBS]; /* when the power went */
    unsigned sizes[JOBS];
} * this_round;

static void note_cut(void) {
    memcpy(this_round->at_cut, this_round->known, sizeof this_round->known);
}

/* --- what happens --- */

static void offer_answered(struct skep__put *put, const struct skep__answer *answer) {
    one_put_answered(put, answer);
    const struct one_put *one = SKEP_CONTAINER(put, struct one_put, put);
    assert_int_equal(answer->status, SKEP_OK);
    assert_true(answer->id < JOBS);
    this_round->known[answer->id] = ACCEPTED;
    this_round->sizes[answer->id] = (unsigned)one->data.size_bytes;
}

static void put_some(struct scene *scene) {
    static const char text[MOST_BYTES];
    struct one_put puts[8];
    const size_t count = 1 + chance(&this_round->seed, 8);
    for (size_t i = 0; i < count; i++) {
        struct skep__submission s = submission_of("");
        s.data = text;
        s.size_bytes = chance(&this_round->seed, 4) == 0 ? chance(&this_round->seed, MOST_BYTES) : 20;
        one_put_init(&puts[i], &s);
        puts[i].put.answered = offer_answered;
        skep__jobs_submit(scene->bench.cluster->jobs, scene->bench.queue, &puts[i].batch, &puts[i].put);
    }
    later_settle(scene->bench.cluster);
}

/* Jobs end, or are tried again; all by one commit. */
static void change_some(struct scene *scene) {
    static const struct skep_bytes none = {0};
    struct skep__store *store = scene->bench.cluster->jobs->store;
    const uint64_t now_ms = skep__clock_ms(scene->bench.cluster->clock);
    uint64_t changed[8];
    size_t count = 0;
    for (struct skep__job *job; count < 8 && (job = store->kind->first(scene->bench.queue->shelf)) != NULL;) {
        const uint64_t id = job->id;
        store->kind->reserve(store, job, now_ms);
        job->attempt++;
        switch (chance(&this_round->seed, 4)) {
        case 0: store->kind->retry(store, job, now_ms, now_ms); continue;
        case 1:
            this_round->known[id] = ASKED_TO_DIE;
            store->kind->bury(store, job, "refused", NULL, &none, now_ms);
            break;
        default:
            this_round->known[id] = ASKED_TO_END;
            store->kind->ack(store, job, &none, now_ms);
            break;
        }
        changed[count++] = id;
    }
    later_settle(scene->bench.cluster);
    for (size_t i = 0; i < count; i++) this_round->known[changed[i]]++; /* DONE, DEAD */
}

static void live(struct scene *scene) {
    for (unsigned step = 0; step < STEPS && !losing.is_cut; step++) {
        if (chance(&this_round->seed, 2) == 0) put_some(scene);
        else change_some(scene);
    }
}

/* --- what is there --- */

static void look(const struct scene *scene, enum skep__job_state state, unsigned char found[JOBS]) {
    const struct skep__store *store = scene->bench.cluster->jobs->store;
    for (const struct skep__job *job = NULL;
         (job = store->kind->next(scene->bench.cluster->jobs->store, scene->bench.queue->shelf, state, job)) != NULL;) {
        assert_true(job->id < JOBS);
        assert_int_equal(found[job->id], 0);
        if (this_round->at_cut[job->id] != UNKNOWN) assert_int_equal(job->size_bytes, this_round->sizes[job->id]);
        found[job->id] = (unsigned char)(1 + state);
    }
}

static void check(const struct scene *scene) {
    unsigned char found[JOBS] = {0};
    look(scene, SKEP__JOB_READY, found);
    look(scene, SKEP__JOB_DELAYED, found);
    look(scene, SKEP__JOB_DEAD, found);
    for (unsigned id = 0; id < JOBS; id++) {
        switch ((enum known)this_round->at_cut[id]) {
        case ACCEPTED: assert_int_equal(found[id], 1 + SKEP__JOB_READY); break;
        case DONE: assert_int_equal(found[id], 0); break;
        case ASKED_TO_DIE: assert_int_not_equal(found[id], 0); break;
        case DEAD: assert_int_equal(found[id], 1 + SKEP__JOB_DEAD); break;
        case ASKED_TO_END:
        case UNKNOWN: break;
        }
    }
}

static void lose_power(struct pump *pump, uint64_t seed) {
    struct round round = {.seed = seed};
    struct scene scene;
    this_round = &round;
    losing_disk_reset(seed, 1 + (unsigned)chance(&round.seed, OPERATIONS), note_cut);
    for (unsigned i = 0; !losing.is_cut && i < LIVES; i++) {
        start(&scene, pump);
        losing_disk_directory_synced();
        live(&scene);
        stop(&scene);
    }
    if (losing.is_cut) {
        losing_disk_take();
        losing.cut_at = 0;
        start(&scene, pump);
        check(&scene);
        stop(&scene);
    }
    pump_remove(scene.dir);
}

static void test_power_goes_at_any_moment(void **state) {
    for (unsigned i = 1; i <= ROUNDS; i++) lose_power(*state, i * UINT64_C(0x9e3779b97f4a7c15));
    losing_disk_reset(1, 0, note_cut);
}

int main(void) {
    losing_disk_install();
    const struct CMUnitTest tests[] = {PUMP_TEST(test_power_goes_at_any_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
