/* SPDX-License-Identifier: MIT
 * What both transports stand on: whom a hub trusts, a second try for memory, addresses. */
#include "lib/pump.h"
#include "scarce.h"

#include <sys/un.h>

#include "transport/private.h"

enum { STRANGER = 60000 }; /* and those after it: users that are neither this process's nor root */

/* --- trust --- */

static void test_trusted_users(void **state) {
    struct skep__hub hub = {.trusted_count = 0};
    (void)state;
    assert_true(skep__hub_trusts(&hub, geteuid()) && skep__hub_trusts(&hub, 0));
    assert_false(skep__hub_trusts(&hub, STRANGER));
    for (unsigned i = 0; i < SKEP__MAX_TRUSTED; i++) assert_true(skep__hub_trust(&hub, STRANGER + i));
    for (unsigned i = 0; i < SKEP__MAX_TRUSTED; i++) assert_true(skep__hub_trusts(&hub, STRANGER + i));
    assert_false(skep__hub_trust(&hub, STRANGER + SKEP__MAX_TRUSTED));
    assert_false(skep__hub_trusts(&hub, STRANGER + SKEP__MAX_TRUSTED));
    assert_true(skep__hub_trust(&hub, STRANGER)); /* it is there already */
    assert_false(skep__is_own_user(STRANGER));
}

/* One that needs no place takes none. */
static void test_own_users_take_no_place(void **state) {
    struct skep__hub hub = {.trusted_count = 0};
    (void)state;
    assert_true(skep__hub_trust(&hub, geteuid()) && skep__hub_trust(&hub, 0));
    assert_true(skep__hub_trust(&hub, STRANGER) && skep__hub_trust(&hub, STRANGER));
    assert_int_equal(hub.trusted_count, 1);
}

/* --- memory --- */

enum { SIZE_BYTES = 64 };

static bool free_some(void *context) {
    unsigned *asked = context;
    ++*asked;
    scarce_has = NULL;
    return true;
}

static bool free_none(void *context) {
    unsigned *asked = context;
    ++*asked;
    return false;
}

static char *alloc_without_memory(const struct skep__hub *hub) {
    scarce_has = scarce_nothing;
    char *memory = skep__hub_alloc(hub, SIZE_BYTES);
    scarce_has = NULL;
    return memory;
}

static void test_memory_is_tried_again(void **state) {
    static const char zeroes[SIZE_BYTES];
    struct skep__hub hub = {.trusted_count = 0};
    unsigned asked = 0;
    (void)state;
    assert_null(alloc_without_memory(&hub));
    skep__hub_on_lack(&hub, free_none, &asked);
    assert_null(alloc_without_memory(&hub));
    assert_int_equal(asked, 1);
    skep__hub_on_lack(&hub, free_some, &asked);
    char *memory = alloc_without_memory(&hub);
    assert_non_null(memory);
    assert_memory_equal(memory, zeroes, SIZE_BYTES);
    assert_int_equal(asked, 2);
    free(memory);
    free(skep__hub_alloc(&hub, SIZE_BYTES));
    assert_int_equal(asked, 2); /* nobody, while there is some */
}

/* --- addresses --- */

static void test_addresses(void **state) {
    struct sockaddr_un address;
    char url[sizeof address.sun_path + 8], most[sizeof address.sun_path];
    (void)state;
    assert_int_equal(skep__ipc_address("ipc:///tmp/socket", &address), SKEP_OK);
    assert_int_equal(address.sun_family, AF_UNIX);
    assert_string_equal(address.sun_path, "/tmp/socket");
    memset(most, 'x', sizeof most - 1);
    most[sizeof most - 1] = '\0';
    snprintf(url, sizeof url, "ipc://%s", most);
    assert_int_equal(skep__ipc_address(url, &address), SKEP_OK);
    assert_string_equal(address.sun_path, most);
    snprintf(url, sizeof url, "ipc://%sx", most);
    assert_int_equal(skep__ipc_address(url, &address), SKEP_EURL);
    assert_int_equal(skep__ipc_address("ipc://", &address), SKEP_EURL);
    assert_int_equal(skep__ipc_address("tcp://127.0.0.1:1", &address), SKEP_EURL);
    assert_int_equal(skep__ipc_address("", &address), SKEP_EURL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted_users),
        cmocka_unit_test(test_own_users_take_no_place),
        cmocka_unit_test(test_memory_is_tried_again),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
