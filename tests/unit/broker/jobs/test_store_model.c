/* SPDX-License-Identifier: MIT
 * The store in memory against a naive model: a table of jobs that is searched through for everything. */
#include "broker/shelf.h"

enum { STEPS = 40000, MOST = 300, QUEUES = 3, LOOK = 500 };

/* A job as it should be. rank orders the ready ones of a priority: smaller ones come first. */
struct model_job {
    struct skep__job *job;
    int64_t rank;
    uint64_t id, at_ms, expires_ms;
    unsigned queue;
    enum skep__job_state state;
    uint8_t priority;
    unsigned attempt;
    bool begun; /* as the store has been told */
};

struct model {
    struct shelf shelf;
    struct skep__store *store;
    const struct skep__store_kind *kind;
    struct skep__queue *queues[QUEUES];
    struct model_job jobs[MOST];
    unsigned count;
    int64_t front, back; /* ranks */
    uint64_t now_ms, next_id;
    uint64_t done[QUEUES];
    unsigned seed;
};

static unsigned chance(struct model *model, unsigned limit) {
    model->seed = model->seed * 1103515245u + 12345u;
    return (model->seed >> 16) % limit;
}

/* --- the model's view --- */

static struct model_job *of_job(struct model *model, const struct skep__job *job) {
    for (unsigned i = 0; i < model->count; i++)
        if (model->jobs[i].job == job) return &model->jobs[i];
    return NULL;
}

static bool comes_before(const struct model_job *a, const struct model_job *b) {
    return a->priority != b->priority ? a->priority < b->priority : a->rank < b->rank;
}

static const struct model_job *first_ready(const struct model *model, unsigned queue) {
    const struct model_job *first = NULL;
    for (unsigned i = 0; i < model->count; i++) {
        const struct model_job *m = &model->jobs[i];
        if (m->state != SKEP__JOB_READY || m->queue != queue) continue;
        if (first == NULL || comes_before(m, first)) first = m;
    }
    return first;
}

static bool can_expire(const struct model_job *m) {
    return m->expires_ms != 0 && !m->begun && m->state != SKEP__JOB_DEAD;
}

static uint64_t next_ms(const struct model *model) {
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < model->count; i++) {
        const struct model_job *m = &model->jobs[i];
        if (m->state == SKEP__JOB_DELAYED && m->at_ms < next) next = m->at_ms;
        if (can_expire(m) && m->expires_ms < next) next = m->expires_ms;
    }
    return next;
}

static uint64_t count_of(const struct model *model, unsigned queue, enum skep__job_state state) {
    uint64_t count = 0;
    for (unsigned i = 0; i < model->count; i++) count += model->jobs[i].queue == queue && model->jobs[i].state == state;
    return count;
}

static struct model_job *any(struct model *model, enum skep__job_state state) {
    if (model->count == 0) return NULL;
    unsigned from = chance(model, model->count);
    for (unsigned i = 0; i < model->count; i++) {
        struct model_job *m = &model->jobs[(from + i) % model->count];
        if (m->state == state) return m;
    }
    return NULL;
}

static void forget(struct model *model, struct model_job *m) {
    *m = model->jobs[--model->count];
}

static void to_ready(struct model *model, struct model_job *m, bool first) {
    m->state = SKEP__JOB_READY;
    m->rank = first ? --model->front : ++model->back;
}

/* --- steps --- */

/* Where the new job is: behind all others, wherever that is. */
static struct skep__job *find_new(struct model *model, unsigned queue, enum skep__job_state state, uint64_t id) {
    struct skep__job *job = NULL;
    do job = model->kind->next(model->store, model->queues[queue]->shelf, state, job);
    while (job != NULL && job->id != id);
    assert_non_null(job);
    return job;
}

static void put(struct model *model) {
    static const uint8_t priorities[] = {0, 63, 64, 128, 128, 128, 255};
    if (model->count == MOST) return;
    unsigned queue = chance(model, QUEUES);
    struct skep__submission s = {.data = "0123456789",
                                 .size_bytes = chance(model, 10),
                                 .attempts = 3,
                                 .priority = priorities[chance(model, sizeof priorities)]};
    if (chance(model, 3) == 0) s.delay_ms = 10 * (1 + chance(model, 20)); /* many have the same time */
    if (chance(model, 3) == 0) s.ttl_ms = 1 + chance(model, 300);
    uint64_t id = 0;
    assert_int_equal(store_put(model->store, model->queues[queue], &s, model->now_ms, &id), SKEP_OK);
    assert_int_equal(id, ++model->next_id);
    struct model_job *m = &model->jobs[model->count++];
    *m = (struct model_job){.id = id, .queue = queue, .priority = s.priority};
    if (s.ttl_ms != 0) m->expires_ms = model->now_ms + s.ttl_ms;
    to_ready(model, m, false);
    if (s.delay_ms != 0) m->state = SKEP__JOB_DELAYED, m->at_ms = model->now_ms + s.delay_ms;
    m->job = find_new(model, queue, m->state, id);
}

static void reserve(struct model *model) {
    unsigned queue = chance(model, QUEUES);
    struct skep__job *job = model->kind->first(model->queues[queue]->shelf);
    if (job == NULL) return;
    struct model_job *m = of_job(model, job);
    model->kind->reserve(model->store, job, model->now_ms);
    job->attempt++;
    m->attempt++;
    m->state = SKEP__JOB_RESERVED;
    m->at_ms = model->now_ms;
}

static void answer(struct model *model, struct model_job *m) {
    switch (chance(model, 4)) {
    case 0:
        store_ack(model->store, m->job, 0);
        model->done[m->queue]++;
        forget(model, m);
        break;
    case 1:
        model->kind->begun(model->store, m->job);
        m->begun = true;
        break;
    case 2:
        m->attempt -= chance(model, 2); /* it may be given back unbegun */
        m->job->attempt = m->attempt;
        m->begun = m->begun || m->attempt > 0;
        model->kind->recover(model->store, m->job);
        to_ready(model, m, true);
        break;
    default: {
        uint64_t due_ms = model->now_ms + (uint64_t)chance(model, 2) * chance(model, 200);
        model->kind->retry(model->store, m->job, model->now_ms, due_ms);
        m->begun = true;
        to_ready(model, m, false);
        if (due_ms > model->now_ms) m->state = SKEP__JOB_DELAYED, m->at_ms = due_ms;
    }
    }
}

static void answer_any(struct model *model) {
    struct model_job *m = any(model, SKEP__JOB_RESERVED);
    if (m != NULL) answer(model, m);
}

static void bury_any(struct model *model) {
    struct model_job *m = any(model, chance(model, 3)); /* ready, reserved or delayed */
    if (m == NULL) return;
    store_bury(model->store, m->job, "attempts", calloc(1, sizeof(struct skep__death) + 1), 0);
    m->state = SKEP__JOB_DEAD;
}

static void raise_or_drop(struct model *model) {
    struct model_job *m = any(model, SKEP__JOB_DEAD);
    if (m == NULL) return;
    if (chance(model, 2) == 0) {
        model->kind->drop(model->store, m->job);
        forget(model, m);
        return;
    }
    model->kind->revive(model->store, m->job, model->now_ms);
    m->expires_ms = 0;
    m->attempt = 0;
    to_ready(model, m, false);
}

static void check_expired(struct model *model) {
    struct skep__job *job;
    while ((job = model->kind->expired(model->store, model->now_ms)) != NULL) {
        struct model_job *m = of_job(model, job);
        assert_true(can_expire(m) && m->expires_ms <= model->now_ms);
        if (m->state == SKEP__JOB_RESERVED && chance(model, 2) == 0) {
            model->kind->begun(model->store, job);
            m->begun = true;
            continue;
        }
        store_bury(model->store, job, "attempts", NULL, 0);
        m->state = SKEP__JOB_DEAD;
    }
}

/* The delayed job that comes first, of all queues: those of one time come in the order of their acceptance. */
static struct model_job *first_delayed(struct model *model) {
    struct model_job *first = NULL;
    for (unsigned i = 0; i < model->count; i++) {
        struct model_job *m = &model->jobs[i];
        if (m->state != SKEP__JOB_DELAYED) continue;
        if (first == NULL || m->at_ms < first->at_ms || (m->at_ms == first->at_ms && m->id < first->id)) first = m;
    }
    return first;
}

static void check_ripe(struct model *model) {
    for (struct model_job *m; (m = first_delayed(model)) != NULL && m->at_ms <= model->now_ms;) {
        assert_ptr_equal(model->kind->ripen(model->store, model->now_ms), model->queues[m->queue]);
        assert_int_equal(m->job->state, SKEP__JOB_READY);
        to_ready(model, m, false);
    }
    assert_null(model->kind->ripen(model->store, model->now_ms));
}

static void pass_time(struct model *model) {
    model->now_ms += chance(model, 10);
    check_expired(model);
    check_ripe(model);
}

/* --- comparing --- */

static void compare_counts(const struct model *model) {
    for (unsigned q = 0; q < QUEUES; q++) {
        const struct skep__queue *queue = model->queues[q];
        assert_int_equal(queue->shelf->ready_count, count_of(model, q, SKEP__JOB_READY));
        assert_int_equal(queue->shelf->reserved_count, count_of(model, q, SKEP__JOB_RESERVED));
        assert_int_equal(queue->shelf->delayed_count, count_of(model, q, SKEP__JOB_DELAYED));
        assert_int_equal(queue->shelf->dead_count, count_of(model, q, SKEP__JOB_DEAD));
        assert_int_equal(queue->shelf->done, model->done[q]);
    }
}

static void compare(const struct model *model) {
    for (unsigned q = 0; q < QUEUES; q++) {
        const struct model_job *expected = first_ready(model, q);
        assert_ptr_equal(model->kind->first(model->queues[q]->shelf), expected != NULL ? expected->job : NULL);
    }
    assert_int_equal(model->kind->next_ms(model->store), next_ms(model));
}

/* All jobs, by walking: each is there once, in the state that it should be in, ready ones in their order. */
static void compare_walk(struct model *model) {
    unsigned seen = 0;
    compare_counts(model);
    for (unsigned q = 0; q < QUEUES; q++)
        for (enum skep__job_state state = SKEP__JOB_READY; state <= SKEP__JOB_DEAD; state++) {
            const struct model_job *before = NULL;
            struct skep__job *job = NULL;
            while ((job = model->kind->next(model->store, model->queues[q]->shelf, state, job)) != NULL) {
                const struct model_job *m = of_job(model, job);
                assert_non_null(m);
                assert_int_equal(m->state, state);
                assert_int_equal(m->id, job->id);
                if (before != NULL && state == SKEP__JOB_READY) assert_true(comes_before(before, m));
                before = m;
                seen++;
            }
        }
    assert_int_equal(seen, model->count);
}

static void step(struct model *model) {
    switch (chance(model, 12)) {
    case 0:
    case 1:
    case 2: put(model); break;
    case 3:
    case 4:
    case 5: reserve(model); break;
    case 6:
    case 7:
    case 8: answer_any(model); break;
    case 9: bury_any(model); break;
    case 10: raise_or_drop(model); break;
    default: pass_time(model);
    }
}

static void open_model(struct model *model, unsigned seed) {
    static const struct skep__store_limits limits = {
        .queue_jobs = UINT64_MAX, .queue_bytes = SIZE_MAX, .bytes = SIZE_MAX, .dedup_ms = 1000};
    *model = (struct model){.seed = seed};
    model->shelf = shelf_of(&limits);
    model->store = model->shelf.store;
    model->kind = model->shelf.kind;
    for (unsigned q = 0; q < QUEUES; q++)
        model->queues[q] = skep__queues_get(model->shelf.queues, (const char *)&"abc"[q], 1);
}

static void try_seed(unsigned seed) {
    static struct model model;
    open_model(&model, seed);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&model);
        compare(&model);
        if (i % LOOK == 0) compare_walk(&model);
    }
    compare_walk(&model);
    while (model.count > 0) { /* nothing is left of the memory either */
        struct model_job *m = &model.jobs[0];
        model.kind->drop(model.store, m->job);
        forget(&model, m);
    }
    for (unsigned q = 0; q < QUEUES; q++) assert_int_equal(model.queues[q]->shelf->bytes, 0);
    compare_walk(&model);
    shelf_close(&model.shelf);
}

static void test_one_life(void **state) {
    (void)state;
    try_seed(1);
}

static void test_another_life(void **state) {
    (void)state;
    try_seed(20250707);
}

/* Freeing costs no more for jobs of many queues that were reserved in turn: with a search for each it would take
 * minutes. */
static void test_freeing_reserved_jobs_of_many_queues(void **state) {
    enum { JOBS = 240000 };
    static struct model model;
    struct skep__submission s = {.data = "", .attempts = 3, .priority = SKEP__PRIORITY_MIDDLE};
    uint64_t id;
    (void)state;
    open_model(&model, 1);
    for (unsigned i = 0; i < JOBS; i++) {
        struct skep__queue *queue = model.queues[i % QUEUES];
        assert_int_equal(store_put(model.store, queue, &s, 0, &id), SKEP_OK);
        model.kind->reserve(model.store, model.kind->first(queue->shelf), 0);
    }
    shelf_close(&model.shelf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_life),
        cmocka_unit_test(test_another_life),
        cmocka_unit_test(test_freeing_reserved_jobs_of_many_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
