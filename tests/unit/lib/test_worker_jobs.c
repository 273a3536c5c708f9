/* SPDX-License-Identifier: MIT
 * The worker's side of jobs, against the bare ends of its channels: which answers leave, and in which frames. */
#include "pump.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "worker_internal.h"

enum { KEPT = 16, FRAMES = 64, LEASE_MS = 30000 };

/* A worker, and what a broker would hold of it. What it answers is noted as text, a command a line; frame by frame. */
struct hive {
    struct pump *pump;
    struct skep__hub *hub;
    struct skep__flusher *flusher;
    struct skep__outlet *inbox;
    struct skep__port *outbox;
    struct skep_reader outbox_reader, link_reader;
    struct skep__link_message message;
    int link;
    struct skep_page *page;
    uint64_t next_delivery, next_id;
    char answers[64 * 1024];
    size_t answers_bytes;
    unsigned frames;

    skep_worker *worker;
    char ran[4096]; /* payloads in the order in which handlers saw them */
    skep_job *kept[KEPT];
    unsigned kept_count;
    bool redelivered;
    unsigned attempt;
    uint64_t running, begun; /* the page inside the latest handler */
    bool quiet;              /* ran is not kept */
};

static void note(struct hive *h, const struct skep_command *command) {
    char *end = h->answers + h->answers_bytes;
    size_t left_bytes = sizeof h->answers - h->answers_bytes;
    h->answers_bytes += skep__command_print(command, end, left_bytes);
    if (command->id == SKEP_COMMAND_completed)
        for (uint32_t i = 0; i < command->completed.results.count && i < 8; i++) {
            struct skep_bytes item = skep__list_at(&command->completed.results, i);
            h->answers_bytes +=
                (size_t)snprintf(h->answers + h->answers_bytes, sizeof h->answers - h->answers_bytes, " '%.*s'",
                                 (int)(item.size_bytes < 8 ? item.size_bytes : 8), item.data);
        }
    h->answers_bytes += (size_t)snprintf(h->answers + h->answers_bytes, sizeof h->answers - h->answers_bytes, "\n");
}

static void read_all(struct hive *h, struct skep_reader *reader, const void *data, size_t size_bytes) {
    struct skep_command command;
    bool more = true;
    assert_int_equal(skep__reader_begin(reader, data, size_bytes), SKEP_OK);
    for (;;) {
        assert_int_equal(skep__reader_next(reader, &command, &more), SKEP_OK);
        if (!more) return;
        note(h, &command);
    }
}

static void answered(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct hive *h = context;
    (void)peer;
    h->frames++;
    read_all(h, &h->outbox_reader, data, size_bytes);
}

/* --- joining --- */

static void tell(struct hive *h, const struct skep_command *command) {
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_add(&frame, command), SKEP_OK);
    assert_int_equal(skep__link_send(h->link, frame.data, frame.size_bytes, NULL, 0), SKEP_OK);
    skep__frame_free(&frame);
}

static void say_welcome(struct hive *h, const char *inbox, const char *outbox, uint64_t beat_ms) {
    struct skep_command command = {.id = SKEP_COMMAND_welcome};
    command.welcome = (struct skep_command_welcome){.protocol = SKEP_PROTOCOL,
                                                    .worker = 7,
                                                    .generation = 1,
                                                    .inbox = {inbox, strlen(inbox)},
                                                    .outbox = {outbox, strlen(outbox)},
                                                    .news = {outbox, strlen(outbox)}};
    if (beat_ms > 0) SKEP_SET(welcome, &command.welcome, beat_ms, beat_ms);
    tell(h, &command);
}

static int make_page(struct hive *h) {
    int fd = memfd_create("page", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SKEP_PAGE_BYTES), 0);
    h->page = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(h->page, MAP_FAILED);
    h->page->magic = SKEP_PAGE_MAGIC;
    return fd;
}

static struct hive *open_hive_with(struct pump *pump, int page, uint64_t beat_ms, struct hive *h) {
    static const struct skep__port_events events = {.received = answered};
    char inbox[96], outbox[96];
    int link[2];
    snprintf(inbox, sizeof inbox, "%s-in", pump->url);
    snprintf(outbox, sizeof outbox, "%s-out", pump->url);
    h->pump = pump;
    h->next_delivery = h->next_id = 1;
    assert_int_equal(skep__hub_new(&h->hub, &pump->loop), SKEP_OK);
    assert_int_equal(skep__flusher_new(&h->flusher, &pump->loop), SKEP_OK);
    struct skep__outlet_options options = {.hub = h->hub, .flusher = h->flusher, .kind = SKEP__PORT_PUSH};
    assert_int_equal(skep__outlet_new(&h->inbox, &options), SKEP_OK);
    assert_int_equal(skep__outlet_listen(h->inbox, inbox), SKEP_OK);
    assert_int_equal(skep__port_new(&h->outbox, h->hub, SKEP__PORT_PULL, &events, h), SKEP_OK);
    assert_int_equal(skep__port_listen(h->outbox, outbox), SKEP_OK);
    assert_int_equal(skep__reader_init(&h->outbox_reader, SKEP_CHANNEL_OUTBOX), SKEP_OK);
    assert_int_equal(skep__reader_init(&h->link_reader, SKEP_CHANNEL_LINK_UP), SKEP_OK);
    assert_int_equal(skep__link_pair(link), SKEP_OK);
    h->link = link[0];
    say_welcome(h, inbox, outbox, beat_ms);
    skep_worker_options worker_options = {.loop = &pump->loop, .name = "test"};
    struct skep__meeting meeting = {.link = link[1], .page = page, .id = 7};
    assert_int_equal(skep__worker_join(&h->worker, &meeting, &worker_options), SKEP_OK);
    h->worker->jobs.acks.hold_ns = UINT64_MAX; /* this machine may be slow */
    return h;
}

static struct hive *open_hive(struct pump *pump) {
    struct hive *h = calloc(1, sizeof *h);
    assert_non_null(h);
    return open_hive_with(pump, make_page(h), 0, h);
}

static void close_hive(struct hive *h) {
    skep_worker_free(&h->worker);
    assert_null(h->worker);
    skep__outlet_free(&h->inbox);
    skep__port_free(&h->outbox);
    skep__flusher_free(&h->flusher);
    skep__hub_free(&h->hub);
    skep__reader_free(&h->outbox_reader);
    skep__reader_free(&h->link_reader);
    if (h->link >= 0) close(h->link);
    if (h->page != NULL) munmap(h->page, SKEP_PAGE_BYTES);
    pump_turns(h->pump, 3);
    free(h);
}

/* --- giving jobs --- */

static void busy(uint64_t for_ns) {
    for (uint64_t end_ns = uv_hrtime() + for_ns; uv_hrtime() < end_ns;) continue;
}

/* What a job's payload says is done. */
static skep_verdict handler(skep_worker *worker, skep_job *job, void *context) {
    struct hive *h = context;
    const char *data = job->data;
    assert_ptr_equal(worker, h->worker);
    if (!h->quiet) strncat(h->ran, data, job->size_bytes);
    h->attempt = job->attempt;
    h->redelivered = job->redelivered;
    if (h->page != NULL) h->running = h->page->running, h->begun = h->page->begun;
    switch (data[0]) {
    case 'r': assert_int_equal(skep_job_result(job, data, job->size_bytes), SKEP_OK); return SKEP_DONE;
    case 'y':
        skep_job_delay(job, 250);
        skep_job_reason(job, "later");
        return SKEP_RETRY;
    case 'f': skep_job_reason(job, "never"); return SKEP_FAILED;
    case 'x': assert_int_equal(skep_job_extend(job), SKEP_OK); return SKEP_DONE;
    case 'k': h->kept[h->kept_count++] = job; return SKEP_KEEP;
    case 'c': skep_job_complete(job, SKEP_DONE); return SKEP_KEEP;
    case 'l': skep_disconnect(worker); return SKEP_DONE;
    case 's': busy(2000000); return SKEP_DONE;
    default: return SKEP_DONE;
    }
}

static void give_command(struct hive *h, const char *queue, struct skep_frame *items, uint32_t count) {
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    command.jobs = (struct skep_command_jobs){.queue = {queue, strlen(queue)},
                                              .delivery = h->next_delivery,
                                              .id = h->next_id,
                                              .lease_ms = LEASE_MS,
                                              .jobs = skep__list_of(items, count)};
    assert_int_equal(skep__outlet_add(h->inbox, &command), SKEP_OK);
    skep__frame_free(items);
    h->next_delivery += count;
    h->next_id += count;
}

/* One job for each character. */
static void give(struct hive *h, const char *queue, const char *payloads) {
    struct skep_frame items = {0};
    for (const char *p = payloads; *p != '\0'; p++) assert_int_equal(skep__list_add(&items, p, 1), SKEP_OK);
    give_command(h, queue, &items, (uint32_t)strlen(payloads));
}

static unsigned lines(const struct hive *h) {
    unsigned count = 0;
    for (size_t i = 0; i < h->answers_bytes; i++) count += h->answers[i] == '\n';
    return count;
}

static void expect(struct hive *h, unsigned count, const char *answers) {
    PUMP_UNTIL(h->pump, lines(h) >= count);
    assert_string_equal(h->answers, answers);
    h->answers[h->answers_bytes = 0] = '\0';
}

static void handle(struct hive *h, const char *queue) {
    assert_int_equal(skep_on_job(h->worker, queue, handler, h), SKEP_OK);
}

/* Reads what the worker has said on the link since the last time. */
static void read_link(struct hive *h) {
    while (skep__link_receive(h->link, &h->message) == SKEP_OK)
        read_all(h, &h->link_reader, h->message.data, h->message.size_bytes);
}

/* --- acknowledgements --- */

static void test_one_ack_for_a_frame(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dddddddddd");
    give(h, "q", "ddd");
    expect(h, 1, "completed {delivery: 1, n: 13}\n");
    assert_int_equal(h->frames, 1);
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 14}\n");
    assert_int_equal(h->attempt, 1);
    assert_false(h->redelivered);
    close_hive(h);
}

static void test_results_share_a_list(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "ddrdr");
    expect(h, 1, "completed {delivery: 1, n: 5, results: 5 items} '' '' 'r' '' 'r'\n");
    give(h, "q", "dd"); /* the scratch object's result is not theirs */
    expect(h, 1, "completed {delivery: 6, n: 2}\n");
    close_hive(h);
}

static void test_other_answers_break_a_range(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "ddydfd");
    expect(h, 5,
           "completed {delivery: 1, n: 2}\n"
           "retry {delivery: 3, delay_ms: 250, reason: \"later\"}\n"
           "completed {delivery: 4}\n"
           "fail {delivery: 5, reason: \"never\"}\n"
           "completed {delivery: 6}\n");
    assert_int_equal(h->frames, 1);
    close_hive(h);
}

/* As many results as a list may have, and as many bytes as a frame should. */
static void test_lists_are_bounded(void **state) {
    static char large[SKEP_FULL_FRAME / 2 + 1];
    struct hive *h = open_hive(*state);
    struct skep_frame items = {0};
    handle(h, "q");
    h->quiet = true;
    for (unsigned i = 0; i < SKEP_MAX_LIST; i++) assert_int_equal(skep__list_add(&items, "r", 1), SKEP_OK);
    give_command(h, "q", &items, SKEP_MAX_LIST);
    give(h, "q", "r");
    expect(h, 2,
           "completed {delivery: 1, n: 2048, results: 2048 items} 'r' 'r' 'r' 'r' 'r' 'r' 'r' 'r'\n"
           "completed {delivery: 2049, results: 1 items} 'r'\n");
    memset(large, 'r', sizeof large);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(skep__list_add(&items, large, i > 0 ? sizeof large : 1), SKEP_OK);
    give_command(h, "q", &items, 3);
    expect(h, 2,
           "completed {delivery: 2050, n: 2, results: 2 items} 'r' 'rrrrrrrr'\n"
           "completed {delivery: 2052, results: 1 items} 'rrrrrrrr'\n");
    close_hive(h);
}

/* A range without results may be longer than a list: then a result begins the next. */
static void test_a_late_result(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    h->quiet = true;
    for (unsigned n = 0; n < 2; n++) {
        struct skep_frame items = {0};
        for (unsigned i = 0; i < SKEP_MAX_LIST; i++) assert_int_equal(skep__list_add(&items, "d", 1), SKEP_OK);
        give_command(h, "q", &items, SKEP_MAX_LIST);
    }
    give(h, "q", "rd");
    expect(h, 2,
           "completed {delivery: 1, n: 4096}\n"
           "completed {delivery: 4097, n: 2, results: 2 items} 'r' ''\n");
    close_hive(h);
}

/* Handlers that take long do not hold up the acknowledgements of those before them. */
static void test_slow_handlers(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    h->worker->jobs.acks.hold_ns = SKEP__HOLD_NS;
    give(h, "q", "sss");
    expect(h, 3, "completed {delivery: 1}\ncompleted {delivery: 2}\ncompleted {delivery: 3}\n");
    assert_in_range(h->frames, 2, 3);
    close_hive(h);
}

/* --- queues --- */

static void test_queues_are_told(void **state) {
    struct hive *h = open_hive(*state);
    read_link(h);
    h->answers[h->answers_bytes = 0] = '\0';
    handle(h, "resize");
    handle(h, "resize"); /* another handler, the same queue */
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 1), SKEP_OK);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 20), SKEP_OK);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 0), SKEP_EINVAL);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 65536), SKEP_EINVAL);
    assert_int_equal(skep_job_concurrency(h->worker, "other", 2), SKEP_EINVAL);
    assert_string_equal(skep_worker_why(h->worker), "other: no handler for this queue");
    read_link(h);
    assert_string_equal(h->answers, "handle {queue: \"resize\"}\nhandle {queue: \"resize\", concurrency: 20}\n");
    close_hive(h);
}

static void test_names_and_numbers_of_queues(void **state) {
    struct hive *h = open_hive(*state);
    char name[SKEP_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[SKEP_MAX_NAME + 1] = '\0';
    assert_int_equal(skep_on_job(h->worker, name, handler, h), SKEP_EINVAL);
    assert_int_equal(skep_on_job(h->worker, "", handler, h), SKEP_EINVAL);
    for (unsigned i = 0; i < SKEP__MAX_HANDLED; i++) {
        snprintf(name, sizeof name, "queue %u", i);
        handle(h, name);
    }
    assert_int_equal(skep_on_job(h->worker, "one more", handler, h), SKEP_ETOOBIG);
    assert_int_equal(skep_on_job(h->worker, "queue 3", handler, h), SKEP_OK);
    give(h, "queue 3", "d");
    give(h, "one more", "ddd");
    give(h, "queue 63", "d");
    expect(h, 3, "completed {delivery: 1}\nreleased {delivery: 2, n: 3}\ncompleted {delivery: 5}\n");
    close_hive(h);
}

static void test_what_a_job_says(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_frame items = {0};
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    handle(h, "q");
    assert_int_equal(skep__list_add(&items, "k", 1), SKEP_OK);
    *j = (struct skep_command_jobs){
        .queue = {"q", 1}, .delivery = 9, .id = 77, .lease_ms = 1234, .jobs = skep__list_of(&items, 1)};
    SKEP_SET(jobs, j, attempt, 3);
    SKEP_SET(jobs, j, redelivered, true);
    assert_int_equal(skep__outlet_add(h->inbox, &command), SKEP_OK);
    skep__frame_free(&items);
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    const skep_job *job = h->kept[0];
    assert_string_equal(job->queue, "q");
    assert_int_equal(job->id, 77);
    assert_int_equal(job->size_bytes, 1);
    assert_memory_equal(job->data, "k", 1);
    assert_int_equal(job->attempt, 3);
    assert_true(job->redelivered);
    assert_int_equal(job->deadline_ms, uv_now(&h->pump->loop) + 1234);
    close_hive(h);
}

/* --- kept jobs --- */

static void test_kept_jobs_hold_up_others(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    handle(h, "other");
    give(h, "q", "kdrkd");
    give(h, "other", "d");
    expect(h, 1, "completed {delivery: 6}\n");
    assert_string_equal(h->ran, "kd");
    assert_int_equal(skep_worker_jobs(h->worker), 1);
    assert_memory_equal(h->kept[0]->data, "k", 1);
    skep_job_complete(h->kept[0], SKEP_DONE);
    assert_string_equal(h->ran, "kd"); /* not inside that call */
    expect(h, 1, "completed {delivery: 1, n: 3, results: 3 items} '' '' 'r'\n");
    assert_string_equal(h->ran, "kddrk");
    skep_job_reason(h->kept[1], "broken");
    skep_job_complete(h->kept[1], SKEP_FAILED);
    expect(h, 2, "fail {delivery: 4, reason: \"broken\"}\ncompleted {delivery: 5}\n");
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

static void test_concurrency(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(skep_job_concurrency(h->worker, "q", 2), SKEP_OK);
    give(h, "q", "kkkkd");
    PUMP_UNTIL(h->pump, h->kept_count == 2);
    assert_int_equal(skep_job_concurrency(h->worker, "q", 3), SKEP_OK);
    PUMP_UNTIL(h->pump, h->kept_count == 3);
    skep_job_complete(h->kept[1], SKEP_DONE);
    expect(h, 1, "completed {delivery: 2}\n");
    PUMP_UNTIL(h->pump, h->kept_count == 4);
    assert_string_equal(h->ran, "kkkk");
    skep_job_complete(h->kept[0], SKEP_RETRY);
    expect(h, 2, "retry {delivery: 1}\ncompleted {delivery: 5}\n");
    close_hive(h); /* with two that are kept */
}

static void test_completed_before_the_handler_returned(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "cdc");
    expect(h, 1, "completed {delivery: 1, n: 3}\n");
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

static void test_extending(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dxk");
    expect(h, 3, "completed {delivery: 1}\nextend {delivery: 2}\ncompleted {delivery: 2}\n");
    assert_int_equal(h->frames, 2); /* it does not wait for its handler's end */
    PUMP_LOOK_UNTIL(h->pump, uv_now(&h->pump->loop) + LEASE_MS > h->kept[0]->deadline_ms);
    assert_int_equal(skep_job_extend(h->kept[0]), SKEP_OK);
    assert_int_equal(h->kept[0]->deadline_ms, uv_now(&h->pump->loop) + LEASE_MS);
    expect(h, 1, "extend {delivery: 3}\n");
    close_hive(h);
}

static void test_limits_of_what_is_set(void **state) {
    static char large[SKEP_MAX_PAYLOAD + 1];
    struct hive *h = open_hive(*state);
    char reason[600], expected[700];
    handle(h, "q");
    give(h, "q", "k");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    assert_int_equal(skep_job_result(h->kept[0], large, sizeof large), SKEP_ETOOBIG);
    memset(reason, 'x', sizeof reason);
    memcpy(reason + SKEP_MAX_REASON - 1, "\xc3\xa9", 2); /* would be cut in two */
    reason[sizeof reason - 1] = '\0';
    skep_job_reason(h->kept[0], reason);
    skep_job_complete(h->kept[0], SKEP_RETRY);
    snprintf(expected, sizeof expected, "retry {delivery: 1, reason: \"%.*s\"}\n", SKEP_MAX_REASON - 1, reason);
    expect(h, 1, expected);
    close_hive(h);
}

/* --- the page --- */

static void test_the_page(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(h->page->writes, 1);
    assert_int_equal(h->page->beats, 0);
    give(h, "q", "dd");
    expect(h, 1, "completed {delivery: 1, n: 2}\n");
    assert_int_equal(h->running, 2); /* inside the handler */
    assert_int_equal(h->begun, 2);
    assert_int_equal(h->page->running, 0);
    assert_int_equal(h->page->begun, 2);
    close_hive(h);
}

/* A job that has waited is not taken for a later one. */
static void test_begun_never_goes_back(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    handle(h, "other");
    give(h, "q", "kd");
    give(h, "other", "d");
    expect(h, 1, "completed {delivery: 3}\n");
    assert_int_equal(h->page->begun, 3);
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect(h, 1, "completed {delivery: 1, n: 2}\n");
    assert_int_equal(h->running, 2);
    assert_int_equal(h->begun, 3);
    close_hive(h);
}

static void test_beats(void **state) {
    struct hive *h = calloc(1, sizeof *h);
    assert_non_null(h);
    open_hive_with(*state, make_page(h), 1, h);
    assert_int_equal(h->page->beats, 1);
    PUMP_LOOK_UNTIL(h->pump, h->page->beats >= 4);
    close_hive(h);
}

/* What is no page stays as it is, and jobs are done without. */
static void try_foreign(struct pump *pump, int fd) {
    struct hive *h = calloc(1, sizeof *h);
    assert_non_null(h);
    open_hive_with(pump, fd, 1, h);
    handle(h, "q");
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 1}\n");
    if (fd >= 0) assert_int_equal(close(fd), 0);
    close_hive(h);
}

static void test_foreign_descriptors(void **state) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    try_foreign(*state, pipes[0]);
    close(pipes[1]);
    try_foreign(*state, -1);
    int empty = memfd_create("small", MFD_CLOEXEC);
    try_foreign(*state, empty);
    int other = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(ftruncate(other, SKEP_PAGE_BYTES), 0);
    try_foreign(*state, other);
}

/* --- leaving --- */

static void drain(struct hive *h) {
    struct skep_command command = {.id = SKEP_COMMAND_drain};
    command.drain.has = 0;
    tell(h, &command);
}

static void confirm_news(struct hive *h) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = 0}};
    assert_int_equal(skep__outlet_add(h->inbox, &command), SKEP_OK);
}

static void test_leaving(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "kdd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    drain(h);
    expect(h, 1, "released {delivery: 2, n: 2}\n");
    give(h, "q", "ddd");
    expect(h, 1, "released {delivery: 4, n: 3}\n");
    assert_int_equal(skep_on_job(h->worker, "more", handler, h), SKEP_ECLOSED);
    assert_true(skep_worker_is_connected(h->worker));
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect(h, 2, "completed {delivery: 1}\nnewsSince {seq: 18446744073709551615}\n");
    assert_true(skep_worker_is_connected(h->worker)); /* until that is known to have been read */
    confirm_news(h);
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    assert_string_equal(h->ran, "k");
    close_hive(h);
}

/* A handler makes the worker leave: the rest of its frame goes back. */
static void test_leaving_by_itself(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dldd");
    PUMP_UNTIL(h->pump, lines(h) >= 3);
    expect(h, 3,
           "completed {delivery: 1, n: 2}\nreleased {delivery: 3, n: 2}\nnewsSince {seq: 18446744073709551615}\n");
    confirm_news(h);
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    close_hive(h);
}

static void test_the_link_is_lost(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(skep_job_concurrency(h->worker, "q", 2), SKEP_OK);
    give(h, "q", "kk");
    PUMP_UNTIL(h->pump, h->kept_count == 2);
    close(h->link);
    h->link = -1;
    PUMP_UNTIL(h->pump, h->worker->phase == SKEP__WORKER_LEAVING);
    assert_memory_equal(h->kept[0]->data, "k", 1); /* still the user's */
    skep_job_complete(h->kept[0], SKEP_DONE);
    skep_job_complete(h->kept[1], SKEP_DONE);
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    assert_int_equal(h->worker->result, SKEP_ECLOSED);
    close_hive(h);
}

static void test_completing_after_the_end(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "kd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    skep__worker_close_link(h->worker, SKEP_ECLOSED);
    assert_int_equal(skep_job_extend(h->kept[0]), SKEP_ECLOSED);
    skep_job_complete(h->kept[0], SKEP_DONE);
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_ack_for_a_frame),
        PUMP_TEST(test_results_share_a_list),
        PUMP_TEST(test_other_answers_break_a_range),
        PUMP_TEST(test_lists_are_bounded),
        PUMP_TEST(test_a_late_result),
        PUMP_TEST(test_slow_handlers),
        PUMP_TEST(test_queues_are_told),
        PUMP_TEST(test_names_and_numbers_of_queues),
        PUMP_TEST(test_what_a_job_says),
        PUMP_TEST(test_kept_jobs_hold_up_others),
        PUMP_TEST(test_concurrency),
        PUMP_TEST(test_completed_before_the_handler_returned),
        PUMP_TEST(test_extending),
        PUMP_TEST(test_limits_of_what_is_set),
        PUMP_TEST(test_the_page),
        PUMP_TEST(test_begun_never_goes_back),
        PUMP_TEST(test_beats),
        PUMP_TEST(test_foreign_descriptors),
        PUMP_TEST(test_leaving),
        PUMP_TEST(test_leaving_by_itself),
        PUMP_TEST(test_the_link_is_lost),
        PUMP_TEST(test_completing_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
