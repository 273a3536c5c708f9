/* SPDX-License-Identifier: MIT
 * The news: numbered without a gap, kept within bounds, told again from any number on. */
#include "broker/hatch.h"

#include "journal/private.h"

enum { KEPT_ITEMS = 4096, KEPT_BYTES = 2 * 1024 * 1024 };

/* What newsSince is answered with */
struct answer {
    struct skep_frame frame;
    unsigned refuse_after; /* items; 0: never */
    unsigned added;
    unsigned items, ends, wrong;
    uint64_t first, last, end_seq, lost;
};

static int add(void *context, const void *data, size_t size_bytes) {
    struct answer *answer = context;
    if (answer->refuse_after != 0 && answer->added == answer->refuse_after) return SKEP_EAGAIN;
    answer->added++;
    return skep__frame_append(&answer->frame, data, size_bytes);
}

static void take_item(struct answer *answer, uint64_t seq) {
    answer->wrong += answer->items > 0 && seq != answer->last + 1;
    if (answer->items == 0) answer->first = seq;
    answer->last = seq;
    answer->items++;
}

static void take(struct answer *answer, const struct skep_command *command) {
    answer->wrong += answer->ends > 0; /* nothing follows the end */
    switch (command->id) {
    case SKEP_COMMAND_broadcast: take_item(answer, command->broadcast.seq); break;
    case SKEP_COMMAND_event: take_item(answer, command->event.seq); break;
    case SKEP_COMMAND_totals: take_item(answer, command->totals.seq); break;
    case SKEP_COMMAND_newsEnd:
        answer->ends++;
        answer->end_seq = command->newsEnd.seq;
        answer->lost = SKEP_HAS(newsEnd, &command->newsEnd, lost) ? command->newsEnd.lost : 0;
        break;
    default: answer->wrong++;
    }
}

static void read_answer(struct answer *answer) {
    struct skep_reader reader;
    struct skep_command command;
    bool more = true;
    assert_int_equal(skep__reader_init(&reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    if (answer->frame.size_bytes > 0)
        assert_int_equal(skep__reader_begin(&reader, answer->frame.data, answer->frame.size_bytes), SKEP_OK);
    while (answer->frame.size_bytes > 0 && more) {
        assert_int_equal(skep__reader_next(&reader, &command, &more), SKEP_OK);
        if (more) take(answer, &command);
    }
    skep__reader_free(&reader);
    skep__frame_free(&answer->frame);
    assert_int_equal(answer->wrong, 0);
}

static struct answer since(skep_cluster *cluster, uint64_t seq) {
    struct answer answer = {.added = 0};
    assert_int_equal(skep__news_since(cluster, seq, add, &answer), SKEP_OK);
    read_answer(&answer);
    assert_int_equal(answer.ends, 1);
    return answer;
}

static void broadcast(skep_cluster *cluster, unsigned count, size_t size_bytes) {
    static char data[SKEP_MAX_PAYLOAD];
    struct skep_bytes name = {"name", 4}, bytes = {data, size_bytes};
    for (unsigned i = 0; i < count; i++) assert_int_equal(skep__news_broadcast(cluster, 3, &name, &bytes), SKEP_OK);
}

static skep_cluster *started(struct pump *pump) {
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    return cluster;
}

static void test_since(void **state) {
    skep_cluster *cluster = started(*state);
    struct answer answer = since(cluster, 0);
    assert_int_equal(answer.items, 0);
    assert_int_equal(answer.end_seq, 0);
    broadcast(cluster, 5, 0);
    skep__news_totals(cluster, &(struct skep_command_brokerStatus){.accepted = 1});
    assert_int_equal(cluster->journal->seq, 6);
    answer = since(cluster, 0);
    assert_int_equal(answer.items, 6);
    assert_int_equal(answer.first, 1);
    assert_int_equal(answer.lost, 0);
    answer = since(cluster, 4);
    assert_int_equal(answer.items, 2);
    assert_int_equal(answer.first, 5);
    assert_int_equal(answer.end_seq, 6);
    answer = since(cluster, 6);
    assert_int_equal(answer.items, 0);
    assert_int_equal(answer.end_seq, 6);
    hatch_free(*state, &cluster);
}

/* More than there is, the largest number among them: nothing, and nothing lost. */
static void test_since_the_future(void **state) {
    skep_cluster *cluster = started(*state);
    broadcast(cluster, 3, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct answer answer = since(cluster, i == 0 ? 100 : UINT64_MAX);
        assert_int_equal(answer.items, 0);
        assert_int_equal(answer.lost, 0);
        assert_int_equal(answer.end_seq, 3);
    }
    hatch_free(*state, &cluster);
}

static void test_bounded_in_number(void **state) {
    skep_cluster *cluster = started(*state);
    broadcast(cluster, KEPT_ITEMS, 0);
    assert_int_equal(since(cluster, 0).lost, 0);
    broadcast(cluster, 10, 0);
    assert_int_equal(cluster->journal->item_count, KEPT_ITEMS);
    struct answer answer = since(cluster, 0);
    assert_int_equal(answer.items, KEPT_ITEMS);
    assert_int_equal(answer.first, 11);
    assert_int_equal(answer.lost, 10);
    assert_int_equal(since(cluster, 4).lost, 6);
    assert_int_equal(since(cluster, 10).lost, 0);
    assert_int_equal(since(cluster, 11).items, KEPT_ITEMS - 1);
    hatch_free(*state, &cluster);
}

static void test_bounded_in_bytes(void **state) {
    skep_cluster *cluster = started(*state);
    broadcast(cluster, 10, 300000);
    assert_in_range(cluster->journal->item_bytes, KEPT_BYTES / 4, KEPT_BYTES);
    struct answer answer = since(cluster, 0);
    assert_int_equal(answer.items, cluster->journal->item_count);
    assert_int_equal(answer.items + answer.lost, 10);
    assert_int_equal(answer.last, 10);
    broadcast(cluster, KEPT_ITEMS, 0); /* small ones drive the large ones out */
    assert_int_equal(since(cluster, 0).items, KEPT_ITEMS);
    assert_true(cluster->journal->item_bytes < KEPT_BYTES);
    hatch_free(*state, &cluster);
}

/* Who cannot take more gets no end: it is to be told again. */
static void test_a_receiver_that_refuses(void **state) {
    skep_cluster *cluster = started(*state);
    broadcast(cluster, 5, 0);
    for (unsigned after = 1; after <= 5; after++) {
        struct answer answer = {.refuse_after = after};
        assert_int_equal(skep__news_since(cluster, 0, add, &answer), SKEP_EAGAIN);
        read_answer(&answer);
        assert_int_equal(answer.items, after);
        assert_int_equal(answer.ends, 0);
    }
    hatch_free(*state, &cluster);
}

static void test_too_big(void **state) {
    static char data[SKEP_MAX_PAYLOAD + 1];
    skep_cluster *cluster = started(*state);
    struct skep_bytes name = {"name", 4}, bytes = {data, sizeof data};
    assert_int_equal(skep__news_broadcast(cluster, 0, &name, &bytes), SKEP_ETOOBIG);
    assert_int_equal(cluster->journal->seq, 0); /* the number is not used up */
    broadcast(cluster, 1, 0);
    assert_int_equal(since(cluster, 0).items, 1);
    hatch_free(*state, &cluster);
}

/* --- what they say --- */

static void read_first(skep_cluster *cluster, struct answer *answer, struct skep_reader *reader,
                       struct skep_command *command) {
    bool more;
    *answer = (struct answer){.added = 0};
    assert_int_equal(skep__news_since(cluster, 0, add, answer), SKEP_OK);
    assert_int_equal(skep__reader_init(reader, SKEP_CHANNEL_ANSWER), SKEP_OK);
    assert_int_equal(skep__reader_begin(reader, answer->frame.data, answer->frame.size_bytes), SKEP_OK);
    assert_int_equal(skep__reader_next(reader, command, &more), SKEP_OK);
}

static void expect_text(const struct skep_bytes *bytes, const char *text) {
    assert_int_equal(bytes->size_bytes, strlen(text));
    assert_memory_equal(bytes->data, text, strlen(text));
}

static void test_exit(void **state) {
    skep_cluster *cluster = started(*state);
    skep_child *child = hatch_child(cluster, 4);
    struct answer answer;
    struct skep_reader reader;
    struct skep_command command;
    child->pid = 4711;
    skep__news_event(cluster, &(skep_event){.kind = SKEP_EVENT_EXIT,
                                            .child = child,
                                            .code = -1,
                                            .signal = 9,
                                            .reason = "crashed",
                                            .uptime_ms = 77,
                                            .delay_ms = 100});
    read_first(cluster, &answer, &reader, &command);
    const struct skep_command_event *e = &command.event;
    assert_int_equal(command.id, SKEP_COMMAND_event);
    expect_text(&e->event, "exit");
    expect_text(&e->reason, "crashed");
    assert_int_equal(e->worker, 5);
    assert_int_equal(e->pid, 4711);
    assert_false(SKEP_HAS(event, e, code));
    assert_int_equal(e->signal, 9);
    assert_int_equal(e->uptime_ms, 77);
    assert_int_equal(e->delay_ms, 100);
    assert_false(SKEP_HAS(event, e, url));
    skep__reader_free(&reader);
    skep__frame_free(&answer.frame);
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

static void test_nothing_before_the_start(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    skep__news_totals(cluster, &(struct skep_command_brokerStatus){.accepted = 1});
    assert_int_equal(cluster->journal->seq, 0);
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_since),
        PUMP_TEST(test_since_the_future),
        PUMP_TEST(test_bounded_in_number),
        PUMP_TEST(test_bounded_in_bytes),
        PUMP_TEST(test_a_receiver_that_refuses),
        PUMP_TEST(test_too_big),
        PUMP_TEST(test_exit),
        PUMP_TEST(test_nothing_before_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
