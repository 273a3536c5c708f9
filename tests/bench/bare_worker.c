/* SPDX-License-Identifier: MIT
 * The smallest worker that a broker takes for one: it says hello, connects to its inbox and outbox, says that it
 * handles one of QUEUES queues, and that it is ready, and leaves at `drain`. bare_worker QUEUES, under skep run
 */
#include <fcntl.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINK_FD = 3, MESSAGE_BYTES = 65536, PUSH = 0x50, PULL = 0x51 /* numbers of SP's protocols */ };

static void pack_text(msgpack_packer *packer, const char *text) {
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_number(msgpack_packer *packer, const char *name, uint64_t number) {
    pack_text(packer, name);
    msgpack_pack_uint64(packer, number);
}

static void begin(msgpack_packer *packer, const char *command, size_t fields) {
    msgpack_pack_map(packer, fields + 1);
    pack_text(packer, "cmd");
    pack_text(packer, command);
}

static void send_packed(msgpack_sbuffer *packed) {
    if (send(LINK_FD, packed->data, packed->size, MSG_NOSIGNAL) < 0) exit(1);
    msgpack_sbuffer_clear(packed);
}

/* The path behind a name in the welcome: a short string, so its length is one byte, which may have another before it.
 */
static void find_path(const char *welcome, size_t size_bytes, const char *name, char path[sizeof(struct sockaddr_un)]) {
    static const char scheme[] = "ipc://";
    const char *found = memmem(welcome, size_bytes, name, strlen(name));
    const char *url =
        found != NULL ? memmem(found, size_bytes - (size_t)(found - welcome), scheme, strlen(scheme)) : NULL;
    if (url == NULL) exit(1);
    size_t length = (unsigned char)url[-1] >= 0xa0 ? (unsigned char)url[-1] & 0x1f : (unsigned char)url[-1];
    snprintf(path, sizeof(struct sockaddr_un), "%.*s", (int)(length - strlen(scheme)), url + strlen(scheme));
}

/* As SP greets; the connection stays open for as long as this process lives. */
static void connect_to(const char *welcome, size_t size_bytes, const char *name, unsigned char protocol) {
    const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[sizeof(struct sockaddr_un)];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    find_path(welcome, size_bytes, name, path);
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) exit(1);
    if (send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting) exit(1);
}

static void join(msgpack_sbuffer *packed, msgpack_packer *packer, const char *generation) {
    char welcome[MESSAGE_BYTES];
    begin(packer, "hello", 3);
    pack_number(packer, "protocol", 1);
    pack_number(packer, "pid", (uint64_t)getpid());
    pack_number(packer, "generation", strtoull(generation, NULL, 10));
    send_packed(packed);
    ssize_t n = recv(LINK_FD, welcome, sizeof welcome, 0);
    if (n <= 0) exit(1);
    connect_to(welcome, (size_t)n, "inbox", PULL);
    connect_to(welcome, (size_t)n, "outbox", PUSH);
}

static void be_ready(msgpack_sbuffer *packed, msgpack_packer *packer, const char *queue) {
    begin(packer, "handle", 1);
    pack_text(packer, "queue");
    pack_text(packer, queue);
    begin(packer, "ready", 0);
    send_packed(packed);
}

/* Of what may come only one command matters, whose name no other contains. */
static void wait_for_drain(void) {
    char message[MESSAGE_BYTES];
    ssize_t n;
    do n = recv(LINK_FD, message, sizeof message, 0);
    while (n > 0 && memmem(message, (size_t)n, "drain", 5) == NULL);
}

int main(int argc, char **argv) {
    char queue[32];
    unsigned long queues = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    const char *id = getenv("SKEP_WORKER_ID"), *generation = getenv("SKEP_GENERATION");
    if (queues == 0 || id == NULL || generation == NULL) return 64;
    snprintf(queue, sizeof queue, "queue-%lu", strtoul(id, NULL, 10) % queues);
    msgpack_sbuffer packed;
    msgpack_packer packer;
    if (fcntl(LINK_FD, F_SETFL, 0) != 0) return 1; /* it need not do anything else meanwhile */
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    join(&packed, &packer, generation);
    be_ready(&packed, &packer, queue);
    wait_for_drain();
    msgpack_sbuffer_destroy(&packed);
    return 0;
}
