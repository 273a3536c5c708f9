/* SPDX-License-Identifier: MIT
 * A mock broker's workers: their channels, the handshake, and what arrives. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/text.h"
#include "mock/clients.h"
#include "worker/join.h"

/* --- the link --- */

static void tell_or_note(struct skep__mock_worker *worker, const struct skep_command *command) {
    int status = skep__mock_tell(worker, command, -1);
    if (status != SKEP_OK)
        skep__mock_note(worker->mock, "cannot tell worker %u: %s", worker->id, skep_strerror(status));
}

static void welcome(struct skep__mock_worker *worker, const struct skep_command_hello *hello) {
    skep_mock *mock = worker->mock;
    char inbox[SKEP_MAX_URL + 1], outbox[SKEP_MAX_URL + 1], news[SKEP_MAX_URL + 1];
    struct skep_command command = {.id = SKEP_COMMAND_welcome};
    struct skep_command_welcome *w = &command.welcome;
    if (SKEP_HAS(hello, hello, name)) skep__copy_text(worker->name, sizeof worker->name, &hello->name);
    skep__mock_url(mock, SKEP_FILE_INBOX, worker->id, inbox);
    skep__mock_url(mock, SKEP_FILE_OUTBOX, worker->id, outbox);
    skep__mock_url(mock, SKEP_FILE_NEWS, SKEP__MOCK_GENERATION, news);
    *w = (struct skep_command_welcome){.protocol = SKEP_PROTOCOL,
                                       .worker = worker->id,
                                       .generation = SKEP__MOCK_GENERATION,
                                       .inbox = skep__text(inbox),
                                       .outbox = skep__text(outbox),
                                       .news = skep__text(news),
                                       .newsSeq = mock->news_seq};
    if (mock->options.beat_ms > 0) SKEP_SET(welcome, w, beat_ms, mock->options.beat_ms);
    tell_or_note(worker, &command);
}

static void listen_for(struct skep__mock_worker *worker, const struct skep_command_listen *listen) {
    struct skep__mock_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) return;
    listener->number = ++worker->last_listener;
    skep__copy_text(listener->url, sizeof listener->url, &listen->url);
    LIST_INSERT_HEAD(&worker->listeners, listener, entry);
    struct skep_command command = {.id = SKEP_COMMAND_listening};
    command.listening = (struct skep_command_listening){
        .request = listen->request, .listener = listener->number, .url = skep__text(listener->url)};
    tell_or_note(worker, &command);
}

static void unlisten(struct skep__mock_worker *worker, uint64_t number) {
    struct skep__mock_listener *listener;
    LIST_FOREACH(listener, &worker->listeners, entry) {
        if (listener->number != number) continue;
        LIST_REMOVE(listener, entry);
        free(listener);
        return;
    }
}

static struct skep__mock_place *place_at(struct skep__mock_worker *worker, const struct skep_bytes *queue) {
    struct skep__mock_place *place;
    LIST_FOREACH(place, &worker->places, entry) if (skep__text_is(*queue, place->queue)) return place;
    place = calloc(1, sizeof *place);
    if (place == NULL) return NULL;
    skep__copy_text(place->queue, sizeof place->queue, queue);
    LIST_INSERT_HEAD(&worker->places, place, entry);
    return place;
}

static void handle_queue(struct skep__mock_worker *worker, const struct skep_command_handle *handle) {
    int status = skep__jobs_handle(worker->holder, handle);
    struct skep__mock_place *place = status == SKEP_OK ? place_at(worker, &handle->queue) : NULL;
    if (status != SKEP_OK) skep__mock_note(worker->mock, "worker %u: %s", worker->id, skep_strerror(status));
    if (place == NULL) return;
    place->concurrency = SKEP_HAS(handle, handle, concurrency) ? (unsigned)handle->concurrency : 1;
    if (place->concurrency == 0) place->concurrency = 1;
}

static void taken(struct skep__mock_worker *worker, const struct skep_command_taken *t) {
    if (SKEP_HAS(taken, t, through)) worker->taken = t->through;
    if (SKEP_HAS(taken, t, finished)) worker->finished += t->finished;
}

/* It is ready when its channels are, too. */
static void admit(struct skep__mock_worker *worker) {
    if (worker->ready || !worker->said_ready || !worker->has_inbox || !worker->has_outbox) return;
    worker->ready = true;
    if (!worker->draining) skep__jobs_worker_ready(worker->holder);
}

static void said_ready(struct skep__mock_worker *worker) {
    worker->said_ready = true;
    admit(worker);
}

static void inbox_connected(void *context, const struct skep__peer *peer) {
    struct skep__mock_worker *worker = context;
    (void)peer;
    worker->has_inbox = true;
    admit(worker);
}

static void inbox_drained(void *context) {
    struct skep__mock_worker *worker = context;
    skep__jobs_inbox_drained(worker->holder);
}

static void outbox_connected(void *context, const struct skep__peer *peer) {
    struct skep__mock_worker *worker = context;
    (void)peer;
    worker->has_outbox = true;
    admit(worker);
}

static int link_command(void *context, const struct skep_command *command) {
    struct skep__mock_worker *worker = context;
    skep__mock_note_command(worker->mock, "<", worker->id, command);
    switch (command->id) {
    case SKEP_COMMAND_hello: welcome(worker, &command->hello); break;
    case SKEP_COMMAND_ready: said_ready(worker); break;
    case SKEP_COMMAND_listen: listen_for(worker, &command->listen); break;
    case SKEP_COMMAND_unlisten: unlisten(worker, command->unlisten.listener); break;
    case SKEP_COMMAND_handle: handle_queue(worker, &command->handle); break;
    case SKEP_COMMAND_taken: taken(worker, &command->taken); break;
    case SKEP_COMMAND_disconnect: skep__mock_leaves(worker); break;
    default: break;
    }
    return SKEP_OK;
}

/* --- frames --- */

static void subscribed(struct skep__mock_worker *worker, const struct skep_command_newsSince *since) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = worker->mock->news_seq}};
    if (since->seq != UINT64_MAX) worker->subscribed = true; /* else it only wants to know what has been read */
    if (skep__mock_put(worker, &command) != SKEP_OK) skep__mock_note(worker->mock, "cannot answer newsSince");
}

static void bad_frame(struct skep__mock_worker *worker, const char *why) {
    struct skep__mock_event event = {
        .what = SKEP__MOCK_BAD_FRAME, .worker = worker->id, .value = -1, .text = skep__text(why)};
    skep__mock_note(worker->mock, "< worker %u: what is no frame: %s", worker->id, why);
    skep__mock_happened(worker->mock, &event);
}

/* How long something took is nothing that a test can expect; that it is a histogram is. */
static void handled(struct skep__mock_worker *worker, const struct skep_command_handled *h) {
    struct skep_histogram times = {0};
    if (skep__histogram_unpack(&times, h->times.data, h->times.size_bytes) == SKEP_EPROTO)
        bad_frame(worker, "times: no histogram");
    skep__histogram_free(&times);
}

static void replied(struct skep__mock_worker *worker, const struct skep_command_reply *r) {
    if (!skep__mock_pass_reply(worker, r) && !skep__mock_client_reply(worker, r)) skep__mock_replied(worker, r);
}

static int outbox_command(void *context, const struct skep_command *command) {
    struct skep__mock_worker *worker = context;
    skep__mock_note_command(worker->mock, "<", worker->id, command);
    switch (command->id) {
    case SKEP_COMMAND_message: skep__mock_message(worker, &command->message); break;
    case SKEP_COMMAND_reply: replied(worker, &command->reply); break;
    case SKEP_COMMAND_newsSince: subscribed(worker, &command->newsSince); break;
    case SKEP_COMMAND_incrementCount: skep__mock_count_named(worker, &command->incrementCount); break;
    case SKEP_COMMAND_incrementRequestCount: skep__mock_count_requests(worker, &command->incrementRequestCount); break;
    case SKEP_COMMAND_handled: handled(worker, &command->handled); break;
    default: skep__mock_answered(worker, command); break;
    }
    return SKEP_OK;
}

static void read_frame(struct skep__mock_worker *worker, struct skep_reader *reader, const void *data,
                       size_t size_bytes, skep__take_cb *take) {
    int status = skep__reader_read(reader, data, size_bytes, take, worker);
    if (status != SKEP_OK) bad_frame(worker, reader->why);
}

static void outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct skep__mock_worker *worker = context;
    (void)peer;
    read_frame(worker, &worker->outbox_reader, data, size_bytes, outbox_command);
    skep__jobs_dispatch_to(worker->holder);
}

/* --- reading the link, and its end --- */

void skep__mock_drop_link(struct skep__mock_worker *worker) {
    if (worker->link < 0) return;
    uv_poll_stop(&worker->link_poll);
    skep__mock_close_handle(worker->mock, (uv_handle_t *)&worker->link_poll);
    close(worker->link);
    worker->link = -1;
    worker->left = true;
    skep__mock_fail_calls(worker);
    skep__jobs_link_closed(worker->holder);
}

void skep__mock_leaves(struct skep__mock_worker *worker) {
    worker->draining = true;
    skep__jobs_worker_leaving(worker->holder);
}

/* What a program's jobs become is known when it has ended, which is soon. */
void skep__mock_link_ended(struct skep__mock_worker *worker) {
    if (worker->link < 0) return;
    skep__port_read(worker->outbox, worker->pid != 0 ? worker->pid : getpid()); /* what it sent before */
    skep__mock_note(worker->mock, "< worker %u: closed its link", worker->id);
    skep__mock_drop_link(worker);
    if (worker->pid == 0) skep__jobs_worker_ended(worker->holder);
}

void skep__mock_read_link(void *context) {
    struct skep__mock_worker *worker = context;
    struct skep__link_message *m = worker->mock->message;
    while (worker->link >= 0) {
        int status = skep__link_receive(worker->link, m);
        if (status == SKEP_EAGAIN) return;
        if (status != SKEP_OK) {
            skep__mock_link_ended(worker);
            return;
        }
        for (unsigned i = 0; i < m->fd_count; i++) close(m->fds[i]);
        read_frame(worker, &worker->link_reader, m->data, m->size_bytes, link_command);
    }
}

static void link_readable(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    skep__mock_read_link(poll->data);
}

/* --- making and freeing --- */

static int open_page(struct skep__mock_worker *worker) {
    worker->page_fd = memfd_create("skep-page", MFD_CLOEXEC);
    if (worker->page_fd < 0 || ftruncate(worker->page_fd, SKEP_PAGE_BYTES) != 0) return skep_status_of_errno(errno);
    struct skep_page *page = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, worker->page_fd, 0);
    if (page == MAP_FAILED) return skep_status_of_errno(errno);
    page->magic = SKEP_PAGE_MAGIC;
    worker->page = page;
    return SKEP_OK;
}

static int open_sockets(struct skep__mock_worker *worker) {
    static const struct skep__port_events events = {.received = outbox_received, .connected = outbox_connected};
    skep_mock *mock = worker->mock;
    char url[SKEP_MAX_URL + 1];
    struct skep__outlet_options inbox = {.hub = mock->hub,
                                         .flusher = mock->flusher,
                                         .kind = SKEP__PORT_PUSH,
                                         .drained = inbox_drained,
                                         .connected = inbox_connected,
                                         .context = worker};
    int status = skep__outlet_new(&worker->inbox, &inbox);
    skep__mock_url(mock, SKEP_FILE_INBOX, worker->id, url);
    if (status == SKEP_OK) status = skep__outlet_listen(worker->inbox, url);
    if (status == SKEP_OK) status = skep__port_new(&worker->outbox, mock->hub, SKEP__PORT_PULL, &events, worker);
    skep__mock_url(mock, SKEP_FILE_OUTBOX, worker->id, url);
    if (status == SKEP_OK) status = skep__port_listen(worker->outbox, url);
    return status;
}

static int open_link(struct skep__mock_worker *worker, int *link) {
    int ends[2];
    int status = skep__link_pair(ends);
    if (status != SKEP_OK) return status;
    int error = uv_poll_init(worker->mock->loop, &worker->link_poll, ends[0]);
    if (error != 0) {
        close(ends[0]);
        close(ends[1]);
        return skep_status_of_errno(-error);
    }
    worker->mock->open_handles++;
    worker->link_poll.data = worker;
    uv_poll_start(&worker->link_poll, UV_READABLE, link_readable);
    uv_unref((uv_handle_t *)&worker->link_poll);
    worker->link = ends[0];
    *link = ends[1];
    return SKEP_OK;
}

static int open_holder(struct skep__mock_worker *worker) {
    const struct skep__worker_facts facts = {
        .worker = worker, .settings = &worker->mock->settings, .id = worker->id, .page = worker->page};
    int status = skep__holder_new(&worker->holder, worker->mock->ledger, &facts);
    if (status == SKEP_OK) skep__holder_set_inbox(worker->holder, worker->inbox);
    return status;
}

/* A worker that could not be made stays in the list, as one that has left: its handle may still be closing. */
int skep__mock_add_worker(skep_mock *mock, struct skep__mock_worker **out, int *link) {
    struct skep__mock_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return SKEP_ENOMEM;
    worker->mock = mock;
    worker->id = ++mock->last_worker;
    worker->link = worker->page_fd = worker->pidfd = worker->code = worker->signal = -1;
    TAILQ_INSERT_TAIL(&mock->workers, worker, entry);
    int status = skep__reader_init(&worker->link_reader, SKEP_CHANNEL_LINK_UP);
    if (status == SKEP_OK) status = skep__reader_init(&worker->outbox_reader, SKEP_CHANNEL_OUTBOX);
    if (status == SKEP_OK) status = open_page(worker);
    if (status == SKEP_OK) status = open_sockets(worker);
    if (status == SKEP_OK) status = open_holder(worker);
    if (status == SKEP_OK) status = open_link(worker, link);
    worker->left = status != SKEP_OK;
    if (status == SKEP_OK) *out = worker;
    return status;
}

#define FREE_LIST(head, type)                                  \
    for (struct type * e_; (e_ = LIST_FIRST(head)) != NULL;) { \
        LIST_REMOVE(e_, entry);                                \
        free(e_);                                              \
    }

void skep__mock_free_worker(struct skep__mock_worker *worker) {
    TAILQ_REMOVE(&worker->mock->workers, worker, entry);
    free(worker->delivered);
    FREE_LIST(&worker->places, skep__mock_place)
    FREE_LIST(&worker->listeners, skep__mock_listener)
    FREE_LIST(&worker->counters, skep__mock_counter)
    skep__reader_free(&worker->link_reader);
    skep__reader_free(&worker->outbox_reader);
    if (worker->page != NULL) munmap(worker->page, SKEP_PAGE_BYTES);
    if (worker->page_fd >= 0) close(worker->page_fd);
    free(worker);
}

int skep_mock_broker_worker(skep_mock *mock, skep_worker **out, const char *name) {
    struct skep__mock_worker *worker;
    int link;
    int status = skep__mock_add_worker(mock, &worker, &link);
    if (status != SKEP_OK) return status;
    skep_worker_options options = {.name = name, .loop = mock->loop};
    struct skep__meeting meeting = {.link = link,
                                    .page = fcntl(worker->page_fd, F_DUPFD_CLOEXEC, 0),
                                    .id = worker->id,
                                    .generation = SKEP__MOCK_GENERATION,
                                    .turn = skep__mock_read_link,
                                    .context = worker};
    status = skep__worker_join(&worker->inside, &meeting, &options);
    if (status == SKEP_OK) *out = worker->inside;
    else skep__mock_drop_link(worker);
    return status;
}
