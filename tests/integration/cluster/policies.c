/* SPDX-License-Identifier: MIT
 * Policies: how connections are shared out among workers. */
#include "hold.h"

enum { WORKERS = 3, EACH = 8 };

static const struct role roles[] = {{"serve", serve_begin}, {"hold", hold_begin}, {NULL, NULL}};

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

/* --- limits --- */

/* Connects; the worker is the one that says so. */
static int connect_held(struct hive *hive, const char *url) {
    size_t before = hive_messages(hive, 0, "live");
    int fd = client_connect(url);
    assert_true(fd >= 0);
    HIVE_UNTIL(hive, hive_messages(hive, 0, "live") == before + 1);
    return fd;
}

/* Whoever comes when all have as many as they may waits until one has ended. */
static void test_a_limit_of_connections(void **state) {
    struct hive *hive = *state;
    int fds[4], waits[3];
    hive_start(hive, &(skep_settings){.max_connections = 2, .policy = SKEP_POLICY_LEAST_CONNECTIONS});
    hive_fork_ready(hive, "hold", NULL);
    hive_fork_ready(hive, "hold", NULL);
    const char *url = hive_find(hive, SKEP_EVENT_LISTENING, 1)->url;
    for (unsigned i = 0; i < 4; i++) fds[i] = connect_held(hive, url);
    assert_int_equal(hive_messages(hive, 1, "live"), 2);
    for (unsigned i = 0; i < 3; i++) waits[i] = client_connect(url);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hive_messages(hive, 0, "live"), 4 + i);
        close(fds[i]);
        HIVE_UNTIL(hive, hive_messages(hive, 0, "live") == 4 + i + 1);
    }
    for (size_t i = 0; i < hive->count; i++) /* how many it has then */
        if (hive->log[i].kind == SKEP_EVENT_MESSAGE) assert_true(strtoul(hive->log[i].text, NULL, 10) <= 2);
    close(fds[3]);
    for (unsigned i = 0; i < 3; i++) close(waits[i]);
}

struct gate {
    bool open;
    unsigned calls;
};

static size_t choose_if_open(const struct sockaddr *client, const skep_candidate *candidates, size_t count,
                             void *context) {
    struct gate *gate = context;
    (void)client;
    (void)candidates;
    (void)count;
    gate->calls++;
    return gate->open ? 0 : SKEP_NOBODY;
}

/* It is asked again by and by, though nothing happens to the workers, and for one connection only: others wait. */
static void test_a_policy_that_says_nobody(void **state) {
    struct hive *hive = *state;
    struct gate gate = {.open = false};
    int fds[5];
    hive_start(hive, &(skep_settings){.policy = SKEP_POLICY_CUSTOM, .choose = choose_if_open, .choose_context = &gate});
    serve_fork(hive, 1, NULL);
    const char *url = serve_url_of(hive, 1, "url");
    for (unsigned i = 0; i < 5; i++) fds[i] = client_connect(url);
    HIVE_LOOK_UNTIL(hive, gate.calls >= 3);
    assert_int_equal(gate.calls, 3);
    assert_int_equal(skep_child_accepted(skep_child_by_id(hive->cluster, 1)), 0);
    gate.open = true;
    for (unsigned i = 0; i < 5; i++) {
        char text[64];
        client_read(hive, fds[i], text, sizeof text);
        assert_string_equal(text, "1\n");
    }
    assert_in_range(gate.calls, 8, 9);
}

static void test_where_there_is_no_limit(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.policy = SKEP_POLICY_SHARED});
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.max_connections = 2}), SKEP_EINVAL);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "not with policy shared"));
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.policy = SKEP_POLICY_STICKY}), SKEP_OK);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.max_connections = 2}), SKEP_OK);
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
        HIVE_TEST(test_a_limit_of_connections),
        HIVE_TEST(test_a_policy_that_says_nobody),
        HIVE_TEST(test_where_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
