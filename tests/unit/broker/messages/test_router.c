/* SPDX-License-Identifier: MIT
 * The router: what frames of workers' outboxes bring about, from whomever they come. Frames are made here, workers are
 * made up. */
#include "broker/hatch.h"
#include "common/text.h"

#include "control/private.h"
#include "hive/private.h"
#include "journal/private.h"
#include "messages/private.h"

enum { PID = 100000 /* of the first made-up worker */ };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *children[2];
    struct skep__port *inlets[2]; /* the other ends of their inboxes */
    struct skep_reader readers[2];
    struct skep_frame got[2]; /* what came there */
    struct skep_frame frame;  /* to send */
    unsigned errors, messages;
    char text[64]; /* of the latest message or error */
};

static void see(skep_cluster *cluster, const skep_event *event, void *context) {
    struct bench *bench = context;
    (void)cluster;
    bench->errors += event->kind == SKEP_EVENT_ERROR;
    bench->messages += event->kind == SKEP_EVENT_MESSAGE;
    snprintf(bench->text, sizeof bench->text, "%s", event->kind == SKEP_EVENT_ERROR ? event->reason : event->name);
}

static void received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    (void)peer;
    if (skep__frame_append(context, data, size_bytes) != SKEP_OK) abort();
}

static void inbox_url(const struct bench *bench, unsigned i, char *url, size_t capacity_bytes) {
    snprintf(url, capacity_bytes, "ipc://%s/inbox.1.%u", bench->pump->dir, i + 1);
}

/* A worker with an inbox, known by its id and its process. */
static void add_worker(struct bench *bench, unsigned i) {
    skep_cluster *cluster = bench->cluster;
    skep_child *child = hatch_child(cluster, i);
    char url[128];
    struct skep__outlet_options options = {.hub = cluster->hub,
                                           .flusher = cluster->flusher,
                                           .kind = SKEP__PORT_PUSH,
                                           .drained = skep__inbox_drained,
                                           .refused = skep__inbox_refused,
                                           .context = child};
    child->pid = PID + (pid_t)i;
    inbox_url(bench, i, url, sizeof url);
    assert_int_equal(skep__outlet_new(&child->inbox, &options), SKEP_OK);
    assert_int_equal(skep__outlet_listen(child->inbox, url), SKEP_OK);
    hatch_list(child);
    assert_int_equal(skep__reader_init(&bench->readers[i], SKEP_CHANNEL_INBOX), SKEP_OK);
    bench->children[i] = child;
}

static void connect_inlet(struct bench *bench, unsigned i) {
    static const struct skep__port_events events = {.received = received};
    char url[128];
    inbox_url(bench, i, url, sizeof url);
    assert_int_equal(skep__port_new(&bench->inlets[i], bench->cluster->hub, SKEP__PORT_PULL, &events, &bench->got[i]),
                     SKEP_OK);
    assert_int_equal(skep__port_dial(bench->inlets[i], url), SKEP_OK);
}

static struct bench *open_bench(struct pump *pump) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, NULL);
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_ERROR, see, bench), SKEP_OK);
    for (unsigned i = 0; i < 2; i++) add_worker(bench, i);
    return bench;
}

static void remove_worker(struct bench *bench, unsigned i) {
    skep_child *child = bench->children[i];
    if (child == NULL) return;
    hatch_unlist(child);
    skep__outlet_free(&child->inbox);
    hatch_free_child(child);
    bench->children[i] = NULL;
}

static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < 2; i++) {
        remove_worker(bench, i);
        skep__port_free(&bench->inlets[i]);
        skep__reader_free(&bench->readers[i]);
        skep__frame_free(&bench->got[i]);
    }
    skep__frame_free(&bench->frame);
    hatch_free(bench->pump, &bench->cluster);
    free(bench);
}

static void add(struct bench *bench, const struct skep_command *command) {
    assert_int_equal(skep__frame_add(&bench->frame, command), SKEP_OK);
}

/* The frame comes from a process. */
static void arrive_from(struct bench *bench, pid_t pid) {
    struct skep__peer peer = {.pid = pid, .pipe = 0x7fffffff};
    skep__outbox_received(bench->cluster, bench->frame.data, bench->frame.size_bytes, &peer);
    skep__frame_clear(&bench->frame);
}

/* --- counts --- */

static struct skep_command requests(uint64_t n) {
    struct skep_command command = {.id = SKEP_COMMAND_incrementRequestCount};
    if (n > 0) SKEP_SET(incrementRequestCount, &command.incrementRequestCount, n, n);
    return command;
}

static struct skep_command other(const char *name, uint64_t n) {
    struct skep_command command = {.id = SKEP_COMMAND_incrementCount, .incrementCount = {.name = skep__text(name)}};
    if (n > 0) SKEP_SET(incrementCount, &command.incrementCount, n, n);
    return command;
}

static void test_counts(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command five = requests(5), one = requests(0);
    add(bench, &five);
    add(bench, &one);
    arrive_from(bench, PID);
    add(bench, &five);
    arrive_from(bench, PID + 1);
    assert_int_equal(bench->children[0]->talker->requests, 6);
    assert_int_equal(bench->children[1]->talker->requests, 5);
    assert_int_equal(bench->cluster->messages->requests, 11);
    close_bench(bench);
}

/* The last frames of a worker that is gone still count; nothing else in them does. */
static void test_counts_of_the_dead(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command five = requests(5), jobs = other("jobs", 2);
    struct skep_command message = {.id = SKEP_COMMAND_message, .message = {.name = {"late", 4}}};
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_MESSAGE, see, bench), SKEP_OK);
    add(bench, &five);
    add(bench, &message);
    add(bench, &jobs);
    arrive_from(bench, PID + 77);
    assert_int_equal(bench->cluster->messages->requests, 5);
    assert_int_equal(bench->cluster->messages->counters[0].count, 2);
    assert_int_equal(bench->messages, 0);
    assert_int_equal(bench->errors, 0);
    close_bench(bench);
}

static uint64_t bad_frames(const struct bench *bench) {
    return bench->cluster->hive->bad_frames + bench->cluster->workers->bad_frames;
}

/* The last durations of a worker that is gone count too; malformed ones are a bad frame. */
static void test_durations(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command handled = {.id = SKEP_COMMAND_handled, .handled = {.what = {"job", 3}, .times = {"\0\1", 2}}};
    for (pid_t pid = PID; pid < PID + 3; pid++) {
        add(bench, &handled);
        arrive_from(bench, pid);
    }
    assert_int_equal(bench->children[1]->talker->handling.of[SKEP__HANDLED_JOB].total, 1);
    assert_int_equal(bench->cluster->messages->handling.of[SKEP__HANDLED_JOB].total, 3);
    assert_int_equal(bad_frames(bench), 0);
    handled.handled.times.size_bytes = 1;
    add(bench, &handled);
    arrive_from(bench, PID + 77);
    assert_int_equal(bad_frames(bench), 1);
    assert_non_null(strstr(bench->text, "times"));
    close_bench(bench);
}

static void take_counter(const struct skep_command *command, uint64_t sums[2]) {
    if (command->id != SKEP_COMMAND_counterStatus) return;
    bool jobs = command->counterStatus.name.size_bytes == 4 && memcmp(command->counterStatus.name.data, "jobs", 4) == 0;
    sums[jobs ? 0 : 1] += command->counterStatus.count;
}

/* Counters of the user's own are in the status, over all workers. */
static void test_other_counters(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command jobs = other("jobs", 3), once = other("once", 0);
    struct skep_reader reader;
    struct skep_command command;
    uint64_t sums[2] = {0, 0};
    bool more = true;
    for (pid_t pid = PID; pid <= PID + 1; pid++) {
        add(bench, &jobs);
        arrive_from(bench, pid);
    }
    add(bench, &once);
    arrive_from(bench, PID);
    assert_int_equal(skep__status_add(bench->cluster, &bench->frame), SKEP_OK);
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    assert_int_equal(skep__reader_begin(&reader, bench->frame.data, bench->frame.size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&reader, &command, &more), SKEP_OK);
        if (more) take_counter(&command, sums);
    }
    assert_int_equal(sums[0], 6);
    assert_int_equal(sums[1], 1);
    skep__reader_free(&reader);
    close_bench(bench);
}

static void test_as_many_counters_as_there_may_be(void **state) {
    struct bench *bench = open_bench(*state);
    char names[SKEP_MAX_COUNTERS + 5][8];
    for (unsigned i = 0; i < SKEP_MAX_COUNTERS + 5; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        struct skep_command command = other(names[i], 1);
        add(bench, &command);
    }
    arrive_from(bench, PID);
    assert_int_equal(bench->cluster->messages->counter_count, SKEP_MAX_COUNTERS);
    close_bench(bench);
}

/* --- frames that are none --- */

/* A stranger is counted and named, and cut off. */
static void test_rubbish_of_a_stranger(void **state) {
    struct bench *bench = open_bench(*state);
    assert_int_equal(skep__frame_append(&bench->frame, "\xc1\xc1", 2), SKEP_OK);
    arrive_from(bench, 4711);
    assert_int_equal(bad_frames(bench), 1);
    assert_int_equal(bench->errors, 1);
    assert_non_null(strstr(bench->text, "process 4711"));
    close_bench(bench);
}

/* What stood before the malformed command has been acted upon. */
static void test_rubbish_behind_a_command(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command five = requests(5), hello = {.id = SKEP_COMMAND_hello, .hello = {.protocol = 1, .pid = 1}};
    add(bench, &five);
    add(bench, &hello); /* of another channel */
    add(bench, &five);
    arrive_from(bench, PID + 77);
    assert_int_equal(bench->cluster->messages->requests, 5);
    assert_int_equal(bad_frames(bench), 1);
    close_bench(bench);
}

static void test_a_refused_peer(void **state) {
    struct bench *bench = open_bench(*state);
    skep__peer_refused(bench->cluster, 4711, 65534);
    assert_int_equal(bench->errors, 1);
    assert_non_null(strstr(bench->text, "refused process 4711 of user 65534"));
    skep__inbox_refused(bench->children[0], 4712, 65534);
    assert_non_null(strstr(bench->text, "refused process 4712"));
    close_bench(bench);
}

/* --- news --- */

struct tally {
    unsigned broadcasts, ends, others;
};

static struct tally read_inbox(struct bench *bench, unsigned i) {
    struct tally tally = {0};
    struct skep_command command;
    bool more = bench->got[i].size_bytes > 0;
    if (more)
        assert_int_equal(skep__reader_begin(&bench->readers[i], bench->got[i].data, bench->got[i].size_bytes), SKEP_OK);
    while (more) {
        assert_int_equal(skep__reader_next(&bench->readers[i], &command, &more), SKEP_OK);
        if (!more) break;
        tally.broadcasts += command.id == SKEP_COMMAND_broadcast;
        tally.ends += command.id == SKEP_COMMAND_newsEnd;
        tally.others += command.id != SKEP_COMMAND_broadcast && command.id != SKEP_COMMAND_newsEnd;
    }
    return tally;
}

static void ask_for_news(struct bench *bench, unsigned i, uint64_t seq) {
    struct skep_command command = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = seq}};
    add(bench, &command);
    arrive_from(bench, PID + (pid_t)i);
}

static void test_news_again(void **state) {
    struct bench *bench = open_bench(*state);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(skep_cluster_broadcast(bench->cluster, "news", "data", 4), SKEP_OK);
    connect_inlet(bench, 0);
    ask_for_news(bench, 0, 2);
    PUMP_UNTIL(bench->pump, read_inbox(bench, 0).ends == 1);
    assert_int_equal(read_inbox(bench, 0).broadcasts, 3);
    close_bench(bench);
}

/* An inbox that is full when the news are asked for: they follow once it has drained. */
static void test_news_for_a_full_inbox(void **state) {
    static char data[100 * 1000];
    struct bench *bench = open_bench(*state);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(skep_cluster_broadcast(bench->cluster, "news", "data", 4), SKEP_OK);
    while (skep_child_send(bench->children[0], "filler", data, sizeof data) == SKEP_OK) continue;
    ask_for_news(bench, 0, 0);
    connect_inlet(bench, 0);
    PUMP_UNTIL(bench->pump, read_inbox(bench, 0).ends == 1);
    struct tally tally = read_inbox(bench, 0);
    assert_int_equal(tally.broadcasts, 5);
    assert_true(tally.others > 30);
    pump_turns(bench->pump, 3);
    assert_int_equal(read_inbox(bench, 0).ends, 1);
    close_bench(bench);
}

/* --- messages --- */

static void test_names_in_turn(void **state) {
    struct bench *bench = open_bench(*state);
    struct skep_command message = {.id = SKEP_COMMAND_message, .message = {.name = {"hi", 2}}};
    SKEP_SET(message, &message.message, toName, skep__text("pair"));
    for (unsigned i = 0; i < 2; i++) {
        snprintf(bench->children[i]->name, sizeof bench->children[i]->name, "pair");
        connect_inlet(bench, i);
    }
    for (unsigned i = 0; i < 6; i++) add(bench, &message);
    arrive_from(bench, PID);
    PUMP_UNTIL(bench->pump, read_inbox(bench, 0).others == 3 && read_inbox(bench, 1).others == 3);
    bench->children[1]->state = SKEP__CHILD_DRAINING; /* those who leave get nothing by name */
    for (unsigned i = 0; i < 4; i++) add(bench, &message);
    arrive_from(bench, PID);
    PUMP_UNTIL(bench->pump, read_inbox(bench, 0).others == 7);
    assert_int_equal(read_inbox(bench, 1).others, 3);
    assert_int_equal(bench->children[0]->talker->messages, 10);
    assert_int_equal(bench->cluster->messages->messages, 10);
    close_bench(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_counts),
        PUMP_TEST(test_counts_of_the_dead),
        PUMP_TEST(test_durations),
        PUMP_TEST(test_other_counters),
        PUMP_TEST(test_as_many_counters_as_there_may_be),
        PUMP_TEST(test_rubbish_of_a_stranger),
        PUMP_TEST(test_rubbish_behind_a_command),
        PUMP_TEST(test_a_refused_peer),
        PUMP_TEST(test_news_again),
        PUMP_TEST(test_news_for_a_full_inbox),
        PUMP_TEST(test_names_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
