#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Steering a running hive: the commands of the control socket as any client sends them, the signals of skep run, and
what becomes of a program that cannot start (fault 13)."""
import os
import pty
import resource
import shutil
import signal
import threading
import unittest
from pathlib import Path
from tempfile import mkdtemp

from faults import TCP, Client, Load, actor_path, actors, quiet_descriptors, worker_at
from hive import Hive, program, run, wait_until
from jobs import ask

EINVAL, EMFILE, EPROTO, ETOOBIG, ENOWORKER, ESTATE = 1, 5, 15, 17, 18, 23
WEB = f"web={TCP}"


def broker(hive):
    """The brokerStatus."""
    return ask(hive, "status")[0]


def events(hive, name=None):
    """Every event so far, or those of one name."""
    news = ask(hive, "newsSince", seq=0)
    return [item for item in news if item["cmd"] == "event" and name in (None, item["event"])]


def wait_events(hive, count, name, **fields):
    """All events of a name with these fields, once there are so many."""
    def find():
        found = [e for e in events(hive, name) if all(e.get(key) == value for key, value in fields.items())]
        return found if len(found) >= count else None
    return wait_until(find, f"{count} events {name} {fields}", context=hive.describe)


def wait_workers(hive, states):
    """Waits until the workers are in these states; their ids."""
    status = hive.wait_status(lambda status: sorted(w["state"] for w in status["workers"]) == sorted(states), states)
    return [worker["id"] for worker in status["workers"]]


class Case(unittest.TestCase):
    def answer(self, hive, cmd, **fields):
        answers = ask(hive, cmd, **fields)
        self.assertEqual(len(answers), 1, answers)
        return answers[0]

    def assert_scaled(self, hive, before, after, **fields):
        self.assertEqual(self.answer(hive, "scale", **fields), {"cmd": "scaled", "from": before, "to": after})
        self.assertEqual(broker(hive)["wanted"], after)

    def assert_done(self, hive, cmd, **fields):
        self.assertEqual(self.answer(hive, cmd, **fields), {"cmd": "done"})

    def assert_failed(self, hive, status, reason, cmd, **fields):
        self.assertEqual(self.answer(hive, cmd, **fields), {"cmd": "failed", "status": status, "reason": reason})


class Scaling(Case):
    def test_under_load(self):
        """New connections all the time, and more and fewer workers: none fails."""
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                hive.wait_ready(2)
                with Load(hive.url, clients=4) as load:
                    for workers in (4, 1, 3, 2):
                        ask(hive, "scale", workers=workers)
                        hive.wait_ready(workers)
                        load.wait_done(50)
                self.assertEqual(load.failed, [])
                hive.stop()

    def test_to_0_and_back(self):
        """A listener of -l stays bound: who comes meanwhile waits, and is served."""
        with actors("web", listen=[WEB], workers=2) as hive:
            hive.wait_ready(2)
            self.assert_scaled(hive, 2, 0, workers=0)
            wait_workers(hive, [])
            with Client(hive.url) as client:
                client.say("id")
                self.assert_scaled(hive, 0, 1, more=1)
                self.assertEqual(client.hear().split()[0], "3")
            self.assert_scaled(hive, 1, 3, more=2)
            status = hive.wait_ready(3)
            self.assertEqual(status["totals"]["restarts"], 0)
            os.kill(status["workers"][0]["pid"], signal.SIGKILL)
            wait_events(hive, 1, "exit", signal=signal.SIGKILL)
            self.assertEqual([worker["restarts"] for worker in hive.wait_ready(3)["workers"]], [0, 0, 1])
            self.assert_scaled(hive, 3, 0, workers=0)
            wait_workers(hive, [])
            self.assert_scaled(hive, 0, 3, workers=3)
            status = hive.wait_ready(3)
            self.assertEqual([worker["restarts"] for worker in status["workers"]], [0, 0, 0])
            self.assertEqual(status["totals"]["restarts"], 1)
            hive.wait_line(r"broker: scaled from 0 to 3 workers$")
            self.assert_scaled(hive, 3, 0, fewer=3)
            wait_workers(hive, [])
            hive.stop()

    def test_the_last_is_drained(self):
        """By an operator: the broker stays. That is the difference to a worker that leaves of its own accord."""
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            self.assert_done(hive, "drainWorker", worker=1)
            wait_workers(hive, [])
            self.assertEqual(broker(hive)["wanted"], 0)
            self.assertEqual([(e["steps"], e["step"]) for e in events(hive, "scale")], [(1, 0)])
            self.assert_scaled(hive, 0, 1, workers=1)
            with Client(hive.wait_ready(1) and hive.url) as client:
                client.say("leave")
                self.assertEqual(client.hear(), "ok")
            self.assertEqual(hive.wait_exit(), 0)

    def test_more_than_there_are_descriptors_for(self):
        """What is left is enough to ask for fewer; with fewer, old and new ones of a reload have room side by side."""
        with actors("web", listen=[WEB], workers=1) as hive:
            hive.wait_ready(1)
            resource.prlimit(hive.pid, resource.RLIMIT_NOFILE, (128, 128))
            self.assert_failed(hive, EMFILE, "128 descriptors are too few for 8 workers: 136 are needed", "scale",
                               workers=100)
            self.assertEqual([(e["steps"], e["step"]) for e in wait_events(hive, 2, "scale")], [(1, 100), (100, 7)])
            hive.wait_ready(7)
            quiet_descriptors(hive)  # its own connections to its sockets are among them
            self.assert_scaled(hive, 7, 4, workers=4)
            wait_workers(hive, ["ready"] * 4)
            done = hive.skep("reload")
            self.assertEqual(done.code, 0, done.describe())
            self.assert_scaled(hive, 4, 1, workers=1)
            hive.wait_ready(1)
            hive.stop()

    def test_bad_input(self):
        one = "give one of workers, more and fewer"
        with actors(TCP, workers=2) as hive:
            hive.wait_ready(2)
            self.assert_failed(hive, EINVAL, one, "scale")
            self.assert_failed(hive, EINVAL, one, "scale", workers=3, more=1)
            self.assert_failed(hive, EINVAL, "2 workers are wanted: 90 cannot be removed; skep scale 0 removes all",
                               "scale", fewer=90)
            self.assert_failed(hive, ETOOBIG, "1001 workers: at most 1000", "scale", more=999)
            self.assertEqual(self.answer(hive, "scale", workers=1001)["status"], EPROTO)
            self.assertEqual(events(hive, "scale"), [])
            self.assert_scaled(hive, 2, 2, workers=2)
            self.assertEqual(events(hive, "scale"), [])
            hive.stop()


class OneWorker(Case):
    def test_drain(self):
        """It finishes what is live; there is one fewer, and no replacement."""
        with actors(TCP, workers=2) as hive:
            hive.wait_ready(2)
            with Client(hive.url) as client:
                worker = client.worker()
                self.assert_done(hive, "drainWorker", worker=worker)
                self.assertEqual(broker(hive)["wanted"], 1)
                wait_workers(hive, ["draining", "ready"])
                self.assert_failed(hive, ESTATE, f"worker {worker} is leaving already", "drainWorker", worker=worker)
                self.assertEqual(client.worker(), worker)
            self.assertNotEqual(wait_workers(hive, ["ready"]), [worker])
            self.assertNotIn("delay_ms", wait_events(hive, 1, "exit", worker=worker)[0])
            self.assertEqual(len(events(hive, "fork")), 2)
            hive.stop()

    def test_signal(self):
        with actors(TCP, workers=2) as hive:
            hive.wait_ready(2)
            self.assert_done(hive, "signalWorker", worker=2, signal=signal.SIGKILL)
            self.assertEqual(wait_events(hive, 1, "signal")[0]["reason"], "SIGKILL")
            self.assertEqual(wait_events(hive, 1, "exit", worker=2)[0]["signal"], signal.SIGKILL)
            hive.wait_ready(2)
            self.assertEqual(broker(hive)["wanted"], 2)
            self.assert_failed(hive, EINVAL, "no signal 0", "signalWorker", worker=1, signal=0)
            self.assertEqual(self.answer(hive, "signalWorker", worker=1, signal=65)["status"], EPROTO)
            hive.stop()

    def test_nobody_of_that_id(self):
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            for cmd, fields in (("drainWorker", {}), ("restartWorker", {}), ("signalWorker", {"signal": 15})):
                for worker in (0, 99):
                    self.assert_failed(hive, ENOWORKER, f"no worker {worker}", cmd, worker=worker, **fields)
            hive.stop()


class Pausing(Case):
    def test_bad_input(self):
        one = "give one of listener and queue"
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            self.assert_failed(hive, EINVAL, one, "pause")
            self.assert_failed(hive, EINVAL, one, "pause", listener="web", queue="mail")
            self.assert_failed(hive, EINVAL, one, "resume", listener="web", queue="mail")
            self.assert_done(hive, "resume")  # no breaker is open
            hive.stop()


class Signals(Case):
    def test_more_and_fewer(self):
        with actors("web", listen=[WEB], workers=1) as hive:
            hive.wait_ready(1)
            os.kill(hive.pid, signal.SIGTTIN)
            hive.wait_ready(2)
            for left in (1, 0):
                os.kill(hive.pid, signal.SIGTTOU)
                wait_workers(hive, ["ready"] * left)
            os.kill(hive.pid, signal.SIGTTIN)
            hive.wait_ready(1)
            hive.wait_line(r"broker: scaled from 1 to 0 workers$")
            hive.stop()

    def test_a_terminal_sends_none(self):
        """In the background of a terminal with tostop, every line of the log would be a SIGTTOU."""
        folder = mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shell = 'stty tostop; set -m; "$@" & wait'
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv("/bin/sh", ["sh", "-c", shell, "sh", program("skep"), "run", "-n", "2", "--dir", folder, "--",
                                 actor_path(), TCP])
        self.addCleanup(os.close, terminal)
        written = bytearray()
        reader = threading.Thread(target=self.read_all, args=(terminal, written), daemon=True)
        reader.start()
        wait_until(lambda: written.count(b": ready") >= 2, "two lines about ready workers",
                   context=lambda: written.decode(errors="replace"))
        stopped = run("skep", "stop", "--dir", folder)
        self.assertEqual(stopped.code, 0, stopped.describe())
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertNotIn(b"scale", written)

    def read_all(self, terminal, written):
        try:
            while data := os.read(terminal, 4096):
                written += data
        except OSError:  # its other end is closed
            pass


# A program that starts twice, and then only if the file "good" is there.
FRAIL = """#!/bin/sh
cd "$(dirname "$0")" || exit 4
mkdir first 2>/dev/null || mkdir second 2>/dev/null || test -e good || exit 3
exec {actor} {url}
"""


class CannotStart(Case):
    """Fault 13."""

    def setUp(self):
        self.folder = Path(mkdtemp(prefix="skep-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.frail = self.folder / "frail"
        self.frail.write_text(FRAIL.format(actor=actor_path(), url=TCP))
        self.frail.chmod(0o755)

    def hive(self, workers, *options):
        """Two of the workers can start."""
        hive = self.enterContext(Hive(str(self.frail), workers=workers, options=options))
        hive.wait_status(lambda status: True)
        return hive

    def repair(self):
        (self.folder / "good").touch()

    def ready(self, hive):
        return {e["worker"]: e["pid"] for e in events(hive, "ready")}

    def test_backoff_then_breaker_and_siblings(self):
        hive = self.hive(4, "--failures", 8, "--breaker", 1)
        opened = wait_events(hive, 1, "breaker", phase="opened")[0]
        self.assertRegex(opened["reason"], r"^8 quick failures in \d+\.\d s, the last: worker \d+ exited with status 3 "
                                           r"before it was ready; trying one worker in 1 s, or on skep resume$")
        exits = events(hive, "exit")[:8]
        self.assertEqual([e["code"] for e in exits], [3] * 8)
        self.assertTrue(all(e["delay_ms"] >= 75 for e in exits[:7]), exits)
        self.assertNotIn("delay_ms", exits[7])
        self.check_siblings(hive)
        self.check_rate(hive)
        self.check_siblings(hive)
        hive.wait_line(r"broker: breaker opened: 8 quick failures ")
        hive.stop()

    def check_siblings(self, hive):
        """Those that could start are there, and serve."""
        wait_events(hive, 2, "ready")
        workers = hive.status()["workers"]
        ready = {worker["id"]: worker["pid"] for worker in workers if worker["state"] == "ready"}
        self.assertEqual(len(ready), 2)
        self.assertEqual(ready, self.ready(hive))
        for _ in range(4):
            self.assertIn(worker_at(hive.url), ready)

    def check_rate(self, hive):
        """At most one fork a second; a clock that was set meanwhile is not forgiven."""
        opened = wait_events(hive, 4, "breaker", phase="opened")
        forks = [e["time"] for e in events(hive, "fork") if e["seq"] > opened[0]["seq"]]
        self.assertGreaterEqual(len(forks), 3)
        gaps = [after - before for before, after in zip([opened[0]["time"], *forks], forks)]
        self.assertGreater(min(gaps), 950, gaps)
        self.assertIn("it failed again: worker ", opened[1]["reason"])

    def test_time_closes_it(self):
        hive = self.hive(4, "--failures", 4, "--breaker", 1)
        wait_events(hive, 1, "breaker", phase="opened")
        self.assertIn("breaker_ms", broker(hive))
        self.repair()
        closed = wait_events(hive, 1, "breaker", phase="closed")
        self.assertEqual(closed[0]["reason"], "a worker is ready")
        hive.wait_ready(4)
        self.assertNotIn("breaker_ms", broker(hive))
        self.assertEqual(broker(hive)["wanted"], 4)
        hive.stop()

    def test_resume_closes_it(self):
        """And more that are wanted meanwhile wait with the others."""
        hive = self.hive(4, "--failures", 4, "--breaker", 3600)
        wait_events(hive, 1, "breaker", phase="opened")
        wait_workers(hive, ["ready", "ready"])
        self.assertGreater(broker(hive)["breaker_ms"], 3000000)
        self.assert_scaled(hive, 4, 5, more=1)
        forks = len(events(hive, "fork"))
        self.repair()
        self.assert_done(hive, "resume")
        hive.wait_ready(5)
        self.assertEqual(len(events(hive, "fork")), forks + 3)
        self.assertEqual([e["phase"] for e in events(hive, "breaker")], ["opened", "closed"])
        hive.stop()

    def test_stop_and_scale_while_it_is_open(self):
        hive = self.hive(4, "--failures", 4, "--breaker", 3600)
        wait_events(hive, 1, "breaker", phase="opened")
        self.assert_scaled(hive, 4, 0, workers=0)
        wait_workers(hive, [])
        self.assertIn("breaker_ms", broker(hive))
        hive.stop()

    def test_crashes_soon_after_ready_open_it(self):
        with actors(TCP, workers=1, options=["--failures", 3, "--breaker", 3600, "--stable", 3600]) as hive:
            for _ in range(3):
                hive.wait_ready(1)
                with Client(hive.url) as client, self.assertRaises(ConnectionError):
                    client.ask("crash")
            opened = wait_events(hive, 1, "breaker", phase="opened")[0]
            self.assertRegex(opened["reason"], r"the last: worker 3 exited with status 3 \d+\.\d+ s after it was ready;")
            hive.stop()

    def test_workers_that_never_get_ready_open_it(self):
        with Hive("/bin/sleep", "1000", workers=1,
                  options=["--failures", 1, "--breaker", 3600, "--ready-timeout", "0.2"]) as hive:
            hive.wait_line(r"the last: worker 1 was killed by SIGKILL \(not-ready\) before it was ready; trying one worker")
            hive.stop()

    def test_kills_do_not_open_it(self):
        """A worker that was ready and is killed from outside has not failed: no delay, no breaker."""
        with actors(TCP, workers=2, options=["--failures", 2, "--stable", 3600]) as hive:
            for n in range(30):
                pids = list(hive.wait_ready(2) and hive.pids().values())
                hive.kill9(pids[n % 2])
                wait_events(hive, n + 1, "exit")
            self.assertEqual({e["delay_ms"] for e in events(hive, "exit")}, {0})
            self.assertEqual(events(hive, "breaker"), [])
            hive.stop()

    def test_bad_options(self):
        for option, value, why in (("--breaker", "0.5", "from 1s to 24h"),
                                   ("--failures", "0", "expected a number from 1 to 4096"),
                                   ("--failures", "4097", "expected a number from 1 to 4096"),
                                   ("--stable", "x", "expected a time"), ("--failures-period", "-1", "expected")):
            done = run("skep", "run", option, value, "--", "true")
            self.assertEqual(done.code, 64, done.describe())
            self.assertIn(why, done.output("err"))


if __name__ == "__main__":
    unittest.main()
