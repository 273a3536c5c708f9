# SPDX-License-Identifier: MIT
"""What it costs to look at a hive: a large one, one with a crowd on its control socket, one that is watched all the time."""
import contextlib
import fcntl
import os
import pty
import socket
import struct
import subprocess
import termios
import threading
import time

from hive import Hive
from processes import Server, cpu_percent, environment, result
from report import AT_MOST, compare, interleave

MANY, FEW, QUEUES, LOOKS = 1000, 2, 100, 10
STALE_S = 1.1  # after so long the broker looks at every worker's memory and processor time again
CROWD = 500
WATCHERS = (["top"], ["events", "--json"], ["status", "--watch"], ["status", "--watch", "--json"])
WINDOW = struct.pack("HHHH", 50, 160, 0, 0)


class Watcher(Server):
    """A command on a terminal of its own; what it draws is read and thrown away."""

    def __enter__(self):
        self._main, own = pty.openpty()
        fcntl.ioctl(own, termios.TIOCSWINSZ, WINDOW)
        self.process = subprocess.Popen(self.argv, stdin=own, stdout=own, stderr=own, process_group=0,
                                        env={**environment(), "TERM": "xterm"})
        os.close(own)
        threading.Thread(target=self._drain, daemon=True).start()
        return self

    def _drain(self):
        with contextlib.suppress(OSError):  # it has left
            while os.read(self._main, 65536):
                pass

    def __exit__(self, *_):
        super().__exit__()
        os.close(self._main)


def spent_ms(hive, *arguments):
    """From the start of the command to its end."""
    begin_ns = time.monotonic_ns()
    subprocess.run([hive.skep, *arguments, "--dir", hive.dir], stdout=subprocess.DEVNULL, timeout=20, check=True,
                   env=environment())
    return (time.monotonic_ns() - begin_ns) / 1e6


def looks(hive, gap_s=0.0):
    """Median of several."""
    def measure():
        spent = []
        for _ in range(LOOKS):
            hive.still_runs(gap_s)
            spent.append(spent_ms(hive, "status", "--json"))
        return sorted(spent)[LOOKS // 2]
    return measure


def watched_by_top(hall, hive):
    """What top costs, and what it costs the broker."""
    with Watcher("top", [hive.skep, "top", "--dir", hive.dir], hall.folder) as top:
        top.still_runs(2)
        own = [cpu_percent(top, hall.idle_seconds) for _ in range(hall.runs)]
        brokers = [cpu_percent(hive, hall.idle_seconds)]
    return compare("top-1000", "% CPU", {"Skep": own, "the broker meanwhile": brokers}, "Skep", {2.0: (AT_MOST, 1.0)})


def status_1000(hall):
    program = [hall.program("bare_worker"), QUEUES]
    with Hive(hall, "keeper-many", MANY, "round-robin", program) as many, \
            Hive(hall, "keeper-few", FEW, "round-robin", program) as few:
        figures = interleave({"Skep": looks(many, STALE_S), "asked a moment ago": looks(many),
                              f"{FEW} workers": looks(few, STALE_S)}, hall.runs, hall.quiet.wait)
        queues = [spent_ms(many, "queues", "--json") for _ in range(LOOKS)]
        top = watched_by_top(hall, many)
    return [*top, *compare("status-1000", "ms", figures, "Skep", {20.0: (AT_MOST, 1.0)}),
            *compare(f"queues-{QUEUES}", "ms", {"Skep": queues}, "Skep", {20.0: (AT_MOST, 1.0)})]


def crowded(hall):
    """The longest that an operator waits while 500 clients hold the control socket and never ask anything."""
    with Hive(hall, "crowded", FEW, "round-robin", [hall.program("bare_worker"), QUEUES]) as hive, \
            contextlib.ExitStack() as stack:
        path = str(next(hive.dir.glob("control.*")))
        for number in range(CROWD):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(path)
            if number % 2:
                client.sendall(b"\0SP\0\0\x30\0\0")
        spent = [spent_ms(hive, "status", "--json") for _ in range(LOOKS * 5)]
    return compare(f"crowd-{CROWD}", "ms, longest", {"Skep": [max(spent)]}, "Skep", {100.0: (AT_MOST, 1.0)})


def watched(hall):
    program = [hall.program("closer"), "tcp://127.0.0.1:0"]
    load = hall.program("connect_latency")

    def hand_off(hive, watchers):
        with contextlib.ExitStack() as stack:
            for number, watcher in enumerate(watchers):
                stack.enter_context(Watcher(f"watcher-{number}", [hive.skep, *watcher, "--dir", hive.dir], hall.folder))
            return result([load, hive.port, hall.seconds], hall.seconds * 2 + 20)

    with Hive(hall, "watched", FEW, "round-robin", program) as hive:
        both = interleave({"Skep": lambda: hand_off(hive, WATCHERS), "nobody watches": lambda: hand_off(hive, ())},
                          hall.runs, hall.quiet.wait)
    rows = []
    for name, key, goal in (("p50", "figure", {}), ("p99", "p99", {"nobody watches": (AT_MOST, 1.1)})):
        figures = {who: [one[key] for one in results] for who, results in both.items()}
        rows += compare(f"watched hand-off {name}", "µs", figures, "Skep", goal)
    return rows
