# SPDX-License-Identifier: MIT
"""What a rolling reload costs those who are being served: rounds of it under wrk, one in ten with a program that fails
to start. wrk counts what fails; it runs through all rounds of a kind."""
import re
import signal
import subprocess

from hive import Hive
from processes import Failure, end, environment
from report import AT_LEAST, Row

WORKERS, CONNECTIONS, BAD_EVERY = 2, 32, 10
LONGEST_S, ROUND_S = 3600, 60
ABORTED = 70
UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000}


class Wrk:
    """wrk from here until its figures are asked for."""

    def __init__(self, program, port, fresh):
        headers = ["-H", "Connection: close"] if fresh else []
        argv = [program, "-t2", f"-c{CONNECTIONS}", f"-d{LONGEST_S}s", "--latency", *headers,
                f"http://127.0.0.1:{port}/"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, process_group=0, env=environment(), text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def figures(self):
        """Requests, those of them that failed by kind, and the 99th percentile of their time."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=ROUND_S)
        requests = re.search(r"(\d+) requests in", output)
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", output)
        if not requests or not p99 or int(requests[1]) == 0:
            raise Failure(f"wrk counted nothing:\n{output}")
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
        other = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        failed = dict(zip(("connect", "read", "write", "timeout"), map(int, errors.groups()) if errors else [0] * 4))
        return int(requests[1]), failed | {"non-2xx": int(other[1]) if other else 0}, float(p99[1]) * UNITS_MS[p99[2]]


def reload(hive, *options):
    result = subprocess.run([hive.skep, "reload", *options, "--dir", hive.dir], capture_output=True, text=True,
                            timeout=ROUND_S, check=False, env=environment())
    if result.returncode != (ABORTED if options else 0):
        raise Failure(f"skep reload {' '.join(options)}: status {result.returncode}\n  {result.stderr[-500:]}")


def reload_all(hive, rounds):
    """How many rounds were aborted, as they should be."""
    bad = [n for n in range(1, rounds + 1) if n % BAD_EVERY == 0]
    for n in range(1, rounds + 1):
        reload(hive, *(["--program", "/bin/false"] if n in bad else []))
    return len(bad)


def without(hall, load, hive, fresh):
    with Wrk(load, hive.port, fresh) as wrk:
        hive.still_runs(hall.seconds)
        return wrk.figures()


def measure(hall, load, fresh):
    name = "fresh" if fresh else "keep-alive"
    with Hive(hall, f"reload-{name}", WORKERS, "round-robin", [hall.hello, "--listen", "tcp://127.0.0.1:0"],
              ["--drain-timeout", LONGEST_S]) as hive:
        _, _, quiet_ms = without(hall, load, hive, fresh)
        with Wrk(load, hive.port, fresh) as wrk:
            aborted = reload_all(hive, hall.rounds)
            requests, failed, p99_ms = wrk.figures()
    kinds = ", ".join(f"{kind} {count}" for kind, count in failed.items())
    print(f"  {name}: {hall.rounds - aborted} rounds done, {aborted} aborted; {requests} requests, "
          f"{sum(failed.values())} failed ({kinds})", flush=True)
    served = 100 * (1 - sum(failed.values()) / requests)
    return [Row(f"reload {name}", served, "% served", "limit", 100.0, 1, AT_LEAST),
            Row(f"reload {name} p99", p99_ms, "ms", "no reload", quiet_ms, 1)]


def rolling(hall):
    load = hall.which("wrk")
    if load is None:
        return []
    hall.quiet.wait()
    return measure(hall, load, True) + measure(hall, load, False)
