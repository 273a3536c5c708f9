/* SPDX-License-Identifier: MIT
 * Bare NNG between three processes: a client packs jobs into frames as large as Skep's, a relay passes each on as it is
 * (receiving aio, sending aio, no loop, nothing decoded), a worker decodes and does the jobs and sends one small
 * acknowledgement for the frame back the same way. nng_relay DIR SECONDS PAYLOAD */
#include <nng/nng.h>

#include <malloc.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "../jobs.h"
#include "child.h"
#include "command.h"
#include "credit.h"
#include "nng_check.h"
#include "relay_urls.h"

enum { FULL_FRAME = 120 * 1024, SEND_BUFFER = 128, MOST_BYTES = 1024 * 1024 };

/* One way through a process: what is received is turned into what is sent, one message after the other. */
struct path {
    nng_socket in, out;
    nng_aio *in_aio, *out_aio;
    nng_msg *(*turn)(void *context, nng_msg *message); /* takes the message; NULL: nothing is sent */
    void *context;
};

static void path_received(void *argument) {
    struct path *path = argument;
    bench_nng(nng_aio_result(path->in_aio), "receive");
    nng_msg *message = path->turn(path->context, nng_aio_get_msg(path->in_aio));
    if (message == NULL) {
        nng_recv_aio(path->in, path->in_aio);
        return;
    }
    nng_aio_set_msg(path->out_aio, message);
    nng_send_aio(path->out, path->out_aio);
}

static void path_sent(void *argument) {
    struct path *path = argument;
    bench_nng(nng_aio_result(path->out_aio), "send");
    nng_recv_aio(path->in, path->in_aio);
}

static nng_socket open_push(const char *url, bool listens) {
    nng_socket socket;
    bench_nng(nng_push0_open(&socket), "push");
    bench_nng(nng_socket_set_int(socket, NNG_OPT_SENDBUF, SEND_BUFFER), "sendbuf");
    bench_nng(nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 10), "reconnect");
    bench_nng(listens ? nng_listen(socket, url, NULL, 0) : nng_dial(socket, url, NULL, NNG_FLAG_NONBLOCK), url);
    return socket;
}

static nng_socket open_pull(const char *url, bool listens) {
    nng_socket socket;
    bench_nng(nng_pull0_open(&socket), "pull");
    bench_nng(nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 10), "reconnect");
    bench_nng(listens ? nng_listen(socket, url, NULL, 0) : nng_dial(socket, url, NULL, NNG_FLAG_NONBLOCK), url);
    return socket;
}

static void path_start(struct path *path) {
    bench_nng(nng_aio_alloc(&path->in_aio, path_received, path), "aio");
    bench_nng(nng_aio_alloc(&path->out_aio, path_sent, path), "aio");
    nng_recv_aio(path->in, path->in_aio);
}

static nng_msg *pass(void *context, nng_msg *message) {
    (void)context;
    return message;
}

static void relay(const struct bench_urls *urls) {
    static struct path there = {.turn = pass}, back = {.turn = pass};
    there.in = open_pull(urls->intake, true);
    there.out = open_push(urls->inbox, true);
    back.in = open_pull(urls->outbox, true);
    back.out = open_push(urls->returns, true);
    path_start(&there);
    path_start(&back);
    for (;;) pause();
}

struct worker {
    msgpack_zone zone;
    uint64_t sum;
    size_t payload_bytes;
};

static nng_msg *acknowledgement(uint64_t number, uint64_t jobs) {
    nng_msg *message;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    bench_pack_key(&packer, "cmd");
    bench_pack_key(&packer, "completed");
    bench_pack_key(&packer, "delivery");
    msgpack_pack_uint64(&packer, number);
    bench_pack_key(&packer, "n");
    msgpack_pack_uint64(&packer, jobs);
    bench_nng(nng_msg_alloc(&message, 0), "message");
    bench_nng(nng_msg_append(message, buffer.data, buffer.size), "append");
    msgpack_sbuffer_destroy(&buffer);
    return message;
}

static const msgpack_object *field(const msgpack_object *map, const char *key) {
    if (map->type != MSGPACK_OBJECT_MAP) exit(1);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (bench_is(&map->via.map.ptr[i].key, key)) return &map->via.map.ptr[i].val;
    }
    exit(1);
}

static void do_jobs(struct worker *worker, const msgpack_object_array *jobs) {
    for (uint32_t i = 0; i < jobs->size; i++) {
        const msgpack_object *job = &jobs->ptr[i];
        if (job->type != MSGPACK_OBJECT_BIN || job->via.bin.size != worker->payload_bytes) exit(1);
        bench_do(&worker->sum, job->via.bin.ptr, job->via.bin.size);
    }
}

static nng_msg *do_frame(void *context, nng_msg *message) {
    struct worker *worker = context;
    msgpack_object frame;
    size_t offset = 0;
    msgpack_zone_clear(&worker->zone);
    if (msgpack_unpack(nng_msg_body(message), nng_msg_len(message), &offset, &worker->zone, &frame) !=
        MSGPACK_UNPACK_SUCCESS) {
        exit(1);
    }
    const msgpack_object *jobs = field(&frame, "jobs");
    if (jobs->type != MSGPACK_OBJECT_ARRAY) exit(1);
    do_jobs(worker, &jobs->via.array);
    uint64_t number = field(&frame, "number")->via.u64, count = jobs->via.array.size;
    nng_msg_free(message);
    return acknowledgement(number, count);
}

static void work(const struct bench_urls *urls, size_t payload_bytes) {
    static struct worker worker;
    static struct path path = {.turn = do_frame, .context = &worker};
    worker.payload_bytes = payload_bytes;
    if (!msgpack_zone_init(&worker.zone, FULL_FRAME)) exit(1);
    path.in = open_pull(urls->inbox, false);
    path.out = open_push(urls->outbox, false);
    path_start(&path);
    for (;;) pause();
}

struct client {
    struct bench_credit credit;
    struct bench_rate rate;
    msgpack_zone zone;
    nng_socket out;
    nng_aio *out_aio;
    size_t payload_bytes;
    uint64_t frame_jobs, number;
    _Atomic bool over;
};

/* On NNG's thread */
static nng_msg *acknowledged(void *context, nng_msg *message) {
    struct client *client = context;
    msgpack_object command;
    size_t offset = 0;
    msgpack_zone_clear(&client->zone);
    if (msgpack_unpack(nng_msg_body(message), nng_msg_len(message), &offset, &client->zone, &command) !=
        MSGPACK_UNPACK_SUCCESS) {
        exit(1);
    }
    uint64_t jobs = field(&command, "n")->via.u64;
    nng_msg_free(message);
    if (!client->over && bench_rate_add(&client->rate, jobs)) client->over = true;
    bench_credit_grant(&client->credit, jobs);
    return NULL;
}

static void pack_frame(struct client *client, msgpack_sbuffer *buffer, const char *payload) {
    msgpack_packer packer;
    msgpack_sbuffer_clear(buffer);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    bench_pack_key(&packer, "cmd");
    bench_pack_key(&packer, "submit");
    bench_pack_key(&packer, "queue");
    bench_pack_key(&packer, "work");
    bench_pack_key(&packer, "number");
    msgpack_pack_uint64(&packer, client->number);
    bench_pack_key(&packer, "jobs");
    msgpack_pack_array(&packer, client->frame_jobs);
    for (uint64_t i = 0; i < client->frame_jobs; i++) {
        msgpack_pack_bin(&packer, client->payload_bytes);
        msgpack_pack_bin_body(&packer, payload, client->payload_bytes);
    }
    client->number += client->frame_jobs;
}

static void submit(struct client *client) {
    msgpack_sbuffer buffer;
    char *payload = calloc(1, client->payload_bytes);
    if (payload == NULL) exit(1);
    payload[0] = 1;
    msgpack_sbuffer_init(&buffer);
    while (!client->over) {
        nng_msg *message;
        bench_credit_use(&client->credit, client->frame_jobs);
        pack_frame(client, &buffer, payload);
        bench_nng(nng_msg_alloc(&message, 0), "message");
        bench_nng(nng_msg_append(message, buffer.data, buffer.size), "append");
        nng_aio_wait(client->out_aio);
        nng_aio_set_msg(client->out_aio, message);
        nng_send_aio(client->out, client->out_aio);
    }
    free(payload);
}

/* As many jobs as it takes to fill a frame, each with the header of its bin. */
static uint64_t jobs_of_frame(size_t payload_bytes) {
    size_t header = payload_bytes < 256 ? 2 : payload_bytes < 65536 ? 3 : 5;
    return (FULL_FRAME + payload_bytes + header - 1) / (payload_bytes + header);
}

static void run_client(const struct bench_urls *urls, uint64_t window_ns, size_t payload_bytes) {
    static struct client client;
    static struct path back = {.turn = acknowledged, .context = &client};
    client.payload_bytes = payload_bytes;
    client.frame_jobs = jobs_of_frame(payload_bytes);
    client.rate.window_ns = window_ns;
    client.number = 1;
    bench_credit_open(&client.credit, bench_window(payload_bytes));
    if (!msgpack_zone_init(&client.zone, MSGPACK_ZONE_CHUNK_SIZE)) exit(1);
    client.out = open_push(urls->intake, false);
    bench_nng(nng_aio_alloc(&client.out_aio, NULL, NULL), "aio");
    back.in = open_pull(urls->returns, false);
    path_start(&back);
    submit(&client);
    bench_rate_print(&client.rate);
}

/* Frames come and go: giving their memory back to the kernel each time costs a tenth. */
static void keep_heap(void) {
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024 * 1024);
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    struct bench_urls urls;
    size_t payload_bytes = strtoul(argv[3], NULL, 10);
    if (payload_bytes == 0 || payload_bytes > MOST_BYTES) return 64;
    bench_urls_in(&urls, argv[1]);
    keep_heap();
    pid_t broker = bench_fork();
    if (broker == 0) relay(&urls);
    pid_t worker = bench_fork();
    if (worker == 0) work(&urls, payload_bytes);
    run_client(&urls, bench_seconds_ns(argv[2]), payload_bytes);
    bench_end(worker);
    bench_end(broker);
    return 0;
}
