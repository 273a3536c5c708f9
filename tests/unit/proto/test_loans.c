/* SPDX-License-Identifier: MIT
 * Frames that borrow large fields: whatever is borrowed, the bytes are those of a frame that copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <skep/status.h>
#include <stdlib.h>

#include "chance.h"
#include "command.h"
#include "contract.h"

enum { LARGEST = 3 * SKEP_LEAST_LOAN, COMMANDS = 40 };

static char payload[LARGEST];

static struct skep_command message(size_t size_bytes) {
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = {"name", 4}}};
    SKEP_SET(message, &command.message, data, ((struct skep_bytes){payload, size_bytes}));
    return command;
}

static void add_both(struct skep_frame *copies, struct skep_frame *borrows, const struct skep_command *command) {
    assert_int_equal(skep__frame_add(copies, command), SKEP_OK);
    assert_int_equal(skep__frame_add(borrows, command), SKEP_OK);
}

static void expect_same(struct skep_frame *copies, struct skep_frame *borrows) {
    assert_int_equal(skep__frame_bytes(borrows), copies->size_bytes);
    assert_int_equal(skep__frame_settle(borrows), SKEP_OK);
    assert_null(borrows->loans);
    assert_int_equal(borrows->size_bytes, copies->size_bytes);
    assert_memory_equal(borrows->data, copies->data, copies->size_bytes);
    skep__frame_free(copies);
    skep__frame_free(borrows);
}

static int fill_payload(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)(i * 7 + i / 251);
    return 0;
}

static void test_only_what_is_large_is_borrowed(void **state) {
    struct skep_loans loans = {.count = 0};
    struct skep_frame copies = {0}, borrows = {.loans = &loans};
    struct skep_command small = message(SKEP_LEAST_LOAN - 1), large = message(SKEP_LEAST_LOAN);
    (void)state;
    add_both(&copies, &borrows, &small);
    assert_int_equal(loans.count, 0);
    add_both(&copies, &borrows, &large);
    assert_int_equal(loans.count, 1);
    assert_ptr_equal(loans.loans[0].data, payload);
    assert_true(borrows.size_bytes < copies.size_bytes - SKEP_LEAST_LOAN + 1);
    expect_same(&copies, &borrows);
}

static void test_lists(void **state) {
    struct skep_loans loans = {.count = 0};
    struct skep_frame copies = {0}, borrows = {.loans = &loans}, items = {0};
    struct skep_bytes places[3] = {{payload, LARGEST}, {payload, 10}, {payload + 1, LARGEST - 1}};
    struct skep_command jobs = {.id = SKEP_COMMAND_jobs, .jobs = {.queue = {"q", 1}, .delivery = 1, .id = 1}};
    (void)state;
    jobs.jobs.lease_ms = 1;
    jobs.jobs.jobs = (struct skep_list){.count = 3, .borrowed = places};
    add_both(&copies, &borrows, &jobs);
    assert_int_equal(loans.count, 2);
    for (unsigned i = 0; i < 200; i++) assert_int_equal(skep__list_add(&items, payload, 100), SKEP_OK);
    jobs.jobs.jobs = skep__list_of(&items, 200);
    add_both(&copies, &borrows, &jobs);
    assert_int_equal(loans.count, 3); /* a list that was packed before is one loan */
    expect_same(&copies, &borrows);
    skep__frame_free(&items);
}

/* The loans that there is no room for are copied. */
static void test_more_than_can_be_borrowed(void **state) {
    struct skep_loans loans = {.count = 0};
    struct skep_frame copies = {0}, borrows = {.loans = &loans};
    (void)state;
    uint64_t seed = 7;
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct skep_command command = message(chance(&seed, LARGEST));
        add_both(&copies, &borrows, &command);
    }
    assert_int_equal(loans.count, SKEP_MAX_LOANS);
    expect_same(&copies, &borrows);
}

/* A command that is refused gives back what it had borrowed. */
static void test_refused(void **state) {
    static char too_big[SKEP_MAX_PAYLOAD + 1];
    struct skep_loans loans = {.count = 0};
    struct skep_frame copies = {0}, borrows = {.loans = &loans};
    struct skep_bytes places[2] = {{payload, LARGEST}, {too_big, sizeof too_big}};
    struct skep_command jobs = {.id = SKEP_COMMAND_jobs, .jobs = {.queue = {"q", 1}, .delivery = 1, .id = 1}};
    struct skep_command fine = message(LARGEST);
    (void)state;
    jobs.jobs.lease_ms = 1;
    jobs.jobs.jobs = (struct skep_list){.count = 2, .borrowed = places};
    add_both(&copies, &borrows, &fine);
    assert_int_equal(skep__frame_add(&borrows, &jobs), SKEP_ETOOBIG);
    assert_int_equal(loans.count, 1);
    assert_int_equal(loans.size_bytes, LARGEST);
    expect_same(&copies, &borrows);
}

static void test_nothing_borrowed(void **state) {
    struct skep_loans loans = {.count = 0};
    struct skep_frame copies = {0}, borrows = {.loans = &loans};
    struct skep_command small = message(3);
    (void)state;
    add_both(&copies, &borrows, &small);
    expect_same(&copies, &borrows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_large_is_borrowed),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_more_than_can_be_borrowed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nothing_borrowed),
    };
    return cmocka_run_group_tests(tests, fill_payload, NULL);
}
