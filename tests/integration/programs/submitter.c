/* SPDX-License-Identifier: MIT
 * A client that submits jobs to job_worker, keeps a number of them under way, and writes down what it asked for and was
 * told, for ledger_check.py.
 *
 *   submitter DIR QUEUE FIRST COUNT WINDOW REQUESTS LOG [WHAT [BYTES]]
 *
 * Jobs "KEY WHAT" (done), filled up to BYTES with letters, have the keys from FIRST on, COUNT of them or until SIGTERM;
 * WINDOW of them at most are without an outcome. Meanwhile it keeps REQUESTS requests to workers named job_worker
 * unanswered, and sends these a message "0 NUMBER" with each, numbers from FIRST on, and with some a broadcast "65535
 * NUMBER". When everything has been answered it prints what it counted, as JSON:
 *
 *   jobs      submitted              accepted, declined   answers to that; known: those that came late, without an id
 *   done, dead, unknown   outcomes   replied, failed      requests   wrong   answers to nothing, or of something else
 *
 * The file LOG has the lines "invoke KEY", "ok KEY ID" (0: not told), "fail KEY", and "outcome KEY STATUS". */
#include <signal.h>
#include <skep/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOME = 16, USAGE = 64, TEXT_BYTES = 64, TURN_MS = 2, PATIENCE_MS = 120000 };

struct count {
    unsigned long long jobs, accepted, known, declined, done, dead, unknown, replied, failed, wrong;
};

struct program {
    skep_client *client;
    const char *queue, *what;
    char *payload;
    size_t payload_bytes; /* at least */
    FILE *log;
    unsigned long long next, last; /* keys */
    unsigned long window, under_way;
    unsigned long slots, asked; /* requests that may be, and are, unanswered */
    struct slot *all, *free;
    unsigned long long number; /* of requests and messages */
    struct count count;
};

/* Of an unanswered request */
struct slot {
    struct program *program;
    unsigned long long number; /* 0: none */
    struct slot *next;
};

static volatile sig_atomic_t ended;

static void on_signal(int signal) {
    (void)signal;
    ended = 1;
}

/* --- jobs --- */

struct job {
    struct program *program;
    unsigned long long key;
    bool answered;
};

static void on_accepted(skep_client *client, int status, uint64_t id, void *context) {
    struct job *job = context;
    struct program *program = job->program;
    (void)client;
    program->count.wrong += job->answered;
    job->answered = true;
    if (status == SKEP_OK) fprintf(program->log, "ok %llu %llu\n", job->key, (unsigned long long)id);
    else fprintf(program->log, status == SKEP_ECLOSED ? "unknown %llu\n" : "fail %llu\n", job->key);
    program->count.accepted += status == SKEP_OK;
    program->count.known += status == SKEP_OK && id == 0;
    program->count.declined += status != SKEP_OK;
}

/* It comes after the other, and last. */
static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct job *job = context;
    struct program *program = job->program;
    (void)client;
    fprintf(program->log, "outcome %llu %s\n", job->key, skep_status_name(outcome->status));
    program->count.wrong += !job->answered;
    program->count.done += outcome->status == SKEP_OK;
    program->count.dead += outcome->status == SKEP_EDEAD;
    program->count.unknown += outcome->status == SKEP_ECLOSED;
    program->under_way--;
    free(job);
}

static bool submit(struct program *program) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) abort();
    *job = (struct job){.program = program, .key = program->next};
    size_t size_bytes = (size_t)snprintf(program->payload, TEXT_BYTES, "%llu %s", job->key, program->what);
    if (size_bytes >= TEXT_BYTES) abort();
    if (size_bytes < program->payload_bytes) {
        program->payload[size_bytes] = ' ';
        size_bytes = program->payload_bytes;
    }
    int status =
        skep_submit(program->client, program->queue, program->payload, size_bytes, NULL, on_accepted, on_outcome, job);
    if (status != SKEP_OK) {
        free(job);
        return false;
    }
    fprintf(program->log, "invoke %llu\n", program->next++);
    program->count.jobs++;
    program->under_way++;
    return true;
}

/* --- requests --- */

static void on_reply(skep_client *client, int status, const void *data, size_t size_bytes, void *context) {
    struct slot *slot = context;
    struct program *program = slot->program;
    char text[TEXT_BYTES], expected[TEXT_BYTES];
    (void)client;
    snprintf(expected, sizeof expected, "%llu", slot->number);
    snprintf(text, sizeof text, "%.*s", (int)size_bytes, data != NULL ? (const char *)data : "");
    bool is_right = slot->number != 0 && (status != SKEP_OK || strcmp(text, expected) == 0);
    program->count.wrong += !is_right;
    program->count.replied += status == SKEP_OK;
    program->count.failed += status != SKEP_OK;
    slot->number = 0;
    slot->next = program->free;
    program->free = slot;
    program->asked--;
}

/* A request, and a message that nobody answers. */
static bool ask(struct program *program) {
    char text[TEXT_BYTES];
    struct slot *slot = program->free;
    int size_bytes = snprintf(text, sizeof text, "%llu", ++program->number);
    slot->number = program->number;
    program->free = slot->next;
    program->asked++;
    int status =
        skep_client_request(program->client, 0, "job_worker", "echo", text, (size_t)size_bytes, 0, on_reply, slot);
    if (status != SKEP_OK) {
        slot->next = program->free;
        program->free = slot;
        program->asked--;
        return false;
    }
    size_bytes = snprintf(text, sizeof text, "0 %llu", program->number);
    status = skep_client_send(program->client, 0, "job_worker", "said", text, (size_t)size_bytes);
    if (status != SKEP_OK || program->number % SOME != 0) return status == SKEP_OK;
    size_bytes = snprintf(text, sizeof text, "65535 %llu", program->number);
    return skep_client_broadcast(program->client, "said", text, (size_t)size_bytes) == SKEP_OK;
}

static void make_payload(struct program *program) {
    size_t capacity_bytes = program->payload_bytes > TEXT_BYTES ? program->payload_bytes : TEXT_BYTES;
    program->payload = malloc(capacity_bytes);
    if (program->payload == NULL) abort();
    memset(program->payload, 'x', capacity_bytes);
}

static void make_slots(struct program *program) {
    program->all = calloc(program->slots + 1, sizeof *program->all);
    if (program->all == NULL) abort();
    for (unsigned long i = 0; i < program->slots; i++) {
        program->all[i] = (struct slot){.program = program, .next = program->free};
        program->free = &program->all[i];
    }
}

/* --- the whole --- */

static bool is_over(const struct program *program) {
    return ended || program->next > program->last;
}

static void refill(struct program *program) {
    while (!is_over(program) && program->under_way < program->window && submit(program)) continue;
    while (!is_over(program) && program->asked < program->slots && ask(program)) continue;
}

static void print(const struct count *c) {
    printf("{\"jobs\": %llu, \"accepted\": %llu, \"known\": %llu, \"declined\": %llu, \"done\": %llu, \"dead\": %llu, "
           "\"unknown\": %llu, \"replied\": %llu, \"failed\": %llu, \"wrong\": %llu}\n",
           c->jobs, c->accepted, c->known, c->declined, c->done, c->dead, c->unknown, c->replied, c->failed, c->wrong);
}

static int run(struct program *program) {
    uint64_t over_ns = uv_hrtime();
    while (!is_over(program) || program->under_way > 0 || program->asked > 0) {
        refill(program);
        if (skep_client_run_wait(program->client, TURN_MS) != SKEP_OK) return 1;
        if (!is_over(program)) over_ns = uv_hrtime();
        else if (uv_hrtime() - over_ns > PATIENCE_MS * UINT64_C(1000000)) break;
    }
    print(&program->count);
    bool hangs = program->under_way > 0 || program->asked > 0;
    if (hangs)
        fprintf(stderr, "submitter: %lu jobs without an outcome, %lu requests without a reply: %s\n",
                program->under_way, program->asked, skep_client_why(program->client));
    return hangs ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc < 8 || argc > 10) return USAGE;
    static struct program program;
    program.queue = argv[2];
    program.next = strtoull(argv[3], NULL, 10);
    program.last = program.next + strtoull(argv[4], NULL, 10) - 1;
    program.number = program.next;
    program.window = strtoul(argv[5], NULL, 10);
    program.slots = strtoul(argv[6], NULL, 10);
    program.log = fopen(argv[7], "w");
    program.what = argc > 8 ? argv[8] : "done";
    program.payload_bytes = argc > 9 ? strtoul(argv[9], NULL, 10) : 0;
    if (program.log == NULL) return USAGE;
    signal(SIGTERM, on_signal);
    make_slots(&program);
    make_payload(&program);
    int status = skep_client_new(&program.client, &(skep_client_options){.dir = argv[1]});
    if (status != SKEP_OK) {
        fprintf(stderr, "submitter: %s\n", skep_strerror(status));
        return skep_exit_status(status);
    }
    int result = run(&program);
    skep_client_free(&program.client);
    return fclose(program.log) == 0 ? result : 1;
}
