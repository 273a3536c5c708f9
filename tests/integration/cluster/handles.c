/* SPDX-License-Identifier: MIT
 * Several listeners of one worker: each is its own whatever was closed before, and those on one name take turns. */
#include "serve.h"

/* --- workers --- */

enum { MANY = 4 };

struct handle {
    skep_listener *listener;
    char name[2];
};

static struct handle handles[MANY] = {{NULL, "0"}, {NULL, "1"}, {NULL, "2"}, {NULL, "3"}};

/* Says by which listener it came, and closes. */
static void answer(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    const struct handle *handle = context;
    const char *text = handle->listener == listener ? handle->name : "another listener";
    if (write(fd, text, strlen(text)) < 0) role_tell(worker, "failed", "write");
    close(fd);
    skep_connection_finished(worker, fd);
}

static void open_handle(skep_worker *worker, unsigned i) {
    struct handle *handle = &handles[i];
    role_need(skep_listen(worker, serve_url(), answer, handle, &handle->listener), "listen");
    role_tell(worker, handle->name, skep_listener_url(handle->listener));
}

static void close_handle(skep_worker *worker, const skep_message *message, void *context) {
    unsigned i = (unsigned)(message->name[0] - '0');
    (void)context;
    skep_listener_close(handles[i].listener);
    skep_listener_close(handles[i].listener);
    role_tell(worker, "closed", message->name);
}

/* The second is closed, then the first; those that follow are others than the third. */
static void reopen(skep_worker *worker) {
    for (unsigned i = 0; i < 3; i++) open_handle(worker, i);
    skep_listener_close(handles[1].listener);
    open_handle(worker, 3);
    skep_listener_close(handles[0].listener);
    open_handle(worker, 0);
    skep_on_message(worker, close_handle, NULL);
}

/* Once all are closed, the next is the first again. */
static void begin_again(skep_worker *worker) {
    for (unsigned i = 0; i < 2; i++) open_handle(worker, i);
    for (unsigned i = 0; i < 2; i++) skep_listener_close(handles[i].listener);
    open_handle(worker, 2);
}

static void open_three(skep_worker *worker) {
    for (unsigned i = 0; i < 3; i++) open_handle(worker, i);
    skep_on_message(worker, close_handle, NULL);
}

static const struct role roles[] = {
    {"serve", serve_begin}, {"reopen", reopen}, {"begin again", begin_again}, {"three", open_three}, {NULL, NULL},
};

/* --- the primary's side --- */

/* The name of the listener that a connection came by. */
static char ask_name(struct hive *hive, const char *url) {
    char text[64];
    int fd = client_connect(url);
    if (fd < 0) fail_msg("%s: %s", url, strerror(-fd));
    client_read(hive, fd, text, sizeof text);
    if (strlen(text) != 1) fail_msg("answered: %s", text);
    return text[0];
}

static void close_there(struct hive *hive, const char *name) {
    size_t before = hive_messages(hive, 1, "closed");
    assert_int_equal(skep_child_send(skep_child_by_id(hive->cluster, 1), name, NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "closed") == before + 1);
}

/* The url told last under a name */
static const char *url_of(const struct hive *hive, const char *name) {
    const char *url = "";
    for (size_t i = 0; i < hive->count; i++)
        if (hive->log[i].kind == SKEP_EVENT_MESSAGE && strcmp(hive->log[i].name, name) == 0) url = hive->log[i].text;
    return url;
}

static void test_no_listener_gets_what_another_has(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "reopen", NULL);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "0") == 2);
    const char *old = url_of(hive, "2"), *third = url_of(hive, "3"), *again = url_of(hive, "0");
    assert_string_not_equal(third, old);
    assert_string_not_equal(again, old);
    assert_string_not_equal(again, third);
    assert_int_equal(ask_name(hive, old), '2');
    close_there(hive, "3");
    assert_int_equal(ask_name(hive, old), '2');
    assert_int_equal(ask_name(hive, again), '0');
    HIVE_LOOK_UNTIL(hive, client_connect(third) < 0);
}

static void test_after_the_last_the_count_begins_again(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    serve_fork(hive, 1, NULL);
    hive_fork_ready(hive, "begin again", NULL);
    HIVE_UNTIL(hive, hive_messages(hive, 2, "2") == 1);
    assert_string_equal(url_of(hive, "0"), serve_url_of(hive, 1, "url"));
    assert_string_not_equal(url_of(hive, "1"), url_of(hive, "0"));
    assert_string_equal(url_of(hive, "2"), url_of(hive, "0"));
}

static void count_names(struct hive *hive, const char *url, unsigned of[MANY]) {
    memset(of, 0, MANY * sizeof *of);
    for (unsigned i = 0; i < 6; i++) of[(ask_name(hive, url) - '0') % MANY]++;
}

/* Those on one name take turns; closing one leaves the others, and the last gives the place back. */
static void check_one_name(struct hive *hive, enum skep_policy policy) {
    const char *url;
    unsigned of[MANY];
    hive_start(hive, &(skep_settings){.policy = policy});
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "tcp://127.0.0.1:0", &url), SKEP_OK);
    hive_fork_ready(hive, "three", "LISTEN=web");
    count_names(hive, url, of);
    bool in_turns = policy != SKEP_POLICY_SHARED; /* there the kernel chooses */
    if (in_turns) assert_true(of[0] == 2 && of[1] == 2 && of[2] == 2);
    close_there(hive, "0");
    count_names(hive, url, of);
    assert_int_equal(of[0], 0);
    if (in_turns) assert_true(of[1] == 3 && of[2] == 3);
    close_there(hive, "2");
    count_names(hive, url, of);
    assert_int_equal(of[1], 6);
    close_there(hive, "1");
    hive_fork_ready(hive, "serve", "LISTEN=web");
    for (unsigned i = 0; i < 3; i++) assert_int_equal(client_ask(hive, url), 2);
}

static void test_one_name_by_the_broker(void **state) {
    check_one_name(*state, SKEP_POLICY_ROUND_ROBIN);
}

static void test_one_name_shared(void **state) {
    check_one_name(*state, SKEP_POLICY_SHARED);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_no_listener_gets_what_another_has),
        HIVE_TEST(test_after_the_last_the_count_begins_again),
        HIVE_TEST(test_one_name_by_the_broker),
        HIVE_TEST(test_one_name_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
