/* SPDX-License-Identifier: MIT
 * A pipeline of two actors, each a process of its own or several:
 *
 *   fetch      a job names a file. Reads it, and passes its bytes on as a job for
 *   thumbnail  a job is an image, PNG or JPEG. Its result is a small PNG.
 *
 *     pipeline
 *     skep submit --name pipeline --wait fetch /tmp/cat.png > small-cat.png
 *
 * A fetch keeps its job until the thumbnail is done, and passes its outcome on. So if any worker is killed, the
 * broker still has the first job, and repeats what was lost. Under `skep run -- pipeline` each worker is both. */
#include <errno.h>
#include <fcntl.h>
#include <leptonica/allheaders.h>
#include <skep/client.h>
#include <skep/cluster.h>
#include <skep/worker.h>
#include <sys/stat.h>

#include "program.h"

#define ROLE "PIPELINE_ROLE"

enum {
    FETCHES = 4,                    /* at a time; as large as they may be, they just fit into what may wait to leave */
    MOST_BYTES = 1024 * 1024,       /* of a file: what a job can carry */
    MOST_PIXELS = 32 * 1000 * 1000, /* 128 MB when unpacked */
    THUMBNAIL_PIXELS = 128,         /* its longer side at most */
    RETRY_MS = 200
};

static struct {
    unsigned fetchers;
    unsigned thumbnailers;
} options = {.fetchers = 1};

static skep_verdict fail(skep_job *job, const char *why) {
    skep_job_reason(job, why);
    return SKEP_FAILED;
}

static skep_verdict retry(skep_job *job, const char *why) {
    skep_job_reason(job, why);
    skep_job_delay(job, RETRY_MS);
    return SKEP_RETRY;
}

/* --- thumbnail: computes while the loop waits, since this worker has nothing else to do --- */

static int scaled(int64_t side, int64_t longest) {
    int64_t pixels = longest > THUMBNAIL_PIXELS ? side * THUMBNAIL_PIXELS / longest : side;
    return pixels > 0 ? (int)pixels : 1;
}

static PIX *shrink(PIX *image) {
    int width = pixGetWidth(image), height = pixGetHeight(image), longest = width > height ? width : height;
    return pixScaleToSize(image, scaled(width, longest), scaled(height, longest));
}

static skep_verdict give_thumbnail(skep_job *job, PIX *image) {
    uint8_t *png = NULL;
    size_t size_bytes = 0;
    PIX *small = image ? shrink(image) : NULL;
    skep_verdict verdict = SKEP_DONE;
    if (!small || pixWriteMem(&png, &size_bytes, small, IFF_PNG)) verdict = fail(job, "a broken image");
    else if (skep_job_result(job, png, size_bytes)) verdict = retry(job, "no memory");
    lept_free(png);
    pixDestroy(&small);
    return verdict;
}

static skep_verdict thumbnail(skep_worker *worker, skep_job *job, void *context) {
    int format, width, height;
    (void)worker, (void)context;
    if (pixReadHeaderMem(job->data, job->size_bytes, &format, &width, &height, NULL, NULL, NULL) ||
        (format != IFF_PNG && format != IFF_JFIF_JPEG))
        return fail(job, "neither PNG nor JPEG");
    if ((int64_t)width * height > MOST_PIXELS) return fail(job, "too many pixels");
    PIX *image = pixReadMem(job->data, job->size_bytes);
    skep_verdict verdict = give_thumbnail(job, image);
    pixDestroy(&image);
    return verdict;
}

/* --- fetch: reads in libuv's threads, then waits for the thumbnail, and for both of several jobs at a time --- */

struct fetcher;

/* A job that is kept */
struct fetch {
    struct fetcher *fetcher;
    skep_job *job; /* NULL: it is answered */
    bool is_used;
    uv_work_t work;
    char path[4096];
    char data[MOST_BYTES];
    size_t size_bytes;
    int error; /* errno of reading it */
};

struct fetcher {
    skep_client *client;
    uv_timer_t lease;
    bool leaves;
    struct fetch fetches[FETCHES];
};

static void answer(struct fetch *fetch, skep_verdict verdict) {
    if (fetch->job) skep_job_complete(fetch->job, verdict);
    fetch->job = NULL;
}

static int read_all(int fd, struct fetch *fetch) {
    ssize_t got = 1;
    for (fetch->size_bytes = 0; got > 0; fetch->size_bytes += (size_t)got) {
        got = read(fd, fetch->data + fetch->size_bytes, sizeof fetch->data - fetch->size_bytes);
        if (got < 0) return errno;
    }
    return 0;
}

static int read_regular(int fd, struct fetch *fetch) {
    struct stat info;
    if (fstat(fd, &info)) return errno;
    if (S_ISDIR(info.st_mode)) return EISDIR;
    if (!S_ISREG(info.st_mode)) return EINVAL;
    if (info.st_size > MOST_BYTES) return EFBIG;
    return read_all(fd, fetch);
}

/* On a thread of libuv's: touches nothing but the fetch. Does not wait for a writer of a pipe. */
static void read_file(uv_work_t *work) {
    struct fetch *fetch = work->data;
    int fd = open(fetch->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    fetch->error = fd < 0 ? errno : read_regular(fd, fetch);
    if (fd >= 0) close(fd);
}

/* Whether it may be otherwise the next time */
static bool passes(int error) {
    return error == EAGAIN || error == EBUSY || error == EINTR || error == EMFILE || error == ENFILE || error == ENOMEM;
}

static skep_verdict verdict_of(skep_job *job, const skep_outcome *outcome) {
    switch (outcome->status) {
    case SKEP_OK: return skep_job_result(job, outcome->data, outcome->size_bytes) ? retry(job, "no memory") : SKEP_DONE;
    case SKEP_EDEAD: return fail(job, *outcome->reason ? outcome->reason : outcome->cause);
    default: return retry(job, skep_strerror(outcome->status));
    }
}

static void on_thumbnail(skep_client *client, const skep_outcome *outcome, void *context) {
    struct fetch *fetch = context;
    (void)client;
    if (fetch->job) answer(fetch, verdict_of(fetch->job, outcome));
    fetch->is_used = false;
}

static void pass_on(struct fetch *fetch) {
    int status = skep_submit(fetch->fetcher->client, "thumbnail", fetch->data, fetch->size_bytes, NULL, NULL,
                             on_thumbnail, fetch);
    fetch->is_used = status == SKEP_OK;
    if (status) answer(fetch, retry(fetch->job, skep_strerror(status)));
}

static void on_read(uv_work_t *work, int status) {
    struct fetch *fetch = work->data;
    const char *why = status ? uv_strerror(status) : strerror(fetch->error);
    if (!status && !fetch->error && !fetch->fetcher->leaves) {
        pass_on(fetch);
        return;
    }
    fetch->is_used = false;
    if (status || !fetch->error || passes(fetch->error)) answer(fetch, retry(fetch->job, why));
    else answer(fetch, fail(fetch->job, why));
}

/* A thumbnail may take longer than a lease. An extension that cannot leave now is tried again the next time. */
static void extend_leases(uv_timer_t *timer) {
    struct fetcher *fetcher = timer->data;
    for (int i = 0; i < FETCHES; i++)
        if (fetcher->fetches[i].job && skep_job_extend(fetcher->fetches[i].job)) continue;
}

static void begin_extending(struct fetcher *fetcher, const skep_job *job) {
    uint64_t now_ms = uv_now(fetcher->lease.loop);
    uint64_t period_ms = job->deadline_ms > now_ms ? (job->deadline_ms - now_ms) / 3 : 0;
    if (!uv_is_active((uv_handle_t *)&fetcher->lease))
        uv_timer_start(&fetcher->lease, extend_leases, period_ms, period_ms);
}

static skep_verdict fetch_file(skep_worker *worker, skep_job *job, void *context) {
    struct fetcher *fetcher = context;
    struct fetch *fetch = fetcher->fetches;
    if (job->size_bytes == 0 || job->size_bytes >= sizeof fetch->path || memchr(job->data, '\0', job->size_bytes))
        return fail(job, "not the name of a file");
    while (fetch < fetcher->fetches + FETCHES && fetch->is_used) fetch++;
    if (fetch == fetcher->fetches + FETCHES) return retry(job, "busy");
    fetch->work.data = fetch;
    fetch->fetcher = fetcher;
    memcpy(fetch->path, job->data, job->size_bytes);
    fetch->path[job->size_bytes] = '\0';
    if (uv_queue_work(skep_worker_loop(worker), &fetch->work, read_file, on_read)) return retry(job, "no thread");
    fetch->is_used = true;
    fetch->job = job;
    begin_extending(fetcher, job);
    return SKEP_KEEP;
}

static void forget_thumbnails(uv_timer_t *timer) {
    struct fetcher *fetcher = timer->data;
    skep_client_free(&fetcher->client);
}

/* The thumbnailers may be leaving too, and then nobody would answer. So each job that waits goes back to the broker, by
 * on_thumbnail, and another worker begins again. The client must not be freed in a callback, but a moment later. */
static void on_leave(skep_worker *worker, void *context) {
    struct fetcher *fetcher = context;
    (void)worker;
    fetcher->leaves = true;
    uv_timer_start(&fetcher->lease, forget_thumbnails, 0, 0);
}

static int fetcher_new(struct fetcher **out, skep_worker *worker) {
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher) return SKEP_ENOMEM;
    *out = fetcher;
    uv_timer_init(skep_worker_loop(worker), &fetcher->lease);
    uv_unref((uv_handle_t *)&fetcher->lease);
    fetcher->lease.data = fetcher;
    skep_on_leave(worker, on_leave, fetcher);
    int status = skep_client_new(&fetcher->client, &(skep_client_options){.worker = worker});
    if (!status) status = skep_on_job(worker, "fetch", fetch_file, fetcher);
    if (!status) status = skep_job_concurrency(worker, "fetch", FETCHES);
    return status;
}

static void forget(uv_handle_t *lease) {
    free(lease->data);
}

static void fetcher_free(struct fetcher *fetcher) {
    if (!fetcher) return;
    skep_client_free(&fetcher->client);
    uv_close((uv_handle_t *)&fetcher->lease, forget);
}

/* --- Worker --- */

static int work(skep_worker *self, const char *role, struct fetcher **fetcher) {
    int status = SKEP_OK;
    bool is_both = !role;
    setMsgSeverity(L_SEVERITY_NONE); /* what is wrong with an image is its job's reason */
    if (is_both || strcmp(role, "fetch") == 0) status = fetcher_new(fetcher, self);
    if (!status && (is_both || strcmp(role, "thumbnail") == 0))
        status = skep_on_job(self, "thumbnail", thumbnail, NULL);
    return status ? status : skep_worker_run(self);
}

static int worker(void) {
    skep_worker *self = NULL;
    struct fetcher *fetcher = NULL;
    const char *role = getenv(ROLE);
    int status = skep_worker_new(&self, &(skep_worker_options){.name = role});
    if (status) return worker_stray("pipeline", status);
    status = work(self, role, &fetcher);
    fetcher_free(fetcher);
    skep_worker_free(&self);
    return worker_end(status);
}

/* --- Primary: workers of both kinds, each replaced by one of its kind --- */

static int fork_workers(skep_cluster *cluster, unsigned count, const char *role) {
    int status = SKEP_OK;
    for (unsigned i = 0; !status && i < count; i++) status = skep_fork(cluster, (const char *[]){role, NULL}, NULL);
    return status;
}

static int primary(void) {
    skep_cluster *cluster = NULL;
    int status = skep_cluster_new(&cluster, NULL);
    if (!status) status = skep_setup_primary(cluster, &(skep_settings){.name = "pipeline", .respawn = true});
    if (!status) status = skep_cluster_stop_on_signals(cluster);
    if (!status) status = fork_workers(cluster, options.fetchers, ROLE "=fetch");
    if (!status) status = fork_workers(cluster, options.thumbnailers, ROLE "=thumbnail");
    if (!status) printf("pipeline: accepting jobs for fetch in %s\n", skep_cluster_dir(cluster));
    if (!status) status = skep_cluster_run(cluster);
    status = primary_end("pipeline", cluster, status, EXIT_SUCCESS);
    skep_cluster_free(&cluster);
    return status;
}

int main(int argc, char **argv) {
    options.thumbnailers = program_cpus();
    options_read(argc, argv, "Makes thumbnails of files, by two actors: one fetches, one shrinks.",
                 (struct option_row[]){
                     OPTION_NUMBER("fetchers", "N", "workers that read files", &options.fetchers, 1, 1000),
                     OPTION_NUMBER("thumbnailers", "N", "workers that shrink them", &options.thumbnailers, 1, 1000),
                     OPTION_END});
    return skep_is_worker() ? worker() : primary();
}
