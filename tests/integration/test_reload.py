#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rolling reload under load: no request fails, whatever the policy and whether or not the new program starts."""
import contextlib
import os
import signal
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import TCP, HttpLoad, actor_path, actors, by_id, stopped, worker_at
from hive import Hive, Process, is_alive, program as path_of, wait_until
from jobs import DEADLINE_JOBS_S, Submitter, ask, workers
from ledger_check import violations

ABORTED, REPLACED, UNDERWAY = 70, 70, 75
POLICIES = ("round-robin", "least-connections", "sticky", "shared", "reuseport")
ROUNDS, BAD_EVERY = 10, 5


def reload(hive, *options):
    return hive.skep("reload", *options, deadline_s=DEADLINE_JOBS_S)


def programs(hive):
    """What workers are started from, and those that were started from something else."""
    answers = ask(hive, "status")
    broker, = [answer for answer in answers if answer["cmd"] == "brokerStatus"]
    workers_now = [answer for answer in answers if answer["cmd"] == "workerStatus"]
    return broker["program"], {worker["worker"]: worker["program"] for worker in workers_now if "program" in worker}


def progress(hive):
    """(step, steps) of the reload under way, or None."""
    broker, = [answer for answer in ask(hive, "status") if answer["cmd"] == "brokerStatus"]
    return (broker["reloadStep"], broker["reloadSteps"]) if "reloadSteps" in broker else None


def connections_to(hive):
    """How many there are to its control socket, those that it has not accepted among them."""
    return Path("/proc/net/unix").read_text().count(f"{hive.folder}/control.")


def hello(policy="round-robin", count=2):
    return Hive("hello", "--listen", TCP, workers=count, policy=policy, options=["--drain-timeout", 60])


class UnderLoad(unittest.TestCase):
    """Fault 12."""

    def reload_well(self, hive, count):
        before = set(hive.pids())
        done = reload(hive)
        self.assertEqual(done.code, 0, done.describe())
        ready = {worker["id"] for worker in hive.status()["workers"] if worker["state"] == "ready"}
        self.assertEqual(len(ready), count)
        self.assertFalse(ready & before)

    def reload_badly(self, hive, bad):
        done = reload(hive, "--program", bad)
        self.assertEqual(done.code, ABORTED, done.describe())
        self.assertRegex(done.output("err"), r"aborted: (worker \d+ exited with status 1 before|.*not found)")

    def check(self, policy, rounds, bad_every, count=2):
        with hello(policy, count) as hive:
            hive.wait_ready(count)
            with HttpLoad(hive.url) as requests:
                for n in range(1, rounds + 1):
                    requests.wait_more()
                    if n % bad_every == 0:
                        self.reload_badly(hive, "/bin/false" if n // bad_every % 2 else "/no/such/program")
                    else:
                        self.reload_well(hive, count)
                    self.assertEqual(requests.failed, [], f"round {n}, {policy}\n{hive.describe()}")
                requests.wait_more()
            self.assertEqual(requests.failed, [], policy)
            self.assertGreater(requests.reopened, 0)
            totals = hive.wait_ready(count)["totals"]
            self.assertEqual(totals["restarts"], 0)
            hive.stop()

    def test_rounds_one_in_five_with_a_program_that_does_not_start(self):
        self.check("round-robin", ROUNDS, BAD_EVERY)

    def test_each_policy(self):
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.check(policy, 4, 3)

    def test_a_failing_generation_leaves_the_old_one_alone(self):
        with hello(count=3) as hive:
            hive.wait_ready(3)
            pids = hive.pids()
            events = hive.events()
            events.wait_line("^skep: events of ", stream="err")
            with HttpLoad(hive.url) as requests:
                requests.wait_more()
                self.reload_badly(hive, "/bin/false")
                requests.wait_more()
            self.assertEqual(requests.failed, [])
            self.assertEqual(hive.pids(), pids)
            aborted = events.wait_event(lambda event: event["event"] == "reload" and event.get("worker"))
            self.assertEqual((aborted["reason"], aborted["worker"]["id"]),
                             ("worker 4 exited with status 1 before it was ready", 4))
            self.assertEqual([event for event in events.all() if event["event"] == "drain"], [])
            hive.stop()


class AnotherProgram(unittest.TestCase):
    def test_the_new_program_is_the_one_from_then_on(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder, actors(TCP) as hive:
            new = Path(folder, "new")
            new.symlink_to(actor_path())
            hive.wait_ready(2)
            done = reload(hive, "--program", str(new))
            self.assertEqual(done.code, 0, done.describe())
            hive.wait_ready(2)
            hive.kill9(hive.pids()[3])
            wait_until(lambda: set(hive.pids()) == {4, 5}, "a replacement")
            for pid in hive.pids().values():
                wait_until(lambda pid=pid: self.program_of(pid) == str(new), "the new program")
            self.assertEqual(programs(hive), (str(new), {}))
            hive.stop()

    def test_a_failure_half_way_is_told_by_the_status(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder, actors(TCP) as hive:
            half = Path(folder, "half")
            half.write_text(f'#!/bin/sh\n[ "$SKEP_WORKER_ID" = 3 ] && exec {actor_path()} "$@"\nexit 1\n')
            half.chmod(0o700)
            hive.wait_ready(2)
            done = reload(hive, "--program", str(half))
            self.assertEqual(done.code, ABORTED, done.describe())
            wait_until(lambda: sorted(hive.pids()) == [2, 3], "the first to be replaced, and the second to stay")
            self.assertEqual(programs(hive), (actor_path(), {3: str(half)}))
            hive.kill9(hive.pids()[3])
            wait_until(lambda: sorted(hive.pids()) == [2, 5], "a replacement")
            self.assertEqual(programs(hive), (actor_path(), {}))
            hive.stop()

    @staticmethod
    def program_of(pid):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        return None

    def test_status_78_of_a_new_worker_does_not_end_the_hive(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder, actors(TCP) as hive:
            bad = Path(folder, "bad")
            bad.write_text("#!/bin/sh\nexit 78\n")
            bad.chmod(0o700)
            hive.wait_ready(2)
            done = reload(hive, "--program", str(bad))
            self.assertEqual(done.code, ABORTED, done.describe())
            self.assertIn(worker_at(hive.url), (1, 2))
            self.assertEqual(sorted(hive.pids()), [1, 2])
            hive.stop()


class UnderWay(unittest.TestCase):
    def test_nothing_else_that_changes_workers_is_done_meanwhile(self):
        with actors(TCP) as hive:
            hive.wait_ready(2)
            self.assertIsNone(progress(hive))
            waiting = Process([path_of("skep"), "reload", "--dir", hive.folder, "--program", "/bin/sleep", "--", "600"])
            self.addCleanup(waiting.end)
            wait_until(lambda: 3 in hive.pids(), "a new worker", context=waiting.describe)
            self.assertEqual(progress(hive), (0, 2))
            for command in (["restart", "1"], ["scale", "3"]):
                refused = hive.skep(*command)
                self.assertEqual(refused.code, UNDERWAY, refused.describe())
                self.assertIn("a reload is under way", refused.output("err"))
            os.kill(hive.pids()[3], signal.SIGKILL)
            self.assertEqual(waiting.wait_exit(), ABORTED, waiting.describe())
            self.assertIn("worker 3 was killed by SIGKILL before it was ready", waiting.output("err"))
            self.assertIsNone(progress(hive))
            hive.stop()


class Restart(unittest.TestCase):
    def test_one_worker(self):
        with hello(count=3) as hive:
            hive.wait_ready(3)
            with HttpLoad(hive.url) as requests:
                requests.wait_more()
                done = hive.skep("restart", "2")
                self.assertEqual(done.code, 0, done.describe())
                status = hive.wait_ready(3)
                requests.wait_more()
            self.assertEqual(requests.failed, [])
            self.assertEqual(by_id(status, "slot"), {1: 0, 3: 2, 4: 1})
            hive.stop()


class Jobs(unittest.TestCase):
    """Jobs that are being worked on are finished by whoever has begun them; all others go to the new workers."""
    JOBS, HELD, ROUNDS = 3000, 2, 3

    def test_each_job_is_done_once(self):
        with workers("q", count=2, options=["--drain-timeout", 60]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                self.reload_at_work(hive, submitter)
                submitter.wait_outcomes()
                self.assertEqual(violations(submitter.lines, hive.log())[:10], [])
            hive.stop()
            self.assertEqual(len(hive.starts()), self.JOBS + self.HELD)
            self.assertEqual({words[3] for words in hive.starts()}, {"1"})  # the first attempt of each

    def reload_at_work(self, hive, submitter):
        for key in submitter.submit("q", self.HELD, "keep 1500"):
            hive.wait_starts(key)
        for _ in range(self.ROUNDS):
            submitter.submit("q", self.JOBS // self.ROUNDS)
            done = reload(hive)
            self.assertEqual(done.code, 0, done.describe())


class Next(unittest.TestCase):
    """Reloads that are asked for while one is under way: one follows it."""

    def begin(self, hive, *program):
        process = Process([path_of("skep"), "reload", "--dir", hive.folder, *program])
        self.addCleanup(process.end)
        return process

    def test_commands_wait_for_their_own(self):
        with actors(TCP) as hive:
            hive.wait_ready(2)
            first = self.begin(hive, "--program", "/bin/sleep", "--", "600")
            hive.wait_line(r"worker 3 pid \d+: started")
            second, third = self.begin(hive), self.begin(hive)
            hive.wait_line("broker: reload pending, 0 of 2", times=2)
            for process in (second, third):
                process.wait_line(r"^a reload is under way \(0 of 2\); this one follows", stream="out")
            os.kill(hive.pids()[3], signal.SIGKILL)
            self.assertEqual(first.wait_exit(), ABORTED, first.describe())
            for process in (second, third):
                self.assertEqual(process.wait_exit(), 0, process.describe())
                self.assertIn("2 workers replaced", process.output("out"))
            self.assertEqual(sorted(hive.wait_ready(2) and hive.pids()), [4, 5])
            hive.stop()

    def test_one_that_is_overridden_before_it_begins_is_no_success(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder, actors(TCP) as hive:
            new = Path(folder, "new")
            new.symlink_to(actor_path())
            hive.wait_ready(2)
            first = self.begin(hive, "--program", "/bin/sleep", "--", "600")
            hive.wait_line(r"worker 3 pid \d+: started")
            replaced = [self.begin(hive, "--program", "/no/such/program")]
            hive.wait_line("broker: reload pending, 0 of 2", times=1)
            plain = self.begin(hive)
            hive.wait_line("broker: reload pending, 0 of 2", times=2)
            self.assertEqual(hive.count("reload replaced"), 0)
            replaced.append(plain)  # it has joined the first
            for process in replaced:
                process.wait_line("^a reload is under way", stream="out")
            last = self.begin(hive, "--program", str(new))
            hive.wait_line(f"broker: reload replaced, 0 of 2: by a later reload to {new}")
            for process in replaced:
                self.assertEqual(process.wait_exit(), REPLACED, process.describe())
                self.assertIn(f"skep: reload: replaced by a later reload to {new}", process.output("err"))
            self.assertIsNone(first.popen.poll())
            os.kill(hive.pids()[3], signal.SIGKILL)
            self.assertEqual(first.wait_exit(), ABORTED, first.describe())
            self.assertEqual(last.wait_exit(), 0, last.describe())
            wait_until(lambda: programs(hive) == (str(new), {}), "the old workers to end", context=hive.describe)
            hive.stop()

    def begin_at_once(self, hive, *programs):
        """A reload for each program (None: the present one) while another one is under way; processes by program. All
        are told how the broker is before any is asked to reload."""
        first = self.begin(hive, "--program", "/bin/sleep", "--", "600")
        hive.wait_line(r"worker 3 pid \d+: started")
        with stopped(hive.pid):
            before = connections_to(hive)
            several = [(path, self.begin(hive, *(["--program", path] if path else []))) for path in programs]
            wait_until(lambda: connections_to(hive) == before + len(several), "all to connect", context=hive.describe)
        hive.wait_line("broker: reload pending, 0 of 2", times=len(several))
        os.kill(hive.pids()[3], signal.SIGKILL)
        self.assertEqual(first.wait_exit(), ABORTED, first.describe())
        return several

    def test_of_several_at_once_all_but_one_are_replaced(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder, actors(TCP) as hive:
            paths = [str(Path(folder, f"new-{n}")) for n in range(8)]
            for path in paths:
                os.symlink(actor_path(), path)
            hive.wait_ready(2)
            several = self.begin_at_once(hive, *paths)
            codes = {path: process.wait_exit() for path, process in several}
            done = [path for path, code in codes.items() if code == 0]
            self.assertEqual(sorted(codes.values()), [0] + 7 * [REPLACED], hive.describe())
            wait_until(lambda: programs(hive) == (done[0], {}), "the old workers to end", context=hive.describe)
            hive.stop()

    def test_of_several_that_want_the_same_each_is_done(self):
        with actors(TCP) as hive:
            hive.wait_ready(2)
            for _, process in self.begin_at_once(hive, *8 * [None]):
                self.assertEqual(process.wait_exit(), 0, process.describe())
            self.assertEqual((hive.count("reload begun"), hive.count("reload replaced")), (2, 0))
            hive.stop()

    def test_hangups_in_a_row_are_one_more(self):
        with actors(TCP) as hive:
            hive.wait_ready(2)
            first = self.begin(hive, "--program", "/bin/sleep", "--", "600")
            hive.wait_line(r"worker 3 pid \d+: started")
            for times in range(1, 6):
                os.kill(hive.pid, signal.SIGHUP)
                hive.wait_line("broker: reload pending", times=times)
            os.kill(hive.pids()[3], signal.SIGKILL)
            self.assertEqual(first.wait_exit(), ABORTED, first.describe())
            hive.wait_line("broker: reload done, 2 of 2")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [4, 5], "the new alone")
            self.assertIsNone(progress(hive))
            self.assertEqual((hive.count("reload begun"), hive.count("error")), (2, 0))
            hive.stop()

    def test_it_takes_the_program_that_was_asked_for(self):
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            first = self.begin(hive, "--program", "/bin/sleep", "--", "600")
            hive.wait_line(r"worker 2 pid \d+: started")
            second = self.begin(hive, "--program", "/no/such/program")
            hive.wait_line("broker: reload pending")
            os.kill(hive.pids()[2], signal.SIGKILL)
            self.assertEqual(first.wait_exit(), ABORTED, first.describe())
            self.assertEqual(second.wait_exit(), ABORTED, second.describe())
            self.assertIn("program not found", second.output("err"))
            self.assertEqual(list(hive.pids()), [1])
            hive.stop()


class Signal(unittest.TestCase):
    def test_sighup_reloads_and_sigterm_in_the_midst_drains(self):
        """Fault 17, in the midst of a reload."""
        with hello(count=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            events = hive.events()
            events.wait_line("^skep: events of ", stream="err")
            os.kill(hive.pid, signal.SIGHUP)
            events.wait_event("reload")
            os.kill(hive.pid, signal.SIGTERM)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertFalse([pid for pid in pids.values() if is_alive(pid)])


if __name__ == "__main__":
    unittest.main()
