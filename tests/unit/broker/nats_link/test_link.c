/* SPDX-License-Identifier: MIT
 * The connection to a server of NATS that is started, killed and started again. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "nats_link/nats_link.h"

enum { DEADLINE_MS = 20000 };

struct scene {
    uv_loop_t loop;
    struct skep__flusher *flusher;
    struct skep__nats *nats;
    char port[8], url[64];
    const char *password; /* of user u; NULL: the server wants none */
    pid_t server;
    unsigned lost, made, received, answered;
    int status; /* of the latest answer, or of the latest loss */
};

static void lost(void *context, int status, const char *why) {
    struct scene *scene = context;
    assert_non_null(why);
    scene->status = status;
    scene->lost++;
}

static void made(void *context, const char *url) {
    assert_non_null(strstr(url, "127.0.0.1"));
    ((struct scene *)context)->made++;
}

static const struct skep__nats_events events = {.lost = lost, .made = made};

static void start_server(struct scene *scene) {
    scene->server = fork();
    if (scene->server > 0) return;
    if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
    execlp("nats-server", "nats-server", "--addr", "127.0.0.1", "--port", scene->port,
           scene->password != NULL ? "--user=u" : (char *)NULL, scene->password, (char *)NULL);
    _exit(127);
}

static void kill_server(const struct scene *scene) {
    kill(scene->server, SIGKILL);
    waitpid(scene->server, NULL, 0);
}

static void choose_port(struct scene *scene) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    snprintf(scene->port, sizeof scene->port, "%u", ntohs(address.sin_port));
    snprintf(scene->url, sizeof scene->url, "nats://127.0.0.1:%s", scene->port);
}

static int open_link(struct scene *scene, char why[SKEP_MAX_REASON + 1]) {
    const struct skep__nats_setup setup = {
        .urls = scene->url, .loop = &scene->loop, .flusher = scene->flusher, .events = &events, .context = scene};
    return skep__nats_open(&scene->nats, &setup, why);
}

static void set_passed(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

/* Until a count is so high. */
static void turn_until(struct scene *scene, const unsigned *count, unsigned expected) {
    bool passed = false;
    uv_timer_t timer = {.data = &passed};
    uv_timer_init(&scene->loop, &timer);
    uv_timer_start(&timer, set_passed, DEADLINE_MS, 0);
    while (*count < expected && !passed) uv_run(&scene->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&scene->loop, UV_RUN_NOWAIT);
    assert_int_equal(*count, expected);
}

static bool has_server(void) {
    return system("command -v nats-server >/dev/null") == 0; // NOLINT(cert-env33-c): by the shell's way
}

static int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    uv_loop_init(&scene->loop);
    assert_int_equal(skep__flusher_new(&scene->flusher, &scene->loop), SKEP_OK);
    choose_port(scene);
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    skep__nats_close(&scene->nats);
    skep__flusher_free(&scene->flusher);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    if (scene->server > 0) kill_server(scene);
    free(scene);
    return 0;
}

static void open_with_server(struct scene *scene) {
    char why[SKEP_MAX_REASON + 1];
    if (!has_server()) skip();
    start_server(scene);
    for (int i = 0; i < 200 && open_link(scene, why) != SKEP_OK; i++) usleep(50000); /* until the server listens */
    assert_non_null(scene->nats);
}

/* --- tests --- */

static void receive(void *context, const struct skep__nats_received *received) {
    struct scene *scene = context;
    const char *header = skep__nats_header(received, "Of");
    assert_string_equal(received->subject, "a.b");
    assert_string_equal(header, "test");
    assert_null(skep__nats_header(received, "Other"));
    assert_memory_equal(received->data.data, "x\0y", 3);
    scene->received++;
}

static void publish(struct scene *scene) {
    const struct skep__nats_header header = {"Of", "test"};
    const struct skep__nats_message message = {
        .subject = "a.b", .data = "x\0y", .size_bytes = 3, .headers = &header, .header_count = 1};
    assert_int_equal(skep__nats_publish(scene->nats, &message), SKEP_OK);
}

static void test_messages(void **state) {
    struct scene *scene = *state;
    open_with_server(scene);
    assert_int_equal(skep__nats_subscribe(scene->nats, "a.*", NULL, receive, scene), SKEP_OK);
    for (int i = 0; i < 1000; i++) publish(scene);
    turn_until(scene, &scene->received, 1000);
}

static void answer(void *context, int status, const struct skep__nats_received *received) {
    struct scene *scene = context;
    scene->status = status;
    scene->answered++;
    if (status == SKEP_OK) assert_memory_equal(received->data.data, "yes", 3);
}

static void reply(void *context, const struct skep__nats_received *received) {
    struct scene *scene = context;
    const struct skep__nats_message message = {.subject = received->reply, .data = "yes", .size_bytes = 3};
    assert_int_equal(skep__nats_publish(scene->nats, &message), SKEP_OK);
}

static void ignore(void *context, const struct skep__nats_received *received) {
    (void)context, (void)received;
}

static void test_requests(void **state) {
    struct scene *scene = *state;
    open_with_server(scene);
    assert_int_equal(skep__nats_subscribe(scene->nats, "yes", NULL, reply, scene), SKEP_OK);
    assert_int_equal(skep__nats_subscribe(scene->nats, "silent", NULL, ignore, scene), SKEP_OK);
    static const struct {
        const char *subject;
        int status;
    } questions[] = {{"yes", SKEP_OK}, {"nobody", SKEP_ENOHANDLER}, {"silent", SKEP_ETIMEDOUT}};
    for (unsigned i = 0; i < 3; i++) {
        const struct skep__nats_message message = {.subject = questions[i].subject};
        assert_int_equal(skep__nats_request(scene->nats, &message, i == 2 ? 100 : 5000, answer, scene), SKEP_OK);
        turn_until(scene, &scene->answered, i + 1);
        assert_int_equal(scene->status, questions[i].status);
    }
}

/* What is published meanwhile waits. */
static void test_lost_and_made_again(void **state) {
    struct scene *scene = *state;
    open_with_server(scene);
    assert_int_equal(skep__nats_subscribe(scene->nats, "a.b", NULL, receive, scene), SKEP_OK);
    kill_server(scene);
    turn_until(scene, &scene->lost, 1);
    assert_false(skep__nats_is_connected(scene->nats));
    publish(scene);
    uv_run(&scene->loop, UV_RUN_NOWAIT);
    start_server(scene);
    turn_until(scene, &scene->made, 1);
    turn_until(scene, &scene->received, 1);
    assert_true(skep__nats_is_connected(scene->nats));
    assert_int_equal(scene->lost, 1);
}

/* A server that refuses what it has accepted before is being configured, perhaps: it is asked for ever. */
static void test_refused_meanwhile(void **state) {
    struct scene *scene = *state;
    scene->password = "--pass=right";
    snprintf(scene->url, sizeof scene->url, "nats://u:right@127.0.0.1:%s", scene->port);
    open_with_server(scene);
    assert_int_equal(skep__nats_subscribe(scene->nats, "a.b", NULL, receive, scene), SKEP_OK);
    kill_server(scene);
    scene->password = "--pass=wrong";
    start_server(scene);
    turn_until(scene, &scene->lost, 2); /* lost, and given up by the library */
    assert_int_equal(scene->status, SKEP_EACCES);
    assert_false(skep__nats_is_connected(scene->nats));
    assert_int_equal(skep__nats_subscribe(scene->nats, "a.*", NULL, receive, scene), SKEP_OK);
    publish(scene);
    uv_run(&scene->loop, UV_RUN_NOWAIT);
    kill_server(scene);
    scene->password = "--pass=right";
    start_server(scene);
    turn_until(scene, &scene->made, 1);
    turn_until(scene, &scene->received, 2);
    assert_true(skep__nats_is_connected(scene->nats));
}

/* The connection is closed while the library has given it up. */
static void test_closed_when_refused(void **state) {
    struct scene *scene = *state;
    scene->password = "--pass=right";
    snprintf(scene->url, sizeof scene->url, "nats://u:right@127.0.0.1:%s", scene->port);
    open_with_server(scene);
    assert_int_equal(skep__nats_subscribe(scene->nats, "a.b", NULL, receive, scene), SKEP_OK);
    kill_server(scene);
    scene->password = "--pass=wrong";
    start_server(scene);
    turn_until(scene, &scene->lost, 2);
}

static void test_too_much(void **state) {
    struct scene *scene = *state;
    open_with_server(scene);
    kill_server(scene);
    turn_until(scene, &scene->lost, 1);
    size_t size = skep__nats_most_bytes(scene->nats);
    void *data = calloc(1, size + 1);
    const struct skep__nats_message much = {.subject = "a", .data = data, .size_bytes = size},
                                    more = {.subject = "a", .data = data, .size_bytes = size + 1};
    assert_int_equal(skep__nats_publish(scene->nats, &more), SKEP_ETOOBIG);
    int status = SKEP_OK;
    for (int i = 0; i < 1000 && status == SKEP_OK; i++) {
        status = skep__nats_publish(scene->nats, &much);
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(status, SKEP_EAGAIN);
    free(data);
    scene->server = 0;
}

static void test_nobody_there(void **state) {
    char why[SKEP_MAX_REASON + 1];
    assert_int_equal(open_link(*state, why), SKEP_ECLOSED);
    assert_string_equal(why, "cannot connect: no server answers there");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_requests, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_lost_and_made_again, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_refused_meanwhile, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_closed_when_refused, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_too_much, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_nobody_there, open_scene, close_scene)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
