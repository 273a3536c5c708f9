/* SPDX-License-Identifier: MIT
 * A worker against the bare ends of its channels: gives it jobs, and notes what it answers; durations apart from that,
 * since they come when they come. */
#ifndef SKEP_TESTS_BARE_HIVE_H
#define SKEP_TESTS_BARE_HIVE_H

#include "lib/pump.h"

#include <sys/mman.h>

#include "worker/private.h"

enum { KEPT = 16, FRAMES = 64, LEASE_MS = 30000, TIMED = 8 };

/* The durations that a worker has reported, of one kind */
struct timed {
    char what[SKEP_MAX_NAME + 1], queue[SKEP_MAX_NAME + 1];
    struct skep_histogram times;
    unsigned reports;
};

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
    unsigned frames; /* with answers */
    struct timed timed[TIMED];
    bool deaf; /* answers are not kept */

    skep_worker *worker;
    char ran[4096]; /* payloads in the order in which handlers saw them */
    skep_job *kept[KEPT];
    unsigned kept_count;
    bool redelivered;
    unsigned attempt;
    uint64_t running, begun; /* the page inside the latest handler */
    bool quiet;              /* ran is not kept */
};

static inline void note(struct hive *h, const struct skep_command *command) {
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

static inline struct timed *timed_of(struct hive *h, const char *what, const char *queue) {
    struct timed *t = h->timed;
    while (t->what[0] != '\0' && (strcmp(t->what, what) != 0 || strcmp(t->queue, queue) != 0)) t++;
    assert_true(t < h->timed + TIMED);
    snprintf(t->what, sizeof t->what, "%s", what);
    snprintf(t->queue, sizeof t->queue, "%s", queue);
    return t;
}

static inline void note_times(struct hive *h, const struct skep_command_handled *handled) {
    char what[SKEP_MAX_NAME + 1], queue[SKEP_MAX_NAME + 1];
    snprintf(what, sizeof what, "%.*s", (int)handled->what.size_bytes, handled->what.data);
    snprintf(queue, sizeof queue, "%.*s", (int)handled->queue.size_bytes,
             handled->queue.size_bytes > 0 ? handled->queue.data : "");
    struct timed *t = timed_of(h, what, queue);
    assert_int_equal(skep__histogram_unpack(&t->times, handled->times.data, handled->times.size_bytes), SKEP_OK);
    t->reports++;
}

static inline void read_all(struct hive *h, struct skep_reader *reader, const void *data, size_t size_bytes) {
    struct skep_command command;
    bool more = true;
    assert_int_equal(skep__reader_begin(reader, data, size_bytes), SKEP_OK);
    for (;;) {
        assert_int_equal(skep__reader_next(reader, &command, &more), SKEP_OK);
        if (!more) return;
        if (command.id == SKEP_COMMAND_handled) note_times(h, &command.handled);
        else if (!h->deaf) note(h, &command);
    }
}

static inline void answered(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct hive *h = context;
    (void)peer;
    size_t before_bytes = h->answers_bytes;
    read_all(h, &h->outbox_reader, data, size_bytes);
    h->frames += h->answers_bytes > before_bytes;
}

/* --- joining --- */

static inline void tell(struct hive *h, const struct skep_command *command) {
    struct skep_frame frame = {0};
    assert_int_equal(skep__frame_add(&frame, command), SKEP_OK);
    assert_int_equal(skep__link_send(h->link, frame.data, frame.size_bytes, NULL, 0), SKEP_OK);
    skep__frame_free(&frame);
}

static inline void say_welcome(struct hive *h, const char *inbox, const char *outbox, uint64_t beat_ms) {
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

static inline int make_page(struct hive *h) {
    int fd = memfd_create("page", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SKEP_PAGE_BYTES), 0);
    h->page = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(h->page, MAP_FAILED);
    h->page->magic = SKEP_PAGE_MAGIC;
    return fd;
}

static inline struct hive *open_hive_with(struct pump *pump, int page, uint64_t beat_ms, struct hive *h) {
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
    h->worker->jobs.acks.hold_ns = h->worker->jobs.turn_ns = UINT64_MAX; /* this machine may be slow */
    return h;
}

static inline struct hive *open_hive(struct pump *pump) {
    struct hive *h = calloc(1, sizeof *h);
    assert_non_null(h);
    return open_hive_with(pump, make_page(h), 0, h);
}

static inline void close_hive(struct hive *h) {
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
    for (unsigned i = 0; i < TIMED; i++) skep__histogram_free(&h->timed[i].times);
    pump_turns(h->pump, 3);
    free(h);
}

/* --- giving jobs --- */

static inline void busy(uint64_t for_ns) {
    for (uint64_t end_ns = uv_hrtime() + for_ns; uv_hrtime() < end_ns;) continue;
}

/* What a job's payload says is done. */
static inline skep_verdict handler(skep_worker *worker, skep_job *job, void *context) {
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

static inline void give_command(struct hive *h, const char *queue, struct skep_frame *items, uint32_t count) {
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
static inline void give(struct hive *h, const char *queue, const char *payloads) {
    struct skep_frame items = {0};
    for (const char *p = payloads; *p != '\0'; p++) assert_int_equal(skep__list_add(&items, p, 1), SKEP_OK);
    give_command(h, queue, &items, (uint32_t)strlen(payloads));
}

static inline unsigned lines(const struct hive *h) {
    unsigned count = 0;
    for (size_t i = 0; i < h->answers_bytes; i++) count += h->answers[i] == '\n';
    return count;
}

static inline void expect(struct hive *h, unsigned count, const char *answers) {
    PUMP_UNTIL(h->pump, lines(h) >= count);
    assert_string_equal(h->answers, answers);
    h->answers[h->answers_bytes = 0] = '\0';
}

static inline void handle(struct hive *h, const char *queue) {
    assert_int_equal(skep_on_job(h->worker, queue, handler, h), SKEP_OK);
}

/* Reads what the worker has said on the link since the last time. */
static inline void read_link(struct hive *h) {
    while (skep__link_receive(h->link, &h->message) == SKEP_OK)
        read_all(h, &h->link_reader, h->message.data, h->message.size_bytes);
}

#endif
