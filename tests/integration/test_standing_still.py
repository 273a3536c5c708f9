#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who stands still, and whose fault it is: workers that a watchdog ends, and a broker that was stopped for a while, of
which no deadline, delay or watchdog makes anything."""
import os
import re
import signal
import threading
import time
import unittest
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import (TCP, actor_path, actors, answers, crowd, disperse, process_state, replaced, resting, stopped,
                    worker_at, workers_of)
from hive import Hive
from jobs import Submitter, queue_status, workers

CLIENT = Path(__file__).resolve().parent.parent / "clients" / "worker.py"


def beating(*options, workers=2):
    """Workers that show signs of life if they are asked to."""
    return Hive("/usr/bin/python3", "-B", CLIENT, "--listen", TCP, workers=workers, options=list(options))


def pause_s(seconds):
    """The length of a standstill, which is what is tested."""
    threading.Event().wait(seconds)


def logged_s(line):
    """When a line of the broker's log was written."""
    return datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()


class Watchdog(unittest.TestCase):
    """Fault 4, the end of it."""

    def check_killed(self, hive, worker, pid):
        os.kill(pid, signal.SIGSTOP)
        hive.wait_line(rf"worker {worker} pid {pid}: error: its event loop was blocked for 500 ms; killed")
        hive.wait_line(rf"worker {worker} pid {pid}: killed by SIGKILL \(watchdog\), replacement in \d+ ms")

    def test_a_worker_that_stands_still_is_replaced(self):
        with beating("--watchdog", 0.5) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            self.check_killed(hive, 1, pids[1])
            replaced(hive, 1, 2)
            self.assertEqual(hive.pids()[2], pids[2])
            hive.stop()

    def test_one_that_leaves_too(self):
        with beating("--watchdog", 0.5, "--drain-timeout", 1000, workers=1) as hive:
            pids = hive.wait_ready(1) and hive.pids()
            with stopped(pids[1]):
                os.kill(hive.pid, signal.SIGTERM)
                hive.wait_line(r"killed by SIGKILL \(watchdog\)")
            self.assertEqual(hive.wait_exit(), 0)

    def test_nobody_is_watched_who_shows_no_signs(self):
        with Hive("/bin/sh", "-c", f"exec 4<&-; exec {actor_path()} {TCP}", workers=1,
                  options=["--watchdog", 0.1]) as hive:
            hive.wait_ready(1)
            pause_s(1)
            worker_at(hive.url)
            self.assertEqual(hive.status()["totals"]["restarts"], 0)
            hive.stop()

    def test_bad_values(self):
        for value, why in (("0.05", "expected a time, .*, from 100ms"), ("99ms", "expected"), ("x", "expected")):
            with self.subTest(value), Hive(None, "true", options=["--watchdog", value]) as hive:
                self.assertEqual(hive.wait_exit(), 64, hive.describe())
                self.assertRegex(hive.output("err"), f"run: --watchdog {value}: {why}")


class OthersGoOn(unittest.TestCase):
    """Fault 4: while a worker stands still, all that comes beyond its credit is done by the others, by count; that is
    more than nine tenths. When the watchdog has ended it, they do what it had."""
    WATCHDOG_S = 10
    CONNECTIONS, CONNECTION_CREDIT = 400, 16
    JOBS, JOB_CREDIT = 4000, 64

    def check_it_stood_still_until(self, hive, pid):
        """All of what went before happened while it did."""
        self.assertEqual(hive.count("no sign of life"), 0, hive.describe())
        self.assertEqual(process_state(pid), "T")
        self.assertEqual(hive.status()["totals"]["restarts"], 0)

    def wait_killed(self, hive, pid):
        ms = self.WATCHDOG_S * 1000
        hive.wait_line(rf"worker \d pid {pid}: error: its event loop was blocked for {ms} ms; killed", deadline_s=60)
        return replaced(hive, 1, 4)

    def test_connections(self):
        hives = {policy: self.enterContext(actors(TCP, workers=4, policy=policy,
                                                  options=["--watchdog", self.WATCHDOG_S, "--credit",
                                                           self.CONNECTION_CREDIT]))
                 for policy in ("round-robin", "least-connections")}
        rest = []
        for policy, hive in hives.items():
            with self.subTest(policy=policy):
                rest.append((policy, hive, *self.crowd_served_by_others(hive)))
        for policy, hive, pid, clients, late in rest:  # the watchdogs of both have run meanwhile
            with self.subTest(policy=policy, part="the rest"):
                status = self.wait_killed(hive, pid)
                self.assertLessEqual(status["totals"]["redispatched"], self.CONNECTION_CREDIT)
                self.assertNotIn(2, workers_of(answers(late)))
                self.assertEqual(status["totals"]["accepted"], self.CONNECTIONS)
                disperse(clients)
                hive.stop()

    def crowd_served_by_others(self, hive):
        """The pid of the worker that stands still, the clients, and those who wait for it."""
        pids = hive.wait_ready(4) and hive.pids()
        os.kill(pids[2], signal.SIGSTOP)
        clients = crowd(hive.url, self.CONNECTIONS)
        enough = self.CONNECTIONS - self.CONNECTION_CREDIT
        heard = answers(clients, enough=enough)
        self.assertGreaterEqual(len(workers_of(heard)), enough)
        self.check_it_stood_still_until(hive, pids[2])
        self.assertNotIn(2, workers_of(heard))
        return pids[2], clients, [clients[index] for index in resting(heard)]

    def test_jobs(self):
        with workers("q", count=4, options=["--watchdog", self.WATCHDOG_S, "--job-credit", self.JOB_CREDIT]) as hive:
            pids = hive.wait_ready(4) and hive.pids()
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS)  # so that all windows are wide
                submitter.wait_outcomes()
                os.kill(pids[2], signal.SIGSTOP)
                submitter.submit("q", self.JOBS)
                done = 2 * self.JOBS - self.JOB_CREDIT
                submitter.wait(lambda: len(submitter.results) >= done, f"{done} results")
                self.check_it_stood_still_until(hive, pids[2])
                self.assertLessEqual(queue_status(hive, "q")["reserved"], self.JOB_CREDIT)
                self.wait_killed(hive, pids[2])
                submitter.wait_outcomes()
                self.assertEqual(len(submitter.results), 2 * self.JOBS)
                self.assertLessEqual(queue_status(hive, "q")["redelivered"], self.JOB_CREDIT)
            hive.stop()


class BrokerStopped(unittest.TestCase):
    """Fault 19: the broker does not run for a while."""

    def test_no_watchdog(self):
        with beating("--watchdog", 0.5) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            with stopped(hive.pid, *pids.values()):  # as a machine that is suspended
                pause_s(3)
            Watchdog.check_killed(self, hive, 2, pids[2])  # it has looked often enough since then
            replaced(hive, 1, 2)
            self.assertEqual(hive.pids()[1], pids[1])
            hive.stop()

    def test_no_ready_timeout(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            os.mkfifo(f"{folder}/go")
            script = f"read go < {folder}/go; exec {actor_path()} {TCP}"
            with Hive(None, "/bin/sh", "-c", script, workers=1, options=["--ready-timeout", 3]) as hive:
                hive.wait_line("worker 1 pid .*: started")
                with stopped(hive.pid):
                    pause_s(4)
                Path(folder, "go").write_text("\n")
                hive.wait_ready(1)
                self.assertEqual(hive.count("not ready"), 0, hive.describe())
                hive.stop()

    def test_no_end_of_the_handshake(self):
        """A worker waits for its welcome as long as the broker lives."""
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            os.mkfifo(f"{folder}/go")
            script = f"read go < {folder}/go; exec {actor_path()} {TCP}"
            with Hive(None, "/bin/sh", "-c", script, workers=1) as hive:
                hive.wait_line("worker 1 pid .*: started")
                with stopped(hive.pid):
                    Path(folder, "go").write_text("\n")
                    pause_s(11)
                hive.wait_ready(1)
                self.assertEqual(hive.count("worker 1 pid .*: exited"), 0, hive.describe())
                hive.stop()

    def test_no_drain_timeout(self):
        with actors(TCP, workers=1, options=["--drain-timeout", 3]) as hive:
            pids = hive.wait_ready(1) and hive.pids()
            with stopped(pids[1]):
                os.kill(hive.pid, signal.SIGTERM)
                hive.wait_line("worker 1 pid .*: draining")
                with stopped(hive.pid):
                    pause_s(4)
            self.assertEqual(hive.wait_exit(), 0)
            self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 1, hive.describe())

    def test_no_backoff(self):
        with Hive(None, "/bin/sh", "-c", "exit 1", workers=1) as hive:
            ended = hive.wait_line(r".*worker 5 pid .* replacement in (\d+) ms")
            with stopped(hive.pid):
                began_s = time.monotonic()
                pause_s(3)
                stopped_s = time.monotonic() - began_s
            started = hive.wait_line(r".*worker 6 pid .*: started")
            waited_s = logged_s(started.group()) - logged_s(ended.group()) - stopped_s
            self.assertGreater(waited_s, int(ended.group(1)) / 1000 - 0.1)


if __name__ == "__main__":
    unittest.main()
