# SPDX-License-Identifier: MIT
"""What workers cost: the time to replace one, 200 that do nothing, 1,000 that start."""
import statistics
import time
from pathlib import Path

from hive import Hive
from processes import cpu_percent, figure
from report import AT_LEAST, AT_MOST, compare, interleave

STABLE_MS = 200  # age of a worker when it is killed
MANY, FEW, CONNECTIONS = 200, 2, 64
CROWD, LOOKED_AT = 1000, 50


def replacement(hall):
    """Kills are split over the runs, so that Skep's and Node's take turns."""
    kills = max(2, -(-hall.kills // hall.runs))
    program = [hall.hello, "--listen", "tcp://127.0.0.1:0"]

    def skep():
        return figure([hall.program("skep_replacement"), hall.fresh_folder("replacement"), kills, STABLE_MS, *program],
                      kills * (STABLE_MS / 1000 + 1) + 20)

    contenders = {"Skep": skep}
    node = hall.which("node")
    if node:
        script = hall.source / "peers/node_replacement.js"
        contenders["Node cluster"] = lambda: figure([node, script, kills], kills * 2 + 20)
    figures = interleave(contenders, hall.runs, hall.quiet.wait)
    return compare("replacement", "ms, p50", figures, "Skep",
                   {6.0: (AT_MOST, 1.0), "Node cluster": (AT_MOST, 1 / 9)})


def rss_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def threads(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))


def pss_mb(pid):
    """Its share of the memory that it uses."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def starting(hall):
    """From the start of the broker until every worker is ready; then what the workers are made of."""
    program = [hall.program("closer"), "tcp://127.0.0.1:0"]
    seconds, memory, most = [], [], []
    for run in range(hall.runs):
        hall.quiet.wait()
        begin = time.monotonic()
        with Hive(hall, f"crowd-{run}", CROWD, "round-robin", program) as crowd:
            seconds.append(time.monotonic() - begin)
            pids = [worker["pid"] for worker in crowd.status()["workers"][:LOOKED_AT]]
            memory.append(statistics.median(pss_mb(pid) for pid in pids))
            most.append(max(threads(pid) for pid in pids))
    return [*compare("start-1000", "s until all are ready", {"Skep": seconds}, "Skep", {4.0: (AT_MOST, 1.0)}),
            *compare("start-1000 memory", "MB of a worker (PSS)", {"Skep": memory}, "Skep", {0.4: (AT_MOST, 1.0)}),
            *compare("start-1000 threads", "of a worker", {"Skep": most}, "Skep", {1.0: (AT_MOST, 1.0)})]


def idle(hall):
    program = [hall.program("closer"), "tcp://127.0.0.1:0"]
    load = hall.program("connect_load")

    def handed(hive):
        return lambda: figure([load, hive.port, hall.seconds, CONNECTIONS], hall.seconds * 2 + 20)

    with Hive(hall, "idle-many", MANY, "round-robin", program) as many:
        memory = rss_mb(many.pid)
        processor = [cpu_percent(many, hall.idle_seconds)]
        with Hive(hall, "idle-few", FEW, "round-robin", program) as few:
            rates = interleave({"Skep": handed(many), f"{FEW} workers": handed(few)}, hall.runs, hall.quiet.wait)
        memory = max(memory, rss_mb(many.pid))
    return [*compare("idle-200 memory", "MB of the broker", {"Skep": [memory]}, "Skep", {30.0: (AT_MOST, 1.0)}),
            *compare("idle-200 processor", "% of a core, broker", {"Skep": processor}, "Skep", {0.5: (AT_MOST, 1.0)}),
            *compare("idle-200 hand-off", "connections/s", rates, "Skep", {f"{FEW} workers": (AT_LEAST, 0.7)})]
