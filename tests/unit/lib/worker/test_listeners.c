/* SPDX-License-Identifier: MIT
 * A worker's listeners and what arrives at them, against the bare end of its link: memory that is used again, and
 * connections that there is no memory for. */
#include "lib/bare_hive.h"
#include "scarce.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { TIMES = 5 };

struct arrived {
    unsigned count;
};

static void on_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    struct arrived *arrived = context;
    (void)listener;
    arrived->count++;
    close(fd);
    skep_connection_finished(worker, fd);
}

static void send_fd(struct hive *h, const struct skep_command *command, int fd) {
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_add(&frame, command), SKEP_OK);
    assert_int_equal(skep__link_send(h->link, frame.data, frame.size_bytes, &fd, fd >= 0), SKEP_OK);
    skep__frame_free(&frame);
}

/* Answers before it is asked. fd: shared with the worker, or -1. */
static skep_listener *listen_on(struct hive *h, uint64_t number, int fd, struct arrived *arrived) {
    skep_listener *listener = NULL;
    struct skep_command command = {.id = SKEP_COMMAND_listening};
    command.listening = (struct skep_command_listening){
        .request = h->worker->next_listen + 1, .listener = number, .url = {"tcp://127.0.0.1:1", 17}};
    if (fd >= 0) SKEP_SET(listening, &command.listening, shared, true);
    send_fd(h, &command, fd);
    assert_int_equal(skep_listen(h->worker, "web", on_connection, arrived, &listener), SKEP_OK);
    return listener;
}

static void give_connection(struct hive *h, uint64_t number, uint64_t listener) {
    int ends[2];
    struct skep_command command = {.id = SKEP_COMMAND_connection};
    command.connection = (struct skep_command_connection){.connection = number, .listener = listener};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_fd(h, &command, ends[0]);
    close(ends[0]);
    close(ends[1]);
}

/* Each in a message of its own; then the broker goes, with what the worker has said unread, which leaves an error, or
 * read. */
static void check_given_at_the_end(struct pump *pump, bool read) {
    struct hive *h = open_hive(pump);
    struct arrived arrived = {0};
    listen_on(h, 1, -1, &arrived);
    assert_int_equal(skep_worker_ready(h->worker), SKEP_OK);
    if (read) read_link(h);
    for (unsigned i = 1; i <= TIMES; i++) give_connection(h, i, 1);
    close(h->link);
    h->link = -1;
    PUMP_UNTIL(pump, !skep_worker_is_connected(h->worker));
    assert_int_equal(arrived.count, TIMES);
    close_hive(h);
}

static void test_what_a_broker_gave_before_it_went_arrives(void **state) {
    check_given_at_the_end(*state, false);
    check_given_at_the_end(*state, true);
}

static int listening_socket(void) {
    struct sockaddr any = {.sa_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, &any, sizeof any.sa_family), 0); /* the kernel chooses a name */
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static int connect_to(int fd) {
    struct sockaddr_storage address;
    socklen_t size_bytes = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size_bytes), 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, size_bytes), 0);
    return client;
}

static unsigned count_closed(const struct hive *h) {
    const skep_listener *l;
    unsigned count = 0;
    TAILQ_FOREACH(l, &h->worker->closed_listeners, entry) count++;
    return count;
}

static void test_memory_of_closed_listeners_is_used_again(void **state) {
    struct hive *h = open_hive(*state);
    struct arrived arrived = {0};
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = i % 2 == 0 ? listening_socket() : -1;
        skep_listener *listener = listen_on(h, i + 1, fd, &arrived);
        if (fd >= 0) close(fd);
        skep_listener_close(listener);
        skep_listener_close(listener);
        pump_turns(h->pump, 3);
        assert_int_equal(count_closed(h), 1);
    }
    close_hive(h);
}

/* What has come for it goes to its callback and no other. */
static void test_memory_with_arrivals_is_not_used_again(void **state) {
    struct hive *h = open_hive(*state);
    struct arrived old = {0}, new = {0};
    skep_listener *listener = listen_on(h, 1, -1, &old);
    give_connection(h, 1, 1);
    listen_on(h, 2, -1, &new); /* reads it */
    skep_listener_close(listener);
    assert_ptr_not_equal(listen_on(h, 3, -1, &new), listener);
    PUMP_UNTIL(h->pump, old.count + new.count > 0);
    assert_int_equal(old.count, 1);
    assert_ptr_equal(listen_on(h, 4, -1, &new), listener);
    close_hive(h);
}

/* --- without descriptors --- */

static void lower_limit(struct rlimit *before) {
    int lowest = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before->rlim_max};
    close(lowest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

/* Both in one message: what is said of the listener comes between, and spoils nothing. */
static void test_a_refusal_and_leaving(void **state) {
    struct hive *h = open_hive(*state);
    struct arrived arrived = {0};
    struct rlimit before;
    struct skep_frame frame = {0};
    struct skep_command connection = {.id = SKEP_COMMAND_connection, .connection = {.connection = 1, .listener = 9}};
    struct skep_command drain = {.id = SKEP_COMMAND_drain, .drain = {.has = 0}};
    int fd = listening_socket();
    listen_on(h, 1, fd, &arrived);
    read_link(h);
    h->answers[h->answers_bytes = 0] = '\0';
    int client = connect_to(fd);
    assert_int_equal(skep__frame_add(&frame, &connection), SKEP_OK);
    assert_int_equal(skep__frame_add(&frame, &drain), SKEP_OK);
    assert_int_equal(skep__link_send(h->link, frame.data, frame.size_bytes, NULL, 0), SKEP_OK);
    lower_limit(&before);
    assert_int_equal(skep__worker_read_link(h->worker, 0, NULL, NULL), SKEP_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    read_link(h);
    assert_string_equal(h->answers, "refused {connection: 0}\nrefused {connection: 1}\ntaken {through: 1}\n");
    skep__frame_free(&frame);
    close(client);
    close(fd);
    close_hive(h);
}

/* --- without memory --- */

static void read_without_memory(struct hive *h) {
    scarce_has = scarce_nothing;
    uv_run(&h->pump->loop, UV_RUN_NOWAIT);
    scarce_has = NULL;
    read_link(h);
}

/* The next one is taken again. */
static void test_connections_without_memory_are_refused(void **state) {
    struct hive *h = open_hive(*state);
    struct arrived arrived = {0};
    listen_on(h, 1, -1, &arrived);
    read_link(h);
    h->answers[h->answers_bytes = 0] = '\0';
    give_connection(h, 1, 1);
    read_without_memory(h);
    assert_int_equal(skep_worker_connections(h->worker), 0);
    give_connection(h, 2, 1);
    PUMP_UNTIL(h->pump, arrived.count == 1);
    read_link(h);
    assert_string_equal(h->answers, "refused {connection: 1}\ntaken {through: 1}\ntaken {through: 2}\n");
    close_hive(h);
}

/* They are not counted, and there is a pause. */
static void test_accepted_connections_without_memory_are_not_counted(void **state) {
    struct hive *h = open_hive(*state);
    struct arrived arrived = {0};
    int fd = listening_socket();
    listen_on(h, 1, fd, &arrived);
    read_link(h);
    h->answers[h->answers_bytes = 0] = '\0';
    int client = connect_to(fd);
    read_without_memory(h);
    assert_int_equal(skep_worker_connections(h->worker), 0);
    assert_int_equal(h->worker->unreported_accepted, 0);
    assert_string_equal(h->answers, "refused {connection: 0}\n");
    close(client);
    close(fd);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_a_broker_gave_before_it_went_arrives),
        PUMP_TEST(test_memory_of_closed_listeners_is_used_again),
        PUMP_TEST(test_memory_with_arrivals_is_not_used_again),
        PUMP_TEST(test_a_refusal_and_leaving),
        PUMP_TEST(test_connections_without_memory_are_refused),
        PUMP_TEST(test_accepted_connections_without_memory_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
