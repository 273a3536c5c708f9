/* SPDX-License-Identifier: MIT
 * The flusher: each mark is flushed once, at the end of the loop's iteration. */
#include "lib/pump.h"

#include "common/flusher.h"

struct thing {
    struct skep__flush flush; /* first member */
    struct skep__flusher *flusher;
    unsigned flushed;
    unsigned again;     /* times it marks itself while it is flushed */
    struct thing *drop; /* unmarked while this one is flushed */
    char *order;        /* where it writes its name */
    char name;
};

static void flush_thing(struct skep__flush *flush) {
    struct thing *thing = (struct thing *)flush;
    thing->flushed++;
    if (thing->order != NULL) thing->order[strlen(thing->order)] = thing->name;
    if (thing->drop != NULL) skep__flusher_unmark(thing->flusher, &thing->drop->flush);
    if (thing->again > 0) {
        thing->again--;
        skep__flusher_mark(thing->flusher, &thing->flush);
    }
}

static struct thing thing_of(struct skep__flusher *flusher, char name) {
    return (struct thing){.flush = {.flush = flush_thing}, .flusher = flusher, .name = name};
}

static struct skep__flusher *new_flusher(struct pump *pump) {
    struct skep__flusher *flusher = NULL;
    assert_int_equal(skep__flusher_new(&flusher, &pump->loop), SKEP_OK);
    return flusher;
}

static void test_once_an_iteration(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    struct thing thing = thing_of(flusher, 'a');
    for (unsigned i = 0; i < 5; i++) skep__flusher_mark(flusher, &thing.flush);
    assert_int_equal(thing.flushed, 0);
    pump_turns(pump, 1);
    assert_int_equal(thing.flushed, 1);
    pump_turns(pump, 3);
    assert_int_equal(thing.flushed, 1);
    skep__flusher_mark(flusher, &thing.flush);
    pump_turns(pump, 1);
    assert_int_equal(thing.flushed, 2);
    skep__flusher_free(&flusher);
    assert_null(flusher);
    skep__flusher_free(&flusher);
}

/* A mark made while flushing waits for the next iteration: the loop is not starved. */
static void test_marked_while_flushing(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    struct thing thing = thing_of(flusher, 'a');
    thing.again = 2;
    skep__flusher_mark(flusher, &thing.flush);
    for (unsigned i = 1; i <= 3; i++) {
        pump_turns(pump, 1);
        assert_int_equal(thing.flushed, i);
    }
    pump_turns(pump, 1);
    assert_int_equal(thing.flushed, 3);
    skep__flusher_free(&flusher);
}

static void test_in_the_order_of_marks(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    char order[8] = "";
    struct thing things[3];
    for (unsigned i = 0; i < 3; i++) {
        things[i] = thing_of(flusher, (char)('a' + i));
        things[i].order = order;
    }
    skep__flusher_mark(flusher, &things[2].flush);
    skep__flusher_mark(flusher, &things[0].flush);
    skep__flusher_mark(flusher, &things[1].flush);
    skep__flusher_mark(flusher, &things[2].flush);
    pump_turns(pump, 1);
    assert_string_equal(order, "cab");
    skep__flusher_free(&flusher);
}

static void test_unmarked(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    struct thing first = thing_of(flusher, 'a'), second = thing_of(flusher, 'b'), third = thing_of(flusher, 'c');
    skep__flusher_unmark(flusher, &first.flush);
    skep__flusher_mark(flusher, &first.flush);
    skep__flusher_unmark(flusher, &first.flush);
    second.drop = &third; /* as if it freed it */
    skep__flusher_mark(flusher, &second.flush);
    skep__flusher_mark(flusher, &third.flush);
    pump_turns(pump, 2);
    assert_int_equal(first.flushed, 0);
    assert_int_equal(second.flushed, 1);
    assert_int_equal(third.flushed, 0);
    skep__flusher_free(&flusher);
}

/* The loop stays alive and awake for what is marked, and for nothing else. */
static void test_keeps_the_loop_while_marked(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    struct thing thing = thing_of(flusher, 'a');
    assert_int_equal(uv_loop_alive(&pump->loop), 0);
    thing.again = 3;
    skep__flusher_mark(flusher, &thing.flush);
    assert_int_not_equal(uv_loop_alive(&pump->loop), 0);
    uv_run(&pump->loop, UV_RUN_DEFAULT);
    assert_int_equal(thing.flushed, 4);
    assert_int_equal(uv_loop_alive(&pump->loop), 0);
    skep__flusher_free(&flusher);
}

static void test_freed_while_marked(void **state) {
    struct pump *pump = *state;
    struct skep__flusher *flusher = new_flusher(pump);
    struct thing thing = thing_of(flusher, 'a');
    skep__flusher_mark(flusher, &thing.flush);
    skep__flusher_free(&flusher);
    pump_turns(pump, 2);
    assert_int_equal(thing.flushed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_once_an_iteration),           PUMP_TEST(test_marked_while_flushing),
        PUMP_TEST(test_in_the_order_of_marks),       PUMP_TEST(test_unmarked),
        PUMP_TEST(test_keeps_the_loop_while_marked), PUMP_TEST(test_freed_while_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
