# SPDX-License-Identifier: MIT
"""Tries the main job out as `./dev run` starts it, on a free port and in a directory of its own: answers, counts, a
killed worker, a clean stop. check_run.py BIN exits 0 if all is as it should be."""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DEADLINE_S = 20
REQUESTS = 200
ANSWER = re.compile(r"Hello from Worker (\d+), I've handled (\d+) requests locally")


class Failed(Exception):
    """What was expected and did not come."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Hive:
    """A running `skep run`, its directory, and the stream of its events."""

    def __init__(self, bin_dir, directory):
        self.skep = str(bin_dir / "skep")
        self.directory = directory
        self.highest = {}
        self.news = threading.Condition()
        self.log = Path(directory) / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.skep, "run", "-n", "auto", "--name", "request-count", "--dir", directory + "/hive", "--",
                 str(bin_dir / "request-count"), "--listen", "tcp://127.0.0.1:0"],
                stdout=log, stderr=subprocess.STDOUT)
        self.events = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.events, self.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def printed(self):
        return self.log.read_text(errors="replace")

    def status(self):
        """The hive's status, or None while there is none. Checks on the way that no total ever goes back."""
        result = subprocess.run([self.skep, "status", "--json", "--dir", self.directory + "/hive"],
                                capture_output=True, timeout=DEADLINE_S, check=False)
        if result.returncode != 0:
            return None
        status = json.loads(result.stdout)
        for name in ("accepted", "requests", "restarts"):
            total = status["totals"][name]
            expect(total >= self.highest.get(name, 0), f"total {name} went back to {total}")
            self.highest[name] = total
        return status

    def follow_events(self):
        """Wakes whoever waits whenever something happens in the hive."""
        self.events = subprocess.Popen([self.skep, "events", "--json", "--dir", self.directory + "/hive"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def read():
            for _ in self.events.stdout:
                with self.news:
                    self.news.notify_all()

        threading.Thread(target=read, daemon=True).start()

    def wait(self, condition, what):
        """The first status for which a condition holds; looks again at each event, and now and then."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            expect(self.process.poll() is None, f"skep run ended with {self.process.returncode}")
            status = self.status()
            if status is not None and condition(status):
                return status
            with self.news:
                self.news.wait(0.05)
        raise Failed(f"in {DEADLINE_S} s there was no: {what}; the status is {status}")

    def wait_ready(self, workers):
        return self.wait(lambda s: s["listeners"] and [w["state"] for w in s["workers"]] == ["ready"] * workers,
                         f"{workers} workers that are ready")

    def wait_requests(self, count):
        return self.wait(lambda s: s["totals"]["requests"] == count, f"total of {count} requests")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def request(port):
    """The pid of the worker that answered on a new connection, and how many it says it has handled."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    match = ANSWER.search(text)
    expect(response.status == 200 and match, f"unexpected answer {response.status}: {text!r}")
    return int(match[1]), int(match[2])


def send_requests(port, count):
    """Sends requests one after another; how many each worker says it has handled, by pid."""
    handled = {}
    for _ in range(count):
        pid, told = request(port)
        expect(told > handled.get(pid, 0), f"worker {pid} counted {told} after {handled.get(pid, 0)}")
        handled[pid] = told
    return handled


def check_counts(status, handled):
    """Each worker's own count is the broker's too, and each has served."""
    counted = {w["pid"]: w["requests"] for w in status["workers"]}
    expect(counted == handled, f"the workers say {handled}, the broker says {counted}")


def kill_one(hive, workers, before):
    victim = before["workers"][0]["pid"]
    os.kill(victim, signal.SIGKILL)
    hive.wait(lambda s: victim not in [w["pid"] for w in s["workers"]] and s["totals"]["restarts"] == 1,
              f"replacement for the killed worker {victim}")
    status = hive.wait_ready(workers)
    requests = status["totals"]["requests"]
    expect(requests == before["totals"]["requests"], "the killed worker's requests are not counted")
    return victim


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def check(hive):
    workers = os.cpu_count() if not hasattr(os, "sched_getaffinity") else len(os.sched_getaffinity(0))
    hive.wait(lambda s: True, "status")
    hive.follow_events()
    status = hive.wait_ready(workers)
    port = int(status["listeners"][0]["url"].rpartition(":")[2])

    handled = send_requests(port, REQUESTS)
    status = hive.wait_requests(REQUESTS)
    check_counts(status, handled)
    accepted = status["totals"]["accepted"]
    expect(accepted == REQUESTS, f"{accepted} connections for {REQUESTS} requests")
    print(f"{REQUESTS} requests by {len(handled)} workers: answers and counts agree")

    victim = kill_one(hive, workers, status)
    handled.pop(victim)
    for pid, told in send_requests(port, REQUESTS).items():
        handled[pid] = told
    status = hive.wait_requests(2 * REQUESTS)
    check_counts(status, handled)
    print(f"worker {victim} killed and replaced: {REQUESTS} more requests, answers and counts agree")

    code = hive.stop()
    expect(code == 0, f"skep run ended with {code} after SIGTERM")
    left = [w["pid"] for w in status["workers"] if alive(w["pid"])]
    expect(not left, f"workers {left} are left")
    print("stopped: exit status 0, no process left")


def main():
    bin_dir = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="skep-run-") as directory, Hive(bin_dir, directory) as hive:
        try:
            check(hive)
        except (Failed, OSError, http.client.HTTPException, subprocess.TimeoutExpired, KeyError, ValueError) as error:
            print(f"run --check failed: {error!r}\n--- what was printed ---\n{hive.printed()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
