/* SPDX-License-Identifier: MIT
 * Policies: how connections are shared out among workers. */
#include "serve.h"

enum { WORKERS = 3, EACH = 8 };

static const struct role roles[] = {{"serve", serve_begin}, {NULL, NULL}};

struct shares {
    unsigned of[WORKERS + 1];
    unsigned sum;
};

static struct shares ask_many(struct hive *hive, const skep_settings *settings) {
    struct shares shares = {.sum = 0};
    hive_start(hive, settings);
    serve_fork(hive, WORKERS, NULL);
    for (unsigned i = 0; i < WORKERS * EACH; i++) {
        uint32_t id = client_ask(hive, serve_url_of(hive, 1, "url"));
        assert_in_range(id, 1, WORKERS);
        shares.of[id]++;
        shares.sum++;
    }
    return shares;
}

static void test_round_robin(void **state) {
    struct shares shares = ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_ROUND_ROBIN});
    for (unsigned id = 1; id <= WORKERS; id++) assert_int_equal(shares.of[id], EACH);
}

static void test_sticky(void **state) {
    struct shares shares = ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_STICKY});
    unsigned used = 0;
    for (unsigned id = 1; id <= WORKERS; id++) used += shares.of[id] > 0;
    assert_int_equal(used, 1);
}

/* Policies whose shares depend on timing: everybody is answered. */
static void test_least_connections(void **state) {
    assert_int_equal(ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_LEAST_CONNECTIONS}).sum, WORKERS * EACH);
}

static unsigned accepted_by_all(struct hive *hive) {
    uint64_t sum = 0;
    for (skep_child *c = skep_child_next(hive->cluster, NULL); c != NULL; c = skep_child_next(hive->cluster, c))
        sum += skep_child_accepted(c);
    return (unsigned)sum;
}

/* What workers accept by themselves is counted, too. */
static void test_shared(void **state) {
    assert_int_equal(ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_SHARED}).sum, WORKERS * EACH);
    HIVE_LOOK_UNTIL(*state, accepted_by_all(*state) == WORKERS * EACH);
}

static void test_reuseport(void **state) {
    assert_int_equal(ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_REUSEPORT}).sum, WORKERS * EACH);
}

struct choosing {
    unsigned calls, wrong;
};

static size_t choose_slot_1(const struct sockaddr *client, const skep_candidate *candidates, size_t count,
                            void *context) {
    struct choosing *choosing = context;
    choosing->calls++;
    choosing->wrong += client->sa_family != AF_INET || count != WORKERS;
    for (size_t i = 0; i < count; i++) {
        choosing->wrong += candidates[i].id != candidates[i].slot + 1;
        if (candidates[i].slot == 1) return i;
    }
    return count;
}

static size_t choose_any(const struct sockaddr *client, const skep_candidate *candidates, size_t count, void *context) {
    (void)client;
    (void)candidates;
    (void)context;
    return count;
}

static void test_a_policy_of_ones_own(void **state) {
    struct choosing choosing = {0};
    struct shares shares = ask_many(
        *state, &(skep_settings){.policy = SKEP_POLICY_CUSTOM, .choose = choose_slot_1, .choose_context = &choosing});
    assert_int_equal(shares.of[2], WORKERS * EACH);
    assert_int_equal(choosing.calls, WORKERS * EACH);
    assert_int_equal(choosing.wrong, 0);
}

static void test_a_policy_that_says_any(void **state) {
    struct shares shares = ask_many(*state, &(skep_settings){.policy = SKEP_POLICY_CUSTOM, .choose = choose_any});
    for (unsigned id = 1; id <= WORKERS; id++) assert_int_equal(shares.of[id], EACH);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_round_robin),
        HIVE_TEST(test_sticky),
        HIVE_TEST(test_least_connections),
        HIVE_TEST(test_shared),
        HIVE_TEST(test_reuseport),
        HIVE_TEST(test_a_policy_of_ones_own),
        HIVE_TEST(test_a_policy_that_says_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
