/* SPDX-License-Identifier: MIT
 * A client that is made of NNG's own sockets, from docs/protocol.md, with none of Skep's code: it proves that any NNG
 * program is a peer.
 *
 *   nng_client DIR QUEUE JOBS LARGEST_BYTES [WINDOW_BYTES]
 *
 * Submits so many jobs of mixed sizes, no larger than that, with at most WINDOW_BYTES of them (3 MiB) under way, and
 * expects the payload of each as its result; asks a worker of the queue's name for an echo; watches the news meanwhile,
 * until an item has come at least, and fetches at the end what it may have missed. Its last lines are what came of
 * that:
 *
 *   accepted N declined N finished N died N wrong N twice N again N
 *   reply STATUS BYTES
 *   news N missed N fetched N lacking N
 *
 * wrong: results that are no payload; twice: outcomes after the first one; again: how often it had to go back to an
 * earlier number; lacking: of the items fetched. Status 0: each job finished as it should. */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <unistd.h>

#include "nng_peer.h"

enum { MAX_URL = 256, MAX_LIST = 2048, SILENCE_MS = 15000, WINDOW_BYTES = 3 * 1024 * 1024 };

enum state { UNKNOWN, ACCEPTED, ENDED };

struct client {
    nng_socket control, intake, returns, news;
    uint64_t id;
    const char *queue;
    uint64_t jobs, next;     /* numbers are 1 to jobs; next to be submitted */
    uint64_t oldest_unknown; /* all before it were answered */
    size_t largest_bytes, window_bytes, under_way_bytes;
    unsigned char *states; /* by number */
    char *payload;         /* of the largest size, for whichever job is looked at */
    uint64_t accepted, declined, finished, died, wrong, twice, again;
    bool replied;
    uint64_t reply_status, reply_bytes;
    uint64_t first_seq, last_seq; /* news as they came; 0: none yet */
    uint64_t items, missed;       /* items that came; numbers that were left out */
    uint64_t fetched, end_seq;    /* asked for afterwards; number of the latest there is */
};

/* --- payloads, which their numbers determine --- */

static uint64_t mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

/* Most are small, some larger than a frame, a few as large as can be. */
static size_t payload_size(const struct client *client, uint64_t number) {
    uint64_t below = number % 64 == 0 ? client->largest_bytes : number % 8 == 0 ? 16 * 1024 : 256;
    if (number % 512 == 0 || below > client->largest_bytes) below = client->largest_bytes;
    return number % 512 == 0 ? below : (size_t)(mixed(number) % (below + 1));
}

static size_t fill_payload(struct client *client, uint64_t number) {
    size_t size = payload_size(client, number);
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t bits = mixed(number << 20 | at);
        memcpy(client->payload + at, &bits, size - at < sizeof bits ? size - at : sizeof bits);
    }
    return size;
}

/* --- control: one question, one answer --- */

static void ask(struct client *client, struct frame *question, command_cb callback) {
    nng_msg *answer;
    frame_send(question, client->control);
    peer_must(nng_recvmsg(client->control, &answer, 0), "answer");
    each_command(nng_msg_body(answer), nng_msg_len(answer), callback, client);
    nng_msg_free(answer);
}

static void on_joined(const msgpack_object *command, void *context) {
    struct client *client = context;
    if (!field_is(command, "cmd", "joined")) peer_fail("join", "refused");
    client->id = field_uint(command, "client", 0);
    peer_must(nng_pull0_open(&client->returns), "returns");
    peer_must(nng_push0_open(&client->intake), "intake");
    peer_must(nng_sub0_open(&client->news), "news");
    peer_must(nng_socket_set(client->news, NNG_OPT_SUB_SUBSCRIBE, "", 0), "subscribe");
    dial_field(client->returns, command, "returns");
    dial_field(client->intake, command, "intake");
    dial_field(client->news, command, "news");
}

static void join(struct client *client, const char *folder) {
    char path[MAX_URL], url[MAX_URL];
    unsigned long long generation;
    struct frame question = {0};
    snprintf(path, sizeof path, "%s/lock", folder);
    FILE *lock = fopen(path, "re");
    if (lock == NULL || fscanf(lock, "%*u %llu", &generation) != 1) peer_fail(path, "no broker");
    fclose(lock);
    snprintf(url, sizeof url, "ipc://%s/control.%llu", folder, generation);
    peer_must(nng_req0_open(&client->control), "control");
    peer_must(nng_socket_set_size(client->control, NNG_OPT_RECVMAXSZ, MAX_FRAME), "control");
    peer_must(nng_dial(client->control, url, NULL, 0), url);
    put_command(&question, "join", 0);
    ask(client, &question, on_joined);
}

/* --- submitting --- */

static void open_frame(struct client *client, struct frame *frame) {
    put_command(frame, "client", 1);
    put_field_uint(frame, "client", client->id);
}

/* As many of the next jobs as fit into one frame, one at least; none while too much is under way */
static size_t count_next(const struct client *client, size_t *size_bytes) {
    size_t count = 0;
    *size_bytes = 0;
    while (client->next + count <= client->jobs && count < MAX_LIST) {
        size_t size = payload_size(client, client->next + count);
        if (client->under_way_bytes + *size_bytes > client->window_bytes) break;
        if (count > 0 && *size_bytes + size > FULL_FRAME) break;
        *size_bytes += size;
        count++;
    }
    return count;
}

static void submit_next(struct client *client) {
    struct frame frame = {0};
    size_t size_bytes, count = count_next(client, &size_bytes);
    if (count == 0) return;
    open_frame(client, &frame);
    put_command(&frame, "submit", 4);
    put_field_text(&frame, "queue", client->queue);
    put_field_uint(&frame, "number", client->next);
    put_field_true(&frame, "outcomes");
    put_field_list(&frame, "jobs", count);
    for (size_t i = 0; i < count; i++) {
        size_t size = fill_payload(client, client->next + i);
        put_bytes(&frame, client->payload, size);
    }
    frame_send(&frame, client->intake);
    client->next += count;
    client->under_way_bytes += size_bytes;
}

/* What was submitted from this number on, and has no outcome, counts as not submitted. */
static void go_back(struct client *client, uint64_t number) {
    if (number == 0 || number >= client->next) return;
    for (uint64_t lost = number; lost < client->next; lost++)
        if (client->states[lost] != ENDED) client->under_way_bytes -= payload_size(client, lost);
    client->next = number;
    client->again++;
}

/* --- returns --- */

/* False, and counted, if it had ended before. */
static bool end_job(struct client *client, uint64_t number) {
    if (number == 0 || number > client->jobs) peer_fail("returns", "a number that was not given");
    if (client->states[number] == ENDED) {
        client->twice++;
        return false;
    }
    client->states[number] = ENDED;
    if (number < client->next) client->under_way_bytes -= payload_size(client, number);
    return true;
}

static void on_accepted(struct client *client, const msgpack_object *command) {
    uint64_t number = field_uint(command, "number", 0), count = field_uint(command, "n", 1);
    for (uint64_t end = number + count; number < end && number <= client->jobs; number++)
        if (client->states[number] == UNKNOWN) {
            client->states[number] = ACCEPTED;
            client->accepted++;
        }
}

static void on_declined(struct client *client, const msgpack_object *command) {
    uint64_t number = field_uint(command, "number", 0), count = field_uint(command, "n", 1);
    for (uint64_t end = number + count; number < end; number++) client->declined += end_job(client, number);
}

static void on_finished(struct client *client, const msgpack_object *command) {
    const msgpack_object_array *results = field_list(command, "results");
    uint64_t number = field_uint(command, "number", 0);
    for (uint32_t i = 0; i < results->size; i++, number++) {
        if (!end_job(client, number)) continue;
        struct bytes result = bytes_of(&results->ptr[i]);
        size_t size = fill_payload(client, number);
        client->finished++;
        client->wrong += size != result.size || memcmp(client->payload, result.data, size) != 0;
    }
}

static void on_returns(const msgpack_object *command, void *context) {
    struct client *client = context;
    if (field_is(command, "cmd", "accepted")) on_accepted(client, command);
    else if (field_is(command, "cmd", "declined")) on_declined(client, command);
    else if (field_is(command, "cmd", "expected")) go_back(client, field_uint(command, "number", 0));
    else if (field_is(command, "cmd", "finished")) on_finished(client, command);
    else if (field_is(command, "cmd", "died")) client->died += end_job(client, field_uint(command, "number", 0));
    else if (field_is(command, "cmd", "reply")) {
        client->replied = true;
        client->reply_status = field_uint(command, "status", 0);
        client->reply_bytes = bytes_of(field(command, "data")).size;
    }
}

/* --- news --- */

static void on_news(const msgpack_object *command, void *context) {
    struct client *client = context;
    uint64_t seq = field_uint(command, "seq", 0);
    if (seq <= client->last_seq) return;
    if (client->first_seq == 0) client->first_seq = seq;
    else client->missed += seq - client->last_seq - 1;
    client->last_seq = seq;
    client->items++;
}

static void on_news_since(const msgpack_object *command, void *context) {
    struct client *client = context;
    if (field_is(command, "cmd", "newsEnd")) client->end_seq = field_uint(command, "seq", 0);
    else client->fetched++;
}

/* All items from the first that came, whether they came or not */
static void fetch_news(struct client *client) {
    struct frame question = {0};
    put_command(&question, "newsSince", 1);
    put_field_uint(&question, "seq", client->first_seq - 1);
    ask(client, &question, on_news_since);
}

/* --- the loop --- */

/* Waits for something to come and takes it in. Silence may mean that the last message was lost. */
static void turn(struct client *client) {
    struct pollfd events[] = {{.fd = readable_fd(client->returns), .events = POLLIN},
                              {.fd = readable_fd(client->news), .events = POLLIN}};
    int ready = poll(events, 2, SILENCE_MS);
    if (ready < 0) peer_fail("poll", "failed");
    if (events[0].revents != 0) receive_ready(client->returns, on_returns, client);
    if (events[1].revents != 0) receive_ready(client->news, on_news, client);
    while (client->oldest_unknown <= client->jobs && client->states[client->oldest_unknown] != UNKNOWN)
        client->oldest_unknown++;
    if (ready == 0) go_back(client, client->oldest_unknown);
}

static void do_jobs(struct client *client) {
    while (client->finished + client->died + client->declined < client->jobs) {
        uint64_t before;
        do {
            before = client->next;
            submit_next(client);
        } while (client->next > before);
        turn(client);
    }
}

static void ask_worker(struct client *client) {
    struct frame frame = {0};
    open_frame(client, &frame);
    put_command(&frame, "message", 4);
    put_field_text(&frame, "name", "echo");
    put_field_text(&frame, "toName", client->queue);
    put_field_uint(&frame, "request", 1);
    put_field_bytes(&frame, "data", client->payload, client->largest_bytes);
    frame_send(&frame, client->intake);
    while (!client->replied) turn(client);
}

static void leave(struct client *client) {
    struct frame frame = {0};
    open_frame(client, &frame);
    put_command(&frame, "leave", 0);
    frame_send(&frame, client->intake);
    nng_close(client->intake);
    nng_close(client->returns);
    nng_close(client->news);
    nng_close(client->control);
}

#define N(number) ((unsigned long long)(number))

static void say(const struct client *client) {
    uint64_t wanted = client->end_seq - client->first_seq + 1;
    printf("accepted %llu declined %llu finished %llu died %llu wrong %llu twice %llu again %llu\n",
           N(client->accepted), N(client->declined), N(client->finished), N(client->died), N(client->wrong),
           N(client->twice), N(client->again));
    printf("reply %llu %llu\n", N(client->reply_status), N(client->reply_bytes));
    printf("news %llu missed %llu fetched %llu lacking %llu\n", N(client->items), N(client->missed), N(client->fetched),
           N(wanted - client->fetched));
}

int main(int argc, char **argv) {
    peer_say_version();
    if (argc < 5) return PEER_USAGE;
    struct client client = {.queue = argv[2], .next = 1, .oldest_unknown = 1};
    client.jobs = strtoull(argv[3], NULL, 10);
    client.largest_bytes = strtoull(argv[4], NULL, 10);
    client.window_bytes = argc > 5 ? strtoull(argv[5], NULL, 10) : WINDOW_BYTES;
    client.states = calloc(client.jobs + 1, 1);
    client.payload = calloc(1, client.largest_bytes + 1);
    if (client.states == NULL || client.payload == NULL) peer_fail("nng_client", "out of memory");
    join(&client, argv[1]);
    do_jobs(&client);
    ask_worker(&client);
    while (client.first_seq == 0) turn(&client);
    fetch_news(&client);
    leave(&client);
    say(&client);
    bool good = client.finished == client.jobs && client.wrong == 0 && client.twice == 0;
    free(client.states);
    free(client.payload);
    return good ? 0 : PEER_FAILED;
}
