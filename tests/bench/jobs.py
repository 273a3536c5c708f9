# SPDX-License-Identifier: MIT
"""Job benches: a client, a broker and its workers, beside a bare relay and the queues that people use."""
import contextlib
import statistics
import time
from pathlib import Path

from hive import Hive
from processes import OVER_NNG, Failure, Server, answers, free_port, result, run
from report import AT_LEAST, AT_MOST, compare, interleave

SMALL, WORKERS, PACED_WORKERS = 64, (1, 2, 16, 64), 4
FEW, MANY = 1_000, 10_000_000  # jobs queued
MANY_BYTES = 512  # of memory that a queued job may take, for the choice of how many there is room for
SETTLE_S = 150  # over all the waits of one client


def hive(hall, name, kind, workers=1, options=(), prefix=()):
    return Hive(hall, name, workers, "round-robin", [hall.program("skep_jobs"), "worker", kind], options, prefix)


def client(hall, one, role, *arguments, prefix=()):
    """Measures one hive: what the client prints, as a dictionary."""
    return lambda: result([*prefix, hall.program("skep_jobs"), role, one.dir, hall.seconds, *arguments],
                          hall.seconds * 2 + SETTLE_S)


def figures_of(measured, key="figure"):
    """The figures of one kind, of what clients printed, by contender."""
    return {name: [one[key] for one in results] for name, results in measured.items()}


# --- Throughput ---

def redis(hall, stack, durable=False):
    server, program = hall.which("redis-server"), hall.peer("redis_jobs", "libhiredis")
    if server is None or program is None:
        return None
    path = hall.folder / "redis.socket"
    argv = [server, "--port", "0", "--unixsocket", path, "--dir", hall.folder, "--save", ""]
    argv += ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
    return serve(hall, stack, "redis", argv, path, [program, path])


def nats_server(hall, stack):
    """Its port; None: it is not installed."""
    server = hall.which("nats-server")
    if server is None:
        return None
    port = free_port()
    argv = [server, "--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir", hall.fresh_folder("nats")]
    stack.enter_context(Server("nats", argv, hall.folder)).wait_until(lambda: answers(port), "an answer")
    return port


def nats(hall, stack, durable=False):
    program, port = hall.peer("nats_jobs", "libnats"), nats_server(hall, stack)
    if port is None or program is None:
        return None
    return lambda: result([program, port, hall.seconds, *(["files"] if durable else [])], hall.seconds * 2 + 20)


def beanstalkd(hall, stack, durable=False):
    server = hall.which("beanstalkd")
    if server is None:
        return None
    path = hall.folder / "beanstalkd.socket"
    argv = [server, "-l", f"unix:{path}", *(["-b", hall.fresh_folder("log"), "-f", "0"] if durable else [])]
    return serve(hall, stack, "beanstalkd", argv, path, [hall.program("beanstalkd_jobs"), path])


def serve(hall, stack, name, argv, address, program, *more):
    """Starts a server that answers; measures it by way of a program of the benches."""
    server = stack.enter_context(Server(name, argv, hall.folder))
    server.wait_until(lambda: answers(address), "an answer")
    return lambda: result([*program, hall.seconds, *more], hall.seconds * 2 + 20)


QUEUES = {"Redis Streams": redis, "NATS JetStream": nats, "beanstalkd": beanstalkd}


def relay(hall, payload):
    return lambda: result([hall.program("nng_relay"), hall.fresh_folder("relay"), hall.seconds, payload],
                          hall.seconds * 2 + 20)


def throughput(hall, bench, payload, queues, goals):
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(hive(hall, "skep", "plain"))
        over_nng = stack.enter_context(hive(hall, "over-nng", "plain", prefix=OVER_NNG))
        contenders = {"Skep": client(hall, one, "load", payload),
                      "Skep over NNG": client(hall, over_nng, "load", payload, prefix=OVER_NNG),
                      "bare relay": relay(hall, payload)}
        contenders |= {name: start(hall, stack) for name, start in queues.items()}
        measured = interleave({name: measure for name, measure in contenders.items() if measure}, hall.runs,
                              hall.quiet.wait)
    return compare(bench, "jobs/s", figures_of(measured), "Skep", goals)


def jobs_64(hall):
    return throughput(hall, "jobs-64", SMALL, QUEUES,
                      {2e6: (AT_LEAST, 1.0), "Skep over NNG": (AT_LEAST, 1.4), "Redis Streams": (AT_LEAST, 10.0), "NATS JetStream": (AT_LEAST, 15.0),
                       "beanstalkd": (AT_LEAST, 50.0)})


def jobs_4k(hall):
    return throughput(hall, "jobs-4k", 4096, {}, {"bare relay": (AT_LEAST, 1.2)})


def jobs_64k(hall):
    return throughput(hall, "jobs-64k", 65536, {}, {"bare relay": (AT_LEAST, 1.2)})


# --- On the disk ---

def on_disk(hall, name, kind):
    return hive(hall, name, kind, options=["--jobs", hall.fresh_folder(f"{name}-jobs")])


def durable_64(hall):
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(on_disk(hall, "skep", "plain"))
        in_memory = stack.enter_context(hive(hall, "in-memory", "plain"))
        contenders = {"Skep": client(hall, one, "load", SMALL), "in memory": client(hall, in_memory, "load", SMALL)}
        contenders |= {name: start(hall, stack, durable=True) for name, start in QUEUES.items()}
        measured = interleave({name: measure for name, measure in contenders.items() if measure}, hall.runs,
                              hall.quiet.wait)
    return compare("durable-64", "jobs/s", figures_of(measured), "Skep",
                   {"in memory": (AT_LEAST, 0.5), "Redis Streams": (AT_LEAST, 10.0), "NATS JetStream": (AT_LEAST, 1.0),
                    "beanstalkd": (AT_LEAST, 100.0)})


def nats_64(hall):
    """A broker whose jobs are in a stream, beside the library alone with a stream of the same kind on the same server."""
    with contextlib.ExitStack() as stack:
        port, program = nats_server(hall, stack), hall.program("nats_jobs")
        if port is None:
            return []
        one = stack.enter_context(hive(hall, "skep", "plain", options=["--jobs", f"nats://127.0.0.1:{port}"]))
        bare = lambda: result([program, port, hall.seconds, "files"], hall.seconds * 2 + 20)  # noqa: E731
        measured = interleave({"Skep": client(hall, one, "load", SMALL), "libnats alone": bare}, hall.runs,
                              hall.quiet.wait)
    return compare("nats-64", "jobs/s", figures_of(measured), "Skep", {"libnats alone": (AT_LEAST, 0.8)})


def durable_one(hall):
    """One job at a time, from its submission to its acceptance."""
    with on_disk(hall, "skep", "plain") as one:
        def synced():
            return result([hall.program("synced_write"), hall.fresh_folder("synced") / "file", hall.seconds],
                          hall.seconds * 2 + 20)
        measured = interleave({"Skep": client(hall, one, "accept"), "one fdatasync": synced}, hall.runs, hall.quiet.wait)
    rows = []
    for key, name in (("figure", "p50"), ("p99", "p99")):
        rows += compare("durable-one", f"µs, {name}", figures_of(measured, key), "Skep", {"one fdatasync": (AT_MOST, 2.0)})
    return rows


# --- Latency ---

def job_result(hall):
    with hive(hall, "skep", "echo") as one:
        def bare():
            return result([hall.program("nng_relay_trip"), hall.fresh_folder("trip"), hall.seconds],
                          hall.seconds * 2 + 20)
        measured = interleave({"Skep": client(hall, one, "trip"), "bare relay in libuv loops": bare}, hall.runs,
                              hall.quiet.wait)
    rows = []
    for key, name, bound in (("figure", "p50", 0.3), ("p99", "p99", 1.0)):
        rows += compare("job-result", f"µs, {name}", figures_of(measured, key), "Skep",
                        {"bare relay in libuv loops": (AT_MOST, bound)})
    return rows


def job_slow(hall):
    """A fresh broker each time, because the slow worker still has jobs when a measurement is over."""
    def paced(kind):
        def measure():
            name = hall.fresh_folder(kind).name
            with hive(hall, name, kind, PACED_WORKERS) as one:
                return client(hall, one, "paced")()
        return measure
    measured = interleave({"one worker 100 × slower": paced("slow"), "none is slow": paced("named")}, hall.runs,
                          hall.quiet.wait)
    return compare("job-slow", "µs, p99 on the others", figures_of(measured, "p99"), "one worker 100 × slower",
                   {"none is slow": (AT_MOST, 2.0)})


# --- Many workers, many jobs ---

def job_workers(hall):
    with contextlib.ExitStack() as stack:
        hives = {count: stack.enter_context(hive(hall, f"skep-{count}", "counted", count)) for count in WORKERS}
        measured = interleave({count: client(hall, one, "load", SMALL) for count, one in hives.items()}, hall.runs,
                              hall.quiet.wait)
    rates = figures_of(measured)
    best = max(rates, key=lambda count: statistics.median(rates[count]))
    rows = []
    for count in WORKERS:
        if count != best:
            beside = f"the best, with {best}"
            rows += compare(f"job-workers {count}", "jobs/s", {"Skep": rates[count], beside: rates[best]}, "Skep",
                            {beside: (AT_LEAST, 0.85)})
    for count in WORKERS[1:]:
        off = [100 * one["spread"] for one in measured[count]]
        rows += compare(f"job-workers {count} spread", "% off the mean", {"Skep": off}, "Skep", {5.0: (AT_MOST, 1.0)})
    return rows


def available_bytes():
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024


def many():
    """How many jobs to queue: as many as half of the memory that is left has room for."""
    room = available_bytes() // 2 // MANY_BYTES
    if room >= MANY:
        return MANY
    if room < 10 * FEW:
        raise Failure(f"not even {10 * FEW} jobs would fit into memory")
    print(f"there is memory for {room} queued jobs only, not for {MANY}", flush=True)
    return room


def steady(measured, jobs):
    """What is accepted or what is done, whichever is less: a backlog that shrinks would flatter the broker."""
    if measured["queued"] < jobs / 2:
        raise Failure(f"of {jobs} queued jobs {measured['queued']} were left: the client is too slow")
    return measured | {"figure": min(measured["figure"], measured["accepted"])}


def job_backlog(hall):
    """A fresh broker each time, filled before its worker begins; the client then submits as many as are done."""
    deep = many()
    options = ["--queue-jobs", 2 * deep, "--queue-bytes", deep * MANY_BYTES, "--jobs-bytes", deep * MANY_BYTES]

    def queued(jobs):
        def measure():
            name = hall.fresh_folder(f"queued-{jobs}").name
            with hive(hall, name, "held", 1, options) as one:
                return steady(client(hall, one, "load", SMALL, jobs)(), jobs)
        return measure
    measured = interleave({"Skep": queued(deep), f"{FEW} queued": queued(FEW)}, hall.runs, hall.quiet.wait)
    memory = [one["job_bytes"] - SMALL for one in measured["Skep"]]
    return [*compare(f"job-backlog {deep}", "jobs/s", figures_of(measured), "Skep",
                     {f"{FEW} queued": (AT_LEAST, 0.8)}),
            *compare(f"job-backlog {deep} memory", "B a job besides its payload", {"Skep": memory}, "Skep",
                     {200.0: (AT_MOST, 1.0)})]


def durable_backlog(hall):
    """A broker is killed with many durable jobs queued; how long the next one takes to its first job, and its memory."""
    options = ["--queue-jobs", 2 * MANY, "--queue-bytes", MANY * MANY_BYTES, "--jobs-bytes", MANY * MANY_BYTES,
               "--jobs", hall.fresh_folder("backlog")]
    with hive(hall, "filled", "held", 1, options) as one:
        run([hall.program("skep_jobs"), "fill", one.dir, MANY, SMALL], SETTLE_S)
        one.process.kill()
        one.process.wait()
    starts = []
    for number in range(hall.runs):
        hall.quiet.wait()
        begin_s = time.monotonic()
        with hive(hall, f"next-{number}", "plain", 1, options) as one:
            one.wait_until(lambda: one.done("work") > 0, "the first job")
            starts.append((time.monotonic() - begin_s, one.resident_bytes()))
            one.process.kill()
            one.process.wait()
    name = f"durable-backlog {MANY}"
    return [*compare(name, "s to the first job", {"Skep": [time_s for time_s, _ in starts]}, "Skep", {5.0: (AT_MOST, 1.0)}),
            *compare(name, "bytes of memory then", {"Skep": [size for _, size in starts]}, "Skep", {1e9: (AT_MOST, 1.0)})]
